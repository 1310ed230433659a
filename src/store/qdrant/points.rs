//! Points on their way to the server and back.

use std::collections::{BTreeMap, HashMap};

use qdrant_client::qdrant::point_id::PointIdOptions;
use qdrant_client::qdrant::vectors::VectorsOptions;
use qdrant_client::qdrant::vectors_output::VectorsOptions as OutputOptions;
use qdrant_client::qdrant::{
    DenseVector, MultiDenseVector, NamedVectors, PointId as ServerId, PointStruct, RetrievedPoint,
    SparseVector as ServerSparse, Value, Vector, Vectors, VectorsOutput, vector, vector_output,
};
use uuid::Uuid;

use super::json;
use crate::error::Result;
use crate::store::StoredPoint;
use crate::store::payload::{self, CheckedPoint};
use crate::types::{Multivector, NamedVector, PagePayload, PointId, SparseVector, VectorName};

/// A checked point as the server takes it.
pub(super) fn to_server(point: CheckedPoint) -> PointStruct {
    let vectors = point.vectors.into_iter().map(|(name, vector)| (name.as_str().to_owned(), vector_to_server(vector)));
    PointStruct {
        id: Some(server_id(point.id)),
        vectors: Some(Vectors {
            vectors_options: Some(VectorsOptions::Vectors(NamedVectors { vectors: vectors.collect() })),
        }),
        payload: json::fields(point.payload),
    }
}

pub(super) fn vector_to_server(vector: NamedVector) -> Vector {
    let vector = match vector {
        NamedVector::Dense(values) => vector::Vector::Dense(DenseVector { data: values }),
        NamedVector::Multi(rows) => vector::Vector::MultiDense(multi(&rows)),
        NamedVector::Sparse(values) => vector::Vector::Sparse(sparse(values)),
    };
    Vector { vector: Some(vector), ..Vector::default() }
}

pub(super) fn multi(rows: &Multivector) -> MultiDenseVector {
    MultiDenseVector { vectors: rows.rows().map(|row| DenseVector { data: row.to_vec() }).collect() }
}

pub(super) fn sparse(sparse: SparseVector) -> ServerSparse {
    let SparseVector { indices, values } = sparse;
    ServerSparse { values, indices }
}

pub(super) fn server_id(id: PointId) -> ServerId {
    ServerId { point_id_options: Some(PointIdOptions::Uuid(id.0.to_string())) }
}

/// # Errors
/// Permanent, if the id is a number: points of pages have UUIDs.
pub(super) fn from_server_id(id: Option<ServerId>) -> Result<PointId> {
    match id.and_then(|id| id.point_id_options) {
        Some(PointIdOptions::Uuid(text)) => Uuid::parse_str(&text)
            .map(PointId)
            .map_err(|error| payload::foreign(format!("'{text}' is not the id of a point")).with_source(error)),
        Some(PointIdOptions::Num(number)) => Err(payload::foreign(format!(
            "point {number} is not a page: its id is a number, a UUID is expected; the collection was not written by Quire"
        ))),
        None => Err(payload::foreign("the server sent a point without an id".into())),
    }
}

/// # Errors
/// Permanent, if the payload is not a page's.
pub(super) fn from_payload(id: PointId, payload: HashMap<String, Value>) -> Result<PagePayload> {
    payload::from_json(id, Some(json::object(payload)))
}

/// # Errors
/// Permanent, if the stored point is none of ours.
pub(super) fn from_server(point: RetrievedPoint) -> Result<StoredPoint> {
    let id = from_server_id(point.id)?;
    Ok(StoredPoint { id, payload: from_payload(id, point.payload)?, vectors: from_vectors(id, point.vectors)? })
}

/// # Errors
/// Permanent, if a vector's name or shape is unknown.
pub(super) fn from_vectors(id: PointId, vectors: Option<VectorsOutput>) -> Result<BTreeMap<VectorName, NamedVector>> {
    let named = match vectors.and_then(|vectors| vectors.vectors_options) {
        None => return Ok(BTreeMap::new()),
        Some(OutputOptions::Vectors(named)) => named.vectors,
        Some(OutputOptions::Vector(_)) => {
            return Err(payload::foreign(format!(
                "point {id} has a vector without a name: it was not written by Quire"
            )));
        }
    };
    named
        .into_iter()
        .map(|(name, vector)| {
            let vector = match vector.into_vector() {
                vector_output::Vector::Dense(dense) => NamedVector::Dense(dense.data),
                vector_output::Vector::MultiDense(rows) => NamedVector::Multi(from_multi(id, rows)?),
                vector_output::Vector::Sparse(ServerSparse { values, indices }) => {
                    NamedVector::Sparse(SparseVector { indices, values })
                }
            };
            Ok((name.parse()?, vector))
        })
        .collect()
}

fn from_multi(id: PointId, rows: MultiDenseVector) -> Result<Multivector> {
    rows_of(&id.to_string(), rows)
}

/// # Errors
/// Permanent, naming the point, if the rows are not of one length.
pub(super) fn rows_of(id: &str, rows: MultiDenseVector) -> Result<Multivector> {
    let dim = rows.vectors.first().map_or(0, |row| row.data.len());
    if rows.vectors.iter().any(|row| row.data.len() != dim) {
        return Err(payload::foreign(format!("the rows of a multivector of point {id} are not of one length")));
    }
    Multivector::new(dim, rows.vectors.into_iter().flat_map(|row| row.data).collect())
}

#[cfg(test)]
mod tests {
    use qdrant_client::qdrant::{NamedVectorsOutput, VectorOutput};

    use super::*;
    use crate::store::fixtures::{self, Page};

    /// What the server would send back of a point that it was sent.
    fn echoed(point: PointStruct) -> RetrievedPoint {
        let Some(VectorsOptions::Vectors(named)) = point.vectors.unwrap().vectors_options else { panic!("named") };
        let vectors = named.vectors.into_iter().map(|(name, vector)| {
            let vector = match vector.vector.unwrap() {
                vector::Vector::Dense(dense) => vector_output::Vector::Dense(dense),
                vector::Vector::Sparse(sparse) => vector_output::Vector::Sparse(sparse),
                vector::Vector::MultiDense(rows) => vector_output::Vector::MultiDense(rows),
                other => panic!("{other:?}"),
            };
            (name, VectorOutput { vector: Some(vector), ..VectorOutput::default() })
        });
        let named = NamedVectorsOutput { vectors: vectors.collect() };
        RetrievedPoint {
            id: point.id,
            payload: point.payload,
            vectors: Some(VectorsOutput { vectors_options: Some(OutputOptions::Vectors(named)) }),
            ..RetrievedPoint::default()
        }
    }

    #[test]
    fn a_point_comes_back_as_it_was_sent() {
        let point = Page::new(3, 2).tag("team", "blue").point();
        let checked = payload::check(point.clone(), &fixtures::schema()).unwrap();
        let vectors = checked.vectors.clone();
        let back = from_server(echoed(to_server(checked))).unwrap();
        assert_eq!((back.id, &back.payload), (point.id, &point.payload));
        assert_eq!(back.vectors, vectors);
    }

    #[test]
    fn a_point_of_somebody_else_is_told() {
        let id = ServerId { point_id_options: Some(PointIdOptions::Num(7)) };
        let error = from_server_id(Some(id)).unwrap_err();
        assert!(error.to_string().contains("point 7 is not a page"), "{error}");
    }
}
