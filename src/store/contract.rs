//! What every [`VectorStore`] must do. A backend runs all of it with [`contract_tests`].

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use half::f16;

use super::fixtures::{self, DIM, FDE_DIM, Page, TENANT, all, by_patches, nearest, only, points, query, question};
use super::{Condition, DateField, Filter, QueryNode, QueryVector, ScoredPoint, Scoring, StoreQuery, VectorStore};
use crate::error::Kind;
use crate::types::{
    Fusion, MAX_MULTIVECTOR_FLOATS, Multivector, NamedVector, PagePoint, PointId, Quantization, SearchParams,
    SparseVector, Tenant, TurboBits, VectorName,
};

/// A place where a store can be opened, closed by dropping it, and opened again with what it held.
#[async_trait]
pub trait Place: Send + Sync {
    async fn open(&self) -> Arc<dyn VectorStore>;
}

/// Makes a test of each rule; `$place` gives a new, empty [`Place`].
macro_rules! contract_tests {
    ($place:expr) => {
        $crate::store::contract::contract_tests!($place =>
            collections_come_and_go, another_schema_is_refused, a_point_is_overwritten, exact_max_sim_is_exact,
            a_rerank_scores_what_the_prefetch_found, rare_terms_weigh_more, ranks_are_fused, scores_are_fused,
            one_prefetch_stands_for_itself, a_threshold_cuts, filters_hold_in_every_branch, each_condition_filters,
            a_generation_is_deleted, what_was_flushed_is_there_again, broken_points_are_refused,
            broken_queries_are_refused, many_tasks_at_once, vectors_come_back_as_stored,
            pages_without_text_are_pages, optimizing_changes_no_answer, an_incarnation_stays, an_empty_collection_is_known,
            no_point_changes_its_number_of_rows, tags_are_replaced, another_tenants_points_never_come_back,
            purging_changes_no_answer, what_does_not_exist_is_named,
        );
    };
    ($place:expr => $($rule:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $rule() {
                $crate::store::contract::$rule(&$place).await;
            }
        )*
    };
}
pub(crate) use contract_tests;

const DOCS: &str = "documents";

async fn filled(place: &dyn Place, pages: &[Page]) -> Arc<dyn VectorStore> {
    let store = place.open().await;
    store.ensure_collection(DOCS, &fixtures::schema()).await.unwrap();
    store.upsert(DOCS, points(pages)).await.unwrap();
    store
}

async fn run(store: &Arc<dyn VectorStore>, root: QueryNode) -> Vec<ScoredPoint> {
    store.query(DOCS, query(root)).await.unwrap()
}

async fn count(store: &Arc<dyn VectorStore>, must: Vec<Condition>) -> usize {
    store.count(DOCS, &all().with(must)).await.unwrap()
}

fn tenant() -> Tenant {
    Tenant(TENANT.into())
}

fn ids(hits: &[ScoredPoint]) -> Vec<PointId> {
    hits.iter().map(|hit| hit.id).collect()
}

fn assert_scores(found: &[ScoredPoint], expected: &[(PointId, f32)]) {
    let scores: Vec<f32> = found.iter().map(|hit| hit.score).collect();
    assert_eq!(ids(found), expected.iter().map(|(id, _)| *id).collect::<Vec<_>>(), "{scores:?} for {expected:?}");
    for (hit, (id, score)) in found.iter().zip(expected) {
        assert!((hit.score - score).abs() < 2e-3, "{id}: {} where {score} is right", hit.score);
    }
}

fn halves(values: &[f32]) -> Vec<f32> {
    values.iter().map(|&value| f16::from_f32(value).to_f32()).collect()
}

fn patches(point: &PagePoint) -> Multivector {
    let NamedVector::Multi(rows) = &point.vectors[&VectorName::Patches] else { panic!("patches are a multivector") };
    Multivector::new(rows.dim(), halves(rows.as_slice())).unwrap()
}

fn sparse(point: &PagePoint, name: VectorName) -> SparseVector {
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

fn by_max_sim<'a>(points: impl IntoIterator<Item = &'a PagePoint>, question: &Multivector) -> Vec<(PointId, f32)> {
    ranked(points.into_iter().map(|point| (point.id, max_sim(question, &patches(point)))))
}

