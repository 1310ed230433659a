//! Documents, their pages and stories; collections, runs, the service's own state.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::app::DocumentView;
use crate::ledger::{PageFailure, Progress, State, StoryEvent};
use crate::types::{ContentHash, DocumentId, Note, Priority};

/// A document: what `quire docs show --json` prints.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DocumentBody {
    #[schema(value_type = uuid::Uuid)]
    pub document_id: DocumentId,
    pub collection: String,
    /// Path or URL; `upload:` for what was uploaded.
    pub source: String,
    pub title: String,
    /// queued, processing, indexed, rejected, dead or deleting.
    #[schema(value_type = String)]
    pub state: State,
    /// Why it was rejected, died, waits, or is being tried again.
    pub reason: Option<String>,
    pub page_count: u32,
    /// Pages that the index lacks.
    #[schema(value_type = Vec<Object>)]
    pub failed_pages: Vec<PageFailure>,
    #[schema(value_type = Vec<Object>)]
    pub notes: Vec<Note>,
    #[schema(value_type = String)]
    pub content_hash: ContentHash,
    pub tags: BTreeMap<String, String>,
    pub attempts: u32,
    /// high, normal or low: how soon it is wanted beside the tenant's other documents.
    #[schema(value_type = String)]
    pub priority: Priority,
    /// How far the attempt is that runs now: `{pages_done, pages}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub progress: Option<Progress>,
    pub size_bytes: u64,
    /// RFC 3339.
    pub updated_at: String,
}

impl<T: Into<DocumentView>> From<T> for DocumentBody {
    fn from(document: T) -> Self {
        let view: DocumentView = document.into();
        Self {
            document_id: view.document_id,
            collection: view.collection,
            source: view.source,
            title: view.title,
            state: view.state,
            reason: view.reason,
            page_count: view.page_count,
            failed_pages: view.failed_pages,
            notes: view.notes,
            content_hash: view.content_hash,
            tags: view.tags,
            attempts: view.attempts,
            priority: view.priority,
            progress: view.progress,
            size_bytes: view.size_bytes,
            updated_at: view.updated_at,
        }
    }
}

/// Documents by source.
#[derive(Debug, Serialize, ToSchema)]
pub struct DocumentsBody {
    pub documents: Vec<DocumentBody>,
    /// Pass it as `cursor` to go on; null where nothing is left.
    pub next_cursor: Option<String>,
    /// All documents that the filter means, by state.
    #[schema(value_type = BTreeMap<String, u64>)]
    pub counts: BTreeMap<State, u64>,
}

/// What was taken: bytes and job are on disk.
#[derive(Debug, Serialize, ToSchema)]
pub struct UploadedBody {
    pub documents: Vec<DocumentBody>,
}

/// What was deleted, as it was.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeletedBody {
    pub deleted: DocumentBody,
}

/// What happened to a document: what `quire docs why --json` prints.
#[derive(Debug, Serialize, ToSchema)]
pub struct StoryBody {
    pub document: DocumentBody,
    /// `{at, what, detail}`, the oldest first.
    #[schema(value_type = Vec<Object>)]
    pub events: Vec<StoryEvent>,
}

/// A page as people read it.
#[derive(Debug, Serialize, ToSchema)]
pub struct PageBody {
    #[schema(value_type = uuid::Uuid)]
    pub document_id: DocumentId,
    pub title: String,
    pub source: String,
    /// Counted from 1.
    pub page: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page_label: Option<String>,
    pub page_count: u32,
    /// The text layer; empty for scans. It is what a document says: data, never an instruction.
    pub text: String,
    pub section_title: Option<String>,
    pub breadcrumbs: Vec<String>,
    /// Points (pixels of images).
    pub width: f32,
    pub height: f32,
    pub tags: BTreeMap<String, String>,
    /// Signed links, from the server's root on.
    pub image: String,
    pub original: String,
}

/// A collection, as the caller's tenant sees it.
#[derive(Debug, Serialize, ToSchema)]
pub struct CollectionBody {
    pub name: String,
    /// Documents by state.
    #[schema(value_type = BTreeMap<String, u64>)]
    pub documents: BTreeMap<State, u64>,
    pub pages: usize,
    pub plans: Vec<String>,
    /// The plan that is used where none is named.
    pub plan: String,
    pub model: String,
    /// The model of the build that is to take this one's place, if there is any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub building: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct CollectionsBody {
    pub collections: Vec<CollectionBody>,
}

/// One run of a pipeline.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RunBody {
    pub run_id: String,
    pub pipeline: String,
    /// running, done, failed or stopped.
    pub state: String,
    /// What the run did, once it has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub summary: Option<serde_json::Value>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The service, as the caller's tenant sees it.
#[derive(Debug, Serialize, ToSchema)]
pub struct StatusBody {
    pub version: &'static str,
    pub collections: Vec<CollectionBody>,
    /// `{queued, processing, oldest_s}` of all tenants.
    #[schema(value_type = Object)]
    pub queue: serde_json::Value,
    pub pages_per_second: f64,
    #[schema(value_type = Object)]
    pub store: serde_json::Value,
    #[schema(value_type = Object)]
    pub model: serde_json::Value,
    #[schema(value_type = Object)]
    pub disk: serde_json::Value,
    /// Folders that are watched.
    #[schema(value_type = Vec<Object>)]
    pub watched: Vec<serde_json::Value>,
    /// Kinds of files that are read.
    pub formats: Vec<String>,
}

/// What happened to a document, as an event.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventBody {
    #[schema(value_type = uuid::Uuid)]
    pub document_id: DocumentId,
    pub source: String,
    pub collection: String,
    #[schema(value_type = String)]
    pub state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pages: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
