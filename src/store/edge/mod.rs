//! Qdrant's engine in this process, one folder a collection.
//!
//! # Durability
//! This engine writes a log before every change but never reads it back, so the log makes nothing durable:
//! [`VectorStore::flush`] does, by bringing every segment to disk. What was not flushed when a process dies may be there
//! or not, a point at a time, never half of one. Replaying the log from here is impossible (the engine exports neither
//! reader nor format), switching it off too, and it grows without end. So its contents are thrown away with every flush
//! (`log.rs`), and vectors are rounded to half precision before they are handed over if they are stored so (three bytes a
//! number in the log instead of five). The log also numbers changes, and the engine ignores changes numbered below what a
//! point has seen: so the numbers go on when the engine is opened again.
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
//! one at a time: the engine panics if a flush meets another change. All of it runs on threads for blocking work.
//!
//! # Size
//! Memory and pauses are flat however long an ingest is. An appendable segment is rewritten with indexes once it has
//! `indexing_threshold_kb`, together with the smallest of the others until they have `max_segment_kb` together: so one
//! step of an optimisation never takes longer than rewriting a segment of that size. Indexes of rewritten segments are
//! mapped from disk, those of small segments are in memory. What a step has mapped of vectors that are kept on disk is given
//! back after it (`residency.rs`).
//!
//! # Rows
//! No point id ever changes its number of rows: this engine keeps the rows of a segment in one file, and a point that is
//! written again with more rows, by a process that then dies, can damage its neighbour (qdrant#9501). So the rows of points
//! that exist are looked up before they are written again, and other numbers of rows are refused.

mod collection;
mod filter;
#[cfg(test)]
mod kill_tests;
mod layout;
mod log;
mod points;
mod query;
mod read;
mod residency;
mod schema;
#[cfg(test)]
mod tests;

mod write;

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use qdrant_edge::{CountRequest, PointId as EngineId, WithPayloadInterface};
use tokio::sync::Mutex;

use self::collection::{Collection, blocking, engine_error};
use super::names::check_name;
use super::schema::{check_same, check_schema};
use super::{CollectionInfo, Filter, ScoredPoint, StoreInfo, StoreQuery, StoredPoint, VectorStore, Walk, tree};
use crate::config;
use crate::error::{Error, Kind, Result, ResultExt, io_error};
use crate::types::{DocumentId, Generation, PagePoint, PointId, Schema, Tenant, VectorName};

/// Free disk space below which nothing is written. The engine maps sparse files; on a full disk the process would die.
const RESERVED_DISK_BYTES: u64 = 256 << 20;

/// Sizes at which the engine's upkeep happens.
#[derive(Debug, Clone)]
struct Tuning {
    /// An appendable segment whose largest vector has as much (KB) is rewritten with indexes and quantization.
    indexing_threshold_kb: usize,
    /// Segments are merged up to this size (KB of the largest vector).
    max_segment_kb: usize,
    /// Segments are merged if there are more.
    segments: usize,
    /// A segment is rewritten without its deleted points if they are more than this share of it...
    deleted_ratio: f64,
    /// ...and it has at least this many points.
    vacuum_min_points: usize,
    wal_segment_bytes: usize,
    /// Without [`Self::holes`], a flush opens the engine again once its log takes as much.
    wal_limit_bytes: u64,
    /// Use holes in files, if the system knows them.
    holes: bool,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            indexing_threshold_kb: config::Store::default().engine_threshold_kb(),
            max_segment_kb: 128_000,
            segments: 4,
            deleted_ratio: 0.2,
            vacuum_min_points: 100,
            wal_segment_bytes: 16 << 20,
            wal_limit_bytes: 256 << 20,
            holes: true,
        }
    }
}

impl Tuning {
    /// The same, but every segment with a deleted point is rewritten.
    fn purging(&self) -> Self {
        Self { deleted_ratio: 0.0, vacuum_min_points: 1, ..self.clone() }
    }
}

