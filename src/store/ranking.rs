//! Both backends over the same pages: every kind of query gives the same ranking, with scores within [`TOLERANCE`].
//!
//! All stages are exact. Where a stage reads quantized vectors the backends may differ, since each quantizes segments of its own,
//! at moments of its own; that a final stage rescores is what brings them together again.

use std::sync::Arc;

use super::contract::{by_anchors, by_fde, fused, over, trees};
use super::fixtures::{self, Noise, Page, all, by_patches, points, question};
use super::{Condition, EdgeStore, QueryNode, ScoredPoint, StoreQuery, VectorStore};
use crate::types::{Fusion, PointId, VectorName};

/// How far apart the scores of a page may be.
const TOLERANCE: f32 = 1e-3;
const DOCS: &str = "documents";

/// Holds `other` against the in-process engine.
pub(super) async fn compare(other: Arc<dyn VectorStore>) {
    let folder = tempfile::tempdir().unwrap();
    let edge: Arc<dyn VectorStore> = Arc::new(EdgeStore::open(folder.path(), Default::default()).unwrap());
    let mut pages = fixtures::pages(5, 20);
    for (at, page) in pages.iter_mut().enumerate() {
        page.patches = 1 + at % 9;
        page.text = at % 4 != 0;
    }
    for store in [&edge, &other] {
        store.ensure_collection(DOCS, &fixtures::schema()).await.unwrap();
        store.upsert(DOCS, points(&pages)).await.unwrap();
    }
    for seed in 0..6 {
        for (name, query) in queries(seed, &pages) {
            let (ours, theirs) =
                (edge.query(DOCS, query.clone()).await.unwrap(), other.query(DOCS, query).await.unwrap());
            assert!(!ours.is_empty(), "{name}, {seed}");
            same(&format!("{name}, {seed}"), &ours, &theirs);
        }
    }
}

fn queries(seed: u64, pages: &[Page]) -> Vec<(&'static str, StoreQuery)> {
    let (asked, question) = (Noise::new(seed).sparse(5, 40), question(seed, 1 + seed as usize % 4));
    let text = fixtures::nearest(VectorName::Text, super::QueryVector::Sparse(Noise::new(seed ^ 7).sparse(6, 30)), 15);
    let branches = || vec![by_anchors(&asked, 12), by_fde(seed, 12), text.clone()];
    let rrf = |k, weights: &[f32]| Fusion::Rrf { k, weights: weights.to_vec() };
    let mut all: Vec<(&str, QueryNode, Vec<Condition>)> = vec![
        ("multi", by_patches(&question, 30), vec![]),
        ("dense", by_fde(seed, 30), vec![]),
        ("anchors", by_anchors(&asked, 30), vec![]),
        ("text", text.clone(), vec![]),
        ("rank fusion", fused(rrf(None, &[]), branches(), 30), vec![]),
        ("rank fusion with k", fused(rrf(Some(60), &[]), branches(), 30), vec![]),
        ("weighted rank fusion", fused(rrf(Some(20), &[3.0, 1.0, 0.5]), branches(), 30), vec![]),
        ("score fusion", fused(Fusion::Dbsf, branches(), 30), vec![]),
        ("prefetch and rerank", over(vec![by_fde(seed, 20)], by_patches(&question, 10)), vec![]),
        ("threshold", QueryNode { score_threshold: Some(0.5), ..by_patches(&question, 30) }, vec![]),
        ("pages", by_patches(&question, 30), vec![Condition::Pages { from: Some(3), to: Some(11) }]),
        ("document", by_patches(&question, 30), vec![Condition::Document(pages[0].document_id())]),
    ];
    all.extend(trees(&asked, &question).into_iter().map(|tree| ("nested", tree, vec![])));
    let filtered = vec![Condition::Any(vec![
        Condition::Title("Document 2".into()),
        Condition::Pages { from: Some(15), to: None },
    ])];
    all.extend(trees(&asked, &question).into_iter().map(|tree| ("nested and filtered", tree, filtered.clone())));
    all.into_iter()
        .map(|(name, root, conditions)| (name, StoreQuery { filter: self::all().with(conditions), root }))
        .collect()
}

/// The same pages at the same places; pages whose scores are equal may change places, and at the end of the list give theirs
/// to one that scores the same.
fn same(name: &str, ours: &[ScoredPoint], theirs: &[ScoredPoint]) {
    let told = |hits: &[ScoredPoint]| hits.iter().map(|hit| (hit.id, hit.score)).collect::<Vec<_>>();
    let (ours, theirs) = (told(ours), told(theirs));
    assert_eq!(ours.len(), theirs.len(), "{name}: {ours:?} and {theirs:?}");
    for (at, (a, b)) in ours.iter().zip(&theirs).enumerate() {
        assert!((a.1 - b.1).abs() <= TOLERANCE, "{name}, place {at}: {ours:?} and {theirs:?}");
        let ties: Vec<PointId> =
            ours.iter().filter(|other| (other.1 - a.1).abs() <= TOLERANCE).map(|other| other.0).collect();
        let last = (ours[ours.len() - 1].1 - a.1).abs() <= TOLERANCE;
        assert!(last || ties.contains(&b.0), "{name}, place {at}: {ours:?} and {theirs:?}");
    }
}
