//! Where on its page a question is answered: regions of hits, the heat of any page that people may see, and pictures of both.
//! All of it comes from stored vectors; what becomes of it is its caller's business.

use std::io::Cursor;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::try_join_all;
use image::{ImageFormat, RgbImage};

use super::collections::DefinedBuild;
use super::scope::Scope;
use super::search::check_question;
use crate::derive::ink;
use crate::error::{Error, Result};
use crate::retrieve::{Evidence, Heatmap, Hit, Region, highlight, similarity_map};
use crate::store::StoredPoint;
use crate::types::{DocumentId, PageImage, PointId, QuestionEmbedding, Rect, VectorName};

/// A page image on which the places that answer the question are marked.
pub struct EvidenceImage(pub RgbImage);

/// The page that a heatmap is of.
#[derive(Debug, Clone)]
pub struct HeatmapRequest {
    pub document: DocumentId,
    /// 1-based.
    pub page: u32,
    pub question: String,
    /// Where the caller expects the document; None: wherever it is.
    pub collection: Option<String>,
}

/// A stored page with what can be marked on it.
struct Markable {
    evidence: Evidence,
    boxes: Vec<Rect>,
    page_size: [f32; 2],
}

impl Scope<'_> {
    /// Draws the evidence of a hit from the stored vectors; the page is not embedded again.
    ///
    /// # Errors
    /// Permanent: the page is no longer there, or its image can't be read.
    pub async fn evidence(&self, collection: &str, hit: &Hit, question: &QuestionEmbedding) -> Result<EvidenceImage> {
        let build = self.app.collections.active(collection).await?;
        let found_from = self.app.models.info(&build.definition.model).await?.seen_from;
        let stored = self.app.retriever.with_patches(&build.physical, &self.tenant, &[hit.detail.point]).await?;
        let point = stored.into_iter().next().ok_or_else(|| {
            Error::permanent(format!("page {} of {} is no longer in the store: ask again", hit.page, hit.source))
        })?;
        let bytes = self.app.blobs.get(&self.tenant, &hit.detail.image_key).await?;
        let question = question.clone();
        on_cpu(move || {
            let mut image = decoded(&bytes)?;
            let Markable { evidence, boxes, .. } = markable(&point, &question, found_from, Some(&bytes))?;
            highlight(&evidence.marks(&boxes), &mut image);
            Ok(EvidenceImage(image))
        })
        .await
    }

    /// Where on any page that people may see a question is answered, hit or not.
    ///
    /// # Errors
    /// Permanent: there is no such document or page, or its collection keeps no patches. Configuration: the question is empty.
    pub async fn heatmap(&self, request: &HeatmapRequest) -> Result<Heatmap> {
        let HeatmapRequest { document, page, question, collection } = request;
        let text = question.trim();
        check_question(text)?;
        let found = self.document(*document).await?;
        let record = found
            .filter(|record| collection.as_ref().is_none_or(|named| *named == record.collection))
            .ok_or_else(|| Error::permanent(format!("there is no document {document}")))?;
        let build = self.app.collections.active(&record.collection).await?;
        let DefinedBuild { definition, .. } = &build;
        if definition.schema.get(VectorName::Patches).is_none() {
            return Err(Error::permanent(format!(
                "collection '{}' keeps no patches: a pipeline that stores 'patches' can show where a page answers",
                record.collection
            )));
        }
        let model = self.app.models.get(&definition.model).await?;
        definition.check_model(&record.collection, model.info())?;
        let point = self.stored_point(&build, &record, *page, &[VectorName::Patches]).await?;
        let embedded = model.embed_question(text).await?;
        let image = self.image_without_boxes(&point).await?;
        let (found_from, document, page) = (model.info().seen_from, *document, *page);
        on_cpu(move || {
            let Markable { evidence, boxes, page_size } = markable(&point, &embedded, found_from, image.as_ref())?;
            Ok(Heatmap::new(document, page, evidence, &boxes, page_size))
        })
        .await
    }

    /// [`Heatmap::overlay`] as PNG.
    ///
    /// # Errors
    /// As [`Self::heatmap`]; permanent, if the question has no such token.
    pub async fn heatmap_png(&self, request: &HeatmapRequest, token: Option<usize>) -> Result<Bytes> {
        let heatmap = self.heatmap(request).await?;
        on_cpu(move || {
            let mut bytes = Vec::new();
            heatmap
                .overlay(token)?
                .write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png)
                .map_err(|error| Error::bug("a heatmap does not become a PNG").with_source(error))?;
            Ok(bytes.into())
        })
        .await
    }

    /// Says of each hit where on its page it answers, and how much, and keeps what its patches say of each token, so that nobody
    /// needs to fetch them again. A page that went away meanwhile keeps none of it.
    pub(super) async fn find_regions(
        &self,
        physical: &str,
        hits: &mut [Hit],
        question: &Arc<QuestionEmbedding>,
        found_from: Option<f32>,
    ) -> Result<()> {
        let ids: Vec<PointId> = hits.iter().map(|hit| hit.detail.point).collect();
        let stored = self.app.retriever.with_patches(physical, &self.tenant, &ids).await?;
        let found = stored.into_iter().map(|point| async {
            let image = self.image_without_boxes(&point).await?;
            let (id, page) = (point.id, point.payload.page);
            let question = question.clone();
            let look = move || {
                let Markable { evidence, boxes, .. } = markable(&point, &question, found_from, image.as_ref())?;
                let regions = evidence.regions(&boxes);
                Ok((evidence, word_height(&regions, &boxes), regions))
            };
            match on_cpu(look).await {
                Ok(found) => Ok(Some((id, found))),
                // The hit itself is good: what is missing is where on it to look.
                Err(error) => {
                    tracing::warn!(%error, page, "the regions of a hit can't be told");
                    Ok::<_, Error>(None)
                }
            }
        });
        let found = try_join_all(found).await?;
        for (id, (evidence, word_height, regions)) in found.into_iter().flatten() {
            for hit in hits.iter_mut().filter(|hit| hit.detail.point == id) {
                hit.relevance = Some(evidence.relevance());
                hit.detail.nearest = Some(evidence.nearest().to_vec());
                hit.detail.word_height = word_height;
                hit.regions.clone_from(&regions);
            }
        }
        Ok(())
    }

    /// The image of a page that was indexed before boxes were kept, to find them on it; None for every other page, and where the
    /// image is gone.
    async fn image_without_boxes(&self, point: &StoredPoint) -> Result<Option<Bytes>> {
        if point.payload.boxes.is_some() {
            return Ok(None);
        }
        match self.app.blobs.get(&self.tenant, &point.payload.image).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.is_transient() => Err(error),
            Err(_) => Ok(None),
        }
    }
}

