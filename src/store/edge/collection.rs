//! One collection and its engine: opened once, when first needed; read by many, changed by one at a time.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use qdrant_edge::{
    CountRequest, CreateIndex, EdgeShard, FieldIndexOperations, OperationError, Payload, PayloadOps,
    PointId as EngineId, ScrollRequest, SetPayloadOp, UpdateOperation, WithPayloadInterface, WithVector,
};

use super::filter::path;
use super::{Tuning, layout, log, residency, schema};
use crate::error::{Blame, Error, Result, ResultExt};
use crate::types::Schema;

/// Points looked at together where a whole collection is walked.
const WALK_STEP: usize = 1000;

/// What has changed since the engine last looked for something to optimise.
#[derive(Default)]
pub(super) struct Changes {
    /// Bytes of each written point's largest vector.
    pub written_bytes: usize,
    /// Points deleted, or written again: what they were is still on disk.
    pub deleted: usize,
}

/// Nobody changes the collection while this is kept.
pub(super) type Idle = tokio::sync::OwnedMutexGuard<()>;

pub(super) struct Collection {
    name: String,
    dir: PathBuf,
    schema: Schema,
    tuning: Tuning,
    /// None: not opened yet, or closed. Readers and the writer share it; opening and closing have it alone.
    engine: RwLock<Option<EdgeShard>>,
    /// Held by whoever changes the collection. The engine panics if a flush meets an update or the end of an
    /// optimisation, and a flush must not acknowledge half of somebody's batch.
    writer: Arc<tokio::sync::Mutex<()>>,
    /// A change failed inside the engine, which refuses further changes of that segment until it is opened again.
    damaged: AtomicBool,
    /// None: not known what has changed since the last optimisation, as after opening.
    changes: Mutex<Option<Changes>>,
    /// Whether segments may hold deleted points: false after a purge.
    littered: AtomicBool,
    synced: Mutex<layout::SyncedDirs>,
    /// Dropped collections must not open what takes their place.
    dropped: AtomicBool,
}

impl Collection {
    pub fn new(name: &str, dir: PathBuf, schema: Schema, tuning: Tuning) -> Self {
        Self {
            name: name.to_owned(),
            dir,
            schema,
            tuning,
            engine: RwLock::new(None),
            writer: Arc::default(),
            damaged: AtomicBool::new(false),
            changes: Mutex::default(),
            littered: AtomicBool::new(true),
            synced: Mutex::default(),
            dropped: AtomicBool::new(false),
        }
    }

    /// As [`Self::new`], of one that was made just now: all that changes in it is changed by this process.
    pub fn new_empty(name: &str, dir: PathBuf, schema: Schema, tuning: Tuning) -> Self {
        let made = Self::new(name, dir, schema, tuning);
        *made.changes() = Some(Changes::default());
        made
    }

    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Makes the engine's files in a folder of their own.
    ///
    /// # Errors
    /// Configuration, where the engine cannot keep the schema.
    pub fn create(dir: &Path, schema: &Schema, tuning: &Tuning) -> Result<()> {
        let config = schema::engine_config(schema, tuning)?;
        guarded("create a collection", || {
            let engine = EdgeShard::new(dir, config).map_err(|error| engine_error("create a collection", error))?;
            create_indexes(&engine)?;
            engine.flush();
            Ok(())
        })?;
        layout::write_schema(dir, schema)?;
        layout::sync_tree(dir)
    }

