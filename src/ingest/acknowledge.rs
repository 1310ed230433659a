//! Acknowledgement: flush, then commit. Documents that end at about the same time share one flush: it holds up every
//! write, and takes nearly as long for one page as for a hundred.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::slots::DocumentSlots;
use super::upkeep::Upkeep;
use crate::error::{Blame, Error, Result};
use crate::ledger::{Indexed, Job, Ledger, Task};
use crate::store::{Condition, Filter, VectorStore};
use crate::telemetry::StoreTimer;

/// Documents waiting for their acknowledgement.
const WAITING: usize = 256;
/// While other documents are worked on, the next acknowledgement waits so many times as long as the last one took: a fifth of
/// the time is spent on them at most...
const PAUSE: u32 = 4;
/// ...unless a disk is so slow that people would wonder.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

struct Finished {
    /// Name of the collection in the store.
    physical: String,
    job: Job,
    indexed: Indexed,
    acknowledged: oneshot::Sender<Result<bool>>,
}

/// Handle of the acknowledging stage, which ends when the last handle is gone.
#[derive(Clone)]
pub struct Acknowledger(mpsc::Sender<Finished>);

/// What the stage works with.
pub struct Parts {
    pub store: Arc<dyn VectorStore>,
    pub ledger: Arc<dyn Ledger>,
    /// Told of every collection that pages were acknowledged in.
    pub upkeep: Upkeep,
    /// Those that are being worked on.
    pub documents: DocumentSlots,
}

impl Acknowledger {
    pub fn start(parts: Parts) -> (Self, JoinHandle<()>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self(sender), tokio::spawn(acknowledge_all(parts, receiver)))
    }

    /// Every page of the job is in the store, and the job is no longer counted as being worked on. Returns when that is
    /// durable and the ledger says so too; false where the job was replaced meanwhile.
    pub async fn acknowledge(&self, physical: &str, job: Job, indexed: Indexed) -> Result<bool> {
        let (acknowledged, done) = oneshot::channel();
        let stopped = || Error::transient("the acknowledging stage has stopped");
        let finished = Finished { physical: physical.to_owned(), job, indexed, acknowledged };
        self.0.send(finished).await.map_err(|_| stopped())?;
        done.await.map_err(|_| stopped())?
    }
}

async fn acknowledge_all(parts: Parts, mut receiver: mpsc::Receiver<Finished>) {
    let mut batch = Vec::new();
    let mut not_before = Instant::now();
    while receiver.recv_many(&mut batch, WAITING).await > 0 {
        while batch.len() < WAITING && !parts.documents.all_free() {
            match timeout_at(not_before, receiver.recv()).await {
                Ok(Some(finished)) => batch.push(finished),
                Ok(None) | Err(_) => break,
            }
        }
        let started = Instant::now();
        let mut by_collection: BTreeMap<String, Vec<Finished>> = BTreeMap::new();
        for finished in batch.drain(..) {
            by_collection.entry(finished.physical.clone()).or_default().push(finished);
        }
        for (physical, finished) in by_collection {
            acknowledge(&parts, &physical, finished).await;
            parts.upkeep.written(&physical);
        }
        not_before = Instant::now() + (started.elapsed() * PAUSE).min(LONGEST_PAUSE);
    }
}

/// The promise is kept in this order, never another: what the store has not confirmed is not committed.
async fn acknowledge(parts: &Parts, physical: &str, batch: Vec<Finished>) {
    let _timer = StoreTimer::start("flush");
    let flushed = AssertUnwindSafe(parts.store.flush(physical)).catch_unwind().await.unwrap_or_else(|_| panicked());
    for Finished { job, indexed, acknowledged, .. } in batch {
        let outcome = match &flushed {
            Ok(()) => {
                let committed = AssertUnwindSafe(commit(parts, physical, &job, &indexed)).catch_unwind().await;
                committed.unwrap_or_else(|_| panicked())
            }
            Err(error) => Err(error.duplicate()),
        };
        // A document whose attempt was given up meanwhile has nobody to tell.
        let _ = acknowledged.send(outcome);
    }
}

/// Commits what is there. A store that could not flush may have lost what it took before, of other documents too, and say
/// nothing about it at the next flush: so the pages are counted.
async fn commit(parts: &Parts, physical: &str, job: &Job, indexed: &Indexed) -> Result<bool> {
    if job.task == Task::Index {
        let conditions = [Condition::Document(job.document), Condition::Generation(job.generation.clone())];
        let found = parts.store.count(physical, &Filter::of(&job.tenant).with(conditions)).await?;
        let expected = (indexed.page_count as usize).saturating_sub(indexed.failed_pages.len());
        if found != expected {
            return Err(Error::transient(format!(
                "the store holds {found} pages of {} where {expected} were written: it lost some when it failed",
                job.source.uri
            )));
        }
    }
    parts.ledger.complete(job, indexed).await
}

fn panicked<T>() -> Result<T> {
    Err(Error::bug("the store or the ledger panicked while a document was acknowledged").blaming(Blame::Dependency))
}
