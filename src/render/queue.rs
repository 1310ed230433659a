//! Who draws what next: a permit for each process that may work, the workers that rest, and the requests that wait.
//!
//! A free worker goes where the fewest others are, and then to a document that it has open: several documents are drawn by
//! a worker each, whose fonts and glyphs are read once, and a single one is drawn by all.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::error::{Error, Result};

/// What the queue has to know about a worker.
pub(super) trait KeepsDocumentsOpen {
    fn has_open(&self, document: u64) -> bool;
}

pub(super) struct WorkQueue<W: KeepsDocumentsOpen>(Mutex<State<W>>);

struct State<W: KeepsDocumentsOpen> {
    free: u32,
    /// At most as many as are free.
    resting: Vec<W>,
    /// The document of each permit that is in use.
    busy: Vec<u64>,
    /// In the order in which they came.
    waiting: VecDeque<Waiting<W>>,
}

struct Waiting<W: KeepsDocumentsOpen> {
    document: u64,
    permit: oneshot::Sender<WorkPermit<W>>,
}

/// The permission that one process works on a document. When it is dropped, the next in line gets it, and the worker in it.
pub(super) struct WorkPermit<W: KeepsDocumentsOpen> {
    queue: Arc<WorkQueue<W>>,
    document: u64,
    /// `None`: one has to be started.
    pub worker: Option<W>,
}

impl<W: KeepsDocumentsOpen> WorkQueue<W> {
    pub fn new(count: u32) -> Arc<Self> {
        let state = State { free: count, resting: Vec::new(), busy: Vec::new(), waiting: VecDeque::new() };
        Arc::new(Self(Mutex::new(state)))
    }

    /// A permit for work on the document, as soon as there is one.
    pub async fn take(self: &Arc<Self>, document: u64) -> Result<WorkPermit<W>> {
        let waiting = {
            let mut state = self.state();
            if state.free > 0 {
                state.free -= 1;
                state.busy.push(document);
                let worker = state.rested(document);
                return Ok(WorkPermit { queue: Arc::clone(self), document, worker });
            }
            let (permit, waiting) = oneshot::channel();
            state.waiting.push_back(Waiting { document, permit });
            waiting
        };
        waiting.await.map_err(|_| Error::bug("the queue for render workers lost a request"))
    }

    /// The workers that have nothing to do.
    pub fn resting(&self) -> Vec<W> {
        std::mem::take(&mut self.state().resting)
    }

    fn give_back(self: &Arc<Self>, document: u64, worker: Option<W>) {
        let mut state = self.state();
        if let Some(at) = state.busy.iter().position(|&busy| busy == document) {
            state.busy.swap_remove(at);
        }
        // those who gave up
        state.waiting.retain(|waiting| !waiting.permit.is_closed());
        let Some(next) = state.next(worker.as_ref()) else {
            state.free += 1;
            state.resting.extend(worker);
            return;
        };
        state.busy.push(next.document);
        let permit = WorkPermit { queue: Arc::clone(self), document: next.document, worker };
        // it may be refused, and then comes back here
        drop(state);
        drop(next.permit.send(permit));
    }

