//! Never half a word: a mark covers a word or leaves it alone.
//!
//! Boxes of a text layer are as high as their font's lines, and those of neighbouring lines may overlap: what counts is the core
//! of a word, the middle of its box.

use crate::types::Rect;

/// What a box loses at its top and bottom, and at its left and right, of its height.
const LINE_SPACE: f32 = 0.28;
const SIDE_SPACE: f32 = 0.1;
/// A mark that would grow over more rounds is left as it is: letters that lie over each other have no words.
const ROUNDS: usize = 8;

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

/// The mark, grown over the words that it would cut.
pub(super) fn closed(mut mark: Rect, words: &[Rect]) -> Rect {
    for _ in 0..ROUNDS {
        let cut: Vec<&Rect> = words.iter().filter(|word| cuts(&mark, word)).collect();
        if cut.is_empty() {
            break;
        }
        mark = cut.into_iter().fold(mark, |mark, word| union(&mark, word));
    }
    mark
}

pub(super) fn union(a: &Rect, b: &Rect) -> Rect {
    Rect {
        left: a.left.min(b.left),
        top: a.top.min(b.top),
        right: a.right.max(b.right),
        bottom: a.bottom.max(b.bottom),
    }
}
