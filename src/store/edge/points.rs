//! Points on their way into the engine and out of it. What the engine would refuse, or take and break on, is refused
//! here, naming the page.

use std::collections::{BTreeMap, HashMap};

use half::f16;
use half::slice::HalfFloatSliceExt;
use qdrant_edge::{
    Payload, PointId as EngineId, PointStructPersisted, Record, SparseVector as EngineSparse, VectorInternal,
    VectorPersisted, VectorStructInternal, VectorStructPersisted,
};

use super::filter::{field, flat_tag};
use crate::error::{Error, Result, ResultExt};
use crate::store::StoredPoint;
use crate::types::{
    Datatype, MAX_MULTIVECTOR_FLOATS, Multivector, NamedVector, PagePayload, PagePoint, PointId, Schema, SparseVector,
    VectorKind, VectorName, VectorSpec,
};

/// One point as the engine takes it, with the names of vectors that the schema has and the point has not.
pub(super) struct EnginePoint {
    pub point: PointStructPersisted,
    pub missing: Vec<&'static str>,
    /// Numbers in all its vectors together.
    pub floats: usize,
    /// Bytes that the largest of them takes in the store.
    pub largest_bytes: usize,
}

/// Translates `point`. Empty sparse vectors are left out, as the engine would refuse to count them anyway.
///
/// # Errors
/// Permanent, naming the page and the vector, where a vector does not fit the schema or the engine's limits.
pub(super) fn to_engine(point: PagePoint, schema: &Schema) -> Result<EnginePoint> {
    let PagePoint { id, vectors, payload } = point;
    let page = format!("page {} of {}", payload.page, payload.source);
    let mut named = HashMap::with_capacity(vectors.len());
    let (mut floats, mut largest_bytes) = (0, 0);
    for (name, vector) in vectors {
        let spec = schema.get(name).ok_or_else(|| {
            Error::permanent(format!(
                "{page}: vector '{name}' is not kept in this collection: its schema has no such vector"
            ))
        })?;
        let count = match &vector {
            NamedVector::Dense(values) => values.len(),
            NamedVector::Multi(rows) => rows.as_slice().len(),
            NamedVector::Sparse(sparse) => sparse.values.len(),
        };
        if matches!(&vector, NamedVector::Sparse(sparse) if sparse.is_empty()) {
            continue;
        }
        floats += count;
        let width = match spec.datatype {
            Datatype::Float16 => 2,
            Datatype::Float32 => 4,
        };
        largest_bytes = largest_bytes.max(count * width);
        let vector = check_and_convert(spec, vector).context(&page)?;
        named.insert(name.as_str().to_owned(), vector);
    }
    let missing =
        schema.vectors.iter().map(|spec| spec.name.as_str()).filter(|&name| !named.contains_key(name)).collect();
    let point = PointStructPersisted {
        id: EngineId::Uuid(id.0),
        vector: VectorStructPersisted::Named(named),
        payload: Some(to_payload(&payload)?),
    };
    Ok(EnginePoint { point, missing, floats, largest_bytes })
}

fn check_and_convert(spec: &VectorSpec, vector: NamedVector) -> Result<VectorPersisted> {
    let name = spec.name;
    match (spec.kind, vector) {
        (VectorKind::Dense { dim }, NamedVector::Dense(values)) => {
            if values.len() != dim {
                return Err(Error::permanent(format!(
                    "vector '{name}' has {} dimensions, expected {dim}",
                    values.len()
                )));
            }
            Ok(VectorPersisted::Dense(stored(spec, values)?))
        }
        (VectorKind::Multi { dim }, NamedVector::Multi(rows)) => {
            if rows.dim() != dim {
                return Err(Error::permanent(format!("vector '{name}' has rows of {}, expected {dim}", rows.dim())));
            }
            if rows.is_empty() {
                return Err(Error::permanent(format!("vector '{name}' has no rows: leave it out instead")));
            }
            let floats = rows.as_slice().len();
            if floats >= MAX_MULTIVECTOR_FLOATS {
                return Err(Error::permanent(format!(
                    "vector '{name}' has {} rows of {dim}, {floats} numbers: Qdrant takes fewer than \
                     {MAX_MULTIVECTOR_FLOATS}; render the page smaller or pool its patches",
                    rows.len()
                )));
            }
            let values = stored(spec, rows.into_vec())?;
            Ok(VectorPersisted::MultiDense(values.chunks_exact(dim).map(<[f32]>::to_vec).collect()))
        }
        (VectorKind::SparseIdf, NamedVector::Sparse(sparse)) => {
            Ok(VectorPersisted::Sparse(engine_sparse(name, sparse)?))
        }
        (kind, _) => {
            Err(Error::permanent(format!("vector '{name}' is of another kind than its schema says, {kind:?}")))
        }
    }
}

