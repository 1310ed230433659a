//! What of a page can be marked: the boxes of its words, and of the ink that no text layer speaks of (scans, charts, stamps).
//!
//! Found once, while the page's pixels are at hand, so that marking needs neither the document nor its image again. It reads
//! nothing: ink that stands together is one box, whatever it says.

mod components;
mod words;

use components::{Component, Mask};

use crate::types::{PackedBoxes, PageImage, Rect, TextLayer};

/// A page with more boxes keeps none: 16,000 take as much of a payload as 128 kB of text.
const MOST_BOXES: usize = 16_000;
/// A word that lies in another box by so much of itself is part of what that box covers.
const SAME: f32 = 0.3;

/// The boxes of a page: those of its text layer's words, then those of the ink beside them. None: there are too many to be
/// kept.
pub fn page_boxes(image: &PageImage, text: &TextLayer) -> Option<PackedBoxes> {
    let mut boxes: Vec<Rect> = text.words.iter().map(|word| word.rect).filter(has_area).collect();
    let words = Rows::of(&boxes);
    let beside: Vec<Rect> = ink_boxes(image).into_iter().filter(|ink| !words.touch(ink)).collect();
    boxes.extend(beside);
    (boxes.len() <= MOST_BOXES).then(|| PackedBoxes::pack(&boxes))
}

/// The boxes of connected ink: words where letters stand close together, tiles of pictures.
pub fn ink_boxes(image: &PageImage) -> Vec<Rect> {
    let Some(mask) = Mask::of(image) else { return Vec::new() };
    let (width, height) = (mask.width as f32, mask.height as f32);
    let (letters, pictures): (Vec<Component>, Vec<Component>) = components::of(&mask)
        .into_iter()
        .filter(|component| !component.is_rule(&mask))
        .partition(|component| !component.is_large(&mask));
    let mut found = words::join(letters, mask.width.max(mask.height));
    for picture in pictures.iter().filter(|picture| picture.is_filled()) {
        found.extend(mask.tiles(picture));
    }
    let rect = |found: Component| Rect {
        left: found.left as f32 / width,
        top: found.top as f32 / height,
        right: found.right as f32 / width,
        bottom: found.bottom as f32 / height,
    };
    found.into_iter().map(rect).collect()
}

fn has_area(rect: &Rect) -> bool {
    rect.right > rect.left && rect.bottom > rect.top
}

/// Boxes by the horizontal bands of the page that they reach into, to be found quickly.
struct Rows {
    bands: Vec<Vec<Rect>>,
}

impl Rows {
    const BANDS: usize = 128;

    fn of(boxes: &[Rect]) -> Self {
        let mut bands = vec![Vec::new(); Self::BANDS];
        for rect in boxes {
            bands[Self::range(rect)].iter_mut().for_each(|band| band.push(*rect));
        }
        Self { bands }
    }

    fn range(rect: &Rect) -> std::ops::RangeInclusive<usize> {
        let band = |side: f32| ((side * Self::BANDS as f32) as usize).min(Self::BANDS - 1);
        band(rect.top)..=band(rect.bottom)
    }

    /// Whether one of the boxes has a part of `ink`, or the ink a part of it, that tells of the same thing.
    fn touch(&self, ink: &Rect) -> bool {
        let same = |word: &Rect| {
            let shared = shared(word, ink);
            shared > SAME * area(ink).min(area(word))
        };
        self.bands[Self::range(ink)].iter().any(|band| band.iter().any(same))
    }
}

fn area(rect: &Rect) -> f32 {
    (rect.right - rect.left) * (rect.bottom - rect.top)
}

