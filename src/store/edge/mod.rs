//! Qdrant's engine in this process, one folder a collection.
//!
//! # Durability
//! This engine writes a log before every change but never reads it back, so the log makes nothing durable:
//! [`VectorStore::flush`] does, by bringing every segment to disk. What was not flushed when a process dies may be there
//! or not, a point at a time, never half of one. Replaying the log from here is impossible (the engine exports neither
//! reader nor format), switching it off too, and it grows without end. So it is kept small instead: vectors are rounded to
//! half precision before they are handed over where they are stored so (three bytes a number in the log instead of five),
//! and once the closed parts of the log exceed a limit, a flush opens the engine again without them. One closed part always
//! stays, because the log also numbers operations, and the engine ignores changes numbered below what a point has seen.
//!
//! A process that dies while the engine replaces segments would leave points twice, and one that loses power then could
//! lose them: the old files go before the new are on disk. So all segments get second names (hard links) before an
//! optimisation, and until its result is on disk the next opening goes back to them.
//!
//! One thing the engine does not guard against: it maps sparse files, and a process that writes to them on a full disk
//! dies. Writing stops while there is still some space left.
//!
//! # Concurrency
//! Reads run beside each other and beside changes. Changes (writes, deletes, flushes, optimisations) of one collection run
//! one at a time: the engine panics where a flush meets another change. All of it runs on threads for blocking work.
//!
//! # Payload
//! A point's payload is its page's, and `tag_list`: the tags flattened to `key=value`, so that one keyword index serves
//! tags of any key.

mod collection;
mod filter;
#[cfg(test)]
mod kill_tests;
mod layout;
mod points;
mod query;
mod schema;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use qdrant_edge::{
    CountRequest, EdgeShard, PointId as EngineId, PointInsertOperations, PointOperations, PointStructPersisted,
    ScrollRequest, UpdateOperation, VectorOperations, WithPayloadInterface, WithVector,
};
use tokio::sync::Mutex;

use self::collection::{Changes, Collection, blocking, engine_error};
use super::{Filter, ScoredPoint, StoreQuery, StoredPoint, VectorStore};
use crate::config;
use crate::error::{Error, Result, ResultExt};
use crate::types::{PagePoint, PointId, Schema, VectorName};

/// Numbers (f32) handed to the engine in one operation: 4 MiB, about ten pages. Enough to spread the cost of an operation,
/// little enough that readers of the segment, who wait for it, do not notice.
const BATCH_FLOATS: usize = 1 << 20;

/// Free disk space below which nothing is written. The engine maps sparse files; on a full disk the process would die.
const RESERVED_DISK_BYTES: u64 = 256 << 20;

/// Sizes at which the engine's upkeep happens.
#[derive(Debug, Clone)]
struct Tuning {
    /// An appendable segment whose largest vector has as much (KB) is rewritten with indexes and quantization.
    indexing_threshold_kb: usize,
    /// Segments are merged up to this size (KB of the largest vector).
    max_segment_kb: usize,
    /// Segments are merged where there are more.
    segments: usize,
    /// A segment is rewritten without its deleted points where they are more than this share of it...
    deleted_ratio: f64,
    /// ...and it has at least this many points.
    vacuum_min_points: usize,
    wal_segment_bytes: usize,
    /// A flush opens the engine again where its log could shrink by as much.
    wal_limit_bytes: u64,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            indexing_threshold_kb: config::Store::default().indexing_threshold_kb,
            max_segment_kb: 2_000_000,
            segments: 4,
            deleted_ratio: 0.2,
            vacuum_min_points: 100,
            wal_segment_bytes: 16 << 20,
            wal_limit_bytes: 256 << 20,
        }
    }
}

/// A [`VectorStore`] in a folder. Dropping it flushes and blocks; [`Self::close`] does not block.
pub struct EdgeStore {
    dir: PathBuf,
    tuning: Tuning,
    /// Collections in use, by name.
    open: Mutex<HashMap<String, Arc<Collection>>>,
    /// Last, so that the folder is free only after the engines are closed.
    _lock: File,
}

impl EdgeStore {
    /// Opens the store in `dir`, creating the folder where it is missing. Blocks shortly; collections are opened when
    /// first used.
    ///
    /// # Errors
    /// Configuration, where another process has the folder open.
    pub fn open(dir: &Path, settings: config::Store) -> Result<Self> {
        Self::open_with(dir, Tuning { indexing_threshold_kb: settings.indexing_threshold_kb, ..Tuning::default() })
    }

    fn open_with(dir: &Path, tuning: Tuning) -> Result<Self> {
        let lock = layout::lock(dir)?;
        layout::sweep(dir)?;
        Ok(Self { dir: dir.to_owned(), tuning, open: Mutex::default(), _lock: lock })
    }

