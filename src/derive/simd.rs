//! Many dot products at once, the inner loop of anchors and MUVERA: `entries x columns` blocks of a product of two
//! matrices, kept in registers.
//!
//! Every lane sums its terms in the order of the dimensions with one fused rounding a term, on every processor and in
//! the plain code, so a result never depends on the machine.

/// Compiles a plain function for AVX-512 and AVX2 (with FMA) too and takes the widest that the processor has. For loops
/// over slices that the compiler turns into vector code by itself; the order of additions, and so the result, is the same
/// in all of them.
macro_rules! for_this_processor {
    ($(#[$doc:meta])* $visible:vis fn $name:ident($($arg:ident: $type:ty),* $(,)?) -> $result:ty $body:block) => {
        $(#[$doc])*
        $visible fn $name($($arg: $type),*) -> $result {
            #[inline(always)]
            fn plain($($arg: $type),*) -> $result $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f")]
                fn avx512($($arg: $type),*) -> $result {
                    plain($($arg),*)
                }
                #[target_feature(enable = "avx2,fma")]
                fn avx2($($arg: $type),*) -> $result {
                    plain($($arg),*)
                }
                if std::arch::is_x86_feature_detected!("avx512f") {
                    // SAFETY: the processor has AVX-512.
                    return unsafe { avx512($($arg),*) };
                }
                if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
                    // SAFETY: the processor has AVX2 and FMA.
                    return unsafe { avx2($($arg),*) };
                }
            }
            plain($($arg),*)
        }
    };
}
pub(super) use for_this_processor;

/// `[panels, dim, N]`: rows of `[n, dim]` side by side, N in a panel, the last padded with zeros.
#[inline(always)]
pub(super) fn side_by_side<T: Copy + Default, const N: usize>(rows: &[T], dim: usize) -> Vec<[T; N]> {
    let mut panels = Vec::with_capacity((rows.len() / dim).div_ceil(N) * dim);
    for rows in rows.chunks(N * dim) {
        if rows.len() == N * dim {
            let rows: [&[T]; N] = std::array::from_fn(|n| &rows[n * dim..][..dim]);
            panels.extend((0..dim).map(|at| rows.map(|row| row[at])));
        } else {
            let value = |n, at| rows.get(n * dim + at).copied().unwrap_or_default();
            panels.extend((0..dim).map(|at| std::array::from_fn(|n| value(n, at))));
        }
    }
    panels
}

/// Matrix columns side by side: `[panels, dim, WIDTH]`, the last panel padded with zero columns.
pub(super) struct Panels {
    dim: usize,
    columns: usize,
    data: Vec<f32>,
}

/// Columns of a panel: two registers of AVX-512, four of AVX2.
pub(super) const WIDTH: usize = 32;
/// Rows of the other matrix that one block takes: with [`WIDTH`] columns, the sums fill 12 of the 32 registers of
/// AVX-512.
pub(super) const ROWS: usize = 6;

/// Rows that every panel meets before the next are read: 128 KB at 128 dimensions, which stay in the core's own cache. A
/// codebook of megabytes would otherwise come from memory again for each panel.
const TILE: usize = 42 * ROWS;

/// Sums of one block, `[ROWS, WIDTH]`.
pub(super) type Block = [[f32; WIDTH]; ROWS];

impl Panels {
    /// `rows`: `[columns, dim]`, row-major; each becomes a column.
    pub fn new(rows: &[f32], dim: usize) -> Self {
        Self { dim, columns: rows.len() / dim, data: side_by_side::<_, WIDTH>(rows, dim).into_flattened() }
    }

    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Calls `visit(first row, first column, sums)` for every block of `rows x self`, rows ascending within each panel.
    /// `rows`: `[n, dim]`, row-major. Sums of rows beyond `n` and columns beyond the matrix mean nothing.
    pub fn for_each_block(&self, rows: &[f32], visit: impl FnMut(usize, usize, &Block)) {
        #[cfg(target_arch = "x86_64")]
        {
            if std::arch::is_x86_feature_detected!("avx512f") {
                // SAFETY: the processor has AVX-512.
                return unsafe { x86::drive_avx512(self, rows, visit) };
            }
            if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
                // SAFETY: the processor has AVX2 and FMA.
                return unsafe { x86::drive_avx2(self, rows, visit) };
            }
        }
        self.drive(rows, visit, plain);
    }

    /// The loop, with `kernel` and `visit` compiled into it for the processor of the caller.
    #[inline(always)]
    fn drive(
        &self,
        rows: &[f32],
        mut visit: impl FnMut(usize, usize, &Block),
        kernel: impl Fn(&[f32], [&[f32]; ROWS]) -> Block,
    ) {
        let count = rows.len() / self.dim;
        for tile in (0..count).step_by(TILE) {
            for (number, panel) in self.data.chunks_exact(WIDTH * self.dim).enumerate() {
                for first in (tile..count.min(tile + TILE)).step_by(ROWS) {
                    // Rows beyond the end repeat the last one: their sums are not looked at.
                    let rows = std::array::from_fn(|r| &rows[(first + r).min(count - 1) * self.dim..][..self.dim]);
                    visit(first, number * WIDTH, &kernel(panel, rows));
                }
            }
        }
    }
}