fn shared(a: &Rect, b: &Rect) -> f32 {
    let across = a.right.min(b.right) - a.left.max(b.left);
    let along = a.bottom.min(b.bottom) - a.top.max(b.top);
    across.max(0.0) * along.max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Word;

    /// A page of these colours with blocks of ink on it: left, top, width, height in pixels.
    fn page(ground: u8, ink: u8, blocks: &[(u32, u32, u32, u32)]) -> PageImage {
        let (width, height) = (600u32, 800u32);
        let mut rgb = vec![ground; (width * height * 3) as usize];
        for &(left, top, wide, high) in blocks {
            for y in top..top + high {
                let at = ((y * width + left) * 3) as usize;
                rgb[at..at + wide as usize * 3].fill(ink);
            }
        }
        PageImage { width, height, rgb: rgb.into(), dpi: None }
    }

    /// Letters of 6 x 10 pixels, 2 apart, in words of these lengths, 10 apart.
    fn line(left: u32, top: u32, words: &[u32]) -> Vec<(u32, u32, u32, u32)> {
        let mut at = left;
        let mut letters = Vec::new();
        for &word in words {
            for _ in 0..word {
                letters.push((at, top, 6, 10));
                at += 8;
            }
            at += 8;
        }
        letters
    }

    #[test]
    fn letters_that_stand_together_are_a_word_on_light_and_dark_ground() {
        for (ground, ink) in [(255, 0), (20, 230)] {
            let letters = [line(50, 100, &[5, 3, 8]), line(50, 130, &[4])].concat();
            let found = ink_boxes(&page(ground, ink, &letters));
            assert_eq!(found.len(), 4, "{found:?}");
            let first = found[0];
            assert!((first.left * 600.0 - 50.0).abs() <= 2.0 && (first.right * 600.0 - 88.0).abs() <= 2.0, "{first:?}");
            assert!(
                (first.top * 800.0 - 100.0).abs() <= 2.0 && (first.bottom * 800.0 - 110.0).abs() <= 2.0,
                "{first:?}"
            );
        }
    }

    #[test]
    fn a_dot_belongs_to_the_letter_below_it() {
        let mut letters = line(50, 100, &[3]);
        letters.push((59, 94, 4, 4));
        assert_eq!(ink_boxes(&page(255, 0, &letters)).len(), 1);
    }

    #[test]
    fn rules_and_frames_hold_words_and_are_none() {
        let rule = (40, 120, 500, 2);
        let frame = [(30, 80, 540, 2), (30, 300, 540, 2), (30, 80, 2, 222), (568, 80, 2, 222)];
        let blocks = [line(50, 100, &[5, 3]), vec![rule], frame.into()].concat();
        assert_eq!(ink_boxes(&page(255, 0, &blocks)).len(), 2);
    }

    #[test]
    fn a_picture_is_marked_in_tiles() {
        let dots: Vec<(u32, u32, u32, u32)> =
            (0..60).flat_map(|y| (0..60).map(move |x| (100 + x * 5, 300 + y * 5, 3, 3))).collect();
        let found = ink_boxes(&page(255, 0, &dots));
        assert!(found.len() > 20, "{}", found.len());
        assert!(found.iter().all(|tile| (tile.right - tile.left) * 600.0 < 60.0));
        let (left, right) =
            (found.iter().map(|t| t.left).fold(1.0, f32::min), found.iter().map(|t| t.right).fold(0.0, f32::max));
        assert!((left * 600.0 - 100.0).abs() < 4.0 && (right * 600.0 - 398.0).abs() < 4.0);
    }

    #[test]
    fn words_of_the_text_layer_come_first_and_ink_beside_them_is_added() {
        let letters = [line(50, 100, &[5]), line(50, 500, &[4])].concat();
        let rect = Rect { left: 50.0 / 600.0, top: 97.0 / 800.0, right: 90.0 / 600.0, bottom: 113.0 / 800.0 };
        let text = TextLayer { text: "pumps".into(), words: vec![Word { start: 0, end: 5, rect }], unreadable: false };
        let boxes = page_boxes(&page(255, 0, &letters), &text).unwrap().unpack().unwrap();
        assert_eq!(boxes.len(), 2);
        assert!((boxes[0].top - rect.top).abs() < 1e-3 && (boxes[1].top * 800.0 - 500.0).abs() <= 2.0);
    }

    #[test]
    fn blank_pages_have_no_boxes() {
        for ground in [0, 128, 255] {
            assert_eq!(page_boxes(&page(ground, ground, &[]), &TextLayer::default()), Some(PackedBoxes::default()));
        }
        let nothing = PageImage { width: 1, height: 1, rgb: vec![0; 3].into(), dpi: None };
        assert_eq!(ink_boxes(&nothing), []);
    }
}
