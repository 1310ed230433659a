//! One attempt at one document: every page of it through `render -> embed -> derive -> store`.

use bytes::Bytes;
use futures::{StreamExt, stream};

use super::{Event, Shared, jpeg};
use crate::blobs::page_key;
use crate::derive::{derive_page, terms};
use crate::error::{Error, Kind, Result};
use crate::ledger::{Indexed, Job, PageFailure, Submission};
use crate::render::OpenDocument;
use crate::source::{self, Snapshot};
use crate::telemetry::{self, Metric, Stage, Timer};
use crate::types::{PageImage, PagePayload, PagePoint, PointId, RenderedPage};

/// How an attempt ended well.
pub enum Outcome {
    Indexed(Indexed),
    /// The source holds another version by now; it was submitted in place of this one.
    Changed,
}

/// Reads, renders and stores a document.
///
/// # Errors
/// Permanent: the document can't be indexed as it is. Transient: another attempt may succeed.
pub async fn ingest(shared: &Shared, job: &Job) -> Result<Outcome> {
    let pipeline = &shared.pipeline;
    let path = source::source_path(&job.source.uri);
    let snapshot = source::snapshot(&path, &pipeline.spool, pipeline.max_document_bytes).await?;
    if snapshot.content_hash != job.content_hash {
        resubmit(shared, job, &snapshot).await?;
        return Ok(Outcome::Changed);
    }
    let document = pipeline.renderer.open(&snapshot.path, &job.source.name).await?;
    let page_count = document.info.page_count;
    (pipeline.progress)(Event::Opened { source: job.source.clone(), pages: page_count });

    let title = title_of(&document, job);
    let mut failed_pages = Vec::new();
    // As many pages of one document at once as all documents may have together: a single large file uses every worker.
    let (document, title_ref) = (&document, title.as_str());
    let mut pages = stream::iter(1..=page_count)
        .map(|number| async move { (number, page(shared, job, document, title_ref, number).await) })
        .buffer_unordered(pipeline.settings.pages_in_flight);
    while let Some((number, outcome)) = pages.next().await {
        match outcome {
            Ok(()) => (pipeline.progress)(Event::Page { source: job.source.clone(), page: number }),
            Err(error) if error.kind() == Kind::Permanent => {
                let reason = error.to_string();
                (pipeline.progress)(Event::PageFailed {
                    source: job.source.clone(),
                    page: number,
                    reason: reason.clone(),
                });
                failed_pages.push(PageFailure { page: number, reason });
            }
            Err(error) => return Err(error.context(format!("page {number}"))),
        }
    }
    drop(pages);
    failed_pages.sort_by_key(|failure| failure.page);
    if failed_pages.len() == page_count as usize {
        let first = failed_pages.first().map_or("it has none", |failure| failure.reason.as_str());
        return Err(Error::permanent(format!("none of its {page_count} pages could be indexed; the first: {first}")));
    }
    Ok(Outcome::Indexed(Indexed { title, page_count, failed_pages }))
}

