//! Query trees as both backends take them: every stage scores by itself, every vector is one that the collection keeps and of
//! its shape. What a backend would refuse, or answer with nonsense, is refused here.

use super::payload::{check_finite, check_sparse};
use super::{Condition, QueryNode, QueryVector, Scoring};
use crate::error::{Error, Result};
use crate::types::{Fusion, Lacking, MAX_PREFETCH_DEPTH, Schema, SearchParams, VectorKind, VectorName};

/// A stage that was checked: as [`QueryNode`], but it always scores.
pub(super) struct Stage {
    pub scoring: Scoring,
    pub prefetch: Vec<Stage>,
    pub conditions: Vec<Condition>,
    pub params: SearchParams,
    pub score_threshold: Option<f32>,
    pub limit: usize,
}

/// The tree under `root`, checked. A stage that scores nothing gives its place to its only prefetch.
///
/// # Errors
/// Configuration, if the query names what the schema has not or is no legal tree; permanent, if a vector is broken.
pub(super) fn check(root: QueryNode, schema: &Schema) -> Result<Stage> {
    stage(root, Some(schema), 0)
}

/// The tree under `root`, whose vectors nobody looks at.
///
/// # Errors
/// Configuration, if it is no legal tree.
pub(super) fn shape(root: QueryNode) -> Result<Stage> {
    stage(root, None, 0)
}

/// The kind of a vector that the collection keeps.
///
/// # Errors
/// Configuration, if the schema has no such vector.
pub(super) fn known(name: VectorName, schema: &Schema) -> Result<VectorKind> {
    schema.get(name).map(|spec| spec.kind).ok_or_else(|| {
        let kept: Vec<&str> = schema.vectors.iter().map(|spec| spec.name.as_str()).collect();
        Error::configuration(format!("vector '{name}' is not kept in this collection, which has {}", kept.join(", ")))
    })
}

fn stage(node: QueryNode, schema: Option<&Schema>, depth: usize) -> Result<Stage> {
    if depth > MAX_PREFETCH_DEPTH {
        return Err(Error::configuration(format!("the query nests prefetches deeper than {MAX_PREFETCH_DEPTH}")));
    }
    let QueryNode { scoring, prefetch, conditions, params, score_threshold, limit } = node;
    let mut prefetch = prefetch.into_iter().map(|child| stage(child, schema, depth + 1)).collect::<Result<Vec<_>>>()?;
    let scoring = match scoring {
        Some(Scoring::Nearest { using, vector }) => {
            if let Some(schema) = schema {
                check_vector(using, &vector, schema)?;
            }
            Scoring::Nearest { using, vector }
        }
        Some(Scoring::Fusion(fusion)) => {
            check_fusion(&fusion, prefetch.len())?;
            Scoring::Fusion(fusion)
        }
        None => {
            let branches = prefetch.len();
            let (Some(only), 1) = (prefetch.pop(), branches) else {
                return Err(Error::configuration(format!(
                    "a stage scores nothing itself and has {branches} prefetches: exactly one is expected"
                )));
            };
            return Ok(Stage {
                conditions: conditions.into_iter().chain(only.conditions).collect(),
                score_threshold: highest(score_threshold, only.score_threshold),
                limit: limit.min(only.limit),
                ..only
            });
        }
    };
    Ok(Stage { scoring, prefetch, conditions, params, score_threshold, limit })
}

fn highest(a: Option<f32>, b: Option<f32>) -> Option<f32> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.max(b)),
        (a, b) => a.or(b),
    }
}

fn check_vector(using: VectorName, vector: &QueryVector, schema: &Schema) -> Result<()> {
    match (known(using, schema)?, vector) {
        (VectorKind::Dense { dim }, QueryVector::Dense(values)) => {
            check_dim(using, values.len(), dim)?;
            check_finite(using, values)
        }
        (VectorKind::Multi { dim }, QueryVector::Multi(rows)) => {
            check_dim(using, rows.dim(), dim)?;
            if rows.is_empty() {
                return Err(Error::permanent(format!(
                    "the query has no rows for vector '{using}': at least one is needed"
                )));
            }
            check_finite(using, rows.as_slice())
        }
        (VectorKind::SparseIdf, QueryVector::Sparse(sparse)) => check_sparse(using, sparse),
        (kind, _) => Err(Error::configuration(format!(
            "the query's vector for '{using}' is of another kind than the stored one, {kind:?}"
        ))),
    }
}

fn check_dim(using: VectorName, found: usize, expected: usize) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Error::configuration(format!(
        "the query has {found} dimensions for vector '{using}', the collection {expected}: \
         it was filled with another model"
    )))
}

/// A part of a weighted sum of scores: `weight * variable`.
pub(super) struct Summand {
    pub weight: f32,
    /// What formulas call the score of a branch: `$score[0]`. 0 where the branch does not know the page.
    pub variable: String,
    /// It counts for pages that have this vector alone.
    pub having: Option<VectorName>,
}

/// The sum of all branches. [`Lacking`] raises a branch's weight for every page, and pages that have the vector lose as much again.
pub(super) fn summands(mut weights: Vec<f32>, lacking: Option<Lacking>) -> Vec<Summand> {
    let summand = |branch: usize, weight, having| Summand { weight, variable: format!("$score[{branch}]"), having };
    let lost_again = lacking.and_then(|Lacking { vector, stage, more }| {
        let weight = weights.get_mut(stage)?;
        let more = *weight * more;
        *weight += more;
        Some(summand(stage, -more, Some(vector)))
    });
    let of_all = weights.into_iter().enumerate().map(|(branch, weight)| summand(branch, weight, None));
    of_all.chain(lost_again).collect()
}

fn check_fusion(fusion: &Fusion, branches: usize) -> Result<()> {
    if branches == 0 {
        return Err(Error::configuration("a fusion stands over no prefetch: it needs at least one"));
    }
    let (weights, may_lack) = match fusion {
        Fusion::Dbsf => return Ok(()),
        Fusion::Rrf { weights, .. } => (weights, true),
        Fusion::Sum { weights, .. } => (weights, false),
    };
    if weights.len() == branches || may_lack && weights.is_empty() {
        return Ok(());
    }
    Err(Error::configuration(format!(
        "the fusion has {} weights for {branches} prefetches: one a prefetch is expected{}",
        weights.len(),
        if may_lack { ", or none" } else { "" }
    )))
}
