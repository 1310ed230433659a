//! Vectors in a few directions, with the norm of what is left out as one number more: the dot product of two of these is
//! never less than that of the vectors. The vectors of a model lie mostly in far fewer directions than they have numbers, so nearly every pair of
//! a patch and a codebook entry is told apart at a third of the cost.

use super::super::pooling::second_moments;
use super::super::simd::Panels;
use crate::types::{Multivector, Outline};

/// Directions that are kept.
const DIRECTIONS: usize = 47;
/// Numbers of an outlined vector.
pub const WIDTH: usize = DIRECTIONS + 1;
/// Entries that the directions are taken from: every so many.
const SAMPLE: usize = 4;
/// Steps towards the directions in which most lies. Any orthonormal directions give true bounds, better ones closer.
const STEPS: usize = 6;
/// What rounding may take from a squared norm, as a share of it.
const SLACK: f32 = 2e-5;

pub fn outline(entries: &Multivector) -> Outline {
    let dim = entries.dim();
    let sample: Vec<f64> =
        entries.rows().step_by(SAMPLE).flat_map(|row| row.iter().map(|&value| f64::from(value))).collect();
    let directions: Vec<f32> = main_directions(&sample, dim).into_iter().map(|value| value as f32).collect();
    let entries = seen_from(&directions, entries);
    Outline { directions, entries }
}

/// `[vectors, WIDTH]`: the share in each direction, and the norm of the rest, rounded up.
pub fn seen_from(directions: &[f32], vectors: &Multivector) -> Vec<f32> {
    let dim = vectors.dim();
    let mut outlined = vec![0.0; vectors.len() * WIDTH];
    Panels::new(directions, dim).for_each_block(vectors.as_slice(), |first, column, block| {
        let width = block[0].len().min(DIRECTIONS - column);
        for (row, sums) in (first..vectors.len()).zip(block) {
            outlined[row * WIDTH + column..][..width].copy_from_slice(&sums[..width]);
        }
    });
    let square = |row: &[f32]| row.iter().map(|value| value * value).sum::<f32>();
    for (row, outlined) in vectors.rows().zip(outlined.chunks_exact_mut(WIDTH)) {
        let whole = square(row);
        outlined[DIRECTIONS] = ((whole - square(&outlined[..DIRECTIONS])).max(0.0) + SLACK * whole).sqrt();
    }
    outlined
}

/// `[DIRECTIONS, dim]`: orthogonal iteration on the second moments of the rows.
fn main_directions(rows: &[f64], dim: usize) -> Vec<f64> {
    let mut moments = second_moments(rows, dim);
    for row in 0..dim {
        for column in 0..row {
            moments[column * dim + row] = moments[row * dim + column];
        }
    }
    // Any start will do that no direction is orthogonal to.
    let mut directions: Vec<f64> =
        (0..DIRECTIONS * dim).map(|at| ((at * 7919 % 1013) as f64 - 506.0) / 506.0).collect();
    orthonormalise(&mut directions, dim);
    for _ in 0..STEPS {
        let mut next = vec![0.0; directions.len()];
        for (direction, next) in directions.chunks_exact(dim).zip(next.chunks_exact_mut(dim)) {
            for (&value, line) in direction.iter().zip(moments.chunks_exact(dim)) {
                next.iter_mut().zip(line).for_each(|(sum, &moment)| *sum += value * moment);
            }
        }
        directions = next;
        orthonormalise(&mut directions, dim);
    }
    directions
}

/// Gram and Schmidt's way, each direction twice, since once leaves rounding errors in. A direction that lies within the
/// others becomes zero, which bounds just as truly.
fn orthonormalise(directions: &mut [f64], dim: usize) {
    for at in 0..directions.len() / dim {
        let (before, rest) = directions.split_at_mut(at * dim);
        let own = &mut rest[..dim];
        let scale = norm(own).max(f64::MIN_POSITIVE);
        own.iter_mut().for_each(|value| *value /= scale);
        for _ in 0..2 {
            for other in before.chunks_exact(dim) {
                let share: f64 = own.iter().zip(other).map(|(a, b)| a * b).sum();
                own.iter_mut().zip(other).for_each(|(value, other)| *value -= share * other);
            }
        }
        let left = norm(own);
        let scale = if left > 1e-9 { 1.0 / left } else { 0.0 };
        own.iter_mut().for_each(|value| *value *= scale);
    }
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum::<f64>().sqrt()
}