/// Dot products over `name`, each query value weighted by ln(1 + (n - df + 0.5) / (df + 0.5)); pages that share no term
/// are no hits.
fn by_sparse(points: &[PagePoint], name: VectorName, asked: &SparseVector) -> Vec<(PointId, f32)> {
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

fn asked(seed: u64, terms: usize) -> SparseVector {
    fixtures::Noise::new(seed).sparse(terms, 40)
}

fn by_anchors(asked: &SparseVector, limit: usize) -> QueryNode {
    nearest(VectorName::Anchors, QueryVector::Sparse(asked.clone()), limit)
}

fn by_fde(seed: u64, limit: usize) -> QueryNode {
    nearest(VectorName::Fde, QueryVector::Dense(fixtures::Noise::new(seed).floats(FDE_DIM)), limit)
}

fn over(prefetch: Vec<QueryNode>, stage: QueryNode) -> QueryNode {
    QueryNode { prefetch, ..stage }
}

fn fused(fusion: Fusion, prefetch: Vec<QueryNode>, limit: usize) -> QueryNode {
    QueryNode {
        scoring: Some(Scoring::Fusion(fusion)),
        prefetch,
        conditions: vec![],
        params: SearchParams::default(),
        score_threshold: None,
        limit,
    }
}

pub async fn collections_come_and_go(place: &dyn Place) {
    let store = place.open().await;
    assert!(store.collections().await.unwrap().is_empty());
    for name in ["two", "one"] {
        store.ensure_collection(name, &fixtures::schema()).await.unwrap();
        store.ensure_collection(name, &fixtures::schema()).await.unwrap();
    }
    store.upsert("two", points(&fixtures::pages(1, 2))).await.unwrap();
    assert_eq!(store.collections().await.unwrap(), ["one", "two"]);
    store.drop_collection("two").await.unwrap();
    store.drop_collection("two").await.unwrap();
    assert_eq!(store.collections().await.unwrap(), ["one"]);
    assert_eq!(store.count("two", &all()).await.unwrap_err().kind(), Kind::Configuration);
    store.ensure_collection("two", &fixtures::schema()).await.unwrap();
    assert_eq!(store.count("two", &all()).await.unwrap(), 0, "a new collection of an old name is empty");
    for name in ["", "../one", "One", &"x".repeat(65)] {
        let error = store.ensure_collection(name, &fixtures::schema()).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Configuration, "{name}: {error}");
    }
}

pub async fn another_schema_is_refused(place: &dyn Place) {
    let store = filled(place, &[]).await;
    let mut other = fixtures::schema();
    other.vectors[0].quantization = Some(Quantization::Turbo { bits: TurboBits::Bits4, in_memory: true });
    let error = store.ensure_collection(DOCS, &other).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Configuration);
    assert!(error.to_string().contains("patches") && error.to_string().contains("quantization"), "{error}");
    drop(store);
    let store = place.open().await;
    store.ensure_collection(DOCS, &fixtures::schema()).await.unwrap();
    other.vectors.remove(0);
    let error = store.ensure_collection(DOCS, &other).await.unwrap_err();
    assert!(error.to_string().contains("patches"), "{error}");
}

pub async fn a_point_is_overwritten(place: &dyn Place) {
    let page = Page::new(1, 1);
    let store = filled(place, std::slice::from_ref(&page)).await;
    let text = QueryVector::Sparse(sparse(&page.point(), VectorName::Text));
    assert_eq!(run(&store, nearest(VectorName::Text, text.clone(), 5)).await.len(), 1);

    let mut newer = page.clone().without_text().point();
    newer.payload.title = "Another title".into();
    store.upsert(DOCS, vec![newer.clone()]).await.unwrap();
    assert_eq!(count(&store, vec![]).await, 1);
    assert_eq!(count(&store, vec![Condition::Title("Document 1".into())]).await, 0);
    assert_eq!(count(&store, vec![Condition::Title("Another title".into())]).await, 1);
    let stored = store.retrieve(DOCS, &tenant(), &[page.id()], &VectorName::ALL[..1]).await.unwrap().remove(0);
    assert_eq!(stored.payload, newer.payload);
    assert_eq!(stored.vectors[&VectorName::Patches], NamedVector::Multi(patches(&newer)));
    assert!(run(&store, nearest(VectorName::Text, text, 5)).await.is_empty(), "the old text is gone");
}

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
    let found = run(&store, fused(Fusion::Sum { weights: weights.into() }, branches.clone(), 20)).await;
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

