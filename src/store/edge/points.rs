//! Points on their way into the engine and out of it.

use std::collections::{BTreeMap, HashMap};

use qdrant_edge::{
    Payload, PointId as EngineId, PointStructPersisted, Record, SparseVector as EngineSparse, VectorInternal,
    VectorPersisted, VectorStructInternal, VectorStructPersisted,
};

use crate::error::Result;
use crate::store::StoredPoint;
use crate::store::payload::{self, CheckedPoint};
use crate::types::{Multivector, NamedVector, PagePayload, PointId, SparseVector, VectorName};

/// A checked point as the engine takes it.
pub(super) fn to_engine(point: CheckedPoint) -> PointStructPersisted {
    let vectors = point.vectors.into_iter().map(|(name, vector)| {
        let vector = match vector {
            NamedVector::Dense(values) => VectorPersisted::Dense(values),
            NamedVector::Multi(rows) => VectorPersisted::MultiDense(rows.rows().map(<[f32]>::to_vec).collect()),
            NamedVector::Sparse(sparse) => VectorPersisted::Sparse(engine_sparse(sparse)),
        };
        (name.as_str().to_owned(), vector)
    });
    PointStructPersisted {
        id: engine_id(point.id),
        vector: VectorStructPersisted::Named(vectors.collect::<HashMap<_, _>>()),
        payload: Some(Payload(point.payload)),
    }
}

pub(super) fn engine_id(id: PointId) -> EngineId {
    EngineId::Uuid(id.0)
}

pub(super) fn engine_sparse(sparse: SparseVector) -> EngineSparse {
    let SparseVector { indices, values } = sparse;
    EngineSparse { indices, values }
}

/// # Errors
/// Permanent, if the payload is not a page's.
pub(super) fn from_payload(id: PointId, payload: Option<Payload>) -> Result<PagePayload> {
    payload::from_json(id, payload.map(|payload| payload.0))
}

/// # Errors
/// Permanent, if the stored point is none of ours.
pub(super) fn from_record(record: Record) -> Result<StoredPoint> {
    let id = from_engine_id(record.id)?;
    Ok(StoredPoint { id, payload: from_payload(id, record.payload)?, vectors: from_vectors(id, record.vector)? })
}

/// # Errors
/// Permanent, if the id is a number: points of pages have UUIDs.
pub(super) fn from_engine_id(id: EngineId) -> Result<PointId> {
    match id {
        EngineId::Uuid(uuid) => Ok(PointId(uuid)),
        EngineId::NumId(number) => Err(payload::foreign(format!(
            "point {number} is not a page: its id is a number, a UUID is expected; the collection was not written by Quire"
        ))),
    }
}

/// # Errors
/// Permanent, if a vector's name or shape is unknown.
pub(super) fn from_vectors(
    id: PointId,
    vectors: Option<VectorStructInternal>,
) -> Result<BTreeMap<VectorName, NamedVector>> {
    let named = match vectors {
        None => return Ok(BTreeMap::new()),
        Some(VectorStructInternal::Named(named)) => named,
        Some(VectorStructInternal::Single(_) | VectorStructInternal::MultiDense(_)) => {
            return Err(payload::foreign(format!(
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
