//! Every page of one document into the store: read the source, open the document, take page after page.

use futures::{StreamExt, stream};
use tokio_util::sync::CancellationToken;

use super::events::Happening;
use super::flow::Flow;
use super::inside::{self, Place};
use super::known::Known;
use super::page::{self, Reading};
use super::plan::CollectionPlan;
use super::progress::Counting;
use crate::blobs::upload_key;
use crate::error::{Blame, Error, Result};
use crate::ledger::{Indexed, Job, PageFailure, Submission};
use crate::render::OpenDocument;
use crate::source::{self, Roots, Snapshot};
use crate::types::{DocumentId, Note, RenderLimits};

/// How reading a document ended well.
pub enum Outcome {
    /// Every page is in the store, or known to be missing.
    Stored(Indexed),
    /// The source holds another version by now; it was submitted in place of this one.
    Changed,
    /// The attempt was halted.
    Halted,
}

/// Reads, renders and stores a document.
///
/// # Errors
/// Blaming the document, which can't be indexed as it is (permanent) or may be the next time; else a dependency is away.
pub async fn store(flow: &Flow, job: &Job, plan: &CollectionPlan, halt: &CancellationToken) -> Result<Outcome> {
    let parts = &flow.parts;
    let place = Place::of(&job.source.uri).await;
    let path = source::source_path(&place.file);
    let renderer = parts.renderer.within(plan.limits.over(parts.renderer.limits()))?;
    let limit = renderer.limits().max_document_bytes;
    let Some(room) = halt.run_until_cancelled(parts.spool_budget.reserve(job.size_bytes)).await else {
        return Ok(Outcome::Halted);
    };
    let _room = room?;
    let snapshot = if place.is_kept() {
        kept(flow, job, &place, limit).await?
    } else {
        let taken = match source::is_in_bucket(&place.file) {
            true => parts.buckets.snapshot(&place.file, &job.content_hash, &parts.spool, limit).await,
            false => source::snapshot(&path, &job.content_hash, &parts.spool, limit).await,
        };
        match taken {
            Ok(snapshot) => snapshot,
            Err(error) => return Err(blame_source(flow, job, error).await),
        }
    };
    if snapshot.content_hash != job.content_hash {
        resubmit(flow, job, &snapshot, renderer.limits()).await?;
        return Ok(Outcome::Changed);
    }
    let name = if place.inward.is_empty() { &job.source.name } else { &place.file };
    let opening = renderer.open(&snapshot.path, name, &plan.render);
    let Some(document) = halt.run_until_cancelled(opening).await else { return Ok(Outcome::Halted) };
    let mut document = document?;
    let mut copies = Vec::new();
    for name in &place.inward {
        let Some(opened) = halt.run_until_cancelled(inside::open(flow, &document, name)).await else {
            return Ok(Outcome::Halted);
        };
        let (copy, inner) = opened?;
        copies.push(copy);
        document = inner;
    }
    let page_count = document.info.page_count;
    parts.events.of_job(job, Happening::Opened { pages: page_count });

    let title = title_of(&document, job);
    let known = Known::of(flow, job, plan, &place, &document).await?;
    let reading = Reading { job, plan, document: &document, title, known };
    let counting = Counting::of(flow, job, page_count).await;
    let Some(pages) = store_pages(flow, &reading, &counting, halt).await? else { return Ok(Outcome::Halted) };
    let Pages { failed: failed_pages, notes: page_notes, .. } = pages;
    if failed_pages.len() == page_count as usize {
        return Err(none_left(page_count, failed_pages));
    }
    let inside_notes = inside::submit(flow, job, &document, place.inward.len()).await?;
    let notes = document.info.notes.iter().cloned().chain(inside_notes).chain(page_notes).collect();
    Ok(Outcome::Stored(Indexed { title: reading.title, page_count, failed_pages, notes }))
}

/// A private copy of what was uploaded or fetched. These bytes never change: others than those that were submitted are no version of it.
async fn kept(flow: &Flow, job: &Job, place: &Place, max_bytes: u64) -> Result<Snapshot> {
    let parts = &flow.parts;
    let document = DocumentId::new(&job.tenant, &job.collection, &source::same_name(&place.file));
    let key = upload_key(&job.tenant, document, &job.content_hash);
    let away = |error: Error| error.context("the bytes that were kept").blaming(Blame::Dependency);
    let pieces = parts.blobs.read(&job.tenant, &key, 0..job.size_bytes).await.map_err(away)?;
    let copy = source::receive(pieces, &parts.spool, max_bytes).await?;
    if copy.content_hash != job.content_hash {
        return Err(Error::permanent("the bytes that were kept are damaged: upload or fetch it again"));
    }
    Ok(copy)
}

/// A file that can't be read is not to blame if the folder that was ingested is away: a mount point without its share is a
/// folder like any other, and empty.
async fn blame_source(flow: &Flow, job: &Job, error: Error) -> Error {
    if error.blame() == Blame::Dependency || !error.is_transient() {
        return error;
    }
    let (roots, collection, uri) = (flow.parts.roots.clone(), job.collection.clone(), job.source.uri.clone());
    let away = tokio::task::spawn_blocking(move || Roots::load(&roots).ok()?.away(&collection, &uri)).await;
    match away {
        Ok(Some(root)) => error.context(format!("{} is away", root.display())).blaming(Blame::Dependency),
        _ => error,
    }
}