    /// Runs `work`, which changes nothing, beside any other.
    pub async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self, &EdgeShard) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let this = Arc::clone(self);
        blocking(move || guarded("read", || this.with_engine(|engine| work(&this, engine))).context(&this.name)).await
    }

    /// Runs `work`, which changes points and says how much, while no other change runs.
    pub async fn write(
        self: &Arc<Self>,
        work: impl FnOnce(&Self, &EdgeShard) -> Result<Changes> + Send + 'static,
    ) -> Result<()> {
        self.alone(|this, engine| {
            let change = work(this, engine)?;
            if change.deleted > 0 {
                this.littered.store(true, Ordering::Release);
            }
            if let Some(changes) = this.changes().as_mut() {
                changes.written_bytes += change.written_bytes;
                changes.deleted += change.deleted;
            }
            Ok(())
        })
        .await
    }

    fn changes(&self) -> MutexGuard<'_, Option<Changes>> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the engine may find something to optimise. Asking it costs the links of [`layout::begin_optimization`].
    fn pays(&self, engine: &EdgeShard) -> bool {
        match &*self.changes() {
            None => true,
            Some(Changes { written_bytes, deleted }) => {
                *written_bytes >= self.tuning.indexing_threshold_kb << 10
                    || *deleted >= self.tuning.vacuum_min_points
                        && *deleted as f64 >= self.tuning.deleted_ratio * engine.info().points_count as f64
            }
        }
    }

    async fn alone<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self, &EdgeShard) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let guard = self.wait_until_idle().await;
        let this = Arc::clone(self);
        blocking(move || {
            let _guard = guard;
            if this.damaged.load(Ordering::Acquire) || layout::optimization_is_open(&this.dir) {
                this.reopen()?;
                this.damaged.store(false, Ordering::Release);
            }
            let result = guarded("write", || this.with_engine(|engine| work(&this, engine)));
            if result.as_ref().is_err_and(Error::is_transient) {
                this.damaged.store(true, Ordering::Release);
            }
            result.context(&this.name)
        })
        .await
    }

    /// Lets the engine rewrite segments if it pays; true if it did.
    pub async fn optimize(self: &Arc<Self>) -> Result<bool> {
        let done = self.alone(|this, engine| if this.pays(engine) { this.rewrite(engine) } else { Ok(false) }).await?;
        if done {
            self.give_back().await?;
        }
        Ok(done)
    }

    /// Lets the engine rewrite every segment that holds deleted points, however few; true if there was one.
    pub async fn purge(self: &Arc<Self>) -> Result<bool> {
        let done = self.alone(|this, engine| {
            if !this.littered.load(Ordering::Acquire) {
                return Ok(false);
            }
            let set = |tuning: &Tuning| {
                engine
                    .set_optimizers_config(schema::optimizers(tuning))
                    .map_err(|error| engine_error("take its settings", error))
            };
            set(&this.tuning.purging())?;
            let done = this.rewrite(engine);
            set(&this.tuning)?;
            let done = done?;
            this.littered.store(false, Ordering::Release);
            Ok(done)
        });
        let done = done.await?;
        // What the log says of deleted points goes too.
        self.flush().await?;
        if done {
            self.give_back().await?;
        }
        Ok(done)
    }

    /// Gives back the memory that rewriting segments has mapped. Readers wait for as long as the system needs to forget some
    /// pages.
    async fn give_back(self: &Arc<Self>) -> Result<()> {
        let guard = self.wait_until_idle().await;
        let this = Arc::clone(self);
        blocking(move || {
            let _guard = guard;
            let _alone = this.engine.write().unwrap_or_else(PoisonError::into_inner);
            if !this.is_dropped()
                && let Err(error) = residency::release(&this.dir, &this.schema)
            {
                tracing::warn!(collection = %this.name, %error, "more memory than needed stays mapped");
            }
            Ok(())
        })
        .await
    }

    /// Lets the engine rewrite segments as it sees fit; true if it did. A process that dies meanwhile finds the segments as
    /// they were before.
    fn rewrite(&self, engine: &EdgeShard) -> Result<bool> {
        engine.flush();
        layout::begin_optimization(&self.dir)?;
        let done = engine.optimize().map_err(|error| engine_error("optimize", error))?;
        if done {
            engine.flush();
            layout::sync_tree(&self.dir)?;
        }
        layout::end_optimization(&self.dir)?;
        *self.changes() = Some(Changes::default());
        Ok(done)
    }

    /// Makes all finished changes durable.
    pub async fn flush(self: &Arc<Self>) -> Result<()> {
        let reopen = self.alone(|this, engine| {
            // First, so that the engine does not bring its log to disk, which nobody reads.
            let given_up = this.tuning.holes && log::give_up(&this.dir)?;
            engine.flush();
            layout::sync_dirs(&this.dir, &mut this.synced.lock().unwrap_or_else(PoisonError::into_inner))?;
            Ok(!given_up && log::bytes(&this.dir)? >= this.tuning.wal_limit_bytes)
        });
        if reopen.await? { self.reopen_alone().await } else { Ok(()) }
    }

    /// Opens the engine again, the only way to a shorter log if the system knows no holes in files. Readers wait meanwhile.
    async fn reopen_alone(self: &Arc<Self>) -> Result<()> {
        let guard = self.wait_until_idle().await;
        let this = Arc::clone(self);
        blocking(move || {
            let _guard = guard;
            this.reopen()
        })
        .await
    }

    /// The identity that the collection was given.
    pub async fn incarnation(self: &Arc<Self>) -> Result<Option<String>> {
        let dir = self.dir.clone();
        blocking(move || layout::read_incarnation(&dir)).await
    }

    /// Durable when it returns.
    pub async fn set_incarnation(self: &Arc<Self>, id: String) -> Result<()> {
        let guard = self.wait_until_idle().await;
        let this = Arc::clone(self);
        blocking(move || {
            let _guard = guard;
            this.check_kept()?;
            layout::write_incarnation(&this.dir, &id)
        })
        .await
    }

    /// Closes the engine for good and removes its files.
    pub async fn remove(self: &Arc<Self>, idle: Idle, root: PathBuf) -> Result<()> {
        let this = Arc::clone(self);
        blocking(move || {
            let _idle = idle;
            this.dropped.store(true, Ordering::Release);
            let closed = this.close();
            layout::remove(&root, &this.name)?;
            closed
        })
        .await
    }

    /// Waits until nobody changes the collection; nobody does while the result is kept.
    pub async fn wait_until_idle(&self) -> Idle {
        Arc::clone(&self.writer).lock_owned().await
    }

    pub fn is_dropped(&self) -> bool {
        self.dropped.load(Ordering::Acquire)
    }

    fn check_kept(&self) -> Result<()> {
        if self.is_dropped() {
            return Err(Error::configuration(format!("collection '{}' was dropped", self.name)));
        }
        Ok(())
    }

    /// Closes the engine; the next use opens it again.
    pub fn close(&self) -> Result<()> {
        let mut slot = self.engine.write().unwrap_or_else(PoisonError::into_inner);
        self.close_slot(&mut slot)
    }

    fn close_slot(&self, slot: &mut Option<EdgeShard>) -> Result<()> {
        let Some(engine) = slot.take() else { return Ok(()) };
        guarded("close", || {
            drop(engine);
            Ok(())
        })?;
        layout::clear_running(&self.dir)
    }

    fn reopen(&self) -> Result<()> {
        let mut slot = self.engine.write().unwrap_or_else(PoisonError::into_inner);
        // Closing flushes, which fails again where the disk is the trouble: what was not flushed was never acknowledged.
        if let Err(error) = self.close_slot(&mut slot) {
            tracing::warn!(collection = %self.name, %error, "the engine did not close cleanly; opening it again");
        }
        *slot = Some(self.load()?);
        Ok(())
    }

    fn with_engine<T>(&self, work: impl FnOnce(&EdgeShard) -> Result<T>) -> Result<T> {
        loop {
            let slot = self.engine.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(engine) = slot.as_ref() {
                return work(engine);
            }
            drop(slot);
            let mut slot = self.engine.write().unwrap_or_else(PoisonError::into_inner);
            if slot.is_none() {
                *slot = Some(self.load()?);
            }
        }
    }

    fn load(&self) -> Result<EdgeShard> {
        self.check_kept()?;
        let config = schema::engine_config(&self.schema, &self.tuning)?;
        layout::recover_segments(&self.dir)?;
        log::restart(&self.dir)?;
        let died = layout::mark_running(&self.dir)?;
        guarded("open", || {
            let engine = EdgeShard::load(&self.dir, Some(config)).map_err(|error| load_error(&self.dir, error))?;
            // A segment that the engine makes while loading has no indexes; where they exist, this does nothing.
            create_indexes(&engine)?;
            if died {
                let copies = remove_older_copies(&engine)?;
                tracing::info!(collection = %self.name, copies, "opened after a process died with the collection open");
            }
            Ok(engine)
        })
    }
}

