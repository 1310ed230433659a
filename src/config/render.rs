//! `render` as it is written, in the service configuration and in pipelines.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::types::{OwnLimits, RenderLimits, RenderSettings};

/// How pages are drawn, and what drawing them may cost.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "Render")]
pub(super) struct RenderWire {
    /// Resolution of PDF pages, in pixels an inch (150). Images keep their own pixels.
    #[schemars(range(min = 36, max = 600))]
    dpi: Option<f32>,
    /// Documents with more pages are rejected (2000).
    #[schemars(range(min = 1, max = 1_000_000))]
    max_pages: Option<u32>,
    /// Larger pages are drawn smaller (25000000).
    #[schemars(range(min = 10_000, max = 400_000_000))]
    max_page_pixels: Option<u64>,
    /// Seconds until a page is given up (30).
    #[schemars(range(min = 1, max = 3_600))]
    page_timeout_s: Option<u64>,
    /// Address space of one worker process, in bytes (2147483648).
    #[schemars(range(min = 268_435_456))]
    worker_memory_bytes: Option<u64>,
    /// A worker process is replaced after this many pages (500).
    #[schemars(range(min = 1))]
    worker_pages: Option<u32>,
    /// Larger files are rejected unread, in bytes (1073741824).
    #[schemars(range(min = 1))]
    max_document_bytes: Option<u64>,
    /// Seconds until turning an office file into pages is given up (120).
    #[schemars(range(min = 1, max = 3_600))]
    office_timeout_s: Option<u64>,
}

impl RenderWire {
    /// What is written here about pixels, and `base` for the rest.
    pub(super) fn settings_over(&self, base: &RenderSettings) -> RenderSettings {
        RenderSettings {
            dpi: self.dpi.unwrap_or(base.dpi),
            max_page_pixels: self.max_page_pixels.unwrap_or(base.max_page_pixels),
        }
    }

    /// What is written here about costs, and `base` for the rest.
    pub(super) fn limits_over(&self, base: &RenderLimits) -> RenderLimits {
        self.own_limits().over(base)
    }

    /// What is written here about costs.
    pub(super) fn own_limits(&self) -> OwnLimits {
        OwnLimits {
            max_pages: self.max_pages,
            page_timeout_s: self.page_timeout_s,
            worker_memory_bytes: self.worker_memory_bytes,
            worker_pages: self.worker_pages,
            max_document_bytes: self.max_document_bytes,
            office_timeout_s: self.office_timeout_s,
        }
    }
}
