//! Submissions, generations, tags, jobs.

use std::collections::HashSet;

use super::super::testing::{LEASE, RETRY, build, ordinary, submission};
use super::*;
use crate::error::Kind;
use crate::types::{Note, Priority};

pub(crate) async fn a_document_is_indexed(backend: &dyn Backend) {
    let Some((ledger, clock)) = open(backend).await else { return };
    let v1 = submission("a", 1);
    assert_eq!(ledger.submit(&v1).await.unwrap(), Submitted::Queued);
    assert_eq!(record(&*ledger, &v1).await.state, State::Queued);
    clock.advance(Duration::from_millis(1500));
    let job = claim_one(&*ledger).await;
    assert_eq!((job.attempt, job.crashes, job.task), (1, 0, Task::Index));
    assert_eq!((&job.tags, &job.source, job.size_bytes, &job.tenant), (&v1.tags, &v1.source, 1000, &v1.tenant));
    assert_eq!((job.physical.as_str(), &job.recipe), ("documents", &build("documents").recipe));
    assert_eq!(record(&*ledger, &v1).await.state, State::Processing);
    assert_eq!(seen(&*ledger, &v1).await, None);
    let failed_pages = vec![PageFailure { page: 2, reason: "too slow".into(), limit: None, again: false }];
    let notes = vec![Note::lost(Some(3), "blank"), Note::imperfect(None, "holds a film")];
    let indexed =
        Indexed { title: "Title".into(), page_count: 3, failed_pages: failed_pages.clone(), notes: notes.clone() };
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
        notes,
        content_hash: v1.content_hash.clone(),
        recipe: build("documents").recipe,
        visible: Some(job.generation.clone()),
        tags: v1.tags.clone(),
        attempts: 1,
        priority: Priority::Normal,
        progress: None,
        size_bytes: 1000,
        updated_at: "2023-11-14T22:13:21.500Z".into(),
    };
    assert_eq!(record(&*ledger, &v1).await, expected);
    let stranger = submission("stranger", 1).document;
    assert_eq!(ledger.visible(&v1.tenant, &[v1.document, stranger]).await.unwrap().len(), 1);
    assert!(ledger.claim(&ordinary(10)).await.unwrap().is_empty());
    assert!(garbage(&*ledger).await.is_empty());
}

pub(crate) async fn a_submission_needs_its_collection(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let lost = Submission { collection: "nowhere".into(), ..submission("a", 1) };
    let error = ledger.submit(&lost).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Configuration);
    assert!(error.to_string().contains("'nowhere'"), "{error}");
    assert_eq!(ledger.document(&lost.tenant, lost.document).await.unwrap(), None);
}

pub(crate) async fn a_document_has_one_owner(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let v1 = submission("a", 1);
    ledger.submit(&v1).await.unwrap();
    let taken = Submission { tenant: Tenant("thief".into()), ..v1.clone() };
    assert_eq!(ledger.submit(&taken).await.unwrap_err().kind(), Kind::Bug);
    let moved = Submission { collection: "elsewhere".into(), ..v1.clone() };
    assert_eq!(ledger.submit(&moved).await.unwrap_err().kind(), Kind::Bug);
    assert_eq!(record(&*ledger, &v1).await.tenant, v1.tenant);
}

pub(crate) async fn a_change_replaces_what_people_see_at_the_end(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let (v1, v2) = (submission("a", 1), submission("a", 2));
    let first = index(&*ledger, &v1).await;
    let job = submit_and_claim(&*ledger, &v2).await;
    assert_eq!(seen(&*ledger, &v1).await.as_ref(), Some(&first));
    assert!(garbage(&*ledger).await.is_empty());
    complete(&*ledger, &job).await;
    assert_eq!(seen(&*ledger, &v1).await, Some(job.generation));
    assert_eq!(garbage(&*ledger).await, [first]);
    collect_all(&*ledger).await;
    assert_eq!(record(&*ledger, &v1).await.state, State::Indexed);
}

pub(crate) async fn every_submission_has_a_generation_of_its_own(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let (v1, v2) = (submission("a", 1), submission("a", 2));
    let forced = Submission { force: true, ..v1.clone() };
    let mut generations = Vec::new();
    for submission in [&v1, &v2, &v1, &forced, &forced] {
        generations.push(index(&*ledger, submission).await);
    }
    // Every one of them waits to be removed, but for the last: none is written again.
    assert_eq!(garbage(&*ledger).await, generations[..4]);
    assert_eq!(generations.iter().collect::<HashSet<_>>().len(), 5);
    // A forced submission takes the job even from the worker that has it.
    let job = submit_and_claim(&*ledger, &forced).await;
    let again = submit_and_claim(&*ledger, &forced).await;
    assert_ne!(job.generation, again.generation);
    assert!(!ledger.complete(&job, &Indexed::default()).await.unwrap());
    assert_eq!(garbage(&*ledger).await[4..], [job.generation]);
}

