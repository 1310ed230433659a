//! One page, from its number to the store's word that it was taken: `render -> embed -> derive -> store`.

use tokio_util::sync::CancellationToken;

use super::flow::Flow;
use super::jpeg;
use super::known::Known;
use super::plan::CollectionPlan;
use crate::blobs::page_key;
use crate::derive::{derive_page, ink, terms};
use crate::error::{Error, Result};
use crate::ledger::Job;
use crate::render::OpenDocument;
use crate::telemetry::{self, Metric, Stage, Timer};
use crate::types::{Note, PagePayload, PagePoint, PointId, RenderedPage};

/// What the pages of one attempt share.
pub struct Reading<'a> {
    pub job: &'a Job,
    pub plan: &'a CollectionPlan,
    pub document: &'a OpenDocument,
    pub title: String,
    /// Where the same content lies already.
    pub known: Option<Known>,
}

/// Stores one page of the document. None if the attempt was halted before anything of the page could stay;
/// else what is to be noted about it.
///
/// What has begun to be written is always written to its end: only so is everything that an attempt leaves behind there when
/// it is given up.
///
/// # Errors
/// Blaming the document: the page can't be had. Else what the page needs is away.
pub async fn store(
    flow: &Flow,
    reading: &Reading<'_>,
    number: u32,
    halt: &CancellationToken,
) -> Result<Option<Vec<Note>>> {
    let begin = flow.guard.page(&flow.parts.questions);
    let Some(_place) = halt.run_until_cancelled(begin).await else { return Ok(None) };
    // Held until the page is in the store: this is what bounds memory.
    let Some(permit) = halt.run_until_cancelled(flow.pages.acquire()).await else { return Ok(None) };
    let _permit = permit.map_err(|_| Error::transient("the ingest is stopping"))?;
    if let Some(known) = &reading.known {
        let copied = known.page(flow, reading.job, reading.document, &reading.title, number);
        let Some(copied) = halt.run_until_cancelled(copied).await else { return Ok(None) };
        if let Some((point, notes)) = copied? {
            return flow.writer.write(&reading.plan.physical, point).await.map(|()| Some(notes));
        }
    }
    let Some(rendered) = halt.run_until_cancelled(render(flow, reading, number)).await else { return Ok(None) };
    let rendered = rendered?;

    let model = reading.plan.model.clone();
    let quality = flow.parts.settings.image_quality;
    let prepared = on_cpu(move || {
        let input = model.prepare(&rendered.image)?;
        let image = jpeg::encode(&rendered.image, quality)?;
        let boxes = ink::page_boxes(&rendered.image, &rendered.text);
        Ok((rendered, input, image, boxes))
    });
    let Some(prepared) = halt.run_until_cancelled(prepared).await else { return Ok(None) };
    let (rendered, input, image, boxes) = prepared?;
    let RenderedPage { image: pixels, text, width_pt, height_pt, notes, .. } = rendered;
    let image_size = [pixels.width, pixels.height];
    drop(pixels);

    let job = reading.job;
    let key = page_key(&job.tenant, job.document, &job.generation, number);
    let (stored, embedded) = tokio::join!(
        flow.parts.blobs.put(&key, image),
        halt.run_until_cancelled(async {
            let _timer = Timer::start(Stage::Embed);
            reading.plan.model.embed_page(input).await
        })
    );
    stored?;
    let Some(embedding) = embedded else { return Ok(None) };
    let embedding = embedding?;
    telemetry::pages(Metric::PagesEmbedded, 1);

    let settings = reading.plan.derive.clone();
    let codebook = reading.plan.model.codebook().cloned();
    let unreadable = text.unreadable;
    let (vectors, layout, text, language) = on_cpu(move || {
        let _timer = Timer::start(Stage::Derive);
        // Garbled text finds nothing that stands on the page, and other things by accident.
        let read = terms::Text::new(if unreadable { "" } else { &text.text });
        let vectors = derive_page(&settings, &embedding, &read, codebook.as_deref())?;
        let language = read.language();
        Ok((vectors, embedding.layout, text.text, language))
    })
    .await?;

    let info = &reading.document.info;
    let section = info.section(number);
    let label = info.page_labels.get(number as usize - 1).filter(|label| **label != number.to_string());
    let payload = PagePayload {
        tenant: job.tenant.clone(),
        document_id: job.document,
        generation: job.generation.clone(),
        source: job.source.uri.clone(),
        title: reading.title.clone(),
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
        text_unreadable: unreadable,
        text: trimmed(&text, flow.parts.settings.text_chars),
        content_hash: job.content_hash.clone(),
        recipe: job.recipe.clone(),
        model: reading.plan.model.info().name(),
        layout: (&layout).into(),
        page_size: [width_pt, height_pt],
        image_size,
        image: key,
        boxes,
        ingested_at: jiff::Timestamp::now().to_string(),
    };
    let id = PointId::new(job.document, &job.generation, number);
    flow.writer.write(&reading.plan.physical, PagePoint { id, vectors, payload }).await.map(|()| Some(notes))
}

async fn render(flow: &Flow, reading: &Reading<'_>, number: u32) -> Result<RenderedPage> {
    let _timer = Timer::start(Stage::Render);
    let rendered = flow.parts.renderer.page(reading.document, number).await?;
    telemetry::pages(Metric::PagesRendered, 1);
    Ok(rendered)
}

/// Runs CPU-heavy work on the blocking threads.
async fn on_cpu<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::bug("work on a page panicked").with_source(error))?
}

/// At most `max_chars` characters, without surrounding white space.
fn trimmed(text: &str, max_chars: usize) -> String {
    let text = text.trim();
    match text.char_indices().nth(max_chars) {
        Some((end, _)) => text[..end].trim_end().to_owned(),
        None => text.to_owned(),
    }
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
