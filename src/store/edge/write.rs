//! Changes of points, as the engine takes them.

use std::collections::{BTreeMap, HashMap};

use qdrant_edge::{
    CountRequest, EdgeShard, Filter as EngineFilter, Payload, PayloadOps, PointId as EngineId, PointInsertOperations,
    PointOperations, PointStructPersisted, SetPayloadOp, UpdateOperation, VectorOperations, WithPayloadInterface,
    WithVector,
};

use super::collection::{Changes, Collection, engine_error};
use super::{points, query};
use crate::error::{Error, Result};
use crate::store::payload::{self, CheckedPoint};
use crate::types::{NamedVector, PagePoint, PointId, Schema, VectorKind, VectorName};

/// Numbers (f32) handed to the engine in one operation: 4 MiB, about ten pages. Enough to spread the cost of an operation,
/// little enough that readers of the segment, who wait for it, do not notice.
const BATCH_FLOATS: usize = 1 << 20;

/// Writes points; all are checked before the first is written.
pub(super) fn upsert(collection: &Collection, engine: &EdgeShard, points: Vec<PagePoint>) -> Result<Changes> {
    let points =
        points.into_iter().map(|point| payload::check(point, collection.schema())).collect::<Result<Vec<_>>>()?;
    let older = existing(engine, &points)?;
    check_rows(engine, collection.schema(), &points, &older)?;
    let written_bytes = points.iter().map(|point| point.largest_bytes).sum();
    let mut batch = Batch::default();
    for point in points {
        if batch.floats + point.floats > BATCH_FLOATS {
            std::mem::take(&mut batch).write(engine)?;
        }
        batch.add(point, &older);
    }
    batch.write(engine)?;
    Ok(Changes { written_bytes, deleted: older.len() })
}

/// Which of the points are stored already. After all, hardly any: a generation is new with every submission.
fn existing(engine: &EdgeShard, points: &[CheckedPoint]) -> Result<Vec<EngineId>> {
    let ids: Vec<EngineId> = points.iter().map(|point| points::engine_id(point.id)).collect();
    let found = engine
        .retrieve(&ids, Some(WithPayloadInterface::Bool(false)), Some(WithVector::Bool(false)))
        .map_err(|error| engine_error("look up points", error))?;
    Ok(found.into_iter().map(|record| record.id).collect())
}

/// No point id ever changes its number of rows: see [`super`], "Rows".
///
/// # Errors
/// A bug, naming page and vector, if one of the points would.
fn check_rows(engine: &EdgeShard, schema: &Schema, points: &[CheckedPoint], older: &[EngineId]) -> Result<()> {
    let multivectors: Vec<VectorName> = schema
        .vectors
        .iter()
        .filter(|spec| matches!(spec.kind, VectorKind::Multi { .. }))
        .map(|spec| spec.name)
        .collect();
    let mut kept: HashMap<PointId, Vec<usize>> = HashMap::new();
    if !older.is_empty() && !multivectors.is_empty() {
        let records = engine
            .retrieve(older, Some(WithPayloadInterface::Bool(false)), Some(query::names(&multivectors)))
            .map_err(|error| engine_error("read the rows of points", error))?;
        for record in records {
            let (id, vectors) = (points::from_engine_id(record.id)?, record.vector);
            kept.insert(id, rows(&multivectors, &points::from_vectors(points::from_engine_id(record.id)?, vectors)?));
        }
    }
    for point in points {
        let new = rows(&multivectors, &point.vectors);
        let Some(old) = kept.insert(point.id, new.clone()) else { continue };
        for ((name, old), new) in multivectors.iter().zip(old).zip(new) {
            if old != new {
                return Err(Error::bug(format!(
                    "{}: vector '{name}' is stored with {old} rows and would be written again with {new}: \
                     a point keeps its number of rows, another generation gets other points",
                    point.page
                )));
            }
        }
    }
    Ok(())
}

/// How many rows each of the multivectors has, 0 if it is missing.
fn rows(names: &[VectorName], vectors: &BTreeMap<VectorName, NamedVector>) -> Vec<usize> {
    let count = |name| match vectors.get(name) {
        Some(NamedVector::Multi(rows)) => rows.len(),
        _ => 0,
    };
    names.iter().map(count).collect()
}

#[derive(Default)]
struct Batch {
    points: Vec<PointStructPersisted>,
    floats: usize,
    /// Stored points that lose vectors, by the vectors they lose.
    stale: HashMap<Vec<VectorName>, Vec<EngineId>>,
}

impl Batch {
    fn add(&mut self, point: CheckedPoint, older: &[EngineId]) {
        self.floats += point.floats;
        let id = points::engine_id(point.id);
        if !point.missing.is_empty() && older.contains(&id) {
            self.stale.entry(point.missing.clone()).or_default().push(id);
        }
        self.points.push(points::to_engine(point));
    }

    fn write(self, engine: &EdgeShard) -> Result<()> {
        if self.points.is_empty() {
            return Ok(());
        }
        let upsert = PointOperations::UpsertPoints(PointInsertOperations::PointsList(self.points));
        change(engine, "write points", UpdateOperation::PointOperation(upsert))?;
        // The engine keeps vectors of an older point of the same id that the new one lacks, if that lies in an optimised
        // segment.
        for (names, ids) in self.stale {
            let names = names.into_iter().map(|name| name.as_str().to_owned()).collect();
            let delete = VectorOperations::DeleteVectors(ids.into(), names);
            change(engine, "remove vectors of points", UpdateOperation::VectorOperation(delete))?;
        }
        Ok(())
    }
}

/// Removes the points that match.
pub(super) fn delete(engine: &EdgeShard, filter: EngineFilter) -> Result<Changes> {
    let deleted = count(engine, &filter)?;
    if deleted > 0 {
        let delete = PointOperations::DeletePointsByFilter(filter);
        change(engine, "delete points", UpdateOperation::PointOperation(delete))?;
    }
    Ok(Changes { written_bytes: 0, deleted })
}

/// Replaces the tags of the points that match. The engine moves points out of optimised segments for it, vectors and all:
/// none is written anew.
pub(super) fn set_tags(engine: &EdgeShard, filter: EngineFilter, tags: &BTreeMap<String, String>) -> Result<Changes> {
    let deleted = count(engine, &filter)?;
    if deleted > 0 {
        // Null takes a field away.
        let fields = payload::tag_fields(tags).into_iter().map(|(field, value)| (field.to_owned(), value)).collect();
        let set = SetPayloadOp { payload: Payload(fields), points: None, filter: Some(filter), key: None };
        change(engine, "set the tags of points", UpdateOperation::PayloadOperation(PayloadOps::SetPayload(set)))?;
    }
    Ok(Changes { written_bytes: 0, deleted })
}

fn count(engine: &EdgeShard, filter: &EngineFilter) -> Result<usize> {
    let request = CountRequest { filter: Some(filter.clone()), exact: true };
    engine.count(request).map_err(|error| engine_error("count points", error))
}

fn change(engine: &EdgeShard, action: &str, operation: UpdateOperation) -> Result<()> {
    engine.update(operation).map_err(|error| engine_error(action, error))
}
