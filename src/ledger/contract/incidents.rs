//! Processes that died, leases that ran out, vectors that were lost.

use super::super::testing::{LEASE, RETRY, build, ordinary, submission, suspects};
use super::*;

pub(crate) async fn lost_vectors_are_made_again(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let (a, tagged, refused) = (submission("a", 1), submission("b", 1), submission("c", 1));
    let first = index(&*ledger, &a).await;
    let second = index(&*ledger, &tagged).await;
    let job = submit_and_claim(&*ledger, &refused).await;
    reject(&*ledger, &job, "broken").await;
    collect_all(&*ledger).await;
    ledger.submit(&Submission { tags: BTreeMap::new(), ..tagged.clone() }).await.unwrap();

    assert_eq!(ledger.resubmit_all("documents", "nowhere").await.unwrap(), 0);
    assert_eq!(ledger.resubmit_all("documents", "documents").await.unwrap(), 2);
    assert_eq!((seen(&*ledger, &a).await, seen(&*ledger, &tagged).await), (None, None));
    assert_eq!(garbage(&*ledger).await, [first.clone(), second.clone()]);
    let jobs = ledger.claim(&ordinary(10)).await.unwrap();
    assert_eq!(jobs.iter().map(|job| job.document).collect::<Vec<_>>(), [a.document, tagged.document]);
    for job in &jobs {
        assert!(job.task == Task::Index && job.generation != first && job.generation != second);
        complete(&*ledger, job).await;
    }
    assert!(record(&*ledger, &tagged).await.tags.is_empty());
    assert_eq!(seen(&*ledger, &a).await.as_ref(), Some(&jobs[0].generation));
    assert!(ledger.resubmit_all("none", "documents").await.is_err());
}

pub(crate) async fn a_lost_next_build_leaves_what_people_see(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let (a, b) = (submission("a", 1), submission("b", 1));
    let old = index(&*ledger, &a).await;
    index(&*ledger, &b).await;
    ledger.rebuild("documents", &build("next")).await.unwrap();
    let built = claim_one(&*ledger).await;
    complete(&*ledger, &built).await;
    assert_eq!(ledger.resubmit_all("documents", "next").await.unwrap(), 1, "the other waits already");
    assert_eq!(seen(&*ledger, &a).await, Some(old));
    assert_eq!(garbage(&*ledger).await, [built.generation]);
    for job in ledger.claim(&ordinary(10)).await.unwrap() {
        assert_eq!(job.physical, "next");
        complete(&*ledger, &job).await;
    }
    assert_eq!(ledger.switch("documents", false).await.unwrap(), Switch::Switched);
}

pub(crate) async fn a_lost_active_build_leaves_the_next_one_alone(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let [built, waiting, dead] = ["built", "waiting", "dead"].map(|name| submission(name, 1));
    for submission in [&built, &waiting, &dead] {
        index(&*ledger, submission).await;
    }
    ledger.rebuild("documents", &build("next")).await.unwrap();
    let jobs = ledger.claim(&ordinary(2)).await.unwrap();
    assert_eq!([jobs[0].document, jobs[1].document], [built.document, dead.document]);
    complete(&*ledger, &jobs[0]).await;
    ledger.fail(&jobs[1], "no luck", 1, RETRY).await.unwrap();

    assert_eq!(ledger.resubmit_all("documents", "documents").await.unwrap(), 1);
    for submission in [&built, &waiting, &dead] {
        assert_eq!(seen(&*ledger, submission).await, None);
    }
    let states = [&built, &waiting, &dead].map(|submission| submission.document);
    let left = ledger.claim(&ordinary(10)).await.unwrap();
    assert_eq!(left.iter().map(|job| job.document).collect::<Vec<_>>(), states[1..]);
    assert!(left.iter().all(|job| job.physical == "next"));
    for job in &left {
        complete(&*ledger, job).await;
    }
    assert_eq!(ledger.switch("documents", false).await.unwrap(), Switch::Switched);
    assert_eq!(seen(&*ledger, &built).await.as_ref(), Some(&jobs[0].generation));
}

