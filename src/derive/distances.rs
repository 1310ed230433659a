//! Euclidean distances of all pairs of points, blocked so that most of the work is a matrix product.

use super::simd::{for_this_processor, side_by_side};

/// Sides of a block of a matrix product, whose sums stay in registers.
pub(super) const COLUMNS: usize = 16;
pub(super) const ROWS: usize = 4;

/// A squared distance below this share of the points' squared norms has lost digits to cancellation.
const CANCELLED: f64 = 1e-3;

/// Dot products of the points of two panels, `[dim, points]` each.
#[inline(always)]
pub(super) fn products(rows: &[[f64; ROWS]], columns: &[[f64; COLUMNS]]) -> [[f64; COLUMNS]; ROWS] {
    let mut sums = [[0.0f64; COLUMNS]; ROWS];
    for (row, column) in rows.iter().zip(columns) {
        for r in 0..ROWS {
            for c in 0..COLUMNS {
                sums[r][c] = row[r].mul_add(column[c], sums[r][c]);
            }
        }
    }
    sums
}

for_this_processor! {
    /// Euclidean distances of all pairs `i < j` of points `[n, dim]`, in the order of i, then j: over dot products, and again
    /// over the differences if points nearly coincide.
    pub(super) fn condensed_distances(points: &[f64], dim: usize) -> Vec<f64> {
        let count = points.len() / dim;
        let point = |at: usize| &points[at * dim..][..dim];
        let (rows, columns) = (side_by_side::<_, ROWS>(points, dim), side_by_side::<_, COLUMNS>(points, dim));
        let mut norms: Vec<f64> =
            points.chunks_exact(dim).map(|point| point.iter().map(|value| value * value).sum()).collect();
        norms.resize(columns.len() / dim * COLUMNS, 0.0);
        let mut distances = vec![0.0; count * count.saturating_sub(1) / 2];
        let blocks = columns.chunks_exact(dim).zip(norms.as_chunks::<COLUMNS>().0);
        for ((columns, column_norms), first) in blocks.zip((0..).step_by(COLUMNS)) {
            let end = (first + COLUMNS).min(count);
            for (rows, row) in rows.chunks_exact(dim).zip((0..end).step_by(ROWS)) {
                for (i, products) in (row..count).zip(products(rows, columns)) {
                    let (mut line, lost_digits) = distances_of(&products, norms[i], column_norms);
                    let start = (i + 1).max(first);
                    if start >= end {
                        continue;
                    }
                    if lost_digits {
                        for j in start..end {
                            if is_cancelled(products[j - first], norms[i], norms[j]) {
                                line[j - first] = distance_of_differences(point(i), point(j));
                            }
                        }
                    }
                    let to = &mut distances[i * (2 * count - i - 1) / 2 + start - i - 1..][..end - start];
                    match to.as_chunks_mut::<COLUMNS>().0 {
                        [whole] => *whole = line,
                        _ => to.copy_from_slice(&line[start - first..end - first]),
                    }
                }
            }
        }
        distances
    }
}

/// Distances from dot products and squared norms; true if one has lost digits.
#[inline(always)]
fn distances_of(products: &[f64; COLUMNS], norm: f64, norms: &[f64; COLUMNS]) -> ([f64; COLUMNS], bool) {
    let (mut line, mut lost_digits) = ([0.0; COLUMNS], false);
    for c in 0..COLUMNS {
        lost_digits |= is_cancelled(products[c], norm, norms[c]);
        line[c] = (norm + norms[c] - 2.0 * products[c]).max(0.0).sqrt();
    }
    (line, lost_digits)
}

#[inline(always)]
fn is_cancelled(product: f64, norm_a: f64, norm_b: f64) -> bool {
    let both = norm_a + norm_b;
    both - 2.0 * product < CANCELLED * both
}

fn distance_of_differences(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_the_definition() {
        let value = |i: usize| ((i * 7919 % 1013) as f64 - 500.0) / 333.0;
        for (count, dim) in [(1, 3), (2, 1), (16, 3), (17, 5), (50, 20)] {
            let points: Vec<f64> = (0..count * dim).map(value).collect();
            let found = condensed_distances(&points, dim);
            let point = |at: usize| &points[at * dim..][..dim];
            let pairs = (0..count).flat_map(|i| (i + 1..count).map(move |j| (i, j)));
            let expected: Vec<f64> = pairs.map(|(i, j)| distance_of_differences(point(i), point(j))).collect();
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(expected) {
                assert!(
                    (found - expected).abs() < 1e-12 * expected.max(1.0),
                    "{count} points: {found}, not {expected}"
                );
            }
        }
    }

    #[test]
    fn points_that_nearly_coincide_keep_their_distance() {
        let distances = condensed_distances(&[1e6, 1e6 + 1e-3, 0.0], 1);
        assert!((distances[0] - 1e-3).abs() < 1e-7, "{distances:?}");
    }
}
