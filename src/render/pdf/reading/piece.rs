//! A piece of a line, and pieces row by row.

use super::{Part, on_one_line, union};
use crate::types::Rect;

/// Parts of a line that follow each other closely.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub parts: Vec<Part>,
    pub rect: Rect,
}

impl Piece {
    pub(super) fn new(part: Part) -> Self {
        Self { rect: part.rect, parts: vec![part] }
    }

    pub(super) fn push(&mut self, part: Part) {
        self.rect = union(self.rect, part.rect);
        self.parts.push(part);
    }

    pub(super) fn middle(&self) -> f32 {
        (self.rect.top + self.rect.bottom) / 2.0
    }

    pub(super) fn height(&self) -> f32 {
        self.rect.bottom - self.rect.top
    }
}

/// From top to bottom; what stands on one line, from left to right.
pub(super) fn by_rows(mut pieces: Vec<Piece>) -> Vec<Piece> {
    pieces.sort_by(|a, b| a.middle().total_cmp(&b.middle()));
    let mut rows: Vec<Vec<Piece>> = Vec::new();
    for piece in pieces {
        match rows.last_mut() {
            Some(row) if row.first().is_some_and(|first| on_one_line(first.rect, piece.rect)) => row.push(piece),
            _ => rows.push(vec![piece]),
        }
    }
    for row in &mut rows {
        row.sort_by(|a, b| a.rect.left.total_cmp(&b.rect.left));
    }
    rows.into_iter().flatten().collect()
}
