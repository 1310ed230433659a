//! Is a page read the right way up? Vectors of words that are seen lie near words; those of letters that stand on their side
//! or head lie near none. A sample of the vectors is compared with the commonest words: cheap, and hardly ever in doubt.

use super::canvas::{Canvas, Turn};
use super::manifest::{ByTurn, Turns};
use crate::types::Grid;

/// The rule, and the words that vectors are compared with.
pub(super) struct Compass {
    rule: Turns,
    dim: usize,
    /// `[words, dim]`, rows of norm 1.
    words: Vec<f32>,
}

/// What a look at a page says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Evidence {
    pub vectors: usize,
    /// Shares of the sample that are near no word, and very near one.
    pub weak: f32,
    pub sure: f32,
}

/// A part of a look, in cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub top: usize,
    pub left: usize,
    pub rows: usize,
    pub cols: usize,
}

impl Compass {
    /// `anchors`: `[entries, dim]`, the commonest words first.
    ///
    /// # Errors
    /// A sentence, if there are not as many as the rule wants.
    pub fn new(rule: &Turns, anchors: &[f32], dim: usize) -> Result<Self, String> {
        let words = anchors.get(..rule.anchors * dim).ok_or_else(|| {
            format!("page.turns.anchors is {}, and the model has {} anchors", rule.anchors, anchors.len() / dim)
        })?;
        Ok(Self { rule: rule.clone(), dim, words: words.to_vec() })
    }

    /// `vectors`: `[n, dim]`.
    pub fn evidence(&self, vectors: &[f32]) -> Evidence {
        let count = vectors.len() / self.dim;
        let sample = count.min(self.rule.sample);
        if sample == 0 {
            return Evidence { vectors: 0, weak: 1.0, sure: 0.0 };
        }
        let (mut weak, mut sure) = (0, 0);
        for at in 0..sample {
            let from = at * count / sample * self.dim;
            let best = nearest(&vectors[from..from + self.dim], &self.words);
            weak += usize::from(best < self.rule.weak_below);
            sure += usize::from(best >= self.rule.sure_from);
        }
        let share = |part: usize| part as f32 / sample as f32;
        Evidence { vectors: count, weak: share(weak), sure: share(sure) }
    }

    /// The cells in which something may be written, row by row.
    pub fn contrast(&self, canvas: &Canvas, [width, height]: [usize; 2]) -> Vec<bool> {
        let cols = canvas.width / width;
        let mut contrast = Vec::with_capacity(canvas.data.len() / (width * height));
        for lines in canvas.data.chunks_exact(canvas.width * height) {
            let (mut darkest, mut lightest) = (vec![u8::MAX; cols], vec![0; cols]);
            for line in lines.chunks_exact(canvas.width) {
                for (col, pixels) in line.chunks_exact(width).enumerate() {
                    darkest[col] = pixels.iter().fold(darkest[col], |least, &pixel| least.min(pixel));
                    lightest[col] = pixels.iter().fold(lightest[col], |most, &pixel| most.max(pixel));
                }
            }
            let range = lightest.iter().zip(&darkest).map(|(lightest, darkest)| lightest - darkest);
            contrast.extend(range.map(|range| range >= self.rule.contrast_from));
        }
        contrast
    }

    /// Whether a page that says this upright is worth turning; `seen`: its cells of contrast.
    pub fn doubts(&self, upright: Evidence, seen: usize) -> bool {
        let Turns { tried_from_cells, tried_if_open_below, tried_if_weak, tried_if_sure_below, .. } = self.rule;
        let unread = seen >= tried_from_cells && (upright.vectors as f32) < tried_if_open_below * seen as f32;
        let strange = upright.weak >= tried_if_weak || upright.sure < tried_if_sure_below;
        unread || (upright.vectors >= tried_from_cells && strange)
    }

