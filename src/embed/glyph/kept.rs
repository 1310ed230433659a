//! Which of the vectors that the graph gave for a page are stored: those of open cells, without what a smaller scale only
//! repeats, and no more than a page may have.

use std::sync::Arc;

use super::canvas::{Canvas, Turn};
use super::manifest::PageSpec;
use crate::error::Result;
use crate::types::{Grid, Multivector, PageEmbedding, Rect, Scale, TokenLayout};

/// The open cells of one look, in ascending order.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::embed) struct Open {
    /// Counted row by row on the canvas as the page is shown.
    pub cells: Vec<u32>,
    pub gates: Vec<f32>,
    /// `[cells, dim]`.
    pub vectors: Vec<f32>,
    /// What the graph gave for cell 0, open or not.
    pub first: Vec<f32>,
}

/// What was read of one look at a page in one turn.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::embed) struct Reading {
    /// Number of the look: the smaller, the finer.
    pub look: usize,
    pub turn: Turn,
    pub open: Open,
}

/// A page's vectors and where they lie. `readings`: in ascending order of their looks for each turn.
pub(super) fn embedding(
    looks: &[Arc<Canvas>],
    readings: &[Reading],
    spec: &PageSpec,
    dim: usize,
) -> Result<PageEmbedding> {
    let grids: Vec<Grid> = looks.iter().map(|look| look.grid(spec.cell)).collect();
    let mut firsts = vec![0];
    for grid in &grids {
        firsts.push(firsts[firsts.len() - 1] + grid.rows * grid.cols);
    }
    let (mut cells, mut vectors) = (Vec::new(), Vec::new());
    for (number, at) in kept(looks, &grids, readings, spec, dim) {
        let Reading { look, open, .. } = &readings[number];
        cells.push(Some(firsts[*look] + open.cells[at]));
        vectors.extend_from_slice(&open.vectors[at * dim..(at + 1) * dim]);
    }
    // Every page has a vector, so that it can be stored.
    if let ([], Some(reading)) = (cells.as_slice(), readings.first()) {
        cells.push(Some(firsts[reading.look]));
        vectors.extend_from_slice(&reading.open.first);
    }
    let scales = looks.iter().zip(grids).map(|(look, grid)| {
        let beyond = |canvas: usize, used: usize| 1.0 / (used as f32 / canvas as f32);
        let extent = Rect {
            left: 0.0,
            top: 0.0,
            right: beyond(look.width, look.used.0),
            bottom: beyond(look.height, look.used.1),
        };
        Scale { grid, extent }
    });
    let layout = TokenLayout::new(scales.collect(), cells)?;
    Ok(PageEmbedding { patches: Multivector::new(dim, vectors)?, layout })
}

/// Numbers of readings, and places in them.
fn kept(
    looks: &[Arc<Canvas>],
    grids: &[Grid],
    readings: &[Reading],
    spec: &PageSpec,
    dim: usize,
) -> Vec<(usize, usize)> {
    let mut kept = Vec::new();
    for (number, reading) in readings.iter().enumerate() {
        let finer = readings[..number].iter().filter(|finer| finer.turn == reading.turn);
        let shadows: Vec<Shadow> =
            finer.map(|finer| Shadow::new(looks, grids, finer, reading, spec.keep.same_as_finer)).collect();
        let new = (0..reading.open.cells.len()).filter(|&at| !shadows.iter().any(|shadow| shadow.repeats(at, dim)));
        kept.extend(new.map(|at| (number, at)));
    }
    if let Some(most) = spec.keep.most.filter(|&most| kept.len() > most) {
        let gate = |&(number, at): &(usize, usize)| readings[number].open.gates[at];
        kept.sort_by(|a, b| gate(b).total_cmp(&gate(a)));
        kept.truncate(most);
        kept.sort_unstable();
    }
    kept
}

/// A finer reading as it lies on the cells of a coarser one.
struct Shadow<'a> {
    fine: &'a Open,
    coarse: &'a Open,
    grid: Grid,
    same: f32,
    /// Of each fine cell, the coarse one that its middle lies in, as row and column.
    places: Vec<(u32, u32)>,
}

