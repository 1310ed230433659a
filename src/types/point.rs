//! One page as Qdrant holds it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    ContentHash, DeriveSettings, DocumentId, Generation, Grid, NamedVector, PointId, RecipeId, Tenant, TokenLayout,
    VectorName,
};
use crate::error::Result;

/// A page with its vectors, ready to be stored.
#[derive(Debug, Clone)]
pub struct PagePoint {
    pub id: PointId,
    pub vectors: BTreeMap<VectorName, NamedVector>,
    pub payload: PagePayload,
}

/// A page as the store holds it, with the parameters that its vectors were made with.
#[derive(Debug, Clone)]
pub struct StoredPage {
    pub payload: PagePayload,
    pub vectors: BTreeMap<VectorName, NamedVector>,
    /// None where the collection has been given other parameters since.
    pub derive: Option<DeriveSettings>,
}

/// What a point says about its page. Field names are the payload keys in Qdrant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PagePayload {
    pub tenant: Tenant,
    pub document_id: DocumentId,
    pub generation: Generation,
    /// Path or URL.
    pub source: String,
    pub title: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub author: Option<String>,
    /// RFC 3339, from the document itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub created: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub section_title: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub breadcrumbs: Vec<String>,
    /// 1-based.
    pub page: u32,
    pub page_count: u32,
    /// The printed label ("iv"), where it differs from the number.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub page_label: Option<String>,
    /// `#page=N`.
    pub anchor: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub tags: BTreeMap<String, String>,
    /// The text layer, trimmed and cut to the configured length; empty for scans.
    pub text: String,
    /// ISO 639-1 or 639-3, where the text says it clearly.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub language: Option<String>,
    pub content_hash: ContentHash,
    pub recipe: RecipeId,
    /// `id@revision`.
    pub model: String,
    pub grid: Grid,
    /// Which cell each stored patch is: see [`TokenLayout`].
    pub cells: String,
    /// Fractions of the canvas that the page covers, `[x, y]`.
    pub covered: [f32; 2],
    /// Width and height of the page in points (images: pixels).
    pub page_size: [f32; 2],
    /// Width and height of the stored page image in pixels.
    pub image_size: [u32; 2],
    /// Blob key of the page image.
    pub image: String,
    /// RFC 3339.
    pub ingested_at: String,
}

impl PagePayload {
    /// The layout of the stored patches.
    pub fn layout(&self) -> Result<TokenLayout> {
        TokenLayout::parse(self.grid, (self.covered[0], self.covered[1]), &self.cells)
    }
}
