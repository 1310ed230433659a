//! Documents as people and programs are told of them: one shape for commands and servers. Their story, another try, calling off.

use std::collections::BTreeMap;

use serde::Serialize;

use super::scope::Scope;
use crate::error::{Error, Result};
use crate::ledger::{DocumentRecord, PageFailure, Progress, Retried, State, StoryEvent};
use crate::types::{ContentHash, DocumentId, Note, Priority};

/// A document.
#[derive(Debug, Clone, Serialize)]
pub struct DocumentView {
    pub document_id: DocumentId,
    pub collection: String,
    /// Path or URL.
    pub source: String,
    pub title: String,
    pub state: State,
    /// Why it was rejected, died, waits, or is being tried again.
    pub reason: Option<String>,
    pub page_count: u32,
    /// Pages that the index lacks.
    pub failed_pages: Vec<PageFailure>,
    pub notes: Vec<Note>,
    pub content_hash: ContentHash,
    pub tags: BTreeMap<String, String>,
    pub attempts: u32,
    /// How soon it is wanted, beside the tenant's others.
    pub priority: Priority,
    /// How far the attempt is that runs now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    pub size_bytes: u64,
    /// RFC 3339.
    pub updated_at: String,
}

impl From<DocumentRecord> for DocumentView {
    fn from(record: DocumentRecord) -> Self {
        Self {
            document_id: record.document_id,
            collection: record.collection,
            // What was never indexed has no title: its file's name says more than nothing.
            title: if record.title.is_empty() { record.source.name.clone() } else { record.title },
            source: record.source.uri,
            state: record.state,
            reason: record.reason,
            page_count: record.page_count,
            failed_pages: record.failed_pages,
            notes: record.notes,
            content_hash: record.content_hash,
            tags: record.tags,
            attempts: record.attempts,
            priority: record.priority,
            progress: record.progress,
            size_bytes: record.size_bytes,
            updated_at: record.updated_at,
        }
    }
}

/// Documents, and how to go on.
#[derive(Debug, Clone, Serialize)]
pub struct DocumentList {
    pub documents: Vec<DocumentView>,
    /// Where to go on, if there are more.
    pub next_cursor: Option<String>,
}

/// What happened to a document.
#[derive(Debug, Clone, Serialize)]
pub struct DocumentStory {
    pub document: DocumentView,
    /// The oldest first; of very long stories the latest events.
    pub events: Vec<StoryEvent>,
}

impl Scope<'_> {
    /// What happened to a document; None if there is none that may be seen.
    pub async fn story(&self, document: DocumentId) -> Result<Option<DocumentStory>> {
        let Some(record) = self.document(document).await? else { return Ok(None) };
        let events = self.app.ledger.story(&self.tenant, document).await?;
        Ok(Some(DocumentStory { document: record.into(), events }))
    }

    /// Tries the version that was submitted last (again), at once; None if there is no such document.
    ///
    /// # Errors
    /// Permanent: it is being worked on just now.
    pub async fn retry_document(&self, document: DocumentId) -> Result<Option<DocumentRecord>> {
        if self.document(document).await?.is_none() {
            return Ok(None);
        }
        match self.app.ledger.retry(&self.tenant, document).await? {
            Some(Retried::InWork) => {
                Err(Error::permanent("the document is being worked on just now: wait for it, or cancel it"))
            }
            Some(Retried::Queued) => self.document(document).await,
            None => Ok(None),
        }
    }

    /// Calls the work on a document off; None if there is no such document.
    ///
    /// # Errors
    /// Permanent: there is no work on it.
    pub async fn cancel_document(&self, document: DocumentId) -> Result<Option<DocumentRecord>> {
        let Some(record) = self.document(document).await? else { return Ok(None) };
        match self.app.ledger.cancel(&self.tenant, document).await? {
            Some(true) => {
                self.app.collector.collect().await?;
                self.document(document).await
            }
            Some(false) => {
                let state = record.state.as_str();
                Err(Error::permanent(format!("the document is {state}: there is nothing to cancel")))
            }
            None => Ok(None),
        }
    }
}
