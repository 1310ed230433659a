//! Documents inside documents: PDFs that a portfolio holds or that are attached to a PDF are documents of their own, known as
//! `file.pdf#attachment=name.pdf`. They are submitted when the document around them is stored, and read out of it again when
//! their turn comes: so they are as old as it, and gone when they are gone from it.

use std::collections::BTreeSet;

use super::flow::Flow;
use crate::error::{Error, Result};
use crate::ledger::{DocumentFilter, Job, Submission};
use crate::render::OpenDocument;
use crate::source::{self, Snapshot};
use crate::types::{self, DocumentId, Note, SourceRef};

/// Documents in documents in documents: deeper ones are not read.
const MAX_DEPTH: usize = 3;

/// Where a job's document lies: the source URI of the file, and the names that lead from it inward.
pub struct Place {
    pub file: String,
    pub inward: Vec<String>,
}

impl Place {
    /// Whether Quire keeps the file's bytes.
    pub fn is_kept(&self) -> bool {
        types::is_kept(&self.file)
    }

    /// A file may be called like an attachment: then it is one.
    pub async fn of(uri: &str) -> Self {
        let mut place = Self { file: uri.to_owned(), inward: Vec::new() };
        while let Some((around, name)) = source::attachment_of(&place.file) {
            if tokio::fs::try_exists(source::source_path(&place.file)).await.unwrap_or(false) {
                break;
            }
            place.inward.insert(0, name.to_owned());
            place.file = around.to_owned();
        }
        place
    }
}

/// Opens the document of this name inside another, from a private copy.
///
/// # Errors
/// Permanent, the document's fault: there is none of this name (any more), or it can't be opened.
pub async fn open(flow: &Flow, around: &OpenDocument, name: &str) -> Result<(Snapshot, OpenDocument)> {
    let attachment = around.info.attachments.iter().find(|attachment| attachment.name == name);
    let attachment =
        attachment.ok_or_else(|| Error::permanent(format!("{} holds no file '{name}' (any more)", around.name)))?;
    let bytes = flow.parts.renderer.attachment(around, attachment.index).await?;
    let copy = source::spool(bytes, &flow.parts.spool).await?;
    let renderer = flow.parts.renderer.within(around.limits.as_ref().clone())?;
    let document = renderer.open(&copy.path, name, &around.settings).await?;
    Ok((copy, document))
}

/// Submits the documents inside one that has been stored, and deletes those that are in it no more. Returns what is to be noted.
///
/// # Errors
/// What the ledger says.
pub async fn submit(flow: &Flow, job: &Job, document: &OpenDocument, depth: usize) -> Result<Vec<Note>> {
    let inside = &document.info.attachments;
    if inside.is_empty() && document.format != crate::render::Format::Pdf {
        return Ok(Vec::new());
    }
    let names = || inside.iter().map(|attachment| attachment.name.as_str());
    if depth >= MAX_DEPTH && !inside.is_empty() {
        let names = names().collect::<Vec<_>>().join(", ");
        return Ok(vec![Note::lost(None, format!("holds files that lie too deep to be read: {names}"))]);
    }
    let mut there = BTreeSet::new();
    for name in names() {
        let uri = source::attachment_uri(&job.source.uri, name);
        let id = DocumentId::new(&job.tenant, &job.collection, &source::same_name(&uri));
        there.insert(id);
        let submission = Submission {
            document: id,
            tenant: job.tenant.clone(),
            collection: job.collection.clone(),
            source: SourceRef { uri, name: name.to_owned() },
            // The file around it is what may change.
            content_hash: job.content_hash.clone(),
            tags: job.tags.clone(),
            size_bytes: job.size_bytes,
            priority: job.priority,
            force: false,
            limits: flow.parts.renderer.limit_values(&document.limits),
        };
        flow.parts.ledger.submit(&submission).await?;
    }
    let filter = DocumentFilter {
        collection: Some(job.collection.clone()),
        source_prefix: Some(source::attachment_uri(&job.source.uri, "")),
        ..DocumentFilter::default()
    };
    for known in flow.parts.ledger.documents(&job.tenant, &filter).await?.documents {
        let directly = source::attachment_of(&known.source.uri).is_some_and(|(around, _)| around == job.source.uri);
        if directly && !there.contains(&known.document_id) {
            flow.parts.ledger.delete(&job.tenant, known.document_id).await?;
        }
    }
    Ok(Vec::new())
}
