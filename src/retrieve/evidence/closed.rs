//! Never half a word: a mark covers a word or leaves it alone.
//!
//! Boxes of a text layer are as high as their font's lines, and those of neighbouring lines may overlap: what counts is the core
//! of a word, the middle of its box.

use crate::types::Rect;

/// What a box loses at its top and bottom, and at its left and right, of its height.
const LINE_SPACE: f32 = 0.28;
const SIDE_SPACE: f32 = 0.1;

/// The part of a word's box that no mark may cut.
pub(super) fn core(word: &Rect) -> Rect {
    let height = word.bottom - word.top;
    let (space, side) = (LINE_SPACE * height, (SIDE_SPACE * height).min((word.right - word.left) * 0.25));
    Rect { left: word.left + side, top: word.top + space, right: word.right - side, bottom: word.bottom - space }
}

/// Whether a mark covers some of a word's core and not all of it.
pub(super) fn cuts(mark: &Rect, word: &Rect) -> bool {
    let core = core(word);
    let touches = mark.left < core.right && core.left < mark.right && mark.top < core.bottom && core.top < mark.bottom;
    let covers =
        mark.left <= core.left && core.right <= mark.right && mark.top <= core.top && core.bottom <= mark.bottom;
    touches && !covers
}

/// Whether a mark cuts no word.
pub(super) fn is_closed(mark: &Rect, words: &[Rect]) -> bool {
    !words.iter().any(|word| cuts(mark, word))
}

/// The mark, rounded, and grown over the words that it would cut, until it cuts none: each round covers at least one more.
pub(super) fn closed(mark: &Rect, words: &[Rect]) -> Rect {
    let mut mark = rounded(mark);
    loop {
        let cut = words.iter().filter(|word| cuts(&mark, word));
        let Some(grown) = cut.copied().reduce(|a, b| union(&a, &b)) else { return mark };
        mark = rounded(&union(&mark, &grown));
    }
}

/// The rectangle in steps of a ten-thousandth of the page, as it is told: what it covers it still covers.
pub(super) fn rounded(rect: &Rect) -> Rect {
    // A hundredth of a step is what a number that is rounded already may be off.
    let down = |side: f32| (side.clamp(0.0, 1.0) * 1e4 + 0.01).floor() / 1e4;
    let up = |side: f32| (side.clamp(0.0, 1.0) * 1e4 - 0.01).ceil() / 1e4;
    Rect { left: down(rect.left), top: down(rect.top), right: up(rect.right), bottom: up(rect.bottom) }
}

pub(super) fn union(a: &Rect, b: &Rect) -> Rect {
    Rect {
        left: a.left.min(b.left),
        top: a.top.min(b.top),
        right: a.right.max(b.right),
        bottom: a.bottom.max(b.bottom),
    }
}
