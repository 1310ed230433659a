//! What whoever asks questions of a document ought to know about it: that a page came out blank, that a font was not there,
//! that a file inside was not read. A note is no failure: the page is in the index, as it could be drawn.

use serde::{Deserialize, Serialize};

/// Something about a document or one of its pages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// 1-based; None: it is about the document as a whole.
    pub page: Option<u32>,
    /// A sentence for people, without the page's number.
    pub reason: String,
    /// What stands on the page, or in the document, is not in the index.
    #[serde(default)]
    pub lost: bool,
}

impl Note {
    /// Something is in the index, and not quite as it should be.
    pub fn imperfect(page: Option<u32>, reason: impl Into<String>) -> Self {
        Self { page, reason: reason.into(), lost: false }
    }

    /// Something is not in the index that should be.
    pub fn lost(page: Option<u32>, reason: impl Into<String>) -> Self {
        Self { page, reason: reason.into(), lost: true }
    }
}
