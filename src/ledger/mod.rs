//! The ledger: which documents there are, what people may see of them, and the work that is owed.
//!
//! The ledger decides visibility. A page is shown only where its generation is its document's *visible* one, so
//! replacing and deleting are one transaction each, however long the vectors take to follow.
//!
//! It must never show two generations of one document, and never call a generation garbage that people see.
//! `contract` holds the suite that every backend passes, `transitions` the decisions that backends share.

#[cfg(test)]
mod contract;
#[cfg(test)]
mod model;
mod sqlite;
#[cfg(test)]
mod testing;
mod transitions;

pub use sqlite::SqliteLedger;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::types::{ContentHash, DocumentId, Generation, RecipeId, SourceRef, Tenant};

/// Documents and jobs. Every method is one transaction, durable when it returns.
#[async_trait]
pub trait Ledger: Send + Sync {
    async fn collection(&self, name: &str) -> Result<Option<CollectionRecord>>;
    async fn collections(&self) -> Result<Vec<CollectionRecord>>;
    /// Inserts or replaces.
    async fn put_collection(&self, record: &CollectionRecord) -> Result<()>;

    /// Says that a version of a document is to be indexed. Where the document is new or differs (content, recipe,
    /// tags), a job is written that replaces any earlier unfinished one; an unfinished earlier target becomes garbage.
    /// A version that waits already, or is being worked on, is left alone unless forced.
    async fn submit(&self, submission: &Submission) -> Result<Submitted>;

    /// Takes up to `limit` jobs of `collection` (None: of any), oldest first, whose time has come and which nobody holds
    /// (or whose lease ran out), adds one to their attempts and leases them. A job is not taken while points of its own generation still wait to
    /// be removed.
    async fn claim(&self, collection: Option<&str>, limit: usize, lease: Duration) -> Result<Vec<Job>>;

    /// Prolongs the lease; false where the job is no longer ours (replaced, deleted, taken over). Whoever wrote pages
    /// then stops and calls [`Self::release`]: any answer about a lost job makes its generation garbage again, unless
    /// people see it or another job is about to write it, because pages may have come after the removal.
    async fn renew(&self, job: &Job, lease: Duration) -> Result<bool>;

    /// The store has confirmed every page: makes the job's generation the visible one, the earlier one garbage, and
    /// removes the job. False (and nothing visible changes) where the job is no longer ours.
    async fn complete(&self, job: &Job, indexed: &Indexed) -> Result<bool>;

    /// The document can't be indexed as it is. Pages of the attempt become garbage; an earlier visible generation
    /// stays.
    async fn reject(&self, job: &Job, reason: &str) -> Result<bool>;

    /// The attempt failed. Tries again after `retry_after`, or dead-letters where `max_attempts` are used up; then the
    /// pages of the attempt become garbage as they do for [`Self::reject`].
    async fn fail(&self, job: &Job, reason: &str, max_attempts: u32, retry_after: Duration) -> Result<Fate>;

    /// Gives a claimed job back untouched (shutdown): its attempt does not count.
    async fn release(&self, job: &Job) -> Result<()>;

    /// Frees the leases of a process that is gone; returns how many. Their attempts count, so that a document that ends
    /// the process is given up some day. Only for ledgers that one process owns, at start-up.
    async fn release_all(&self) -> Result<usize>;

    /// Hides the document at once and makes its generations garbage; false where there is none. The row goes when the
    /// garbage has been collected.
    async fn delete(&self, document: DocumentId) -> Result<bool>;

    /// Generations whose points are to be removed from the store.
    async fn garbage(&self, limit: usize) -> Result<Vec<Garbage>>;
    /// The store has confirmed the removal.
    async fn collected(&self, garbage: &Garbage) -> Result<()>;

    /// Visible generation of each of these documents; hidden and unknown ones are left out.
    async fn visible(&self, documents: &[DocumentId]) -> Result<HashMap<DocumentId, Generation>>;

