//! How pages are drawn, and what drawing them may cost.

use serde::{Deserialize, Serialize};

/// Resolution and limits of rendering. `dpi` and `max_page_pixels` shape the pixels, so they belong to the recipe; the rest
/// only bounds what a document may cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RenderSettings {
    /// Resolution of PDF pages, in pixels an inch. Images keep their own pixels.
    pub dpi: f32,
    /// Documents with more pages are rejected.
    pub max_pages: u32,
    /// Larger pages are drawn smaller.
    pub max_page_pixels: u64,
    /// A page, or the opening of a document, that takes longer costs its worker process.
    pub page_timeout_s: u64,
    /// Address space of one worker process.
    pub worker_memory_bytes: u64,
    /// A worker process is replaced after this many pages, so that nothing PDFium holds on to grows without end.
    pub worker_pages: u32,
    /// Larger files are rejected unread.
    pub max_document_bytes: u64,
}

impl Default for RenderSettings {
    fn default() -> Self {
        Self {
            dpi: 150.0,
            max_pages: 2_000,
            max_page_pixels: 25_000_000,
            page_timeout_s: 30,
            worker_memory_bytes: 2 << 30,
            worker_pages: 500,
            max_document_bytes: 1 << 30,
        }
    }
}