impl<'a> Shadow<'a> {
    fn new(looks: &[Arc<Canvas>], grids: &[Grid], fine: &'a Reading, coarse: &'a Reading, same: Option<f32>) -> Self {
        let (from, to) = (looks[fine.look].used, looks[coarse.look].used);
        let cols = grids[fine.look].cols;
        // In whole numbers: the middle of cell `at` lies at (at + 1/2) * to / from.
        let place = |at: u32, from: usize, to: usize| ((2 * at as usize + 1) * to / (2 * from)) as u32;
        let cells = fine.open.cells.iter();
        let places = cells.map(|cell| (place(cell / cols, from.1, to.1), place(cell % cols, from.0, to.0))).collect();
        let grid = grids[coarse.look];
        // Cosines are never that large.
        Self { fine: &fine.open, coarse: &coarse.open, grid, same: same.unwrap_or(f32::INFINITY), places }
    }

    /// Whether a fine vector in this coarse cell, or in one beside it, says the same.
    fn repeats(&self, at: usize, dim: usize) -> bool {
        let (row, col) = (self.coarse.cells[at] / self.grid.cols, self.coarse.cells[at] % self.grid.cols);
        let vector = &self.coarse.vectors[at * dim..(at + 1) * dim];
        let near = |&(fine_row, fine_col): &(u32, u32)| fine_row.abs_diff(row) <= 1 && fine_col.abs_diff(col) <= 1;
        let cosine = |fine: &[f32]| fine.iter().zip(vector).map(|(a, b)| a * b).sum::<f32>();
        let fine = self.places.iter().zip(self.fine.vectors.chunks_exact(dim));
        fine.filter(|(place, _)| near(place)).any(|(_, fine)| cosine(fine) >= self.same)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::glyph::manifest::{Keep, test_manifest};

    fn looks() -> Vec<Arc<Canvas>> {
        let canvas = |side: usize| Arc::new(Canvas { width: side, height: side, data: Vec::new(), used: (side, side) });
        vec![canvas(160), canvas(48)]
    }

    fn reading(look: usize, cells: &[(u32, f32, [f32; 2])]) -> Reading {
        let open = Open {
            cells: cells.iter().map(|cell| cell.0).collect(),
            gates: cells.iter().map(|cell| cell.1).collect(),
            vectors: cells.iter().flat_map(|cell| cell.2).collect(),
            first: vec![0.0, 1.0],
        };
        Reading { look, turn: Turn::Upright, open }
    }

    fn spec(most: usize) -> PageSpec {
        let keep = Keep { threshold: 0.5, same_as_finer: Some(0.9), most: Some(most) };
        PageSpec { keep, ..test_manifest().page }
    }

    #[test]
    fn what_a_smaller_scale_repeats_at_the_same_place_goes() {
        // Cell 99 of 10 x 10 lies in cell 8 of 3 x 3.
        let fine = reading(0, &[(99, 0.9, [1.0, 0.0])]);
        let coarse = reading(1, &[(0, 0.9, [1.0, 0.0]), (5, 0.9, [1.0, 0.0]), (8, 0.9, [0.0, 1.0])]);
        let made = embedding(&looks(), &[fine, coarse], &spec(9), 2).unwrap();
        // Cell 5 lies beside cell 8; cell 0 does not, and what cell 8 says itself is something else.
        assert_eq!(made.layout.cells(), [Some(99), Some(100), Some(108)]);
        assert_eq!(made.patches.as_slice(), [1.0, 0.0, 1.0, 0.0, 0.0, 1.0]);
        assert_eq!(made.layout.scales().len(), 2);
    }

    #[test]
    fn of_too_many_vectors_the_most_open_stay_in_their_order() {
        let fine = reading(0, &[(1, 0.6, [1.0, 0.0]), (2, 0.9, [1.0, 0.0]), (3, 0.7, [1.0, 0.0])]);
        let made = embedding(&looks(), &[fine], &spec(2), 2).unwrap();
        assert_eq!(made.layout.cells(), [Some(2), Some(3)]);
    }

    #[test]
    fn a_page_that_says_nothing_has_its_first_cell() {
        let made = embedding(&looks(), &[reading(0, &[]), reading(1, &[])], &spec(2), 2).unwrap();
        assert_eq!((made.layout.cells(), made.patches.as_slice()), (&[Some(0)][..], &[0.0, 1.0][..]));
    }
}
