//! Stories of work that has ended are forgotten while the engine runs, and only those.

use std::time::Duration;

use quire::ledger::{State, Stories};
use tokio_util::sync::CancellationToken;

use crate::{Bench, Setup, tenant};

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_runs_forgets_what_ended_longer_ago_than_it_is_kept() {
    let bench = Bench::with(Setup { history_kept: Some(Duration::ZERO), ..Setup::default() }).await;
    bench.add("a.pdf", 1);
    bench.submit().await;
    let document = bench.document("a.pdf").await.document_id;
    let story = async || bench.ledger.story(&tenant(), document).await.unwrap();
    assert!(!story().await.is_empty());
    let stop = CancellationToken::new();
    let (report, ()) = tokio::join!(bench.engine.run(&stop), async {
        let forgotten = async {
            while !story().await.is_empty() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(600), forgotten).await.expect("its story is kept");
        stop.cancel();
    });
    assert_eq!(report.unwrap().indexed, 1);
    assert_eq!((bench.document("a.pdf").await.state, bench.found().await.len()), (State::Indexed, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_age_nothing_is_forgotten() {
    let bench = Bench::new().await;
    bench.add("a.pdf", 1);
    bench.submit().await;
    let document = bench.document("a.pdf").await.document_id;
    let stop = CancellationToken::new();
    let (report, ()) = tokio::join!(bench.engine.run(&stop), async {
        // The collection is optimised in the round in which stories would be forgotten.
        bench.until_called("store.optimize", 1).await;
        stop.cancel();
    });
    assert_eq!(report.unwrap().indexed, 1);
    assert!(!bench.ledger.story(&tenant(), document).await.unwrap().is_empty());
}
