//! The few directions that hold most of what a model's vectors say: of the built-in model's 128 dimensions 48 hold 98 % of
//! its codebook. What lies beside them can add little to a product, and how much is known.

use super::rounded::GROUP;
use crate::derive::simd::for_this_processor;
use crate::types::{Directions, Multivector};

/// The part of the entries' squares that the directions are to hold.
const SHARE: f64 = 0.98;
/// Entries that are looked at: directions that are not the very best only cost time.
const SAMPLE: usize = 2048;

/// Orthonormal directions, at least one, the most important first: columns of the squared matrix of products, the one of
/// which most is left over at a time. Squaring turns them towards the principal directions; no more is needed of an
/// eigendecomposition here.
pub fn main_directions(entries: &Multivector) -> Directions {
    let dim = entries.dim();
    let sample: Vec<f32> = entries.rows().step_by(entries.len().div_ceil(SAMPLE).max(1)).flatten().copied().collect();
    let products = products(&sample, dim);
    let all: f64 = (0..dim).map(|i| products[i * dim + i]).sum();
    // In parts of the whole, so that squares of large numbers stay numbers.
    let shares: Vec<f64> = products.iter().map(|product| product / all.max(f64::MIN_POSITIVE)).collect();
    let (mut found, mut held) = (Vec::<Vec<f64>>::new(), 0.0);
    let mut left = squared(&shares, dim);
    while found.len() < dim && (held < SHARE || !found.len().is_multiple_of(GROUP)) {
        let Some(direction) = next(&left, &found, dim) else { break };
        held += quadratic(&shares, &direction);
        // Symmetric before; what lies along the direction goes from every row.
        for row in left.chunks_exact_mut(dim) {
            let along = dot(row, &direction);
            row.iter_mut().zip(&direction).for_each(|(value, part)| *value -= along * part);
        }
        found.push(direction);
    }
    if found.is_empty() {
        // Nothing but zeros: any direction does.
        found.push((0..dim).map(|at| f64::from(u8::from(at == 0))).collect());
    }
    let columns = (0..dim).flat_map(|at| found.iter().map(move |direction| direction[at] as f32)).collect();
    Directions { count: found.len(), columns }
}

for_this_processor! {
    /// `[rows, directions.count]`: how far each row reaches in each direction.
    pub fn coordinates(rows: &[f32], directions: &Directions) -> Vec<f32> {
        let count = directions.count;
        let dim = directions.columns.len() / count;
        let mut coordinates = vec![0.0f32; rows.len() / dim * count];
        for (row, to) in rows.chunks_exact(dim).zip(coordinates.chunks_exact_mut(count)) {
            for (&value, parts) in row.iter().zip(directions.columns.chunks_exact(count)) {
                to.iter_mut().zip(parts).for_each(|(to, &part)| *to = value.mul_add(part, *to));
            }
        }
        coordinates
    }
}

for_this_processor! {
    /// `[dim, dim]`: the transposed matrix times itself.
    fn products(rows: &[f32], dim: usize) -> Vec<f64> {
        let mut products = vec![0.0; dim * dim];
        for row in rows.chunks_exact(dim) {
            for (to, &a) in products.chunks_exact_mut(dim).zip(row) {
                to.iter_mut().zip(row).for_each(|(to, &b)| *to += f64::from(a) * f64::from(b));
            }
        }
        products
    }
}

/// The square of a symmetric matrix.
fn squared(matrix: &[f64], dim: usize) -> Vec<f64> {
    let rows = || matrix.chunks_exact(dim);
    rows().flat_map(|a| rows().map(move |b| dot(a, b))).collect()
}

/// The longest row of what is left, made orthogonal to the others and of length 1; None where nothing is left.
fn next(left: &[f64], found: &[Vec<f64>], dim: usize) -> Option<Vec<f64>> {
    let longest = left.chunks_exact(dim).max_by(|a, b| dot(a, a).total_cmp(&dot(b, b)))?;
    let mut direction = longest.to_vec();
    // Twice is enough: the first time leaves what rounding makes of the difference of like vectors.
    for _ in 0..2 {
        let norm = dot(&direction, &direction).sqrt();
        if norm < f64::MIN_POSITIVE.sqrt() {
            return None;
        }
        direction.iter_mut().for_each(|value| *value /= norm);
        for earlier in found {
            let along = dot(&direction, earlier);
            direction.iter_mut().zip(earlier).for_each(|(value, part)| *value -= along * part);
        }
    }
    let norm = dot(&direction, &direction).sqrt();
    direction.iter_mut().for_each(|value| *value /= norm);
    (norm > 0.5).then_some(direction)
}

/// `direction * matrix * direction`.
fn quadratic(matrix: &[f64], direction: &[f64]) -> f64 {
    matrix.chunks_exact(direction.len()).zip(direction).map(|(row, part)| dot(row, direction) * part).sum()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(dim: usize, values: impl Iterator<Item = f32>) -> Multivector {
        Multivector::new(dim, values.collect()).unwrap()
    }

    fn direction(of: &Directions, number: usize) -> Vec<f64> {
        of.columns.chunks_exact(of.count).map(|column| f64::from(column[number])).collect()
    }

    #[test]
    fn directions_are_orthonormal_and_as_many_as_are_needed() {
        // Five directions of twelve, and a little of every other.
        let mut state = 7u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32 - 0.5
        };
        let entries = rows(
            12,
            (0..3000).flat_map(|_| {
                let main: [f32; 5] = std::array::from_fn(|_| noise());
                let values: [f32; 12] =
                    std::array::from_fn(|at| main[at % 5] * [1.0, -0.7, 0.4][at / 5] + 0.01 * noise());
                values
            }),
        );
        let found = main_directions(&entries);
        assert_eq!(found.count, 8);
        for a in 0..found.count {
            for b in 0..found.count {
                let product = dot(&direction(&found, a), &direction(&found, b));
                assert!((product - f64::from(u8::from(a == b))).abs() < 1e-6, "{a} {b} {product}");
            }
        }
        let reach = coordinates(entries.as_slice(), &found);
        let squares = |values: &[f32]| values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>();
        let five: f64 = reach.chunks_exact(8).map(|row| squares(&row[..5])).sum();
        assert!(five / squares(entries.as_slice()) > 0.999, "{five}");
    }

    #[test]
    fn entries_of_few_directions_have_no_more() {
        let entries = rows(6, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0].into_iter().cycle().take(60));
        assert_eq!(main_directions(&entries).count, 1);
        assert_eq!(main_directions(&rows(6, [0.0; 60].into_iter())).count, 1);
    }
}
