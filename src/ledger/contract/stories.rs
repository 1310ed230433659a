//! Stories, progress, retry and cancel; for whom documents are kept.

use super::super::testing::{RETRY, ordinary, submission, submission_of};
use super::*;
use crate::types::Groups;

async fn chapters(ledger: &dyn Ledger, of: &Submission) -> Vec<Chapter> {
    let story = ledger.story(&of.tenant, of.document).await.unwrap();
    story.into_iter().map(|event| event.what).collect()
}

pub(crate) async fn a_story_tells_everything_in_order(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let v1 = submission("a", 1);
    let job = submit_and_claim(&*ledger, &v1).await;
    ledger.fail(&job, "a broken sector", 3, Duration::ZERO).await.unwrap();
    let job = claim_one(&*ledger).await;
    ledger.release(&job, Duration::ZERO, Some("the store is away")).await.unwrap();
    let job = claim_one(&*ledger).await;
    let lost = PageFailure { page: 3, reason: "it is damaged".into(), limit: None, again: false };
    let indexed = Indexed { page_count: 7, failed_pages: vec![lost], ..Indexed::default() };
    assert!(ledger.complete(&job, &indexed).await.unwrap());
    assert_eq!(
        chapters(&*ledger, &v1).await,
        [
            Chapter::Submitted,
            Chapter::Claimed,
            Chapter::Failed,
            Chapter::Claimed,
            Chapter::GivenBack,
            Chapter::Claimed,
            Chapter::Indexed
        ]
    );
    let story = ledger.story(&v1.tenant, v1.document).await.unwrap();
    let detail = |at: usize| story[at].detail.clone().unwrap_or_default();
    assert!(detail(2).contains("a broken sector") && detail(4).contains("the store is away"), "{story:?}");
    assert!(detail(6).contains("7 pages, without page 3: it is damaged"), "{story:?}");
    assert!(ledger.story(&Tenant("rival".into()), v1.document).await.unwrap().is_empty());
    reject_again(&*ledger, &v1).await;
    assert_eq!(chapters(&*ledger, &v1).await.last(), Some(&Chapter::Rejected));
}

pub(crate) async fn an_old_story_is_forgotten_and_nothing_else(backend: &dyn Backend) {
    let Some((ledger, clock)) = open(backend).await else { return };
    let age = Duration::from_secs(3_600);
    let (stands, dead, owed) = (submission("a", 1), submission("b", 1), submission("c", 1));
    let generation = index(&*ledger, &stands).await;
    let job = submit_and_claim(&*ledger, &dead).await;
    ledger.fail(&job, "a broken sector", 1, RETRY).await.unwrap();
    // Of this one work is owed, and part of its story is as old; an earlier job of it has ended.
    index(&*ledger, &owed).await;
    let newer = submission("c", 2);
    let job = submit_and_claim(&*ledger, &newer).await;
    ledger.fail(&job, "bad luck", 9, age).await.unwrap();
    let tenant = &stands.tenant;
    clock.advance(age - Duration::from_secs(1));
    assert_eq!(ledger.forget(age, 100).await.unwrap(), 0, "it is too early");
    clock.advance(Duration::from_secs(1));
    let before = [record(&*ledger, &stands).await, record(&*ledger, &dead).await, record(&*ledger, &newer).await];
    assert_eq!(ledger.forget(age, 2).await.unwrap(), 2, "no more at once");
    assert_eq!(chapters(&*ledger, &stands).await, [Chapter::Indexed], "the oldest go first");
    while ledger.forget(age, 2).await.unwrap() > 0 {}
    for of in [&stands, &dead] {
        assert!(chapters(&*ledger, of).await.is_empty());
    }
    assert_eq!(chapters(&*ledger, &newer).await, [Chapter::Submitted, Chapter::Claimed, Chapter::Failed]);
    assert_eq!(
        before,
        [record(&*ledger, &stands).await, record(&*ledger, &dead).await, record(&*ledger, &newer).await]
    );
    assert_eq!((before[1].state, before[1].reason.as_deref()), (State::Dead, Some("a broken sector")));
    assert_eq!(seen(&*ledger, &stands).await, Some(generation));
    // What is done from now on has a story again.
    assert_eq!(ledger.retry(tenant, dead.document).await.unwrap(), Some(Retried::Queued));
    assert_eq!(chapters(&*ledger, &dead).await, [Chapter::Retried, Chapter::Submitted]);
    assert_eq!(ledger.forget(age, 100).await.unwrap(), 0);
}

