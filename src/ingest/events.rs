//! What an ingest tells whoever subscribes. Events are facts: *indexed* is sent after the ledger's commit.
//!
//! Nobody waits for a subscriber: one that reads too slowly misses events and is told how many.

use tokio::sync::broadcast;

use crate::ledger::{Job, PageFailure};
use crate::types::{DocumentId, SourceRef, Tenant};

/// Events kept for a subscriber that is behind: some seconds of a fast ingest.
const KEPT: usize = 4096;

/// Something happened.
#[derive(Debug, Clone)]
pub enum Event {
    Document(DocumentEvent),
    /// Work on a collection waits for something that every document needs; None: work on all collections.
    Paused {
        collection: Option<String>,
        reason: String,
    },
    /// It goes on.
    Resumed {
        collection: Option<String>,
    },
}

/// Something happened to a document.
#[derive(Debug, Clone)]
pub struct DocumentEvent {
    pub document: DocumentId,
    pub tenant: Tenant,
    pub collection: String,
    pub source: SourceRef,
    pub what: Happening,
}

/// What happened to a document.
#[derive(Debug, Clone)]
pub enum Happening {
    /// Its file was found and compared with the ledger.
    Compared { queued: bool },
    /// An attempt at it began.
    Started,
    /// It was opened.
    Opened { pages: u32 },
    /// A page is in the store. 1-based.
    Page { page: u32 },
    /// A page can't be had; the document goes on.
    PageFailed(PageFailure),
    /// It can be found.
    Indexed { pages: u32, failed_pages: Vec<PageFailure>, seconds: f64 },
    /// Its pages carry other tags now.
    Retagged,
    /// It can't be indexed as it is.
    Rejected { reason: String },
    /// An attempt failed by its fault; another follows.
    Retrying { reason: String },
    /// All attempts are used up.
    Dead { reason: String },
    /// It was given back unused: something that it needs is away, or the ingest stops.
    GivenBack { reason: Option<String> },
}

/// Where events go. Clones share the subscribers.
#[derive(Debug, Clone)]
pub struct Events(broadcast::Sender<Event>);

impl Default for Events {
    fn default() -> Self {
        Self(broadcast::Sender::new(KEPT))
    }
}

impl Events {
    /// Every event from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.0.subscribe()
    }

    pub(super) fn send(&self, event: Event) {
        // Fails where nobody listens.
        let _ = self.0.send(event);
    }

    pub(super) fn of_job(&self, job: &Job, what: Happening) {
        self.send(Event::Document(DocumentEvent {
            document: job.document,
            tenant: job.tenant.clone(),
            collection: job.collection.clone(),
            source: job.source.clone(),
            what,
        }));
    }
}
