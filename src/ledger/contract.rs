//! What every ledger backend must do. A backend runs the suite with `contract_tests!(its factory)`.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::testing::{Backend, HandClock, LEASE, RETRY, generation, submission};
use super::*;
use crate::types::{DocumentId, RecipeId, Tenant};

fn garbage(of: &Submission) -> Garbage {
    Garbage { document: of.document, collection: of.collection.clone(), generation: generation(of) }
}

async fn open(backend: &dyn Backend) -> (Arc<dyn Ledger>, HandClock) {
    let clock = HandClock::new();
    (backend.empty(clock.clock()).await, clock)
}

async fn claim_one(ledger: &dyn Ledger) -> Job {
    let mut jobs = ledger.claim(None, 1, LEASE).await.unwrap();
    assert_eq!(jobs.len(), 1, "a job was expected");
    jobs.remove(0)
}

async fn index(ledger: &dyn Ledger, submission: &Submission) {
    assert_eq!(ledger.submit(submission).await.unwrap(), Submitted::Queued);
    let job = claim_one(ledger).await;
    assert_eq!(job.generation, generation(submission));
    assert!(ledger.complete(&job, &Indexed::default()).await.unwrap());
}

async fn record(ledger: &dyn Ledger, submission: &Submission) -> DocumentRecord {
    ledger.document(submission.document).await.unwrap().expect("the document is known")
}

async fn collect_all(ledger: &dyn Ledger) {
    for garbage in ledger.garbage(100).await.unwrap() {
        ledger.collected(&garbage).await.unwrap();
    }
}

pub(super) async fn collections_are_kept(backend: &dyn Backend) {
    let (ledger, _) = open(backend).await;
    let record = |name: &str, definition: &str| CollectionRecord {
        name: name.into(),
        definition: definition.into(),
        created_at: "2024-05-06T07:08:09.010Z".into(),
    };
    ledger.put_collection(&record("b", "{}")).await.unwrap();
    ledger.put_collection(&record("a", "{}")).await.unwrap();
    ledger.put_collection(&record("a", "{\"x\":1}")).await.unwrap();
    assert_eq!(ledger.collection("a").await.unwrap(), Some(record("a", "{\"x\":1}")));
    assert_eq!(ledger.collection("c").await.unwrap(), None);
    assert_eq!(ledger.collections().await.unwrap(), [record("a", "{\"x\":1}"), record("b", "{}")]);
}

pub(super) async fn jobs_are_handed_out_by_collection(backend: &dyn Backend) {
    let (ledger, _) = open(backend).await;
    let left_behind = submission("a", 1);
    let other = Submission { collection: "elsewhere".into(), ..submission("b", 1) };
    ledger.submit(&left_behind).await.unwrap();
    ledger.submit(&other).await.unwrap();
    assert!(ledger.claim(Some("nowhere"), 10, LEASE).await.unwrap().is_empty());
    assert_eq!(ledger.next_due_ms(Some("nowhere")).await.unwrap(), None);
    let jobs = ledger.claim(Some("elsewhere"), 10, LEASE).await.unwrap();
    assert_eq!(jobs.iter().map(|job| job.document).collect::<Vec<_>>(), [other.document]);
    assert_eq!(ledger.next_due_ms(Some("elsewhere")).await.unwrap(), None);
    assert_eq!(ledger.next_due_ms(None).await.unwrap(), Some(0));
    assert_eq!(claim_one(&*ledger).await.document, left_behind.document);
}

