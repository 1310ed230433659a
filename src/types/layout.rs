//! Where on the page each vector of a model lies: rectangles in page coordinates, kept in a compact form.
//!
//! A model looks at a page through one or more grids of equal cells: one grid over the whole page, or over a canvas that
//! is larger than the page; a grid for each tile; a coarse grid beside a fine one. Readers ask for rectangles
//! ([`TokenLayout::rect`]) and for what lies in one row or column, never for the grids.

use serde::{Deserialize, Serialize};

use super::{MAX_MULTIVECTOR_FLOATS, Rect};
use crate::error::{Error, Result};

/// Rows and columns of cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grid {
    pub rows: u32,
    pub cols: u32,
}

impl Grid {
    fn cells(self) -> u64 {
        u64::from(self.rows) * u64::from(self.cols)
    }
}

/// One grid of equal cells and where it lies: one scale at which a model looks at a page, or one tile of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    #[serde(flatten)]
    pub grid: Grid,
    /// The rectangle that the grid fills, in fractions of the page. It may reach beyond the page: a model's canvas is often
    /// larger than what is drawn on it.
    #[serde(default = "whole_page", skip_serializing_if = "is_whole_page")]
    pub extent: Rect,
}

const WHOLE_PAGE: Rect = Rect { left: 0.0, top: 0.0, right: 1.0, bottom: 1.0 };

fn whole_page() -> Rect {
    WHOLE_PAGE
}

fn is_whole_page(extent: &Rect) -> bool {
    *extent == WHOLE_PAGE
}

/// Where on the page each stored vector lies; one entry a vector.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenLayout {
    scales: Vec<Scale>,
    /// Cells are numbered through all scales, row by row in each; every number is that of a cell. None: the token is no
    /// part of the image.
    cells: Vec<Option<u32>>,
}

/// Which row (or column) of patches each vector belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lines {
    /// Rows (or columns) of all scales together; some may have no vector.
    pub count: usize,
    /// One entry a vector, each less than `count`; None: the token is no part of the image.
    pub of_tokens: Vec<Option<usize>>,
}

impl TokenLayout {
    /// `cells`: one entry a vector, the number of its cell counted through all scales, row by row in each; None for a token
    /// that is no part of the image.
    ///
    /// # Errors
    /// A bug, if a number is that of no cell.
    pub fn new(scales: Vec<Scale>, cells: Vec<Option<u32>>) -> Result<Self> {
        let count: u64 = scales.iter().map(|scale| scale.grid.cells()).sum();
        match cells.iter().flatten().find(|&&cell| u64::from(cell) >= count) {
            None => Ok(Self { scales, cells }),
            Some(cell) => Err(Error::bug(format!("a token layout of {count} cells has no cell {cell}"))),
        }
    }

