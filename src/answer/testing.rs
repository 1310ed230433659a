//! Hits for the tests of this room.

use crate::retrieve::{Hit, HitDetail};
use crate::types::{ContentHash, DocumentId, Generation, PointId, Tenant};

/// Page `page` of `source`, with this text layer.
pub fn hit(source: &str, page: u32, text: &str) -> Hit {
    let document_id = DocumentId::new(&Tenant("default".into()), "documents", source);
    let generation = Generation("g".into());
    Hit {
        document_id,
        source: source.into(),
        title: source.into(),
        page,
        page_label: None,
        page_count: 9,
        score: 1.0,
        relevance: Some(1.0),
        regions: vec![],
        section_title: None,
        breadcrumbs: vec![],
        snippet: String::new(),
        tags: Default::default(),
        anchor: format!("#page={page}"),
        image: "k".into(),
        text_unreadable: false,
        source_gone: false,
        detail: HitDetail {
            point: PointId::new(document_id, &generation, page),
            generation,
            text: text.into(),
            image_key: "k".into(),
            content_hash: ContentHash::of(source.as_bytes()),
            page_size: [595.0, 842.0],
            word_height: None,
            nearest: None,
        },
    }
}
