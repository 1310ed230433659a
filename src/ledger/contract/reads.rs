//! Lists, counts, tenants.

use super::super::testing::{ordinary, submission, submission_of};
use super::*;
use crate::error::Kind;
use crate::types::Note;

fn names(listing: &Listing) -> Vec<String> {
    listing.documents.iter().map(|document| document.source.name.clone()).collect()
}

pub(crate) async fn documents_are_listed_by_source(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    for name in ["b%", "a_", "A", "a", "ab"] {
        ledger.submit(&submission(name, 1)).await.unwrap();
    }
    let tenant = submission("a", 1).tenant;
    let sources = async |filter: DocumentFilter| names(&ledger.documents(&tenant, &filter).await.unwrap());
    assert_eq!(sources(DocumentFilter::default()).await, ["A.pdf", "a.pdf", "a_.pdf", "ab.pdf", "b%.pdf"]);
    let prefix = |prefix: &str| DocumentFilter { source_prefix: Some(prefix.into()), ..DocumentFilter::default() };
    assert_eq!(sources(prefix("/inbox/a_")).await, ["a_.pdf"]);
    assert_eq!(sources(DocumentFilter { limit: Some(1), ..prefix("/inbox/a") }).await, ["a.pdf"]);
    assert!(sources(DocumentFilter { limit: Some(0), ..prefix("") }).await.is_empty());
    assert!(sources(DocumentFilter { collection: Some("none".into()), ..prefix("") }).await.is_empty());
    assert!(sources(DocumentFilter { state: Some(State::Dead), ..prefix("") }).await.is_empty());
    ledger.claim(&ordinary(2)).await.unwrap();
    assert_eq!(sources(DocumentFilter { state: Some(State::Processing), ..prefix("") }).await, ["a_.pdf", "b%.pdf"]);
    let counts = BTreeMap::from([(State::Queued, 3), (State::Processing, 2)]);
    assert_eq!(ledger.counts(&tenant, None).await.unwrap(), counts);
    assert_eq!(ledger.counts(&tenant, Some("documents")).await.unwrap(), counts);
    assert!(ledger.counts(&tenant, Some("none")).await.unwrap().is_empty());
}

pub(crate) async fn lists_go_on_where_they_ended(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    for name in ["a", "b", "c", "d"] {
        ledger.submit(&submission(name, 1)).await.unwrap();
    }
    // The same source in another collection: the id decides.
    let mut twin = submission("b", 1);
    (twin.collection, twin.document) =
        ("elsewhere".into(), DocumentId::new(&twin.tenant, "elsewhere", &twin.source.uri));
    ledger.submit(&twin).await.unwrap();
    for limit in [1, 2, 3, 4] {
        let mut filter = DocumentFilter { limit: Some(limit), ..DocumentFilter::default() };
        let mut found = Vec::new();
        loop {
            let listing = ledger.documents(&twin.tenant, &filter).await.unwrap();
            assert!(listing.documents.len() <= limit);
            found.extend(names(&listing));
            // What comes before the cursor changes nothing.
            ledger.submit(&submission("A", 1)).await.unwrap();
            let Some(cursor) = listing.next_cursor else { break };
            assert_eq!(listing.documents.len(), limit);
            filter.after = Some(cursor);
        }
        let expected = ["A.pdf", "a.pdf", "b.pdf", "b.pdf", "c.pdf", "d.pdf"];
        assert_eq!(found, expected[6 - found.len()..]);
        assert!(found.len() >= 5, "{found:?}");
    }
    let all = DocumentFilter { limit: Some(6), ..DocumentFilter::default() };
    assert_eq!(ledger.documents(&twin.tenant, &all).await.unwrap().next_cursor, None);
}

pub(crate) async fn a_foreign_cursor_is_refused(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let filter = DocumentFilter { after: Some("17".into()), ..DocumentFilter::default() };
    let error = ledger.documents(&submission("a", 1).tenant, &filter).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Configuration);
    assert!(error.to_string().contains("'17'"), "{error}");
}

