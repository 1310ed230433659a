//! Rejections, failed pages, failures and jobs given back: what is tried again, when, and at whose cost.

use super::super::testing::{LEASE, RETRY, ordinary, submission};
use super::*;
use crate::error::Limit;

fn limit(value: u64) -> Limit {
    Limit { name: "max_pages".into(), value }
}

/// The submission under such limits.
fn under(submission: &Submission, limits: &[(&str, u64)]) -> Submission {
    let limits = limits.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
    Submission { limits, ..submission.clone() }
}

fn failure(limit: Option<Limit>, again: bool) -> PageFailure {
    PageFailure { page: 2, reason: "no".into(), limit, again }
}

/// Indexes version 1 of a document without the page.
async fn index_without(ledger: &dyn Ledger, page: &PageFailure) -> Submission {
    let v1 = submission("a", 1);
    let job = submit_and_claim(ledger, &v1).await;
    let indexed = Indexed { title: "A".into(), page_count: 2, failed_pages: vec![page.clone()], ..Indexed::default() };
    assert!(ledger.complete(&job, &indexed).await.unwrap());
    v1
}

pub(crate) async fn a_rejected_version_is_not_tried_again(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let (v1, v2) = (submission("a", 1), submission("a", 2));
    let first = index(&*ledger, &v1).await;
    let job = submit_and_claim(&*ledger, &v2).await;
    assert!(reject(&*ledger, &job, "it is encrypted").await);
    let now = record(&*ledger, &v1).await;
    assert_eq!((now.state, now.reason.as_deref()), (State::Rejected, Some("it is encrypted")));
    assert_eq!(now.visible, Some(first), "the version before stays");
    assert_eq!(garbage(&*ledger).await, [job.generation]);
    let retagged = Submission { tags: BTreeMap::new(), ..under(&v2, &[("max_pages", 7)]) };
    assert_eq!(ledger.submit(&retagged).await.unwrap(), Submitted::RejectedBefore("it is encrypted".into()));
    let forced = Submission { force: true, ..v2 };
    let job = submit_and_claim(&*ledger, &forced).await;
    assert_eq!(record(&*ledger, &v1).await.reason, None);
    complete(&*ledger, &job).await;
}

pub(crate) async fn a_rejection_at_a_limit_is_tried_under_another(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let v1 = submission("a", 1);
    let job = submit_and_claim(&*ledger, &v1).await;
    let rejection = Rejection { reason: "it has 900 pages".into(), limit: Some(limit(500)) };
    assert!(ledger.reject(&job, &rejection).await.unwrap());
    for same in [&[("max_pages", 500), ("max_bytes", 1)][..], &[("max_bytes", 1)], &[]] {
        let answer = ledger.submit(&under(&v1, same)).await.unwrap();
        assert_eq!(answer, Submitted::RejectedBefore("it has 900 pages".into()));
    }
    let again = submit_and_claim(&*ledger, &under(&v1, &[("max_pages", 1000)])).await;
    assert_ne!(again.generation, job.generation);
    // Rejected for another reason: the limit that was met before no longer counts.
    assert!(reject(&*ledger, &again, "it is broken").await);
    let answer = ledger.submit(&under(&v1, &[("max_pages", 2000)])).await.unwrap();
    assert_eq!(answer, Submitted::RejectedBefore("it is broken".into()));
}

pub(crate) async fn failed_pages_survive_unchanged(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let page = failure(Some(limit(500)), false);
    let v1 = index_without(&*ledger, &page).await;
    for _ in 0..2 {
        let answer = ledger.submit(&under(&v1, &[("max_pages", 500)])).await.unwrap();
        assert_eq!(answer, Submitted::Unchanged(vec![page.clone()]));
    }
    assert_eq!(record(&*ledger, &v1).await.failed_pages, std::slice::from_ref(&page));
    // Also through a change of tags.
    let retag = submit_and_claim(&*ledger, &Submission { tags: BTreeMap::new(), ..v1.clone() }).await;
    assert_eq!(retag.task, Task::Retag);
    complete(&*ledger, &retag).await;
    assert_eq!(record(&*ledger, &v1).await.failed_pages, [page]);
}

pub(crate) async fn lost_pages_are_tried_again(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let v1 = index_without(&*ledger, &failure(None, true)).await;
    let old = seen(&*ledger, &v1).await.unwrap();
    let job = submit_and_claim(&*ledger, &v1).await;
    assert_eq!(job.task, Task::Index);
    assert_ne!(job.generation, old);
    assert_eq!(seen(&*ledger, &v1).await, Some(old));
    complete(&*ledger, &job).await;
    assert_eq!(ledger.submit(&v1).await.unwrap(), Submitted::Unchanged(Vec::new()));
}

