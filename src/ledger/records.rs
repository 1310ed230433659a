//! What goes into the ledger and comes out of it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::stories::Progress;
use crate::error::Limit;
use crate::types::{ContentHash, DocumentId, Generation, Groups, Note, Priority, RecipeId, SourceRef, Tenant};

/// One way in which a collection is filled: one per recipe and schema. Its vectors have a collection of the store to
/// themselves, so that two vector spaces never meet in one ranking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// Name of the collection in the store.
    pub physical: String,
    pub recipe: RecipeId,
    /// JSON: model, recipe settings, schema, plans; written and read by `app`.
    pub definition: String,
    /// Identities under which the store's collection is known; empty: not yet made.
    pub incarnations: Vec<String>,
}

/// A collection: what questions are asked of, and what is being built to take its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectionRecord {
    pub name: String,
    /// Questions are asked of this one.
    pub active: Build,
    /// Being filled, and not seen by anybody yet.
    pub next: Option<Build>,
    /// RFC 3339.
    pub created_at: String,
}

impl CollectionRecord {
    /// The active build and the next one.
    pub fn builds(&self) -> impl Iterator<Item = &Build> {
        std::iter::once(&self.active).chain(&self.next)
    }

    /// The build that submissions go to: the next one, else the active one.
    pub fn target(&self) -> &Build {
        self.next.as_ref().unwrap_or(&self.active)
    }

    /// The build with this recipe; of two, the one that submissions go to.
    pub fn build(&self, recipe: &RecipeId) -> Option<&Build> {
        self.next.iter().chain([&self.active]).find(|build| build.recipe == *recipe)
    }
}

/// What became of an attempt to put the next build in the active one's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Switch {
    /// There is no next build.
    Nothing,
    /// So many documents still have work to do.
    Waiting(u64),
    /// These documents are visible now and are not built in the next build, and this is why.
    WouldLose(Vec<(SourceRef, String)>),
    Switched,
}

/// A version that is to be indexed.
#[derive(Debug, Clone, PartialEq)]
pub struct Submission {
    pub document: DocumentId,
    pub tenant: Tenant,
    pub collection: String,
    pub source: SourceRef,
    pub content_hash: ContentHash,
    pub tags: BTreeMap<String, String>,
    pub size_bytes: u64,
    pub priority: Priority,
    /// Index again even if nothing differs.
    pub force: bool,
    /// Values of the limits in force, by name: a rejection or a lost page that met another value is worth another try. A
    /// limit that is not named here is taken to be as it was.
    pub limits: BTreeMap<String, u64>,
}

/// What became of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Submitted {
    /// This very version stands indexed with the same tags; without these pages.
    Unchanged(Vec<PageFailure>),
    /// This very version was rejected before, for this reason, and nothing that mattered has changed.
    RejectedBefore(String),
    /// A job is on disk.
    Queued,
}

/// Which jobs to hand out.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// None: of any collection.
    pub collection: Option<&'a str>,
    /// None of these collections.
    pub except: &'a [String],
    /// Only jobs that were held when a process died (true), only others (false).
    pub suspects: bool,
    pub limit: usize,
    /// How long they are ours, unless prolonged by [`renew`](super::Ledger::renew).
    pub lease: Duration,
}

/// What a job is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Render, embed and store every page, as a generation that nobody has seen yet.
    Index,
    /// Write the tags into the payloads of the generation that people see; its vectors stay.
    Retag,
}

/// A document that stands indexed, whole, in the build that a job writes to, and under its recipe.
#[derive(Debug, Clone, PartialEq)]
pub struct SameContent {
    pub document: DocumentId,
    pub source: SourceRef,
    pub generation: Generation,
    pub page_count: u32,
    pub notes: Vec<Note>,
}

/// Work that a claim handed out. Valid as long as the lease holds and nothing newer replaced it.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    pub id: i64,
    pub document: DocumentId,
    pub tenant: Tenant,
    pub collection: String,
    /// The collection of the store that the pages are written to.
    pub physical: String,
    pub source: SourceRef,
    pub content_hash: ContentHash,
    pub recipe: RecipeId,
    pub generation: Generation,
    pub tags: BTreeMap<String, String>,
    pub size_bytes: u64,
    pub priority: Priority,
    pub task: Task,
    /// 1 for the first.
    pub attempt: u32,
    /// How many processes died while they held it, since it was last tried in peace.
    pub crashes: u32,
    /// Which claim of the job this is: a later claim makes this one worthless.
    pub(in crate::ledger) lease: i64,
}

/// What is known once a document is indexed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Indexed {
    pub title: String,
    pub page_count: u32,
    /// Pages that could not be rendered or embedded; the rest of the document is there.
    pub failed_pages: Vec<PageFailure>,
    /// What is known to be wrong with what is there, or with the document.
    pub notes: Vec<Note>,
}

/// A page that the index lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageFailure {
    /// 1-based.
    pub page: u32,
    pub reason: String,
    /// The limit it ran into, if that is what happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    /// The next run tries it again: it was lost, not refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
}

/// Why a document can't be indexed as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    pub reason: String,
    /// The limit it ran into, if that is what happened.
    pub limit: Option<Limit>,
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
    pub tenant: Tenant,
    /// The collection of the store that they are in.
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

/// A document as the ledger knows it. Title, pages, failed pages and notes are those of the generation that people see; content
/// hash, recipe and tags those of the version submitted last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DocumentRecord {
    pub document_id: DocumentId,
    pub tenant: Tenant,
    pub collection: String,
    pub source: SourceRef,
    pub title: String,
    pub state: State,
    /// Why it was rejected, died, waits, or is being tried again.
    pub reason: Option<String>,
    pub page_count: u32,
    pub failed_pages: Vec<PageFailure>,
    pub notes: Vec<Note>,
    pub content_hash: ContentHash,
    pub recipe: RecipeId,
    /// The generation people see, in the active build; None where there is none yet.
    pub visible: Option<Generation>,
    pub tags: BTreeMap<String, String>,
    pub attempts: u32,
    /// How soon it is wanted, as it was submitted last.
    pub priority: Priority,
    /// How far the attempt is that runs now, once its pages are known.
    pub progress: Option<Progress>,
    pub size_bytes: u64,
    /// RFC 3339.
    pub updated_at: String,
}

/// Most tags that a listing may ask for at once.
pub const MAX_FILTER_TAGS: usize = 4;

/// What waits and what is in work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Queue {
    /// Jobs that nobody holds.
    pub waiting: u64,
    /// Jobs that a worker holds.
    pub in_work: u64,
    /// Since when the oldest waiting one has been due, in milliseconds; None where none is due.
    pub oldest_ms: Option<u64>,
}

/// Which documents to list.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DocumentFilter {
    pub collection: Option<String>,
    pub state: Option<State>,
    /// Sources that begin with this.
    pub source_prefix: Option<String>,
    /// Sources or titles that hold this, whatever the case of ASCII letters.
    pub text: Option<String>,
    /// Tags that the document has; at most [`MAX_FILTER_TAGS`].
    pub tags: BTreeMap<String, String>,
    /// Only what these groups may see.
    pub groups: Groups,
    /// None: all of them.
    pub limit: Option<usize>,
    /// [`Listing::next_cursor`] of the listing before, of the same filter.
    pub after: Option<String>,
}

/// Documents, and how to go on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Listing {
    pub documents: Vec<DocumentRecord>,
    /// Opaque; None where nothing is left.
    pub next_cursor: Option<String>,
}