pub(crate) async fn what_changes_nothing_leaves_nothing_locked(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let v1 = submission("a", 1);
    ledger.submit(&v1).await.unwrap();
    // Who looks for work passes over what is locked; often, for it may be locked for a moment only.
    for _ in 0..30 {
        assert_eq!(ledger.submit(&v1).await.unwrap(), Submitted::Queued);
        let job = claim_one(&*ledger).await;
        assert_eq!(ledger.retry(&v1.tenant, v1.document).await.unwrap(), Some(Retried::InWork));
        ledger.release(&job, Duration::ZERO, None).await.unwrap();
        assert!(!ledger.abandon("documents").await.unwrap());
    }
}

pub(crate) async fn tags_alone_are_written_anew(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let v1 = submission("a", 1);
    let job = submit_and_claim(&*ledger, &v1).await;
    let indexed = Indexed { title: "Title".into(), page_count: 3, ..Indexed::default() };
    ledger.complete(&job, &indexed).await.unwrap();
    let tagged = Submission { tags: BTreeMap::new(), ..v1.clone() };
    assert_eq!(ledger.submit(&tagged).await.unwrap(), Submitted::Queued);
    assert_eq!(ledger.submit(&tagged).await.unwrap(), Submitted::Queued);
    let retag = claim_one(&*ledger).await;
    assert_eq!((retag.task, &retag.generation, retag.tags.len()), (Task::Retag, &job.generation, 0));
    assert_eq!(seen(&*ledger, &v1).await.as_ref(), Some(&job.generation));
    complete(&*ledger, &retag).await;
    let now = record(&*ledger, &v1).await;
    assert_eq!((now.state, now.title.as_str(), now.page_count, now.tags.len()), (State::Indexed, "Title", 3, 0));
    assert_eq!(now.visible, Some(job.generation));
    assert!(garbage(&*ledger).await.is_empty());
    assert_eq!(ledger.submit(&tagged).await.unwrap(), Submitted::Unchanged(Vec::new()));
    // With a new version, or by force, tags are no reason to spare the vectors.
    let both = Submission { tags: v1.tags.clone(), ..submission("a", 2) };
    assert_eq!(submit_and_claim(&*ledger, &both).await.task, Task::Index);
    let forced = Submission { force: true, ..tagged };
    assert_eq!(submit_and_claim(&*ledger, &forced).await.task, Task::Index);
}

pub(crate) async fn tags_alone_are_indexed_again_beside_a_rebuild(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let v1 = submission("a", 1);
    let old = index(&*ledger, &v1).await;
    // A retagging that is due when the rebuild begins.
    ledger.submit(&Submission { tags: BTreeMap::new(), ..v1.clone() }).await.unwrap();
    let retag = claim_one(&*ledger).await;
    ledger.rebuild("documents", &build("next")).await.unwrap();
    assert!(!ledger.complete(&retag, &Indexed::default()).await.unwrap());
    let job = claim_one(&*ledger).await;
    assert_eq!((job.task, job.tags.len()), (Task::Index, 0));
    complete(&*ledger, &job).await;
    let again = submit_and_claim(&*ledger, &v1).await;
    assert_eq!(again.task, Task::Index);
    assert!(again.generation != old && again.generation != job.generation);
    assert_eq!(seen(&*ledger, &v1).await, Some(old), "and it is no garbage");
    assert!(garbage(&*ledger).await.is_empty());
}

pub(crate) async fn tags_change_while_tags_are_written(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let v1 = submission("a", 1);
    let tagged = |tag: &str| Submission { tags: BTreeMap::from([("tag".into(), tag.into())]), ..v1.clone() };
    let old = index(&*ledger, &v1).await;
    ledger.submit(&tagged("x")).await.unwrap();
    let retag = submit_and_claim(&*ledger, &tagged("y")).await;
    assert_eq!((retag.task, &retag.generation), (Task::Retag, &old));
    // Somebody writes tags into what people see: no second one beside it.
    let job = submit_and_claim(&*ledger, &tagged("z")).await;
    assert_eq!((job.task, &job.tags), (Task::Index, &tagged("z").tags));
    assert!(!ledger.complete(&retag, &Indexed::default()).await.unwrap());
    assert!(garbage(&*ledger).await.is_empty(), "people see it");
    complete(&*ledger, &job).await;
    assert_eq!(garbage(&*ledger).await, [old]);
}

