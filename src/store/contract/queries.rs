//! Queries that the rules ask, of every shape that plans have.

use crate::store::fixtures::{self, FDE_DIM, by_patches, nearest};
use crate::store::{QueryNode, QueryVector, Scoring};
use crate::types::{Fusion, Multivector, SearchParams, SparseVector, VectorName};

pub fn asked(seed: u64, terms: usize) -> SparseVector {
    fixtures::Noise::new(seed).sparse(terms, 40)
}

pub fn by_anchors(asked: &SparseVector, limit: usize) -> QueryNode {
    nearest(VectorName::Anchors, QueryVector::Sparse(asked.clone()), limit)
}

pub fn by_fde(seed: u64, limit: usize) -> QueryNode {
    nearest(VectorName::Fde, QueryVector::Dense(fixtures::Noise::new(seed).floats(FDE_DIM)), limit)
}

pub fn over(prefetch: Vec<QueryNode>, stage: QueryNode) -> QueryNode {
    QueryNode { prefetch, ..stage }
}

pub fn fused(fusion: Fusion, prefetch: Vec<QueryNode>, limit: usize) -> QueryNode {
    QueryNode {
        scoring: Some(Scoring::Fusion(fusion)),
        prefetch,
        conditions: vec![],
        params: SearchParams::default(),
        score_threshold: None,
        limit,
    }
}

/// How many hits a tree gives at least, of so many matches: as many as its longest branch, up to its own limit. Branches may
/// share some, and which do is left open by scores that are equal.
pub fn fewest_hits(node: &QueryNode, matches: usize) -> usize {
    let fed = node.prefetch.iter().map(|branch| fewest_hits(branch, matches)).max();
    node.limit.min(fed.unwrap_or(matches))
}

/// Queries of every shape that plans have.
pub fn trees(asked: &SparseVector, question: &Multivector) -> Vec<QueryNode> {
    let deep = over(vec![by_anchors(asked, 9)], by_patches(question, 8));
    // All of both: where a list is cut between pages of the same rank, each backend may keep others.
    let rrf = fused(Fusion::Rrf { k: None, weights: vec![] }, vec![deep.clone(), by_fde(5, 9)], 8 + 9);
    vec![
        by_patches(question, 30),
        by_fde(5, 30),
        by_anchors(asked, 12),
        deep,
        rrf.clone(),
        over(vec![rrf.clone(), by_anchors(asked, 3)], by_patches(question, 30)),
        QueryNode { scoring: None, ..over(vec![rrf], by_patches(question, 30)) },
    ]
}
