//! Dot products of rounded vectors: coordinates on a few principal components, quantized to levels of 7 and 8 bits, of which
//! processors multiply four at once. What rounding and the residuals can add to a product is bounded, so that only pairs
//! whose product may be large enough are looked at in full: of 8,192 entries of the built-in model's codebook a few dozen a
//! patch.

use super::principal::{coordinates, principal_components};
use crate::types::{Multivector, Norms, RoundedEntries};

/// Levels that are multiplied and summed at once; there are a multiple of so many components.
const GROUP: usize = 4;
/// Vectors that meet an entry at once.
const WIDTH: usize = 32;
/// Entries that meet a panel of vectors at once: with [`WIDTH`] vectors, the sums fill 12 of AVX-512's 32 registers.
const ROWS: usize = 6;
/// Blocks of [`ROWS`] entries that every panel meets before the next are read: 36 KB at 48 components.
const TILE: usize = 128;
/// Added to the levels of vectors, so that none is negative: the processors want it so.
const OFFSET: i32 = 64;
/// Largest level of an entry, and of a vector. Two products of the largest (with [`OFFSET`] added) fit into 16 bits.
const MAX_ENTRY_LEVEL: f64 = 127.0;
const MAX_VECTOR_LEVEL: f64 = 63.0;
/// What the rounding of the exact products in f32 may take, as a share of the norms.
const PRODUCT_ROUNDING: f64 = 2e-5;
/// What it may take from the squares of coordinates, as a share of a vector's squares.
const SQUARES_ROUNDING: f64 = 1e-5;

/// A group of each entry that meets a panel.
type Rows = [[i8; GROUP]; ROWS];
/// What the sums of an entry with the columns of a panel are compared with.
type Limits = [i32; WIDTH];

/// The entries, all with one scale: vectors of a model are alike in size.
pub fn round_entries(entries: &Multivector) -> RoundedEntries {
    let components = principal_components(entries, GROUP);
    let count = components.count;
    let coordinates = coordinates(entries.as_slice(), &components);
    let scale = largest_magnitude(&coordinates) / MAX_ENTRY_LEVEL;
    let (groups_of_entry, blocks) = (count.div_ceil(GROUP), entries.len().div_ceil(ROWS));
    let mut groups = vec![[0; GROUP]; blocks * groups_of_entry * ROWS];
    let (mut starts, mut norms) = (vec![0; blocks * ROWS], Norms::default());
    for (at, entry) in entries.rows().enumerate() {
        let rounded = Rounded::new(entry, &coordinates[at * count..][..count], scale);
        norms = Norms {
            vector: norms.vector.max(rounded.norms.vector),
            rounding: norms.rounding.max(rounded.norms.rounding),
            residual: norms.residual.max(rounded.norms.residual),
        };
        starts[at] = -OFFSET * rounded.levels.iter().map(|&level| i32::from(level)).sum::<i32>();
        let block = &mut groups[at / ROWS * groups_of_entry * ROWS..][..groups_of_entry * ROWS];
        for (to, levels) in block.iter_mut().skip(at % ROWS).step_by(ROWS).zip(rounded.levels.chunks(GROUP)) {
            to[..levels.len()].copy_from_slice(levels);
        }
    }
    RoundedEntries { count: entries.len(), components, groups, starts, scale, norms }
}

/// Vectors side by side, `[panels, groups, WIDTH, GROUP]`, the last panel padded.
pub struct Panels {
    groups: usize,
    data: Vec<u8>,
    bounds: Vec<Bound>,
}

/// How the sum of a vector with an entry bounds their product: it is at most `sum * scale + error`.
struct Bound {
    scale: f64,
    error: f64,
}

impl Bound {
    /// A sum that is no larger means a product that does not exceed `least`.
    fn limit(&self, least: f32) -> i32 {
        // Casts saturate, so that every sum exceeds the limit of an infinitely small product. Zeros have no scale.
        let sum = (f64::from(least) - self.error) / self.scale.max(f64::MIN_POSITIVE);
        (sum.floor() as i32).saturating_sub(1)
    }
}