async fn reject_again(ledger: &dyn Ledger, of: &Submission) {
    let job = submit_and_claim(ledger, &Submission { force: true, ..of.clone() }).await;
    assert!(reject(ledger, &job, "encrypted").await);
}

pub(crate) async fn a_long_story_keeps_its_end(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let v1 = submission("a", 1);
    ledger.submit(&v1).await.unwrap();
    for _ in 0..KEPT_EVENTS {
        let job = claim_one(&*ledger).await;
        ledger.release(&job, Duration::ZERO, None).await.unwrap();
    }
    let told = chapters(&*ledger, &v1).await;
    assert_eq!((told.len(), told.last()), (KEPT_EVENTS as usize, Some(&Chapter::GivenBack)));
    assert!(!told.contains(&Chapter::Submitted));
}

pub(crate) async fn a_story_ends_with_its_document(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let v1 = submission("a", 1);
    index(&*ledger, &v1).await;
    ledger.delete(&v1.tenant, v1.document).await.unwrap();
    assert_eq!(chapters(&*ledger, &v1).await.last(), Some(&Chapter::Deleted));
    collect_all(&*ledger).await;
    assert!(ledger.story(&v1.tenant, v1.document).await.unwrap().is_empty());
}

pub(crate) async fn progress_is_that_of_the_attempt(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let v1 = submission("a", 1);
    let first = submit_and_claim(&*ledger, &v1).await;
    assert_eq!(record(&*ledger, &v1).await.progress, None);
    let progress = Progress { pages_done: 3, pages: 7 };
    ledger.progress(&first, progress).await.unwrap();
    assert_eq!(record(&*ledger, &v1).await.progress, Some(progress));
    ledger.release(&first, Duration::ZERO, None).await.unwrap();
    assert_eq!(record(&*ledger, &v1).await.progress, None);
    let second = claim_one(&*ledger).await;
    assert_eq!(record(&*ledger, &v1).await.progress, None, "another attempt begins anew");
    ledger.progress(&first, progress).await.unwrap();
    assert_eq!(record(&*ledger, &v1).await.progress, None, "who lost the job tells nothing");
    ledger.progress(&second, progress).await.unwrap();
    complete(&*ledger, &second).await;
    assert_eq!(record(&*ledger, &v1).await.progress, None);
}

pub(crate) async fn what_ended_is_retried(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let v1 = submission("a", 1);
    let job = submit_and_claim(&*ledger, &v1).await;
    assert_eq!(ledger.retry(&v1.tenant, v1.document).await.unwrap(), Some(Retried::InWork));
    ledger.fail(&job, "bad luck", 1, RETRY).await.unwrap();
    assert_eq!(record(&*ledger, &v1).await.state, State::Dead);
    assert_eq!(ledger.retry(&Tenant("rival".into()), v1.document).await.unwrap(), None);
    assert_eq!(ledger.retry(&v1.tenant, v1.document).await.unwrap(), Some(Retried::Queued));
    let again = claim_one(&*ledger).await;
    assert_eq!((again.content_hash.clone(), again.attempt), (v1.content_hash.clone(), 1));
    assert_ne!(again.generation, job.generation);
    complete(&*ledger, &again).await;
    // What is indexed may be wanted anew: pages were missing, a renderer was mended.
    let seen_before = seen(&*ledger, &v1).await;
    assert_eq!(ledger.retry(&v1.tenant, v1.document).await.unwrap(), Some(Retried::Queued));
    assert_eq!(seen(&*ledger, &v1).await, seen_before, "people see what they saw");
    complete(&*ledger, &claim_one(&*ledger).await).await;
    assert_ne!(seen(&*ledger, &v1).await, seen_before);
}

