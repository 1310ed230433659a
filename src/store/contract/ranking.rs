//! Queries: which pages come, in which order, with which scores.

use std::collections::BTreeMap;

use super::expected::{assert_scores, by_max_sim, by_sparse};
use super::queries::{asked, by_anchors, by_fde, fused, over};
use super::{DOCS, Place, filled, ids, run};
use crate::error::Kind;
use crate::store::fixtures::{self, DIM, FDE_DIM, Page, by_patches, nearest, points, query, question};
use crate::store::{Condition, QueryNode, QueryVector};
use crate::types::{Fusion, Lacking, Multivector, PointId, SparseVector, VectorName};

pub async fn exact_max_sim_is_exact(place: &dyn Place) {
    let pages: Vec<Page> = (1..=40).map(|page| Page::new(1, page).patches(1 + page as usize % 7)).collect();
    let store = filled(place, &pages).await;
    let points = points(&pages);
    for seed in 0..5 {
        let question = question(seed, 1 + seed as usize);
        let found = run(&store, by_patches(&question, 10)).await;
        assert_scores(&found, &by_max_sim(&points, &question)[..10]);
        let page = pages.iter().find(|page| page.id() == found[0].id).unwrap();
        assert_eq!(found[0].payload, page.payload());
    }
}

pub async fn a_rerank_scores_what_the_prefetch_found(place: &dyn Place) {
    let pages = fixtures::pages(3, 20);
    let store = filled(place, &pages).await;
    let points = points(&pages);
    for seed in 0..5 {
        let (asked, question) = (asked(seed, 4), question(seed, 3));
        let candidates: Vec<PointId> =
            by_sparse(&points, VectorName::Anchors, &asked)[..8].iter().map(|(id, _)| *id).collect();
        let found = run(&store, over(vec![by_anchors(&asked, 8)], by_patches(&question, 5))).await;
        let among = points.iter().filter(|point| candidates.contains(&point.id));
        assert_scores(&found, &by_max_sim(among, &question)[..5]);
    }
}

pub async fn rare_terms_weigh_more(place: &dyn Place) {
    let pages = fixtures::pages(2, 15);
    let store = filled(place, &pages).await;
    let points = points(&pages);
    for seed in 10..15 {
        let asked = asked(seed, 5);
        let expected = by_sparse(&points, VectorName::Anchors, &asked);
        let found = run(&store, by_anchors(&asked, 10)).await;
        assert_scores(&found, &expected[..10.min(expected.len())]);
    }
}

pub async fn ranks_are_fused(place: &dyn Place) {
    let pages = fixtures::pages(2, 15);
    let store = filled(place, &pages).await;
    let asked = asked(3, 4);
    let (sparse, dense) = (by_anchors(&asked, 6), by_fde(3, 6));
    let lists = [ids(&run(&store, sparse.clone()).await), ids(&run(&store, dense.clone()).await)];
    for (k, weights) in [(None, vec![]), (Some(60), vec![]), (Some(10), vec![3.0, 1.0])] {
        let mut expected: BTreeMap<PointId, f32> = BTreeMap::new();
        for (branch, list) in lists.iter().enumerate() {
            let weight = weights.get(branch).copied().unwrap_or(1.0);
            for (place, id) in list.iter().enumerate() {
                *expected.entry(*id).or_default() +=
                    1.0 / ((place as f32 + 1.0) / weight + k.unwrap_or(2) as f32 - 1.0);
            }
        }
        let found = run(&store, fused(Fusion::Rrf { k, weights }, vec![sparse.clone(), dense.clone()], 20)).await;
        assert_eq!(found.len(), expected.len());
        assert!(found.windows(2).all(|pair| pair[0].score >= pair[1].score));
        for hit in found {
            assert!((hit.score - expected[&hit.id]).abs() < 1e-5, "{} where {} is right", hit.score, expected[&hit.id]);
        }
    }
}

pub async fn scores_are_fused(place: &dyn Place) {
    let store = filled(place, &fixtures::pages(2, 15)).await;
    let asked = asked(4, 4);
    let branches = vec![by_anchors(&asked, 6), by_fde(4, 6)];
    let found = run(&store, fused(Fusion::Dbsf, branches.clone(), 20)).await;
    let mut union = ids(&run(&store, branches[0].clone()).await);
    union.extend(ids(&run(&store, branches[1].clone()).await));
    union.sort_unstable();
    union.dedup();
    assert_eq!(found.len(), union.len());
    assert!(found.windows(2).all(|pair| pair[0].score >= pair[1].score));
    // A weighted sum of the scores themselves; a branch that does not know the page adds nothing.
    let weights = [0.7f32, 0.02];
    let mut sums: BTreeMap<PointId, f32> = BTreeMap::new();
    for (branch, weight) in branches.iter().zip(weights) {
        for hit in run(&store, branch.clone()).await {
            *sums.entry(hit.id).or_default() += weight * hit.score;
        }
    }
    let found = run(&store, fused(Fusion::Sum { weights: weights.into(), lacking: None }, branches.clone(), 20)).await;
    assert_eq!(found.len(), sums.len());
    assert!(found.windows(2).all(|pair| pair[0].score >= pair[1].score));
    for hit in found {
        assert!((hit.score - sums[&hit.id]).abs() < 1e-4, "{} where {} is right", hit.score, sums[&hit.id]);
    }
    // Fused candidates under a rerank: their order is the rerank's alone.
    let question = question(4, 2);
    let found = run(&store, over(vec![fused(Fusion::Dbsf, branches, 4)], by_patches(&question, 10))).await;
    assert_eq!(found.len(), 4);
}

