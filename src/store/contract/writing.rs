//! Points: written, written again, changed, deleted, read back.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::expected::{patches, sparse};
use super::{DOCS, Place, count, filled, ids, run, tenant};
use crate::error::Kind;
use crate::store::fixtures::{self, DIM, FDE_DIM, Page, by_patches, nearest, points, question};
use crate::store::{Condition, QueryVector};
use crate::types::{MAX_MULTIVECTOR_FLOATS, Multivector, NamedVector, SparseVector, VectorName};

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
