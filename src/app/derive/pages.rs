//! Derived vectors of stored pages: from the patches as the store keeps them, nothing embedded again.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::derive::{derive_page, terms};
use crate::error::{Error, Result, ResultExt};
use crate::store::{MoreVectors, StoredPoint};
use crate::types::{Codebook, DeriveSettings, NamedVector, PageEmbedding, VectorName};

/// Derives vectors of stored pages, on threads for blocking work.
#[derive(Clone)]
pub struct Derivation {
    /// With the vectors that are to be made, and no others.
    pub settings: DeriveSettings,
    pub codebook: Option<Arc<Codebook>>,
}

impl Derivation {
    /// The vectors of these pages, whose patches must have been read. A page without patches gets none.
    pub async fn of(&self, pages: Vec<StoredPoint>) -> Result<Vec<MoreVectors>> {
        let this = self.clone();
        tokio::task::spawn_blocking(move || pages.into_iter().map(|page| this.derive(page)).collect())
            .await
            .map_err(|error| Error::bug("deriving vectors of a page panicked").with_source(error))?
    }

    fn derive(&self, mut point: StoredPoint) -> Result<MoreVectors> {
        let page = format!("page {} of {}", point.payload.page, point.payload.source);
        let vectors = match point.vectors.remove(&VectorName::Patches) {
            Some(NamedVector::Multi(patches)) if !self.settings.vectors.is_empty() => {
                let embedding = PageEmbedding { patches, layout: point.payload.layout().context(&page)? };
                derive_page(&self.settings, &embedding, &terms::Text::new(""), self.codebook.as_deref())
                    .context(&page)?
            }
            _ => BTreeMap::new(),
        };
        Ok(MoreVectors { id: point.id, page, vectors })
    }
}
