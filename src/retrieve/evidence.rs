//! Where on a page a question is answered: one similarity a stored patch and question token, laid back onto the page.

use image::RgbImage;

use crate::error::{Error, Result};
use crate::store::StoredPoint;
use crate::types::{Grid, NamedVector, QuestionEmbedding, Rect, TokenLayout, VectorName};

/// Colour of the marker laid over a page: the ink below stays readable because the colour is multiplied in.
const MARKER: [f32; 3] = [1.0, 0.86, 0.28];

/// Similarity of a question to the cells of one page.
#[derive(Debug, Clone)]
pub struct Evidence {
    pub grid: Grid,
    /// Part of the model's canvas that the page covers, in fractions.
    pub covered: (f32, f32),
    /// What each map stands for.
    pub labels: Vec<String>,
    /// `[labels, rows * cols]`: cosine of the token and the cell; `None` where the page keeps no patch for the cell.
    pub maps: Vec<Vec<Option<f32>>>,
}

/// Cosines of the question's own tokens with every stored patch of a page, by cell. The model's prompt and augmentation
/// tokens get no map: they resemble something on every page, and nobody asked for it.
///
/// # Errors
/// Permanent, where the point carries no patches or its layout does not fit them.
pub fn similarity_map(point: &StoredPoint, question: &QuestionEmbedding) -> Result<Evidence> {
    let layout = point.payload.layout()?;
    let Some(NamedVector::Multi(patches)) = point.vectors.get(&VectorName::Patches) else {
        return Err(Error::permanent(format!("page {} has no stored patches to show", point.payload.page)));
    };
    if patches.len() != layout.cells.len() || patches.dim() != question.tokens.dim() {
        return Err(Error::permanent(format!(
            "page {} stores {} patches of {} dimensions: {} of {} expected",
            point.payload.page,
            patches.len(),
            patches.dim(),
            layout.cells.len(),
            question.tokens.dim()
        )));
    }
    let TokenLayout { grid, cells, covered } = layout;
    let own = |row: &usize| question.from_text.get(*row).copied().unwrap_or(true);
    let shown: Vec<usize> = (0..question.tokens.len()).filter(own).collect();
    let maps = shown
        .iter()
        .map(|&row| {
            let token = question.tokens.row(row);
            let mut map = vec![None; (grid.rows * grid.cols) as usize];
            for (cell, patch) in cells.iter().zip(patches.rows()) {
                if let Some(cell) = cell {
                    map[*cell as usize] = Some(token.iter().zip(patch).map(|(a, b)| a * b).sum());
                }
            }
            map
        })
        .collect();
    let labels = shown.iter().filter_map(|&row| question.labels.get(row).cloned()).collect();
    Ok(Evidence { grid, covered, labels, maps })
}

impl Evidence {
    /// The cell as a rectangle of the page, in fractions of it.
    pub fn cell_rect(&self, cell: usize) -> Rect {
        let (row, col) = (cell / self.grid.cols as usize, cell % self.grid.cols as usize);
        let x = |col: usize| col as f32 / self.grid.cols as f32 / self.covered.0;
        let y = |row: usize| row as f32 / self.grid.rows as f32 / self.covered.1;
        Rect { left: x(col), top: y(row), right: x(col + 1).min(1.0), bottom: y(row + 1).min(1.0) }
    }

    /// How strongly each cell answers the question, `0.0..=1.0`: the largest over the tokens of its standing between the
    /// token's ordinary similarity on this page and its best one. A token that nothing on the page resembles marks nothing.
    pub fn strength(&self) -> Vec<f32> {
        let mut strength = vec![0f32; (self.grid.rows * self.grid.cols) as usize];
        for map in &self.maps {
            let best = map.iter().flatten().copied().fold(f32::NEG_INFINITY, f32::max);
            let count = map.iter().flatten().count().max(1) as f32;
            let mean = map.iter().flatten().sum::<f32>() / count;
            if !best.is_finite() || best < 0.35 || best - mean < 1e-3 {
                continue;
            }
            for (into, value) in strength.iter_mut().zip(map) {
                let value = value.map_or(0.0, |value| (value - mean) / (best - mean));
                // The upper part of the range counts: below lies what any page would show.
                *into = into.max(((value - 0.6) / 0.4).clamp(0.0, 1.0) * (best / 0.7).min(1.0));
            }
        }
        strength
    }

    /// Lays the strengths over a page image like a text marker. `image` covers the whole page.
    pub fn highlight(&self, image: &mut RgbImage) {
        let (width, height) = (image.width() as f32, image.height() as f32);
        for (cell, strength) in self.strength().into_iter().enumerate() {
            if strength < 0.15 {
                continue;
            }
            let rect = self.cell_rect(cell);
            let columns = (rect.left * width) as u32..((rect.right * width).ceil() as u32).min(image.width());
            for y in (rect.top * height) as u32..((rect.bottom * height).ceil() as u32).min(image.height()) {
                for x in columns.clone() {
                    let pixel = image.get_pixel_mut(x, y);
                    for (channel, marker) in pixel.0.iter_mut().zip(MARKER) {
                        *channel = (f32::from(*channel) * (1.0 - strength * (1.0 - marker))) as u8;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence(maps: Vec<Vec<Option<f32>>>) -> Evidence {
        Evidence { grid: Grid { rows: 2, cols: 2 }, covered: (1.0, 0.5), labels: vec!["w".into(); maps.len()], maps }
    }

    #[test]
    fn cells_lie_on_the_page_and_not_on_the_canvas() {
        let rect = evidence(vec![]).cell_rect(1);
        assert_eq!((rect.left, rect.top, rect.right, rect.bottom), (0.5, 0.0, 1.0, 1.0));
    }

    #[test]
    fn only_what_stands_out_is_marked() {
        let strength = evidence(vec![vec![Some(0.9), Some(0.1), None, Some(0.05)]]).strength();
        assert!((strength[0] - 1.0).abs() < 1e-5);
        assert_eq!(&strength[1..], [0.0, 0.0, 0.0]);
        assert_eq!(evidence(vec![vec![Some(0.2), Some(0.1), None, None]]).strength(), [0.0; 4]);
    }
}