impl Drop for Collection {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::error!(collection = %self.name, %error, "the collection did not close cleanly");
        }
    }
}

fn create_indexes(engine: &EdgeShard) -> Result<()> {
    for (field, field_schema) in schema::payload_indexes() {
        let create = CreateIndex { field_name: path(field)?, field_schema: Some(field_schema) };
        engine
            .update(UpdateOperation::FieldIndexOperation(FieldIndexOperations::CreateIndex(create)))
            .map_err(|error| engine_error("index a payload field", error))?;
    }
    Ok(())
}

/// Ids of all points, ascending, each once.
fn ids(engine: &EdgeShard) -> Result<Vec<EngineId>> {
    let mut ids = Vec::new();
    let mut offset = None;
    loop {
        let request = ScrollRequest {
            offset,
            limit: Some(WALK_STEP),
            filter: None,
            with_payload: Some(WithPayloadInterface::Bool(false)),
            with_vector: WithVector::Bool(false),
            order_by: None,
        };
        let (records, next) = engine.scroll(request).map_err(|error| engine_error("list points", error))?;
        ids.extend(records.into_iter().map(|record| record.id));
        match next {
            Some(_) => offset = next,
            None => return Ok(ids),
        }
    }
}

/// A point that changes in an optimised segment moves to an appendable one; a process that dies before the older copy's
/// removal is on disk leaves both. Queries see the newer, counts see two. Setting nothing in a point's payload makes the
/// engine remove older copies. Returns how many points had one.
fn remove_older_copies(engine: &EdgeShard) -> Result<usize> {
    let count =
        |filter| engine.count(CountRequest { filter, exact: true }).map_err(|e| engine_error("count points", e));
    let all = ids(engine)?;
    if count(None)? == all.len() {
        return Ok(0);
    }
    let mut several = Vec::new();
    for id in all {
        let only = qdrant_edge::Filter::new_must(qdrant_edge::Condition::HasId([id].into_iter().collect()));
        if count(Some(only))? > 1 {
            several.push(id);
        }
    }
    let touch = SetPayloadOp {
        payload: Payload(serde_json::Map::new()),
        points: Some(several.clone()),
        filter: None,
        key: None,
    };
    engine
        .update(UpdateOperation::PayloadOperation(PayloadOps::SetPayload(touch)))
        .map_err(|error| engine_error("remove older copies of points", error))?;
    Ok(several.len())
}

