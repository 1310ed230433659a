//! Changes of points, as the engine takes them.

use std::collections::{BTreeMap, HashMap};

use qdrant_edge::{
    CountRequest, EdgeShard, Filter as EngineFilter, Payload, PayloadOps, PointId as EngineId, PointInsertOperations,
    PointOperations, PointStructPersisted, SetPayloadOp, UpdateOperation, VectorOperations, WithPayloadInterface,
    WithVector,
};

use super::collection::{Changes, Collection, engine_error};
use super::{points, query};
use crate::error::Result;
use crate::store::payload::{self, CheckedPoint};
use crate::store::rows;
use crate::types::{PagePoint, PointId, VectorName};

/// Numbers (f32) handed to the engine in one operation: 4 MiB, about ten pages. Enough to spread the cost of an operation,
/// little enough that readers of the segment, who wait for it, do not notice.
const BATCH_FLOATS: usize = 1 << 20;

/// Writes points; all are checked before the first is written.
pub(super) fn upsert(collection: &Collection, engine: &EdgeShard, points: Vec<PagePoint>) -> Result<Changes> {
    let points =
        points.into_iter().map(|point| payload::check(point, collection.schema())).collect::<Result<Vec<_>>>()?;
    let older = existing(engine, &points)?;
    let multivectors = rows::multivectors(collection.schema());
    rows::check(&multivectors, &points, kept_rows(engine, &multivectors, &older)?)?;
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

/// The rows of stored points: see [`super`], "Rows".
fn kept_rows(engine: &EdgeShard, names: &[VectorName], older: &[EngineId]) -> Result<HashMap<PointId, Vec<usize>>> {
    if older.is_empty() || names.is_empty() {
        return Ok(HashMap::new());
    }
    let records = engine
        .retrieve(older, Some(WithPayloadInterface::Bool(false)), Some(query::names(names)))
        .map_err(|error| engine_error("read the rows of points", error))?;
    let rows = |record: qdrant_edge::Record| {
        let id = points::from_engine_id(record.id)?;
        Ok((id, rows::of(names, &points::from_vectors(id, record.vector)?)))
    };
    records.into_iter().map(rows).collect()
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