/// One page, from its number to the store's word that it was taken.
async fn page(shared: &Shared, job: &Job, document: &OpenDocument, title: &str, number: u32) -> Result<()> {
    let pipeline = &shared.pipeline;
    // Held until the page is in the store: this is what bounds memory.
    let _permit = shared.pages.acquire().await.map_err(|_| Error::transient("the ingest is stopping"))?;
    let rendered = {
        let _timer = Timer::start(Stage::Render);
        pipeline.renderer.page(document, number).await?
    };
    telemetry::pages(Metric::PagesRendered, 1);

    let embedder = pipeline.embedder.clone();
    let quality = pipeline.settings.image_quality;
    let (rendered, input, image) = on_cpu(move || {
        let input = embedder.prepare(&rendered.image)?;
        let image = encode_jpeg(&rendered.image, quality)?;
        Ok((rendered, input, image))
    })
    .await?;
    let RenderedPage { image: pixels, text, width_pt, height_pt, .. } = rendered;
    let image_size = [pixels.width, pixels.height];
    drop(pixels);
    let key = page_key(job.document, &job.generation, number);
    let (stored, embedding) = tokio::join!(pipeline.blobs.put(&key, image), async {
        let _timer = Timer::start(Stage::Embed);
        pipeline.embedder.embed_page(input).await
    });
    stored?;
    let embedding = embedding?;
    telemetry::pages(Metric::PagesEmbedded, 1);

    let settings = pipeline.derive.clone();
    let codebook = pipeline.embedder.codebook().cloned();
    let (vectors, layout, text, language) = on_cpu(move || {
        let _timer = Timer::start(Stage::Derive);
        let read = terms::Text::new(&text.text);
        let vectors = derive_page(&settings, &embedding, &read, codebook.as_deref())?;
        let language = read.language();
        Ok((vectors, embedding.layout, text.text, language))
    })
    .await?;

    let info = &document.info;
    let section = info.section(number);
    let label = info.page_labels.get(number as usize - 1).filter(|label| **label != number.to_string());
    let payload = PagePayload {
        tenant: job.tenant.clone(),
        document_id: job.document,
        generation: job.generation.clone(),
        source: job.source.uri.clone(),
        title: title.to_owned(),
        author: info.author.clone(),
        created: info.created.clone(),
        section_title: section.title,
        breadcrumbs: section.breadcrumbs,
        page: number,
        page_count: info.page_count,
        page_label: label.cloned(),
        anchor: format!("#page={number}"),
        tags: job.tags.clone(),
        language: language.map(str::to_owned),
        text: trimmed(&text, pipeline.settings.text_chars),
        content_hash: job.content_hash.clone(),
        recipe: job.recipe.clone(),
        model: pipeline.embedder.info().name(),
        grid: layout.grid,
        cells: layout.cells_to_string(),
        covered: [layout.covered.0, layout.covered.1],
        page_size: [width_pt, height_pt],
        image_size,
        image: key,
        ingested_at: jiff::Timestamp::now().to_string(),
    };
    let id = PointId::new(job.document, &job.generation, number);
    shared.writer.write(PagePoint { id, vectors, payload }).await
}

/// Runs CPU-heavy work on the blocking threads.
async fn on_cpu<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::bug("work on a page panicked").with_source(error))?
}

/// Puts the version that the source holds now in the place of the one that was submitted.
async fn resubmit(shared: &Shared, job: &Job, snapshot: &Snapshot) -> Result<()> {
    tracing::info!(source = %job.source.uri, "changed since it was submitted, taking the newer version");
    let submission = Submission {
        document: job.document,
        tenant: job.tenant.clone(),
        collection: job.collection.clone(),
        source: job.source.clone(),
        content_hash: snapshot.content_hash.clone(),
        recipe: job.recipe.clone(),
        tags: job.tags.clone(),
        size_bytes: snapshot.size_bytes,
        force: true,
    };
    shared.pipeline.ledger.submit(&submission).await.map(|_| ())
}

/// The document's own title where it says something, else its file name.
fn title_of(document: &OpenDocument, job: &Job) -> String {
    let own = document.info.title.as_deref().map(str::trim).unwrap_or_default();
    // What office programs leave behind: no title at all, or the name of a temporary file.
    let meaningless = own.is_empty() || own.eq_ignore_ascii_case("untitled") || own.starts_with("Microsoft Word - ");
    if meaningless { job.source.name.clone() } else { own.to_owned() }
}

/// At most `max_chars` characters, without surrounding white space.
fn trimmed(text: &str, max_chars: usize) -> String {
    let text = text.trim();
    match text.char_indices().nth(max_chars) {
        Some((end, _)) => text[..end].trim_end().to_owned(),
        None => text.to_owned(),
    }
}

/// The page image as it is stored and shown.
fn encode_jpeg(image: &PageImage, quality: u8) -> Result<Bytes> {
    let (Ok(width), Ok(height)) = (u16::try_from(image.width), u16::try_from(image.height)) else {
        return Err(Error::permanent(format!(
            "a page image of {}x{} pixels is larger than JPEG allows (65535): lower render.dpi",
            image.width, image.height
        )));
    };
    Ok(Bytes::from(jpeg::encode(&image.rgb, width, height, quality)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_at_a_character() {
        assert_eq!(trimmed("  žluťoučký kůň ", 4), "žluť");
        assert_eq!(trimmed(" ab ", 4), "ab");
    }
}
