//! Anchors: late interaction as an inverted index. Each patch votes for its nearest few entries of the model's
//! codebook, a question token does the same, and the engine's inverted index (with IDF) finds pages whose patches voted
//! alike.

mod principal;
mod rounded;

use super::simd::{Panels, ROWS, WIDTH, for_this_processor};
use crate::error::{Error, Result};
use crate::types::{Codebook, Multivector, SparseVector};

/// Sparse vector of a page: for every patch its `page_top` nearest entries, each entry with the largest cosine that any
/// patch gave it. Votes that are not positive say nothing and are left out.
///
/// # Errors
/// Configuration, if patches and codebook have different dimensions.
pub fn page(patches: &Multivector, codebook: &Codebook) -> Result<SparseVector> {
    let votes = nearest(patches, codebook, codebook.page_top)?;
    Ok(SparseVector::from_maxima(votes.into_iter().flatten().filter(|vote| vote.1 > 0.0).collect()))
}

/// Sparse vector of a question: for every token its `question_top` nearest entries, weighing their cosine to the power
/// of `question_power`; an entry that several tokens vote for gets the sum.
///
/// # Errors
/// Configuration, if tokens and codebook have different dimensions.
pub fn question(tokens: &Multivector, codebook: &Codebook) -> Result<SparseVector> {
    let mut sums = std::collections::BTreeMap::<u32, f32>::new();
    for (entry, cosine) in nearest(tokens, codebook, codebook.question_top)?.into_iter().flatten() {
        if cosine > 0.0 {
            *sums.entry(entry).or_default() += cosine.powf(codebook.question_power);
        }
    }
    let (indices, values) = sums.into_iter().unzip();
    Ok(SparseVector { indices, values })
}

/// `[vectors]`: the `top` entries of largest dot product with each, descending; of equal ones those that stand first.
fn nearest(vectors: &Multivector, codebook: &Codebook, top: usize) -> Result<Vec<Vec<(u32, f32)>>> {
    let entries = &codebook.entries;
    if vectors.dim() != entries.dim() {
        return Err(Error::configuration(format!(
            "vectors of {} dimensions do not fit a codebook of {}: take both from one model",
            vectors.dim(),
            entries.dim()
        )));
    }
    let top = top.min(entries.len());
    let mut best = vec![Vec::with_capacity(top + 1); vectors.len()];
    if top == 0 {
        return Ok(best);
    }
    if vectors.len() >= MIN_VECTORS_TO_ROUND {
        let rounded = codebook.rounded.get_or_init(|| rounded::round_entries(entries));
        rounded::Panels::new(vectors, rounded).for_each_candidate(rounded, |entry, vector| {
            let best = &mut best[vector];
            let vote = (entry as u32, dot(entries.row(entry), vectors.row(vector)));
            if vote.1 > to_exceed(best, top) { insert_vote(best, top, vote) } else { to_exceed(best, top) }
        });
        return Ok(best);
    }
    // What an entry must exceed to be among the best of a column; padding columns can't be exceeded.
    let mut least = vec![f32::INFINITY; vectors.len().div_ceil(WIDTH) * WIDTH];
    least[..vectors.len()].fill(f32::NEG_INFINITY);
    let panels = Panels::new(vectors.as_slice(), vectors.dim());
    panels.for_each_block(entries.as_slice(), |entry, column, block| {
        let rows = ROWS.min(entries.len() - entry);
        let least = &mut least[column..column + WIDTH];
        for (r, sums) in block[..rows].iter().enumerate() {
            // A bit for each column that the entry is among the best of: nearly always none, and told in two
            // instructions.
            let mut exceeds = 0u32;
            for c in 0..WIDTH {
                exceeds |= u32::from(sums[c] > least[c]) << c;
            }
            while exceeds != 0 {
                let c = exceeds.trailing_zeros() as usize;
                least[c] = insert_vote(&mut best[column + c], top, ((entry + r) as u32, sums[c]));
                exceeds &= exceeds - 1;
            }
        }
    });
    Ok(best)
}

/// Fewer vectors are compared with every entry sooner than they are rounded.
const MIN_VECTORS_TO_ROUND: usize = 32;

/// Lanes of [`dot`]: two registers of AVX-512.
const LANES: usize = 32;

for_this_processor! {
    /// Summed in lanes, which then are added half to half.
    fn dot(a: &[f32], b: &[f32]) -> f32 {
        let mut sums = [0.0f32; LANES];
        let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
        for (a, b) in a.iter().zip(b) {
            for i in 0..LANES {
                sums[i] = a[i].mul_add(b[i], sums[i]);
            }
        }
        let rest = a_rest.iter().zip(b_rest).fold(0.0f32, |sum, (a, b)| a.mul_add(*b, sum));
        let mut lanes = LANES;
        while lanes > 1 {
            lanes /= 2;
            for i in 0..lanes {
                sums[i] += sums[i + lanes];
            }
        }
        sums[0] + rest
    }
}

/// What a vote must exceed to be among the best.
fn to_exceed(best: &[(u32, f32)], top: usize) -> f32 {
    best.get(top - 1).map_or(f32::NEG_INFINITY, |vote| vote.1)
}