pub async fn one_prefetch_stands_for_itself(place: &dyn Place) {
    let store = filled(place, &fixtures::pages(1, 20)).await;
    let question = question(1, 2);
    let inner = by_patches(&question, 7);
    let direct = run(&store, inner.clone()).await;
    let outer = QueryNode { scoring: None, limit: 5, ..over(vec![inner], by_patches(&question, 0)) };
    let found = run(&store, outer.clone()).await;
    assert_eq!(ids(&found), ids(&direct)[..5]);
    let conditions = vec![Condition::Pages { from: Some(11), to: None }];
    assert!(run(&store, QueryNode { conditions, ..outer }).await.iter().all(|hit| hit.payload.page > 10));
}

pub async fn a_threshold_cuts(place: &dyn Place) {
    let store = filled(place, &fixtures::pages(1, 20)).await;
    let question = question(2, 3);
    let all = run(&store, by_patches(&question, 20)).await;
    let threshold = f32::midpoint(all[6].score, all[7].score);
    let found = run(&store, QueryNode { score_threshold: Some(threshold), ..by_patches(&question, 20) }).await;
    assert_eq!(ids(&found), ids(&all)[..7]);
    assert!(run(&store, by_patches(&question, 0)).await.is_empty());
}

pub async fn broken_queries_are_refused(place: &dyn Place) {
    let store = filled(place, &fixtures::pages(1, 3)).await;
    let dense = |size| QueryVector::Dense(vec![0.5; size]);
    let rrf = |weights: &[f32]| Fusion::Rrf { k: None, weights: weights.to_vec() };
    let empty = Multivector::new(DIM, vec![]).unwrap();
    let cases = [
        ("unknown vector", nearest(VectorName::Cols, dense(4), 5)),
        ("wrong size", nearest(VectorName::Fde, dense(4), 5)),
        ("wrong kind", nearest(VectorName::Patches, dense(DIM), 5)),
        ("no rows", by_patches(&empty, 5)),
        ("not a number", nearest(VectorName::Fde, QueryVector::Dense(vec![f32::NAN; FDE_DIM]), 5)),
        ("fusion of nothing", fused(rrf(&[]), vec![], 5)),
        (
            "one weight for a sum of two",
            fused(Fusion::Sum { weights: vec![1.0], lacking: None }, vec![by_fde(1, 5), by_fde(2, 5)], 5),
        ),
        ("one weight for two", fused(rrf(&[1.0]), vec![by_fde(1, 5), by_fde(2, 5)], 5)),
        ("no order", QueryNode { scoring: None, ..by_fde(1, 5) }),
        ("no order of two", QueryNode { scoring: None, prefetch: vec![by_fde(1, 5), by_fde(2, 5)], ..by_fde(1, 5) }),
    ];
    for (case, root) in cases {
        let error = store.query(DOCS, query(root)).await.unwrap_err();
        assert!(matches!(error.kind(), Kind::Configuration | Kind::Permanent), "{case}: {error:?}");
    }
    assert_eq!(run(&store, by_fde(1, 5)).await.len(), 3, "the store goes on");
}

pub async fn pages_without_text_are_pages(place: &dyn Place) {
    let mut pages = fixtures::pages(1, 6);
    pages.extend((7..=12).map(|page| Page::new(1, page).without_text()));
    let store = filled(place, &pages).await;
    let question = question(6, 2);
    assert_eq!(run(&store, by_patches(&question, 20)).await.len(), 12);
    let words = fixtures::Noise::new(6).sparse(20, 30);
    let by_text = nearest(VectorName::Text, QueryVector::Sparse(words.clone()), 20);
    assert!(run(&store, by_text.clone()).await.iter().all(|hit| hit.payload.page <= 6));
    let both = fused(Fusion::Rrf { k: None, weights: vec![] }, vec![by_text, by_patches(&question, 20)], 20);
    assert_eq!(run(&store, both).await.len(), 12);
    // In a sum, what is known of them can count more.
    let branches =
        || vec![by_patches(&question, 20), nearest(VectorName::Text, QueryVector::Sparse(words.clone()), 20)];
    let lacking = Some(Lacking { vector: VectorName::Text, stage: 0, more: 0.5 });
    let sum = |lacking| fused(Fusion::Sum { weights: vec![1.0, 0.1], lacking }, branches(), 20);
    let (plain, raised) = (run(&store, sum(None)).await, run(&store, sum(lacking)).await);
    assert_eq!((plain.len(), raised.len()), (12, 12));
    for hit in raised {
        let before = plain.iter().find(|plain| plain.id == hit.id).unwrap().score;
        let factor = if hit.payload.page > 6 { 1.5 } else { 1.0 };
        assert!((hit.score - factor * before).abs() < 1e-4, "page {}: {before} became {}", hit.payload.page, hit.score);
    }
    // A question without known words has an empty vector: no hits, no error.
    let empty = nearest(VectorName::Text, QueryVector::Sparse(SparseVector::default()), 20);
    assert!(run(&store, empty.clone()).await.is_empty());
    let rest = over(vec![empty, by_fde(6, 5)], by_patches(&question, 20));
    assert_eq!(run(&store, rest).await.len(), 5);
}