/// Every page; returns what became of them, in order, or None if the attempt was halted. Pages that have begun are waited for
/// in any case.
async fn store_pages(
    flow: &Flow,
    reading: &Reading<'_>,
    counting: &Counting<'_>,
    halt: &CancellationToken,
) -> Result<Option<Pages>> {
    // One page that ends the attempt must not leave others behind half written.
    let halt = &halt.child_token();
    let all = 1..=reading.document.info.page_count;
    // As many pages of one document at once as all documents may have together: a single large file uses every worker.
    let first_round = Pages::store(flow, reading, counting, halt, (all, flow.parts.settings.pages_in_flight)).await?;
    // Lost, not refused: the machine may have been too busy. Each gets another chance, alone.
    let (lost, mut failed_pages): (Vec<_>, Vec<_>) = first_round.failed.into_iter().partition(|failed| failed.again);
    let second_round =
        Pages::store(flow, reading, counting, halt, (lost.into_iter().map(|failed| failed.page), 1)).await?;
    failed_pages.extend(second_round.failed);
    let mut notes = first_round.notes;
    notes.extend(second_round.notes);
    notes.sort_by_key(|note| note.page);
    failed_pages.sort_by_key(|failed| failed.page);
    for failed in &failed_pages {
        flow.parts.events.of_job(reading.job, Happening::PageFailed(failed.clone()));
    }
    let halted = first_round.halted || second_round.halted;
    Ok((!halted).then_some(Pages { failed: failed_pages, notes, halted }))
}

/// What became of some pages of a document.
#[derive(Default)]
struct Pages {
    failed: Vec<PageFailure>,
    /// About pages that are stored.
    notes: Vec<Note>,
    halted: bool,
}

impl Pages {
    /// Stores pages, so many at a time.
    async fn store(
        flow: &Flow,
        reading: &Reading<'_>,
        counting: &Counting<'_>,
        halt: &CancellationToken,
        (numbers, at_once): (impl IntoIterator<Item = u32>, usize),
    ) -> Result<Self> {
        let mut round = Self::default();
        let mut ended = Ok(());
        let mut pages = stream::iter(numbers)
            .map(|number| async move { (number, page::store(flow, reading, number, halt).await) })
            .buffer_unordered(at_once);
        while let Some((number, outcome)) = pages.next().await {
            match outcome {
                Ok(Some(notes)) => {
                    round.notes.extend(notes);
                    flow.parts.events.of_job(reading.job, Happening::Page { page: number });
                    counting.page().await;
                }
                Ok(None) => round.halted = true,
                Err(error) if error.blame() == Blame::Document => round.failed.push(PageFailure {
                    page: number,
                    reason: error.to_string(),
                    limit: error.limit().cloned(),
                    again: error.is_transient(),
                }),
                Err(error) => {
                    halt.cancel();
                    ended = ended.and(Err(error.context(format!("page {number}"))));
                }
            }
        }
        ended.map(|()| round)
    }
}

/// The error of a document of which no page could be had. Worth another attempt if one of them was lost, not refused.
fn none_left(page_count: u32, failed_pages: Vec<PageFailure>) -> Error {
    let again = failed_pages.iter().any(|failed| failed.again);
    let first = failed_pages.into_iter().next();
    let reason = first.as_ref().map_or("it has none", |failed| failed.reason.as_str());
    let message = format!("none of its {page_count} pages could be indexed; the first: {reason}");
    let error = if again { Error::transient(message).blaming(Blame::Document) } else { Error::permanent(message) };
    match first.and_then(|failed| failed.limit) {
        Some(limit) => error.at_limit(&limit.name, limit.value),
        None => error,
    }
}

/// Puts the version that the source holds now in the place of the one that was submitted.
async fn resubmit(flow: &Flow, job: &Job, snapshot: &Snapshot, limits: &RenderLimits) -> Result<()> {
    tracing::info!(source = %job.source.uri, "changed since it was submitted, taking the newer version");
    let submission = Submission {
        document: job.document,
        tenant: job.tenant.clone(),
        collection: job.collection.clone(),
        source: job.source.clone(),
        content_hash: snapshot.content_hash.clone(),
        tags: job.tags.clone(),
        size_bytes: snapshot.size_bytes,
        priority: job.priority,
        force: true,
        limits: flow.parts.renderer.limit_values(limits),
    };
    flow.parts.ledger.submit(&submission).await.map(|_| ())
}

/// The document's own title where it says something, else its file name.
fn title_of(document: &OpenDocument, job: &Job) -> String {
    let own = document.info.title.as_deref().map(str::trim).unwrap_or_default();
    // What office programs leave behind: no title at all, or the name of a temporary file.
    let meaningless = own.is_empty() || own.eq_ignore_ascii_case("untitled") || own.starts_with("Microsoft Word - ");
    if meaningless { job.source.name.clone() } else { own.to_owned() }
}