/// A [`VectorStore`] in a folder. Dropping it flushes and blocks; [`Self::close`] does not block.
pub struct EdgeStore {
    dir: PathBuf,
    tuning: Tuning,
    /// Collections in use, by name.
    open: Mutex<HashMap<String, Arc<Collection>>>,
    /// Held by whoever makes or removes a collection, so that others are used meanwhile.
    changing: Mutex<()>,
    /// Last, so that the folder is free only after the engines are closed.
    _lock: File,
}

impl EdgeStore {
    /// Opens the store in `dir`, creating the folder if it is missing. Blocks shortly; collections are opened when
    /// first used.
    ///
    /// # Errors
    /// Configuration, if another process has the folder open.
    pub fn open(dir: &Path, settings: config::Store) -> Result<Self> {
        Self::open_with(dir, Tuning { indexing_threshold_kb: settings.engine_threshold_kb(), ..Tuning::default() })
    }

    fn open_with(dir: &Path, tuning: Tuning) -> Result<Self> {
        let lock = layout::lock(dir)?;
        layout::sweep(dir)?;
        Ok(Self { dir: dir.to_owned(), tuning, open: Mutex::default(), changing: Mutex::default(), _lock: lock })
    }

    /// Flushes and closes every collection. Waits for changes in progress.
    ///
    /// # Errors
    /// Transient, if the engine could not flush.
    pub async fn close(self) -> Result<()> {
        let collections: Vec<_> = self.open.lock().await.drain().map(|(_, collection)| collection).collect();
        let mut result = Ok(());
        for collection in collections {
            let closed = blocking(move || collection.close()).await;
            result = result.and(closed);
        }
        result
    }

    /// # Errors
    /// Configuration, if there is no such collection.
    async fn collection(&self, name: &str) -> Result<Arc<Collection>> {
        self.find(name).await?.ok_or_else(|| {
            Error::configuration(format!(
                "there is no collection '{name}' in {}: ingest into it first",
                self.dir.display()
            ))
        })
    }

    async fn find(&self, name: &str) -> Result<Option<Arc<Collection>>> {
        check_name(name)?;
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
        check_schema(collection, schema)?;
        if let Some(found) = self.find(collection).await?
            && !found.is_dropped()
        {
            return check_same(collection, found.schema(), schema);
        }
        // Held, so that two tasks do not create the same collection.
        let _changing = self.changing.lock().await;
        if let Some(found) = self.find(collection).await? {
            return check_same(collection, found.schema(), schema);
        }
        let (dir, name, schema, tuning) =
            (self.dir.clone(), collection.to_owned(), schema.clone(), self.tuning.clone());
        let made = blocking(move || {
            let unfinished = layout::unfinished(&dir, &name);
            layout::remove_dir(&unfinished)?;
            std::fs::create_dir(&unfinished).map_err(|error| io_error("create", &unfinished, error))?;
            Collection::create(&unfinished, &schema, &tuning).context(&name)?;
            layout::publish(&dir, &name)?;
            Ok(Collection::new_empty(&name, dir.join(&name), schema, tuning))
        })
        .await?;
        self.open.lock().await.entry(collection.to_owned()).or_insert(Arc::new(made));
        Ok(())
    }

    async fn collections(&self) -> Result<Vec<String>> {
        let dir = self.dir.clone();
        blocking(move || layout::collections(&dir)).await
    }

    async fn drop_collection(&self, collection: &str) -> Result<()> {
        let found = match self.find(collection).await {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(()),
            // What cannot be read can still be removed; nobody has it open.
            Err(error) if error.kind() == Kind::Permanent => {
                let (dir, name) = (self.dir.clone(), collection.to_owned());
                let _changing = self.changing.lock().await;
                return blocking(move || layout::remove(&dir, &name)).await;
            }
            Err(error) => return Err(error),
        };
        // First, since whoever changes the collection now may take long, and others are made and removed meanwhile.
        let idle = found.wait_until_idle().await;
        let _changing = self.changing.lock().await;
        if found.is_dropped() {
            return Ok(());
        }
        found.remove(idle, self.dir.clone()).await?;
        self.open.lock().await.remove(collection);
        Ok(())
    }