    /// The square with the most cells of contrast, the first of equals. Its corners are at every fourth cell.
    pub fn window(&self, contrast: &[bool], grid: Grid) -> Window {
        const STEP: usize = 4;
        let (rows, cols) = (grid.rows as usize, grid.cols as usize);
        // Cells of contrast above and left of each corner.
        let mut sums = vec![0u32; (rows + 1) * (cols + 1)];
        for (cell, &seen) in contrast.iter().enumerate() {
            sums[(cell / cols + 1) * (cols + 1) + cell % cols + 1] = u32::from(seen);
        }
        for at in cols + 2..sums.len() {
            if at % (cols + 1) != 0 {
                sums[at] = sums[at] + sums[at - 1] + sums[at - cols - 1] - sums[at - cols - 2];
            }
        }
        let side = self.rule.window_cells;
        let starts = |cells: usize| (0..=cells.saturating_sub(side)).step_by(STEP);
        let windows = starts(rows).flat_map(|top| starts(cols).map(move |left| (top, left)));
        let windows =
            windows.map(|(top, left)| Window { top, left, rows: side.min(rows - top), cols: side.min(cols - left) });
        let seen = |window: &Window| {
            let corner = |row: usize, col: usize| sums[row * (cols + 1) + col];
            let (bottom, right) = (window.top + window.rows, window.left + window.cols);
            corner(bottom, right) + corner(window.top, window.left)
                - corner(window.top, right)
                - corner(bottom, window.left)
        };
        let whole = Window { top: 0, left: 0, rows: side.min(rows), cols: side.min(cols) };
        windows.fold(whole, |best, window| if seen(&window) > seen(&best) { window } else { best })
    }

    /// Whether there are words to be read in this turn.
    pub fn reads(&self, turn: Turn, turned: Evidence) -> bool {
        let Turns { kept_from_vectors, kept_if_sure, kept_if_weak_at_most, .. } = self.rule;
        let says = turned.sure >= kept_if_sure.of(turn) || turned.weak <= kept_if_weak_at_most.of(turn);
        turned.vectors >= kept_from_vectors && says
    }

    /// Whether a page that is read in these turns says something upright too.
    pub fn reads_upright_too(&self, turns: &[Turn], upright: Evidence) -> bool {
        turns.iter().all(|&turn| upright.sure >= self.rule.upright_dropped_if_sure_below.of(turn))
    }
}

impl ByTurn {
    fn of(self, turn: Turn) -> f32 {
        if turn == Turn::Half { self.half } else { self.quarter }
    }
}

/// The largest dot product with any of the words.
fn nearest(vector: &[f32], words: &[f32]) -> f32 {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
        // SAFETY: the processor has both.
        return unsafe { nearest_avx2(vector, words) };
    }
    largest(vector, words)
}

/// The same code, compiled for eight lanes.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn nearest_avx2(vector: &[f32], words: &[f32]) -> f32 {
    largest(vector, words)
}