impl Panels {
    pub fn new(vectors: &Multivector, entries: &RoundedEntries) -> Self {
        let count = entries.components.count;
        let groups = count.div_ceil(GROUP);
        let coordinates = coordinates(vectors.as_slice(), &entries.components);
        let mut data = vec![0; vectors.len().div_ceil(WIDTH) * groups * WIDTH * GROUP];
        let mut bounds = Vec::with_capacity(vectors.len());
        for (column, vector) in vectors.rows().enumerate() {
            let coordinates = &coordinates[column * count..][..count];
            let scale = largest_magnitude(coordinates) / MAX_VECTOR_LEVEL;
            let Rounded { levels, norms } = Rounded::new(vector, coordinates, scale);
            let panel = &mut data[column / WIDTH * groups * WIDTH * GROUP..][..groups * WIDTH * GROUP];
            for (at, levels) in levels.chunks(GROUP).enumerate() {
                let to = &mut panel[(at * WIDTH + column % WIDTH) * GROUP..][..levels.len()];
                to.iter_mut().zip(levels).for_each(|(to, &level)| *to = (i32::from(level) + OFFSET) as u8);
            }
            bounds.push(Bound { scale: scale * entries.scale, error: error_bound(norms, entries.norms) });
        }
        Self { groups, data, bounds }
    }

    /// Calls `consider(entry, vector)` for every pair whose product may exceed what was returned for the vector last, in
    /// the order of the entries for each vector. At first every pair does.
    pub fn for_each_candidate(&self, entries: &RoundedEntries, mut consider: impl FnMut(usize, usize) -> f32) {
        #[cfg(target_arch = "x86_64")]
        {
            if std::arch::is_x86_feature_detected!("avx512f") && std::arch::is_x86_feature_detected!("avx512vnni") {
                // SAFETY: the processor has AVX-512 with VNNI.
                return unsafe { x86::drive_vnni(self, entries, consider) };
            }
            if std::arch::is_x86_feature_detected!("avx2") {
                // SAFETY: the processor has AVX2.
                return unsafe { x86::drive_avx2(self, entries, consider) };
            }
        }
        self.drive(entries, &mut consider, plain);
    }

    #[inline(always)]
    fn drive(
        &self,
        entries: &RoundedEntries,
        mut consider: impl FnMut(usize, usize) -> f32,
        kernel: impl Fn(&[u8], &[Rows], &[i32; ROWS], &Limits) -> [u32; ROWS],
    ) {
        let (starts, rows) = (entries.starts.as_chunks().0, entries.groups.as_chunks().0);
        let panels = self.data.chunks_exact(self.groups * WIDTH * GROUP);
        // Nothing exceeds the limit of padding.
        let mut limits = vec![[i32::MAX; WIDTH]; panels.len()];
        limits.as_flattened_mut()[..self.bounds.len()].fill(i32::MIN);
        let tiles = starts.chunks(TILE).zip(rows.chunks(TILE * self.groups)).zip((0..).step_by(TILE * ROWS));
        for ((starts, rows), tile) in tiles {
            for (number, (panel, limits)) in panels.clone().zip(&mut limits).enumerate() {
                let blocks = starts.iter().zip(rows.chunks_exact(self.groups)).zip((tile..).step_by(ROWS));
                for ((starts, rows), first) in blocks {
                    let exceeding = kernel(panel, rows, starts, limits);
                    // The last block has rows beyond the last entry.
                    for (entry, mut columns) in (first..entries.count).zip(exceeding) {
                        while columns != 0 {
                            let column = columns.trailing_zeros() as usize;
                            columns &= columns - 1;
                            let vector = number * WIDTH + column;
                            limits[column] = self.bounds[vector].limit(consider(entry, vector));
                        }
                    }
                }
            }
        }
    }
}