pub async fn filters_hold_in_every_branch(place: &dyn Place) {
    let pages = fixtures::pages(4, 10);
    let store = filled(place, &pages).await;
    let (asked, question) = (asked(5, 6), question(5, 2));
    let early = || Condition::Pages { from: None, to: Some(5) };
    for root in trees(&asked, &question) {
        let filter = all().with([early()]);
        let found = store.query(DOCS, StoreQuery { filter, root: root.clone() }).await.unwrap();
        assert!(found.iter().all(|hit| hit.payload.page <= 5), "{root:?}");
        // Every candidate of the branches must have been a match, or fewer hits than asked for come back.
        let filter = all().with([Condition::Pages { from: Some(6), to: None }]);
        let other = store.query(DOCS, StoreQuery { filter, root: root.clone() }).await.unwrap();
        assert!(other.iter().all(|hit| hit.payload.page > 5));
        let least = fewest_hits(&root, pages.len() / 2);
        assert!(found.len() >= least && other.len() >= least, "{} and {}: {root:?}", found.len(), other.len());
        // A condition of the root is one of the whole query.
        let conditions = vec![early()];
        let again = run(&store, QueryNode { conditions, ..root }).await;
        assert!(again.len() >= least && again.iter().all(|hit| hit.payload.page <= 5));
    }
    // A stage's own conditions concern that stage and those that feed it only.
    let here = QueryNode { conditions: vec![early()], ..by_fde(5, 3) };
    let both = fused(Fusion::Rrf { k: None, weights: vec![] }, vec![here, by_anchors(&asked, 40)], 40);
    let found = run(&store, both).await;
    assert!(found.iter().any(|hit| hit.payload.page <= 5) && found.iter().any(|hit| hit.payload.page > 5));
}

/// Queries of every shape that plans have.
/// How many hits a tree gives at least, of so many matches: as many as its longest branch, up to its own limit. Branches may
/// share some, and which do is left open by scores that are equal.
fn fewest_hits(node: &QueryNode, matches: usize) -> usize {
    let fed = node.prefetch.iter().map(|branch| fewest_hits(branch, matches)).max();
    node.limit.min(fed.unwrap_or(matches))
}

