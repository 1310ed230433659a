//! The ledger in one SQLite file: for one process on one machine.
//!
//! A transaction is durable when its method returns (WAL, `synchronous = FULL`). Writers take turns on one connection,
//! and every write transaction begins IMMEDIATE, so that none fails half-way for want of the lock.

mod error;
mod open;
mod rows;
mod sql;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::sqlite::{Sqlite, SqliteRow};
use sqlx::{Row, Transaction};

use self::error::failed;
use self::rows::{after, to_integer, to_json};
use super::transitions::{OnSubmit, Standing, on_complete, on_delete, on_fail, on_submit};
use super::{
    Clock, CollectionRecord, DocumentFilter, DocumentRecord, Fate, Garbage, Indexed, Job, Ledger, State, Submission,
    Submitted,
};
use crate::error::Result;
use crate::types::{DocumentId, Generation};

/// A ledger in one SQLite file, for one process on one machine. Every transaction is on disk when its method returns.
pub struct SqliteLedger {
    pools: open::Pools,
    clock: Clock,
}

impl SqliteLedger {
    /// Opens the ledger, or creates it with the folders above it.
    ///
    /// # Errors
    /// Configuration where the file is of a newer version than this program knows, or no ledger; it is not touched
    /// then.
    pub async fn open(path: &Path) -> Result<Self> {
        Self::open_with_clock(path, Arc::new(|| jiff::Timestamp::now().as_millisecond())).await
    }

    /// Opens the ledger with a clock of one's own.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_with_clock(path: &Path, clock: Clock) -> Result<Self> {
        Ok(Self { pools: open::open(path).await?, clock })
    }

    /// Waits for running transactions and closes the file, which leaves no log beside it.
    pub async fn close(self) {
        self.pools.reader.close().await;
        self.pools.writer.close().await;
    }

    fn now(&self) -> i64 {
        (self.clock)()
    }

    async fn begin(&self) -> Result<Writing> {
        self.pools
            .writer
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map(Writing)
            .map_err(|error| failed("write to the ledger", error))
    }
}

/// A query with its parameters.
type Query = sqlx::query::Query<'static, Sqlite, sqlx::sqlite::SqliteArguments>;

