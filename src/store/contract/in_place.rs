//! Vectors that a filled collection is given, and loses, where the store can; elsewhere it says that it cannot.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::expected::patches;
use super::{DOCS, Place, by_fde, count, ids, run, tenant};
use crate::error::Kind;
use crate::store::fixtures::{self, Page, by_patches, points, question};
use crate::store::{MoreVectors, VectorStore};
use crate::types::{NamedVector, PagePayload, PagePoint, RecipeId, Schema, VectorName, VectorSpec};

const ADDED: [VectorName; 2] = [VectorName::Fde, VectorName::Anchors];

fn spec(name: VectorName) -> VectorSpec {
    fixtures::schema().get(name).unwrap().clone()
}

/// The schema of the fixtures without what is added later.
fn smaller() -> Schema {
    let vectors = fixtures::schema().vectors.into_iter().filter(|spec| !ADDED.contains(&spec.name));
    Schema { vectors: vectors.collect() }
}

fn smaller_points(pages: &[Page]) -> Vec<PagePoint> {
    let mut points = points(pages);
    points.iter_mut().for_each(|point| point.vectors.retain(|name, _| !ADDED.contains(name)));
    points
}

fn more(page: &Page) -> MoreVectors {
    let mut vectors = page.point().vectors;
    vectors.retain(|name, _| ADDED.contains(name));
    MoreVectors { id: page.id(), page: format!("page {}", page.page), vectors }
}

fn recipe() -> RecipeId {
    RecipeId("with more".into())
}

/// Every point that lacks `fde`, in slices of three.
async fn lacking(store: &Arc<dyn VectorStore>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut from = None;
    loop {
        let walk = store.walk_lacking(DOCS, VectorName::Fde, VectorName::Patches, from.as_deref(), 3).await.unwrap();
        assert!(walk.points.len() <= 3);
        found.extend(walk.points.into_iter().map(|point| point.id));
        match walk.next {
            Some(next) => from = Some(next),
            None => return found,
        }
    }
}

async fn refuses(store: &Arc<dyn VectorStore>, page: &Page) {
    let vector = VectorName::Fde;
    let refusals = [
        store.add_vector(DOCS, &spec(vector)).await.unwrap_err(),
        store.remove_vector(DOCS, VectorName::Text).await.unwrap_err(),
        store.walk_lacking(DOCS, vector, VectorName::Patches, None, 3).await.map(drop).unwrap_err(),
        store.put_vectors(DOCS, &recipe(), vec![more(page)]).await.unwrap_err(),
    ];
    for error in refusals {
        assert_eq!(error.kind(), Kind::Configuration, "{error}");
        assert!(error.to_string().contains("beside it"), "{error}");
    }
}

pub async fn vectors_come_to_stored_points(place: &dyn Place) {
    let store = place.open().await;
    store.ensure_collection(DOCS, &smaller()).await.unwrap();
    let pages = fixtures::pages(2, 5);
    store.upsert(DOCS, smaller_points(&pages)).await.unwrap();
    if !store.changes_vectors_in_place().await.unwrap() {
        return refuses(&store, &pages[0]).await;
    }
    // Another process, which knows the collection as it was.
    let elsewhere = place.open().await;
    let asked = question(3, 3);
    let before = run(&elsewhere, by_patches(&asked, 10)).await;
    for name in ADDED {
        store.add_vector(DOCS, &spec(name)).await.unwrap();
        store.add_vector(DOCS, &spec(name)).await.unwrap();
    }
    store.ensure_collection(DOCS, &fixtures::schema()).await.unwrap();
    let every: BTreeSet<String> = pages.iter().map(|page| page.id().to_string()).collect();
    assert_eq!(lacking(&store).await, every);

    store.put_vectors(DOCS, &recipe(), pages[..4].iter().map(more).collect()).await.unwrap();
    assert_eq!(lacking(&store).await.len(), 6, "it goes on where it stopped");
    let absent = Page::new(77, 1);
    store.put_vectors(DOCS, &recipe(), pages[4..].iter().chain([&absent]).map(more).collect()).await.unwrap();
    assert!(lacking(&store).await.is_empty());
    assert_eq!(count(&store, vec![]).await, 10, "a point that is gone is not made");

    let page = &pages[7];
    let stored = elsewhere.retrieve(DOCS, &tenant(), &[page.id()], &VectorName::ALL).await;
    assert!(stored.is_err(), "rows are not kept");
    let names = [VectorName::Patches, VectorName::Fde, VectorName::Anchors, VectorName::Text];
    let stored = elsewhere.retrieve(DOCS, &tenant(), &[page.id()], &names).await.unwrap().remove(0);
    let mut expected: BTreeMap<VectorName, NamedVector> = page.point().vectors;
    expected.insert(VectorName::Patches, NamedVector::Multi(patches(&page.point())));
    assert_eq!(stored.vectors, expected);
    let payload = PagePayload { recipe: recipe(), ..page.payload() };
    assert_eq!(stored.payload, payload, "nothing but the recipe");
    let after = run(&elsewhere, by_patches(&asked, 10)).await;
    assert_eq!(ids(&after), ids(&before));
    let found = run(&elsewhere, by_fde(7, 20)).await;
    assert_eq!(found.len(), pages.len(), "each has its own");
    // Pages that come now bring it along.
    elsewhere.upsert(DOCS, points(&[Page::new(9, 1)])).await.unwrap();
    assert!(lacking(&store).await.is_empty());
}

pub async fn vectors_go_from_stored_points(place: &dyn Place) {
    let store = place.open().await;
    store.ensure_collection(DOCS, &fixtures::schema()).await.unwrap();
    let pages = fixtures::pages(2, 5);
    store.upsert(DOCS, points(&pages)).await.unwrap();
    if !store.changes_vectors_in_place().await.unwrap() {
        return refuses(&store, &pages[0]).await;
    }
    let asked = question(5, 3);
    let before = run(&store, by_patches(&asked, 10)).await;
    for name in ADDED {
        store.remove_vector(DOCS, name).await.unwrap();
        store.remove_vector(DOCS, name).await.unwrap();
    }
    store.ensure_collection(DOCS, &smaller()).await.unwrap();
    let names = [VectorName::Patches, VectorName::Text];
    let stored = store.retrieve(DOCS, &tenant(), &[pages[3].id()], &names).await.unwrap().remove(0);
    assert_eq!(stored.vectors.keys().copied().collect::<Vec<_>>(), names);
    assert_eq!(stored.payload, pages[3].payload());
    let after = run(&store, by_patches(&asked, 10)).await;
    assert_eq!(ids(&after), ids(&before));
    store.upsert(DOCS, smaller_points(&[Page::new(9, 1)])).await.unwrap();
    assert_eq!(count(&store, vec![]).await, 11);
}