    /// This engine knows no aliases.
    async fn publish(&self, _alias: &str, collection: &str) -> Result<()> {
        self.collection(collection).await.map(drop)
    }

    async fn incarnation(&self, collection: &str) -> Result<Option<String>> {
        match self.find(collection).await? {
            Some(found) => found.incarnation().await,
            None => Ok(None),
        }
    }

    async fn set_incarnation(&self, collection: &str, id: &str) -> Result<()> {
        self.collection(collection).await?.set_incarnation(id.to_owned()).await
    }

    async fn is_empty(&self, collection: &str) -> Result<bool> {
        match self.find(collection).await? {
            Some(found) => found.read(|_, engine| Ok(engine.info().points_count == 0)).await,
            None => Ok(false),
        }
    }

    async fn upsert(&self, collection: &str, points: Vec<PagePoint>) -> Result<()> {
        if points.is_empty() {
            return Ok(());
        }
        let collection = self.collection(collection).await?;
        let dir = collection.dir().to_owned();
        blocking(move || check_disk(&dir)).await?;
        collection.write(move |this, engine| write::upsert(this, engine, points)).await
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

    async fn retrieve(
        &self,
        collection: &str,
        tenant: &Tenant,
        ids: &[PointId],
        vectors: &[VectorName],
    ) -> Result<Vec<StoredPoint>> {
        let collection = self.collection(collection).await?;
        let ids: Vec<EngineId> = ids.iter().copied().map(points::engine_id).collect();
        let (tenant, vectors) = (tenant.clone(), vectors.to_vec());
        collection
            .read(move |this, engine| {
                for &name in &vectors {
                    tree::known(name, this.schema())?;
                }
                let records = engine
                    .retrieve(&ids, Some(WithPayloadInterface::Bool(true)), Some(query::names(&vectors)))
                    .map_err(|error| engine_error("read points", error))?;
                let points = records.into_iter().map(points::from_record);
                points.filter(|point| point.as_ref().map_or(true, |point| point.payload.tenant == tenant)).collect()
            })
            .await
    }

    async fn delete_generation(&self, collection: &str, document: DocumentId, generation: &Generation) -> Result<()> {
        let collection = self.collection(collection).await?;
        let filter = filter::of_generation(document, generation)?;
        collection.write(move |_, engine| write::delete(engine, filter)).await
    }

    async fn set_tags(
        &self,
        collection: &str,
        document: DocumentId,
        generation: &Generation,
        tags: &BTreeMap<String, String>,
    ) -> Result<()> {
        let collection = self.collection(collection).await?;
        let filter = filter::of_generation(document, generation)?;
        let tags = tags.clone();
        collection.write(move |_, engine| write::set_tags(engine, filter, &tags)).await
    }

    async fn count(&self, collection: &str, filter: &Filter) -> Result<usize> {
        let collection = self.collection(collection).await?;
        let filter = Some(filter::engine_filter(filter)?);
        collection
            .read(move |_, engine| {
                engine.count(CountRequest { filter, exact: true }).map_err(|error| engine_error("count points", error))
            })
            .await
    }

    async fn optimize(&self, collection: &str) -> Result<bool> {
        self.collection(collection).await?.optimize().await
    }

    async fn purge(&self, collection: &str) -> Result<bool> {
        self.collection(collection).await?.purge().await
    }

    async fn walk(&self, collection: &str, from: Option<&str>, limit: usize) -> Result<Walk> {
        let from = from.map(read::id_of_text).transpose()?;
        self.collection(collection).await?.read(move |_, engine| read::walk(engine, from, limit)).await
    }

    async fn info(&self) -> Result<StoreInfo> {
        Ok(StoreInfo { name: format!("Qdrant's engine in process, in {}", self.dir.display()), note: None })
    }

    async fn collection_info(&self, collection: &str) -> Result<CollectionInfo> {
        self.collection(collection).await?.read(|this, engine| read::info(engine, this.schema())).await
    }
}

/// # Errors
/// Transient, if the disk is nearly full.
fn check_disk(dir: &Path) -> Result<()> {
    let free = fs4::available_space(dir).map_err(|error| io_error("see the free space of", dir, error))?;
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
