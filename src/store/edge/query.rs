//! Our query tree in the engine's terms.
//!
//! The engine joins the filter of each stage with those of its prefetches down to the leaves (`recurse_prefetches` in its
//! query planner), and a stage above leaves only scores what they passed on: so the filter at the root, in which the tenant
//! is named, holds in every branch.
//! A stage that scores candidates runs with its own parameters.

use qdrant_edge::external::ordered_float::OrderedFloat;
use qdrant_edge::{
    Condition as EngineCondition, Expression, Filter as EngineFilter, Formula, Fusion as EngineFusion,
    HasVectorCondition, NamedQuery, OperationError, Prefetch, QuantizationSearchParams, QueryEnum, QueryRequest,
    ScoredPoint as EngineHit, ScoringQuery, SearchParams as EngineParams, TypedMultiDenseVector, VectorInternal,
    WithPayloadInterface, WithVector,
};

use super::filter::{engine_filter, narrowed};
use super::points::{engine_sparse, from_engine_id, from_payload};
use crate::error::{Error, Result};
use crate::store::tree::{self, Stage, Summand};
use crate::store::{QueryVector, ScoredPoint, Scoring, StoreQuery};
use crate::types::{Fusion, Schema, SearchParams, VectorName};

/// Qdrant's own default for reciprocal rank fusion.
const RRF_K: usize = 2;

/// Translates a whole query.
///
/// # Errors
/// As [`tree::check`].
pub(super) fn to_engine(query: StoreQuery, schema: &Schema) -> Result<QueryRequest> {
    let root = stage(tree::check(query.root, schema)?)?;
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

fn stage(stage: Stage) -> Result<Prefetch> {
    let Stage { scoring, prefetch, conditions, params, score_threshold, limit } = stage;
    let query = match scoring {
        Scoring::Nearest { using, vector } => {
            ScoringQuery::Vector(QueryEnum::Nearest(NamedQuery::new(engine_vector(vector), using.as_str())))
        }
        Scoring::Fusion(fusion) => engine_fusion(fusion)?,
    };
    Ok(Prefetch {
        prefetches: prefetch.into_iter().map(self::stage).collect::<Result<Vec<_>>>()?,
        query: Some(query),
        limit,
        params: engine_params(params),
        filter: narrowed(&conditions)?,
        score_threshold: score_threshold.map(OrderedFloat),
    })
}

fn engine_vector(vector: QueryVector) -> VectorInternal {
    match vector {
        QueryVector::Dense(values) => VectorInternal::Dense(values),
        QueryVector::Multi(rows) => {
            VectorInternal::MultiDense(TypedMultiDenseVector { dim: rows.dim(), flattened_vectors: rows.into_vec() })
        }
        QueryVector::Sparse(sparse) => VectorInternal::Sparse(engine_sparse(sparse)),
    }
}

fn weighted_sum(summands: Vec<Summand>) -> Result<ScoringQuery> {
    let defaults = summands.iter().map(|summand| (summand.variable.clone(), 0.0.into())).collect();
    let part = |Summand { weight, variable, having }| {
        let has = having.map(|vector: VectorName| HasVectorCondition { has_vector: vector.as_str().into() });
        let has = has.map(|has| Expression::Condition(Box::new(EngineCondition::HasVector(has))));
        let factors = [Expression::Constant(weight), Expression::Variable(variable)];
        Expression::Mult(factors.into_iter().chain(has).collect())
    };
    let formula = Formula { formula: Expression::Sum(summands.into_iter().map(part).collect()), defaults };
    let parsed =
        formula.try_into().map_err(|error: OperationError| Error::bug("a sum is no formula").with_source(error))?;
    Ok(ScoringQuery::Formula(parsed))
}

fn engine_fusion(fusion: Fusion) -> Result<ScoringQuery> {
    let fusion = match fusion {
        Fusion::Dbsf => EngineFusion::Dbsf,
        Fusion::Rrf { k, weights } => {
            let weights = weights.into_iter().map(OrderedFloat).collect::<Vec<_>>();
            EngineFusion::Rrf { k: k.unwrap_or(RRF_K), weights: (!weights.is_empty()).then_some(weights) }
        }
        Fusion::Sum { weights, lacking } => return weighted_sum(tree::summands(weights, lacking)),
    };
    Ok(ScoringQuery::Fusion(fusion))
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
