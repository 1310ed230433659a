//! Upkeep changes no answer, and sees every point.

use std::collections::BTreeMap;

use super::expected::patches;
use super::queries::{asked, by_anchors, by_fde, over};
use super::{DOCS, Place, count, filled, ids, run, tenant};
use crate::store::Condition;
use crate::store::fixtures::{self, Page, by_patches, points, question};
use crate::types::{NamedVector, VectorName};

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

pub async fn a_walk_meets_every_point_once(place: &dyn Place) {
    let mut pages = fixtures::pages(3, 15);
    pages.extend(fixtures::pages(2, 5).into_iter().map(|page| page.tenant("canary")));
    let store = filled(place, &pages).await;
    let mut met = BTreeMap::new();
    let mut from = None;
    loop {
        let walk = store.walk(DOCS, from.as_deref(), 7).await.unwrap();
        assert!(walk.points.len() <= 7);
        for point in walk.points {
            assert_eq!(met.insert(point.id.clone(), point.page.unwrap()), None, "{} came twice", point.id);
        }
        let Some(next) = walk.next else { break };
        from = Some(next);
    }
    assert_eq!(met.len(), pages.len(), "of every tenant");
    for page in &pages {
        let found = &met[&page.id().to_string()];
        assert_eq!((&found.tenant.0, found.document), (&page.payload().tenant.0, page.document_id()));
        assert_eq!((&found.generation, found.page), (&page.generation(), page.page));
    }
}
