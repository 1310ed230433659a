//! The evidence of one page for one question, as it is shown: a chip a word, each with its marks.

use image::RgbaImage;
use serde::Serialize;

use super::{Evidence, Region, lines, overlay, passages, snap};
use crate::error::{Error, Result};
use crate::types::{DocumentId, Grid, Rect};

/// Cells of the grid along one side, at most.
const MOST_CELLS: u32 = 128;

/// Where on a page a question is answered, token by token and as a whole.
#[derive(Debug, Clone, Serialize)]
pub struct Heatmap {
    pub document_id: DocumentId,
    /// 1-based.
    pub page: u32,
    /// The grid of [`TokenHeat::values`], over the whole page.
    pub grid: Grid,
    /// In the order of the question.
    pub tokens: Vec<TokenHeat>,
    /// Of the question as a whole, best first.
    pub boxes: Vec<Region>,
    /// Tokens that the model adds to every question, and that have no map.
    pub left_out: Vec<String>,
    /// As a hit's.
    pub relevance: f32,
    #[serde(skip)]
    evidence: Evidence,
    /// Width and height, in one unit.
    #[serde(skip)]
    page_size: [f32; 2],
}

/// One token of the question.
#[derive(Debug, Clone, Serialize)]
pub struct TokenHeat {
    /// Its number among all tokens of the question.
    pub index: usize,
    pub text: String,
    /// The words that show it, strongest first.
    pub boxes: Vec<Region>,
    /// `[rows * cols]`, row by row, `0.0..=1.0`; only where [`Heatmap::with_values`] was asked for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values: Option<Vec<f32>>,
}

impl Heatmap {
    /// `boxes`: what can be marked on the page; `page_size`: its width and height, in one unit.
    pub fn new(document_id: DocumentId, page: u32, evidence: Evidence, boxes: &[Rect], page_size: [f32; 2]) -> Self {
        let (scored, lines) = (snap::words(&evidence, boxes), lines::lines(boxes));
        let heat = |(token, scored): (&super::TokenMap, &Vec<f32>)| TokenHeat {
            index: token.index,
            text: token.label.clone(),
            boxes: passages::marked(scored, boxes, &lines),
            values: None,
        };
        Self {
            document_id,
            page,
            grid: grid(&evidence),
            tokens: evidence.tokens.iter().zip(&scored).map(heat).collect(),
            boxes: passages::regions(&scored, boxes, &lines),
            left_out: evidence.left_out.clone(),
            relevance: evidence.relevance,
            evidence,
            page_size,
        }
    }

    /// The same with the value of every cell of the grid, for each token.
    #[must_use]
    pub fn with_values(mut self) -> Self {
        for (heat, token) in self.tokens.iter_mut().zip(&self.evidence.tokens) {
            heat.values = Some(values(&self.evidence, &token.strengths, self.grid));
        }
        self
    }

    /// A picture to lay over the page, of its shape and soft: amber, transparent where nothing was found. CPU-heavy. `token`: the
    /// [`TokenHeat::index`] of the one that is shown; None: all of them.
    ///
    /// # Errors
    /// Permanent, if the question has no such token.
    pub fn overlay(&self, token: Option<usize>) -> Result<RgbaImage> {
        let position = |index| self.tokens.iter().position(|token| token.index == index);
        let position = match token {
            Some(index) => Some(position(index).ok_or_else(|| {
                let known: Vec<String> = self.tokens.iter().map(|token| token.index.to_string()).collect();
                Error::permanent(format!("the question has no token {index}: there is {}", known.join(", ")))
            })?),
            None => None,
        };
        Ok(overlay::overlay(&self.evidence, position, self.page_size))
    }
}

impl Evidence {
    /// The heat of all tokens together, `[places]`: a token that is hot in many places counts less there.
    pub(super) fn together(&self) -> Vec<f32> {
        let mut heat = vec![0f32; self.places.len()];
        let many = (1.0 + self.places.len() as f32).ln();
        let rarity = |strengths: &[f32]| {
            let hot = strengths.iter().filter(|strength| **strength >= 0.5).count().max(1) as f32;
            (1.0 + self.places.len() as f32 / hot).ln() / many
        };
        let rarities: Vec<f32> = self.tokens.iter().map(|token| rarity(&token.strengths)).collect();
        let rarest = rarities.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
        for (token, rarity) in self.tokens.iter().zip(rarities) {
            for (heat, strength) in heat.iter_mut().zip(&token.strengths) {
                *heat = heat.max(strength * rarity / rarest);
            }
        }
        heat
    }
}

/// As fine as the finest cells of the layout.
fn grid(evidence: &Evidence) -> Grid {
    let finest = |side: fn(&Rect) -> f32| {
        let sides = evidence.places.iter().map(|place| side(&place.rect)).filter(|side| *side > 1e-6);
        let cells = 1.0 / sides.fold(1.0, f32::min);
        (cells.round() as u32).clamp(1, MOST_CELLS)
    };
    Grid { rows: finest(|rect| rect.bottom - rect.top), cols: finest(|rect| rect.right - rect.left) }
}

/// Each cell has the value of the strongest place over its middle, in three digits.
fn values(evidence: &Evidence, strengths: &[f32], grid: Grid) -> Vec<f32> {
    let (rows, cols) = (grid.rows as f32, grid.cols as f32);
    let mut values = vec![0f32; (grid.rows * grid.cols) as usize];
    for (place, strength) in evidence.places.iter().zip(strengths).filter(|(_, strength)| **strength > 0.0) {
        let rect = &place.rect;
        let middles = |from: f32, to: f32, cells: f32| {
            let first = (from * cells - 0.5).ceil().max(0.0) as usize;
            first..(((to * cells - 0.5).ceil().max(0.0)) as usize).min(cells as usize)
        };
        for row in middles(rect.top, rect.bottom, rows) {
            for col in middles(rect.left, rect.right, cols) {
                let value = &mut values[row * grid.cols as usize + col];
                *value = value.max((strength * 1e3).round() / 1e3);
            }
        }
    }
    values
}