pub(crate) async fn what_waits_is_due_at_once(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let v1 = submission("a", 1);
    let job = submit_and_claim(&*ledger, &v1).await;
    ledger.release(&job, RETRY, Some("away")).await.unwrap();
    assert!(ledger.claim(&ordinary(1)).await.unwrap().is_empty());
    assert_eq!(ledger.retry(&v1.tenant, v1.document).await.unwrap(), Some(Retried::Queued));
    assert_eq!(claim_one(&*ledger).await.generation, job.generation);
}

pub(crate) async fn what_is_cancelled_stays_so(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let (v1, v2, v3) = (submission("a", 1), submission("a", 2), submission("a", 3));
    let stands = index(&*ledger, &v1).await;
    let running = submit_and_claim(&*ledger, &v2).await;
    assert_eq!(ledger.cancel(&Tenant("rival".into()), v1.document).await.unwrap(), None);
    assert_eq!(ledger.cancel(&v1.tenant, v1.document).await.unwrap(), Some(true));
    assert_eq!((record(&*ledger, &v1).await.state, seen(&*ledger, &v1).await), (State::Rejected, Some(stands)));
    assert!(garbage(&*ledger).await.contains(&running.generation));
    assert!(!ledger.complete(&running, &Indexed::default()).await.unwrap(), "the worker has lost it");
    assert_eq!(ledger.cancel(&v1.tenant, v1.document).await.unwrap(), Some(false));
    assert!(matches!(ledger.submit(&v2).await.unwrap(), Submitted::RejectedBefore(_)), "nobody takes it up unasked");
    assert_eq!(ledger.submit(&v3).await.unwrap(), Submitted::Queued, "another version is another matter");
    assert_eq!(ledger.cancel(&v1.tenant, v1.document).await.unwrap(), Some(true));
    assert_eq!(ledger.retry(&v1.tenant, v1.document).await.unwrap(), Some(Retried::Queued));
    complete(&*ledger, &claim_one(&*ledger).await).await;
}

pub(crate) async fn documents_are_seen_by_their_groups(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let kept = |name: &str, groups: Option<&str>| {
        let mut submission = submission(name, 1);
        submission.tags.extend(groups.map(|groups| ("allowed".to_owned(), groups.to_owned())));
        submission
    };
    let all = [kept("a", None), kept("b", Some("finance, legal")), kept("c", Some("legal")), kept("d", Some(""))];
    for submission in &all {
        index(&*ledger, submission).await;
    }
    let ids: Vec<DocumentId> = all.iter().map(|submission| submission.document).collect();
    let tenant = &all[0].tenant;
    let of = |groups: &[&str]| Groups::Of(groups.iter().map(|&group| group.to_owned()).collect());
    let cases = [
        (Groups::All, "abcd"),
        (of(&[]), "a"),
        (of(&["finance"]), "ab"),
        (of(&["legal", "sales"]), "abc"),
        (of(&["fin", "sales"]), "a"),
    ];
    for (groups, expected) in cases {
        let filter = DocumentFilter { groups: groups.clone(), ..DocumentFilter::default() };
        let listed = ledger.documents(tenant, &filter).await.unwrap().documents;
        let names: String = listed.iter().map(|record| record.source.name.trim_end_matches(".pdf")).collect();
        assert_eq!(names, expected, "{groups:?}");
        let counted = ledger.count_documents(tenant, &filter).await.unwrap();
        assert_eq!(counted[&State::Indexed], expected.len() as u64);
        assert_eq!(ledger.visible_to(tenant, &groups, &ids).await.unwrap().len(), expected.len(), "{groups:?}");
    }
    // A list that changes holds at once, before its pages are written again.
    ledger.submit(&kept("a", Some("sales"))).await.unwrap();
    assert!(ledger.visible_to(tenant, &of(&["finance"]), &ids[..1]).await.unwrap().is_empty());
    assert_eq!(ledger.visible_to(tenant, &of(&["sales"]), &ids[..1]).await.unwrap().len(), 1);
}

