//! Acknowledgement: flush, then commit. Documents that end at about the same time share one flush: it holds up every
//! write, and takes nearly as long for one page as for a hundred.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::Pipeline;
use super::documents::Documents;
use crate::blobs::{BlobStore, generation_prefix};
use crate::error::{Error, Result};
use crate::ledger::{Indexed, Job, Ledger};
use crate::store::{Condition, Filter, VectorStore};

/// Documents waiting for their acknowledgement.
const WAITING: usize = 256;
/// While other documents are worked on, the next acknowledgement waits so many times as long as the last one took: a fifth of
/// the time is spent on them at most...
const PAUSE: u32 = 4;
/// ...unless a disk is so slow that people would wonder.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Generations removed from the store in one go.
const GARBAGE_BATCH: usize = 256;

type Ticket = (Job, Indexed, oneshot::Sender<Result<bool>>);

/// Handle of the acknowledging task; the task ends when the last handle is gone.
#[derive(Clone)]
pub struct Acknowledger(mpsc::Sender<Ticket>);

impl Acknowledger {
    /// `documents`: those that are being worked on.
    pub fn start(pipeline: Arc<Pipeline>, documents: Documents) -> (Self, JoinHandle<Result<()>>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self(sender), tokio::spawn(acknowledge_all(pipeline, documents, receiver)))
    }

    /// Every page of the job is in the store, and the job is no longer counted as being worked on. Returns when that is
    /// durable and the ledger says so too; false where the job was replaced meanwhile.
    pub async fn acknowledge(&self, job: Job, indexed: Indexed) -> Result<bool> {
        let (sender, done) = oneshot::channel();
        let stopped = || Error::transient("the acknowledging stage has stopped");
        self.0.send((job, indexed, sender)).await.map_err(|_| stopped())?;
        done.await.map_err(|_| stopped())?
    }
}

async fn acknowledge_all(
    pipeline: Arc<Pipeline>,
    documents: Documents,
    mut receiver: mpsc::Receiver<Ticket>,
) -> Result<()> {
    let mut batch = Vec::new();
    let mut not_before = Instant::now();
    while receiver.recv_many(&mut batch, WAITING).await > 0 {
        while batch.len() < WAITING && !documents.rest() {
            match timeout_at(not_before, receiver.recv()).await {
                Ok(Some(ticket)) => batch.push(ticket),
                Ok(None) | Err(_) => break,
            }
        }
        let started = Instant::now();
        let flushed = pipeline.store.flush(&pipeline.collection).await;
        for (job, indexed, sender) in batch.drain(..) {
            let outcome = match &flushed {
                Ok(()) => pipeline.ledger.complete(&job, &indexed).await,
                Err(error) => Err(error.duplicate()),
            };
            let _ = sender.send(outcome);
        }
        pipeline.collect_garbage().await?;
        not_before = Instant::now() + (started.elapsed() * PAUSE).min(LONGEST_PAUSE);
    }
    Ok(())
}

impl Pipeline {
    pub(super) async fn collect_garbage(&self) -> Result<usize> {
        collect_garbage(self.store.as_ref(), self.ledger.as_ref(), self.blobs.as_ref()).await
    }
}

/// Removes points and page images of generations that nobody sees any more, in every collection; returns how many
/// generations. The ledger forgets a generation only after the store has confirmed.
pub async fn collect_garbage(store: &dyn VectorStore, ledger: &dyn Ledger, blobs: &dyn BlobStore) -> Result<usize> {
    let mut removed = 0;
    loop {
        let batch = ledger.garbage(GARBAGE_BATCH).await?;
        if batch.is_empty() {
            return Ok(removed);
        }
        let existing = store.collections().await?;
        let mut touched = BTreeSet::new();
        for garbage in batch.iter().filter(|garbage| existing.contains(&garbage.collection)) {
            let filter = Filter {
                must: vec![Condition::Document(garbage.document), Condition::Generation(garbage.generation.clone())],
                must_not: Vec::new(),
            };
            store.delete(&garbage.collection, &filter).await?;
            touched.insert(garbage.collection.as_str());
        }
        for collection in touched {
            store.flush(collection).await?;
        }
        for garbage in &batch {
            for key in blobs.list(&generation_prefix(garbage.document, &garbage.generation)).await? {
                blobs.delete(&key).await?;
            }
            ledger.collected(garbage).await?;
            removed += 1;
        }
    }
}
