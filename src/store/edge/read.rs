//! Reads that are no query: walks over a whole collection, and what the engine says of it.

use qdrant_edge::external::uuid::Uuid;
use qdrant_edge::{CountRequest, EdgeShard, PointId as EngineId, ScrollRequest, WithPayloadInterface, WithVector};

use super::collection::engine_error;
use super::{points, query};
use crate::error::{Error, Result};
use crate::store::info::{CollectionInfo, Optimizer, Owned, Walk, mean_bytes};
use crate::store::payload;
use crate::types::{Schema, VectorName};

/// Points that sizes are measured on.
const SAMPLE: usize = 32;

/// Whose the points are, from `from` on, by id ascending.
pub(super) fn walk(engine: &EdgeShard, from: Option<EngineId>, limit: usize) -> Result<Walk> {
    let request = ScrollRequest {
        offset: from,
        limit: Some(limit),
        filter: None,
        with_payload: Some(WithPayloadInterface::Bool(true)),
        with_vector: WithVector::Bool(false),
        order_by: None,
    };
    let (records, next) = engine.scroll(request).map_err(|error| engine_error("list points", error))?;
    let owned = |record: qdrant_edge::Record| Owned {
        id: record.id.to_string(),
        page: record.payload.and_then(|payload| payload::page_of(&payload.0)),
    };
    Ok(Walk { points: records.into_iter().map(owned).collect(), next: next.map(|id| id.to_string()) })
}

/// # Errors
/// Permanent, if it is no id.
pub(super) fn id_of_text(text: &str) -> Result<EngineId> {
    if let Ok(number) = text.parse() {
        return Ok(EngineId::NumId(number));
    }
    Uuid::parse_str(text)
        .map(EngineId::Uuid)
        .map_err(|error| Error::permanent(format!("'{text}' is not the id of a point")).with_source(error))
}

/// What the engine says of a collection, and what its points weigh. Nothing works behind its back.
pub(super) fn info(engine: &EdgeShard, schema: &Schema) -> Result<CollectionInfo> {
    let counts = engine.info();
    let points = engine
        .count(CountRequest { filter: None, exact: true })
        .map_err(|error| engine_error("count points", error))?;
    let names: Vec<VectorName> = schema.vectors.iter().map(|spec| spec.name).collect();
    let request = ScrollRequest {
        offset: None,
        limit: Some(SAMPLE),
        filter: None,
        with_payload: Some(WithPayloadInterface::Bool(false)),
        with_vector: query::names(&names),
        order_by: None,
    };
    let (sample, _) = engine.scroll(request).map_err(|error| engine_error("read points", error))?;
    let vectors = sample.into_iter().map(|record| {
        let id = points::from_engine_id(record.id)?;
        points::from_vectors(id, record.vector)
    });
    Ok(CollectionInfo {
        points,
        indexed_vectors: counts.indexed_vectors_count,
        segments: counts.segments_count,
        optimizer: Optimizer::Idle,
        bytes_a_page: mean_bytes(schema, &vectors.collect::<Result<Vec<_>>>()?),
    })
}