    fn state(&self) -> MutexGuard<'_, State<W>> {
        // whole between any two statements that hold the lock
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: KeepsDocumentsOpen> State<W> {
    fn rested(&mut self, document: u64) -> Option<W> {
        match self.resting.iter().position(|worker| worker.has_open(document)) {
            Some(position) => Some(self.resting.swap_remove(position)),
            None => self.resting.pop(),
        }
    }

    fn next(&mut self, worker: Option<&W>) -> Option<Waiting<W>> {
        let rank = |waiting: &Waiting<W>| {
            let others = self.busy.iter().filter(|&&busy| busy == waiting.document).count();
            (others, !worker.is_some_and(|worker| worker.has_open(waiting.document)))
        };
        // of equal ones the first
        let (at, _) = self.waiting.iter().enumerate().min_by_key(|(_, waiting)| rank(waiting))?;
        self.waiting.remove(at)
    }
}

impl<W: KeepsDocumentsOpen> Drop for WorkPermit<W> {
    fn drop(&mut self) {
        self.queue.give_back(self.document, self.worker.take());
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;

    use futures::FutureExt;

    use super::*;

    #[derive(Debug, PartialEq)]
    struct Fake(Vec<u64>);

    impl KeepsDocumentsOpen for Fake {
        fn has_open(&self, document: u64) -> bool {
            self.0.contains(&document)
        }
    }

    type Taking = Pin<Box<dyn Future<Output = Result<WorkPermit<Fake>>>>>;

    /// Asked for at once, in line from then on.
    fn ask(queue: &Arc<WorkQueue<Fake>>, document: u64) -> Taking {
        let queue = Arc::clone(queue);
        let mut taking: Taking = Box::pin(async move { queue.take(document).await });
        assert!((&mut taking).now_or_never().is_none());
        taking
    }

    fn got(taking: &mut Taking) -> Option<WorkPermit<Fake>> {
        taking.now_or_never().map(|permit| permit.unwrap())
    }

    fn now(queue: &Arc<WorkQueue<Fake>>, document: u64) -> WorkPermit<Fake> {
        queue.take(document).now_or_never().unwrap().unwrap()
    }

    #[test]
    fn two_documents_get_a_worker_each() {
        let queue = WorkQueue::new(2);
        let (mut one, mut two) = (now(&queue, 1), now(&queue, 1));
        (one.worker, two.worker) = (Some(Fake(vec![1])), Some(Fake(vec![1])));
        let mut line = [ask(&queue, 1), ask(&queue, 1), ask(&queue, 2), ask(&queue, 2)];
        drop(two);
        // One works on the first document still: the second is next, though it came later.
        let mut second = got(&mut line[2]).unwrap();
        second.worker = Some(Fake(vec![1, 2]));
        drop(one);
        let first = got(&mut line[0]).unwrap();
        drop(second);
        assert_eq!(got(&mut line[3]).unwrap().worker, Some(Fake(vec![1, 2])));
        // The worker of the second document has nothing left there and helps with the first.
        assert!(got(&mut line[1]).is_some());
        drop(first);
    }

    #[test]
    fn of_documents_that_nobody_is_at_an_open_one_is_taken() {
        let queue = WorkQueue::new(1);
        let mut permit = now(&queue, 1);
        let mut line = [ask(&queue, 2), ask(&queue, 1), ask(&queue, 1)];
        permit.worker = Some(Fake(vec![1]));
        drop(permit);
        assert!(got(&mut line[1]).is_some());
        assert!(got(&mut line[2]).is_some());
        assert!(got(&mut line[0]).is_some());
        assert_eq!(queue.resting(), [Fake(vec![1])]);
    }

    #[test]
    fn who_gives_up_loses_nothing() {
        let queue = WorkQueue::new(1);
        let permit = now(&queue, 1);
        let (gone, mut late) = (ask(&queue, 1), ask(&queue, 1));
        drop(gone);
        drop(permit);
        let permit = got(&mut late).unwrap();
        // Handed over and never picked up.
        let unread = ask(&queue, 1);
        drop(permit);
        drop(unread);
        drop(now(&queue, 1));
    }

    #[test]
    fn a_resting_worker_is_used_before_one_is_started() {
        let queue = WorkQueue::new(2);
        let (mut one, mut two) = (now(&queue, 1), now(&queue, 2));
        (one.worker, two.worker) = (Some(Fake(vec![1])), Some(Fake(vec![2])));
        drop((one, two));
        let one = now(&queue, 1);
        assert_eq!(one.worker, Some(Fake(vec![1])));
        assert_eq!(now(&queue, 3).worker, Some(Fake(vec![2])));
    }
}
