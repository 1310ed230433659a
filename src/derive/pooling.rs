//! Pooled multivectors: means over rows, columns or clusters of patches.
//!
//! Hierarchical pooling gives the clusters of colpali-engine's `HierarchicalTokenPooler`: Ward's linkage over the
//! Euclidean distances between the *rows* of the cosine-distance matrix, cut by scipy's
//! `fcluster(criterion="maxclust")`.

use super::distances::{COLUMNS, ROWS, products};
use super::linkage::ward_of_points;
use super::simd::{for_this_processor, side_by_side};
use crate::error::{Error, Result};
use crate::types::{Lines, Multivector, PageEmbedding};

/// Mean of the patches in each row of the layout, `[rows with patches, dim]`, of norm 1. Tokens that are no part of the
/// image are left out, and so are rows of which no patch is stored.
///
/// # Errors
/// A bug, if layout and patches disagree.
pub fn rows(page: &PageEmbedding) -> Result<Multivector> {
    means_of_lines(page, page.layout.rows())
}

/// Mean of the patches in each column of the layout, as [`rows`].
///
/// # Errors
/// A bug, if layout and patches disagree.
pub fn cols(page: &PageEmbedding) -> Result<Multivector> {
    means_of_lines(page, page.layout.cols())
}

fn means_of_lines(page: &PageEmbedding, lines: Lines) -> Result<Multivector> {
    means(&page.patches, &lines.of_tokens, lines.count)
}

/// Clusters the vectors into at most `n / factor` (at least 1) and averages each, `[clusters, dim]`, of norm 1; the
/// order is that of scipy's labels. Every token takes part, those that are no part of the image too. A factor of 1
/// changes nothing.
///
/// # Errors
/// Configuration, where the factor is 0; permanent, where a value is no finite number.
pub fn hierarchical(vectors: &Multivector, factor: usize) -> Result<Multivector> {
    if factor == 0 {
        return Err(Error::configuration("a pooling factor of 0 leaves nothing: expected 1 or more"));
    }
    if factor == 1 || vectors.len() < 2 {
        return Ok(vectors.clone());
    }
    if vectors.as_slice().iter().any(|value| !value.is_finite()) {
        return Err(Error::permanent("vectors with values that are no numbers have no distances and can't be pooled"));
    }
    let labels = cluster_labels(vectors, factor);
    let clusters = labels.iter().max().map_or(0, |last| last + 1);
    let labels: Vec<Option<usize>> = labels.into_iter().map(Some).collect();
    means(vectors, &labels, clusters)
}

/// `[n]`: the cluster of each vector, numbered from 0 as `fcluster(...) - 1` numbers them; the factor is 1 or more.
pub fn cluster_labels(vectors: &Multivector, factor: usize) -> Vec<usize> {
    let clusters = (vectors.len() / factor).max(1);
    let (points, dim) = points(vectors);
    ward_of_points(&points, dim).cut(clusters)
}

/// Points `[n, dim']` whose Euclidean distances are those between the rows of `D = 1 - E E^T`.
///
/// `|D_i - D_j|^2 = (e_i - e_j)^T M (e_i - e_j)` with `M = E^T E`; where `M = L L^T`, the points `L^T e_i` have these
/// very distances in `dim` dimensions instead of `n`. Where there are fewer vectors than dimensions the rows of D do.
fn points(vectors: &Multivector) -> (Vec<f64>, usize) {
    let (n, dim) = (vectors.len(), vectors.dim());
    let wide: Vec<f64> = vectors.as_slice().iter().map(|&value| f64::from(value)).collect();
    if n <= dim {
        let mut gram = Vec::with_capacity(n * n);
        for a in wide.chunks_exact(dim) {
            gram.extend(wide.chunks_exact(dim).map(|b| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>()));
        }
        return (gram, n);
    }
    let factor = cholesky(second_moments(&wide, dim), dim);
    (transformed(&wide, &factor, dim), dim)
}

/// The values, and zeros after them.
#[inline(always)]
fn part<const N: usize>(values: &[f64]) -> [f64; N] {
    match values.first_chunk::<N>() {
        Some(whole) => *whole,
        None => std::array::from_fn(|at| values.get(at).copied().unwrap_or_default()),
    }
}

