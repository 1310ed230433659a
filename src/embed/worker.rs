//! Models that are alike, each on a thread of its own, behind one bounded channel. Whatever happens to a model, every
//! caller gets an answer: a panic, a failed run or the end of the thread are errors, never a hang.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

use crate::error::{Error, Result};

/// What a thread runs: inputs in, as many outputs out, in the same order.
pub(super) trait Model: Send + 'static {
    type Input: Send + 'static;
    type Output: Send + 'static;

    fn run(&mut self, inputs: &[Self::Input]) -> Result<Vec<Self::Output>>;
}

enum Message<M: Model> {
    Job(Job<M>),
    Stop,
}

struct Job<M: Model> {
    input: M::Input,
    reply: oneshot::Sender<Result<M::Output>>,
}

/// The handle. Dropping it ends the threads after the work that they accepted; [`Self::shutdown`] also waits for that.
pub(super) struct Worker<M: Model> {
    sender: mpsc::Sender<Message<M>>,
    threads: tokio::sync::Mutex<Vec<JoinHandle<()>>>,
}

/// The threads' end of the channel: held by the one that waits for work, until it has a batch.
type Queue<M> = Arc<Mutex<mpsc::Receiver<Message<M>>>>;

impl<M: Model> Worker<M> {
    /// Starts a thread for each of `models`, of which there is at least one. `batch`: the most inputs of one run. A run
    /// takes what is waiting and never waits for more.
    pub fn start(name: &str, batch: usize, models: Vec<M>) -> Result<Self> {
        let batch = batch.max(1);
        // One batch waits for each that runs; callers beyond that wait in `submit`, which holds back the renderer.
        let (sender, receiver) = mpsc::channel(batch * models.len().max(1));
        let queue: Queue<M> = Arc::new(Mutex::new(receiver));
        let threads = models.into_iter().map(|model| {
            let queue = queue.clone();
            std::thread::Builder::new()
                .name(name.to_owned())
                .spawn(move || serve(&queue, batch, model))
                .map_err(|error| Error::transient(format!("cannot start the thread '{name}'")).with_source(error))
        });
        let threads = threads.collect::<Result<_>>()?;
        Ok(Self { sender, threads: tokio::sync::Mutex::new(threads) })
    }

