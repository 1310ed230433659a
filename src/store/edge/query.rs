//! Our query tree in the engine's terms.
//!
//! The engine joins the filter of each stage with those of its prefetches down to the leaves (`recurse_prefetches` in its
//! query planner), and a stage above leaves only scores what they passed on: so the filter at the root, in which the tenant
//! is named, holds in every branch.
//! A stage that scores candidates runs with its own parameters.

use qdrant_edge::external::ordered_float::OrderedFloat;
use qdrant_edge::{
    Expression, Filter as EngineFilter, Formula, Fusion as EngineFusion, NamedQuery, OperationError, Prefetch,
    QuantizationSearchParams, QueryEnum, QueryRequest, ScoredPoint as EngineHit, ScoringQuery,
    SearchParams as EngineParams, TypedMultiDenseVector, VectorInternal, WithPayloadInterface, WithVector,
};

use super::filter::{engine_filter, narrowed};
use super::points::{engine_sparse, from_engine_id, from_payload};
use crate::error::{Error, Result};
use crate::store::payload::{check_finite, check_sparse};
use crate::store::{QueryNode, QueryVector, ScoredPoint, Scoring, StoreQuery};
use crate::types::{Fusion, MAX_PREFETCH_DEPTH, Schema, SearchParams, VectorKind, VectorName};

/// Qdrant's own default for reciprocal rank fusion.
const RRF_K: usize = 2;

/// Translates a whole query.
///
/// # Errors
/// Configuration, if the query names what the schema has not or is no legal tree; permanent, if a vector is broken.
pub(super) fn to_engine(query: StoreQuery, schema: &Schema) -> Result<QueryRequest> {
    let root = stage(query.root, schema, 0)?;
    Ok(QueryRequest {
        prefetches: root.prefetches,
        query: root.query,
        filter: EngineFilter::merge_opts(Some(engine_filter(&query.filter)?), root.filter),
        score_threshold: root.score_threshold,
        limit: root.limit,
        offset: 0,
        params: root.params,
        with_vector: WithVector::Bool(false),
        with_payload: WithPayloadInterface::Bool(true),
    })
}

/// The vectors to send along.
pub(super) fn names(vectors: &[VectorName]) -> WithVector {
    if vectors.is_empty() {
        WithVector::Bool(false)
    } else {
        WithVector::Selector(vectors.iter().map(|name| name.as_str().to_owned()).collect())
    }
}

/// # Errors
/// Configuration, if the schema has no such vector.
pub(super) fn known(name: VectorName, schema: &Schema) -> Result<VectorKind> {
    schema.get(name).map(|spec| spec.kind).ok_or_else(|| {
        let kept: Vec<&str> = schema.vectors.iter().map(|spec| spec.name.as_str()).collect();
        Error::configuration(format!("vector '{name}' is not kept in this collection, which has {}", kept.join(", ")))
    })
}

fn stage(node: QueryNode, schema: &Schema, depth: usize) -> Result<Prefetch> {
    if depth > MAX_PREFETCH_DEPTH {
        return Err(Error::configuration(format!("the query nests prefetches deeper than {MAX_PREFETCH_DEPTH}")));
    }
    let QueryNode { scoring, prefetch, conditions, params, score_threshold, limit } = node;
    let filter = narrowed(&conditions)?;
    let branches = prefetch.len();
    let mut prefetches =
        prefetch.into_iter().map(|child| stage(child, schema, depth + 1)).collect::<Result<Vec<_>>>()?;
    let query = match scoring {
        Some(Scoring::Nearest { using, vector }) => nearest(using, vector, schema)?,
        Some(Scoring::Fusion(_)) if branches == 0 => {
            return Err(Error::configuration("a fusion stands over no prefetch: it needs at least one"));
        }
        Some(Scoring::Fusion(Fusion::Sum { weights })) => weighted_sum(&weights, branches)?,
        Some(Scoring::Fusion(fusion)) => ScoringQuery::Fusion(engine_fusion(fusion, branches)?),
        None => {
            let (Some(only), 1) = (prefetches.pop(), branches) else {
                return Err(Error::configuration(format!(
                    "a stage scores nothing itself and has {branches} prefetches: exactly one is expected"
                )));
            };
            return Ok(as_it_stands(only, filter, score_threshold, limit));
        }
    };
    Ok(Prefetch {
        prefetches,
        query: Some(query),
        limit,
        params: engine_params(params),
        filter,
        score_threshold: score_threshold.map(OrderedFloat),
    })
}

