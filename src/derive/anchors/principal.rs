//! The principal components of a model's vectors: of the built-in model's 128 dimensions, 48 components hold 98 % of what
//! its codebook says. The residual beside them can add little to a product, and how much is known.

use crate::derive::simd::for_this_processor;
use crate::types::{Multivector, PrincipalComponents};

/// The part of the entries' squares that the components are to hold.
const HELD_SHARE: f64 = 0.98;
/// Entries that are looked at: components that are not the very best only cost time.
const SAMPLE: usize = 2048;

/// Orthonormal components, at least one, and a multiple of `multiple` unless the vectors have fewer. They are pivoted
/// columns of the squared Gram matrix, the one with the largest residual at a time. Squaring turns columns towards the
/// eigenvectors of the largest eigenvalues; no more is needed of an eigendecomposition here.
pub fn principal_components(entries: &Multivector, multiple: usize) -> PrincipalComponents {
    let dim = entries.dim();
    let sample: Vec<f32> = entries.rows().step_by(entries.len().div_ceil(SAMPLE).max(1)).flatten().copied().collect();
    let gram = gram_matrix(&sample, dim);
    let trace: f64 = (0..dim).map(|i| gram[i * dim + i]).sum();
    // In parts of the whole, so that squares of large numbers stay numbers.
    let shares: Vec<f64> = gram.iter().map(|product| product / trace.max(f64::MIN_POSITIVE)).collect();
    let (mut components, mut held) = (Vec::<Vec<f64>>::new(), 0.0);
    let mut residual = squared(&shares, dim);
    while components.len() < dim && (held < HELD_SHARE || !components.len().is_multiple_of(multiple)) {
        let Some(component) = next_component(&residual, &components, dim) else { break };
        held += quadratic_form(&shares, &component);
        // The matrix was symmetric; every row loses its projection on the component.
        for row in residual.chunks_exact_mut(dim) {
            let projection = dot(row, &component);
            row.iter_mut().zip(&component).for_each(|(value, part)| *value -= projection * part);
        }
        components.push(component);
    }
    if components.is_empty() {
        // Nothing but zeros: any direction does.
        components.push((0..dim).map(|at| f64::from(u8::from(at == 0))).collect());
    }
    let columns = (0..dim).flat_map(|at| components.iter().map(move |component| component[at] as f32)).collect();
    PrincipalComponents { count: components.len(), columns }
}

for_this_processor! {
    /// `[rows, components.count]`: the coordinates of each row on the components.
    pub fn coordinates(rows: &[f32], components: &PrincipalComponents) -> Vec<f32> {
        let count = components.count;
        let dim = components.columns.len() / count;
        let mut coordinates = vec![0.0f32; rows.len() / dim * count];
        for (row, to) in rows.chunks_exact(dim).zip(coordinates.chunks_exact_mut(count)) {
            for (&value, parts) in row.iter().zip(components.columns.chunks_exact(count)) {
                to.iter_mut().zip(parts).for_each(|(to, &part)| *to = value.mul_add(part, *to));
            }
        }
        coordinates
    }
}

for_this_processor! {
    /// `[dim, dim]`: the transposed matrix times itself.
    fn gram_matrix(rows: &[f32], dim: usize) -> Vec<f64> {
        let mut gram = vec![0.0; dim * dim];
        for row in rows.chunks_exact(dim) {
            for (to, &a) in gram.chunks_exact_mut(dim).zip(row) {
                to.iter_mut().zip(row).for_each(|(to, &b)| *to += f64::from(a) * f64::from(b));
            }
        }
        gram
    }
}

/// The square of a symmetric matrix.
fn squared(matrix: &[f64], dim: usize) -> Vec<f64> {
    let rows = || matrix.chunks_exact(dim);
    rows().flat_map(|a| rows().map(move |b| dot(a, b))).collect()
}

/// The longest row of the residual, made orthogonal to the components before it and of length 1; None if nothing is left.
fn next_component(residual: &[f64], before: &[Vec<f64>], dim: usize) -> Option<Vec<f64>> {
    let longest = residual.chunks_exact(dim).max_by(|a, b| dot(a, a).total_cmp(&dot(b, b)))?;
    let mut component = longest.to_vec();
    // Gram-Schmidt, twice: once leaves what rounding makes of the difference of like vectors.
    for _ in 0..2 {
        let norm = dot(&component, &component).sqrt();
        if norm < f64::MIN_POSITIVE.sqrt() {
            return None;
        }
        component.iter_mut().for_each(|value| *value /= norm);
        for earlier in before {
            let projection = dot(&component, earlier);
            component.iter_mut().zip(earlier).for_each(|(value, part)| *value -= projection * part);
        }
    }
    let norm = dot(&component, &component).sqrt();
    component.iter_mut().for_each(|value| *value /= norm);
    (norm > 0.5).then_some(component)
}

/// `vector^T matrix vector`.
fn quadratic_form(matrix: &[f64], vector: &[f64]) -> f64 {
    matrix.chunks_exact(vector.len()).zip(vector).map(|(row, part)| dot(row, vector) * part).sum()
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

    fn component(of: &PrincipalComponents, number: usize) -> Vec<f64> {
        of.columns.chunks_exact(of.count).map(|column| f64::from(column[number])).collect()
    }

    #[test]
    fn components_are_orthonormal_and_as_many_as_are_needed() {
        // Five directions of twelve hold nearly everything.
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
        let found = principal_components(&entries, 4);
        assert_eq!(found.count, 8);
        for a in 0..found.count {
            for b in 0..found.count {
                let product = dot(&component(&found, a), &component(&found, b));
                assert!((product - f64::from(u8::from(a == b))).abs() < 1e-6, "{a} {b} {product}");
            }
        }
        let coordinates = coordinates(entries.as_slice(), &found);
        let squares = |values: &[f32]| values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>();
        let five: f64 = coordinates.chunks_exact(8).map(|row| squares(&row[..5])).sum();
        assert!(five / squares(entries.as_slice()) > 0.999, "{five}");
    }

    #[test]
    fn entries_on_one_line_have_one_component() {
        let entries = rows(6, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0].into_iter().cycle().take(60));
        assert_eq!(principal_components(&entries, 4).count, 1);
        assert_eq!(principal_components(&rows(6, [0.0; 60].into_iter()), 4).count, 1);
    }
}
