//! A write transaction of the ledger, and what several of its methods do alike.

use tokio::sync::watch;

use super::database::{Lock, Statement, Transaction};
use super::rows::{self, Known};
use super::statements as sql;
use crate::error::{Error, Result};
use crate::ledger::{Build, Chapter, CollectionRecord, Job, State, Task};
use crate::types::{DocumentId, Generation};

/// A write transaction that began at `now_ms`; rolled back if it is dropped.
pub struct Writing<T> {
    pub transaction: T,
    pub now_ms: i64,
    /// Who claims, in the words of whoever looks for it.
    pub worker: String,
    /// Told of new work once it is committed.
    pub news: watch::Sender<u64>,
    pub is_news: bool,
}

impl<T: Transaction> Writing<T> {
    /// Runs a statement and returns how many rows it changed.
    pub async fn run(&mut self, statement: Statement) -> Result<u64> {
        self.transaction.run(statement).await
    }

    pub async fn rows<R>(&mut self, statement: Statement, convert: fn(&T::Row) -> Result<R>) -> Result<Vec<R>> {
        self.transaction.rows(statement).await?.iter().map(convert).collect()
    }

    pub async fn row<R>(&mut self, statement: Statement, convert: fn(&T::Row) -> Result<R>) -> Result<Option<R>> {
        self.transaction.rows(statement).await?.first().map(convert).transpose()
    }

    pub async fn commit(mut self) -> Result<()> {
        if let Some(announce) = T::ANNOUNCE.filter(|_| self.is_news) {
            self.transaction.rows(Statement::new(announce)).await?;
        }
        self.transaction.commit().await?;
        if self.is_news {
            self.news.send_modify(|news| *news += 1);
        }
        Ok(())
    }

    /// Ends the transaction, and answers. Where nothing was changed too: one that is only dropped keeps its locks until the server
    /// hears of it, and whoever looks for work meanwhile passes over what is locked.
    pub async fn answer<R>(self, answer: R) -> Result<R> {
        self.commit().await?;
        Ok(answer)
    }

    pub async fn lock(&mut self, lock: Lock<'_>) -> Result<()> {
        self.transaction.lock(lock).await
    }

    /// Locks a document of a collection: nobody else writes it, nor changes the builds of its collection.
    pub async fn lock_document(&mut self, collection: &str, document: DocumentId) -> Result<()> {
        self.lock(Lock::Builds(collection)).await?;
        self.lock(Lock::Document(document)).await
    }

    pub async fn find_collection(&mut self, name: &str) -> Result<Option<CollectionRecord>> {
        self.row(Statement::new(sql::COLLECTION).with(name), rows::collection).await
    }

    /// # Errors
    /// Configuration, where there is none of that name.
    pub async fn defined(&mut self, name: &str) -> Result<CollectionRecord> {
        self.find_collection(name).await?.ok_or_else(|| {
            Error::configuration(format!("there is no collection '{name}': it must be defined before it is filled"))
        })
    }

    pub async fn known(&mut self, document: DocumentId) -> Result<Option<Known>> {
        self.row(Statement::new(sql::STANDING).with(document.to_string()), rows::known).await
    }

    /// Attempts so far, if the job is still the worker's. If it is not, what the worker may have written meanwhile is garbage
    /// (again), and the transaction ends here.
    pub async fn held(mut self, job: &Job) -> Result<Option<(Self, u32)>> {
        self.lock_document(&job.collection, job.document).await?;
        let held = Statement::new(sql::HELD).with(job.id).with(job.lease);
        if let Some(attempts) = self.row(held, rows::attempts).await? {
            return Ok(Some((self, attempts)));
        }
        self.run(of_generation(sql::ADD_STRAY_GARBAGE, job)).await?;
        if job.task == Task::Retag {
            self.retag_again(job).await?;
        }
        self.commit().await?;
        Ok(None)
    }

    /// Somebody wrote tags of yesterday, perhaps after today's: they are written once more, by nobody who was at it meanwhile.
    async fn retag_again(&mut self, job: &Job) -> Result<()> {
        let Some(Known { standing, .. }) = self.known(job.document).await? else { return Ok(()) };
        let stands = standing.stands().is_some_and(|stands| stands.generation == job.generation);
        if stands && matches!(standing.state, State::Indexed | State::Processing) {
            self.set_state(job.document, State::Queued, None, 0).await?;
            self.put_job(job.document, Task::Retag).await?;
        }
        Ok(())
    }

    pub async fn set_state(
        &mut self,
        document: DocumentId,
        state: State,
        reason: Option<&str>,
        attempts: u32,
    ) -> Result<()> {
        let statement = Statement::new(sql::SET_STATE)
            .with(document.to_string())
            .with(state.as_str())
            .with(reason)
            .with(attempts)
            .with(self.now_ms);
        self.run(statement).await.map(drop)
    }

    /// Ends the job and makes the pages of its attempt garbage. A retagging wrote none of its own.
    pub async fn give_up(&mut self, job: &Job, attempts: u32, state: State, reason: &str) -> Result<()> {
        self.set_state(job.document, state, Some(reason), attempts).await?;
        let chapter = if state == State::Dead { Chapter::Dead } else { Chapter::Rejected };
        self.note(job.document, chapter, Some(reason)).await?;
        self.delete_job(job.document).await?;
        if job.task == Task::Index {
            self.run(of_generation(sql::ADD_GARBAGE, job)).await?;
        }
        Ok(())
    }

    pub async fn delete_job(&mut self, document: DocumentId) -> Result<()> {
        self.run(Statement::new(sql::DELETE_JOB).with(document.to_string())).await.map(drop)
    }

    /// A job in place of any other of that document.
    pub async fn put_job(&mut self, document: DocumentId, task: Task) -> Result<()> {
        self.delete_job(document).await?;
        self.run(Statement::new(sql::OPEN_QUEUE).with(document.to_string())).await?;
        let statement =
            Statement::new(sql::INSERT_JOB).with(document.to_string()).with(task.as_str()).with(self.now_ms);
        self.is_news = true;
        self.run(statement).await.map(drop)
    }

    /// The version that was submitted last, once more for `build`: a generation of its own, a job in place of any other.
    pub async fn submit_again(&mut self, document: DocumentId, build: &Build) -> Result<()> {
        self.run(Statement::new(sql::DISCARD_TARGET).with(document.to_string())).await?;
        let aim = Statement::new(sql::AIM)
            .with(document.to_string())
            .with(build.physical.as_str())
            .with(build.recipe.0.as_str())
            .with(Generation::fresh().0)
            .with(self.now_ms);
        self.run(aim).await?;
        let detail = format!("once more, for {}", build.physical);
        self.note(document, Chapter::Submitted, Some(&detail)).await?;
        self.put_job(document, Task::Index).await
    }

    /// Nothing stands in this build any more, and what did is garbage.
    pub async fn clear_build(&mut self, physical: &str) -> Result<()> {
        self.run(Statement::new(sql::DISCARD_BUILD).with(physical)).await?;
        self.run(Statement::new(sql::CLEAR_BUILD).with(physical)).await.map(drop)
    }
}

/// A statement about document, tenant, physical collection and generation of a job.
fn of_generation(statement: &'static str, job: &Job) -> Statement {
    Statement::new(statement)
        .with(job.document.to_string())
        .with(job.tenant.0.as_str())
        .with(job.physical.as_str())
        .with(job.generation.0.as_str())
}
