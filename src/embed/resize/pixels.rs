//! An image as the passes take it.

/// A borrowed 8-bit image, `[height, width, channels]`, row-major, no padding between rows.
#[derive(Debug, Clone, Copy)]
pub struct Pixels<'a> {
    pub width: usize,
    pub height: usize,
    /// 1 (luma) or 3 (RGB).
    pub channels: usize,
    pub data: &'a [u8],
}
