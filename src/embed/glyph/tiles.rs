//! Canvases that are too long for one run of the graph, cut so that every cell is kept once and sees what is around it.

use std::ops::Range;

use super::manifest::Tiles;
use crate::types::Grid;

/// A part of a canvas, in cells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tile {
    pub rows: Span,
    pub cols: Span,
}

/// A part of a side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    /// What the graph is given.
    pub seen: Range<usize>,
    /// What is kept: all spans of a side together have each cell once.
    pub core: Range<usize>,
}

/// Row by row; one tile if neither side is too long.
pub(super) fn tiles(grid: Grid, rule: Option<Tiles>) -> Vec<Tile> {
    let (rows, cols) = (spans(grid.rows as usize, rule), spans(grid.cols as usize, rule));
    rows.iter().flat_map(|rows| cols.iter().map(|cols| Tile { rows: rows.clone(), cols: cols.clone() })).collect()
}

fn spans(cells: usize, rule: Option<Tiles>) -> Vec<Span> {
    let Some(Tiles { most_cells, margin_cells }) = rule.filter(|rule| cells > rule.most_cells) else {
        return vec![Span { seen: 0..cells, core: 0..cells }];
    };
    let step = most_cells - 2 * margin_cells;
    let span = |start: usize| {
        let core = start..(start + step).min(cells);
        Span { seen: start.saturating_sub(margin_cells)..(core.end + margin_cells).min(cells), core }
    };
    (0..cells).step_by(step).map(span).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RULE: Tiles = Tiles { most_cells: 72, margin_cells: 8 };

    #[test]
    fn a_usual_page_is_one_tile() {
        let whole = Span { seen: 0..72, core: 0..72 };
        let grid = Grid { rows: 72, cols: 72 };
        assert_eq!(tiles(grid, Some(RULE)), [Tile { rows: whole.clone(), cols: whole }]);
        assert_eq!(tiles(Grid { rows: 900, cols: 9 }, None).len(), 1);
    }

    #[test]
    fn tiles_see_more_than_they_keep() {
        let made = spans(130, Some(RULE));
        let expected = [(0..64, 0..56), (48..120, 56..112), (104..130, 112..130)];
        assert_eq!(made, expected.map(|(seen, core)| Span { seen, core }));
    }

    proptest! {
        #[test]
        fn every_cell_is_kept_once_and_no_run_is_too_long(rows in 1u32..400, cols in 1u32..400) {
            let mut kept = vec![0; (rows * cols) as usize];
            for Tile { rows: down, cols: across } in tiles(Grid { rows, cols }, Some(RULE)) {
                prop_assert!(down.seen.len() <= RULE.most_cells && across.seen.len() <= RULE.most_cells);
                for (row, col) in down.core.flat_map(|row| across.core.clone().map(move |col| (row, col))) {
                    prop_assert!(down.seen.contains(&row) && across.seen.contains(&col));
                    kept[row * cols as usize + col] += 1;
                }
            }
            prop_assert!(kept.iter().all(|&times| times == 1));
        }
    }
}