pub(crate) async fn pages_at_a_limit_are_tried_under_another(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let v1 = index_without(&*ledger, &failure(Some(limit(500)), false)).await;
    // Not even a change of tags alone spares the pages then.
    let tagged = Submission { tags: BTreeMap::new(), ..v1.clone() };
    ledger.submit(&tagged).await.unwrap();
    let job = submit_and_claim(&*ledger, &under(&tagged, &[("max_pages", 501)])).await;
    assert_eq!(job.task, Task::Index);
}

pub(crate) async fn a_failing_document_is_tried_again_and_then_buried(backend: &dyn Backend) {
    let Some((ledger, clock)) = open(backend).await else { return };
    let v1 = submission("a", 1);
    let job = submit_and_claim(&*ledger, &v1).await;
    assert_eq!(ledger.fail(&job, "too slow", 2, RETRY).await.unwrap(), Fate::Retry);
    assert_eq!(ledger.fail(&job, "too slow", 2, RETRY).await.unwrap(), Fate::Superseded);
    let now = record(&*ledger, &v1).await;
    assert_eq!((now.state, now.reason.as_deref(), now.attempts), (State::Queued, Some("too slow"), 1));
    assert!(ledger.claim(&ordinary(10)).await.unwrap().is_empty());
    assert_eq!(ledger.next_due_ms(None).await.unwrap(), Some(10_000));
    clock.advance(RETRY);
    let job = claim_one(&*ledger).await;
    assert_eq!(job.attempt, 2);
    assert_eq!(record(&*ledger, &v1).await.reason.as_deref(), Some("too slow"));
    assert_eq!(ledger.fail(&job, "still too slow", 2, RETRY).await.unwrap(), Fate::DeadLettered);
    let now = record(&*ledger, &v1).await;
    assert_eq!((now.state, now.reason.as_deref()), (State::Dead, Some("still too slow")));
    assert_eq!(ledger.next_due_ms(None).await.unwrap(), None);
    assert_eq!(garbage(&*ledger).await, std::slice::from_ref(&job.generation), "half a document is of no use");
    let again = submit_and_claim(&*ledger, &v1).await;
    assert_eq!((again.attempt, record(&*ledger, &v1).await.attempts), (1, 1));
    assert_ne!(again.generation, job.generation);
}

pub(crate) async fn a_released_job_is_as_before(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let (a, b) = (submission("a", 1), submission("b", 1));
    ledger.submit(&a).await.unwrap();
    ledger.submit(&b).await.unwrap();
    let jobs = ledger.claim(&ordinary(2)).await.unwrap();
    assert_eq!(jobs.iter().map(|job| job.document).collect::<Vec<_>>(), [a.document, b.document], "oldest first");
    ledger.release(&jobs[0], Duration::ZERO, None).await.unwrap();
    assert!(!ledger.complete(&jobs[0], &Indexed::default()).await.unwrap());
    let now = record(&*ledger, &a).await;
    assert_eq!((now.state, now.attempts, now.reason), (State::Queued, 0, None));
    let again = claim_one(&*ledger).await;
    assert_eq!((again.attempt, again.document, &again.generation), (1, a.document, &jobs[0].generation));
}

pub(crate) async fn a_released_job_waits_with_its_reason(backend: &dyn Backend) {
    let Some((ledger, clock)) = open(backend).await else { return };
    let v1 = submission("a", 1);
    let job = submit_and_claim(&*ledger, &v1).await;
    ledger.release(&job, LEASE, Some("the store is away")).await.unwrap();
    let now = record(&*ledger, &v1).await;
    assert_eq!((now.state, now.reason.as_deref(), now.attempts), (State::Queued, Some("the store is away"), 0));
    assert_eq!(ledger.next_due_ms(None).await.unwrap(), Some(LEASE.as_millis() as u64));
    assert!(ledger.claim(&ordinary(1)).await.unwrap().is_empty());
    clock.advance(LEASE);
    let job = claim_one(&*ledger).await;
    assert_eq!(job.attempt, 1);
    ledger.release(&job, Duration::ZERO, None).await.unwrap();
    assert_eq!(record(&*ledger, &v1).await.reason.as_deref(), Some("the store is away"));
    complete(&*ledger, &claim_one(&*ledger).await).await;
    assert_eq!(record(&*ledger, &v1).await.reason, None);
}