    /// Flushes and closes every collection. Waits for changes in progress.
    ///
    /// # Errors
    /// Transient, where the engine could not flush.
    pub async fn close(self) -> Result<()> {
        let collections: Vec<_> = self.open.lock().await.drain().map(|(_, collection)| collection).collect();
        for collection in collections {
            blocking(move || collection.close()).await?;
        }
        Ok(())
    }

    /// # Errors
    /// Configuration, where there is no such collection.
    async fn collection(&self, name: &str) -> Result<Arc<Collection>> {
        self.find(name).await?.ok_or_else(|| {
            Error::configuration(format!(
                "there is no collection '{name}' in {}: ingest into it first",
                self.dir.display()
            ))
        })
    }

    async fn find(&self, name: &str) -> Result<Option<Arc<Collection>>> {
        layout::check_name(name)?;
        let mut open = self.open.lock().await;
        if let Some(collection) = open.get(name) {
            return Ok(Some(Arc::clone(collection)));
        }
        let dir = self.dir.join(name);
        let Some(schema) = blocking({
            let dir = dir.clone();
            move || layout::read_schema(&dir)
        })
        .await?
        else {
            return Ok(None);
        };
        let collection = Arc::new(Collection::new(name, dir, schema, self.tuning.clone()));
        open.insert(name.to_owned(), Arc::clone(&collection));
        Ok(Some(collection))
    }
}

#[async_trait]
impl VectorStore for EdgeStore {
    async fn ensure_collection(&self, collection: &str, schema: &Schema) -> Result<()> {
        schema.check().context(collection)?;
        if let Some(found) = self.find(collection).await? {
            return match schema::difference(found.schema(), schema) {
                None => Ok(()),
                Some(difference) => Err(Error::configuration(format!(
                    "collection '{collection}' exists with another schema: {difference}; \
                     change the pipeline back or ingest into a new collection"
                ))),
            };
        }
        // Held, so that two tasks do not create the same collection.
        let mut open = self.open.lock().await;
        let (dir, name, schema, tuning) =
            (self.dir.clone(), collection.to_owned(), schema.clone(), self.tuning.clone());
        let made = blocking(move || {
            if let Some(found) = layout::read_schema(&dir.join(&name))? {
                return match schema::difference(&found, &schema) {
                    None => Ok(None),
                    Some(difference) => Err(Error::configuration(format!(
                        "collection '{name}' was just created with another schema: {difference}"
                    ))),
                };
            }
            let unfinished = layout::unfinished(&dir, &name);
            layout::remove_dir(&unfinished)?;
            std::fs::create_dir(&unfinished).map_err(|error| crate::error::io_error("create", &unfinished, error))?;
            Collection::create(&unfinished, &schema, &tuning).context(&name)?;
            layout::publish(&dir, &name)?;
            Ok(Some(Collection::new_empty(&name, dir.join(&name), schema, tuning)))
        })
        .await?;
        if let Some(made) = made {
            open.insert(collection.to_owned(), Arc::new(made));
        }
        Ok(())
    }

    async fn collections(&self) -> Result<Vec<String>> {
        let dir = self.dir.clone();
        blocking(move || layout::collections(&dir)).await
    }

    async fn drop_collection(&self, collection: &str) -> Result<()> {
        let Some(found) = self.find(collection).await? else {
            return Ok(());
        };
        let mut open = self.open.lock().await;
        found.remove(self.dir.clone()).await?;
        open.remove(collection);
        Ok(())
    }

    async fn upsert(&self, collection: &str, points: Vec<PagePoint>) -> Result<()> {
        if points.is_empty() {
            return Ok(());
        }
        let collection = self.collection(collection).await?;
        let dir = collection.dir().to_owned();
        blocking(move || check_disk(&dir)).await?;
        collection.write(move |this, engine| upsert(this, engine, points)).await
    }

    async fn flush(&self, collection: &str) -> Result<()> {
        self.collection(collection).await?.flush().await
    }

    async fn query(&self, collection: &str, query: StoreQuery) -> Result<Vec<ScoredPoint>> {
        if query.root.limit == 0 {
            return Ok(Vec::new());
        }
        let collection = self.collection(collection).await?;
        collection
            .read(move |this, engine| {
                let request = query::to_engine(query, this.schema())?;
                let hits = engine.query(request).map_err(|error| engine_error("answer a query", error))?;
                hits.into_iter().map(query::from_engine).collect()
            })
            .await
    }

    async fn retrieve(&self, collection: &str, ids: &[PointId], vectors: &[VectorName]) -> Result<Vec<StoredPoint>> {
        let collection = self.collection(collection).await?;
        let (ids, vectors) = (ids.iter().map(|id| EngineId::Uuid(id.0)).collect::<Vec<_>>(), vectors.to_vec());
        collection
            .read(move |this, engine| {
                for &name in &vectors {
                    query::known(name, this.schema())?;
                }
                let records = engine
                    .retrieve(&ids, Some(WithPayloadInterface::Bool(true)), Some(query::names(&vectors)))
                    .map_err(|error| engine_error("read points", error))?;
                records.into_iter().map(points::from_record).collect()
            })
            .await
    }