fn trees(asked: &SparseVector, question: &Multivector) -> Vec<QueryNode> {
    let deep = over(vec![by_anchors(asked, 9)], by_patches(question, 8));
    let rrf = fused(Fusion::Rrf { k: None, weights: vec![] }, vec![deep.clone(), by_fde(5, 9)], 12);
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

pub async fn each_condition_filters(place: &dyn Place) {
    let mut pages = fixtures::pages(3, 4);
    pages.push(Page::new(7, 1).tag("team", "blue").tag("a=b", "c"));
    pages.push(Page::new(7, 2).tag("team", "red").tag("a", "b=c"));
    pages.push(Page { version: 2, ..Page::new(7, 3) });
    let store = filled(place, &pages).await;
    let date = |from: Option<&str>, to: Option<&str>| Condition::Date {
        field: DateField::Created,
        from: from.map(str::to_owned),
        to: to.map(str::to_owned),
    };
    let ingested = |from: &str| Condition::Date { field: DateField::IngestedAt, from: Some(from.to_owned()), to: None };
    let tag = |key: &str, value: &str| Condition::Tag { key: key.into(), value: value.into() };
    let cases = [
        (Condition::Document(pages[0].document_id()), 4),
        (Condition::Generation(pages[14].generation()), 1),
        (Condition::Source("/documents/7.pdf".into()), 3),
        (Condition::Source("/documents/7".into()), 0),
        (Condition::Title("Document 2".into()), 4),
        (tag("team", "blue"), 1),
        (tag("a", "b=c"), 1),
        (tag("a=b", "c"), 1),
        (tag("team", "green"), 0),
        (Condition::Pages { from: Some(2), to: Some(3) }, 8),
        (Condition::Pages { from: Some(4), to: None }, 3),
        // Documents 1, 2 and 7 have dates: the 2nd, 3rd and 8th of May.
        (date(None, None), 11),
        (date(Some("2024-05-03T08:00:00Z"), None), 7),
        (date(Some("2024-05-02T09:00:00+01:00"), Some("2024-05-02T10:00:00+02:00")), 4),
        (ingested("2025-01-02T03:04:05Z"), 15),
        (ingested("2025-01-02T03:04:06Z"), 0),
        (Condition::Ids(vec![pages[0].id(), pages[5].id()]), 2),
        (Condition::Ids(vec![]), 0),
        (Condition::Any(vec![Condition::Title("Document 1".into()), tag("team", "red")]), 5),
        (Condition::Any(vec![]), 0),
    ];
    for (condition, expected) in cases {
        assert_eq!(count(&store, vec![condition.clone()]).await, expected, "{condition:?}");
        let query = StoreQuery { filter: only(condition.clone()), root: by_patches(&question(1, 1), 100) };
        assert_eq!(store.query(DOCS, query).await.unwrap().len(), expected, "{condition:?}");
    }
    let both = vec![Condition::Pages { from: None, to: Some(2) }, Condition::Title("Document 7".into())];
    assert_eq!(count(&store, both).await, 2);
}

pub async fn a_generation_is_deleted(place: &dyn Place) {
    let mut pages = fixtures::pages(3, 5);
    let newer: Vec<Page> = (1..=5).map(|page| Page { version: 2, ..Page::new(2, page) }).collect();
    pages.extend(newer.clone());
    let store = filled(place, &pages).await;
    let second = Condition::Document(pages[5].document_id());
    let (document, generation) = (pages[5].document_id(), pages[5].generation());
    for _ in 0..2 {
        store.delete_generation(DOCS, document, &generation).await.unwrap();
    }
    assert_eq!(count(&store, vec![second.clone()]).await, 5, "the newer generation stays");
    let found = run(&store, by_patches(&question(1, 2), 50)).await;
    assert_eq!(found.len(), 15);
    assert!(found.iter().all(|hit| (hit.payload.document_id, &hit.payload.generation) != (document, &generation)));
    store.upsert(DOCS, points(&pages[5..7])).await.unwrap();
    assert_eq!(count(&store, vec![]).await, 17, "deleted points can come back");
    store.delete_generation(DOCS, document, &newer[0].generation()).await.unwrap();
    assert_eq!(count(&store, vec![second]).await, 2);
}

pub async fn what_was_flushed_is_there_again(place: &dyn Place) {
    let pages = fixtures::pages(2, 10);
    let store = filled(place, &pages).await;
    store.delete_generation(DOCS, pages[0].document_id(), &pages[0].generation()).await.unwrap();
    store.flush(DOCS).await.unwrap();
    let question = question(3, 3);
    let before = run(&store, by_patches(&question, 20)).await;
    drop(store);
    let store = place.open().await;
    assert_eq!(store.collections().await.unwrap(), [DOCS]);
    let after = run(&store, by_patches(&question, 20)).await;
    assert_eq!(before.len(), 10);
    assert_eq!(ids(&before), ids(&after));
    assert!(before.iter().zip(&after).all(|(a, b)| a.payload == b.payload && a.score == b.score));
    assert_eq!(count(&store, vec![Condition::Pages { from: Some(8), to: None }]).await, 3, "indexes are there again");
}

pub async fn broken_points_are_refused(place: &dyn Place) {
    let store = filled(place, &[]).await;
    let with = |name, vector| {
        let mut point = Page::new(1, 13).point();
        point.vectors.insert(name, vector);
        point
    };
    let multi = |dim, rows: usize| NamedVector::Multi(Multivector::new(dim, vec![0.5; rows * dim]).unwrap());
    let pairs = |indices: &[u32], values: &[f32]| {
        NamedVector::Sparse(SparseVector { indices: indices.to_vec(), values: values.to_vec() })
    };
    let cases = [
        ("too many rows", with(VectorName::Patches, multi(DIM, MAX_MULTIVECTOR_FLOATS / DIM)), "32768 rows"),
        ("no rows", with(VectorName::Patches, multi(DIM, 0)), "no rows"),
        ("wrong rows", with(VectorName::Patches, multi(DIM + 1, 2)), "rows of 33"),
        ("wrong size", with(VectorName::Fde, NamedVector::Dense(vec![0.5; FDE_DIM - 1])), "15 dimensions"),
        ("wrong kind", with(VectorName::Fde, multi(DIM, 2)), "another kind"),
        ("not in the schema", with(VectorName::Rows, multi(DIM, 2)), "rows"),
        ("not a number", with(VectorName::Fde, NamedVector::Dense(vec![f32::NAN; FDE_DIM])), "NaN"),
        ("too large for float16", with(VectorName::Patches, NamedVector::Multi(huge())), "65504"),
        ("sparse out of order", with(VectorName::Text, pairs(&[4, 2], &[1.0, 1.0])), "ascend"),
        ("sparse twice the same", with(VectorName::Text, pairs(&[2, 2], &[1.0, 1.0])), "ascend"),
        ("sparse of two lengths", with(VectorName::Text, pairs(&[2, 3], &[1.0])), "2 indices"),
    ];
    for (case, point, says) in cases {
        let good = Page::new(2, 1).point();
        let error = store.upsert(DOCS, vec![good, point]).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Permanent, "{case}: {error}");
        assert!(error.to_string().contains(says), "{case}: {error}");
        assert!(error.to_string().contains("page 13 of /documents/1.pdf"), "{case}: {error}");
    }
    assert_eq!(count(&store, vec![]).await, 0, "a call with a broken point writes nothing");
    store.upsert(DOCS, vec![]).await.unwrap();
    // One row below the limit is stored.
    let largest = with(VectorName::Patches, multi(DIM, MAX_MULTIVECTOR_FLOATS / DIM - 1));
    store.upsert(DOCS, vec![largest]).await.unwrap();
    assert_eq!(run(&store, by_patches(&question(1, 2), 5)).await.len(), 1);
}