pub(super) async fn a_document_is_indexed(backend: &dyn Backend) {
    let (ledger, clock) = open(backend).await;
    let v1 = submission("a", 1);
    assert_eq!(ledger.submit(&v1).await.unwrap(), Submitted::Queued);
    assert_eq!(record(&*ledger, &v1).await.state, State::Queued);
    clock.advance(Duration::from_millis(1500));
    let job = claim_one(&*ledger).await;
    assert_eq!((job.attempt, &job.tags, &job.source), (1, &v1.tags, &v1.source));
    assert_eq!(record(&*ledger, &v1).await.state, State::Processing);
    assert!(ledger.visible(&[v1.document]).await.unwrap().is_empty());
    let failed_pages = vec![PageFailure { page: 2, reason: "too slow".into() }];
    let indexed = Indexed { title: "Title".into(), page_count: 3, failed_pages: failed_pages.clone() };
    assert!(ledger.complete(&job, &indexed).await.unwrap());
    let expected = DocumentRecord {
        document_id: v1.document,
        tenant: v1.tenant.clone(),
        collection: v1.collection.clone(),
        source: v1.source.clone(),
        title: "Title".into(),
        state: State::Indexed,
        reason: None,
        page_count: 3,
        failed_pages,
        content_hash: v1.content_hash.clone(),
        recipe: v1.recipe.clone(),
        visible: Some(generation(&v1)),
        tags: v1.tags.clone(),
        attempts: 1,
        size_bytes: 1000,
        updated_at: "2023-11-14T22:13:21.500Z".into(),
    };
    assert_eq!(record(&*ledger, &v1).await, expected);
    let stranger = submission("stranger", 1).document;
    assert_eq!(ledger.visible(&[v1.document, stranger]).await.unwrap().len(), 1);
    assert_eq!(ledger.submit(&v1).await.unwrap(), Submitted::Unchanged);
    assert!(ledger.claim(None, 10, LEASE).await.unwrap().is_empty());
    assert!(ledger.garbage(10).await.unwrap().is_empty());
}

pub(super) async fn a_change_replaces_what_people_see_at_the_end(backend: &dyn Backend) {
    let (ledger, _) = open(backend).await;
    let (v1, v2) = (submission("a", 1), submission("a", 2));
    index(&*ledger, &v1).await;
    ledger.submit(&v2).await.unwrap();
    let job = claim_one(&*ledger).await;
    assert_eq!(ledger.visible(&[v1.document]).await.unwrap()[&v1.document], generation(&v1));
    assert!(ledger.garbage(10).await.unwrap().is_empty());
    assert!(ledger.complete(&job, &Indexed::default()).await.unwrap());
    assert_eq!(ledger.visible(&[v1.document]).await.unwrap()[&v1.document], generation(&v2));
    assert_eq!(ledger.garbage(10).await.unwrap(), [garbage(&v1)]);
    ledger.collected(&garbage(&v1)).await.unwrap();
    assert_eq!(record(&*ledger, &v1).await.state, State::Indexed);
}

pub(super) async fn tags_and_recipe_are_reasons_to_index_again(backend: &dyn Backend) {
    let (ledger, _) = open(backend).await;
    let v1 = submission("a", 1);
    index(&*ledger, &v1).await;
    let tagged = Submission { tags: BTreeMap::new(), ..v1.clone() };
    index(&*ledger, &tagged).await;
    assert!(ledger.garbage(10).await.unwrap().is_empty(), "the generation is the same");
    assert!(record(&*ledger, &v1).await.tags.is_empty());
    index(&*ledger, &Submission { force: true, ..tagged.clone() }).await;
    index(&*ledger, &Submission { recipe: RecipeId("other".into()), ..tagged }).await;
    assert_eq!(ledger.garbage(10).await.unwrap(), [garbage(&v1)]);
}

