//! What is done beside the flow, so that a long ingest stays as fast and as small as a short one: garbage is collected,
//! collections that were written to are optimised, stories of work that ended long ago are forgotten, and twice a day what was
//! deleted, or was uploaded and never became a document, leaves the disk. Failures are logged and tried again; they hold nobody up.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::collector::Collector;
use crate::error::Result;
use crate::ledger::Ledger;
use crate::store::VectorStore;

/// Without news, garbage is looked for after so long: what an attempt that lost its lease left behind, failures of before.
const IDLE: Duration = Duration::from_secs(60);
/// Deleted text leaves the disk of a running engine within a day.
const PURGE: Duration = Duration::from_secs(12 * 60 * 60);
/// Stories are kept for days: nobody misses an hour.
const FORGET: Duration = Duration::from_secs(60 * 60);
/// Events forgotten in one go: others write meanwhile.
const FORGOTTEN_AT_ONCE: usize = 1_000;

/// Tells the upkeep what happened. Clones share it.
#[derive(Clone, Default)]
pub struct Upkeep(Arc<News>);

#[derive(Default)]
struct News {
    /// Collections (names in the store) written to since they were last optimised.
    written: Mutex<BTreeSet<String>>,
    told: Notify,
}

impl Upkeep {
    /// Pages of this collection became visible, others became garbage.
    pub fn written(&self, physical: &str) {
        self.0.written.lock().unwrap_or_else(PoisonError::into_inner).insert(physical.to_owned());
        self.0.told.notify_one();
    }

    fn take(&self) -> BTreeSet<String> {
        std::mem::take(&mut *self.0.written.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs until `end`. `history_kept`: how long stories of work that has ended are kept; None: for ever.
    pub fn start(
        &self,
        store: Arc<dyn VectorStore>,
        ledger: Arc<dyn Ledger>,
        collector: Arc<Collector>,
        history_kept: Option<Duration>,
        end: CancellationToken,
    ) -> JoinHandle<()> {
        let upkeep = self.clone();
        tokio::spawn(async move {
            let mut next_purge = Instant::now() + PURGE;
            let mut next_forgetting = Instant::now();
            loop {
                tokio::select! {
                    () = upkeep.0.told.notified() => {}
                    () = tokio::time::sleep(IDLE) => {}
                    () = end.cancelled() => return,
                }
                if let Err(error) = collector.collect().await {
                    tracing::warn!(%error, "garbage is left for the next time");
                }
                for physical in upkeep.take() {
                    if end.is_cancelled() {
                        return;
                    }
                    if let Err(error) = store.optimize(&physical).await {
                        tracing::warn!(collection = physical, %error, "a collection could not be optimised");
                    }
                }
                if let Some(age) = history_kept.filter(|_| Instant::now() >= next_forgetting) {
                    forget(ledger.as_ref(), age, &end).await;
                    next_forgetting = Instant::now() + FORGET;
                }
                if Instant::now() >= next_purge {
                    purge(store.as_ref(), ledger.as_ref()).await;
                    if let Err(error) = collector.sweep_uploads().await {
                        tracing::warn!(%error, "bytes that never became a document stay for now");
                    }
                    next_purge = Instant::now() + PURGE;
                }
            }
        })
    }
}

async fn forget(ledger: &dyn Ledger, age: Duration, end: &CancellationToken) {
    match forget_all(ledger, age, end).await {
        Ok(0) => {}
        Ok(events) => {
            tracing::info!(events, "stories of work that ended long ago were forgotten (ingest.history_days)")
        }
        Err(error) => tracing::warn!(%error, "old stories are kept for now"),
    }
}

/// How many events were forgotten: none while another process is at it, some where `end` came first.
async fn forget_all(ledger: &dyn Ledger, age: Duration, end: &CancellationToken) -> Result<u64> {
    let Some(_among_processes) = ledger.try_turn("forget stories").await? else { return Ok(0) };
    let mut forgotten = 0;
    while !end.is_cancelled() {
        match ledger.forget(age, FORGOTTEN_AT_ONCE).await? {
            0 => break,
            events => forgotten += events,
        }
    }
    Ok(forgotten)
}

async fn purge(store: &dyn VectorStore, ledger: &dyn Ledger) {
    let collections = match store.collections().await {
        Ok(collections) => collections,
        Err(error) => return tracing::warn!(%error, "what was deleted stays on the disk for now"),
    };
    for physical in collections {
        if let Err(error) = store.purge(&physical).await {
            tracing::warn!(collection = physical, %error, "what was deleted stays on the disk for now");
        }
    }
    if let Err(error) = ledger.trim().await {
        tracing::warn!(%error, "what was deleted stays in the ledger's log for now");
    }
}
