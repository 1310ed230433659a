//! A rendered page: its pixels, its text layer, its size.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::Note;

/// 8-bit RGB pixels, `[height, width, 3]`, row-major, no padding between rows.
#[derive(Clone, PartialEq, Eq)]
pub struct PageImage {
    pub width: u32,
    pub height: u32,
    /// Cheap to clone.
    pub rgb: Bytes,
    /// Pixels an inch, rounded, of pages that have a true size: those of PDF files. None: a picture, whose letters may have
    /// any size.
    pub dpi: Option<u32>,
}

impl std::fmt::Debug for PageImage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PageImage({}x{})", self.width, self.height)
    }
}

/// A rectangle on the page as it is shown, in fractions of its width and height: origin top left, `0.0..=1.0`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rect {
    pub left: f32,
    pub top: f32,
    pub right: f32,
    pub bottom: f32,
}

/// A word of the text layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Word {
    /// Byte range in [`TextLayer::text`].
    pub start: u32,
    pub end: u32,
    pub rect: Rect,
}

/// What the document itself says is written on the page. Empty for scans.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TextLayer {
    /// In the document's order, lines separated by `\n`.
    pub text: String,
    pub words: Vec<Word>,
    /// The text is not what stands on the page: its codes lead to other letters than those that are drawn. It is for no eyes,
    /// and no answer may quote it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unreadable: bool,
}

/// One page, ready to be embedded.
#[derive(Debug, Clone)]
pub struct RenderedPage {
    /// 1-based.
    pub number: u32,
    pub image: PageImage,
    pub text: TextLayer,
    /// Size of the page as it is shown (rotation and crop box applied), in PDF points (1/72 inch). Images: pixels.
    pub width_pt: f32,
    pub height_pt: f32,
    /// The page was larger than the pixel limit allows and was drawn smaller than the settings ask.
    pub scaled_down: bool,
    /// What is wrong with it, in the order in which it was found.
    pub notes: Vec<Note>,
}