/// A bit for each column whose sum exceeds its limit; a row's sums begin at its start.
fn plain(panel: &[u8], rows: &[Rows], starts: &[i32; ROWS], limits: &Limits) -> [u32; ROWS] {
    std::array::from_fn(|r| {
        let mut sums = [starts[r]; WIDTH];
        for (columns, fours) in panel.as_chunks::<{ WIDTH * GROUP }>().0.iter().zip(rows) {
            for (sum, column) in sums.iter_mut().zip(columns.as_chunks::<GROUP>().0) {
                *sum += column.iter().zip(fours[r]).map(|(&a, b)| i32::from(a) * i32::from(b)).sum::<i32>();
            }
        }
        (0..WIDTH).fold(0, |mask, c| mask | u32::from(sums[c] > limits[c]) << c)
    })
}

/// By how much the product of `x` and `a` may differ from that of their levels. With x' for what the levels of x stand for,
/// the coordinates give `(x - x') a + x' (a - a')`, where |x'| is at most |x| and |x - x'|; the residuals add their own
/// product.
fn error_bound(x: Norms, a: Norms) -> f64 {
    x.rounding * a.vector
        + (x.vector + x.rounding) * a.rounding
        + x.residual * a.residual
        + PRODUCT_ROUNDING * x.vector * a.vector
}

/// What stands for a vector.
struct Rounded {
    /// One a component: its coordinate in units of the scale.
    levels: Vec<i8>,
    norms: Norms,
}

impl Rounded {
    fn new(vector: &[f32], coordinates: &[f32], scale: f64) -> Self {
        let level = |&value: &f32| if scale > 0.0 { (f64::from(value) / scale).round() as i8 } else { 0 };
        let levels: Vec<i8> = coordinates.iter().map(level).collect();
        let errors =
            coordinates.iter().zip(&levels).map(|(&value, &level)| f64::from(value) - f64::from(level) * scale);
        let squares = |values: &[f32]| values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>();
        let whole = squares(vector);
        // Never less than what rounding can hide.
        let residual = (whole - squares(coordinates)).max(0.0) + SQUARES_ROUNDING * whole;
        let rounding = errors.map(|error| error * error).sum::<f64>().sqrt();
        Self { levels, norms: Norms { vector: whole.sqrt(), rounding, residual: residual.sqrt() } }
    }
}