fn huge() -> Multivector {
    Multivector::new(DIM, vec![1e6; DIM]).unwrap()
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
        ("one weight for a sum of two", fused(Fusion::Sum { weights: vec![1.0] }, vec![by_fde(1, 5), by_fde(2, 5)], 5)),
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

pub async fn many_tasks_at_once(place: &dyn Place) {
    let store = filled(place, &[]).await;
    let tasks: Vec<_> = (1..=8)
        .map(|document| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for page in 1..=6 {
                    store.upsert(DOCS, vec![Page::new(document, page).point()]).await.unwrap();
                    match page % 3 {
                        0 => store.flush(DOCS).await.unwrap(),
                        1 => drop(store.optimize(DOCS).await.unwrap()),
                        _ => {}
                    }
                    let found = run(&store, by_patches(&question(document, 2), 100)).await;
                    let mine = found.iter().filter(|hit| hit.payload.title == format!("Document {document}"));
                    assert_eq!(mine.count(), page as usize, "what a task wrote it finds at once");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(count(&store, vec![]).await, 48);
}

pub async fn vectors_come_back_as_stored(place: &dyn Place) {
    let pages = [Page::new(1, 1).patches(1), Page::new(1, 2).patches(33), Page::new(1, 3).without_text()];
    let store = filled(place, &pages).await;
    let unknown = Page::new(9, 9).id();
    let wanted = [VectorName::Patches, VectorName::Fde, VectorName::Anchors, VectorName::Text];
    let stored = store
        .retrieve(DOCS, &tenant(), &[pages[2].id(), unknown, pages[0].id(), pages[1].id()], &wanted)
        .await
        .unwrap();
    assert_eq!(stored.len(), 3);
    for page in &pages {
        let point = page.point();
        let found = stored.iter().find(|stored| stored.id == page.id()).unwrap();
        assert_eq!(found.payload, point.payload);
        assert_eq!(
            found.vectors[&VectorName::Patches],
            NamedVector::Multi(patches(&point)),
            "rounded to float16, once"
        );
        assert_eq!(found.vectors[&VectorName::Fde], point.vectors[&VectorName::Fde]);
        assert_eq!(found.vectors[&VectorName::Anchors], point.vectors[&VectorName::Anchors]);
        assert_eq!(found.vectors.contains_key(&VectorName::Text), page.text);
    }
    let none = store.retrieve(DOCS, &tenant(), &[pages[0].id()], &[]).await.unwrap();
    assert!(none[0].vectors.is_empty());
    let unkept = store.retrieve(DOCS, &tenant(), &[pages[0].id()], &[VectorName::Cols]).await.unwrap_err();
    assert_eq!(unkept.kind(), Kind::Configuration, "{unkept}");
}

pub async fn pages_without_text_are_pages(place: &dyn Place) {
    let mut pages = fixtures::pages(1, 6);
    pages.extend((7..=12).map(|page| Page::new(1, page).without_text()));
    let store = filled(place, &pages).await;
    let question = question(6, 2);
    assert_eq!(run(&store, by_patches(&question, 20)).await.len(), 12);
    let words = fixtures::Noise::new(6).sparse(20, 30);
    let by_text = nearest(VectorName::Text, QueryVector::Sparse(words), 20);
    assert!(run(&store, by_text.clone()).await.iter().all(|hit| hit.payload.page <= 6));
    let both = fused(Fusion::Rrf { k: None, weights: vec![] }, vec![by_text, by_patches(&question, 20)], 20);
    assert_eq!(run(&store, both).await.len(), 12);
    // A question without known words has an empty vector: no hits, no error.
    let empty = nearest(VectorName::Text, QueryVector::Sparse(SparseVector::default()), 20);
    assert!(run(&store, empty.clone()).await.is_empty());
    let rest = over(vec![empty, by_fde(6, 5)], by_patches(&question, 20));
    assert_eq!(run(&store, rest).await.len(), 5);
}

pub async fn optimizing_changes_no_answer(place: &dyn Place) {
    let pages = fixtures::pages(4, 30);
    let store = filled(place, &pages).await;
    let gone = &pages[30];
    store.delete_generation(DOCS, gone.document_id(), &gone.generation()).await.unwrap();
    let (question, asked) = (question(7, 3), asked(7, 4));
    let roots =
        [by_patches(&question, 90), by_fde(7, 90), over(vec![by_anchors(&asked, 30)], by_patches(&question, 30))];
    let mut before = Vec::new();
    for root in &roots {
        before.push(run(&store, root.clone()).await);
    }
    while store.optimize(DOCS).await.unwrap() {}
    for (root, before) in roots.iter().zip(&before) {
        let after = run(&store, root.clone()).await;
        assert_eq!(ids(&after), ids(before));
        assert!(after.iter().zip(before).all(|(a, b)| a.payload == b.payload && (a.score - b.score).abs() < 1e-4));
    }
    assert_eq!(count(&store, vec![]).await, 90);
    assert_eq!(count(&store, vec![Condition::Document(gone.document_id())]).await, 0);
    let page = &pages[0];
    let stored = store.retrieve(DOCS, &tenant(), &[page.id()], &[VectorName::Patches]).await.unwrap().remove(0);
    assert_eq!(stored.vectors[&VectorName::Patches], NamedVector::Multi(patches(&page.point())));
    // An optimised point can still be overwritten and deleted.
    store.upsert(DOCS, vec![page.clone().without_text().point()]).await.unwrap();
    assert_eq!(count(&store, vec![Condition::Ids(vec![page.id()])]).await, 1);
    let stored = store.retrieve(DOCS, &tenant(), &[page.id()], &[VectorName::Text]).await.unwrap().remove(0);
    assert!(stored.vectors.is_empty(), "the text of the older point is gone");
    store.delete_generation(DOCS, page.document_id(), &page.generation()).await.unwrap();
    assert_eq!(count(&store, vec![]).await, 60);
}

pub async fn an_incarnation_stays(place: &dyn Place) {
    let store = place.open().await;
    assert_eq!(store.incarnation(DOCS).await.unwrap(), None, "there is no such collection");
    assert_eq!(store.set_incarnation(DOCS, "first").await.unwrap_err().kind(), Kind::Configuration);
    store.ensure_collection(DOCS, &fixtures::schema()).await.unwrap();
    assert_eq!(store.incarnation(DOCS).await.unwrap(), None, "it never got one");
    store.set_incarnation(DOCS, "first").await.unwrap();
    store.set_incarnation(DOCS, "second").await.unwrap();
    store.upsert(DOCS, points(&fixtures::pages(1, 2))).await.unwrap();
    assert_eq!(store.incarnation(DOCS).await.unwrap().as_deref(), Some("second"));
    drop(store);
    let store = place.open().await;
    assert_eq!(store.incarnation(DOCS).await.unwrap().as_deref(), Some("second"));
    store.drop_collection(DOCS).await.unwrap();
    store.ensure_collection(DOCS, &fixtures::schema()).await.unwrap();
    assert_eq!(
        store.incarnation(DOCS).await.unwrap(),
        None,
        "another collection of the same name has another identity"
    );
}

pub async fn an_empty_collection_is_known(place: &dyn Place) {
    let store = place.open().await;
    assert!(!store.is_empty(DOCS).await.unwrap(), "there is no such collection");
    store.ensure_collection(DOCS, &fixtures::schema()).await.unwrap();
    assert!(store.is_empty(DOCS).await.unwrap());
    let page = Page::new(1, 1).tenant("another tenant");
    store.upsert(DOCS, vec![page.point()]).await.unwrap();
    assert!(!store.is_empty(DOCS).await.unwrap(), "whosever the page is");
    store.delete_generation(DOCS, page.document_id(), &page.generation()).await.unwrap();
    assert!(store.is_empty(DOCS).await.unwrap());
}

pub async fn no_point_changes_its_number_of_rows(place: &dyn Place) {
    let pages = fixtures::pages(1, 40);
    let store = filled(place, &pages).await;
    for optimised in [false, true] {
        if optimised {
            while store.optimize(DOCS).await.unwrap() {}
        }
        for rows in [4, 6] {
            let batch = vec![Page::new(2, 1).point(), Page::new(1, 7).patches(rows).point()];
            let error = store.upsert(DOCS, batch).await.unwrap_err();
            assert_eq!(error.kind(), Kind::Bug, "{error}");
            let says = format!(
                "page 7 of /documents/1.pdf: vector 'patches' is stored with 5 rows and would be written again with {rows}"
            );
            assert!(error.to_string().contains(&says), "{error}");
        }
        let mut without = Page::new(1, 7).point();
        without.vectors.remove(&VectorName::Patches);
        assert_eq!(store.upsert(DOCS, vec![without]).await.unwrap_err().kind(), Kind::Bug);
        assert_eq!(count(&store, vec![]).await, 40, "a call with such a point writes nothing");
        store.upsert(DOCS, points(&pages[..10])).await.unwrap();
    }
    let twice = vec![Page::new(3, 1).point(), Page::new(3, 1).patches(9).point()];
    assert_eq!(store.upsert(DOCS, twice).await.unwrap_err().kind(), Kind::Bug, "within one call");
    // Another generation has other points.
    store.upsert(DOCS, vec![Page { version: 2, ..Page::new(1, 7).patches(9) }.point()]).await.unwrap();
    assert_eq!(count(&store, vec![]).await, 41);
}

pub async fn tags_are_replaced(place: &dyn Place) {
    let mut pages: Vec<Page> =
        (1..=40).map(|page| Page::new(1, page).tag("team", "blue").tag("year", "2024")).collect();
    pages.push(Page { version: 2, ..Page::new(1, 1) }.tag("team", "blue"));
    pages.push(Page::new(2, 1).tag("team", "blue"));
    let store = filled(place, &pages).await;
    let tag = |value: &str| vec![Condition::Tag { key: "team".into(), value: value.into() }];
    let (document, generation) = (pages[0].document_id(), pages[0].generation());
    let question = question(8, 3);
    let before = run(&store, by_patches(&question, 42)).await;
    for (value, optimise) in [("red", false), ("green", true)] {
        if optimise {
            while store.optimize(DOCS).await.unwrap() {}
        }
        let tags = BTreeMap::from([("team".to_owned(), value.to_owned())]);
        store.set_tags(DOCS, document, &generation, &tags).await.unwrap();
        assert_eq!((count(&store, tag("blue")).await, count(&store, tag(value)).await), (2, 40));
        let year = Condition::Tag { key: "year".into(), value: "2024".into() };
        assert_eq!(count(&store, vec![year]).await, 0, "a tag that is not among the new ones is gone");
        let stored = store.retrieve(DOCS, &tenant(), &[pages[6].id()], &VectorName::ALL[..1]).await.unwrap().remove(0);
        let mut expected = pages[6].point();
        expected.payload.tags = tags;
        assert_eq!(stored.payload, expected.payload);
        assert_eq!(
            stored.vectors[&VectorName::Patches],
            NamedVector::Multi(patches(&expected)),
            "no vector is touched"
        );
    }
    store.set_tags(DOCS, document, &generation, &BTreeMap::new()).await.unwrap();
    assert_eq!((count(&store, tag("green")).await, count(&store, vec![]).await), (0, 42));
    let stored = store.retrieve(DOCS, &tenant(), &[pages[6].id()], &[]).await.unwrap().remove(0);
    assert!(stored.payload.tags.is_empty());
    let after = run(&store, by_patches(&question, 42)).await;
    assert_eq!(ids(&before), ids(&after));
    // Of a generation that is not there, nothing happens.
    store
        .set_tags(DOCS, document, &Page { version: 9, ..Page::new(1, 1) }.generation(), &BTreeMap::new())
        .await
        .unwrap();
}

pub async fn another_tenants_points_never_come_back(place: &dyn Place) {
    let ours: Vec<Page> = fixtures::pages(2, 10);
    let theirs: Vec<Page> = fixtures::pages(2, 10).into_iter().map(|page| page.tenant("canary")).collect();
    let store = filled(place, &ours).await;
    store.upsert(DOCS, points(&theirs)).await.unwrap();
    let (asked, question) = (asked(5, 6), question(5, 2));
    for optimised in [false, true] {
        if optimised {
            while store.optimize(DOCS).await.unwrap() {}
        }
        for root in trees(&asked, &question) {
            let mine = run(&store, root.clone()).await;
            assert!(!mine.is_empty() && mine.iter().all(|hit| hit.payload.tenant == tenant()), "{root:?}");
            let filter = Filter::of(&Tenant("canary".into()));
            let other = store.query(DOCS, StoreQuery { filter, root: root.clone() }).await.unwrap();
            assert!(other.iter().all(|hit| hit.payload.tenant.0 == "canary"), "{root:?}");
            assert_eq!(mine.len(), other.len(), "a branch was filled with another tenant's pages: {root:?}");
            let filter = Filter::of(&Tenant("nobody".into()));
            assert!(store.query(DOCS, StoreQuery { filter, root }).await.unwrap().is_empty());
        }
        // Neither by id...
        let wanted: Vec<PointId> = ours.iter().chain(&theirs).map(Page::id).collect();
        let stored = store.retrieve(DOCS, &tenant(), &wanted, &[VectorName::Patches]).await.unwrap();
        assert_eq!(stored.len(), 20);
        assert!(stored.iter().all(|point| point.payload.tenant == tenant()));
        assert_eq!(count(&store, vec![Condition::Ids(theirs.iter().map(Page::id).collect())]).await, 0);
        // ...nor by a condition that would let everything through.
        let everything = Condition::Any(vec![
            Condition::Document(theirs[0].document_id()),
            Condition::Source(theirs[0].source()),
            Condition::Pages { from: None, to: None },
        ]);
        assert_eq!(count(&store, vec![everything.clone()]).await, 20);
        assert_eq!(store.count(DOCS, &Filter::of(&Tenant("nobody".into())).with([everything])).await.unwrap(), 0);
    }
}

pub async fn purging_changes_no_answer(place: &dyn Place) {
    let pages: Vec<Page> = fixtures::pages(4, 30)
        .into_iter()
        .map(|page| if page.page % 3 == 0 { page.without_text() } else { page })
        .collect();
    let store = filled(place, &pages).await;
    while store.optimize(DOCS).await.unwrap() {}
    let gone = &pages[30];
    store.delete_generation(DOCS, gone.document_id(), &gone.generation()).await.unwrap();
    let question = question(9, 3);
    let before = run(&store, by_patches(&question, 120)).await;
    store.purge(DOCS).await.unwrap();
    assert!(!store.purge(DOCS).await.unwrap(), "nothing is left to do");
    let after = run(&store, by_patches(&question, 120)).await;
    assert_eq!((before.len(), ids(&before)), (90, ids(&after)));
    store.upsert(DOCS, points(&pages[30..60])).await.unwrap();
    assert_eq!(count(&store, vec![]).await, 120);
}

pub async fn what_does_not_exist_is_named(place: &dyn Place) {
    let store = place.open().await;
    let page = Page::new(1, 1);
    let (document, generation) = (page.document_id(), page.generation());
    let refused = [
        store.upsert(DOCS, vec![page.point()]).await.unwrap_err(),
        store.flush(DOCS).await.unwrap_err(),
        store.query(DOCS, query(by_fde(1, 5))).await.unwrap_err(),
        store.retrieve(DOCS, &tenant(), &[page.id()], &[]).await.unwrap_err(),
        store.delete_generation(DOCS, document, &generation).await.unwrap_err(),
        store.set_tags(DOCS, document, &generation, &BTreeMap::new()).await.unwrap_err(),
        store.count(DOCS, &all()).await.unwrap_err(),
        store.optimize(DOCS).await.unwrap_err(),
        store.purge(DOCS).await.unwrap_err(),
    ];
    for error in refused {
        assert_eq!(error.kind(), Kind::Configuration, "{error}");
        assert!(error.to_string().contains("documents"), "{error}");
    }
}
