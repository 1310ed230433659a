//! Deletes, and the garbage that they and others leave.

use super::super::testing::{build, submission};
use super::*;

pub(crate) async fn a_deleted_document_goes_with_its_garbage(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let (v1, v2) = (submission("a", 1), submission("a", 2));
    assert!(!ledger.delete(&v1.tenant, v1.document).await.unwrap());
    index(&*ledger, &v1).await;
    let stale = submit_and_claim(&*ledger, &v2).await;
    assert!(ledger.delete(&v1.tenant, v1.document).await.unwrap());
    let now = record(&*ledger, &v1).await;
    assert_eq!((now.state, seen(&*ledger, &v1).await), (State::Deleting, None));
    assert!(!ledger.complete(&stale, &Indexed::default()).await.unwrap());
    let left = ledger.garbage(10).await.unwrap();
    assert_eq!(left.len(), 2);
    ledger.collected(&left[0]).await.unwrap();
    assert_eq!(record(&*ledger, &v1).await.state, State::Deleting);
    ledger.collected(&left[1]).await.unwrap();
    assert_eq!(ledger.document(&v1.tenant, v1.document).await.unwrap(), None);
    // The worker wrote pages until now.
    assert!(!ledger.complete(&stale, &Indexed::default()).await.unwrap());
    assert_eq!(ledger.document(&v1.tenant, v1.document).await.unwrap(), None);
    assert_eq!(garbage(&*ledger).await, [stale.generation]);
}

pub(crate) async fn a_deleted_document_goes_from_both_builds(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let v1 = submission("a", 1);
    let old = index(&*ledger, &v1).await;
    ledger.rebuild("documents", &build("next")).await.unwrap();
    let job = claim_one(&*ledger).await;
    complete(&*ledger, &job).await;
    assert!(ledger.delete(&v1.tenant, v1.document).await.unwrap());
    let left: HashMap<_, _> =
        ledger.garbage(10).await.unwrap().into_iter().map(|left| (left.generation, left.collection)).collect();
    assert_eq!(left, HashMap::from([(old, "documents".into()), (job.generation, "next".into())]));
    assert_eq!(ledger.switch("documents", false).await.unwrap(), Switch::Switched);
    collect_all(&*ledger).await;
    assert_eq!(ledger.document(&v1.tenant, v1.document).await.unwrap(), None);
}

pub(crate) async fn a_document_without_points_is_deleted_at_once(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let v1 = submission("a", 1);
    let job = submit_and_claim(&*ledger, &v1).await;
    reject(&*ledger, &job, "empty").await;
    collect_all(&*ledger).await;
    assert!(ledger.delete(&v1.tenant, v1.document).await.unwrap());
    assert_eq!(ledger.document(&v1.tenant, v1.document).await.unwrap(), None);
}

pub(crate) async fn a_document_comes_back_while_it_is_deleted(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let v1 = submission("a", 1);
    let old = index(&*ledger, &v1).await;
    ledger.delete(&v1.tenant, v1.document).await.unwrap();
    let job = submit_and_claim(&*ledger, &v1).await;
    assert_eq!((record(&*ledger, &v1).await.state, seen(&*ledger, &v1).await), (State::Processing, None));
    complete(&*ledger, &job).await;
    assert_eq!(garbage(&*ledger).await, [old]);
    collect_all(&*ledger).await;
    assert_eq!(seen(&*ledger, &v1).await, Some(job.generation));
}

pub(crate) async fn garbage_names_where_it_lies(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let v1 = submission("a", 1);
    let stale = submit_and_claim(&*ledger, &v1).await;
    ledger.rebuild("documents", &build("next")).await.unwrap();
    ledger.switch("documents", true).await.unwrap();
    ledger.dropped("documents").await.unwrap();
    collect_all(&*ledger).await;
    // A worker that slept through all of it: its pages lie where it wrote them.
    ledger.release(&stale, Duration::ZERO, None).await.unwrap();
    let expected = Garbage {
        document: v1.document,
        tenant: v1.tenant.clone(),
        collection: "documents".into(),
        generation: stale.generation,
    };
    assert_eq!(ledger.garbage(10).await.unwrap(), [expected]);
}
