//! A plan and a question become one query tree. The store holds its filter in every branch, so that no stage fills its
//! candidates with pages that the filter would take away.

use super::Search;
use crate::derive::terms::AskedWords;
use crate::error::{Error, Result};
use crate::store::{QueryNode, QueryVector, Scoring, StoreQuery};
use crate::types::{Fusion, Lacking, NamedVector, SearchParams, SparseVector, Stage, VectorName};

/// What BM25 of the question's numbers and identifiers alone adds to a weighted sum, whatever else is asked: a rare one is
/// worth more than all that a page can look like, one that stands on every page next to nothing.
const EXACT_WEIGHT: f32 = 0.1;

/// By what share more the looks of a page count that has no text layer, where a plan adds what the text says: it has nothing else. Of
/// 12 questions in words of a page over the demo, where every seventh page is a scan or a photo, `hybrid` has 8 first without it
/// and 10 from .08 to .25; of 18 in own words 17 among the first five without it, all from .1 to .25. Collections in which every
/// page has text don't change.
const LOOKS_WITHOUT_TEXT: f32 = 0.15;

/// `limit`: hits of the whole query. A stage's own limit is raised to it where it is lower.
pub fn translate(search: &Search<'_>, limit: usize) -> Result<StoreQuery> {
    let candidates = search.plan.prefetch.iter().map(|stage| prefetch(search, stage, limit));
    let candidates = candidates.collect::<Result<Vec<_>>>()?;
    Ok(StoreQuery { filter: search.filter.to_store(search.tenant), root: root(search, candidates, limit)? })
}

fn root(search: &Search<'_>, mut candidates: Vec<QueryNode>, limit: usize) -> Result<QueryNode> {
    let plan = search.plan;
    if let Some(fusion) = &plan.fusion {
        let pool = plan.rerank.as_ref().map_or(limit, |rerank| {
            rerank.candidates.unwrap_or_else(|| candidates.iter().map(|node| node.limit).max().unwrap_or(limit))
        });
        let fusion = match fusion {
            Fusion::Sum { weights, .. } => sum(search, weights, &mut candidates),
            other => other.clone(),
        };
        candidates = vec![node(Some(Scoring::Fusion(fusion)), candidates, SearchParams::default(), pool)];
    }
    match &plan.rerank {
        Some(rerank) => {
            let scoring = nearest(search, rerank.using)?;
            Ok(node(Some(scoring), candidates, rerank.params, limit))
        }
        None if candidates.len() == 1 => {
            let mut only = candidates.remove(0);
            only.limit = limit;
            Ok(only)
        }
        None => Err(Error::configuration(format!(
            "plan '{}' has {} stages and neither fusion nor rerank: nothing says how to order their candidates",
            plan.name,
            candidates.len()
        ))),
    }
}

/// The sum with weights as the store takes them. Where the plan reads `text` and the question has numbers or identifiers, one
/// more branch finds those alone.
fn sum(search: &Search<'_>, weights: &[f32], candidates: &mut Vec<QueryNode>) -> Fusion {
    let asked = AskedWords::new(search.question);
    // A candidate that is cut off counts as one that looks like nothing.
    for stage in candidates.iter_mut() {
        stage.limit = stage.limit.max(stage.prefetch.iter().map(|inner| inner.limit).sum());
    }
    let length = |node: &QueryNode| match &node.scoring {
        Some(Scoring::Nearest { vector: QueryVector::Multi(rows), .. }) => rows.len(),
        Some(Scoring::Nearest { using: VectorName::Text, .. }) => asked.as_slice().len(),
        _ => 1,
    };
    let mut weights: Vec<f32> =
        candidates.iter().zip(weights).map(|(node, weight)| weight / length(node).max(1) as f32).collect();
    let exact = exact_terms(&asked);
    let text = candidates.iter().find(|node| searches_text(node)).map(|node| node.limit);
    let looks = candidates.iter().position(|node| !searches_text(node)).filter(|_| text.is_some());
    let lacking = looks.map(|stage| Lacking { vector: VectorName::Text, stage, more: LOOKS_WITHOUT_TEXT });
    if let (Some(limit), false) = (text, exact.is_empty()) {
        let scoring = Scoring::Nearest { using: VectorName::Text, vector: QueryVector::Sparse(exact) };
        candidates.push(node(Some(scoring), Vec::new(), SearchParams::default(), limit));
        weights.push(EXACT_WEIGHT);
    }
    Fusion::Sum { weights, lacking }
}

fn searches_text(node: &QueryNode) -> bool {
    matches!(&node.scoring, Some(Scoring::Nearest { using: VectorName::Text, .. }))
}