for_this_processor! {
    /// `L^T e` of every row e.
    fn transformed(rows: &[f64], factor: &[f64], dim: usize) -> Vec<f64> {
        let count = rows.len() / dim;
        let panels = side_by_side::<_, ROWS>(rows, dim);
        let mut points = vec![0.0; rows.len()];
        for column in (0..dim).step_by(COLUMNS) {
            let width = COLUMNS.min(dim - column);
            // Lines of L above the diagonal are zero in these columns.
            let lines: Vec<[f64; COLUMNS]> =
                (column..dim).map(|line| part(&factor[line * dim + column..][..width])).collect();
            for (panel, first) in panels.chunks_exact(dim).zip((0..count).step_by(ROWS)) {
                for (row, sums) in (first..count).zip(products(&panel[column..], &lines)) {
                    points[row * dim + column..][..width].copy_from_slice(&sums[..width]);
                }
            }
        }
        points
    }
}

for_this_processor! {
    /// `E^T E`, `[dim, dim]`: the lower triangle, and a little more.
    fn second_moments(rows: &[f64], dim: usize) -> Vec<f64> {
        let mut moments = vec![0.0; dim * dim];
        for row in (0..dim).step_by(ROWS) {
            for column in (0..(row + ROWS).min(dim)).step_by(COLUMNS) {
                let (height, width) = (ROWS.min(dim - row), COLUMNS.min(dim - column));
                let mut sums = [[0.0f64; COLUMNS]; ROWS];
                for e in rows.chunks_exact(dim) {
                    let a = part::<ROWS>(&e[row..][..height]);
                    let b = part::<COLUMNS>(&e[column..][..width]);
                    for r in 0..ROWS {
                        for c in 0..COLUMNS {
                            sums[r][c] = a[r].mul_add(b[c], sums[r][c]);
                        }
                    }
                }
                for r in 0..height {
                    moments[(row + r) * dim + column..][..width].copy_from_slice(&sums[r][..width]);
                }
            }
        }
        moments
    }
}

/// Lower triangle L of `matrix = L L^T`, `[dim, dim]`. A direction in which the matrix has nothing (up to rounding)
/// becomes a zero column: the vectors that it was made of do not differ there.
fn cholesky(mut matrix: Vec<f64>, dim: usize) -> Vec<f64> {
    let largest = (0..dim).map(|i| matrix[i * dim + i]).fold(0.0, f64::max);
    for column in 0..dim {
        let pivot = matrix[column * dim + column];
        let root = if pivot > largest * 1e-14 { pivot.sqrt() } else { 0.0 };
        let scale = if root > 0.0 { 1.0 / root } else { 0.0 };
        let below: Vec<f64> = (column + 1..dim).map(|row| matrix[row * dim + column] * scale).collect();
        matrix[column * dim + column] = root;
        matrix[column * dim + column + 1..][..dim - column - 1].fill(0.0);
        for (at, &value) in below.iter().enumerate() {
            let row = column + 1 + at;
            matrix[row * dim + column] = value;
            for (other, target) in below[..=at].iter().zip(&mut matrix[row * dim + column + 1..]) {
                *target -= value * other;
            }
        }
    }
    matrix
}