    async fn delete(&self, collection: &str, filter: &Filter) -> Result<()> {
        let collection = self.collection(collection).await?;
        // Without a condition the engine still wants a filter.
        let filter = filter::engine_filter(filter)?.unwrap_or_default();
        collection
            .write(move |_, engine| {
                let failed = |error| engine_error("delete points", error);
                let count = CountRequest { filter: Some(filter.clone()), exact: true };
                let deleted = engine.count(count).map_err(failed)?;
                if deleted > 0 {
                    let delete = PointOperations::DeletePointsByFilter(filter);
                    engine.update(UpdateOperation::PointOperation(delete)).map_err(failed)?;
                }
                Ok(Changes { deleted, ..Changes::default() })
            })
            .await
    }

    async fn count(&self, collection: &str, filter: &Filter) -> Result<usize> {
        let collection = self.collection(collection).await?;
        let filter = filter::engine_filter(filter)?;
        collection
            .read(move |_, engine| {
                engine.count(CountRequest { filter, exact: true }).map_err(|error| engine_error("count points", error))
            })
            .await
    }

    async fn scroll(&self, collection: &str, filter: &Filter, limit: usize) -> Result<Vec<StoredPoint>> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let collection = self.collection(collection).await?;
        let filter = filter::engine_filter(filter)?;
        collection
            .read(move |_, engine| {
                let request = ScrollRequest {
                    offset: None,
                    limit: Some(limit),
                    filter,
                    with_payload: Some(WithPayloadInterface::Bool(true)),
                    with_vector: WithVector::Bool(false),
                    order_by: None,
                };
                let (records, _) = engine.scroll(request).map_err(|error| engine_error("list points", error))?;
                records.into_iter().map(points::from_record).collect()
            })
            .await
    }

    async fn optimize(&self, collection: &str) -> Result<bool> {
        self.collection(collection).await?.optimize().await
    }
}

fn upsert(collection: &Collection, engine: &EdgeShard, points: Vec<PagePoint>) -> Result<Changes> {
    // All are checked before the first is written.
    let points =
        points.into_iter().map(|point| points::to_engine(point, collection.schema())).collect::<Result<Vec<_>>>()?;
    let written_bytes = points.iter().map(|point| point.largest_bytes).sum();
    let mut batch = Batch::default();
    for point in points {
        let floats = point.floats;
        if batch.floats + floats > BATCH_FLOATS {
            std::mem::take(&mut batch).write(engine)?;
        }
        batch.floats += floats;
        if !point.missing.is_empty() {
            batch.missing.entry(point.missing).or_default().push(point.point.id);
        }
        batch.points.push(point.point);
    }
    batch.write(engine)?;
    Ok(Changes { written_bytes, ..Changes::default() })
}

#[derive(Default)]
struct Batch {
    points: Vec<PointStructPersisted>,
    floats: usize,
    /// Points that lack vectors of the schema, by the vectors they lack.
    missing: HashMap<Vec<&'static str>, Vec<EngineId>>,
}

impl Batch {
    fn write(self, engine: &EdgeShard) -> Result<()> {
        if self.points.is_empty() {
            return Ok(());
        }
        let failed = |error| engine_error("write points", error);
        // The engine keeps vectors of an older point of the same id that the new one lacks, where that lies in an
        // optimised segment.
        let mut stale = Vec::new();
        for (names, ids) in self.missing {
            let older = engine
                .retrieve(&ids, Some(WithPayloadInterface::Bool(false)), Some(WithVector::Bool(false)))
                .map_err(failed)?;
            if !older.is_empty() {
                let ids: Vec<EngineId> = older.into_iter().map(|record| record.id).collect();
                stale.push((names, ids));
            }
        }
        let upsert = PointOperations::UpsertPoints(PointInsertOperations::PointsList(self.points));
        engine.update(UpdateOperation::PointOperation(upsert)).map_err(failed)?;
        for (names, ids) in stale {
            let names = names.into_iter().map(str::to_owned).collect();
            let delete = VectorOperations::DeleteVectors(ids.into(), names);
            engine.update(UpdateOperation::VectorOperation(delete)).map_err(failed)?;
        }
        Ok(())
    }
}

/// # Errors
/// Transient, where the disk is nearly full.
fn check_disk(dir: &Path) -> Result<()> {
    let free =
        fs4::available_space(dir).map_err(|error| crate::error::io_error("see the free space of", dir, error))?;
    if free < RESERVED_DISK_BYTES {
        return Err(Error::transient(format!(
            "{} MiB are free on the disk of {}: at least {} MiB are needed to write",
            free >> 20,
            dir.display(),
            RESERVED_DISK_BYTES >> 20
        )));
    }
    Ok(())
}