    async fn document(&self, document: DocumentId) -> Result<Option<DocumentRecord>>;
    /// By source, ascending.
    async fn documents(&self, filter: &DocumentFilter) -> Result<Vec<DocumentRecord>>;
    /// Documents by state, for one collection or all.
    async fn counts(&self, collection: Option<&str>) -> Result<BTreeMap<State, u64>>;
    /// Earliest moment at which a waiting job may be claimed, in milliseconds from now (0: now, or as soon as its
    /// garbage has been collected); None where no job waits. Jobs whose lease still holds do not wait.
    async fn next_due_ms(&self, collection: Option<&str>) -> Result<Option<u64>>;
}

/// The present moment in Unix milliseconds: the system's clock in service, the test's own in tests.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// A collection and how it was defined.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CollectionRecord {
    pub name: String,
    /// JSON: model, recipe settings, schema, plans; written and read by `app`.
    pub definition: String,
    pub created_at: String,
}

/// A version that is to be indexed.
#[derive(Debug, Clone, PartialEq)]
pub struct Submission {
    pub document: DocumentId,
    pub tenant: Tenant,
    pub collection: String,
    pub source: SourceRef,
    pub content_hash: ContentHash,
    pub recipe: RecipeId,
    pub tags: BTreeMap<String, String>,
    pub size_bytes: u64,
    /// Index again even where nothing differs.
    pub force: bool,
}

/// What became of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Submitted {
    /// This very version stands indexed with the same tags.
    Unchanged,
    /// This very version was rejected before, for this reason; nothing to do.
    RejectedBefore(String),
    /// A job is on disk.
    Queued,
}

/// Work that a claim handed out. Valid as long as the lease holds and nothing newer replaced it.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    pub id: i64,
    pub document: DocumentId,
    pub tenant: Tenant,
    pub collection: String,
    pub source: SourceRef,
    pub content_hash: ContentHash,
    pub recipe: RecipeId,
    pub generation: Generation,
    pub tags: BTreeMap<String, String>,
    /// 1 for the first. May exceed the limit that [`Ledger::fail`] is given, where attempts ended with their process.
    pub attempt: u32,
    /// Which claim of the job this is: a later claim makes this one worthless.
    lease: i64,
}

/// What is known once a document is indexed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Indexed {
    pub title: String,
    pub page_count: u32,
    /// Pages that could not be rendered or embedded; the rest of the document is there.
    pub failed_pages: Vec<PageFailure>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageFailure {
    /// 1-based.
    pub page: u32,
    pub reason: String,
}

/// What a failed attempt leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Retry,
    DeadLettered,
    /// The job was no longer ours.
    Superseded,
}

/// Points to be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Garbage {
    pub document: DocumentId,
    pub collection: String,
    pub generation: Generation,
}

/// Where a document stands. Its visible generation is a separate matter: while a changed document is queued, processed
/// or rejected, the version indexed before stays visible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Queued,
    Processing,
    Indexed,
    Rejected,
    /// All attempts used up.
    Dead,
    /// Hidden; its points are being removed.
    Deleting,
}

/// A document as the ledger knows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DocumentRecord {
    pub document_id: DocumentId,
    pub tenant: Tenant,
    pub collection: String,
    pub source: SourceRef,
    pub title: String,
    pub state: State,
    /// Why it was rejected, died, or is being tried again.
    pub reason: Option<String>,
    pub page_count: u32,
    pub failed_pages: Vec<PageFailure>,
    pub content_hash: ContentHash,
    pub recipe: RecipeId,
    /// The generation people see; None where there is none yet.
    pub visible: Option<Generation>,
    pub tags: BTreeMap<String, String>,
    pub attempts: u32,
    pub size_bytes: u64,
    /// RFC 3339.
    pub updated_at: String,
}

/// Which documents to list.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DocumentFilter {
    pub collection: Option<String>,
    pub tenant: Option<Tenant>,
    pub state: Option<State>,
    /// Sources that begin with this.
    pub source_prefix: Option<String>,
    pub limit: Option<usize>,
}