/// A sparse vector as the engine takes it.
///
/// # Errors
/// Permanent, where indices do not ascend, are not as many as values, or a value is not a number.
pub(super) fn engine_sparse(name: VectorName, sparse: SparseVector) -> Result<EngineSparse> {
    let SparseVector { indices, values } = sparse;
    if indices.len() != values.len() {
        return Err(Error::permanent(format!(
            "vector '{name}' has {} indices and {} values: as many of each are expected",
            indices.len(),
            values.len()
        )));
    }
    if let Some(pair) = indices.windows(2).find(|pair| pair[0] >= pair[1]) {
        return Err(Error::permanent(format!(
            "vector '{name}' has index {} behind {}: indices must ascend",
            pair[1], pair[0]
        )));
    }
    check_finite(name, &values)?;
    Ok(EngineSparse { indices, values })
}

/// The values as the store will keep them. Rounding to half precision is what the engine would do itself; done here, its
/// log takes three bytes a number instead of five.
fn stored(spec: &VectorSpec, mut values: Vec<f32>) -> Result<Vec<f32>> {
    if spec.datatype == Datatype::Float16 {
        let mut halves = vec![f16::ZERO; values.len()];
        halves.convert_from_f32_slice(&values);
        halves.convert_to_f32_slice(&mut values);
    }
    check_finite(spec.name, &values)?;
    Ok(values)
}

/// # Errors
/// Permanent, where a value is infinite or not a number.
pub(super) fn check_finite(name: VectorName, values: &[f32]) -> Result<()> {
    match values.iter().find(|value| !value.is_finite()) {
        None => Ok(()),
        Some(value) => Err(Error::permanent(format!(
            "vector '{name}' holds {value}: finite numbers are expected (up to 65504 where they are kept as float16)"
        ))),
    }
}

fn to_payload(payload: &PagePayload) -> Result<Payload> {
    let value = serde_json::to_value(payload)
        .map_err(|error| Error::bug("a page's payload does not become JSON").with_source(error))?;
    let serde_json::Value::Object(mut map) = value else {
        return Err(Error::bug("a page's payload is not a JSON object"));
    };
    if !payload.tags.is_empty() {
        let tags: Vec<String> = payload.tags.iter().map(|(key, value)| flat_tag(key, value)).collect();
        map.insert(field::TAG_LIST.to_owned(), tags.into());
    }
    Ok(Payload(map))
}

/// # Errors
/// Permanent, where the stored point is none of ours.
pub(super) fn from_record(record: Record) -> Result<StoredPoint> {
    let id = from_engine_id(record.id)?;
    Ok(StoredPoint { id, payload: from_payload(id, record.payload)?, vectors: from_vectors(id, record.vector)? })
}

/// # Errors
/// Permanent, where the id is a number: points of pages have UUIDs.
pub(super) fn from_engine_id(id: EngineId) -> Result<PointId> {
    match id {
        EngineId::Uuid(uuid) => Ok(PointId(uuid)),
        EngineId::NumId(number) => Err(Error::permanent(format!(
            "point {number} is not a page: its id is a number, a UUID is expected; the collection was not written by Quire"
        ))),
    }
}

/// # Errors
/// Permanent, where the payload is not a page's.
pub(super) fn from_payload(id: PointId, payload: Option<Payload>) -> Result<PagePayload> {
    let payload = payload.ok_or_else(|| Error::bug(format!("point {id} came without its payload")))?;
    serde_json::from_value(serde_json::Value::Object(payload.0))
        .map_err(|error| Error::permanent(format!("the payload of point {id} is not a page's")).with_source(error))
}

/// # Errors
/// Permanent, where a vector's name or shape is unknown.
pub(super) fn from_vectors(
    id: PointId,
    vectors: Option<VectorStructInternal>,
) -> Result<BTreeMap<VectorName, NamedVector>> {
    let named = match vectors {
        None => return Ok(BTreeMap::new()),
        Some(VectorStructInternal::Named(named)) => named,
        Some(VectorStructInternal::Single(_) | VectorStructInternal::MultiDense(_)) => {
            return Err(Error::permanent(format!(
                "point {id} has a vector without a name: it was not written by Quire"
            )));
        }
    };
    named
        .into_iter()
        .map(|(name, vector)| {
            let vector = match vector {
                VectorInternal::Dense(values) => NamedVector::Dense(values),
                VectorInternal::MultiDense(rows) => {
                    NamedVector::Multi(Multivector::new(rows.dim, rows.flattened_vectors)?)
                }
                VectorInternal::Sparse(EngineSparse { indices, values }) => {
                    NamedVector::Sparse(SparseVector { indices, values })
                }
            };
            Ok((name.parse()?, vector))
        })
        .collect()
}