fn largest_magnitude(values: &[f32]) -> f64 {
    values.iter().fold(0.0f32, |largest, value| largest.max(value.abs())).into()
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{GROUP, Limits, Panels, ROWS, RoundedEntries, Rows, WIDTH};
    use std::arch::x86_64::*;

    #[target_feature(enable = "avx512f,avx512vnni")]
    pub(super) fn drive_vnni(panels: &Panels, entries: &RoundedEntries, consider: impl FnMut(usize, usize) -> f32) {
        panels.drive(entries, consider, |panel, rows, starts, limits| vnni(panel, rows, starts, limits));
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn drive_avx2(panels: &Panels, entries: &RoundedEntries, consider: impl FnMut(usize, usize) -> f32) {
        panels.drive(entries, consider, |panel, rows, starts, limits| avx2(panel, rows, starts, limits));
    }

    fn four(group: [i8; GROUP]) -> i32 {
        i32::from_le_bytes(group.map(|number| number as u8))
    }

    // Kernels are functions of their own, without closures and without bounds to check: where they were part of the loop
    // around them, their sums lay in memory.
    #[inline(never)]
    #[target_feature(enable = "avx512f,avx512vnni")]
    pub(super) fn vnni(panel: &[u8], rows: &[Rows], starts: &[i32; ROWS], limits: &Limits) -> [u32; ROWS] {
        let mut sums = [[_mm512_setzero_si512(); 2]; ROWS];
        for r in 0..ROWS {
            sums[r] = [_mm512_set1_epi32(starts[r]); 2];
        }
        for (columns, fours) in panel.as_chunks::<{ WIDTH * GROUP }>().0.iter().zip(rows) {
            // SAFETY: 128 bytes.
            let columns: [__m512i; 2] = unsafe {
                [_mm512_loadu_si512(columns.as_ptr().cast()), _mm512_loadu_si512(columns[64..].as_ptr().cast())]
            };
            for r in 0..ROWS {
                let four = _mm512_set1_epi32(four(fours[r]));
                for v in 0..2 {
                    sums[r][v] = _mm512_dpbusd_epi32(sums[r][v], columns[v], four);
                }
            }
        }
        // SAFETY: 32 numbers.
        let limits: [__m512i; 2] =
            unsafe { [_mm512_loadu_si512(limits.as_ptr().cast()), _mm512_loadu_si512(limits[16..].as_ptr().cast())] };
        let mut masks = [0u32; ROWS];
        for r in 0..ROWS {
            masks[r] = u32::from(_mm512_cmpgt_epi32_mask(sums[r][0], limits[0]))
                | u32::from(_mm512_cmpgt_epi32_mask(sums[r][1], limits[1])) << 16;
        }
        masks
    }

    /// In two halves of 16 columns: their 12 sums fit the 16 registers.
    #[inline(never)]
    #[target_feature(enable = "avx2")]
    pub(super) fn avx2(panel: &[u8], rows: &[Rows], starts: &[i32; ROWS], limits: &Limits) -> [u32; ROWS] {
        const HALF: usize = WIDTH / 2;
        let ones = _mm256_set1_epi16(1);
        // SAFETY: of every slice below the first 64 bytes are there.
        let load =
            |bytes: *const u8| unsafe { [_mm256_loadu_si256(bytes.cast()), _mm256_loadu_si256(bytes.add(32).cast())] };
        let mut masks = [0u32; ROWS];
        for half in 0..2 {
            let mut sums = [[_mm256_setzero_si256(); 2]; ROWS];
            for r in 0..ROWS {
                sums[r] = [_mm256_set1_epi32(starts[r]); 2];
            }
            for (columns, fours) in panel.as_chunks::<{ WIDTH * GROUP }>().0.iter().zip(rows) {
                let columns = load(columns[half * HALF * GROUP..][..HALF * GROUP].as_ptr());
                for r in 0..ROWS {
                    let four = _mm256_set1_epi32(four(fours[r]));
                    for v in 0..2 {
                        let pairs = _mm256_madd_epi16(_mm256_maddubs_epi16(columns[v], four), ones);
                        sums[r][v] = _mm256_add_epi32(sums[r][v], pairs);
                    }
                }
            }
            let limits = load(limits[half * HALF..][..HALF].as_ptr().cast());
            for r in 0..ROWS {
                for v in 0..2 {
                    let exceeds = _mm256_cmpgt_epi32(sums[r][v], limits[v]);
                    let bits = _mm256_movemask_ps(_mm256_castsi256_ps(exceeds)) as u32;
                    masks[r] |= bits << (half * HALF + v * 8);
                }
            }
        }
        masks
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    #[test]
    fn vector_code_equals_plain_code() {
        let groups = 9;
        let mut state = 1u64;
        let mut byte = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        for extreme in [false, true] {
            // The largest numbers are where 16 bits would overflow.
            let panel: Vec<u8> =
                (0..groups * WIDTH * GROUP).map(|_| if extreme { 127 } else { byte() & 127 }).collect();
            let mut number = |row: usize| match extreme {
                true => 127 * (row as i8 % 2 * 2 - 1),
                false => (byte() as i8).max(-127),
            };
            let rows: Vec<Rows> =
                (0..groups).map(|_| std::array::from_fn(|row| std::array::from_fn(|_| number(row)))).collect();
            let starts = std::array::from_fn(|r| r as i32 * 100 - 300);
            let limits = std::array::from_fn(|c| (c as i32 - 16) * 2000);
            let expected = plain(&panel, &rows, &starts, &limits);
            assert!(expected.iter().any(|&mask| mask != 0) && expected.iter().any(|&mask| mask != u32::MAX));
            if std::arch::is_x86_feature_detected!("avx2") {
                // SAFETY: as the line above says.
                assert_eq!(unsafe { x86::avx2(&panel, &rows, &starts, &limits) }, expected);
            }
            if std::arch::is_x86_feature_detected!("avx512f") && std::arch::is_x86_feature_detected!("avx512vnni") {
                // SAFETY: as the line above says.
                assert_eq!(unsafe { x86::vnni(&panel, &rows, &starts, &limits) }, expected);
            }
        }
    }
}