    /// One grid on a canvas of which the page covers the upper left part: `covered` is its width and height in fractions of
    /// the canvas, `(1.0, 1.0)` if the page fills it. Cell `c` stands in row `c / cols`, column `c % cols`.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn grid(grid: Grid, cells: Vec<Option<u32>>, covered: (f32, f32)) -> Result<Self> {
        let extent = Rect { right: 1.0 / covered.0, bottom: 1.0 / covered.1, ..WHOLE_PAGE };
        Self::new(vec![Scale { grid, extent }], cells)
    }

    /// Every cell of one grid in order, the page filling the canvas.
    pub fn full(grid: Grid) -> Self {
        let cells = (0..grid.rows * grid.cols).map(Some).collect();
        Self { scales: vec![Scale { grid, extent: WHOLE_PAGE }], cells }
    }

    /// The same with `count` more tokens that are no part of the image: a prompt after the patches.
    pub fn followed_by_text(mut self, count: usize) -> Self {
        self.cells.extend(std::iter::repeat_n(None, count));
        self
    }

    /// Vectors that the layout tells of.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    pub fn scales(&self) -> &[Scale] {
        &self.scales
    }

    /// The cell of each vector, numbered as [`Self::new`] says.
    pub fn cells(&self) -> &[Option<u32>] {
        &self.cells
    }

    /// Where on the page the vector lies; None for a token that is no part of the image. A cell that lies wholly beyond the
    /// page has a rectangle without area at its edge.
    pub fn rect(&self, token: usize) -> Option<Rect> {
        let (_, Scale { grid, extent }, cell) = self.place((*self.cells.get(token)?)?)?;
        let (row, col) = (cell / grid.cols, cell % grid.cols);
        let between = |from: f32, to: f32, step: u32, steps: u32| {
            let (from, to) = (f64::from(from), f64::from(to));
            (from + (to - from) * f64::from(step) / f64::from(steps)).clamp(0.0, 1.0) as f32
        };
        let x = |col: u32| between(extent.left, extent.right, col, grid.cols);
        let y = |row: u32| between(extent.top, extent.bottom, row, grid.rows);
        Some(Rect { left: x(col), top: y(row), right: x(col + 1), bottom: y(row + 1) })
    }

    /// [`Self::rect`] of every vector.
    pub fn rects(&self) -> impl ExactSizeIterator<Item = Option<Rect>> {
        (0..self.len()).map(|token| self.rect(token))
    }

    /// Vectors in rows: those of one scale whose rectangles share top and bottom. From top to bottom, scale after scale.
    pub fn rows(&self) -> Lines {
        self.lines(|grid| grid.rows, |grid, cell| cell / grid.cols)
    }

    /// Vectors in columns: those of one scale whose rectangles share left and right. From left to right, scale after scale.
    pub fn cols(&self) -> Lines {
        self.lines(|grid| grid.cols, |grid, cell| cell % grid.cols)
    }

    fn lines(&self, of_grid: fn(Grid) -> u32, of_cell: fn(Grid, u32) -> u32) -> Lines {
        let (mut count, mut firsts) = (0, Vec::with_capacity(self.scales.len()));
        for scale in &self.scales {
            firsts.push(count);
            count += of_grid(scale.grid) as usize;
        }
        let line = |cell: u32| {
            let (number, scale, cell) = self.place(cell)?;
            Some(firsts[number] + of_cell(scale.grid, cell) as usize)
        };
        Lines { count, of_tokens: self.cells.iter().map(|cell| cell.and_then(line)).collect() }
    }

    /// Number of the scale that each vector is a cell of; None for a token that is no part of the image.
    pub fn scales_of_tokens(&self) -> Vec<Option<usize>> {
        self.cells.iter().map(|cell| Some(self.place((*cell)?)?.0)).collect()
    }

    /// The scale that a cell belongs to, with its number, and the cell's number in it.
    fn place(&self, cell: u32) -> Option<(usize, Scale, u32)> {
        let mut first = 0;
        for (number, &scale) in self.scales.iter().enumerate() {
            let within = u64::from(cell) - first;
            if within < scale.grid.cells() {
                return Some((number, scale, within as u32));
            }
            first += scale.grid.cells();
        }
        None
    }
}

/// A [`TokenLayout`] in few bytes, for payloads and exports.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PackedLayout {
    pub scales: Vec<Scale>,
    /// Runs of ascending cells, numbered through all scales, and `x` for tokens that are no part of the image: `0-1023,x6`.
    pub tokens: String,
}

impl From<&TokenLayout> for PackedLayout {
    fn from(layout: &TokenLayout) -> Self {
        Self { scales: layout.scales.clone(), tokens: runs_of(&layout.cells) }
    }
}

impl PackedLayout {
    /// # Errors
    /// Permanent, if it is not what a layout is packed to.
    pub fn unpack(&self) -> Result<TokenLayout> {
        let count: u64 = self.scales.iter().map(|scale| scale.grid.cells()).sum();
        Ok(TokenLayout { scales: self.scales.clone(), cells: cells_of(&self.tokens, count)? })
    }
}

