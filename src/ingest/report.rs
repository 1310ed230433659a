//! What a run did, counted where it happens: a run returns it, whoever watches or not.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::ledger::{Job, PageFailure};
use crate::types::{DocumentId, Note, SourceRef};

/// The outcome of a run.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Documents that were indexed.
    pub indexed: u64,
    /// Documents whose pages carry other tags now.
    pub retagged: u64,
    /// Pages that were stored, of documents that were indexed.
    pub pages: u64,
    /// Documents that can't be indexed, or were given up, with the reason.
    pub failures: Vec<(DocumentRef, String)>,
    /// Pages that are missing, of documents that were indexed.
    pub failed_pages: Vec<(DocumentRef, PageFailure)>,
    /// What is known to be wrong with documents that were indexed.
    pub notes: Vec<(DocumentRef, Note)>,
    /// Documents that were given back unused and wait.
    pub given_back: u64,
    /// Documents that people find now and that the new build of the collection lacks, with the reason: so it did not take the
    /// place of the old one.
    pub not_switched: Vec<(SourceRef, String)>,
    /// The run was told to stop before everything was done.
    pub stopped: bool,
}

/// Which document, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentRef {
    pub document: DocumentId,
    pub source: SourceRef,
}

impl DocumentRef {
    pub(super) fn of(job: &Job) -> Self {
        Self { document: job.document, source: job.source.clone() }
    }
}

/// The report of a run that is still going.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<Report>);

impl Tally {
    pub fn add(&self, change: impl FnOnce(&mut Report)) {
        change(&mut self.lock());
    }

    pub fn take(&self) -> Report {
        std::mem::take(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Report> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
