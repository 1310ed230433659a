//! What the threads do when, seen through a model that tells and waits.

use std::sync::mpsc as blocking;
use std::sync::{Barrier, Mutex as BlockingMutex};

use super::super::shared::Shared;
use super::*;
use crate::error::Kind;

/// Doubles numbers; panics on 13, fails on batches that hold a 7. It tells what it does, and waits for a permit before each
/// run and each end of one.
struct Doubler {
    events: blocking::Sender<Event>,
    runs: BlockingMutex<blocking::Receiver<()>>,
    ends: BlockingMutex<blocking::Receiver<()>>,
}

#[derive(Debug, PartialEq)]
enum Event {
    Joined(u32),
    Computes(Vec<u32>),
    Finishes(Vec<u32>),
}

impl Model for Doubler {
    type Input = u32;
    type Batch = Vec<u32>;
    type Computed = Vec<u32>;
    type Output = u32;

    fn join(&self, batch: &mut Vec<u32>, input: u32) {
        batch.push(input);
        let _ = self.events.send(Event::Joined(input));
    }

    fn compute(&self, batch: &Vec<u32>) -> Result<Vec<u32>> {
        let _ = self.events.send(Event::Computes(batch.clone()));
        let _ = self.runs.lock().unwrap().recv();
        assert!(!batch.contains(&13), "thirteen");
        if batch.contains(&7) {
            return Err(Error::permanent("seven"));
        }
        Ok(batch.iter().map(|input| input * 2).collect())
    }

    fn finish(&self, batch: &Vec<u32>, computed: Vec<u32>) -> Result<Vec<u32>> {
        let _ = self.events.send(Event::Finishes(batch.clone()));
        let _ = self.ends.lock().unwrap().recv();
        Ok(computed)
    }
}

/// A worker, and the strings that a test pulls. Dropping a sender lets everything pass.
struct Stage {
    worker: Arc<Worker<Doubler>>,
    run: blocking::Sender<()>,
    end: blocking::Sender<()>,
    events: blocking::Receiver<Event>,
}

impl Stage {
    fn new(batch: usize) -> Self {
        let ((run, runs), (end, ends)) = (blocking::channel(), blocking::channel());
        let (sender, events) = blocking::channel();
        let doubler = Doubler { events: sender, runs: BlockingMutex::new(runs), ends: BlockingMutex::new(ends) };
        Self { worker: Arc::new(Worker::start("doubler", batch, vec![doubler]).unwrap()), run, end, events }
    }

    /// Submits an input, and returns when it has been joined to a batch.
    fn join(&self, input: u32) -> tokio::task::JoinHandle<Result<u32>> {
        let worker = self.worker.clone();
        let task = tokio::spawn(async move { worker.submit(input).await });
        self.expect(Event::Joined(input));
        task
    }

    fn let_ends_pass(&mut self) {
        // Nobody holds the other end of the strings any more.
        self.end = blocking::channel().0;
    }

    #[track_caller]
    fn expect(&self, event: Event) {
        assert_eq!(self.events.recv().unwrap(), event);
    }
}

/// The runtime needs a thread besides the one that waits for events.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_batch_is_joined_while_one_computes_and_the_last_one_ends_meanwhile() {
    let stage = Stage::new(3);
    let one = stage.join(1);
    stage.expect(Event::Computes(vec![1]));
    // The model is held in its run: these are gathered and joined all the same.
    let (two, three, four) = (stage.join(2), stage.join(3), stage.join(4));
    stage.run.send(()).unwrap();
    // The first run has computed. The next one computes whether the first one's outputs are made or not.
    let mut events = [stage.events.recv().unwrap(), stage.events.recv().unwrap()];
    events.sort_by_key(|event| matches!(event, Event::Finishes(_)));
    assert_eq!(events, [Event::Computes(vec![2, 3, 4]), Event::Finishes(vec![1])]);
    stage.end.send(()).unwrap();
    assert_eq!(one.await.unwrap().unwrap(), 2);
    stage.run.send(()).unwrap();
    stage.end.send(()).unwrap();
    for (task, answer) in [(two, 4), (three, 6), (four, 8)] {
        assert_eq!(task.await.unwrap().unwrap(), answer);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_than_one_batch_is_joined_ahead() {
    let stage = Stage::new(2);
    let one = stage.join(1);
    stage.expect(Event::Computes(vec![1]));
    let (two, three) = (stage.join(2), stage.join(3));
    // Channel and batch are full: nobody joins these, and the last one is not even accepted.
    let waiting: Vec<_> = [4, 5].map(|input| stage.worker.submit(input)).into();
    let (last, waiting) = (stage.worker.submit(6), futures::future::join_all(waiting));
    let (mut last, mut waiting) = (pin!(last), pin!(waiting));
    assert!(futures::poll!(&mut waiting).is_pending() && futures::poll!(&mut last).is_pending());
    assert_eq!(stage.worker.sender.capacity(), 0);
    assert!(stage.events.try_recv().is_err(), "nothing else was joined");
    drop((stage.run, stage.end));
    for (task, answer) in [(one, 2), (two, 4), (three, 6)] {
        assert_eq!(task.await.unwrap().unwrap(), answer);
    }
    let waiting: Vec<u32> = waiting.await.into_iter().map(Result::unwrap).collect();
    assert_eq!((waiting, last.await.unwrap()), (vec![8, 10], 12));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_batch_fails_only_its_bad_member() {
    let mut stage = Stage::new(4);
    stage.let_ends_pass();
    let one = stage.join(1);
    stage.expect(Event::Computes(vec![1]));
    let tasks = [5, 6, 7, 8].map(|input| stage.join(input));
    drop(stage.run);
    assert_eq!(one.await.unwrap().unwrap(), 2);
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    assert_eq!(*results[0].as_ref().unwrap(), 10);
    assert_eq!(*results[1].as_ref().unwrap(), 12);
    assert_eq!(results[2].as_ref().unwrap_err().message(), "seven");
    assert_eq!(*results[3].as_ref().unwrap(), 16);
}

#[tokio::test]
async fn a_panic_is_an_error_and_the_next_caller_is_served() {
    for batch in [1, 4] {
        let Stage { worker, run, end, .. } = Stage::new(batch);
        drop((run, end));
        let error = worker.submit(13).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Bug);
        assert!(error.message().contains("thirteen"), "{error}");
        assert_eq!(worker.submit(4).await.unwrap(), 8);
    }
}

/// Runs only while its like does.
struct Together(Arc<Barrier>);

impl Model for Together {
    type Input = u32;
    type Batch = Vec<u32>;
    type Computed = Vec<u32>;
    type Output = u32;

    fn join(&self, batch: &mut Vec<u32>, input: u32) {
        batch.push(input);
    }

    fn compute(&self, batch: &Vec<u32>) -> Result<Vec<u32>> {
        self.0.wait();
        Ok(batch.clone())
    }

    fn finish(&self, _: &Vec<u32>, computed: Vec<u32>) -> Result<Vec<u32>> {
        Ok(computed)
    }
}

#[tokio::test]
async fn models_that_are_alike_run_beside_each_other_and_end_together() {
    let barrier = Arc::new(Barrier::new(2));
    let models = vec![Together(barrier.clone()), Together(barrier.clone())];
    let worker = Worker::start("together", 1, models).unwrap();
    let answers = futures::future::join_all((0..6).map(|input| worker.submit(input))).await;
    let answers: Vec<u32> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers, [0, 1, 2, 3, 4, 5]);
    worker.shutdown().await;
    assert_eq!(Arc::strong_count(&barrier), 1, "the threads have ended, and their models with them");
    assert!(worker.submit(1).await.unwrap_err().is_transient());
}