pub(crate) async fn a_retagging_that_fails_hides_nothing(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let v1 = submission("a", 1);
    let old = index(&*ledger, &v1).await;
    let tagged = Submission { tags: BTreeMap::new(), ..v1.clone() };
    let retag = submit_and_claim(&*ledger, &tagged).await;
    assert_eq!(ledger.fail(&retag, "no", 1, RETRY).await.unwrap(), Fate::DeadLettered);
    assert_eq!(record(&*ledger, &v1).await.state, State::Dead);
    assert_eq!(seen(&*ledger, &v1).await.as_ref(), Some(&old));
    assert!(garbage(&*ledger).await.is_empty());
    let again = submit_and_claim(&*ledger, &tagged).await;
    assert_eq!((again.task, &again.generation), (Task::Retag, &old));
    complete(&*ledger, &again).await;
    assert_eq!(record(&*ledger, &v1).await.state, State::Indexed);
}

pub(crate) async fn a_newer_version_takes_the_job_away(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let (v1, v2, v3) = (submission("a", 1), submission("a", 2), submission("a", 3));
    let first = index(&*ledger, &v1).await;
    let stale = submit_and_claim(&*ledger, &v2).await;
    ledger.submit(&v3).await.unwrap();
    assert_eq!(garbage(&*ledger).await, std::slice::from_ref(&stale.generation));
    assert!(!ledger.renew(&stale, LEASE).await.unwrap());
    assert!(!ledger.complete(&stale, &Indexed::default()).await.unwrap());
    assert!(!reject(&*ledger, &stale, "no").await);
    assert_eq!(ledger.fail(&stale, "no", 1, RETRY).await.unwrap(), Fate::Superseded);
    ledger.release(&stale, RETRY, Some("no")).await.unwrap();
    let now = record(&*ledger, &v1).await;
    assert_eq!((now.state, now.visible.as_ref(), now.reason), (State::Queued, Some(&first), None));
    let third = claim_one(&*ledger).await;
    assert_eq!(third.content_hash, v3.content_hash);
    // Back to the version that people see: written once more, and what they see is no garbage until it is there.
    let back = submit_and_claim(&*ledger, &v1).await;
    assert_ne!(back.generation, first);
    assert_eq!(garbage(&*ledger).await, [stale.generation.clone(), third.generation.clone()]);
    complete(&*ledger, &back).await;
    assert_eq!(garbage(&*ledger).await, [stale.generation, third.generation, first]);
}

pub(crate) async fn resubmitting_leaves_a_running_job_alone(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let v1 = submission("a", 1);
    let job = submit_and_claim(&*ledger, &v1).await;
    assert_eq!(ledger.submit(&v1).await.unwrap(), Submitted::Queued);
    assert_eq!(record(&*ledger, &v1).await.state, State::Processing);
    complete(&*ledger, &job).await;
}

pub(crate) async fn jobs_are_handed_out_by_collection(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let left_behind = submission("a", 1);
    let other = Submission { collection: "elsewhere".into(), ..submission("b", 1) };
    ledger.submit(&left_behind).await.unwrap();
    ledger.submit(&other).await.unwrap();
    let of = |collection| Claim { collection: Some(collection), ..ordinary(10) };
    assert!(ledger.claim(&of("nowhere")).await.unwrap().is_empty());
    assert_eq!(ledger.next_due_ms(Some("nowhere")).await.unwrap(), None);
    let jobs = ledger.claim(&of("elsewhere")).await.unwrap();
    assert_eq!(jobs.iter().map(|job| job.document).collect::<Vec<_>>(), [other.document]);
    assert_eq!(ledger.next_due_ms(Some("elsewhere")).await.unwrap(), None);
    assert_eq!(ledger.next_due_ms(None).await.unwrap(), Some(0));
    assert_eq!(claim_one(&*ledger).await.document, left_behind.document);
}

pub(crate) async fn no_job_is_handed_out_twice(backend: &dyn Backend) {
    const JOBS: usize = 60;
    let Some((ledger, _)) = open(backend).await else { return };
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
                let jobs = ledger.claim(&ordinary(1 + worker % 3)).await.unwrap();
                if jobs.is_empty() {
                    return taken;
                }
                for job in jobs {
                    complete(&*ledger, &job).await;
                    taken.push(job.document);
                }
            }
        })
    });
    let taken = futures::future::join_all(workers.collect::<Vec<_>>()).await;
    let taken: Vec<_> = taken.into_iter().flat_map(Result::unwrap).collect();
    assert_eq!(taken.len(), JOBS);
    assert_eq!(taken.iter().collect::<HashSet<_>>().len(), JOBS);
    let counts = ledger.counts(&submission("0", 1).tenant, None).await.unwrap();
    assert_eq!(counts, BTreeMap::from([(State::Indexed, JOBS as u64)]));
}