/// Puts a vote into its place of the descending list of at most `top`, behind equal ones. Returns what the next must
/// exceed.
fn insert_vote(best: &mut Vec<(u32, f32)>, top: usize, vote: (u32, f32)) -> f32 {
    let place = best.partition_point(|earlier| earlier.1 >= vote.1);
    best.insert(place, vote);
    best.truncate(top);
    to_exceed(best, top)
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;

    use super::*;
    use proptest::prelude::*;

    fn codebook(entries: Vec<f32>, dim: usize) -> Codebook {
        Codebook {
            entries: Multivector::new(dim, entries).unwrap(),
            page_top: 2,
            question_top: 3,
            question_power: 4.0,
            rounded: OnceLock::new(),
        }
    }

    #[test]
    fn a_page_keeps_the_largest_vote_of_each_entry() {
        let codebook = codebook(vec![1.0, 0.0, 0.0, 1.0, -1.0, 0.0], 2);
        let patches = Multivector::new(2, vec![0.8, 0.6, 0.6, 0.8, 0.0, -1.0]).unwrap();
        // The third patch is nearest to entries 0 and 2 with cosine 0, which is no vote.
        let sparse = page(&patches, &codebook).unwrap();
        assert_eq!(sparse.indices, [0, 1]);
        assert_eq!(sparse.values, [0.8, 0.8]);
    }

    #[test]
    fn a_question_sums_sharpened_votes() {
        let codebook = codebook(vec![1.0, 0.0, 0.0, 1.0], 2);
        let tokens = Multivector::new(2, vec![0.8, 0.6, 1.0, 0.0]).unwrap();
        let sparse = question(&tokens, &codebook).unwrap();
        assert_eq!(sparse.indices, [0, 1]);
        assert!((sparse.values[0] - (0.8f32.powi(4) + 1.0)).abs() < 1e-6);
        assert!((sparse.values[1] - 0.6f32.powi(4)).abs() < 1e-6);
    }

    #[test]
    fn a_foreign_codebook_is_refused() {
        let patches = Multivector::new(3, vec![1.0, 0.0, 0.0]).unwrap();
        let error = page(&patches, &codebook(vec![1.0, 0.0], 2)).unwrap_err();
        assert!(error.to_string().contains("3 dimensions"), "{error}");
    }

    /// Vectors of 128 numbers near a space of `directions`, normalised.
    fn low(seed: u64, count: usize, directions: usize) -> Multivector {
        let mut state = seed;
        let mut uniform = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f32 / (1u64 << 53) as f32 - 0.5
        };
        let mut data = Vec::new();
        for _ in 0..count {
            let main: Vec<f32> = (0..directions).map(|_| uniform()).collect();
            let row: Vec<f32> =
                (0..128).map(|at| 0.2 * uniform() + main[at % directions] * ((at % 5) as f32 - 1.5)).collect();
            let norm = row.iter().map(|value| value * value).sum::<f32>().sqrt();
            data.extend(row.iter().map(|value| value / norm));
        }
        Multivector::new(128, data).unwrap()
    }

    #[test]
    fn rounding_loses_nothing() {
        // Near each other, and spread out.
        for (seed, directions) in [(1, 9), (2, 60), (3, 128)] {
            let (vectors, entries) = (low(seed, 97, directions), low(seed + 10, 500, directions));
            let codebook =
                Codebook { entries, page_top: 3, question_top: 3, question_power: 1.0, rounded: OnceLock::new() };
            let found = nearest(&vectors, &codebook, 3).unwrap();
            assert!(codebook.rounded.get().is_some());
            for (vector, found) in vectors.rows().zip(found) {
                let mut all: Vec<(u32, f32)> =
                    (0..).zip(codebook.entries.rows().map(|entry| dot(entry, vector))).collect();
                all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
                all.truncate(3);
                assert_eq!(found, all);
            }
        }
    }

    proptest! {
        #[test]
        fn nearest_equals_a_full_sort(
            vectors in prop::collection::vec(-1i8..=1, 3..120),
            entries in prop::collection::vec(-1i8..=1, 3..150),
            top in 0usize..5,
        ) {
            // Small integers make many exact ties.
            let matrix = |values: Vec<i8>| {
                let whole = values.len() / 3 * 3;
                Multivector::new(3, values[..whole].iter().map(|&value| f32::from(value)).collect()).unwrap()
            };
            let (vectors, entries) = (matrix(vectors), matrix(entries));
            let codebook = Codebook { entries, page_top: top, question_top: top, question_power: 1.0, rounded: OnceLock::new() };
            let found = nearest(&vectors, &codebook, top).unwrap();
            for (vector, found) in vectors.rows().zip(found) {
                let mut all: Vec<(u32, f32)> = codebook.entries.rows().enumerate()
                    .map(|(at, entry)| (at as u32, vector.iter().zip(entry).map(|(a, b)| a * b).sum::<f32>() + 0.0))
                    .collect();
                all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
                all.truncate(top);
                // Plus 0: a zero of either sign is the same to the order.
                let found: Vec<(u32, f32)> = found.into_iter().map(|(at, sum)| (at, sum + 0.0)).collect();
                prop_assert_eq!(found, all);
            }
        }
    }
}
