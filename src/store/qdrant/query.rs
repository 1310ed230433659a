//! Our query tree in the server's terms.
//!
//! The server joins the filter of the root with those of all prefetches down to the leaves, and a stage above leaves only scores
//! what they passed on: so the filter at the root, in which the tenant is named, holds in every branch.

use qdrant_client::qdrant::query::Variant;
use qdrant_client::qdrant::with_payload_selector::SelectorOptions as PayloadOptions;
use qdrant_client::qdrant::with_vectors_selector::SelectorOptions;
use qdrant_client::qdrant::{
    Condition as ServerCondition, DenseVector, Expression, Filter as ServerFilter, Formula, Fusion as ServerFusion,
    IdfParams, PrefetchQuery, QuantizationSearchParams, Query, QueryPoints, Rrf, ScoredPoint as ServerHit,
    SearchParams as ServerParams, VectorInput, VectorsSelector, WithPayloadSelector, WithVectorsSelector, vector_input,
};

use super::connection::Version;
use super::filter::{narrowed, of_tenant, server_filter};
use super::points::{from_payload, from_server_id, multi, sparse};
use crate::error::{Error, Result};
use crate::store::tree::{self, Stage, Summand};
use crate::store::{QueryVector, ScoredPoint, Scoring, StoreQuery};
use crate::types::{Fusion, Schema, SearchParams, VectorName};

/// Translates a whole query to the collection `physical` of a server of this version.
///
/// # Errors
/// As [`tree::check`]; configuration, if the server is too old for a part of the query.
pub(super) fn to_server(
    physical: String,
    query: StoreQuery,
    schema: &Schema,
    version: Version,
    timeout_s: u64,
) -> Result<QueryPoints> {
    let mut filter = server_filter(&query.filter)?;
    let corpus = version.has_idf_corpus().then(|| of_tenant(query.filter.tenant()));
    let root = Translation { version, corpus }.stage(tree::check(query.root, schema)?)?;
    filter.must.extend(root.filter.into_iter().flat_map(|filter| filter.must));
    Ok(QueryPoints {
        collection_name: physical,
        prefetch: root.prefetch,
        query: root.query,
        using: root.using,
        filter: Some(filter),
        params: root.params,
        score_threshold: root.score_threshold,
        limit: root.limit,
        with_payload: Some(with_payload(true)),
        timeout: Some(timeout_s),
        ..QueryPoints::default()
    })
}

/// The vectors to send along.
pub(super) fn with_vectors(vectors: &[VectorName]) -> WithVectorsSelector {
    let names: Vec<String> = vectors.iter().map(|name| name.as_str().to_owned()).collect();
    let options = match names.is_empty() {
        true => SelectorOptions::Enable(false),
        false => SelectorOptions::Include(VectorsSelector { names }),
    };
    WithVectorsSelector { selector_options: Some(options) }
}

pub(super) fn with_payload(wanted: bool) -> WithPayloadSelector {
    WithPayloadSelector { selector_options: Some(PayloadOptions::Enable(wanted)) }
}

struct Translation {
    version: Version,
    /// Over whose pages the rarity of a term is counted, if the server can tell them apart.
    corpus: Option<ServerFilter>,
}

impl Translation {
    fn stage(&self, stage: Stage) -> Result<PrefetchQuery> {
        let Stage { scoring, prefetch, conditions, params, score_threshold, limit } = stage;
        let mut params = server_params(params);
        let (using, variant) = match scoring {
            Scoring::Nearest { using, vector } => {
                if matches!(vector, QueryVector::Sparse(_)) && self.corpus.is_some() {
                    params.get_or_insert_default().idf = Some(IdfParams { corpus: self.corpus.clone() });
                }
                (Some(using.as_str().to_owned()), Variant::Nearest(input(vector)))
            }
            Scoring::Fusion(fusion) => (None, self.fusion(fusion)?),
        };
        Ok(PrefetchQuery {
            prefetch: prefetch.into_iter().map(|child| self.stage(child)).collect::<Result<_>>()?,
            query: Some(Query { variant: Some(variant) }),
            using,
            filter: narrowed(&conditions)?,
            params,
            score_threshold,
            limit: Some(limit as u64),
            lookup_from: None,
        })
    }

    fn fusion(&self, fusion: Fusion) -> Result<Variant> {
        match fusion {
            Fusion::Sum { weights, lacking } => Ok(Variant::Formula(weighted_sum(tree::summands(weights, lacking)))),
            Fusion::Dbsf => Ok(Variant::Fusion(ServerFusion::Dbsf.into())),
            Fusion::Rrf { weights, .. } if !weights.is_empty() && !self.version.has_weighted_fusion() => {
                Err(Error::configuration(format!(
                    "the plan gives its prefetches weights, which Qdrant {} does not know: leave them out, or use 1.17 or later",
                    self.version
                )))
            }
            // Without `k` the server takes 2, as the in-process engine does.
            Fusion::Rrf { k, weights } => {
                let k = k.map(u32::try_from).transpose();
                let k = k.map_err(|error| Error::configuration("k of the fusion is too large").with_source(error))?;
                Ok(Variant::Rrf(Rrf { k, weights }))
            }
        }
    }
}

fn weighted_sum(summands: Vec<Summand>) -> Formula {
    let defaults = summands.iter().map(|summand| (summand.variable.clone(), 0.0.into())).collect();
    let part = |Summand { weight, variable, having }| {
        let has = having.map(|vector: VectorName| Expression::condition(ServerCondition::has_vector(vector.as_str())));
        let factors = [Expression::constant(weight), Expression::variable(variable)];
        Expression::mult_with(factors.into_iter().chain(has).collect::<Vec<_>>())
    };
    let parts: Vec<Expression> = summands.into_iter().map(part).collect();
    Formula { expression: Some(Expression::sum_with(parts)), defaults }
}

fn input(vector: QueryVector) -> VectorInput {
    let variant = match vector {
        QueryVector::Dense(values) => vector_input::Variant::Dense(DenseVector { data: values }),
        QueryVector::Multi(rows) => vector_input::Variant::MultiDense(multi(&rows)),
        QueryVector::Sparse(values) => vector_input::Variant::Sparse(sparse(values)),
    };
    VectorInput { variant: Some(variant) }
}

fn server_params(params: SearchParams) -> Option<ServerParams> {
    if params == SearchParams::default() {
        return None;
    }
    let SearchParams { ignore_quantization, rescore, oversampling, hnsw_ef, exact } = params;
    let quantization = QuantizationSearchParams { ignore: Some(ignore_quantization), rescore, oversampling };
    Some(ServerParams {
        hnsw_ef: hnsw_ef.map(|ef| ef as u64),
        exact: Some(exact),
        quantization: Some(quantization),
        ..ServerParams::default()
    })
}

/// # Errors
/// Permanent, if the stored point is none of ours.
pub(super) fn from_server(hit: ServerHit) -> Result<ScoredPoint> {
    let id = from_server_id(hit.id)?;
    Ok(ScoredPoint { id, score: hit.score, payload: from_payload(id, hit.payload)? })
}