/// What a page and a question have to do with each other. `image`: the stored page image, for pages without boxes. CPU-heavy.
fn markable(
    point: &StoredPoint,
    question: &QuestionEmbedding,
    found_from: Option<f32>,
    image: Option<&Bytes>,
) -> Result<Markable> {
    let evidence = similarity_map(point, question, found_from)?;
    let boxes = match (&point.payload.boxes, image) {
        (Some(boxes), _) => boxes.unpack()?,
        (None, Some(image)) => {
            let image = decoded(image)?;
            let (width, height) = image.dimensions();
            ink::ink_boxes(&PageImage { width, height, rgb: image.into_raw().into(), dpi: None })
        }
        (None, None) => Vec::new(),
    };
    Ok(Markable { evidence, boxes, page_size: point.payload.page_size })
}

/// The middle one of the heights of what stands in the best regions, as a fraction of the page's.
fn word_height(regions: &[Region], boxes: &[Rect]) -> Option<f32> {
    let inside = |word: &&Rect| {
        let (x, y) = ((word.left + word.right) / 2.0, (word.top + word.bottom) / 2.0);
        regions
            .iter()
            .any(|region| (region.left..=region.right).contains(&x) && (region.top..=region.bottom).contains(&y))
    };
    let mut heights: Vec<f32> = boxes.iter().filter(inside).map(|word| word.bottom - word.top).collect();
    heights.sort_by(f32::total_cmp);
    heights.get(heights.len() / 2).copied()
}

fn decoded(bytes: &Bytes) -> Result<RgbImage> {
    image::load_from_memory(bytes)
        .map(image::DynamicImage::into_rgb8)
        .map_err(|error| Error::permanent("a stored page image can't be read").with_source(error))
}

/// Runs CPU-heavy work on the blocking threads.
async fn on_cpu<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::bug("looking at evidence panicked").with_source(error))?
}
