//! What an ingest tells whoever watches. Events are facts: *indexed* is sent after the ledger's commit.

use std::sync::Arc;

use crate::ledger::PageFailure;
use crate::types::SourceRef;

/// Called from many tasks; must not block.
pub type Progress = Arc<dyn Fn(Event) + Send + Sync>;

/// For callers that do not watch.
pub fn silent() -> Progress {
    Arc::new(|_| {})
}

/// Something happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// Files were found and compared with the ledger.
    Compared {
        source: SourceRef,
        queued: bool,
    },
    /// An attempt at a document began.
    Started {
        source: SourceRef,
    },
    /// The document was opened.
    Opened {
        source: SourceRef,
        pages: u32,
    },
    /// A page is in the store.
    Page {
        source: SourceRef,
        page: u32,
    },
    /// A page can't be had; its document goes on.
    PageFailed {
        source: SourceRef,
        page: u32,
        reason: String,
    },
    Indexed {
        source: SourceRef,
        pages: u32,
        failed_pages: Vec<PageFailure>,
        seconds: f64,
    },
    Rejected {
        source: SourceRef,
        reason: String,
    },
    Retrying {
        source: SourceRef,
        reason: String,
    },
    Dead {
        source: SourceRef,
        reason: String,
    },
}
