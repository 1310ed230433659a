//! Files become jobs: hash, compare with the ledger, write down what is to be done.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use tokio_util::sync::CancellationToken;

use super::Patience;
use super::events::{DocumentEvent, Event, Events, Happening};
use crate::error::Result;
use crate::ledger::{Ledger, PageFailure, Submission, Submitted};
use crate::source::{self, SourceFile, hash_file};
use crate::types::{DocumentId, Note, Priority, Tenant};

/// Files hashed at the same time: enough to keep a disk busy.
const HASHING: usize = 4;

/// Submits files of one collection in the name of one tenant.
pub struct Submitter {
    pub ledger: Arc<dyn Ledger>,
    pub tenant: Tenant,
    pub collection: String,
    pub tags: BTreeMap<String, String>,
    pub priority: Priority,
    /// Index again what has not changed.
    pub force: bool,
    /// Larger files are refused unread.
    pub max_document_bytes: u64,
    /// Values of the limits in force, by name.
    pub limits: BTreeMap<String, u64>,
    pub events: Events,
    /// How long a ledger that is away is waited for: folders are large, and submitting takes hours.
    pub patience: Duration,
}

/// What became of the files.
#[derive(Debug, Default)]
pub struct Comparison {
    /// Documents that a job was written down for.
    pub queued: Vec<DocumentId>,
    pub unchanged: usize,
    /// Pages that unchanged documents lack.
    pub missing_pages: Vec<(SourceFile, PageFailure)>,
    /// What is known to be wrong with unchanged documents.
    pub notes: Vec<(SourceFile, Note)>,
    /// Source and reason of files that were rejected before, or can't be read now.
    pub failed: Vec<(SourceFile, String)>,
}

impl Comparison {
    /// This one and another, together.
    pub fn extend(&mut self, other: Self) {
        self.queued.extend(other.queued);
        self.unchanged += other.unchanged;
        self.missing_pages.extend(other.missing_pages);
        self.notes.extend(other.notes);
        self.failed.extend(other.failed);
    }
}

impl Submitter {
    /// Submits files until all are submitted or `stop` is called; what was submitted stays.
    ///
    /// # Errors
    /// What the ledger says. A file that can't be read is named in the comparison.
    pub async fn submit_all(&self, files: Vec<SourceFile>, stop: &CancellationToken) -> Result<Comparison> {
        let patience = Patience::new(self.patience, stop).telling(&self.events, &self.collection);
        let mut comparison = Comparison::default();
        let mut hashed = stream::iter(files)
            .map(|file| async move {
                let hash = match &file.version {
                    Some(version) => Ok(version.clone()),
                    None => hash_file(&file.real, self.max_document_bytes).await,
                };
                (file, hash)
            })
            .buffered(HASHING);
        while let Some(Some((file, hash))) = stop.run_until_cancelled(hashed.next()).await {
            let content_hash = match hash {
                Ok(content_hash) => content_hash,
                Err(error) => {
                    comparison.failed.push((file, error.to_string()));
                    continue;
                }
            };
            let submission = Submission {
                document: self.document_id(&file),
                tenant: self.tenant.clone(),
                collection: self.collection.clone(),
                source: file.source.clone(),
                content_hash,
                tags: self.tags.clone(),
                size_bytes: file.size_bytes,
                priority: self.priority,
                force: self.force,
                limits: self.limits.clone(),
            };
            let submitted = patience.with(|| self.ledger.submit(&submission)).await?;
            self.events.send(Event::Document(DocumentEvent {
                document: submission.document,
                tenant: submission.tenant,
                collection: submission.collection,
                source: submission.source,
                what: Happening::Compared { queued: submitted == Submitted::Queued },
            }));
            match submitted {
                Submitted::Queued => comparison.queued.push(submission.document),
                Submitted::Unchanged(missing) => {
                    comparison.unchanged += 1;
                    let known = patience.with(|| self.ledger.document(&self.tenant, submission.document)).await?;
                    let notes = known.map(|known| known.notes).unwrap_or_default();
                    comparison.notes.extend(notes.into_iter().map(|note| (file.clone(), note)));
                    comparison.missing_pages.extend(missing.into_iter().map(|page| (file.clone(), page)));
                }
                Submitted::RejectedBefore(reason) => comparison.failed.push((file, reason)),
            }
        }
        Ok(comparison)
    }

    pub fn document_id(&self, file: &SourceFile) -> DocumentId {
        DocumentId::new(&self.tenant, &self.collection, &source::same_name(&file.source.uri))
    }
}