    /// # Errors
    /// The model's own error; transient after [`Self::shutdown`]; a bug where the model panicked.
    pub async fn submit(&self, input: M::Input) -> Result<M::Output> {
        let (reply, answer) = oneshot::channel();
        let stopped = || Error::transient("the model has been shut down: its process is ending");
        self.sender.send(Message::Job(Job { input, reply })).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    /// Finishes the accepted work, refuses more, and returns when the threads have ended.
    pub async fn shutdown(&self) {
        // Fails only where the threads have ended already.
        let _ = self.sender.send(Message::Stop).await;
        let mut threads = self.threads.lock().await;
        for thread in threads.drain(..) {
            // The thread catches panics of the model, so there is nothing to learn from how it ended.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

fn serve<M: Model>(queue: &Queue<M>, batch: usize, mut model: M) {
    while let Some(mut jobs) = next_batch(queue, batch) {
        // Nobody waits for the answer of a caller that was cancelled.
        jobs.retain(|job| !job.reply.is_closed());
        run(&mut model, jobs);
    }
}

/// Waits for work and takes what is there, up to `batch`; None where none will come any more.
fn next_batch<M: Model>(queue: &Queue<M>, batch: usize) -> Option<Vec<Job<M>>> {
    // Nothing panics while the lock is held.
    let mut receiver = queue.lock().unwrap_or_else(PoisonError::into_inner);
    let mut jobs = Vec::with_capacity(batch);
    let mut next = Some(receiver.blocking_recv()?);
    while let Some(message) = next.take() {
        match message {
            Message::Job(job) => jobs.push(job),
            // What was accepted before is still received and done.
            Message::Stop => receiver.close(),
        }
        if jobs.len() < batch {
            next = receiver.try_recv().ok();
        }
    }
    Some(jobs)
}

/// Runs a batch and answers every job. Where a batch fails, its members run alone, so that one bad input fails only
/// itself.
fn run<M: Model>(model: &mut M, jobs: Vec<Job<M>>) {
    let (inputs, replies): (Vec<_>, Vec<_>) = jobs.into_iter().map(|job| (job.input, job.reply)).unzip();
    if inputs.is_empty() {
        return;
    }
    let results: Vec<Result<M::Output>> = match guarded(model, &inputs) {
        Ok(outputs) => outputs.into_iter().map(Ok).collect(),
        Err(error) if inputs.len() == 1 => vec![Err(error)],
        Err(error) => {
            tracing::warn!("a batch of {} failed, each is tried alone: {error}", inputs.len());
            inputs.chunks(1).map(|one| guarded(model, one).and_then(|mut outputs| only(&mut outputs))).collect()
        }
    };
    for (reply, result) in replies.into_iter().zip(results) {
        // Fails where the caller was cancelled meanwhile.
        let _ = reply.send(result);
    }
}

fn only<T>(outputs: &mut Vec<T>) -> Result<T> {
    outputs.pop().ok_or_else(|| Error::bug("the model gave no output"))
}

fn guarded<M: Model>(model: &mut M, inputs: &[M::Input]) -> Result<Vec<M::Output>> {
    let outputs = catch_unwind(AssertUnwindSafe(|| model.run(inputs))).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<&str>().map(|said| (*said).to_owned());
        let said = said.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        Err(Error::bug(format!("the model panicked: {said}")))
    })?;
    if outputs.len() == inputs.len() {
        Ok(outputs)
    } else {
        Err(Error::bug(format!("the model gave {} outputs for {} inputs", outputs.len(), inputs.len())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use std::sync::mpsc as blocking;

    /// Doubles numbers; panics on 13, fails on batches that hold a 7, and waits for a permit before each run.
    struct Doubler {
        permits: blocking::Receiver<()>,
        batches: blocking::Sender<usize>,
    }

    impl Model for Doubler {
        type Input = u32;
        type Output = u32;

        fn run(&mut self, inputs: &[u32]) -> Result<Vec<u32>> {
            self.permits.recv().unwrap();
            self.batches.send(inputs.len()).unwrap();
            assert!(!inputs.contains(&13), "thirteen");
            if inputs.contains(&7) {
                return Err(Error::permanent("seven"));
            }
            Ok(inputs.iter().map(|input| input * 2).collect())
        }
    }

    fn doubler(batch: usize) -> (Arc<Worker<Doubler>>, blocking::Sender<()>, blocking::Receiver<usize>) {
        let (permit, permits) = blocking::channel();
        let (batches, seen) = blocking::channel();
        (Arc::new(Worker::start("doubler", batch, vec![Doubler { permits, batches }]).unwrap()), permit, seen)
    }

    #[tokio::test]
    async fn a_failed_batch_fails_only_its_bad_member() {
        let (worker, permit, batches) = doubler(4);
        let first = tokio::spawn({
            let worker = worker.clone();
            async move { worker.submit(1).await }
        });
        permit.send(()).unwrap();
        assert_eq!(first.await.unwrap().unwrap(), 2);
        assert_eq!(batches.recv().unwrap(), 1);
        // The thread is held in the run of the first of these, so the other three wait and form one batch.
        let mut tasks = Vec::new();
        for input in [5u32, 6, 7, 8] {
            let submit = worker.clone();
            tasks.push(tokio::spawn(async move { submit.submit(input).await }));
            tokio::task::yield_now().await;
        }
        for _ in 0..8 {
            permit.send(()).unwrap();
        }
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
        let (worker, permit, _batches) = doubler(1);
        permit.send(()).unwrap();
        let error = worker.submit(13).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Bug);
        assert!(error.message().contains("thirteen"), "{error}");
        permit.send(()).unwrap();
        assert_eq!(worker.submit(4).await.unwrap(), 8);
    }

    /// Runs only while its like does.
    struct Together(Arc<std::sync::Barrier>);

    impl Model for Together {
        type Input = u32;
        type Output = u32;

        fn run(&mut self, inputs: &[u32]) -> Result<Vec<u32>> {
            self.0.wait();
            Ok(inputs.to_vec())
        }
    }

    #[tokio::test]
    async fn models_that_are_alike_run_beside_each_other_and_end_together() {
        let barrier = Arc::new(std::sync::Barrier::new(2));
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
        let (worker, permit, _batches) = doubler(2);
        // Polled in this order: the job is in the channel before the stop is.
        permit.send(()).unwrap();
        let (accepted, ()) = tokio::join!(worker.submit(3), worker.shutdown());
        assert_eq!(accepted.unwrap(), 6);
        assert!(worker.submit(1).await.unwrap_err().is_transient());
        worker.shutdown().await;
    }
}