pub(crate) async fn lists_are_narrowed_by_text_and_tags(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let tagged = |name: &str, tags: &[(&str, &str)]| {
        let tags = tags.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
        Submission { tags, ..submission(name, 1) }
    };
    let all = [
        tagged("Report", &[("team", "a"), ("year", "2024")]),
        tagged("scan_1", &[("team", "\"team\":\"a")]),
        tagged("b%", &[]),
    ];
    for submission in &all {
        ledger.submit(submission).await.unwrap();
    }
    let job = ledger.claim(&ordinary(1)).await.unwrap().remove(0);
    ledger.complete(&job, &Indexed { title: "Annual figures".into(), ..Indexed::default() }).await.unwrap();
    let found = async |text: Option<&str>, tags: &[(&str, &str)]| {
        let tags = tags.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
        let filter = DocumentFilter { text: text.map(str::to_owned), tags, ..DocumentFilter::default() };
        let listed = ledger.documents(&all[0].tenant, &filter).await.unwrap().documents;
        assert_eq!(
            ledger.count_documents(&all[0].tenant, &filter).await.unwrap().values().sum::<u64>(),
            listed.len() as u64
        );
        listed.into_iter().map(|record| record.source.name).collect::<Vec<_>>()
    };
    assert_eq!(found(Some("REPORT"), &[]).await, ["Report.pdf"]);
    assert_eq!(found(Some("annual"), &[]).await, ["Report.pdf"]);
    assert_eq!(found(Some("_"), &[]).await, ["scan_1.pdf"]);
    assert_eq!(found(Some("%"), &[]).await, ["b%.pdf"]);
    assert_eq!(found(None, &[("team", "a")]).await, ["Report.pdf"]);
    assert_eq!(found(None, &[("team", "a"), ("year", "2024")]).await, ["Report.pdf"]);
    assert!(found(None, &[("team", "a"), ("year", "2023")]).await.is_empty());
    let many = (0..5).map(|tag| (tag.to_string(), String::new())).collect();
    let filter = DocumentFilter { tags: many, ..DocumentFilter::default() };
    assert!(ledger.documents(&all[0].tenant, &filter).await.is_err());
}

pub(crate) async fn an_owner_and_a_queue_are_told(backend: &dyn Backend) {
    let Some((ledger, clock)) = open(backend).await else { return };
    assert_eq!(ledger.queue().await.unwrap(), Queue::default());
    let (ours, theirs) =
        (submission_of(&Tenant("ours".into()), "a", 1), submission_of(&Tenant("theirs".into()), "a", 1));
    ledger.submit(&ours).await.unwrap();
    clock.advance(Duration::from_secs(5));
    ledger.submit(&theirs).await.unwrap();
    assert_eq!(ledger.queue().await.unwrap(), Queue { waiting: 2, in_work: 0, oldest_ms: Some(5_000) });
    claim_one(&*ledger).await;
    assert_eq!(ledger.queue().await.unwrap().in_work, 1);
    assert_eq!(ledger.owner(theirs.document).await.unwrap(), Some(theirs.tenant));
    assert_eq!(ledger.owner(submission("b", 1).document).await.unwrap(), None);
}

pub(crate) async fn bytes_of_an_upload_are_garbage_with_it(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let mut uploaded = submission("a", 1);
    uploaded.source.uri = "upload:1/a.pdf".into();
    let job = submit_and_claim(&*ledger, &uploaded).await;
    assert!(reject(&*ledger, &job, "encrypted").await);
    collect_all(&*ledger).await;
    assert!(ledger.delete(&uploaded.tenant, uploaded.document).await.unwrap());
    assert_eq!(garbage(&*ledger).await, [job.generation], "what collects it removes the bytes");
    assert_eq!(record(&*ledger, &uploaded).await.state, State::Deleting);
    collect_all(&*ledger).await;
    assert_eq!(ledger.document(&uploaded.tenant, uploaded.document).await.unwrap(), None);
}