pub(crate) async fn pages_in_work_are_lost_with_their_build(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let a = submission("a", 1);
    let job = submit_and_claim(&*ledger, &a).await;
    ledger.submit(&submission("not begun", 1)).await.unwrap();
    assert_eq!(ledger.resubmit_all("documents", "documents").await.unwrap(), 1);
    assert!(!ledger.complete(&job, &Indexed::default()).await.unwrap(), "some of its pages are gone");
    assert_eq!(seen(&*ledger, &a).await, None);
    assert_eq!(ledger.claim(&ordinary(10)).await.unwrap().len(), 2);
}

pub(crate) async fn a_lease_that_ran_out_is_taken_over(backend: &dyn Backend) {
    let Some((ledger, clock)) = open(backend).await else { return };
    let v1 = submission("a", 1);
    let first = submit_and_claim(&*ledger, &v1).await;
    clock.advance(LEASE / 2);
    assert!(ledger.renew(&first, LEASE).await.unwrap());
    clock.advance(LEASE / 2 + Duration::from_millis(1));
    assert!(ledger.claim(&ordinary(1)).await.unwrap().is_empty(), "the lease was prolonged");
    assert_eq!(ledger.next_due_ms(None).await.unwrap(), None);
    clock.advance(LEASE / 2);
    assert_eq!(ledger.next_due_ms(None).await.unwrap(), Some(0));
    assert!(ledger.claim(&suspects(1)).await.unwrap().is_empty(), "who is slow is not suspected");
    let second = claim_one(&*ledger).await;
    assert_eq!((second.attempt, second.crashes), (1, 1), "an attempt that was cut off does not count");
    assert!(!ledger.renew(&first, LEASE).await.unwrap());
    assert!(!ledger.complete(&first, &Indexed::default()).await.unwrap());
    assert!(garbage(&*ledger).await.is_empty(), "the second worker writes this generation");
    complete(&*ledger, &second).await;
}

pub(crate) async fn who_was_held_when_a_process_died_is_suspect(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let [a, b, c] = ["a", "b", "c"].map(|name| submission(name, 1));
    for submission in [&a, &b, &c] {
        ledger.submit(submission).await.unwrap();
    }
    let held = ledger.claim(&ordinary(2)).await.unwrap();
    assert_eq!(ledger.process_died().await, 2);
    assert_eq!(ledger.process_died().await, 0);
    let now = record(&*ledger, &a).await;
    assert_eq!((now.state, now.attempts), (State::Queued, 0));
    assert!(!ledger.complete(&held[0], &Indexed::default()).await.unwrap());
    assert_eq!(ledger.next_due_ms(None).await.unwrap(), Some(0));

    let ordinary = ledger.claim(&ordinary(10)).await.unwrap();
    assert_eq!(ordinary.iter().map(|job| (job.document, job.crashes)).collect::<Vec<_>>(), [(c.document, 0)]);
    let elsewhere = Claim { collection: Some("elsewhere"), ..suspects(10) };
    assert!(ledger.claim(&elsewhere).await.unwrap().is_empty());
    let suspects = ledger.claim(&suspects(10)).await.unwrap();
    let told: Vec<_> = suspects.iter().map(|job| (job.document, job.attempt, job.crashes)).collect();
    assert_eq!(told, [(a.document, 1, 1), (b.document, 1, 1)]);
}

pub(crate) async fn ten_deaths_bury_nothing(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let a = submission("a", 1);
    ledger.submit(&a).await.unwrap();
    for death in 0..10 {
        let mut jobs = ledger.claim(&Claim { suspects: death > 0, ..ordinary(1) }).await.unwrap();
        let job = jobs.pop().expect("it is handed out again");
        assert_eq!((job.attempt, job.crashes), (1, death));
        assert_eq!(ledger.process_died().await, 1);
    }
    let now = record(&*ledger, &a).await;
    assert_eq!((now.state, now.attempts), (State::Queued, 0));
    let jobs = ledger.claim(&suspects(1)).await.unwrap();
    complete(&*ledger, &jobs[0]).await;
}

