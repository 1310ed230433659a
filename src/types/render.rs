//! How pages are drawn, and what a document may cost.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What shapes the pixels of a page. Part of the recipe; travels with each request to the renderer.
///
/// Stored definitions of collections once held the limits of [`RenderLimits`] in the same object: other fields are ignored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RenderSettings {
    /// Resolution of PDF pages, in pixels an inch. Images keep their own pixels.
    pub dpi: f32,
    /// Larger pages are drawn smaller; no page is refused for it.
    pub max_page_pixels: u64,
}

impl Default for RenderSettings {
    fn default() -> Self {
        Self { dpi: 150.0, max_page_pixels: 25_000_000 }
    }
}

/// What a document may cost. Shapes no pixel, so it is no part of a recipe: it may change from run to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RenderLimits {
    /// Documents with more pages are rejected.
    pub max_pages: u32,
    /// A page, or the opening of a document, that takes longer costs its worker process.
    pub page_timeout_s: u64,
    /// Address space of one worker process. Images that would take more than a quarter of it are refused.
    pub worker_memory_bytes: u64,
    /// A worker process is replaced after this many pages, so that nothing PDFium holds on to grows without end.
    pub worker_pages: u32,
    /// Larger files are rejected unread.
    pub max_document_bytes: u64,
    /// Turning an office file into a PDF that takes longer is given up.
    pub office_timeout_s: u64,
}

impl Default for RenderLimits {
    fn default() -> Self {
        Self {
            max_pages: 2_000,
            page_timeout_s: 30,
            worker_memory_bytes: 2 << 30,
            worker_pages: 500,
            max_document_bytes: 1 << 30,
            office_timeout_s: 120,
        }
    }
}

/// Limits that a pipeline sets itself. They go with the definition of its collection; for the rest, those of the service hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OwnLimits {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_pages: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page_timeout_s: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker_memory_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker_pages: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_document_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub office_timeout_s: Option<u64>,
}

impl OwnLimits {
    /// What holds where `base` holds for all else.
    pub fn over(&self, base: &RenderLimits) -> RenderLimits {
        RenderLimits {
            max_pages: self.max_pages.unwrap_or(base.max_pages),
            page_timeout_s: self.page_timeout_s.unwrap_or(base.page_timeout_s),
            worker_memory_bytes: self.worker_memory_bytes.unwrap_or(base.worker_memory_bytes),
            worker_pages: self.worker_pages.unwrap_or(base.worker_pages),
            max_document_bytes: self.max_document_bytes.unwrap_or(base.max_document_bytes),
            office_timeout_s: self.office_timeout_s.unwrap_or(base.office_timeout_s),
        }
    }

    /// Whether none is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl RenderLimits {
    pub const MAX_PAGES: &str = "max_pages";
    pub const PAGE_TIMEOUT_S: &str = "page_timeout_s";
    pub const WORKER_MEMORY_BYTES: &str = "worker_memory_bytes";
    pub const OFFICE_TIMEOUT_S: &str = "office_timeout_s";
    pub const MAX_DOCUMENT_BYTES: &str = "max_document_bytes";

    /// The limits that a document can run into, by their names in the configuration. A rejection that names one of them
    /// ([`crate::error::Limit`]) is worth another try as soon as the value here is another.
    pub fn values(&self) -> BTreeMap<String, u64> {
        [
            (Self::MAX_PAGES, u64::from(self.max_pages)),
            (Self::PAGE_TIMEOUT_S, self.page_timeout_s),
            (Self::WORKER_MEMORY_BYTES, self.worker_memory_bytes),
            (Self::MAX_DOCUMENT_BYTES, self.max_document_bytes),
            (Self::OFFICE_TIMEOUT_S, self.office_timeout_s),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_that_were_stored_with_limits_are_still_read() {
        let stored = r#"{"dpi":200.0,"max_pages":7,"max_page_pixels":5000000,"page_timeout_s":30,
            "worker_memory_bytes":2147483648,"worker_pages":500,"max_document_bytes":1073741824}"#;
        let settings: RenderSettings = serde_json::from_str(stored).unwrap();
        assert_eq!(settings, RenderSettings { dpi: 200.0, max_page_pixels: 5_000_000 });
    }

    #[test]
    fn own_limits_stand_over_those_of_the_service() {
        let own = OwnLimits { max_pages: Some(3), ..OwnLimits::default() };
        let base = RenderLimits { max_pages: 9, worker_pages: 8, ..RenderLimits::default() };
        assert_eq!(own.over(&base), RenderLimits { max_pages: 3, ..base });
        assert_eq!(serde_json::to_string(&own).unwrap(), r#"{"max_pages":3}"#);
        assert!(OwnLimits::default().is_empty() && !own.is_empty());
    }

    #[test]
    fn every_limit_that_a_document_can_meet_has_its_value() {
        let limits = RenderLimits { max_pages: 3, page_timeout_s: 4, ..RenderLimits::default() };
        let values = limits.values();
        assert_eq!((values["max_pages"], values["page_timeout_s"]), (3, 4));
        assert_eq!((values["worker_memory_bytes"], values["max_document_bytes"]), (2 << 30, 1 << 30));
        assert_eq!((values["office_timeout_s"], values.len()), (120, 5));
    }
}
