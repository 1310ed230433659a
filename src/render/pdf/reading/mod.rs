//! From the words of a page as PDFium finds them to its text as a person reads it: pieces of lines in reading order, words that
//! a line's end broke made whole, the scripts that run from right to left in the order in which they are spoken.
//!
//! PDFium's order, which is the file's, stays unless it is plainly none: where lines are stored from the bottom up, where nothing
//! stands beside anything else, where the lines of columns take turns, and where the second column is stored before the first.

mod columns;
mod compose;
mod direction;
mod hyphens;
mod insert;
mod order;
mod piece;

pub(super) use self::compose::compose;
pub(super) use self::direction::{is_right_to_left, spoken, unshuffled};
pub(super) use self::insert::insert;

use crate::types::Rect;

/// What stands between a word and the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gap {
    /// Nothing: characters of scripts that are written without spaces.
    None,
    Space,
    Line,
}

/// A word, or the part of one that stands on a line.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub text: String,
    pub rect: Rect,
    /// Before it.
    pub gap: Gap,
    /// It ends in a hyphen, left out of `text`, at the end of a line.
    pub hyphen: bool,
    /// Its characters stand above each other: it is turned.
    pub turned: bool,
}

impl Part {
    pub(super) fn height(&self) -> f32 {
        self.rect.bottom - self.rect.top
    }
}

/// Whether two stand on one line: more than half of the lower one beside the other.
fn on_one_line(a: Rect, b: Rect) -> bool {
    let shared = a.bottom.min(b.bottom) - a.top.max(b.top);
    shared > 0.5 * (a.bottom - a.top).min(b.bottom - b.top)
}

fn union(a: Rect, b: Rect) -> Rect {
    Rect {
        left: a.left.min(b.left),
        top: a.top.min(b.top),
        right: a.right.max(b.right),
        bottom: a.bottom.max(b.bottom),
    }
}

/// What tests lay out: lines of words, each character a hundredth of the page wide, a line of two hundredths.
#[cfg(test)]
mod testing {
    use super::*;

    pub(super) fn line(text: &str, left: f32, top: f32) -> Vec<Part> {
        let mut at = left;
        let mut parts = Vec::new();
        for (number, word) in text.split(' ').enumerate() {
            let hyphen = word.ends_with('-');
            let text = word.strip_suffix('-').unwrap_or(word).to_owned();
            let right = at + word.chars().count() as f32 / 100.0;
            let rect = Rect { left: at, top, right, bottom: top + 0.015 };
            let gap = if number == 0 { Gap::Line } else { Gap::Space };
            parts.push(Part { text, rect, gap, hyphen, turned: false });
            at = right + 0.01;
        }
        parts
    }
}