pub(super) async fn a_newer_version_takes_the_job_away(backend: &dyn Backend) {
    let (ledger, _) = open(backend).await;
    let (v1, v2, v3) = (submission("a", 1), submission("a", 2), submission("a", 3));
    index(&*ledger, &v1).await;
    ledger.submit(&v2).await.unwrap();
    let stale = claim_one(&*ledger).await;
    ledger.submit(&v3).await.unwrap();
    assert_eq!(ledger.garbage(10).await.unwrap(), [garbage(&v2)]);
    assert!(!ledger.renew(&stale, LEASE).await.unwrap());
    assert!(!ledger.complete(&stale, &Indexed::default()).await.unwrap());
    assert!(!ledger.reject(&stale, "no").await.unwrap());
    assert_eq!(ledger.fail(&stale, "no", 1, RETRY).await.unwrap(), Fate::Superseded);
    ledger.release(&stale).await.unwrap();
    let now = record(&*ledger, &v1).await;
    assert_eq!((now.state, now.visible), (State::Queued, Some(generation(&v1))));
    assert_eq!(claim_one(&*ledger).await.generation, generation(&v3));
    // back to what people see: its generation must never be called garbage
    ledger.submit(&v1).await.unwrap();
    assert_eq!(ledger.garbage(10).await.unwrap(), [garbage(&v2), garbage(&v3)]);
    index_claimed(&*ledger, &v1).await;
    assert_eq!(ledger.garbage(10).await.unwrap(), [garbage(&v2), garbage(&v3)]);
}

async fn index_claimed(ledger: &dyn Ledger, submission: &Submission) {
    let job = claim_one(ledger).await;
    assert_eq!(job.generation, generation(submission));
    assert!(ledger.complete(&job, &Indexed::default()).await.unwrap());
}

pub(super) async fn resubmitting_leaves_a_running_job_alone(backend: &dyn Backend) {
    let (ledger, _) = open(backend).await;
    let v1 = submission("a", 1);
    ledger.submit(&v1).await.unwrap();
    let job = claim_one(&*ledger).await;
    assert_eq!(ledger.submit(&v1).await.unwrap(), Submitted::Queued);
    assert_eq!(record(&*ledger, &v1).await.state, State::Processing);
    assert!(ledger.complete(&job, &Indexed::default()).await.unwrap());
}

pub(super) async fn a_job_waits_for_its_own_garbage(backend: &dyn Backend) {
    let (ledger, _) = open(backend).await;
    let (v1, v2) = (submission("a", 1), submission("a", 2));
    index(&*ledger, &v1).await;
    index(&*ledger, &v2).await;
    ledger.submit(&v1).await.unwrap();
    assert_eq!(ledger.garbage(10).await.unwrap(), [garbage(&v1)]);
    assert!(ledger.claim(None, 10, LEASE).await.unwrap().is_empty());
    assert_eq!(ledger.next_due_ms(None).await.unwrap(), Some(0));
    ledger.collected(&garbage(&v1)).await.unwrap();
    assert_eq!(claim_one(&*ledger).await.generation, generation(&v1));
}

pub(super) async fn a_rejected_version_is_not_tried_again(backend: &dyn Backend) {
    let (ledger, _) = open(backend).await;
    let (v1, v2) = (submission("a", 1), submission("a", 2));
    index(&*ledger, &v1).await;
    ledger.submit(&v2).await.unwrap();
    let job = claim_one(&*ledger).await;
    assert!(ledger.reject(&job, "it is encrypted").await.unwrap());
    let now = record(&*ledger, &v1).await;
    assert_eq!((now.state, now.reason.as_deref()), (State::Rejected, Some("it is encrypted")));
    assert_eq!(now.visible, Some(generation(&v1)), "the version before stays");
    assert_eq!(ledger.garbage(10).await.unwrap(), [garbage(&v2)]);
    let retagged = Submission { tags: BTreeMap::new(), ..v2.clone() };
    assert_eq!(ledger.submit(&retagged).await.unwrap(), Submitted::RejectedBefore("it is encrypted".into()));
    assert_eq!(ledger.submit(&Submission { force: true, ..v2.clone() }).await.unwrap(), Submitted::Queued);
    assert_eq!(record(&*ledger, &v1).await.reason, None);
    collect_all(&*ledger).await;
    index_claimed(&*ledger, &v2).await;
}

