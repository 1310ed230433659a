//! Collections: made, listed, told apart, named, dropped.

use std::collections::BTreeMap;

use super::queries::by_fde;
use super::{DOCS, Place, filled, tenant};
use crate::error::Kind;
use crate::store::fixtures::{self, DIM, FDE_DIM, Page, all, points, query};
use crate::types::{Quantization, TurboBits, VectorName};

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
    for name in ["", "../one", "One", &"x".repeat(97)] {
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

pub async fn a_published_name_leads_to_its_collection(place: &dyn Place) {
    let store = place.open().await;
    for build in ["named--1", "named--2"] {
        assert_eq!(store.publish("named", build).await.unwrap_err().kind(), Kind::Configuration, "there is none yet");
        store.ensure_collection(build, &fixtures::schema()).await.unwrap();
        for _ in 0..2 {
            store.publish("named", build).await.unwrap();
        }
    }
    assert_eq!(store.collections().await.unwrap(), ["named--1", "named--2"], "a name is no collection");
    store.drop_collection("named--1").await.unwrap();
    store.publish("named", "named--2").await.unwrap();
}

pub async fn a_collection_tells_of_itself(place: &dyn Place) {
    let store = filled(place, &fixtures::pages(2, 10)).await;
    let info = store.collection_info(DOCS).await.unwrap();
    assert_eq!(info.points, 20);
    assert!(info.segments > 0);
    assert_eq!(info.bytes_a_page[&VectorName::Patches], (5 * DIM * 2) as f64);
    assert_eq!(info.bytes_a_page[&VectorName::Fde], (FDE_DIM * 4) as f64);
    assert!(info.bytes_a_page[&VectorName::Anchors] > 0.0);
    assert!(store.info().await.unwrap().name.contains("Qdrant"));
    assert_eq!(store.collection_info("another").await.unwrap_err().kind(), Kind::Configuration);
}
