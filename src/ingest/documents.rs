//! How many documents are worked on: from the claim of a job to its last page in the store. Waiting for the
//! acknowledgement is no work, and keeps no other document from being begun.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Error, Result};

/// Leave to work on documents, of which there is so much. Clones share it.
#[derive(Clone)]
pub struct Documents {
    at_once: usize,
    leave: Arc<Semaphore>,
}

/// Leave to work on one document, given back when it is dropped.
pub type Leave = OwnedSemaphorePermit;

impl Documents {
    pub fn new(at_once: usize) -> Self {
        Self { at_once, leave: Arc::new(Semaphore::new(at_once)) }
    }

    /// How many more may be begun now.
    pub fn free(&self) -> usize {
        self.leave.available_permits()
    }

    /// Whether none is worked on.
    pub fn rest(&self) -> bool {
        self.free() == self.at_once
    }

    /// Waits where as many as may are worked on already.
    pub async fn begin(&self) -> Result<Leave> {
        self.leave.clone().acquire_owned().await.map_err(|_| Error::transient("the ingest is stopping"))
    }
}