#[tokio::test]
async fn shutdown_finishes_what_was_accepted_and_refuses_the_rest() {
    for batch in [1, 2] {
        let Stage { worker, run, end, .. } = Stage::new(batch);
        drop((run, end));
        // Polled in this order: the job is in the channel before the stop is.
        let (accepted, ()) = tokio::join!(worker.submit(3), worker.shutdown());
        assert_eq!(accepted.unwrap(), 6);
        assert!(worker.submit(1).await.unwrap_err().is_transient());
        worker.shutdown().await;
    }
}

/// One of two models that share a session, which it holds until it may go on.
struct Sharing {
    session: Arc<Shared<Vec<u32>>>,
    /// Told when it stands in line for the session.
    in_line: blocking::Sender<u32>,
    /// None: it does not wait.
    permits: Option<BlockingMutex<blocking::Receiver<()>>>,
}

impl Model for Sharing {
    type Input = u32;
    type Batch = Vec<u32>;
    type Computed = ();
    type Output = u32;

    fn join(&self, batch: &mut Vec<u32>, input: u32) {
        batch.push(input);
    }

    /// What computes is written down while the session is held.
    fn compute(&self, batch: &Vec<u32>) -> Result<()> {
        let mut turn = pin!(self.session.turn());
        let at_once = block_on(async { futures::poll!(turn.as_mut()) });
        self.in_line.send(batch[0]).unwrap();
        let mut session = match at_once {
            std::task::Poll::Ready(session) => session,
            std::task::Poll::Pending => block_on(turn),
        };
        session.extend(batch);
        if let Some(permits) = &self.permits {
            let _ = permits.lock().unwrap().recv();
        }
        Ok(())
    }

    fn finish(&self, batch: &Vec<u32>, (): ()) -> Result<Vec<u32>> {
        Ok(batch.clone())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_waits_for_one_batch_however_many_pages_wait() {
    const QUESTION: u32 = 100;
    let session = Arc::new(Shared::new(Vec::new()));
    let (in_line, standing) = blocking::channel();
    let (permit, permits) = blocking::channel();
    let sharing = |permits| Sharing { session: session.clone(), in_line: in_line.clone(), permits };
    let pages = Worker::start("pages", 2, vec![sharing(Some(BlockingMutex::new(permits)))]).unwrap();
    let questions = Worker::start("questions", 1, vec![sharing(None)]).unwrap();
    let (pages, questions) = (Arc::new(pages), Arc::new(questions));
    let submit = |worker: &Arc<Worker<Sharing>>, input| {
        let worker = worker.clone();
        tokio::spawn(async move { worker.submit(input).await })
    };
    // The first page computes; seven more wait, as many as channel and batch hold, and longer than them.
    let first = submit(&pages, 0);
    assert_eq!(standing.recv().unwrap(), 0);
    let others: Vec<_> = (1..8).map(|page| submit(&pages, page)).collect();
    let question = submit(&questions, QUESTION);
    assert_eq!(
        standing.recv().unwrap(),
        QUESTION,
        "no page stands before it: those that wait, wait for their own turn"
    );
    drop(permit);
    assert_eq!(question.await.unwrap().unwrap(), QUESTION);
    for page in std::iter::once(first).chain(others) {
        page.await.unwrap().unwrap();
    }
    let order = session.turn().await.clone();
    assert_eq!((&order[..2], order.len()), (&[0, QUESTION][..], 9), "{order:?}");
}