pub(super) async fn a_failing_document_is_tried_again_and_then_buried(backend: &dyn Backend) {
    let (ledger, clock) = open(backend).await;
    let v1 = submission("a", 1);
    ledger.submit(&v1).await.unwrap();
    let job = claim_one(&*ledger).await;
    assert_eq!(ledger.fail(&job, "disk full", 2, RETRY).await.unwrap(), Fate::Retry);
    assert_eq!(ledger.fail(&job, "disk full", 2, RETRY).await.unwrap(), Fate::Superseded);
    let now = record(&*ledger, &v1).await;
    assert_eq!((now.state, now.reason.as_deref(), now.attempts), (State::Queued, Some("disk full"), 1));
    assert!(ledger.claim(None, 10, LEASE).await.unwrap().is_empty());
    assert_eq!(ledger.next_due_ms(None).await.unwrap(), Some(10_000));
    clock.advance(RETRY);
    let job = claim_one(&*ledger).await;
    assert_eq!(job.attempt, 2);
    assert_eq!(record(&*ledger, &v1).await.reason.as_deref(), Some("disk full"));
    assert_eq!(ledger.fail(&job, "disk still full", 2, RETRY).await.unwrap(), Fate::DeadLettered);
    let now = record(&*ledger, &v1).await;
    assert_eq!((now.state, now.reason.as_deref()), (State::Dead, Some("disk still full")));
    assert_eq!(ledger.next_due_ms(None).await.unwrap(), None);
    assert_eq!(ledger.garbage(10).await.unwrap(), [garbage(&v1)], "half a document is of no use");
    assert_eq!(ledger.submit(&v1).await.unwrap(), Submitted::Queued);
    assert_eq!(record(&*ledger, &v1).await.attempts, 0);
    collect_all(&*ledger).await;
    assert_eq!(claim_one(&*ledger).await.attempt, 1);
}

pub(super) async fn a_lease_that_ran_out_is_taken_over(backend: &dyn Backend) {
    let (ledger, clock) = open(backend).await;
    let v1 = submission("a", 1);
    ledger.submit(&v1).await.unwrap();
    let first = claim_one(&*ledger).await;
    clock.advance(LEASE / 2);
    assert!(ledger.renew(&first, LEASE).await.unwrap());
    clock.advance(LEASE / 2 + Duration::from_millis(1));
    assert!(ledger.claim(None, 1, LEASE).await.unwrap().is_empty(), "the lease was prolonged");
    assert_eq!(ledger.next_due_ms(None).await.unwrap(), None);
    clock.advance(LEASE / 2);
    assert_eq!(ledger.next_due_ms(None).await.unwrap(), Some(0));
    let second = claim_one(&*ledger).await;
    assert_eq!(second.attempt, 2);
    assert!(!ledger.renew(&first, LEASE).await.unwrap());
    assert!(!ledger.complete(&first, &Indexed::default()).await.unwrap());
    assert!(ledger.garbage(10).await.unwrap().is_empty(), "the second worker writes this generation");
    assert!(ledger.complete(&second, &Indexed::default()).await.unwrap());
}

pub(super) async fn released_jobs_are_free_at_once(backend: &dyn Backend) {
    let (ledger, _) = open(backend).await;
    let (a, b) = (submission("a", 1), submission("b", 1));
    ledger.submit(&a).await.unwrap();
    ledger.submit(&b).await.unwrap();
    let jobs = ledger.claim(None, 2, LEASE).await.unwrap();
    assert_eq!(jobs.iter().map(|job| job.document).collect::<Vec<_>>(), [a.document, b.document], "oldest first");
    ledger.release(&jobs[0]).await.unwrap();
    assert!(!ledger.complete(&jobs[0], &Indexed::default()).await.unwrap());
    assert_eq!(record(&*ledger, &a).await.state, State::Queued);
    assert_eq!(claim_one(&*ledger).await.attempt, 1, "a released attempt does not count");
    assert_eq!(ledger.release_all().await.unwrap(), 2);
    assert_eq!(ledger.counts(None).await.unwrap(), BTreeMap::from([(State::Queued, 2)]));
    let again = ledger.claim(None, 2, LEASE).await.unwrap();
    assert_eq!(again.iter().map(|job| job.attempt).collect::<Vec<_>>(), [2, 2], "an attempt that was cut off does");
    assert!(!ledger.complete(&jobs[1], &Indexed::default()).await.unwrap());
}