/// A write transaction; rolled back where it is dropped.
struct Writing(Transaction<'static, Sqlite>);

impl Writing {
    /// Runs a statement and returns how many rows it changed.
    async fn run(&mut self, query: Query) -> Result<u64> {
        let done = query.execute(&mut *self.0).await.map_err(|error| failed("write to the ledger", error))?;
        Ok(done.rows_affected())
    }

    async fn row(&mut self, query: Query) -> Result<Option<SqliteRow>> {
        query.fetch_optional(&mut *self.0).await.map_err(|error| failed("read the ledger", error))
    }

    async fn commit(self) -> Result<()> {
        self.0.commit().await.map_err(|error| failed("commit to the ledger", error))
    }

    async fn standing(&mut self, document: DocumentId) -> Result<Option<Standing>> {
        let row = self.row(sqlx::query(sql::STANDING).bind(document.to_string())).await?;
        row.as_ref().map(rows::standing).transpose()
    }

    /// Attempts so far and the visible generation, where the job is still the worker's. Where it is not, what the
    /// worker may have written meanwhile is garbage (again), and the transaction ends here.
    async fn held(mut self, job: &Job) -> Result<Option<(Self, Held)>> {
        if let Some(row) = self.row(sqlx::query(sql::HELD).bind(job.id).bind(job.lease)).await? {
            let held = Held {
                attempts: rows::small(&row, "attempts")?,
                visible: rows::optional_text(&row, "visible")?.map(Generation),
            };
            return Ok(Some((self, held)));
        }
        let stray = sqlx::query(sql::ADD_STRAY_GARBAGE)
            .bind(job.document.to_string())
            .bind(job.collection.clone())
            .bind(job.generation.0.clone());
        self.run(stray).await?;
        self.commit().await?;
        Ok(None)
    }

    async fn add_garbage(&mut self, document: DocumentId, collection: &str, generation: Generation) -> Result<()> {
        let query =
            sqlx::query(sql::ADD_GARBAGE).bind(document.to_string()).bind(collection.to_owned()).bind(generation.0);
        self.run(query).await.map(drop)
    }

    async fn set_state(
        &mut self,
        document: DocumentId,
        state: State,
        reason: Option<&str>,
        attempts: u32,
        now_ms: i64,
    ) -> Result<()> {
        let query = sqlx::query(sql::SET_STATE)
            .bind(document.to_string())
            .bind(state.as_str())
            .bind(reason.map(str::to_owned))
            .bind(attempts)
            .bind(now_ms);
        self.run(query).await.map(drop)
    }

    /// Ends the job and makes the pages of its attempt garbage, unless people see them.
    async fn give_up(&mut self, job: &Job, held: &Held, state: State, reason: &str, now_ms: i64) -> Result<()> {
        self.set_state(job.document, state, Some(reason), held.attempts, now_ms).await?;
        self.run(sqlx::query(sql::DELETE_JOB).bind(job.document.to_string())).await?;
        if held.visible.as_ref() != Some(&job.generation) {
            self.add_garbage(job.document, &job.collection, job.generation.clone()).await?;
        }
        Ok(())
    }
}

/// What stands behind a job that is still its worker's.
struct Held {
    attempts: u32,
    visible: Option<Generation>,
}

#[async_trait]
impl Ledger for SqliteLedger {
    async fn collection(&self, name: &str) -> Result<Option<CollectionRecord>> {
        let row = self.read_one(sqlx::query(sql::COLLECTION).bind(name.to_owned())).await?;
        row.as_ref().map(rows::collection).transpose()
    }

    async fn collections(&self) -> Result<Vec<CollectionRecord>> {
        self.read(sqlx::query(sql::COLLECTIONS), rows::collection).await
    }

    async fn put_collection(&self, record: &CollectionRecord) -> Result<()> {
        let mut writing = self.begin().await?;
        let query = sqlx::query(sql::PUT_COLLECTION)
            .bind(record.name.clone())
            .bind(record.definition.clone())
            .bind(rows::from_rfc3339(&record.created_at)?);
        writing.run(query).await?;
        writing.commit().await
    }

    async fn submit(&self, submission: &Submission) -> Result<Submitted> {
        let now = self.now();
        let document = submission.document;
        let mut writing = self.begin().await?;
        let standing = writing.standing(document).await?;
        let garbage = match on_submit(standing.as_ref(), submission) {
            OnSubmit::Answer(answer) => return Ok(answer),
            OnSubmit::Queue { garbage } => garbage,
        };
        if let Some(generation) = garbage {
            writing.add_garbage(document, &submission.collection, generation).await?;
        }
        let target = sqlx::query(sql::PUT_TARGET)
            .bind(document.to_string())
            .bind(submission.tenant.0.clone())
            .bind(submission.collection.clone())
            .bind(submission.source.uri.clone())
            .bind(submission.source.name.clone())
            .bind(submission.content_hash.0.clone())
            .bind(submission.recipe.0.clone())
            .bind(Generation::new(&submission.content_hash, &submission.recipe).0)
            .bind(to_json(&submission.tags)?)
            .bind(to_integer(submission.size_bytes))
            .bind(now);
        writing.run(target).await?;
        writing.run(sqlx::query(sql::DELETE_JOB).bind(document.to_string())).await?;
        writing.run(sqlx::query(sql::INSERT_JOB).bind(document.to_string()).bind(now)).await?;
        writing.commit().await?;
        Ok(Submitted::Queued)
    }

    async fn claim(&self, collection: Option<&str>, limit: usize, lease: Duration) -> Result<Vec<Job>> {
        let now = self.now();
        let mut writing = self.begin().await?;
        let found = sqlx::query(sql::CLAIMABLE)
            .bind(now)
            .bind(to_integer(limit))
            .bind(collection)
            .fetch_all(&mut *writing.0)
            .await
            .map_err(|error| failed("read the ledger", error))?;
        let jobs: Vec<Job> = found.iter().map(rows::claimed_job).collect::<Result<_>>()?;
        for job in &jobs {
            let query =
                sqlx::query(sql::LEASE_JOB).bind(job.id).bind(job.attempt).bind(job.lease).bind(after(now, lease));
            writing.run(query).await?;
            writing.set_state(job.document, State::Processing, None, job.attempt, now).await?;
        }
        writing.commit().await?;
        Ok(jobs)
    }

    async fn renew(&self, job: &Job, lease: Duration) -> Result<bool> {
        let mut writing = self.begin().await?;
        let query = sqlx::query(sql::RENEW).bind(job.id).bind(job.lease).bind(after(self.now(), lease));
        let renewed = writing.run(query).await? == 1;
        writing.commit().await?;
        Ok(renewed)
    }

    async fn complete(&self, job: &Job, indexed: &Indexed) -> Result<bool> {
        let Some((mut writing, held)) = self.begin().await?.held(job).await? else {
            return Ok(false);
        };
        if let Some(earlier) = on_complete(held.visible, &job.generation) {
            writing.add_garbage(job.document, &job.collection, earlier).await?;
        }
        let show = sqlx::query(sql::SHOW)
            .bind(job.document.to_string())
            .bind(job.generation.0.clone())
            .bind(indexed.title.clone())
            .bind(indexed.page_count)
            .bind(to_json(&indexed.failed_pages)?)
            .bind(self.now());
        writing.run(show).await?;
        writing.run(sqlx::query(sql::DELETE_JOB).bind(job.document.to_string())).await?;
        writing.commit().await?;
        Ok(true)
    }

    async fn reject(&self, job: &Job, reason: &str) -> Result<bool> {
        let Some((mut writing, held)) = self.begin().await?.held(job).await? else {
            return Ok(false);
        };
        writing.give_up(job, &held, State::Rejected, reason, self.now()).await?;
        writing.commit().await?;
        Ok(true)
    }

    async fn fail(&self, job: &Job, reason: &str, max_attempts: u32, retry_after: Duration) -> Result<Fate> {
        let now = self.now();
        let Some((mut writing, held)) = self.begin().await?.held(job).await? else {
            return Ok(Fate::Superseded);
        };
        let fate = on_fail(held.attempts, max_attempts);
        if fate == Fate::DeadLettered {
            writing.give_up(job, &held, State::Dead, reason, now).await?;
        } else {
            let free = sqlx::query(sql::FREE_JOB).bind(job.id).bind(held.attempts).bind(after(now, retry_after));
            writing.run(free).await?;
            writing.set_state(job.document, State::Queued, Some(reason), held.attempts, now).await?;
        }
        writing.commit().await?;
        Ok(fate)
    }

    async fn release(&self, job: &Job) -> Result<()> {
        let now = self.now();
        let Some((mut writing, held)) = self.begin().await?.held(job).await? else {
            return Ok(());
        };
        let attempts = held.attempts.saturating_sub(1);
        writing.run(sqlx::query(sql::FREE_JOB).bind(job.id).bind(attempts).bind(now)).await?;
        writing.set_state(job.document, State::Queued, None, attempts, now).await?;
        writing.commit().await
    }

    async fn release_all(&self) -> Result<usize> {
        let mut writing = self.begin().await?;
        writing.run(sqlx::query(sql::FREE_ALL_DOCUMENTS).bind(self.now())).await?;
        let freed = writing.run(sqlx::query(sql::FREE_ALL_JOBS)).await?;
        writing.commit().await?;
        Ok(usize::try_from(freed).unwrap_or(usize::MAX))
    }

    async fn delete(&self, document: DocumentId) -> Result<bool> {
        let mut writing = self.begin().await?;
        let id = document.to_string();
        let Some(row) = writing.row(sqlx::query(sql::DOCUMENT).bind(id.clone())).await? else {
            return Ok(false);
        };
        let collection = rows::document(&row)?.collection;
        for generation in on_delete(&rows::standing(&row)?) {
            writing.add_garbage(document, &collection, generation).await?;
        }
        writing.run(sqlx::query(sql::DELETE_JOB).bind(id.clone())).await?;
        writing.run(sqlx::query(sql::HIDE).bind(id.clone()).bind(self.now())).await?;
        writing.run(sqlx::query(sql::FORGET).bind(id)).await?;
        writing.commit().await?;
        Ok(true)
    }

    async fn garbage(&self, limit: usize) -> Result<Vec<Garbage>> {
        self.read(sqlx::query(sql::GARBAGE).bind(to_integer(limit)), rows::garbage).await
    }

    async fn collected(&self, garbage: &Garbage) -> Result<()> {
        let id = garbage.document.to_string();
        let mut writing = self.begin().await?;
        let query = sqlx::query(sql::DELETE_GARBAGE).bind(id.clone()).bind(garbage.generation.0.clone());
        writing.run(query).await?;
        writing.run(sqlx::query(sql::FORGET).bind(id)).await?;
        writing.commit().await
    }

    async fn visible(&self, documents: &[DocumentId]) -> Result<HashMap<DocumentId, Generation>> {
        let found = self.read(sqlx::query(sql::VISIBLE).bind(to_json(&documents)?), rows::visible).await?;
        Ok(found.into_iter().collect())
    }

    async fn document(&self, document: DocumentId) -> Result<Option<DocumentRecord>> {
        let row = self.read_one(sqlx::query(sql::DOCUMENT).bind(document.to_string())).await?;
        row.as_ref().map(rows::document).transpose()
    }

    async fn documents(&self, filter: &DocumentFilter) -> Result<Vec<DocumentRecord>> {
        let query = sqlx::query(sql::DOCUMENTS)
            .bind(filter.collection.clone())
            .bind(filter.tenant.clone().map(|tenant| tenant.0))
            .bind(filter.state.map(State::as_str))
            .bind(filter.source_prefix.clone())
            .bind(filter.limit.map_or(i64::MAX, to_integer));
        self.read(query, rows::document).await
    }

    async fn counts(&self, collection: Option<&str>) -> Result<BTreeMap<State, u64>> {
        let query = sqlx::query(sql::COUNTS).bind(collection.map(str::to_owned));
        Ok(self.read(query, rows::count).await?.into_iter().collect())
    }

    async fn next_due_ms(&self, collection: Option<&str>) -> Result<Option<u64>> {
        let now = self.now();
        let row = self.read_one(sqlx::query(sql::NEXT_DUE).bind(now).bind(collection.map(str::to_owned))).await?;
        let due: Option<i64> = match row {
            Some(row) => row.try_get(0).map_err(|error| failed("read the ledger", error))?,
            None => None,
        };
        Ok(due.map(|due| u64::try_from(due.saturating_sub(now)).unwrap_or(0)))
    }
}

impl SqliteLedger {
    async fn read<T>(&self, query: Query, convert: fn(&SqliteRow) -> Result<T>) -> Result<Vec<T>> {
        let found = query.fetch_all(&self.pools.reader).await.map_err(|error| failed("read the ledger", error))?;
        found.iter().map(convert).collect()
    }

    async fn read_one(&self, query: Query) -> Result<Option<SqliteRow>> {
        query.fetch_optional(&self.pools.reader).await.map_err(|error| failed("read the ledger", error))
    }
}
