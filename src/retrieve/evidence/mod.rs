//! Where on a page a question is answered: one similarity a stored patch and question token, laid back onto the page.
//!
//! Everything comes from the stored vectors: the page is not embedded again. `snap` carries what patches say over to the words
//! under them, `lines` and `passages` make regions of words, `closed` sees to it that no word is marked by half; `paint` and
//! `overlay` draw.

mod closed;
mod heatmap;
mod lines;
mod overlay;
mod paint;
mod passages;
mod snap;

use serde::Serialize;

pub use heatmap::{Heatmap, TokenHeat};
pub use paint::{Marks, highlight};

use crate::error::{Error, Result};
use crate::store::StoredPoint;
use crate::types::{NamedVector, QuestionEmbedding, Rect, VectorName};

/// Cosine at which a token counts as found, for models whose manifest names none.
const FOUND_FROM: f32 = 0.7;
/// The upper part of the range between a token's ordinary similarity on the page and its best one counts: what lies below any
/// page would show.
const STANDS_OUT: f32 = 0.6;
/// A place that is marked more faintly than this is not marked.
pub(super) const FAINTEST: f32 = 0.25;

/// A part of a page that answers, in fractions of the page with the origin top left.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Region {
    pub left: f32,
    pub top: f32,
    pub right: f32,
    pub bottom: f32,
    /// How much of the question is answered there, `0.0..=1.0`.
    pub score: f32,
}

impl Region {
    fn new(rect: Rect, score: f32) -> Self {
        let Rect { left, top, right, bottom } = closed::rounded(&rect);
        Self { left, top, right, bottom, score: (score.clamp(0.0, 1.0) * 1e3).round() / 1e3 }
    }

    pub fn rect(&self) -> Rect {
        let Self { left, top, right, bottom, .. } = *self;
        Rect { left, top, right, bottom }
    }
}

/// Where a stored patch lies.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Place {
    rect: Rect,
    /// Places of one scale with the same left and right share it.
    column: usize,
    /// Number of the grid it is a cell of.
    scale: usize,
}

/// Similarity of a question to the places of one page.
#[derive(Debug, Clone)]
pub struct Evidence {
    places: Vec<Place>,
    tokens: Vec<TokenMap>,
    left_out: Vec<String>,
    relevance: f32,
    nearest: Vec<f32>,
}

/// One token of the question and the page.
#[derive(Debug, Clone)]
struct TokenMap {
    /// Its number among all tokens of the question.
    index: usize,
    label: String,
    /// How strongly each place shows it, `[places]`, `0.0..=1.0`. A token that nothing on the page resembles marks nothing.
    strengths: Vec<f32>,
}

/// Compares the question's own tokens with every stored patch of a page. The model's prompt and augmentation tokens get
/// no map: they resemble something on every page, and nobody asked for them. `found_from`: the cosine from which on the model
/// has found a word, if its manifest says.
///
/// # Errors
/// Permanent, if the point carries no patches or its layout does not fit them.
pub fn similarity_map(point: &StoredPoint, question: &QuestionEmbedding, found_from: Option<f32>) -> Result<Evidence> {
    let layout = point.payload.layout()?;
    let Some(NamedVector::Multi(patches)) = point.vectors.get(&VectorName::Patches) else {
        return Err(Error::permanent(format!("page {} has no stored patches to show", point.payload.page)));
    };
    if patches.len() != layout.len() || patches.dim() != question.tokens.dim() {
        return Err(Error::permanent(format!(
            "page {} stores {} patches of {} dimensions: {} of {} expected",
            point.payload.page,
            patches.len(),
            patches.dim(),
            layout.len(),
            question.tokens.dim()
        )));
    }
    let columns = layout.cols().of_tokens;
    let scales = layout.scales_of_tokens();
    let shown: Vec<usize> = (0..layout.len()).filter(|token| layout.rect(*token).is_some()).collect();
    let place =
        |&token: &usize| Some(Place { rect: layout.rect(token)?, column: columns[token]?, scale: scales[token]? });
    let places = shown.iter().filter_map(place).collect();
    let own = |row: &usize| question.from_text.get(*row).copied().unwrap_or(true);
    let label = |row: usize| question.labels.get(row).cloned().unwrap_or_default();
    let (mut tokens, mut left_out, mut sum) = (Vec::new(), Vec::new(), 0.0);
    let mut nearest = vec![f32::NEG_INFINITY; question.tokens.len()];
    for (row, best) in nearest.iter_mut().enumerate() {
        if !own(&row) {
            left_out.push(label(row));
            continue;
        }
        let token = question.tokens.row(row);
        let cosines: Vec<f32> = patches.rows().map(|patch| token.iter().zip(patch).map(|(a, b)| a * b).sum()).collect();
        *best = cosines.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        sum += best.max(0.0);
        let on_image: Vec<f32> = shown.iter().map(|&place| cosines[place]).collect();
        let strengths = strengths(&on_image, found_from.unwrap_or(FOUND_FROM));
        tokens.push(TokenMap { index: row, label: label(row), strengths });
    }
    left_out.dedup();
    let relevance = (sum / tokens.len().max(1) as f32).clamp(0.0, 1.0);
    Ok(Evidence { places, tokens, left_out, relevance, nearest })
}

/// `0.0..=1.0` each: its standing between the token's ordinary similarity on this page and its best one, times how surely the
/// best one is the token: all of it from `found_from` on, nothing at half of that.
fn strengths(cosines: &[f32], found_from: f32) -> Vec<f32> {
    let best = cosines.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mean = cosines.iter().sum::<f32>() / cosines.len().max(1) as f32;
    let sure = ((best - found_from / 2.0) / (found_from / 2.0)).clamp(0.0, 1.0);
    if !best.is_finite() || best - mean < 1e-3 {
        return vec![0.0; cosines.len()];
    }
    let standing = |value: &f32| (value - mean) / (best - mean);
    cosines.iter().map(|value| ((standing(value) - STANDS_OUT) / (1.0 - STANDS_OUT)).clamp(0.0, 1.0) * sure).collect()
}

impl Evidence {
    /// MaxSim of the question's own tokens over their number, `0.0..=1.0`: what a score is on this page, whatever plan found it.
    pub fn relevance(&self) -> f32 {
        self.relevance
    }

    /// `[question tokens]`: cosine of each with the page's nearest patch; negative infinity for tokens that are not the question's own.
    pub fn nearest(&self) -> &[f32] {
        &self.nearest
    }

    /// The parts of the page that answer most, best first. `boxes`: what can be marked on the page.
    pub fn regions(&self, boxes: &[Rect]) -> Vec<Region> {
        passages::regions(&snap::words(self, boxes), boxes, &lines::lines(boxes))
    }

    /// What is to be marked on an image of the page: words of the question, and the regions they stand in.
    pub fn marks(&self, boxes: &[Rect]) -> Marks {
        let (scored, lines) = (snap::words(self, boxes), lines::lines(boxes));
        let any = |word: usize| scored.iter().map(|token| token[word]).fold(0.0, f32::max);
        let strongest: Vec<f32> = (0..boxes.len()).map(any).collect();
        let words = passages::marked(&strongest, boxes, &lines);
        Marks { regions: passages::regions(&scored, boxes, &lines), words }
    }
}

#[cfg(test)]
mod tests;