pub(super) async fn a_deleted_document_goes_with_its_garbage(backend: &dyn Backend) {
    let (ledger, _) = open(backend).await;
    let (v1, v2) = (submission("a", 1), submission("a", 2));
    assert!(!ledger.delete(v1.document).await.unwrap());
    index(&*ledger, &v1).await;
    ledger.submit(&v2).await.unwrap();
    let stale = claim_one(&*ledger).await;
    assert!(ledger.delete(v1.document).await.unwrap());
    let now = record(&*ledger, &v1).await;
    assert_eq!((now.state, now.visible), (State::Deleting, None));
    assert!(ledger.visible(&[v1.document]).await.unwrap().is_empty());
    assert!(!ledger.complete(&stale, &Indexed::default()).await.unwrap());
    assert_eq!(ledger.garbage(10).await.unwrap(), [garbage(&v1), garbage(&v2)]);
    ledger.collected(&garbage(&v1)).await.unwrap();
    assert_eq!(record(&*ledger, &v1).await.state, State::Deleting);
    ledger.collected(&garbage(&v2)).await.unwrap();
    assert_eq!(ledger.document(v1.document).await.unwrap(), None);
    // the worker wrote pages until now
    assert!(!ledger.complete(&stale, &Indexed::default()).await.unwrap());
    assert_eq!(ledger.document(v1.document).await.unwrap(), None);
    assert_eq!(ledger.garbage(10).await.unwrap(), [garbage(&v2)]);
}

pub(super) async fn a_document_without_points_is_deleted_at_once(backend: &dyn Backend) {
    let (ledger, _) = open(backend).await;
    let v1 = submission("a", 1);
    ledger.submit(&v1).await.unwrap();
    let job = claim_one(&*ledger).await;
    ledger.reject(&job, "empty").await.unwrap();
    collect_all(&*ledger).await;
    assert!(ledger.delete(v1.document).await.unwrap());
    assert_eq!(ledger.document(v1.document).await.unwrap(), None);
}

pub(super) async fn a_document_comes_back_while_it_is_deleted(backend: &dyn Backend) {
    let (ledger, _) = open(backend).await;
    let v1 = submission("a", 1);
    index(&*ledger, &v1).await;
    ledger.delete(v1.document).await.unwrap();
    assert_eq!(ledger.submit(&v1).await.unwrap(), Submitted::Queued);
    let now = record(&*ledger, &v1).await;
    assert_eq!((now.state, now.visible), (State::Queued, None));
    assert!(ledger.claim(None, 10, LEASE).await.unwrap().is_empty());
    collect_all(&*ledger).await;
    assert_eq!(record(&*ledger, &v1).await.state, State::Queued);
    index_claimed(&*ledger, &v1).await;
}