#[inline(always)]
fn largest(vector: &[f32], words: &[f32]) -> f32 {
    /// Sums that do not wait for each other.
    const LANES: usize = 32;
    let dot = |word: &[f32]| {
        let mut sums = [0.0f32; LANES];
        let (whole, rest) = (vector.chunks_exact(LANES), vector.len() / LANES * LANES);
        for (a, b) in whole.zip(word.chunks_exact(LANES)) {
            for lane in 0..LANES {
                sums[lane] += a[lane] * b[lane];
            }
        }
        let rest = vector[rest..].iter().zip(&word[rest..]).map(|(a, b)| a * b);
        sums.into_iter().chain(rest).sum::<f32>()
    };
    words.chunks_exact(vector.len()).map(dot).fold(f32::NEG_INFINITY, f32::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::glyph::manifest::test_manifest;

    /// A vector whose cosine with the only word is this.
    fn at(cosine: f32) -> [f32; 2] {
        [cosine, (1.0 - cosine * cosine).sqrt()]
    }

    fn compass() -> Compass {
        let rule = Turns { sample: 4, anchors: 1, ..test_manifest().page.turns.unwrap() };
        Compass::new(&rule, &[1.0, 0.0, 0.0, 1.0], 2).unwrap()
    }

    #[test]
    fn a_sample_is_taken_from_the_whole_page() {
        let compass = compass();
        let cosines = [0.95, 0.1, 0.1, 0.1, 0.95, 0.1, 0.78, 0.1];
        let vectors: Vec<f32> = cosines.into_iter().flat_map(at).collect();
        assert_eq!(compass.evidence(&vectors), Evidence { vectors: 8, weak: 0.25, sure: 0.5 });
        assert_eq!(compass.evidence(&[]), Evidence { vectors: 0, weak: 1.0, sure: 0.0 });
    }

    #[test]
    fn only_a_page_that_says_little_is_turned() {
        let compass = compass();
        let says = |vectors, weak, sure| Evidence { vectors, weak, sure };
        assert!(!compass.doubts(says(300, 0.4, 0.4), 700), "text");
        assert!(compass.doubts(says(300, 0.97, 0.0), 700), "text on its head");
        assert!(compass.doubts(says(80, 0.5, 0.5), 700), "text on its side, which the graph does not see");
        assert!(compass.doubts(says(300, 0.8, 0.15), 700), "a table on its side under a heading");
        assert!(!compass.doubts(says(15, 1.0, 0.0), 40), "a cover: too little to tell");
        assert!(!compass.doubts(says(0, 1.0, 0.0), 9), "a blank page");
        let by_chance = says(300, 0.7, 0.09);
        assert!(compass.reads(Turn::Quarter, says(23, 0.6, 0.04)) && !compass.reads(Turn::Half, says(23, 0.6, 0.04)));
        assert!(compass.reads(Turn::Quarter, by_chance) && !compass.reads(Turn::Half, by_chance));
        let too = |turn, sure| compass.reads_upright_too(&[turn], says(300, 0.8, sure));
        assert!(
            too(Turn::Quarter, 0.05) && !too(Turn::Quarter, 0.0) && !too(Turn::Half, 0.05) && too(Turn::Half, 0.15)
        );
    }

    #[test]
    fn cells_with_ink_have_contrast() {
        let mut data = vec![255; 32 * 16];
        data[3 * 32 + 20] = 159;
        data[3] = 160;
        let canvas = Canvas { width: 32, height: 16, data, used: (32, 16) };
        assert_eq!(compass().contrast(&canvas, [16, 16]), [false, true]);
    }

    #[test]
    fn the_window_lies_where_most_is_open() {
        let compass = Compass { rule: Turns { window_cells: 3, ..compass().rule }, ..compass() };
        let grid = Grid { rows: 9, cols: 20 };
        let at = |places: &[(usize, usize)]| -> Vec<bool> {
            (0..9 * 20).map(|cell| places.contains(&(cell / 20, cell % 20))).collect()
        };
        let window = |top, left| Window { top, left, rows: 3, cols: 3 };
        assert_eq!(compass.window(&at(&[]), grid), window(0, 0));
        assert_eq!(compass.window(&at(&[(0, 0), (4, 8), (5, 9)]), grid), window(4, 8));
        assert_eq!(compass.window(&at(&[(0, 0), (4, 8)]), grid), window(0, 0), "the first of equals");
        let small = compass.window(&[false; 14], Grid { rows: 2, cols: 7 });
        assert_eq!(small, Window { top: 0, left: 0, rows: 2, cols: 3 });
    }

    #[test]
    fn every_lane_counts() {
        let word: Vec<f32> = (0..70).map(|at| (at % 7) as f32).collect();
        let vector: Vec<f32> = (0..70).map(|at| (at % 5) as f32).collect();
        let expected: f32 = word.iter().zip(&vector).map(|(a, b)| a * b).sum();
        assert_eq!(nearest(&vector, &[vec![0.0; 70], word].concat()), expected);
    }

    #[test]
    fn a_model_with_fewer_words_is_refused() {
        let rule = Turns { anchors: 3, ..test_manifest().page.turns.unwrap() };
        let error = Compass::new(&rule, &[1.0, 0.0], 2).err().unwrap();
        assert!(error.contains("page.turns.anchors is 3"), "{error}");
    }
}
