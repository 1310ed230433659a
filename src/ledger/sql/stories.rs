//! What happened to documents, how far they are; retry and cancel; what is forgotten of it.

use std::time::Duration;

use async_trait::async_trait;

use super::SqlLedger;
use super::database::{Database, Statement, Transaction};
use super::rows::{self, Known};
use super::statements as sql;
use super::writing::Writing;
use crate::error::Result;
use crate::ledger::{Chapter, Job, KEPT_EVENTS, Progress, Retried, State, Stories, StoryEvent, Task};
use crate::types::{self, DocumentId, Tenant};

/// Why a document that was called off is not indexed.
const CANCELLED: &str = "it was cancelled: retry it, or put in another version";

#[async_trait]
impl<D: Database> Stories for SqlLedger<D> {
    async fn story(&self, tenant: &Tenant, document: DocumentId) -> Result<Vec<StoryEvent>> {
        let statement = Statement::new(sql::STORY).with(tenant.0.as_str()).with(document.to_string());
        self.read(statement, rows::event).await
    }

    async fn progress(&self, job: &Job, progress: Progress) -> Result<()> {
        let mut writing = self.begin().await?;
        let statement =
            Statement::new(sql::PROGRESS).with(job.id).with(job.lease).with(progress.pages).with(progress.pages_done);
        writing.run(statement).await?;
        writing.commit().await
    }

    async fn retry(&self, tenant: &Tenant, document: DocumentId) -> Result<Option<Retried>> {
        self.begin().await?.retry(tenant, document).await
    }

    async fn cancel(&self, tenant: &Tenant, document: DocumentId) -> Result<Option<bool>> {
        self.begin().await?.cancel(tenant, document).await
    }

    /// What goes is looked for outside the transaction, so that nobody who writes waits for it.
    async fn forget(&self, age: Duration, most: usize) -> Result<u64> {
        let age_ms = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        let until_ms = self.database.now_ms().await?.saturating_sub(age_ms);
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let oldest = Statement::new(sql::TO_FORGET).with(until_ms).with(most);
        let Some((found, last)) = self.read_one(oldest, rows::to_forget).await? else { return Ok(0) };
        if found > 0 {
            let mut writing = self.begin().await?;
            writing.run(Statement::new(sql::FORGET_EVENTS).with(until_ms).with(last)).await?;
            writing.commit().await?;
        }
        Ok(found)
    }
}

impl<T: Transaction> Writing<T> {
    /// Adds to the story of a document that is known.
    pub async fn note(&mut self, document: DocumentId, what: Chapter, detail: Option<&str>) -> Result<()> {
        let id = document.to_string();
        let note = Statement::new(sql::NOTE).with(id.as_str()).with(self.now_ms).with(what.as_str()).with(detail);
        self.run(note).await?;
        self.run(Statement::new(sql::TRIM_HISTORY).with(id).with(KEPT_EVENTS)).await.map(drop)
    }

    /// Writes down for whom a document with these tags is kept. A list that names nobody has a row that is nobody's.
    pub async fn grant(
        &mut self,
        document: DocumentId,
        tags: &std::collections::BTreeMap<String, String>,
    ) -> Result<()> {
        self.run(Statement::new(sql::CLEAR_ACCESS).with(document.to_string())).await?;
        let Some(allowed) = types::allowed(tags) else { return Ok(()) };
        let allowed = if allowed.is_empty() { vec![""] } else { allowed };
        for group in allowed {
            self.run(Statement::new(sql::GRANT).with(document.to_string()).with(group)).await?;
        }
        Ok(())
    }

    /// The tenant's document, locked; None if there is none, or it is being deleted.
    async fn theirs(&mut self, tenant: &Tenant, document: DocumentId) -> Result<Option<Known>> {
        let theirs = |known: &Known| known.tenant == *tenant && known.standing.state != State::Deleting;
        let Some(Known { collection, .. }) = self.known(document).await?.filter(theirs) else { return Ok(None) };
        self.lock_document(&collection, document).await?;
        Ok(self.known(document).await?.filter(theirs))
    }

    async fn retry(mut self, tenant: &Tenant, document: DocumentId) -> Result<Option<Retried>> {
        let Some(known) = self.theirs(tenant, document).await? else { return self.answer(None).await };
        let held = Statement::new(sql::HELD_NOW).with(document.to_string()).with(self.now_ms);
        if self.row(held, rows::attempts).await?.is_some() {
            return self.answer(Some(Retried::InWork)).await;
        }
        self.note(document, Chapter::Retried, None).await?;
        if known.standing.state.is_unfinished() {
            self.run(Statement::new(sql::DUE_NOW).with(document.to_string()).with(self.now_ms)).await?;
            self.is_news = true;
        } else {
            let collection = self.defined(&known.collection).await?;
            self.submit_again(document, collection.target()).await?;
        }
        self.commit().await?;
        Ok(Some(Retried::Queued))
    }

    async fn cancel(mut self, tenant: &Tenant, document: DocumentId) -> Result<Option<bool>> {
        let Some(known) = self.theirs(tenant, document).await? else { return self.answer(None).await };
        if !known.standing.state.is_unfinished() {
            return self.answer(Some(false)).await;
        }
        self.run(Statement::new(sql::DISCARD_TARGET).with(document.to_string())).await?;
        self.delete_job(document).await?;
        self.set_state(document, State::Rejected, Some(CANCELLED), 0).await?;
        self.note(document, Chapter::Cancelled, None).await?;
        self.commit().await?;
        Ok(Some(true))
    }

    /// A job is to be done.
    pub async fn note_submitted(&mut self, document: DocumentId, task: Task, version: &str, bytes: u64) -> Result<()> {
        let short = version.get(..12).unwrap_or(version);
        let detail = match task {
            Task::Index => format!("version {short}, {bytes} bytes"),
            Task::Retag => "its tags changed".to_owned(),
        };
        self.note(document, Chapter::Submitted, Some(&detail)).await
    }
}