/// A layout as payloads hold it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a payload needs 'layout', or 'grid', 'cells' and 'covered' as they were written before")]
pub enum PayloadLayout {
    /// As it is written.
    Rectangles { layout: PackedLayout },
    /// As it was written while a layout was the cells of one grid. Collections of that time stay readable.
    OneGrid {
        grid: Grid,
        /// Runs, as in [`PackedLayout::tokens`].
        cells: String,
        /// Fractions of the canvas that the page covers, `[x, y]`.
        covered: [f32; 2],
    },
}

impl From<&TokenLayout> for PayloadLayout {
    fn from(layout: &TokenLayout) -> Self {
        Self::Rectangles { layout: layout.into() }
    }
}

impl PayloadLayout {
    /// # Errors
    /// Permanent, if no such layout can have been written.
    pub fn unpack(&self) -> Result<TokenLayout> {
        match self {
            Self::Rectangles { layout } => layout.unpack(),
            Self::OneGrid { grid, cells, covered } => {
                TokenLayout::grid(*grid, cells_of(cells, grid.cells())?, (covered[0], covered[1]))
            }
        }
    }
}

fn runs_of(cells: &[Option<u32>]) -> String {
    let follows = |a: &Option<u32>, b: &Option<u32>| match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => a.checked_add(1) == Some(*b),
        _ => false,
    };
    let runs = cells.chunk_by(follows).map(|run| match (run[0], run[run.len() - 1]) {
        (Some(first), Some(last)) if first != last => format!("{first}-{last}"),
        (Some(only), _) => only.to_string(),
        (None, _) => format!("x{}", run.len()),
    });
    runs.collect::<Vec<_>>().join(",")
}

