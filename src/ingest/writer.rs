//! The last stage before acknowledgement: pages of all documents on their way into the store, in batches, as many at once as the
//! store takes.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::error::{Blame, Error, Result};
use crate::store::VectorStore;
use crate::telemetry::{Stage, StoreTimer, Timer};
use crate::types::PagePoint;

/// Pages waiting for the store. Few: a page's vectors are about 0.5 MB, and a full channel only says that the store is the
/// bottleneck.
const WAITING: usize = 16;
/// Pages of one write. Enough to spread the cost of a call, few enough to keep memory flat.
const BATCH: usize = 16;

struct Page {
    /// Name of the collection in the store.
    physical: String,
    point: PagePoint,
    written: Written,
}

/// Tells whoever waits for a page that it was written, or why not.
type Written = oneshot::Sender<Result<()>>;

/// Handle of the writing stage, which ends when the last handle is gone.
#[derive(Clone)]
pub struct Writer(mpsc::Sender<Page>);

impl Writer {
    pub fn start(store: Arc<dyn VectorStore>) -> (Self, JoinHandle<()>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        let at_once = store.writes_at_once();
        (Self(sender), tokio::spawn(write_all(store, receiver, at_once)))
    }

    /// Returns when the store has taken the page (not yet durable: the acknowledgement sees to that). Once begun it is not to
    /// be given up: a page that is written after its document was given up would be nobody's.
    pub async fn write(&self, physical: &str, point: PagePoint) -> Result<()> {
        let (written, done) = oneshot::channel();
        self.0.send(Page { physical: physical.to_owned(), point, written }).await.map_err(|_| stopped())?;
        done.await.map_err(|_| stopped())?
    }
}

fn stopped() -> Error {
    Error::transient("the writing stage has stopped")
}

/// A batch of one collection, and who waits for each of its pages.
type Batch = (Vec<PagePoint>, Vec<Written>);

async fn write_all(store: Arc<dyn VectorStore>, mut receiver: mpsc::Receiver<Page>, at_once: usize) {
    let mut under_way = FuturesUnordered::new();
    let mut pages = Vec::with_capacity(BATCH);
    loop {
        tokio::select! {
            Some(()) = under_way.next(), if !under_way.is_empty() => {}
            received = receiver.recv_many(&mut pages, BATCH), if under_way.len() < at_once => {
                if received == 0 {
                    break;
                }
                for (physical, batch) in by_collection(pages.drain(..)) {
                    under_way.push(write_batch(store.as_ref(), physical, batch));
                }
            }
        }
    }
    while under_way.next().await.is_some() {}
}

fn by_collection(pages: impl Iterator<Item = Page>) -> BTreeMap<String, Batch> {
    let mut batches: BTreeMap<String, Batch> = BTreeMap::new();
    for Page { physical, point, written } in pages {
        let (points, waiting) = batches.entry(physical).or_default();
        points.push(point);
        waiting.push(written);
    }
    batches
}

async fn write_batch(store: &dyn VectorStore, physical: String, (points, waiting): Batch) {
    for (outcome, written) in write(store, &physical, points).await.into_iter().zip(waiting) {
        // A document that no longer waits has failed for another reason, which it reports itself.
        let _ = written.send(outcome);
    }
}

/// One outcome a page. Where a batch fails by the fault of one of its pages, each is written alone, so that no other document
/// pays for it.
async fn write(store: &dyn VectorStore, physical: &str, points: Vec<PagePoint>) -> Vec<Result<()>> {
    let _timer = Timer::start(Stage::Store);
    let number = points.len();
    let alone = (number > 1).then(|| points.clone());
    match (upsert(store, physical, points).await, alone) {
        (Err(error), Some(points)) if error.blame() == Blame::Document => {
            let mut outcomes = Vec::with_capacity(number);
            for point in points {
                outcomes.push(upsert(store, physical, vec![point]).await);
            }
            outcomes
        }
        (outcome, _) => (0..number).map(|_| outcome.as_ref().copied().map_err(Error::duplicate)).collect(),
    }
}

/// A store that panics is a dependency that failed: the stage lives on, and no document pays.
async fn upsert(store: &dyn VectorStore, physical: &str, points: Vec<PagePoint>) -> Result<()> {
    let _timer = StoreTimer::start("upsert");
    AssertUnwindSafe(store.upsert(physical, points))
        .catch_unwind()
        .await
        .unwrap_or_else(|_| Err(Error::bug("the store panicked while it wrote pages").blaming(Blame::Dependency)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::{Fault, Faults};
    use crate::store::EdgeStore;
    use crate::store::faulty::FaultyStore;
    use crate::store::fixtures;

    const DOCS: &str = "documents";

    async fn store(folder: &tempfile::TempDir) -> FaultyStore {
        let inner = EdgeStore::open(folder.path(), Default::default()).unwrap();
        inner.ensure_collection(DOCS, &fixtures::schema()).await.unwrap();
        FaultyStore { inner: Arc::new(inner), faults: Faults::none() }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_page_that_does_not_fit_fails_alone() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder).await;
        let misfit = || Error::permanent("vector 'patches' has too many rows");
        // The batch, and then the second of its pages.
        for nth in [1, 3] {
            store.faults.on("store.upsert", nth, Fault::Fail(misfit));
        }
        let outcomes = write(&store, DOCS, fixtures::points(&fixtures::pages(1, 3))).await;
        assert_eq!(outcomes.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn as_many_batches_are_under_way_as_the_store_takes() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(store(&folder).await);
        let held = Arc::new(tokio::sync::Semaphore::new(0));
        store.faults.always("store.upsert", Fault::Hold(held.clone()));
        let (sender, receiver) = mpsc::channel(WAITING);
        let stage = tokio::spawn(write_all(store.clone(), receiver, 2));
        let writer = Writer(sender);
        let mut writes = Vec::new();
        for page in fixtures::pages(1, 2) {
            let writer = writer.clone();
            let called = store.faults.calls("store.upsert");
            writes.push(tokio::spawn(async move { writer.write(DOCS, page.point()).await }));
            // The first is held, and the second comes to the store nevertheless.
            while store.faults.calls("store.upsert") == called {
                tokio::task::yield_now().await;
            }
        }
        held.add_permits(2);
        for write in writes {
            write.await.unwrap().unwrap();
        }
        drop(writer);
        stage.await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_store_that_is_away_fails_the_batch_once() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder).await;
        store.faults.on("store.upsert", 1, Fault::Fail(|| Error::transient("away")));
        let outcomes = write(&store, DOCS, fixtures::points(&fixtures::pages(1, 3))).await;
        assert!(outcomes.iter().all(|outcome| outcome.as_ref().is_err_and(|error| error.blame() == Blame::Dependency)));
        assert_eq!(store.faults.calls("store.upsert"), 1);
    }
}
