//! Who pays for what goes wrong: documents for their own faults, nobody for what is away.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use quire::error::{Blame, Error};
use quire::faults::Fault;
use quire::ingest::{Event, Submitter};
use quire::ledger::{FaultyLedger, State};
use quire::source::{Discover, discover};
use quire::types::{Priority, RenderLimits};
use tokio_util::sync::CancellationToken;

use crate::{Bench, COLLECTION, Setup, away, tenant};

/// A dependency that is away for a while: everything is indexed in the end, and no attempt was used up.
async fn comes_back(call: &'static str) {
    let bench = Bench::new().await;
    bench.add("a.pdf", 2);
    bench.add("b.pdf", 1);
    bench.submit().await;
    let mut events = bench.events.subscribe();
    for nth in 1..=3 {
        bench.faults.on(call, nth, Fault::Fail(away));
    }
    let report = bench.drain().await.unwrap();
    assert_eq!((report.indexed, report.failures.len()), (2, 0), "{call}");
    assert!(
        bench.documents().await.iter().all(|record| record.state == State::Indexed && record.attempts == 1),
        "{call}"
    );
    assert_eq!(bench.found_pages().await.len(), 3, "{call}");
    let mut told = Vec::new();
    while let Ok(event) = events.try_recv() {
        match event {
            Event::Paused { reason, .. } => told.push(reason),
            Event::Resumed { .. } => told.push("resumed".into()),
            Event::Document(_) => {}
        }
    }
    assert!(
        told.first().is_some_and(|first| first.contains("away")) && told.last().is_some_and(|last| last == "resumed"),
        "{call}: {told:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_uses_up_no_attempt() {
    comes_back("store.upsert").await;
    comes_back("store.flush").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_that_are_away_use_up_no_attempt() {
    comes_back("blobs.put").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_is_away_uses_up_no_attempt() {
    comes_back("model.embed_page").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_is_away_uses_up_no_attempt() {
    comes_back("ledger.claim").await;
    comes_back("ledger.complete").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_away_when_everything_is_indexed_is_waited_for() {
    let bench = Bench::new().await;
    bench.add("a.pdf", 1);
    bench.ingest().await;
    // A build beside the old one is complete, and there is garbage.
    bench.submit_with("newer", &[], false).await;
    let mut events = bench.events.subscribe();
    bench.faults.on("ledger.switch", 1, Fault::Fail(away));
    bench.faults.always("ledger.retired", Fault::Fail(away));
    let back = async {
        for _ in 0..2 {
            while !matches!(events.recv().await.unwrap(), Event::Paused { .. }) {}
        }
        bench.faults.clear("ledger.retired");
    };
    let (report, ()) = tokio::join!(bench.drain(), back);
    assert_eq!(report.unwrap().indexed, 1);
    assert_eq!(bench.store.collections().await.unwrap().len(), 1, "the old build is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_goes_away_while_files_are_submitted_is_waited_for() {
    let bench = Bench::new().await;
    bench.add("a.pdf", 1);
    bench.add("b.pdf", 1);
    bench.submit().await;
    let files = discover(&[bench.docs()], &Discover::default()).unwrap().files;
    bench.faults.on("ledger.submit", 2, Fault::Fail(away));
    let submitter = Submitter {
        ledger: Arc::new(FaultyLedger { inner: bench.ledger.clone(), faults: bench.faults.clone() }),
        tenant: tenant(),
        collection: COLLECTION.into(),
        tags: BTreeMap::new(),
        force: true,
        priority: Priority::default(),
        max_document_bytes: u64::MAX,
        limits: BTreeMap::new(),
        events: bench.events.clone(),
        patience: Duration::from_secs(60),
    };
    let comparison = submitter.submit_all(files.clone(), &CancellationToken::new()).await.unwrap();
    assert_eq!((comparison.queued.len(), bench.faults.calls("ledger.submit")), (2, 3));
    bench.faults.always("ledger.submit", Fault::Fail(away));
    let hasty = Submitter { patience: Duration::ZERO, ..submitter };
    assert!(hasty.submit_all(files, &CancellationToken::new()).await.unwrap_err().is_transient());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_panics_costs_no_document_an_attempt() {
    let bench = Bench::new().await;
    bench.add("a.pdf", 1);
    bench.submit().await;
    bench.faults.on("store.upsert", 1, Fault::Panic);
    bench.faults.on("store.flush", 1, Fault::Panic);
    assert_eq!(bench.drain().await.unwrap().indexed, 1);
    assert_eq!(bench.document("a.pdf").await.attempts, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_gives_up_after_its_patience_and_loses_nothing() {
    let bench = Bench::with(Setup { patience: Duration::ZERO, ..Setup::default() }).await;
    bench.add("a.pdf", 1);
    bench.submit().await;
    bench.faults.always("store.upsert", Fault::Fail(away));
    let error = bench.drain().await.unwrap_err();
    assert_eq!((error.blame(), error.is_transient()), (Blame::Dependency, true), "{error}");
    let waiting = bench.document("a.pdf").await;
    assert_eq!((waiting.state, waiting.attempts), (State::Queued, 0));
    assert!(waiting.reason.unwrap().contains("away"), "a listing says why it waits");
    bench.faults.clear("store.upsert");
    let bench = bench.again(Setup::default()).await;
    assert_eq!(bench.drain().await.unwrap().indexed, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn work_pauses_while_the_disk_is_nearly_full() {
    let setup = Setup { disk_reserve_bytes: u64::MAX, patience: Duration::ZERO, ..Setup::default() };
    let bench = Bench::with(setup).await;
    bench.add("a.pdf", 1);
    bench.submit().await;
    let error = bench.drain().await.unwrap_err().to_string();
    assert!(error.contains("MiB") && error.contains("vectors"), "{error}");
    assert_eq!(bench.document("a.pdf").await.attempts, 0);
    // There is room again.
    let bench = bench.again(Setup::default()).await;
    assert_eq!(bench.drain().await.unwrap().indexed, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_pays_for_its_own_fault() {
    let bench = Bench::new().await;
    bench.add("good.pdf", 1);
    std::fs::write(bench.docs().join("broken.pdf"), "%PDF-1.7\nhalf a file").unwrap();
    let report = bench.ingest().await;
    assert_eq!((report.indexed, report.failures.len()), (1, 1));
    assert_eq!(bench.document("broken.pdf").await.state, State::Rejected);
    assert_eq!(bench.submit().await.failed.len(), 1, "and is not tried again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_page_is_named_again_by_every_run() {
    let bench = Bench::new().await;
    bench.add("a.pdf", 3);
    bench.submit().await;
    bench.faults.on("model.prepare", 1, Fault::Fail(|| Error::permanent("it has no pixels")));
    let report = bench.drain().await.unwrap();
    assert_eq!((report.indexed, report.failed_pages.len(), report.pages), (1, 1, 2));
    assert_eq!(bench.document("a.pdf").await.failed_pages.len(), 1);
    let again = bench.submit().await;
    assert_eq!((again.unchanged, again.missing_pages.len()), (1, 1), "unchanged does not hide it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_page_gets_another_chance_at_once_and_then_with_the_next_run() {
    let bench = Bench::new().await;
    bench.add("a.pdf", 2);
    bench.submit().await;
    fn lost() -> Error {
        Error::transient("its worker was killed").blaming(Blame::Document)
    }
    bench.faults.on("model.prepare", 1, Fault::Fail(lost));
    let report = bench.drain().await.unwrap();
    assert_eq!((report.indexed, report.failed_pages.len()), (1, 0), "it was there the second time");

    bench.submit_with("double", &[], true).await;
    bench.faults.on("model.prepare", 1, Fault::Fail(lost));
    bench.faults.on("model.prepare", 3, Fault::Fail(lost));
    assert_eq!(bench.drain().await.unwrap().failed_pages.len(), 1);
    assert_eq!(bench.submit().await.queued.len(), 1, "the next run tries again");
    assert_eq!(bench.drain().await.unwrap().failed_pages.len(), 0);
    assert_eq!(bench.found_pages().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_limit_refused_is_tried_again_when_the_limit_is_another() {
    let strict = RenderLimits { max_pages: 2, ..RenderLimits::default() };
    let bench = Bench::with(Setup { limits: strict, ..Setup::default() }).await;
    bench.add("long.pdf", 3);
    assert_eq!(bench.ingest().await.failures.len(), 1);
    assert_eq!(bench.submit().await.failed.len(), 1, "the same limit, the same answer");
    let bench = bench.again(Setup::default()).await;
    assert_eq!(bench.submit().await.queued.len(), 1);
    assert_eq!(bench.drain().await.unwrap().indexed, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_folder_that_is_gone_uses_up_no_attempt_and_a_file_does() {
    let bench = Bench::with(Setup { patience: Duration::ZERO, ..Setup::default() }).await;
    bench.add("a.pdf", 1);
    bench.submit().await;
    let elsewhere = bench.folder.path().join("elsewhere");
    std::fs::rename(bench.docs(), &elsewhere).unwrap();
    assert_eq!(bench.drain().await.unwrap_err().blame(), Blame::Dependency);
    assert_eq!(bench.document("a.pdf").await.attempts, 0);
    std::fs::rename(&elsewhere, bench.docs()).unwrap();
    std::fs::remove_file(bench.docs().join("a.pdf")).unwrap();
    let bench = bench.again(Setup::default()).await;
    let report = bench.drain().await.unwrap();
    assert_eq!(report.failures.len(), 1);
    assert_eq!(bench.document("a.pdf").await.state, State::Dead, "tried as often as may be, then given up");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_read_for_the_moment_is_tried_again() {
    if is_root() {
        eprintln!("skipped: root reads every file");
        return;
    }
    let bench = Bench::new().await;
    bench.add("a.pdf", 1);
    bench.submit().await;
    let file = bench.docs().join("a.pdf");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o000)).unwrap();
    assert_eq!(bench.drain().await.unwrap().failures.len(), 1);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(bench.submit().await.queued.len(), 1);
    assert_eq!(bench.drain().await.unwrap().indexed, 1);
}

fn is_root() -> bool {
    // SAFETY: it only asks.
    unsafe { libc::geteuid() == 0 }
}