pub(crate) async fn tenants_see_nothing_of_each_other(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let tenants = ["ours", "theirs"].map(|name| Tenant(name.into()));
    let [ours, theirs] = tenants.each_ref().map(|tenant| submission_of(tenant, "same", 1));
    let generations = [index(&*ledger, &ours).await, index(&*ledger, &theirs).await];
    let both = [ours.document, theirs.document];
    for (own, other, generation) in [(&ours, &theirs, &generations[0]), (&theirs, &ours, &generations[1])] {
        let visible = ledger.visible(&own.tenant, &both).await.unwrap();
        assert_eq!(visible, HashMap::from([(own.document, generation.clone())]));
        assert_eq!(ledger.document(&own.tenant, other.document).await.unwrap(), None);
        let listing = ledger.documents(&own.tenant, &DocumentFilter::default()).await.unwrap();
        assert_eq!(listing.documents.iter().map(|found| found.document_id).collect::<Vec<_>>(), [own.document]);
        assert_eq!(ledger.counts(&own.tenant, None).await.unwrap(), BTreeMap::from([(State::Indexed, 1)]));
        assert!(!ledger.delete(&own.tenant, other.document).await.unwrap());
    }
    let filter = DocumentFilter { limit: Some(1), ..DocumentFilter::default() };
    assert_eq!(ledger.documents(&ours.tenant, &filter).await.unwrap().next_cursor, None, "nothing is left of ours");
    assert!(ledger.delete(&theirs.tenant, theirs.document).await.unwrap());
    assert_eq!(ledger.garbage(10).await.unwrap()[0].tenant, theirs.tenant);
    assert_eq!(seen(&*ledger, &ours).await.as_ref(), Some(&generations[0]));
}

async fn known(ledger: &dyn Ledger, job: &Job) -> Vec<String> {
    ledger.same_content(job, 8).await.unwrap().into_iter().map(|same| same.source.name).collect()
}

pub(crate) async fn content_is_known_under_other_paths(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let before = submit_and_claim(&*ledger, &submission("a", 1)).await;
    let indexed = Indexed {
        title: "A".into(),
        page_count: 3,
        notes: vec![Note::imperfect(Some(2), "cut off")],
        ..Indexed::default()
    };
    assert!(ledger.complete(&before, &indexed).await.unwrap());
    index(&*ledger, &submission("other", 2)).await;
    index(&*ledger, &submission_of(&Tenant("b".into()), "a", 1)).await;
    let mut elsewhere = submission("a", 1);
    (elsewhere.collection, elsewhere.document) =
        ("elsewhere".into(), DocumentId::new(&elsewhere.tenant, "elsewhere", &elsewhere.source.uri));
    index(&*ledger, &elsewhere).await;

    let moved = submission("moved", 1);
    let job = submit_and_claim(&*ledger, &moved).await;
    let same = ledger.same_content(&job, 8).await.unwrap();
    let [same] = same.as_slice() else { panic!("one is expected: {same:?}") };
    assert_eq!((same.document, &same.generation), (before.document, &before.generation));
    assert_eq!((same.source.name.as_str(), same.page_count, &same.notes), ("a.pdf", 3, &indexed.notes));
    complete(&*ledger, &job).await;
    let third = submit_and_claim(&*ledger, &submission("third", 1)).await;
    assert_eq!(known(&*ledger, &third).await, ["a.pdf", "moved.pdf"]);
    assert_eq!(ledger.same_content(&third, 1).await.unwrap().len(), 1);
    complete(&*ledger, &third).await;

    // who asks for it again wants it made again
    let again = submit_and_claim(&*ledger, &Submission { force: true, ..moved }).await;
    assert!(known(&*ledger, &again).await.is_empty());
    complete(&*ledger, &again).await;
    ledger.delete(&before.tenant, before.document).await.unwrap();
    let last = submit_and_claim(&*ledger, &submission("last", 1)).await;
    assert_eq!(known(&*ledger, &last).await, ["moved.pdf", "third.pdf"], "what is deleted is known no more");
}

pub(crate) async fn content_in_pieces_is_known_nowhere(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let job = submit_and_claim(&*ledger, &submission("a", 1)).await;
    let failure = PageFailure { page: 1, reason: "lost".into(), limit: None, again: false };
    let indexed = Indexed { page_count: 2, failed_pages: vec![failure], ..Indexed::default() };
    assert!(ledger.complete(&job, &indexed).await.unwrap());
    let moved = submit_and_claim(&*ledger, &submission("moved", 1)).await;
    assert!(known(&*ledger, &moved).await.is_empty());
}
