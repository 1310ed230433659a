//! The ledger in an SQL database: the transactions, written once. What a database must bring is [`Database`]: `sqlite` does for
//! one process on one machine, `postgres` for any number of them.

mod amend;
mod claims;
mod collections;
mod database;
mod keys;
mod postgres;
mod reads;
mod rows;
mod sqlite;
mod statements;
mod stories;
mod tables;
mod transfer;
mod work;
mod writing;

pub use self::postgres::{PostgresLedger, PostgresSettings};
pub use self::sqlite::SqliteLedger;
pub use self::transfer::{Place, Transferred, transfer};

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use uuid::Uuid;

use self::database::{Database, Statement};
use self::writing::Writing;
use super::{
    Build, Claim, CollectionRecord, DocumentFilter, DocumentRecord, Fate, Garbage, Indexed, Job, Ledger, Listing,
    Queue, Rejection, SameContent, State, Submission, Submitted, Switch, Turn,
};
use crate::error::Result;
use crate::types::{DocumentId, Generation, Groups, Tenant};

/// The ledger in an SQL database.
pub struct SqlLedger<D> {
    database: D,
    /// Who holds the jobs that are claimed here: for people who look for it.
    worker: String,
    /// Counts what may be work for somebody.
    news: watch::Sender<u64>,
}

impl<D: Database> SqlLedger<D> {
    fn over(database: D, news: watch::Sender<u64>) -> Self {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_else(|_| "somewhere".into());
        let worker = format!("{}:{}:{}", host.trim(), std::process::id(), &Uuid::new_v4().simple().to_string()[..8]);
        Self { database, worker, news }
    }

    async fn begin(&self) -> Result<Writing<D::Transaction>> {
        let now_ms = self.database.now_ms().await?;
        let (worker, news) = (self.worker.clone(), self.news.clone());
        Ok(Writing { transaction: self.database.begin().await?, now_ms, worker, news, is_news: false })
    }

    async fn read<T>(&self, statement: Statement, convert: fn(&D::Row) -> Result<T>) -> Result<Vec<T>> {
        self.database.read(statement).await?.iter().map(convert).collect()
    }

    async fn read_one<T>(&self, statement: Statement, convert: fn(&D::Row) -> Result<T>) -> Result<Option<T>> {
        self.database.read(statement).await?.first().map(convert).transpose()
    }
}

/// What each method does is in `collections`, `work` and `reads`, in the order of the trait.
#[async_trait]
impl<D: Database> Ledger for SqlLedger<D> {
    async fn collection(&self, name: &str) -> Result<Option<CollectionRecord>> {
        self.read_collection(name).await
    }

    async fn collections(&self) -> Result<Vec<CollectionRecord>> {
        self.read_collections().await
    }

    async fn define(&self, collection: &str, build: &Build) -> Result<()> {
        self.begin().await?.define(collection, build).await
    }

    async fn rebuild(&self, collection: &str, next: &Build) -> Result<u64> {
        self.begin().await?.rebuild(collection, next).await
    }

    async fn switch(&self, collection: &str, force: bool) -> Result<Switch> {
        self.begin().await?.switch(collection, force).await
    }

    async fn abandon(&self, collection: &str) -> Result<bool> {
        self.begin().await?.abandon(collection).await
    }

    async fn amend(&self, collection: &str, build: &Build) -> Result<u64> {
        self.begin().await?.amend(collection, build).await
    }

    async fn drop_collection(&self, collection: &str) -> Result<Option<u64>> {
        self.begin().await?.drop_collection(collection).await
    }

    async fn put_incarnations(&self, physical: &str, accepted: &[String]) -> Result<()> {
        self.begin().await?.put_incarnations(physical, accepted).await
    }

    async fn resubmit_all(&self, collection: &str, physical: &str) -> Result<u64> {
        self.begin().await?.resubmit_all(collection, physical).await
    }

    async fn retired(&self) -> Result<Vec<String>> {
        self.read_retired().await
    }

    async fn dropped(&self, physical: &str) -> Result<()> {
        self.begin().await?.dropped(physical).await
    }

    async fn submit(&self, submission: &Submission) -> Result<Submitted> {
        self.begin().await?.submit(submission).await
    }

    async fn claim(&self, claim: &Claim<'_>) -> Result<Vec<Job>> {
        self.begin().await?.claim(claim).await
    }

    async fn same_content(&self, job: &Job, limit: usize) -> Result<Vec<SameContent>> {
        self.read_same_content(job, limit).await
    }

    async fn renew(&self, job: &Job, lease: Duration) -> Result<bool> {
        self.begin().await?.renew(job, lease).await
    }

    async fn complete(&self, job: &Job, indexed: &Indexed) -> Result<bool> {
        self.begin().await?.complete(job, indexed).await
    }

    async fn reject(&self, job: &Job, rejection: &Rejection) -> Result<bool> {
        self.begin().await?.reject(job, rejection).await
    }

    async fn fail(&self, job: &Job, reason: &str, max_attempts: u32, retry_after: Duration) -> Result<Fate> {
        self.begin().await?.fail(job, reason, max_attempts, retry_after).await
    }

    async fn release(&self, job: &Job, retry_after: Duration, reason: Option<&str>) -> Result<()> {
        self.begin().await?.release(job, retry_after, reason).await
    }

    async fn next_due_ms(&self, collection: Option<&str>) -> Result<Option<u64>> {
        self.read_next_due_ms(collection).await
    }

    fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    async fn turn(&self, what: &str) -> Result<Turn> {
        self.database.turn(what).await
    }

    async fn try_turn(&self, what: &str) -> Result<Option<Turn>> {
        self.database.try_turn(what).await
    }

    async fn garbage(&self, limit: usize) -> Result<Vec<Garbage>> {
        self.read_garbage(limit).await
    }

    async fn collected(&self, garbage: &Garbage) -> Result<()> {
        self.begin().await?.collected(garbage).await
    }

    async fn trim(&self) -> Result<()> {
        self.database.trim().await
    }

    async fn delete(&self, tenant: &Tenant, document: DocumentId) -> Result<bool> {
        self.begin().await?.delete(tenant, document).await
    }

    async fn visible_to(
        &self,
        tenant: &Tenant,
        groups: &Groups,
        documents: &[DocumentId],
    ) -> Result<HashMap<DocumentId, Generation>> {
        self.read_visible(tenant, groups, documents).await
    }

    async fn document(&self, tenant: &Tenant, document: DocumentId) -> Result<Option<DocumentRecord>> {
        self.read_document(tenant, document).await
    }

    async fn documents(&self, tenant: &Tenant, filter: &DocumentFilter) -> Result<Listing> {
        self.read_documents(tenant, filter).await
    }

    async fn count_documents(&self, tenant: &Tenant, filter: &DocumentFilter) -> Result<BTreeMap<State, u64>> {
        self.read_counts(tenant, filter).await
    }

    async fn owner(&self, document: DocumentId) -> Result<Option<Tenant>> {
        self.read_owner(document).await
    }

    async fn queue(&self) -> Result<Queue> {
        self.read_queue().await
    }
}