/// An engine's error while it did `action`, in our terms. Never the document's fault: points are checked before.
pub(super) fn engine_error(action: &str, error: OperationError) -> Error {
    let message = format!("the vector engine could not {action}");
    match error {
        // Its description alone: the error also carries a backtrace.
        OperationError::ServiceError { description, .. } => Error::transient(format!("{message}: {description}")),
        OperationError::InconsistentStorage { .. }
        | OperationError::OutOfMemory { .. }
        | OperationError::Cancelled { .. }
        | OperationError::Timeout { .. } => Error::transient(format!("{message}: {error}")),
        _ => Error::permanent(format!("{message}: {error}")).blaming(Blame::Dependency),
    }
}

fn load_error(dir: &Path, error: OperationError) -> Error {
    let text = error.to_string();
    if text.contains("WouldBlock") || text.contains("Resource temporarily unavailable") {
        return Error::configuration(format!(
            "the collection in {} is in use by another process: stop it, or give this one a data folder of its own",
            dir.display()
        ));
    }
    Error::permanent(format!("the vector engine cannot open {}: {text}", dir.display())).blaming(Blame::Dependency)
}

/// The engine answers some failures (a full disk in a flush) with a panic; it ends here, as an error that may pass.
fn guarded<T>(action: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        Err(Error::transient(format!("the vector engine failed to {action}: {}", panic_text(panic.as_ref()))))
    })
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no reason given")
}

/// Runs blocking work off the runtime's threads, to its end even if the caller goes away.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::bug("work of the store ended without a result").with_source(error))?
}
