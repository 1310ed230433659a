//! Content that is known under another path is not drawn and embedded again: a moved file's pages are copied from the document
//! that holds them.
//!
//! Only where the outcome would be the same: the same bytes, of the same tenant, whole in the same build, under the same recipe.
//! Whatever is missing by the time it is read (that document may be deleted meanwhile) is drawn as if nothing were known.

use std::path::Path;

use super::flow::Flow;
use super::inside::Place;
use super::plan::CollectionPlan;
use crate::blobs::page_key;
use crate::error::Result;
use crate::ledger::{Job, SameContent};
use crate::render::OpenDocument;
use crate::source;
use crate::types::{Note, PagePayload, PagePoint, PointId, VectorName};

/// Documents with the same content that are looked at: a portfolio and what is inside it have one hash, that of the file.
const CANDIDATES: usize = 64;

/// A document that holds the content.
pub struct Known {
    document: SameContent,
    vectors: Vec<VectorName>,
}

impl Known {
    /// Where the content of this job lies already; None where it is new.
    ///
    /// # Errors
    /// The ledger's.
    pub async fn of(
        flow: &Flow,
        job: &Job,
        plan: &CollectionPlan,
        place: &Place,
        opened: &OpenDocument,
    ) -> Result<Option<Self>> {
        for document in flow.parts.ledger.same_content(job, CANDIDATES).await? {
            let there = Place::of(&document.source.uri).await;
            // What a file is taken for hangs on its name too.
            let alike = there.inward == place.inward && kind(&there.file) == kind(&place.file);
            if alike && document.page_count == opened.info.page_count {
                tracing::info!(source = %job.source.uri, known_as = %document.source.uri, "its pages are known, and copied");
                return Ok(Some(Self { document, vectors: plan.derive.vectors.iter().copied().collect() }));
            }
        }
        Ok(None)
    }

    /// The page as a point of the job's document, its image under the job's key, and what is noted about it. None where it is
    /// not there (any more).
    ///
    /// # Errors
    /// Store and page images are away.
    pub async fn page(
        &self,
        flow: &Flow,
        job: &Job,
        opened: &OpenDocument,
        title: &str,
        number: u32,
    ) -> Result<Option<(PagePoint, Vec<Note>)>> {
        let parts = &flow.parts;
        let id = PointId::new(self.document.document, &self.document.generation, number);
        let stored = parts.store.retrieve(&job.physical, &job.tenant, &[id], &self.vectors).await?.pop();
        let Some(stored) = stored.filter(|stored| stored.payload.recipe == job.recipe) else { return Ok(None) };
        let image = match parts.blobs.get(&job.tenant, &stored.payload.image).await {
            Ok(image) => image,
            Err(error) if error.is_transient() => return Err(error),
            Err(_) => return Ok(None),
        };
        let key = page_key(&job.tenant, job.document, &job.generation, number);
        parts.blobs.put(&key, image).await?;
        let payload = PagePayload {
            document_id: job.document,
            generation: job.generation.clone(),
            source: job.source.uri.clone(),
            title: title.to_owned(),
            tags: job.tags.clone(),
            image: key,
            ingested_at: jiff::Timestamp::now().to_string(),
            ..stored.payload
        };
        let of_page = |note: &&Note| note.page == Some(number) && !opened.info.notes.contains(note);
        let notes = self.document.notes.iter().filter(of_page).cloned().collect();
        let id = PointId::new(job.document, &job.generation, number);
        Ok(Some((PagePoint { id, vectors: stored.vectors, payload }, notes)))
    }
}

/// The ending of a file's name, in small letters.
fn kind(uri: &str) -> Option<String> {
    let path = source::source_path(uri);
    Path::new(&path).extension().map(|ending| ending.to_string_lossy().to_lowercase())
}