fn plain(panel: &[f32], rows: [&[f32]; ROWS]) -> Block {
    let mut sums = [[0.0; WIDTH]; ROWS];
    for (at, columns) in panel.chunks_exact(WIDTH).enumerate() {
        for (sums, row) in sums.iter_mut().zip(rows) {
            for (sum, &column) in sums.iter_mut().zip(columns) {
                *sum = row[at].mul_add(column, *sum);
            }
        }
    }
    sums
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Block, Panels, ROWS, WIDTH};
    use std::arch::x86_64::*;

    #[target_feature(enable = "avx512f")]
    pub(super) fn drive_avx512(panels: &Panels, rows: &[f32], visit: impl FnMut(usize, usize, &Block)) {
        panels.drive(rows, visit, |panel, rows| avx512(panel, rows));
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn drive_avx2(panels: &Panels, rows: &[f32], visit: impl FnMut(usize, usize, &Block)) {
        panels.drive(rows, visit, |panel, rows| avx2(panel, rows));
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn avx512(panel: &[f32], rows: [&[f32]; ROWS]) -> Block {
        const VECTORS: usize = WIDTH / 16;
        let dim = panel.len() / WIDTH;
        // Once, so that nothing is checked inside the loop.
        assert!(rows.iter().all(|row| row.len() == dim));
        let mut sums = [[_mm512_setzero_ps(); VECTORS]; ROWS];
        for at in 0..dim {
            let columns = &panel[at * WIDTH..][..WIDTH];
            // SAFETY: `columns` has WIDTH floats.
            let columns: [__m512; VECTORS] =
                unsafe { [_mm512_loadu_ps(columns.as_ptr()), _mm512_loadu_ps(columns.as_ptr().add(16))] };
            for r in 0..ROWS {
                // SAFETY: a row has `dim` floats, as asserted above.
                let value = _mm512_set1_ps(unsafe { *rows[r].get_unchecked(at) });
                for v in 0..VECTORS {
                    sums[r][v] = _mm512_fmadd_ps(value, columns[v], sums[r][v]);
                }
            }
        }
        let mut block = [[0.0; WIDTH]; ROWS];
        for (sums, row) in sums.iter().zip(&mut block) {
            for (v, sum) in sums.iter().enumerate() {
                // SAFETY: a row has WIDTH floats.
                unsafe { _mm512_storeu_ps(row.as_mut_ptr().add(v * 16), *sum) };
            }
        }
        block
    }

    /// In two halves of 16 columns: their 12 sums fit the 16 registers.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn avx2(panel: &[f32], rows: [&[f32]; ROWS]) -> Block {
        let dim = panel.len() / WIDTH;
        assert!(rows.iter().all(|row| row.len() == dim));
        let mut block = [[0.0; WIDTH]; ROWS];
        for half in (0..WIDTH).step_by(16) {
            let mut sums = [[_mm256_setzero_ps(); 2]; ROWS];
            for at in 0..dim {
                let columns = &panel[at * WIDTH + half..][..16];
                // SAFETY: `columns` has 16 floats.
                let columns: [__m256; 2] =
                    unsafe { [_mm256_loadu_ps(columns.as_ptr()), _mm256_loadu_ps(columns.as_ptr().add(8))] };
                for r in 0..ROWS {
                    // SAFETY: a row has `dim` floats, as asserted above.
                    let value = _mm256_set1_ps(unsafe { *rows[r].get_unchecked(at) });
                    for v in 0..2 {
                        sums[r][v] = _mm256_fmadd_ps(value, columns[v], sums[r][v]);
                    }
                }
            }
            for (sums, row) in sums.iter().zip(&mut block) {
                for (v, sum) in sums.iter().enumerate() {
                    // SAFETY: a row has WIDTH floats, and `half + 16 <= WIDTH`.
                    unsafe { _mm256_storeu_ps(row.as_mut_ptr().add(half + v * 8), *sum) };
                }
            }
        }
        block
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vector_code_equals_plain_code_bit_for_bit() {
        let dim = 37;
        let value = |i: usize| ((i * 7919 % 1013) as f32 - 500.0) / 333.0;
        let columns: Vec<f32> = (0..70 * dim).map(value).collect();
        let rows: Vec<f32> = (0..13 * dim).map(|i| value(i + 5)).collect();
        let panels = Panels::new(&columns, dim);
        assert_eq!(panels.columns(), 70);
        let mut seen = 0;
        panels.for_each_block(&rows, |row, column, block| {
            for (r, sums) in block.iter().enumerate().filter(|(r, _)| row + r < 13) {
                for (c, &sum) in sums.iter().enumerate().filter(|(c, _)| column + c < 70) {
                    let a = &rows[(row + r) * dim..][..dim];
                    let b = &columns[(column + c) * dim..][..dim];
                    let expected = a.iter().zip(b).fold(0.0f32, |sum, (a, b)| a.mul_add(*b, sum));
                    assert_eq!(sum.to_bits(), expected.to_bits(), "row {} column {}", row + r, column + c);
                    seen += 1;
                }
            }
        });
        assert_eq!(seen, 13 * 70);
    }
}
