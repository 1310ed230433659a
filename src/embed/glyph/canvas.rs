//! Page image to canvas, in integer arithmetic: the same bytes as the training code's `canvas_of`.

use super::manifest::PageSpec;
use crate::embed::luma::luma;
use crate::embed::resize::{Filter, Pixels, resize};
use crate::error::Result;
use crate::types::PageImage;

/// One page as the graph takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::embed) struct Canvas {
    pub width: usize,
    pub height: usize,
    /// `[height, width]`, luma, the page at the top left.
    pub data: Vec<u8>,
    /// Width and height of the page on the canvas.
    pub used: (usize, usize),
}

impl AsRef<[u8]> for Canvas {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

impl Canvas {
    /// # Errors
    /// Permanent, if the image has no pixels.
    pub fn new(image: &PageImage, spec: &PageSpec) -> Result<Self> {
        let (from_width, from_height) = (image.width as usize, image.height as usize);
        let [width, height] = if from_width > from_height { spec.landscape } else { spec.portrait };
        let scale = (width as f64 / from_width as f64).min(height as f64 / from_height as f64);
        let side = |from: usize, limit: usize| ((from as f64 * scale + 0.5) as usize).clamp(1, limit);
        let used = (side(from_width, width), side(from_height, height));
        let grey = luma(&image.rgb);
        let pixels = Pixels { width: from_width, height: from_height, channels: 1, data: &grey };
        let mut page = resize(pixels, used.0, used.1, Filter::Bicubic)?;
        let sum: u64 = page.iter().map(|&value| u64::from(value)).sum();
        if sum < spec.invert_if_mean_luma_below * page.len() as u64 {
            page.iter_mut().for_each(|value| *value = 255 - *value);
        }
        let mut data = vec![spec.background; width * height];
        for (line, row) in data.chunks_exact_mut(width).zip(page.chunks_exact(used.0)) {
            line[..used.0].copy_from_slice(row);
        }
        Ok(Self { width, height, data, used })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::glyph::manifest::test_manifest;

    fn plain(width: u32, height: u32, value: u8) -> PageImage {
        PageImage { width, height, rgb: vec![value; (width * height * 3) as usize].into() }
    }

    #[test]
    fn the_page_stands_top_left_and_keeps_its_shape() {
        let canvas = Canvas::new(&plain(100, 200, 200), &test_manifest().page).unwrap();
        assert_eq!((canvas.width, canvas.height, canvas.used), (832, 1152, (576, 1152)));
        assert_eq!((canvas.data[575], canvas.data[576]), (200, 255));
        let canvas = Canvas::new(&plain(200, 100, 200), &test_manifest().page).unwrap();
        assert_eq!((canvas.width, canvas.height, canvas.used), (1152, 832, (1152, 576)));
        assert_eq!((canvas.data[575 * 1152], canvas.data[576 * 1152]), (200, 255));
    }

    #[test]
    fn white_on_black_is_inverted() {
        let spec = test_manifest().page;
        assert_eq!(Canvas::new(&plain(50, 50, 109), &spec).unwrap().data[0], 146);
        assert_eq!(Canvas::new(&plain(50, 50, 110), &spec).unwrap().data[0], 110);
    }

    #[test]
    fn a_line_of_pixels_fits() {
        let canvas = Canvas::new(&plain(1, 5000, 255), &test_manifest().page).unwrap();
        assert_eq!(canvas.used, (1, 1152));
        assert!(Canvas::new(&plain(0, 5, 0), &test_manifest().page).is_err());
    }
}
