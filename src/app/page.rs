//! One page of a document as people read it: what is known of it, its text, its image. Vectors stay where they are.

use bytes::Bytes;
use image::RgbImage;
use image::imageops::FilterType;
use jpeg_encoder::{ColorType, Encoder};

use super::scope::Scope;
use crate::error::{Error, Result};
use crate::types::{DocumentId, PagePayload, PointId};

/// JPEG quality of images that are made smaller.
const QUALITY: u8 = 85;

/// A page image: JPEG.
pub struct PageImageFile(pub Bytes);

impl Scope<'_> {
    /// What is known of a page of a document that people see; `page` is 1-based.
    ///
    /// # Errors
    /// Permanent, where the tenant has no such document, it is not indexed, or it has no such page.
    pub async fn page(&self, document: DocumentId, page: u32) -> Result<PagePayload> {
        let record = self.document(document).await?;
        let record = record.ok_or_else(|| Error::permanent(format!("there is no document {document}")))?;
        let Some(generation) = &record.visible else {
            let reason = record.reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
            return Err(Error::permanent(format!(
                "document {document} is {}{reason}: it has no pages yet",
                record.state.as_str()
            )));
        };
        let physical = self.app.collections.active(&record.collection).await?.physical;
        let id = PointId::new(document, generation, page);
        let stored = self.app.store.retrieve(&physical, &self.tenant, &[id], &[]).await?;
        stored.into_iter().next().map(|point| point.payload).ok_or_else(|| {
            let failed = record.failed_pages.iter().find(|failed| failed.page == page);
            Error::permanent(match failed {
                Some(failed) => format!("page {page} of document {document} could not be indexed: {}", failed.reason),
                None => format!("document {document} has pages 1 to {}, and no page {page}", record.page_count),
            })
        })
    }

    /// The stored image of a page: JPEG.
    ///
    /// # Errors
    /// Permanent, where it is no longer there.
    pub async fn page_image(&self, page: &PagePayload) -> Result<Bytes> {
        self.app.blobs.get(&self.tenant, &page.image).await
    }

    /// The same, so many pixels wide; never wider than it is.
    ///
    /// # Errors
    /// As [`Self::page_image`].
    pub async fn page_image_of_width(&self, page: &PagePayload, width: Option<u32>) -> Result<PageImageFile> {
        let bytes = self.page_image(page).await?;
        let Some(width) = width.filter(|width| *width < page.image_size[0]) else { return Ok(PageImageFile(bytes)) };
        let smaller = tokio::task::spawn_blocking(move || {
            let image = image::load_from_memory(&bytes)
                .map_err(|error| Error::permanent("a stored page image can't be read").with_source(error))?
                .into_rgb8();
            let (whole_width, whole_height) = image.dimensions();
            let height = (u64::from(whole_height) * u64::from(width) / u64::from(whole_width.max(1))).max(1) as u32;
            encode(&image::imageops::resize(&image, width, height, FilterType::Triangle))
        });
        smaller.await.map_err(|error| Error::bug("making a page image smaller panicked").with_source(error))?
    }
}

fn encode(image: &RgbImage) -> Result<PageImageFile> {
    let side =
        |length: u32| u16::try_from(length).map_err(|_| Error::bug("a smaller image is larger than JPEG allows"));
    let mut bytes = Vec::new();
    Encoder::new(&mut bytes, QUALITY)
        .encode(image.as_raw(), side(image.width())?, side(image.height())?, ColorType::Rgb)
        .map_err(|error| Error::bug("a page image does not become a JPEG").with_source(error))?;
    Ok(PageImageFile(bytes.into()))
}
