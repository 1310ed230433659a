//! One page as Qdrant holds it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    ContentHash, DeriveSettings, DocumentId, Generation, NamedVector, PackedBoxes, PayloadLayout, PointId, RecipeId,
    Tenant, TokenLayout, VectorName,
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
    /// None if the collection has been given other parameters since.
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
    /// The text layer is not what stands on the page: answers do not quote it.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub text_unreadable: bool,
    /// ISO 639-1 or 639-3, where the text says it clearly.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub language: Option<String>,
    pub content_hash: ContentHash,
    pub recipe: RecipeId,
    /// `id@revision`.
    pub model: String,
    /// Where on the page each stored patch lies; see [`Self::layout`].
    #[serde(flatten)]
    pub layout: PayloadLayout,
    /// Width and height of the page in points (images: pixels).
    pub page_size: [f32; 2],
    /// Width and height of the stored page image in pixels.
    pub image_size: [u32; 2],
    /// Blob key of the page image.
    pub image: String,
    /// Boxes of what can be marked: words, and ink beside them. None: the page was indexed before they were kept, or has too
    /// many.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub boxes: Option<PackedBoxes>,
    /// RFC 3339.
    pub ingested_at: String,
}

impl PagePayload {
    /// Where on the page each stored patch lies. It is unpacked here and not with every payload: few readers of payloads
    /// look at it.
    ///
    /// # Errors
    /// Permanent, if the payload holds no layout that was ever written.
    pub fn layout(&self) -> Result<TokenLayout> {
        self.layout.unpack()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Grid, Rect};

    /// A payload as it was written before layouts were rectangles; `layout` is written in its place today.
    const OLD: &str = r##"{
        "tenant": "default", "document_id": "6ba7b810-9dad-51d1-80b4-00c04fd430c8", "generation": "g1",
        "source": "/documents/pump.pdf", "title": "Pump", "breadcrumbs": ["Part one"], "page": 3, "page_count": 9,
        "anchor": "#page=3", "tags": {"team": "finance"}, "text": "E-201", "language": "eng", "content_hash": "c1",
        "recipe": "r1", "model": "quire-glyph@1", "grid": {"rows": 72, "cols": 52}, "cells": "0-2,52,x1",
        "covered": [1.0, 0.75], "page_size": [595.0, 842.0], "image_size": [1240, 1754], "image": "images/3.jpg",
        "ingested_at": "2025-01-02T03:04:05Z"
    }"##;

    #[test]
    fn payloads_of_one_grid_are_still_read() {
        let old: PagePayload = serde_json::from_str(OLD).unwrap();
        let layout = old.layout().unwrap();
        let cells = vec![Some(0), Some(1), Some(2), Some(52), None];
        assert_eq!(layout, TokenLayout::grid(Grid { rows: 72, cols: 52 }, cells, (1.0, 0.75)).unwrap());
        let row = 1.0 / 72.0 / 0.75;
        let Rect { left, top, right, bottom } = layout.rect(3).unwrap();
        for (found, expected) in [(left, 0.0), (top, row), (right, 1.0 / 52.0), (bottom, 2.0 * row)] {
            assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
        }
        assert_eq!(serde_json::to_value(&old).unwrap(), serde_json::from_str::<serde_json::Value>(OLD).unwrap());
    }

    #[test]
    fn payloads_are_written_with_their_rectangles() {
        let old: PagePayload = serde_json::from_str(OLD).unwrap();
        let layout = old.layout().unwrap();
        let new = PagePayload { layout: (&layout).into(), ..old };
        let json = serde_json::to_value(&new).unwrap();
        assert_eq!(json["layout"]["tokens"], "0-2,52,x1");
        assert!(json.get("grid").is_none() && json.get("cells").is_none() && json.get("covered").is_none());
        let read: PagePayload = serde_json::from_value(json).unwrap();
        assert_eq!(read, new);
        assert_eq!(read.layout().unwrap(), layout);
    }

    #[test]
    fn a_payload_without_a_layout_is_refused() {
        let mut json: serde_json::Value = serde_json::from_str(OLD).unwrap();
        json.as_object_mut().unwrap().remove("grid");
        let error = serde_json::from_value::<PagePayload>(json).unwrap_err();
        assert!(error.to_string().contains("'layout'"), "{error}");
    }
}
