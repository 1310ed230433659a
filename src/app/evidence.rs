//! Where on its page a hit answers the question, as a picture. What becomes of the picture is its caller's business.

use image::RgbImage;

use super::scope::Scope;
use crate::error::{Error, Result};
use crate::retrieve::Hit;
use crate::types::QuestionEmbedding;

/// A page image on which the places that answer the question are marked.
pub struct EvidenceImage(pub RgbImage);

impl Scope<'_> {
    /// Draws the evidence of a hit from the stored vectors; the page is not embedded again.
    ///
    /// # Errors
    /// Permanent: the page is no longer there, or its image can't be read.
    pub async fn evidence(&self, collection: &str, hit: &Hit, question: &QuestionEmbedding) -> Result<EvidenceImage> {
        let physical = self.app.collections.active(collection).await?.physical;
        let evidence = self.app.retriever.evidence(&physical, &self.tenant, hit, question).await?;
        let bytes = self.app.blobs.get(&self.tenant, &hit.detail.image_key).await?;
        let draw = move || {
            let image = image::load_from_memory(&bytes)
                .map_err(|error| Error::permanent("a stored page image can't be read").with_source(error))?;
            let mut image = image.into_rgb8();
            evidence.highlight(&mut image);
            Ok(EvidenceImage(image))
        };
        tokio::task::spawn_blocking(draw)
            .await
            .map_err(|error| Error::bug("drawing evidence panicked").with_source(error))?
    }
}
