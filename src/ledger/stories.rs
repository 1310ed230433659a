//! What happened to a document and how far it is, for people; and what they may do about it: try it again, call it off.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::Job;
use crate::error::Result;
use crate::types::{DocumentId, Tenant};

/// Most events of a document that are kept: the latest.
pub const KEPT_EVENTS: u32 = 100;

/// Something that happened to a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoryEvent {
    /// RFC 3339.
    pub at: String,
    pub what: Chapter,
    /// In words.
    pub detail: Option<String>,
}

/// Kinds of what happens to a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Chapter {
    /// A version was written down, with work to do.
    Submitted,
    /// A worker took it.
    Claimed,
    /// An attempt failed by the document's own fault; another follows.
    Failed,
    /// It was given back unused: something that it needs was away, or the worker stopped.
    GivenBack,
    /// The process that worked on it died.
    Interrupted,
    Indexed,
    /// Other tags were written to its pages.
    Retagged,
    Rejected,
    /// All attempts are used up.
    Dead,
    /// Somebody asked for another try.
    Retried,
    /// Somebody called it off.
    Cancelled,
    Deleted,
}

impl Chapter {
    pub const ALL: [Self; 12] = [
        Self::Submitted,
        Self::Claimed,
        Self::Failed,
        Self::GivenBack,
        Self::Interrupted,
        Self::Indexed,
        Self::Retagged,
        Self::Rejected,
        Self::Dead,
        Self::Retried,
        Self::Cancelled,
        Self::Deleted,
    ];

    /// The name in the database and on screen.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Submitted => "submitted",
            Self::Claimed => "claimed",
            Self::Failed => "failed",
            Self::GivenBack => "given_back",
            Self::Interrupted => "interrupted",
            Self::Indexed => "indexed",
            Self::Retagged => "retagged",
            Self::Rejected => "rejected",
            Self::Dead => "dead",
            Self::Retried => "retried",
            Self::Cancelled => "cancelled",
            Self::Deleted => "deleted",
        }
    }
}

/// How far an attempt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Pages in the store, or known to be missing.
    pub pages_done: u32,
    /// Pages of the document.
    pub pages: u32,
}

/// What a wish for another try led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retried {
    /// A job waits, due at once.
    Queued,
    /// It is being worked on just now.
    InWork,
}

/// Stories, progress, retry and cancel. Every method is one transaction, durable when it returns.
#[async_trait]
pub trait Stories: Send + Sync {
    /// What happened to a document, the oldest first; at most [`KEPT_EVENTS`]. Empty for another tenant's.
    async fn story(&self, tenant: &Tenant, document: DocumentId) -> Result<Vec<StoryEvent>>;

    /// Notes how far an attempt is; nothing where the job is no longer ours.
    async fn progress(&self, job: &Job, progress: Progress) -> Result<()>;

    /// The version that was submitted last is tried (again) at once, whatever became of it; a waiting job becomes due. None:
    /// there is no such document, or it is being deleted.
    async fn retry(&self, tenant: &Tenant, document: DocumentId) -> Result<Option<Retried>>;

    /// Calls the work on a document off: what was written of the attempt is garbage, and the version counts as rejected until
    /// somebody retries it or another version comes. What people see stays. False: there is no work on it; None: there is no
    /// such document.
    async fn cancel(&self, tenant: &Tenant, document: DocumentId) -> Result<Option<bool>>;

    /// Forgets what was done of every tenant's documents and ended (indexed, rejected, dead, cancelled) at least `age` ago:
    /// at most so many events, the oldest first. Returns how many there were to forget, this time; 0: none is left. What is
    /// still owed keeps its whole story, and a document keeps all else, the reason of its rejection too.
    async fn forget(&self, age: Duration, most: usize) -> Result<u64>;
}