pub(super) async fn documents_are_listed_by_source(backend: &dyn Backend) {
    let (ledger, _) = open(backend).await;
    for name in ["b%", "a_", "A", "ab"] {
        ledger.submit(&submission(name, 1)).await.unwrap();
    }
    let other = Tenant("other".into());
    let foreign = Submission {
        document: DocumentId::new(&other, "documents", "/inbox/a.pdf"),
        tenant: other.clone(),
        ..submission("a", 1)
    };
    ledger.submit(&foreign).await.unwrap();
    let sources = async |filter: DocumentFilter| {
        let found = ledger.documents(&filter).await.unwrap();
        found.into_iter().map(|document| document.source.name).collect::<Vec<_>>()
    };
    assert_eq!(sources(DocumentFilter::default()).await, ["A.pdf", "a.pdf", "a_.pdf", "ab.pdf", "b%.pdf"]);
    let prefix = |prefix: &str| DocumentFilter { source_prefix: Some(prefix.into()), ..DocumentFilter::default() };
    assert_eq!(sources(prefix("/inbox/a_")).await, ["a_.pdf"]);
    assert_eq!(sources(DocumentFilter { tenant: Some(other), ..prefix("/inbox/a") }).await, ["a.pdf"]);
    assert_eq!(sources(DocumentFilter { limit: Some(1), ..prefix("/inbox/a") }).await, ["a.pdf"]);
    assert!(sources(DocumentFilter { collection: Some("none".into()), ..prefix("") }).await.is_empty());
    assert!(sources(DocumentFilter { state: Some(State::Dead), ..prefix("") }).await.is_empty());
    ledger.claim(None, 2, LEASE).await.unwrap();
    let counts = BTreeMap::from([(State::Queued, 3), (State::Processing, 2)]);
    assert_eq!(ledger.counts(None).await.unwrap(), counts);
    assert_eq!(ledger.counts(Some("documents")).await.unwrap(), counts);
    assert!(ledger.counts(Some("none")).await.unwrap().is_empty());
}

pub(super) async fn no_job_is_handed_out_twice(backend: &dyn Backend) {
    const JOBS: usize = 60;
    let (ledger, _) = open(backend).await;
    let submitting = (0..JOBS).map(|number| {
        let ledger = Arc::clone(&ledger);
        tokio::spawn(async move { ledger.submit(&submission(&format!("{number}"), 1)).await.unwrap() })
    });
    futures::future::join_all(submitting.collect::<Vec<_>>()).await;
    let workers = (0..12).map(|worker| {
        let ledger = Arc::clone(&ledger);
        tokio::spawn(async move {
            let mut taken = Vec::new();
            loop {
                let jobs = ledger.claim(None, 1 + worker % 3, LEASE).await.unwrap();
                if jobs.is_empty() {
                    return taken;
                }
                for job in jobs {
                    assert!(ledger.complete(&job, &Indexed::default()).await.unwrap());
                    taken.push(job.document);
                }
            }
        })
    });
    let taken = futures::future::join_all(workers.collect::<Vec<_>>()).await;
    let taken: Vec<_> = taken.into_iter().flat_map(Result::unwrap).collect();
    assert_eq!(taken.len(), JOBS);
    assert_eq!(taken.iter().collect::<HashSet<_>>().len(), JOBS);
    assert_eq!(ledger.counts(None).await.unwrap(), BTreeMap::from([(State::Indexed, JOBS as u64)]));
}

/// One test a case, and the comparison with the model, against ledgers of `$backend`.
macro_rules! contract_tests {
    ($backend:expr) => {
        $crate::ledger::contract::contract_tests! { $backend;
            collections_are_kept, a_document_is_indexed, a_change_replaces_what_people_see_at_the_end,
            tags_and_recipe_are_reasons_to_index_again, a_newer_version_takes_the_job_away,
            resubmitting_leaves_a_running_job_alone, a_job_waits_for_its_own_garbage,
            a_rejected_version_is_not_tried_again, a_failing_document_is_tried_again_and_then_buried,
            a_lease_that_ran_out_is_taken_over, released_jobs_are_free_at_once, a_deleted_document_goes_with_its_garbage,
            a_document_without_points_is_deleted_at_once, a_document_comes_back_while_it_is_deleted,
            documents_are_listed_by_source, no_job_is_handed_out_twice, jobs_are_handed_out_by_collection
        }

        #[test]
        fn random_operations_agree_with_the_model() {
            $crate::ledger::model::random_operations_agree(&$backend);
        }
    };
    ($backend:expr; $($case:ident),*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                $crate::ledger::contract::$case(&$backend).await;
            }
        )*
    };
}
pub(super) use contract_tests;
