//! Page image to canvases, in integer arithmetic: the same bytes as the training code's `looks` and `padded`.

use std::sync::Arc;

use super::manifest::PageSpec;
use super::scales;
use crate::embed::luma::luma;
use crate::embed::resize::{Filter, Pixels, resize};
use crate::error::Result;
use crate::types::{Grid, PageImage};

/// A page made ready: a canvas for each look at it, that of full scale first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::embed) struct Looks(pub Vec<Arc<Canvas>>);

/// One look at a page, or a part of it, as the graph takes it.
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

/// How a page is turned to be read, counter-clockwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::embed) enum Turn {
    Upright,
    Quarter,
    Half,
    ThreeQuarters,
}

impl Looks {
    /// # Errors
    /// Permanent, if the image has no pixels.
    pub fn new(image: &PageImage, spec: &PageSpec) -> Result<Self> {
        let from = (image.width as usize, image.height as usize);
        let sizes = scales::sizes(from, image.dpi, spec);
        let grey = luma(&image.rgb);
        let mut first = resized((&grey, from), sizes[0])?;
        let sum: u64 = first.iter().map(|&value| u64::from(value)).sum();
        if sum < spec.invert_if_mean_luma_below * first.len() as u64 {
            first.iter_mut().for_each(|value| *value = 255 - *value);
        }
        let smaller = sizes[1..].iter().map(|&size| {
            let pixels = resized((&first, sizes[0]), size)?;
            Ok(Arc::new(Canvas::of(&pixels, size, spec)))
        });
        let smaller = smaller.collect::<Result<Vec<_>>>()?;
        let full = Arc::new(Canvas::of(&first, sizes[0], spec));
        Ok(Self(std::iter::once(full).chain(smaller).collect()))
    }
}

fn resized((data, from): (&[u8], (usize, usize)), to: (usize, usize)) -> Result<Vec<u8>> {
    resize(Pixels { width: from.0, height: from.1, channels: 1, data }, to.0, to.1, Filter::Bicubic)
}

impl Canvas {
    /// `[used.1, used.0]` on paper: up to whole cells, or of the fixed size that models of before take.
    fn of(page: &[u8], used: (usize, usize), spec: &PageSpec) -> Self {
        let [width, height] = match spec.passes {
            Some(_) => [used.0.next_multiple_of(spec.cell[0]), used.1.next_multiple_of(spec.cell[1])],
            None if used.0 > used.1 => spec.landscape,
            None => spec.portrait,
        };
        let mut data = vec![spec.background; width * height];
        for (line, row) in data.chunks_exact_mut(width).zip(page.chunks_exact(used.0)) {
            line[..used.0].copy_from_slice(row);
        }
        Self { width, height, data, used }
    }

    pub fn grid(&self, cell: [usize; 2]) -> Grid {
        Grid { rows: (self.height / cell[1]) as u32, cols: (self.width / cell[0]) as u32 }
    }

    /// A part of it, in pixels.
    pub fn part(&self, left: usize, top: usize, width: usize, height: usize) -> Self {
        let lines = self.data.chunks_exact(self.width).skip(top).take(height);
        let data = lines.flat_map(|line| &line[left..left + width]).copied().collect();
        Self { width, height, data, used: (width, height) }
    }

    /// The whole canvas turned, paper and all.
    pub fn turned(&self, turn: Turn) -> Self {
        let (width, height) = match turn {
            Turn::Upright | Turn::Half => (self.width, self.height),
            Turn::Quarter | Turn::ThreeQuarters => (self.height, self.width),
        };
        let mut data = Vec::with_capacity(self.data.len());
        for row in 0..height {
            for col in 0..width {
                let (row, col) = turn.back((row, col), (self.height, self.width));
                data.push(self.data[row * self.width + col]);
            }
        }
        Self { width, height, data, used: (width, height) }
    }
}

impl Turn {
    /// Where what stands in `(row, column)` of the turned picture stood before: of `(rows, columns)` then.
    pub fn back(self, (row, col): (usize, usize), (rows, cols): (usize, usize)) -> (usize, usize) {
        match self {
            Self::Upright => (row, col),
            Self::Quarter => (col, cols - 1 - row),
            Self::Half => (rows - 1 - row, cols - 1 - col),
            Self::ThreeQuarters => (rows - 1 - col, row),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::glyph::manifest::test_manifest;

    fn plain(width: u32, height: u32, value: u8) -> PageImage {
        PageImage { width, height, rgb: vec![value; (width * height * 3) as usize].into(), dpi: None }
    }

    fn first(image: &PageImage, spec: &PageSpec) -> Canvas {
        Looks::new(image, spec).unwrap().0[0].as_ref().clone()
    }

    #[test]
    fn the_page_stands_top_left_on_whole_cells() {
        let spec = test_manifest().page;
        let canvas = first(&plain(100, 200, 200), &spec);
        assert_eq!((canvas.width, canvas.height, canvas.used), (112, 208, (100, 200)));
        assert_eq!((canvas.data[99], canvas.data[100], canvas.data[207 * 112]), (200, 255, 255));
        let looks = Looks::new(&plain(1240, 1754, 200), &spec).unwrap().0;
        let sizes: Vec<_> = looks.iter().map(|look| (look.width, look.height)).collect();
        assert_eq!(sizes, [(816, 1152), (288, 416), (128, 176)]);
    }

    #[test]
    fn models_of_before_have_a_canvas_of_fixed_size() {
        let spec = PageSpec { passes: None, enlarge_at_most: None, large: None, ..test_manifest().page };
        let canvas = first(&plain(200, 100, 200), &spec);
        assert_eq!((canvas.width, canvas.height, canvas.used), (1152, 832, (1152, 576)));
        assert_eq!((canvas.data[575 * 1152], canvas.data[576 * 1152]), (200, 255));
    }

    #[test]
    fn white_on_black_is_inverted() {
        let spec = test_manifest().page;
        assert_eq!(first(&plain(50, 50, 109), &spec).data[0], 146);
        assert_eq!(first(&plain(50, 50, 110), &spec).data[0], 110);
    }

    #[test]
    fn a_page_without_pixels_is_refused() {
        assert!(Looks::new(&plain(0, 5, 0), &test_manifest().page).is_err());
    }

    #[test]
    fn a_quarter_turn_is_counter_clockwise_and_four_are_none() {
        let canvas = Canvas { width: 3, height: 2, data: vec![1, 2, 3, 4, 5, 6], used: (3, 2) };
        let quarter = canvas.turned(Turn::Quarter);
        assert_eq!((quarter.width, quarter.height, &quarter.data[..]), (2, 3, &[3, 6, 2, 5, 1, 4][..]));
        assert_eq!(canvas.turned(Turn::Half).data, [6, 5, 4, 3, 2, 1]);
        assert_eq!(quarter.turned(Turn::ThreeQuarters).data, canvas.data);
        assert_eq!(quarter.turned(Turn::Quarter).data, canvas.turned(Turn::Half).data);
    }
}