pub(crate) async fn an_end_in_peace_clears_a_suspect(backend: &dyn Backend) {
    let Some((ledger, clock)) = open(backend).await else { return };
    let [a, b] = ["a", "b"].map(|name| submission(name, 1));
    ledger.submit(&a).await.unwrap();
    ledger.submit(&b).await.unwrap();
    ledger.claim(&ordinary(2)).await.unwrap();
    ledger.process_died().await;
    let jobs = ledger.claim(&suspects(2)).await.unwrap();
    ledger.release(&jobs[0], Duration::ZERO, None).await.unwrap();
    assert_eq!(ledger.fail(&jobs[1], "too slow", 3, RETRY).await.unwrap(), Fate::Retry);
    clock.advance(RETRY);
    assert!(ledger.claim(&suspects(2)).await.unwrap().is_empty());
    let told: Vec<_> = ledger.claim(&ordinary(2)).await.unwrap().iter().map(|job| (job.attempt, job.crashes)).collect();
    assert_eq!(told, [(1, 0), (2, 0)]);
}

pub(crate) async fn who_kills_every_worker_becomes_suspect(backend: &dyn Backend) {
    let Some((ledger, clock)) = open(backend).await else { return };
    let a = submission("a", 1);
    ledger.submit(&a).await.unwrap();
    for death in 0..4 {
        let job = claim_one(&*ledger).await;
        assert_eq!((job.attempt, job.crashes), (1, death));
        clock.advance(LEASE);
    }
    assert!(ledger.claim(&ordinary(1)).await.unwrap().is_empty(), "three were lost while they held it");
    let job = ledger.claim(&suspects(1)).await.unwrap().remove(0);
    assert_eq!((job.attempt, job.crashes), (1, 4));
    ledger.release(&job, Duration::ZERO, None).await.unwrap();
    let job = claim_one(&*ledger).await;
    assert_eq!((job.attempt, job.crashes), (1, 0));
}

/// It may have written them after those of today, and nothing in a store keeps it from that.
pub(crate) async fn tags_of_a_worker_that_slept_are_written_again(backend: &dyn Backend) {
    let Some((ledger, clock)) = open(backend).await else { return };
    let v1 = submission("a", 1);
    let seen_now = index(&*ledger, &v1).await;
    let tagged = |year: &str| Submission { tags: BTreeMap::from([("year".into(), year.into())]), ..v1.clone() };
    let asleep = submit_and_claim(&*ledger, &tagged("2025")).await;
    clock.advance(LEASE);
    let awake = claim_one(&*ledger).await;
    complete(&*ledger, &awake).await;
    let today = submit_and_claim(&*ledger, &tagged("2026")).await;
    complete(&*ledger, &today).await;

    assert!(!ledger.complete(&asleep, &Indexed::default()).await.unwrap());
    ledger.release(&asleep, Duration::ZERO, None).await.unwrap();
    let again = claim_one(&*ledger).await;
    assert_eq!((again.task, &again.generation, &again.tags), (Task::Retag, &seen_now, &tagged("2026").tags));
    // Another one that slept: who writes tags just now can't know which came last.
    ledger.release(&asleep, Duration::ZERO, None).await.unwrap();
    assert!(!ledger.complete(&again, &Indexed::default()).await.unwrap());
    let last = claim_one(&*ledger).await;
    complete(&*ledger, &last).await;
    assert_eq!(record(&*ledger, &v1).await.state, State::Indexed);
    assert_eq!(seen(&*ledger, &v1).await, Some(seen_now));
    assert!(garbage(&*ledger).await.is_empty() && ledger.claim(&ordinary(1)).await.unwrap().is_empty());
}
