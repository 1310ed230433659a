//! Pages drawn anew from their documents, finer than they are stored: for the answer model, which is sent parts of them.
//!
//! Only the version that was indexed is drawn: a file that is gone, was changed, or lies inside another leaves the stored image
//! to serve. It never fails a question.

use std::collections::HashMap;

use super::scope::Scope;
use crate::answer::{AnswerModel, SentPage};
use crate::error::Result;
use crate::render::{OpenDocument, Renderer};
use crate::retrieve::Hit;
use crate::source::{self, Snapshot};
use crate::types::{PageImage, RenderSettings};

/// Larger files are not copied while somebody waits for an answer.
const MAX_BYTES: u64 = 128 << 20;
/// Finer than this nothing is printed.
const MAX_DPI: f32 = 400.0;
/// Coarser than this no letters are drawn.
const MIN_DPI: f32 = 20.0;

/// A document of a hit, open for as long as its pages are drawn.
struct Original {
    document: OpenDocument,
    _copy: Snapshot,
}

impl Scope<'_> {
    /// Gives those pages that the model will see in parts a finer picture, where their documents are still what was indexed.
    ///
    /// # Errors
    /// Permanent, where a stored page image can't be read.
    pub(super) async fn draw_finer(&self, model: &AnswerModel, pages: &mut [SentPage]) -> Result<()> {
        let mut opened: HashMap<String, Option<Original>> = HashMap::new();
        for page in pages {
            let Some(pixels) = model.pixels_to_draw(page)? else { continue };
            let renderer = match self.originals().await {
                Ok(renderer) => renderer,
                Err(error) => {
                    tracing::warn!(%error, "pages can't be drawn anew, their stored images are cut");
                    return Ok(());
                }
            };
            let source = page.hit.source.clone();
            if !opened.contains_key(&source) {
                let original = self.open_original(renderer, &page.hit).await;
                opened.insert(source.clone(), original);
            }
            let Some(Some(original)) = opened.get(&source) else { continue };
            page.source.detail = drawn(renderer, original, &page.hit, pixels).await;
        }
        Ok(())
    }

    async fn originals(&self) -> Result<&Renderer> {
        let start = async || {
            let command = self.app.installation.worker_command(&self.app.config)?;
            Renderer::new(self.app.config.limits.clone(), 1, command)
        };
        self.app.originals.get_or_try_init(start).await
    }

    /// The document of a hit, as it was indexed; None, and a line in the log, where it can't be had.
    async fn open_original(&self, renderer: &Renderer, hit: &Hit) -> Option<Original> {
        if source::attachment_of(&hit.source).is_some() {
            return None;
        }
        let path = source::source_path(&hit.source);
        let spool = self.app.data.spool();
        let copied = source::snapshot(&path, &hit.detail.content_hash, &spool, MAX_BYTES).await;
        let copy = match copied {
            Ok(copy) if copy.content_hash == hit.detail.content_hash => copy,
            Ok(_) => {
                tracing::debug!(source = %hit.source, "changed since it was indexed: the stored image is cut");
                return None;
            }
            Err(error) => {
                tracing::debug!(source = %hit.source, %error, "the stored image is cut");
                return None;
            }
        };
        match renderer.open(&copy.path, &hit.source, &RenderSettings::default()).await {
            Ok(document) => Some(Original { document, _copy: copy }),
            Err(error) => {
                tracing::debug!(source = %hit.source, %error, "the stored image is cut");
                None
            }
        }
    }
}

/// The page in about so many pixels.
async fn drawn(renderer: &Renderer, original: &Original, hit: &Hit, pixels: u64) -> Option<PageImage> {
    let [width, height] = hit.detail.page_size;
    let square_inches = (width / 72.0) * (height / 72.0);
    let dpi = (pixels as f32 / square_inches.max(1e-3)).sqrt().clamp(MIN_DPI, MAX_DPI);
    let mut document = original.document.clone();
    document.settings = RenderSettings { dpi, max_page_pixels: pixels };
    match renderer.page(&document, hit.page).await {
        Ok(page) => Some(page.image),
        Err(error) => {
            tracing::debug!(source = %hit.source, page = hit.page, %error, "the stored image is cut");
            None
        }
    }
}
