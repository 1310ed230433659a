//! A model on a thread of its own, behind a bounded channel. Whatever happens to the model, every caller gets an
//! answer: a panic, a failed run or the end of the thread are errors, never a hang.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;

use tokio::sync::{Mutex, mpsc, oneshot};

use crate::error::{Error, Result};

/// What the thread runs: inputs in, as many outputs out, in the same order.
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

/// The handle. Dropping it ends the thread after the work that it accepted; [`Self::shutdown`] also waits for that.
pub(super) struct Worker<M: Model> {
    sender: mpsc::Sender<Message<M>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl<M: Model> Worker<M> {
    /// Starts the thread. `batch`: the most inputs of one run. A run takes what is waiting and never waits for more.
    pub fn start(name: &str, batch: usize, model: M) -> Result<Self> {
        let batch = batch.max(1);
        // One batch waits while another runs; callers beyond that wait in `submit`, which holds back the renderer.
        let (sender, receiver) = mpsc::channel(batch);
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || serve(receiver, batch, model))
            .map_err(|error| Error::transient(format!("cannot start the thread '{name}'")).with_source(error))?;
        Ok(Self { sender, thread: Mutex::new(Some(thread)) })
    }

    /// # Errors
    /// The model's own error; transient after [`Self::shutdown`]; a bug where the model panicked.
    pub async fn submit(&self, input: M::Input) -> Result<M::Output> {
        let (reply, answer) = oneshot::channel();
        let stopped = || Error::transient("the model has been shut down: its process is ending");
        self.sender.send(Message::Job(Job { input, reply })).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    /// Finishes the accepted work, refuses more, and returns when the thread has ended.
    pub async fn shutdown(&self) {
        // Fails only where the thread has ended already.
        let _ = self.sender.send(Message::Stop).await;
        let mut thread = self.thread.lock().await;
        if let Some(thread) = thread.take() {
            // The thread catches panics of the model, so there is nothing to learn from how it ended.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

fn serve<M: Model>(mut receiver: mpsc::Receiver<Message<M>>, batch: usize, mut model: M) {
    while let Some(first) = receiver.blocking_recv() {
        let mut jobs = Vec::with_capacity(batch);
        let mut next = Some(first);
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
        // Nobody waits for the answer of a caller that was cancelled.
        jobs.retain(|job| !job.reply.is_closed());
        run(&mut model, jobs);
    }
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
    use std::sync::Arc;
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
        (Arc::new(Worker::start("doubler", batch, Doubler { permits, batches }).unwrap()), permit, seen)
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
