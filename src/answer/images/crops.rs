//! Which parts of a page go to the answer model in place of the whole, and how finely a page has to be drawn for them.

use crate::config::ImageChoice;
use crate::types::Rect;

use super::PageSource;

/// Parts of one page, at most: servers count images.
const MOST: usize = 2;
/// What stands beside a region tells what it is of: so much of the page's width and height, and of its words' height, is added.
const MARGIN: f32 = 0.03;
const WORDS: f32 = 2.0;
/// A part is at least so wide and high: a figure without the row that it stands in says nothing.
const LEAST_WIDTH: f32 = 0.5;
const LEAST_HEIGHT: f32 = 0.12;
/// Parts that cover more of the page together are the page.
const ALMOST_ALL: f32 = 0.6;
/// Words that are lower on the whole page, in pixels, are not read there.
const LEGIBLE_PX: f32 = 10.0;
/// Share of a page's pixels that its small overview takes.
pub(super) const OVERVIEW: f64 = 0.2;
/// Parts that are no finer than the whole page would be, by so much, are not worth their context.
const FINER: f64 = 1.25;
/// Pixels of a whole page that is drawn for its parts, at most.
const MOST_DRAWN: f64 = 36e6;

/// The parts that are sent of a page; None: it goes as a whole. `image`: width and height of its stored image. `source_pixels`:
/// those of the finest picture of the whole page that there is. `page_pixels`: what its images may have together.
pub fn parts(
    page: &PageSource,
    image: (u32, u32),
    source_pixels: f64,
    page_pixels: u64,
    choice: ImageChoice,
) -> Option<Vec<Rect>> {
    if choice == ImageChoice::Pages {
        return None;
    }
    let parts = crops(&page.regions, page.word_height.unwrap_or(0.0));
    if parts.is_empty() {
        return None;
    }
    let pixels = f64::from(image.0) * f64::from(image.1);
    let whole = pixels.min(page_pixels as f64);
    let legible = || {
        let height = f64::from(image.1) * (whole / pixels).sqrt();
        page.word_height.is_none_or(|word| word * height as f32 >= LEGIBLE_PX)
    };
    let finer = drawn_pixels(&parts, page_pixels).min(source_pixels) > whole * FINER * FINER;
    let wanted = choice == ImageChoice::Regions || !legible();
    (wanted && finer).then_some(parts)
}

/// Pixels that the whole page would have at the resolution at which its parts fill what is left beside the overview.
pub fn drawn_pixels(parts: &[Rect], page_pixels: u64) -> f64 {
    let area: f64 = parts.iter().map(|part| f64::from(area(part))).sum();
    (page_pixels as f64 * (1.0 - OVERVIEW) / area.max(1e-6)).min(MOST_DRAWN)
}

/// The best regions with what stands around them; those that meet are one.
fn crops(regions: &[Rect], word_height: f32) -> Vec<Rect> {
    let mut crops: Vec<Rect> = Vec::new();
    for region in regions {
        let crop = around(region, word_height);
        match crops.iter().position(|other| meet(other, &crop)) {
            Some(at) => crops[at] = union(&crops[at], &crop),
            None if crops.len() < MOST => crops.push(crop),
            None => {}
        }
    }
    if let [first, second] = crops.as_slice()
        && meet(first, second)
    {
        crops = vec![union(first, second)];
    }
    if crops.iter().map(area).sum::<f32>() > ALMOST_ALL { Vec::new() } else { crops }
}

fn around(region: &Rect, word_height: f32) -> Rect {
    let grown = |from: f32, to: f32, margin: f32, least: f32| {
        let (from, to) = (from - margin, to + margin);
        let more = ((least - (to - from)) / 2.0).max(0.0);
        let (from, to) = (from - more, to + more);
        // at the edge of the page the other side gives
        let shift = (-from).max(0.0) - (to - 1.0).max(0.0);
        ((from + shift).clamp(0.0, 1.0), (to + shift).clamp(0.0, 1.0))
    };
    let (left, right) = grown(region.left, region.right, MARGIN, LEAST_WIDTH);
    let (top, bottom) = grown(region.top, region.bottom, MARGIN.max(WORDS * word_height), LEAST_HEIGHT);
    Rect { left, top, right, bottom }
}

fn meet(a: &Rect, b: &Rect) -> bool {
    a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom
}

fn union(a: &Rect, b: &Rect) -> Rect {
    Rect {
        left: a.left.min(b.left),
        top: a.top.min(b.top),
        right: a.right.max(b.right),
        bottom: a.bottom.max(b.bottom),
    }
}

fn area(rect: &Rect) -> f32 {
    (rect.right - rect.left) * (rect.bottom - rect.top)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    fn page(regions: &[Rect], word_height: f32) -> PageSource {
        PageSource { image: Bytes::new(), detail: None, regions: regions.to_vec(), word_height: Some(word_height) }
    }

    const STORED: f64 = 1240.0 * 1754.0;
    const LINE: Rect = Rect { left: 0.1, top: 0.5, right: 0.4, bottom: 0.515 };

    #[test]
    fn parts_are_sent_where_the_whole_page_could_not_be_read() {
        let small = page(&[LINE], 0.012);
        assert_eq!(parts(&small, (1240, 1754), STORED, 1_000_000, ImageChoice::Auto), None, "14 pixels");
        let parts_of = |choice| parts(&small, (1240, 1754), STORED, 300_000, choice);
        assert_eq!(parts_of(ImageChoice::Auto).unwrap().len(), 1, "8 pixels");
        assert_eq!(parts_of(ImageChoice::Pages), None);
        assert_eq!(parts(&small, (1240, 1754), STORED, 1_000_000, ImageChoice::Regions).unwrap().len(), 1);
        assert_eq!(
            parts(&page(&[], 0.012), (1240, 1754), STORED, 300_000, ImageChoice::Regions),
            None,
            "no region is known"
        );
        let coarse = parts(&small, (400, 566), 226_400.0, 300_000, ImageChoice::Auto);
        assert_eq!(coarse, None, "there is nothing finer to cut them from");
    }

    #[test]
    fn regions_all_over_the_page_are_the_page() {
        let all: Vec<Rect> = (0..9)
            .map(|line| Rect { top: line as f32 * 0.1, bottom: line as f32 * 0.1 + 0.05, right: 0.95, ..LINE })
            .collect();
        assert_eq!(parts(&page(&all, 0.02), (1240, 1754), STORED, 300_000, ImageChoice::Regions), None);
    }

    proptest! {
        #[test]
        fn parts_hold_the_best_region_and_stay_on_the_page(
            left in 0f32..0.9, top in 0f32..0.95, wide in 0.01f32..0.3, high in 0.005f32..0.05, word in 0.001f32..0.05
        ) {
            let region = Rect { left, top, right: (left + wide).min(1.0), bottom: (top + high).min(1.0) };
            let crops = crops(&[region], word);
            prop_assert_eq!(crops.len(), 1);
            let crop = crops[0];
            prop_assert!(crop.left <= region.left && crop.right >= region.right && crop.top <= region.top && crop.bottom >= region.bottom);
            prop_assert!(crop.left >= 0.0 && crop.top >= 0.0 && crop.right <= 1.0 && crop.bottom <= 1.0);
            prop_assert!(crop.right - crop.left >= LEAST_WIDTH - 1e-4 && crop.bottom - crop.top >= LEAST_HEIGHT - 1e-4);
        }
    }
}
