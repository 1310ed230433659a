//! What a store must answer, computed here from the made-up pages alone.

use half::f16;

use super::ids;
use crate::store::ScoredPoint;
use crate::types::{Multivector, NamedVector, PagePoint, PointId, SparseVector, VectorName};

pub(super) fn assert_scores(found: &[ScoredPoint], expected: &[(PointId, f32)]) {
    let scores: Vec<f32> = found.iter().map(|hit| hit.score).collect();
    assert_eq!(ids(found), expected.iter().map(|(id, _)| *id).collect::<Vec<_>>(), "{scores:?} for {expected:?}");
    for (hit, (id, score)) in found.iter().zip(expected) {
        assert!((hit.score - score).abs() < 2e-3, "{id}: {} where {score} is right", hit.score);
    }
}

pub(super) fn halves(values: &[f32]) -> Vec<f32> {
    values.iter().map(|&value| f16::from_f32(value).to_f32()).collect()
}

pub(super) fn patches(point: &PagePoint) -> Multivector {
    let NamedVector::Multi(rows) = &point.vectors[&VectorName::Patches] else { panic!("patches are a multivector") };
    Multivector::new(rows.dim(), halves(rows.as_slice())).unwrap()
}

pub(super) fn sparse(point: &PagePoint, name: VectorName) -> SparseVector {
    let NamedVector::Sparse(sparse) = &point.vectors[&name] else { panic!("{name} is sparse") };
    sparse.clone()
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Both as they are compared where pages are kept as float16: rounded.
fn max_sim(question: &Multivector, page: &Multivector) -> f32 {
    let question = Multivector::new(question.dim(), halves(question.as_slice())).unwrap();
    question.rows().map(|q| page.rows().map(|row| dot(q, row)).fold(f32::MIN, f32::max)).sum()
}

/// Best first.
fn ranked(scores: impl IntoIterator<Item = (PointId, f32)>) -> Vec<(PointId, f32)> {
    let mut scores: Vec<_> = scores.into_iter().collect();
    scores.sort_by(|a, b| b.1.total_cmp(&a.1));
    scores
}

pub(super) fn by_max_sim<'a>(
    points: impl IntoIterator<Item = &'a PagePoint>,
    question: &Multivector,
) -> Vec<(PointId, f32)> {
    ranked(points.into_iter().map(|point| (point.id, max_sim(question, &patches(point)))))
}

/// Dot products over `name`, each query value weighted by ln(1 + (n - df + 0.5) / (df + 0.5)); pages that share no term
/// are no hits.
pub(super) fn by_sparse(points: &[PagePoint], name: VectorName, asked: &SparseVector) -> Vec<(PointId, f32)> {
    let stored: Vec<(PointId, SparseVector)> = points.iter().map(|point| (point.id, sparse(point, name))).collect();
    let weight = |index: &u32| {
        let n = stored.iter().filter(|(_, vector)| !vector.is_empty()).count() as f32;
        let df = stored.iter().filter(|(_, vector)| vector.indices.contains(index)).count() as f32;
        (1.0 + (n - df + 0.5) / (df + 0.5)).ln()
    };
    ranked(stored.iter().filter_map(|(id, vector)| {
        let terms: Vec<f32> = asked
            .indices
            .iter()
            .zip(&asked.values)
            .filter_map(|(index, value)| {
                let at = vector.indices.binary_search(index).ok()?;
                Some(value * weight(index) * vector.values[at])
            })
            .collect();
        (!terms.is_empty()).then(|| (*id, terms.iter().sum()))
    }))
}
