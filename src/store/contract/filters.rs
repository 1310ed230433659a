//! Filters: what they let through, in every branch, and whose pages they never do.

use super::queries::{asked, by_anchors, by_fde, fewest_hits, fused, trees};
use super::{DOCS, Place, count, filled, run, tenant};
use crate::store::fixtures::{self, Page, all, by_patches, only, points, question};
use crate::store::{Condition, DateField, Filter, QueryNode, StoreQuery};
use crate::types::{Fusion, PointId, Tenant, VectorName};

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

pub async fn pages_are_seen_by_their_groups(place: &dyn Place) {
    let mut pages = fixtures::pages(2, 2);
    pages.push(Page::new(7, 1).tag("allowed", "finance,legal"));
    pages.push(Page::new(7, 2).tag("allowed", "legal"));
    pages.push(Page::new(7, 3).tag("allowed", ""));
    let store = filled(place, &pages).await;
    let allowed = |groups: &[&str]| Condition::AllowedTo(groups.iter().map(|&group| group.to_owned()).collect());
    let cases =
        [(allowed(&[]), 4), (allowed(&["finance"]), 5), (allowed(&["legal", "sales"]), 6), (allowed(&["sales"]), 4)];
    for (condition, expected) in cases {
        assert_eq!(count(&store, vec![condition.clone()]).await, expected, "{condition:?}");
        let query = StoreQuery { filter: only(condition.clone()), root: by_patches(&question(1, 1), 100) };
        assert_eq!(store.query(DOCS, query).await.unwrap().len(), expected, "{condition:?}");
    }
    // Other tags are other groups.
    let (document, generation) = (pages[5].document_id(), pages[5].generation());
    let tags = std::collections::BTreeMap::from([("allowed".to_owned(), "sales".to_owned())]);
    store.set_tags(DOCS, document, &generation, &tags).await.unwrap();
    assert_eq!(count(&store, vec![allowed(&["sales"])]).await, 7);
    store.set_tags(DOCS, document, &generation, &std::collections::BTreeMap::new()).await.unwrap();
    assert_eq!(count(&store, vec![allowed(&[])]).await, 7);
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
