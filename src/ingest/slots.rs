//! How many documents are worked on: from the claim of a job to its last page in the store. Waiting for the
//! acknowledgement is no work, and keeps no other document from being begun.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Error, Result};

/// The places for documents that are worked on. Clones share them.
#[derive(Clone)]
pub struct DocumentSlots {
    all: usize,
    free: Arc<Semaphore>,
}

/// The place of one document, free again when it is dropped.
pub type DocumentSlot = OwnedSemaphorePermit;

impl DocumentSlots {
    pub fn new(all: usize) -> Self {
        Self { all, free: Arc::new(Semaphore::new(all)) }
    }

    /// How many more documents may be begun now.
    pub fn free(&self) -> usize {
        self.free.available_permits()
    }

    /// Whether no document is worked on.
    pub fn all_free(&self) -> bool {
        self.free() == self.all
    }

    /// Waits while all places are taken.
    pub async fn take(&self) -> Result<DocumentSlot> {
        self.free.clone().acquire_owned().await.map_err(|_| Error::transient("the ingest is stopping"))
    }
}
