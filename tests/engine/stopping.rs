//! Stopping is ordinary, and dying is survived: no attempt is used up, nothing is lost, and the one to blame is found.

use std::sync::Arc;
use std::time::Duration;

use quire::faults::Fault;
use quire::ingest::{Event, Happening};
use quire::ledger::{Claim, Ledger, State};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{Bench, COLLECTION, Setup};

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_gives_back_what_does_not_end_soon() {
    let bench = Bench::new().await;
    bench.add("a.pdf", 2);
    bench.submit().await;
    let held = Arc::new(Semaphore::new(0));
    bench.faults.always("model.embed_page", Fault::Hold(held.clone()));
    let stop = CancellationToken::new();
    let (report, ()) = tokio::join!(bench.engine.drain(Some(COLLECTION), &stop), async {
        bench.until_called("model.embed_page", 1).await;
        stop.cancel();
    });
    let report = report.unwrap();
    assert!(report.stopped);
    assert_eq!((report.indexed, report.given_back), (0, 1));
    let waiting = bench.document("a.pdf").await;
    assert_eq!((waiting.state, waiting.attempts), (State::Queued, 0));
    bench.faults.clear("model.embed_page");
    let report = bench.drain().await.unwrap();
    assert_eq!((report.indexed, report.stopped), (1, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_lets_what_ends_soon_end() {
    let bench = Bench::with(Setup { stop_grace: Duration::from_secs(600), ..Setup::default() }).await;
    bench.add("a.pdf", 1);
    bench.submit().await;
    let held = Arc::new(Semaphore::new(0));
    bench.faults.always("model.embed_page", Fault::Hold(held.clone()));
    let stop = CancellationToken::new();
    let (report, ()) = tokio::join!(bench.engine.drain(Some(COLLECTION), &stop), async {
        bench.until_called("model.embed_page", 1).await;
        stop.cancel();
        held.add_permits(10);
    });
    assert_eq!(report.unwrap().indexed, 1);
}

/// What a process that dies leaves behind is leased jobs; the next one opens the same folder.
async fn die_over_everything(bench: Bench) -> Bench {
    for suspects in [true, false] {
        let lease = Duration::from_secs(3600);
        let claim = Claim { collection: None, except: &[], suspects, limit: 10, lease };
        bench.ledger.claim(&claim).await.unwrap();
    }
    bench.again(Setup::default()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn dying_ten_times_in_a_row_blames_nobody() {
    let mut bench = Bench::new().await;
    bench.add("a.pdf", 1);
    bench.add("b.pdf", 1);
    bench.submit().await;
    for _ in 0..10 {
        bench = die_over_everything(bench).await;
    }
    let report = bench.drain().await.unwrap();
    assert_eq!((report.indexed, report.failures.len()), (2, 0));
    assert!(bench.documents().await.iter().all(|record| record.attempts == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn suspects_are_tried_alone_before_anything_else() {
    let bench = Bench::new().await;
    for name in ["a.pdf", "b.pdf"] {
        bench.add(name, 1);
    }
    bench.submit().await;
    let claim = Claim { collection: None, except: &[], suspects: false, limit: 10, lease: Duration::from_secs(3600) };
    assert_eq!(bench.ledger.claim(&claim).await.unwrap().len(), 2);
    let bench = bench.again(Setup::default()).await;
    bench.add("c.pdf", 1);
    bench.submit().await;
    let mut events = bench.events.subscribe();
    assert_eq!(bench.drain().await.unwrap().indexed, 3);
    let mut walk = Vec::new();
    while let Ok(event) = events.try_recv() {
        let Event::Document(event) = event else { continue };
        match event.what {
            Happening::Started => walk.push(format!("{} begins", event.source.name)),
            Happening::Indexed { .. } => walk.push(format!("{} ends", event.source.name)),
            _ => {}
        }
    }
    assert_eq!(walk, ["a.pdf begins", "a.pdf ends", "b.pdf begins", "b.pdf ends", "c.pdf begins", "c.pdf ends"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_kills_the_process_each_time_is_given_up_at_last() {
    let mut bench = Bench::new().await;
    bench.add("deadly.pdf", 1);
    bench.submit().await;
    for _ in 0..17 {
        bench = die_over_everything(bench).await;
    }
    bench.add("good.pdf", 1);
    bench.submit().await;
    let report = bench.drain().await.unwrap();
    assert_eq!((report.indexed, report.failures.len()), (1, 1));
    assert!(report.failures[0].1.contains("died"), "{:?}", report.failures);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_over_a_document_costs_that_document_an_attempt_and_nobody_else() {
    let bench = Bench::new().await;
    bench.add("a.pdf", 1);
    bench.add("b.pdf", 1);
    bench.submit().await;
    bench.faults.on("model.embed_page", 1, Fault::Panic);
    assert_eq!(bench.drain().await.unwrap().indexed, 2);
    let attempts: u32 = bench.documents().await.iter().map(|record| record.attempts).sum();
    assert_eq!(attempts, 3);
}
