//! Whose turn it is: of tenants and collections in the queue, of workers that wait for news, of processes.

use super::super::testing::{ordinary, submission, submission_of};
use super::*;
use crate::types::Priority;

fn of(tenant: &str, collection: &str, name: &str) -> Submission {
    let made = submission_of(&Tenant(tenant.into()), &format!("{tenant}-{collection}-{name}"), 1);
    Submission { collection: collection.into(), ..made }
}

/// Which documents are handed out next, one after another, each when the one before is done.
async fn next_names(ledger: &dyn Ledger, jobs: usize) -> Vec<String> {
    let mut names = Vec::new();
    for _ in 0..jobs {
        let job = claim_one(ledger).await;
        complete(ledger, &job).await;
        names.push(job.source.name.trim_end_matches(".pdf").to_owned());
    }
    names
}

pub(crate) async fn tenants_take_turns(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    for name in ["1", "2", "3", "4"] {
        ledger.submit(&of("many", "documents", name)).await.unwrap();
    }
    for name in ["1", "2"] {
        ledger.submit(&of("few", "documents", name)).await.unwrap();
    }
    let names = next_names(&*ledger, 3).await;
    assert_eq!(names, ["many-documents-1", "few-documents-1", "many-documents-2"]);
    // So they do within one claim.
    let rest = ledger.claim(&ordinary(10)).await.unwrap();
    let names: Vec<_> = rest.iter().map(|job| job.source.name.as_str()).collect();
    assert_eq!(names, ["few-documents-2.pdf", "many-documents-3.pdf", "many-documents-4.pdf"]);
}

pub(crate) async fn collections_of_a_tenant_take_turns(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    for (tenant, collection, name) in [
        ("a", "documents", "1"),
        ("a", "documents", "2"),
        ("a", "documents", "3"),
        ("a", "elsewhere", "1"),
        ("a", "elsewhere", "2"),
        ("b", "documents", "1"),
        ("b", "documents", "2"),
    ] {
        ledger.submit(&of(tenant, collection, name)).await.unwrap();
    }
    // Two collections don't give a tenant twice as much.
    let expected =
        ["a-documents-1", "b-documents-1", "a-elsewhere-1", "b-documents-2", "a-documents-2", "a-elsewhere-2"];
    assert_eq!(next_names(&*ledger, 6).await, expected);
    assert_eq!(next_names(&*ledger, 1).await, ["a-documents-3"]);
}

pub(crate) async fn what_is_wanted_sooner_goes_first_within_a_tenant(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let wanted = |priority, of: Submission| Submission { priority, ..of };
    for (priority, of) in [
        (Priority::Low, of("a", "documents", "low")),
        (Priority::Normal, of("a", "documents", "1")),
        (Priority::Normal, of("a", "elsewhere", "1")),
        (Priority::High, of("a", "elsewhere", "high")),
        (Priority::High, of("a", "documents", "high")),
        (Priority::Low, of("b", "documents", "low-1")),
        (Priority::Low, of("b", "documents", "low-2")),
    ] {
        ledger.submit(&wanted(priority, of)).await.unwrap();
    }
    let record = record(&*ledger, &of("a", "documents", "low")).await;
    assert_eq!((record.priority, record.state), (Priority::Low, State::Queued));
    // However soon a wants its own, b waits for no more than one of them.
    let expected = ["a-elsewhere-high", "b-documents-low-1", "a-documents-high", "b-documents-low-2"];
    assert_eq!(next_names(&*ledger, 4).await, expected);
    // Within one claim too; the last word counts, and what waits is not begun anew.
    let sooner = wanted(Priority::High, of("a", "documents", "low"));
    assert_eq!(ledger.submit(&sooner).await.unwrap(), Submitted::Queued);
    ledger.submit(&wanted(Priority::Low, of("a", "elsewhere", "late"))).await.unwrap();
    let rest = ledger.claim(&ordinary(10)).await.unwrap();
    let names: Vec<_> = rest.iter().map(|job| job.source.name.trim_end_matches(".pdf")).collect();
    assert_eq!(names, ["a-documents-low", "a-elsewhere-1", "a-documents-1", "a-elsewhere-late"]);
    assert_eq!((rest[0].priority, rest[0].attempt), (Priority::High, 1));
    // What is given back is wanted as it was.
    ledger.release(&rest[3], Duration::ZERO, None).await.unwrap();
    assert_eq!(claim_one(&*ledger).await.priority, Priority::Low);
}

pub(crate) async fn a_new_tenant_does_not_wait(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    for name in 0..5 {
        ledger.submit(&of("a", "documents", &name.to_string())).await.unwrap();
        ledger.submit(&of("b", "documents", &name.to_string())).await.unwrap();
    }
    next_names(&*ledger, 4).await;
    ledger.submit(&of("new", "elsewhere", "1")).await.unwrap();
    assert_eq!(next_names(&*ledger, 2).await, ["new-elsewhere-1", "a-documents-2"]);
    // Who works for one collection alone takes a turn like everybody.
    let alone = Claim { collection: Some("documents"), ..ordinary(1) };
    let job = ledger.claim(&alone).await.unwrap().remove(0);
    assert_eq!(job.tenant.0, "b");
    ledger.submit(&of("new", "elsewhere", "2")).await.unwrap();
    assert_eq!(next_names(&*ledger, 2).await, ["new-elsewhere-2", "a-documents-3"]);
}

pub(crate) async fn work_is_news(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let mut news = ledger.news();
    news.mark_unchanged();
    ledger.submit(&submission("a", 1)).await.unwrap();
    news.changed().await.unwrap();
    let job = claim_one(&*ledger).await;
    // What was told of the submission by way of the server may come late.
    while tokio::time::timeout(Duration::from_millis(100), news.changed()).await.is_ok() {}
    ledger.release(&job, Duration::ZERO, None).await.unwrap();
    news.changed().await.unwrap();
}

pub(crate) async fn turns_are_taken_and_given_back(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let turn = ledger.turn("one thing").await.unwrap();
    drop(ledger.turn("another thing").await.unwrap());
    drop(turn);
    drop(ledger.turn("one thing").await.unwrap());
    assert!(ledger.try_turn("a third thing").await.unwrap().is_some());
}