/// Reads what [`runs_of`] wrote for a layout of so many cells.
fn cells_of(runs: &str, count: u64) -> Result<Vec<Option<u32>>> {
    let bad =
        || Error::permanent(format!("'{runs}' is not a token layout of {count} cells: expected '0-7,9,x2' or so"));
    let number = |text: &str| text.parse::<u32>().map_err(|_| bad());
    let mut cells = Vec::new();
    for run in runs.split(',').filter(|run| !run.is_empty()) {
        let (length, first) = match run.strip_prefix('x') {
            Some(length) => (number(length)?, None),
            None => {
                let (first, last) = run.split_once('-').unwrap_or((run, run));
                let (first, last) = (number(first)?, number(last)?);
                if first > last || u64::from(last) >= count {
                    return Err(bad());
                }
                (last - first + 1, Some(first))
            }
        };
        // No page has more vectors; a damaged text could ask for gigabytes.
        if cells.len() + length as usize > MAX_MULTIVECTOR_FLOATS {
            return Err(bad());
        }
        cells.extend((0..length).map(|step| first.map(|first| first + step)));
    }
    Ok(cells)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rect(left: f32, top: f32, right: f32, bottom: f32) -> Rect {
        Rect { left, top, right, bottom }
    }

    /// Two tiles side by side, each of 2 x 2 cells, and the whole page once more as 1 x 2.
    fn tiled() -> Vec<Scale> {
        let tile = Grid { rows: 2, cols: 2 };
        vec![
            Scale { grid: tile, extent: rect(0.0, 0.0, 0.5, 1.0) },
            Scale { grid: tile, extent: rect(0.5, 0.0, 1.0, 1.0) },
            Scale { grid: Grid { rows: 1, cols: 2 }, extent: WHOLE_PAGE },
        ]
    }

    #[test]
    fn a_colpali_layout_is_short_as_json() {
        let layout = TokenLayout::full(Grid { rows: 32, cols: 32 }).followed_by_text(6);
        let json = serde_json::to_string(&PayloadLayout::from(&layout)).unwrap();
        assert_eq!(json, r#"{"layout":{"scales":[{"rows":32,"cols":32}],"tokens":"0-1023,x6"}}"#);
        assert_eq!(layout.rect(33), Some(rect(1.0 / 32.0, 1.0 / 32.0, 2.0 / 32.0, 2.0 / 32.0)));
        assert_eq!((layout.len(), layout.rect(1024), layout.rect(1030)), (1030, None, None));
    }

    #[test]
    fn cells_lie_on_the_page_and_not_on_the_canvas() {
        let cells = vec![Some(1), Some(2)];
        let layout = TokenLayout::grid(Grid { rows: 2, cols: 2 }, cells, (1.0, 0.5)).unwrap();
        // The page ends where the first row of the canvas does.
        assert_eq!(
            layout.rects().collect::<Vec<_>>(),
            [Some(rect(0.5, 0.0, 1.0, 1.0)), Some(rect(0.0, 1.0, 0.5, 1.0))]
        );
    }

    #[test]
    fn tiles_and_scales_have_rectangles_rows_and_columns_of_their_own() {
        let layout = TokenLayout::new(tiled(), vec![Some(3), None, Some(4), Some(7), Some(9)]).unwrap();
        let rects: Vec<Option<Rect>> = layout.rects().collect();
        assert_eq!(
            rects,
            [
                Some(rect(0.25, 0.5, 0.5, 1.0)),
                None,
                Some(rect(0.5, 0.0, 0.75, 0.5)),
                Some(rect(0.75, 0.5, 1.0, 1.0)),
                Some(rect(0.5, 0.0, 1.0, 1.0)),
            ]
        );
        let rows = layout.rows();
        assert_eq!((rows.count, rows.of_tokens), (5, vec![Some(1), None, Some(2), Some(3), Some(4)]));
        let cols = layout.cols();
        assert_eq!((cols.count, cols.of_tokens), (6, vec![Some(1), None, Some(2), Some(3), Some(5)]));
    }

    #[test]
    fn what_no_layout_was_packed_to_is_refused() {
        assert!(TokenLayout::new(tiled(), vec![Some(10)]).unwrap_err().message().contains("no cell 10"));
        for tokens in ["0-10", "3-1", "a", "1-", "x", "x4294967295", "x1048577", "-1"] {
            let error = PackedLayout { scales: tiled(), tokens: tokens.into() }.unpack().unwrap_err();
            assert!(error.message().contains(tokens), "{error}");
        }
        let cells = "0-4".into();
        assert!(PayloadLayout::OneGrid { grid: Grid { rows: 2, cols: 2 }, cells, covered: [1.0; 2] }.unpack().is_err());
    }

    proptest! {
        #[test]
        fn layouts_survive_their_json(cells in prop::collection::vec(prop::option::of(0u32..10), 0..300)) {
            let layout = TokenLayout::new(tiled(), cells).unwrap();
            let json = serde_json::to_value(PayloadLayout::from(&layout)).unwrap();
            let read: PayloadLayout = serde_json::from_value(json).unwrap();
            prop_assert_eq!(read.unpack().unwrap(), layout);
        }

        /// Rows and columns are what their definition says, in terms of rectangles.
        #[test]
        fn lines_share_their_sides(cells in prop::collection::vec(prop::option::of(0u32..8), 0..40)) {
            let layout = TokenLayout::new(tiled()[..2].to_vec(), cells).unwrap();
            let (rows, cols) = (layout.rows().of_tokens, layout.cols().of_tokens);
            for (a, b) in (0..layout.len()).flat_map(|a| (0..a).map(move |b| (a, b))) {
                let (Some(first), Some(second)) = (layout.rect(a), layout.rect(b)) else {
                    prop_assert!(layout.rect(a).is_some() || rows[a].is_none() && cols[a].is_none());
                    continue;
                };
                let tile = |rect: Rect| rect.left >= 0.5;
                let one = tile(first) == tile(second);
                prop_assert_eq!(rows[a] == rows[b], one && first.top == second.top && first.bottom == second.bottom);
                prop_assert_eq!(cols[a] == cols[b], one && first.left == second.left && first.right == second.right);
            }
        }
    }
}