/// The only prefetch in place of the stage above it, which adds no order of its own.
fn as_it_stands(only: Prefetch, filter: Option<EngineFilter>, score_threshold: Option<f32>, limit: usize) -> Prefetch {
    Prefetch {
        filter: EngineFilter::merge_opts(filter, only.filter),
        score_threshold: only.score_threshold.max(score_threshold.map(OrderedFloat)),
        limit: limit.min(only.limit),
        prefetches: only.prefetches,
        query: only.query,
        params: only.params,
    }
}

fn nearest(using: VectorName, vector: QueryVector, schema: &Schema) -> Result<ScoringQuery> {
    let kind = known(using, schema)?;
    let vector = match (kind, vector) {
        (VectorKind::Dense { dim }, QueryVector::Dense(values)) => {
            check_dim(using, values.len(), dim)?;
            check_finite(using, &values)?;
            VectorInternal::Dense(values)
        }
        (VectorKind::Multi { dim }, QueryVector::Multi(rows)) => {
            check_dim(using, rows.dim(), dim)?;
            check_finite(using, rows.as_slice())?;
            if rows.is_empty() {
                return Err(Error::permanent(format!(
                    "the query has no rows for vector '{using}': at least one is needed"
                )));
            }
            VectorInternal::MultiDense(TypedMultiDenseVector { dim, flattened_vectors: rows.into_vec() })
        }
        (VectorKind::SparseIdf, QueryVector::Sparse(sparse)) => {
            check_sparse(using, &sparse)?;
            VectorInternal::Sparse(engine_sparse(sparse))
        }
        (kind, _) => {
            return Err(Error::configuration(format!(
                "the query's vector for '{using}' is of another kind than the stored one, {kind:?}"
            )));
        }
    };
    Ok(ScoringQuery::Vector(QueryEnum::Nearest(NamedQuery::new(vector, using.as_str()))))
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

/// `w0 * $score[0] + w1 * $score[1] + ...`, 0 for the score of a branch that does not know the page.
fn weighted_sum(weights: &[f32], branches: usize) -> Result<ScoringQuery> {
    check_weights(weights, branches)?;
    let variable = |branch: usize| format!("$score[{branch}]");
    let part = |(branch, weight): (usize, &f32)| {
        Expression::Mult(vec![Expression::Constant(*weight), Expression::Variable(variable(branch))])
    };
    let formula = Formula {
        formula: Expression::Sum(weights.iter().enumerate().map(part).collect()),
        defaults: (0..branches).map(|branch| (variable(branch), 0.0.into())).collect(),
    };
    let parsed =
        formula.try_into().map_err(|error: OperationError| Error::bug("a sum is no formula").with_source(error))?;
    Ok(ScoringQuery::Formula(parsed))
}

fn check_weights(weights: &[f32], branches: usize) -> Result<()> {
    if weights.len() == branches {
        return Ok(());
    }
    Err(Error::configuration(format!(
        "the fusion has {} weights for {branches} prefetches: one a prefetch is expected, or none",
        weights.len()
    )))
}

fn engine_fusion(fusion: Fusion, branches: usize) -> Result<EngineFusion> {
    match fusion {
        Fusion::Dbsf => Ok(EngineFusion::Dbsf),
        Fusion::Rrf { k, weights } => {
            if !weights.is_empty() {
                check_weights(&weights, branches)?;
            }
            let weights = weights.into_iter().map(OrderedFloat).collect::<Vec<_>>();
            Ok(EngineFusion::Rrf { k: k.unwrap_or(RRF_K), weights: (!weights.is_empty()).then_some(weights) })
        }
        Fusion::Sum { .. } => Err(Error::bug("a weighted sum is a formula of the engine, not one of its fusions")),
    }
}

fn engine_params(params: SearchParams) -> Option<EngineParams> {
    if params == SearchParams::default() {
        return None;
    }
    let SearchParams { ignore_quantization, rescore, oversampling, hnsw_ef, exact } = params;
    let quantization = QuantizationSearchParams { ignore: ignore_quantization, rescore, oversampling };
    Some(EngineParams { hnsw_ef, exact, quantization: Some(quantization), indexed_only: false, acorn: None })
}

/// # Errors
/// Permanent, if the stored point is none of ours.
pub(super) fn from_engine(hit: EngineHit) -> Result<ScoredPoint> {
    let id = from_engine_id(hit.id)?;
    Ok(ScoredPoint { id, score: hit.score, payload: from_payload(id, hit.payload)? })
}
