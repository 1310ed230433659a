//! Durability and visibility, at the moments between writing and showing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use quire::faults::Fault;
use quire::ledger::{Claim, Indexed, Ledger, State};
use quire::retrieve::PageFilter;
use quire::store::faulty::UnflushedStore;
use quire::types::PointId;
use tokio::sync::Semaphore;

use crate::{Bench, COLLECTION, Setup, away, tenant};

/// A store in which nothing lasts but what was flushed: whatever the ledger calls indexed is there after a loss of power.
#[tokio::test(flavor = "multi_thread")]
async fn indexed_means_that_every_page_is_durable() {
    let bench = Bench::with(Setup { store: |store| Arc::new(UnflushedStore::new(store)), ..Setup::default() }).await;
    for name in ["a.pdf", "b.pdf", "c.pdf"] {
        bench.add(name, 2);
    }
    assert_eq!(bench.ingest().await.indexed, 3);
    // The bench looks behind the double: at what a loss of power leaves.
    let build = bench.collections.active(COLLECTION).await.unwrap();
    for record in bench.documents().await {
        let generation = record.visible.unwrap();
        for page in 1..=record.page_count {
            let id = PointId::new(record.document_id, &generation, page);
            let stored = bench.store.retrieve(&build.physical, &tenant(), &[id], &[]).await.unwrap();
            assert_eq!(stored.len(), 1, "page {page} of {} was acknowledged and is gone", record.source.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_is_half_written_never_shows() {
    let bench = Bench::new().await;
    bench.add("a.pdf", 2);
    bench.ingest().await;
    let before: BTreeSet<_> = bench.found().await.into_iter().map(|hit| hit.detail.generation).collect();
    assert_eq!(before.len(), 1);

    bench.add("a.pdf", 3);
    bench.submit().await;
    let held = Arc::new(Semaphore::new(0));
    bench.faults.always("ledger.complete", Fault::Hold(held.clone()));
    tokio::join!(async { bench.drain().await.unwrap() }, async {
        bench.until_called("ledger.complete", 2).await;
        // Every page of the new version is in the store, and the old one is what people see: whole and alone.
        let hits = bench.found().await;
        assert_eq!(hits.len(), 2);
        assert!(hits.iter().all(|hit| before.contains(&hit.detail.generation)));
        held.add_permits(100);
    });
    let hits = bench.found().await;
    assert_eq!(hits.len(), 3);
    assert!(hits.iter().all(|hit| !before.contains(&hit.detail.generation)), "a generation is never used again");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_version_forced_again_gets_a_generation_of_its_own() {
    let bench = Bench::new().await;
    bench.add("a.pdf", 1);
    bench.ingest().await;
    let first = bench.document("a.pdf").await.visible;
    bench.submit_with("double", &[], true).await;
    bench.drain().await.unwrap();
    let second = bench.document("a.pdf").await.visible;
    assert_ne!(first, second);
    assert_eq!((bench.found().await.len(), bench.images().await), (1, 1), "and nothing is left of the one before");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_tags_rewrites_tags_and_embeds_nothing() {
    let bench = Bench::new().await;
    bench.add("a.pdf", 2);
    bench.submit_with("double", &[("year", "2024")], false).await;
    bench.drain().await.unwrap();
    let embedded = bench.faults.calls("model.embed_page");
    let generation = bench.document("a.pdf").await.visible;

    assert_eq!(bench.submit_with("double", &[("year", "2025")], false).await.queued.len(), 1);
    let report = bench.drain().await.unwrap();
    assert_eq!((report.retagged, report.indexed), (1, 0));
    assert_eq!(bench.faults.calls("model.embed_page"), embedded);
    assert_eq!(bench.document("a.pdf").await.visible, generation);
    let tagged = |year: &str| PageFilter { tags: [("year".into(), year.into())].into(), ..PageFilter::default() };
    assert_eq!(bench.found_by(&tenant(), tagged("2025")).await.len(), 2);
    assert_eq!(bench.found_by(&tenant(), tagged("2024")).await.len(), 0);
}

/// A worker that lost its lease while it wrote: what it wrote is nobody's, and its end changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn who_lost_its_lease_completes_nothing() {
    let bench = Bench::new().await;
    bench.add("a.pdf", 1);
    bench.submit().await;
    let lost = Claim { collection: None, except: &[], suspects: false, limit: 1, lease: Duration::ZERO };
    let job = bench.ledger.claim(&lost).await.unwrap().remove(0);
    assert_eq!(bench.drain().await.unwrap().indexed, 1, "the next in line gets the job");
    assert!(!bench.ledger.complete(&job, &Indexed::default()).await.unwrap());
    assert_eq!(bench.document("a.pdf").await.state, State::Indexed);
    assert_eq!(bench.found().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_failed_acknowledgement_wrote_is_done_again_once() {
    let bench = Bench::new().await;
    bench.add("a.pdf", 2);
    bench.submit().await;
    bench.faults.on("store.flush", 1, Fault::Fail(away));
    assert_eq!(bench.drain().await.unwrap().indexed, 1);
    assert_eq!((bench.found().await.len(), bench.images().await), (2, 2));
}

/// A store that failed may have lost what it took, and flush the rest without a word.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_store_lost_silently_is_written_again() {
    let bench = Bench::new().await;
    bench.add("a.pdf", 3);
    bench.submit().await;
    let held = Arc::new(Semaphore::new(0));
    bench.faults.on("store.flush", 1, Fault::Hold(held.clone()));
    let (report, ()) = tokio::join!(bench.drain(), async {
        bench.until_called("store.flush", 1).await;
        // Every page is written, none is acknowledged; behind the engine's back they go.
        let build = bench.collections.active(COLLECTION).await.unwrap();
        let claimed = bench.ledger.documents(&tenant(), &Default::default()).await.unwrap().documents.remove(0);
        assert_eq!(claimed.state, State::Processing);
        for generation in
            bench.blobs.list("").await.unwrap().iter().map(|key| key.split('/').nth(3).unwrap().to_owned())
        {
            let generation = quire::types::Generation(generation);
            bench.store.delete_generation(&build.physical, claimed.document_id, &generation).await.unwrap();
        }
        held.add_permits(1);
    });
    assert_eq!(report.unwrap().indexed, 1);
    assert_eq!(bench.found().await.len(), 3);
    assert_eq!(bench.document("a.pdf").await.attempts, 1);
}