/// The terms of numbers and identifiers as a whole, each of weight 1.
fn exact_terms(asked: &AskedWords) -> SparseVector {
    let exact = asked.as_slice().iter().filter(|word| word.kind.is_exact());
    let mut indices: Vec<u32> = exact.flat_map(|word| word.terms()).collect();
    indices.sort_unstable();
    indices.dedup();
    SparseVector { values: vec![1.0; indices.len()], indices }
}

fn prefetch(search: &Search<'_>, stage: &Stage, limit: usize) -> Result<QueryNode> {
    let nested = stage.prefetch.iter().map(|inner| prefetch(search, inner, limit)).collect::<Result<Vec<_>>>()?;
    let scoring = Some(nearest(search, stage.using)?);
    let limit = stage.limit.max(limit);
    Ok(QueryNode { score_threshold: stage.score_threshold, ..node(scoring, nested, stage.params, limit) })
}

fn nearest(search: &Search<'_>, using: VectorName) -> Result<Scoring> {
    let vector = match search.derived.get(&using) {
        Some(NamedVector::Dense(values)) => QueryVector::Dense(values.clone()),
        Some(NamedVector::Multi(rows)) => QueryVector::Multi(rows.clone()),
        Some(NamedVector::Sparse(sparse)) => QueryVector::Sparse(sparse.clone()),
        None => {
            return Err(Error::configuration(format!(
                "plan '{}' searches '{using}', which this collection does not have",
                search.plan.name
            )));
        }
    };
    Ok(Scoring::Nearest { using, vector })
}

fn node(scoring: Option<Scoring>, prefetch: Vec<QueryNode>, params: SearchParams, limit: usize) -> QueryNode {
    QueryNode { scoring, prefetch, conditions: Vec::new(), params, score_threshold: None, limit }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Pipeline;
    use crate::retrieve::{DerivedQuestion, PageFilter};
    use crate::types::{Multivector, Plan, Tenant};

    /// The tree that the shipped plan 'hybrid' becomes for a question of two word vectors.
    fn hybrid(question: &str) -> QueryNode {
        let pipeline = Pipeline::default();
        let plan: &Plan = pipeline.plan("hybrid").unwrap();
        let sparse = NamedVector::Sparse(SparseVector { indices: vec![1], values: vec![1.0] });
        let rows = Multivector::new(2, vec![1.0, 0.0, 0.0, 1.0]).unwrap();
        let derived = DerivedQuestion::from([
            (VectorName::Patches, NamedVector::Multi(rows)),
            (VectorName::Anchors, sparse.clone()),
            (VectorName::Text, sparse),
        ]);
        let (tenant, filter) = (Tenant("default".into()), PageFilter::default());
        let search = Search {
            collection: "documents",
            tenant: &tenant,
            question,
            derived: &derived,
            plan,
            filter: &filter,
            limit: 5,
        };
        translate(&search, 5).unwrap().root
    }

    fn weights(root: &QueryNode) -> Vec<f32> {
        match &root.scoring {
            Some(Scoring::Fusion(Fusion::Sum { weights, .. })) => weights.clone(),
            other => panic!("a weighted sum is expected at the root, not {other:?}"),
        }
    }

    #[test]
    fn hybrid_adds_up_at_the_root_and_every_candidate_of_either_branch_has_both_scores() {
        let root = hybrid("which rotor bolts");
        assert_eq!((root.prefetch.len(), root.limit), (2, 5));
        let [looks, text] = root.prefetch.as_slice() else { panic!("two branches") };
        assert_eq!(looks.prefetch.len(), 2);
        assert!(looks.limit >= looks.prefetch.iter().map(|node| node.limit).sum());
        assert!(searches_text(text) && searches_text(&looks.prefetch[1]));
        let Some(Scoring::Fusion(Fusion::Sum { lacking: Some(lacking), .. })) = &root.scoring else {
            panic!("the looks of pages without text count more")
        };
        assert_eq!((lacking.vector, lacking.stage), (VectorName::Text, 0));
        // per word: two vectors, two words that are asked about
        let weights = weights(&root);
        assert!((weights[0] - 0.5).abs() < 1e-6 && weights[1] < weights[0] / 10.0, "{weights:?}");
    }

    #[test]
    fn numbers_and_identifiers_have_a_branch_of_their_own() {
        let root = hybrid("which rotor bolts has AB-4711");
        let exact = root.prefetch.last().unwrap();
        assert_eq!((root.prefetch.len(), weights(&root)[2]), (3, EXACT_WEIGHT));
        let Some(Scoring::Nearest { using: VectorName::Text, vector: QueryVector::Sparse(terms) }) = &exact.scoring
        else {
            panic!("the terms of the identifier are expected")
        };
        // as it is written, and without its hyphen; its parts stand on other pages too
        assert_eq!(terms.indices.len(), 2);
    }
}
