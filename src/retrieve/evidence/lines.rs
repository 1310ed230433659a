//! Words become lines: what is read in one go. A row of a table is a line, and so is a line of one column of text.

use std::cmp::Ordering;

use super::closed::union;
use crate::types::Rect;

/// How much of the lower one's height two words of one line share.
const ONE_LINE: f32 = 0.5;
/// One is at most so many times as high as the other.
const ONE_SIZE: f32 = 2.2;
/// Spaces between words, of their height; justified text has wide ones.
const SPACE: f32 = 1.3;
/// Fractions of the page: what is wider is a line of text, and another one beside it is of another column.
const COLUMN: f32 = 0.3;
/// The cells of a row: at least one of two neighbours is narrower, and they are no farther apart.
const CELL: f32 = 0.22;
const ROW_GAP: f32 = 0.55;

/// Words that are read in one go.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    /// Indices of boxes, from left to right.
    pub words: Vec<usize>,
    pub rect: Rect,
}

impl Line {
    pub fn height(&self) -> f32 {
        self.rect.bottom - self.rect.top
    }

    pub fn width(&self) -> f32 {
        self.rect.right - self.rect.left
    }
}

/// The lines of a page, from top to bottom.
pub(super) fn lines(boxes: &[Rect]) -> Vec<Line> {
    let mut order: Vec<usize> = (0..boxes.len()).collect();
    order.sort_by(|a, b| boxes[*a].left.total_cmp(&boxes[*b].left));
    let mut pieces: Vec<Line> = Vec::new();
    for index in order {
        let word = &boxes[index];
        let fitting = pieces.iter_mut().filter_map(|piece| {
            let last = &boxes[*piece.words.last()?];
            let gap = word.left - last.right;
            let high = (last.bottom - last.top).max(word.bottom - word.top);
            (on_one_line(last, word) && gap <= SPACE * high && gap > -high).then_some((gap, piece))
        });
        match fitting.min_by(|a, b| a.0.total_cmp(&b.0)) {
            Some((_, piece)) => {
                piece.rect = union(&piece.rect, word);
                piece.words.push(index);
            }
            None => pieces.push(Line { words: vec![index], rect: *word }),
        }
    }
    let mut lines = rows(pieces, boxes);
    lines.sort_by(|a, b| a.rect.top.total_cmp(&b.rect.top).then(a.rect.left.total_cmp(&b.rect.left)));
    lines
}

/// Pieces that are cells of one row become one line.
fn rows(mut pieces: Vec<Line>, boxes: &[Rect]) -> Vec<Line> {
    pieces.sort_by(|a, b| a.rect.left.total_cmp(&b.rect.left));
    let mut rows: Vec<Line> = Vec::new();
    for piece in pieces {
        let Some(first) = piece.words.first().map(|word| boxes[*word]) else { continue };
        let fitting = rows.iter_mut().filter_map(|row| {
            let last = boxes[*row.words.last()?];
            let gap = piece.rect.left - row.rect.right;
            let (before, after) = (row.last_width(boxes), piece.width());
            let are_cells = before.max(after) < 1.5 * COLUMN && before.min(after) < CELL;
            (on_one_line(&last, &first) && (0.0..ROW_GAP).contains(&gap) && are_cells).then_some((gap, row))
        });
        match fitting.min_by(|a, b| a.0.partial_cmp(&b.0).unwrap_or(Ordering::Equal)) {
            Some((_, row)) => {
                row.rect = union(&row.rect, &piece.rect);
                row.words.extend(piece.words);
            }
            None => rows.push(piece),
        }
    }
    rows
}

impl Line {
    /// Width of the last run of words without a wide gap.
    fn last_width(&self, boxes: &[Rect]) -> f32 {
        let Some(last) = self.words.last().map(|word| boxes[*word]) else { return 0.0 };
        let mut left = last.left;
        for word in self.words.iter().rev().map(|word| boxes[*word]) {
            if left - word.right > SPACE * (word.bottom - word.top) {
                break;
            }
            left = left.min(word.left);
        }
        last.right - left
    }
}

fn on_one_line(a: &Rect, b: &Rect) -> bool {
    let shared = a.bottom.min(b.bottom) - a.top.max(b.top);
    let (first, second) = (a.bottom - a.top, b.bottom - b.top);
    shared >= ONE_LINE * first.min(second) && first.max(second) <= ONE_SIZE * first.min(second)
}