/// Mean of the vectors of each label, renormalised, in order of label; labels that no vector has are left out.
fn means(vectors: &Multivector, labels: &[Option<usize>], groups: usize) -> Result<Multivector> {
    let dim = vectors.dim();
    if labels.len() != vectors.len() || labels.iter().flatten().any(|&label| label >= groups) {
        return Err(Error::bug(format!("a layout of {} cells does not fit {} vectors", labels.len(), vectors.len())));
    }
    let mut sums = vec![0.0f32; groups * dim];
    let mut counts = vec![0u32; groups];
    for (row, label) in vectors.rows().zip(labels) {
        if let Some(label) = *label {
            counts[label] += 1;
            sums[label * dim..][..dim].iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
    }
    let mut pooled = Vec::with_capacity(groups * dim);
    for (sum, _) in sums.chunks_exact(dim).zip(&counts).filter(|(_, count)| **count > 0) {
        // The direction of a sum is that of the mean. Opposite vectors cancel to 0, which has none and stays 0.
        let norm = sum.iter().map(|value| value * value).sum::<f32>().sqrt().max(1e-12);
        pooled.extend(sum.iter().map(|value| value / norm));
    }
    Multivector::new(dim, pooled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Grid, TokenLayout};

    /// One case of tests/fixtures/pooling/cases.json, written by the make.py beside it with scipy.
    #[derive(serde::Deserialize)]
    struct Case {
        n: usize,
        factor: usize,
        seed: u64,
        /// `[n]`, `fcluster(...) - 1`.
        labels: Vec<usize>,
        /// First eight values of the first and the last pooled vector.
        first: Vec<f32>,
        last: Vec<f32>,
    }

    const DIM: usize = 128;

    /// The same vectors as `vectors` in make.py: uniform values of a 64-bit linear congruential generator around one of
    /// n / 4 (at least 1) centres, normalised in f64.
    fn vectors(seed: u64, n: usize) -> Multivector {
        let mut state = seed;
        let mut uniform = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 53) as f64 - 0.5
        };
        let centres: Vec<Vec<f64>> = (0..(n / 4).max(1)).map(|_| (0..DIM).map(|_| uniform()).collect()).collect();
        let mut data = Vec::with_capacity(n * DIM);
        for i in 0..n {
            let row: Vec<f64> = centres[i * 7 % centres.len()].iter().map(|centre| centre + 0.8 * uniform()).collect();
            let norm = row.iter().map(|value| value * value).sum::<f64>().sqrt();
            data.extend(row.iter().map(|value| (value / norm) as f32));
        }
        Multivector::new(DIM, data).unwrap()
    }

    #[test]
    fn clusters_equal_colpali_engines() {
        let cases: Vec<Case> = serde_json::from_str(include_str!("../../tests/fixtures/pooling/cases.json")).unwrap();
        assert!(cases.len() >= 12);
        for case in cases {
            let vectors = vectors(case.seed, case.n);
            assert_eq!(cluster_labels(&vectors, case.factor), case.labels, "n {} factor {}", case.n, case.factor);
            let pooled = hierarchical(&vectors, case.factor).unwrap();
            for (expected, row) in [(&case.first, pooled.row(0)), (&case.last, pooled.row(pooled.len() - 1))] {
                for (expected, value) in expected.iter().zip(row) {
                    assert!((expected - value).abs() < 1e-5, "n {} factor {}", case.n, case.factor);
                }
            }
        }
    }

    #[test]
    fn one_vector_and_factor_one_stay_as_they_are() {
        let one = vectors(1, 1);
        assert_eq!(hierarchical(&one, 3).unwrap(), one);
        let many = vectors(2, 9);
        assert_eq!(hierarchical(&many, 1).unwrap(), many);
        assert!(hierarchical(&many, 0).is_err());
        let mut data = many.into_vec();
        data[DIM + 3] = f32::NAN;
        assert!(hierarchical(&Multivector::new(DIM, data).unwrap(), 3).unwrap_err().message().contains("no numbers"));
    }

    #[test]
    fn equal_vectors_pool_without_harm() {
        let mut data = vectors(3, 200).into_vec();
        let first = data[..DIM].to_vec();
        data.chunks_exact_mut(DIM).step_by(2).for_each(|row| row.copy_from_slice(&first));
        let pooled = hierarchical(&Multivector::new(DIM, data).unwrap(), 3).unwrap();
        assert!(pooled.len() <= 66 && pooled.as_slice().iter().all(|value| value.is_finite()));
    }

    #[test]
    fn rows_and_columns_of_a_partial_grid() {
        let patches = Multivector::new(2, vec![1.0, 0.0, 0.0, 1.0, 3.0, 4.0, 9.0, 9.0]).unwrap();
        // 3 x 2 cells: the middle row is not stored, the last vector is no part of the image.
        let cells = vec![Some(0), Some(1), Some(5), None];
        let layout = TokenLayout::grid(Grid { rows: 3, cols: 2 }, cells, (1.0, 1.0)).unwrap();
        let page = PageEmbedding { patches, layout };
        let half = 0.5f32.sqrt();
        let close = |found: &Multivector, expected: &[f32]| {
            assert_eq!(found.as_slice().len(), expected.len());
            found.as_slice().iter().zip(expected).for_each(|(a, b)| assert!((a - b).abs() < 1e-6));
        };
        close(&rows(&page).unwrap(), &[half, half, 0.6, 0.8]);
        let norm = (9.0f32 + 25.0).sqrt();
        close(&cols(&page).unwrap(), &[1.0, 0.0, 3.0 / norm, 5.0 / norm]);
    }
}
