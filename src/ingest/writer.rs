//! The last stage before acknowledgement: pages of all documents on their way into the store, in batches, one write at a time.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::Pipeline;
use crate::error::{Error, Result};
use crate::telemetry::{Stage, Timer};
use crate::types::PagePoint;

/// Pages waiting for the store. Few: a page's vectors are about 0.5 MB, and a full channel only says that the store is the
/// bottleneck.
const WAITING: usize = 16;
/// Pages of one write. Enough to spread the cost of a call, few enough to keep memory flat.
const BATCH: usize = 16;

type Ticket = (PagePoint, oneshot::Sender<Result<()>>);

/// Handle of the writing task; the task ends when the last handle is gone.
#[derive(Clone)]
pub struct Writer(mpsc::Sender<Ticket>);

impl Writer {
    pub fn start(pipeline: Arc<Pipeline>) -> (Self, JoinHandle<Result<()>>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self(sender), tokio::spawn(write_all(pipeline, receiver)))
    }

    /// Returns when the store has taken the page (not yet durable: the acknowledgement sees to that).
    pub async fn write(&self, point: PagePoint) -> Result<()> {
        let (sender, written) = oneshot::channel();
        self.0.send((point, sender)).await.map_err(|_| stopped())?;
        written.await.map_err(|_| stopped())?
    }
}

fn stopped() -> Error {
    Error::transient("the writing stage has stopped")
}

async fn write_all(pipeline: Arc<Pipeline>, mut receiver: mpsc::Receiver<Ticket>) -> Result<()> {
    let mut batch = Vec::with_capacity(BATCH);
    while receiver.recv_many(&mut batch, BATCH).await > 0 {
        let (points, waiting): (Vec<PagePoint>, Vec<_>) = batch.drain(..).unzip();
        let outcome = {
            let _timer = Timer::start(Stage::Store);
            pipeline.store.upsert(&pipeline.collection, points).await
        };
        for sender in waiting {
            // A document that no longer waits has failed for another reason, which it reports itself.
            let _ = sender.send(outcome.as_ref().map(|_| ()).map_err(Error::duplicate));
        }
    }
    Ok(())
}
