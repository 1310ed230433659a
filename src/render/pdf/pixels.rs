//! The pixels of a page that has been drawn, for those who look whether anything is there.

use crate::types::Rect;

/// Colours that differ by less are one: compressed paper is never of one colour.
const TOLERANCE: u8 = 6;
/// An image whose last rows of so many of a hundred are of one colour may have ended early.
const BLANK_END_PERCENT: usize = 5;

/// RGB8, `[height, width, 3]`.
pub(super) struct Pixels<'a> {
    pub rgb: &'a [u8],
    pub width: usize,
    pub height: usize,
}

/// A rectangle of pixels.
pub(super) struct Region<'a> {
    pixels: &'a Pixels<'a>,
    left: usize,
    top: usize,
    right: usize,
    bottom: usize,
}

impl<'a> Pixels<'a> {
    pub(super) fn whole(&'a self) -> Region<'a> {
        Region { pixels: self, left: 0, top: 0, right: self.width, bottom: self.height }
    }

    /// The pixels that an area of the page covers, at least one.
    pub(super) fn region(&'a self, area: Rect) -> Region<'a> {
        let along = |low: f32, high: f32, pixels: usize| {
            let first = ((low * pixels as f32).floor() as usize).min(pixels.saturating_sub(1));
            (first, ((high * pixels as f32).ceil() as usize).clamp(first + 1, pixels.max(first + 1)))
        };
        let (left, right) = along(area.left, area.right, self.width);
        let (top, bottom) = along(area.top, area.bottom, self.height);
        Region { pixels: self, left, top, right, bottom }
    }

    fn row(&self, row: usize, left: usize, right: usize) -> &[u8] {
        self.rgb.get((row * self.width + left) * 3..(row * self.width + right) * 3).unwrap_or_default()
    }
}

impl Region<'_> {
    pub(super) fn is_one_colour(&self) -> bool {
        self.is_one_colour_from(self.top)
    }

    /// Whether the region ends in a band of one colour.
    pub(super) fn blank_end(&self) -> bool {
        let rows = ((self.bottom - self.top) * BLANK_END_PERCENT / 100).max(2);
        self.bottom - self.top > rows && self.is_one_colour_from(self.bottom - rows)
    }

    fn is_one_colour_from(&self, top: usize) -> bool {
        let row = |row: usize| self.pixels.row(row, self.left, self.right);
        let Some([red, green, blue]) = row(top).first_chunk::<3>().copied() else { return true };
        let alike = |byte: u8, other: u8| byte.abs_diff(other) < TOLERANCE;
        (top..self.bottom).all(|number| {
            row(number)
                .chunks_exact(3)
                .all(|pixel| alike(pixel[0], red) && alike(pixel[1], green) && alike(pixel[2], blue))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ink_is_seen_and_noise_is_not() {
        let mut rgb = vec![250u8; 20 * 10 * 3];
        for (at, byte) in rgb.iter_mut().enumerate() {
            *byte += (at % 5) as u8;
        }
        rgb[(3 * 20 + 15) * 3] = 0;
        let pixels = Pixels { rgb: &rgb, width: 20, height: 10 };
        let area = |left, right| Rect { left, top: 0.0, right, bottom: 1.0 };
        assert!(!pixels.whole().is_one_colour());
        assert!(pixels.region(area(0.0, 0.7)).is_one_colour());
        assert!(!pixels.region(area(0.7, 0.8)).is_one_colour());
        assert!(pixels.region(area(0.99, 1.0)).is_one_colour());
        assert!(pixels.whole().blank_end());
    }
}
