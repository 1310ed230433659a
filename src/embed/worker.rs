//! Models that are alike, on threads of their own behind one bounded channel. A model that takes several inputs a run has two
//! threads that take turns: while one computes, the other gathers and joins the next batch, and what the graph gave is made
//! into answers while the next batch computes. So the model never waits for what surrounds it.
//!
//! Whatever happens to a model, every caller gets an answer: a panic, a failed run or the end of the threads are errors,
//! never a hang.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use futures::executor::block_on;
use tokio::sync::{Mutex, MutexGuard, mpsc, oneshot};

use crate::error::{Error, Result};
use crate::telemetry;

/// What the threads run: inputs in, as many outputs out, in the same order.
pub(super) trait Model: Send + Sync + 'static {
    /// Cheap to clone: a batch that fails is tried again one by one.
    type Input: Clone + Send + 'static;
    /// Inputs as the graph takes them.
    type Batch: Default + Send;
    /// What the graph gave.
    type Computed;
    type Output: Send + 'static;

    /// Adds an input to a batch. Called while another batch computes.
    fn join(&self, batch: &mut Self::Batch, input: Self::Input);

    /// Runs the graph: one batch at a time.
    fn compute(&self, batch: &Self::Batch) -> Result<Self::Computed>;

    /// Makes the outputs of what the graph gave. Called while another batch computes.
    fn finish(&self, batch: &Self::Batch, computed: Self::Computed) -> Result<Vec<Self::Output>>;
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
    threads: Mutex<Threads>,
}

struct Threads {
    handles: Vec<JoinHandle<()>>,
    /// Closed when every thread has let go of its end, which is the last thing that it does.
    ended: mpsc::Receiver<()>,
}

impl<M: Model> Worker<M> {
    /// Starts the threads of `models`, of which there is at least one. `batch`: the most inputs of one run. A run takes what
    /// is waiting and never waits for more.
    pub fn start(name: &str, batch: usize, models: Vec<M>) -> Result<Self> {
        let batch = batch.max(1);
        // One input a run needs no joining, and models that are alike run beside each other anyway.
        let threads_of_each = if batch > 1 && models.len() == 1 { 2 } else { 1 };
        // One batch waits for each that runs; callers beyond that wait in `submit`, which holds back the renderer.
        let (sender, receiver) = mpsc::channel(batch * models.len().max(1));
        let queue = Arc::new(Mutex::new(receiver));
        let (alive, ended) = mpsc::channel(1);
        let mut handles = Vec::new();
        for model in models.into_iter().map(Arc::new) {
            let turn = Arc::new(Mutex::new(()));
            for _ in 0..threads_of_each {
                let seat = Seat { queue: queue.clone(), model: model.clone(), turn: turn.clone(), batch };
                let alive = alive.clone();
                let serve = move || {
                    seat.serve();
                    drop(alive);
                };
                let started = std::thread::Builder::new().name(name.to_owned()).spawn(serve);
                handles.push(started.map_err(|error| {
                    Error::transient(format!("cannot start the thread '{name}'")).with_source(error)
                })?);
            }
        }
        Ok(Self { sender, threads: Mutex::new(Threads { handles, ended }) })
    }

    /// # Errors
    /// The model's own error; transient after [`Self::shutdown`]; a bug, if the model panicked.
    pub async fn submit(&self, input: M::Input) -> Result<M::Output> {
        let (reply, answer) = oneshot::channel();
        let stopped = || Error::transient("the model has been shut down: its process is ending");
        self.sender.send(Message::Job(Job { input, reply })).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    /// Finishes the accepted work, refuses more, and returns when the threads have ended.
    pub async fn shutdown(&self) {
        // Fails only if the threads have ended already.
        let _ = self.sender.send(Message::Stop).await;
        let mut threads = self.threads.lock().await;
        // Nothing is ever sent: this waits for the last thread to let go.
        let _ = threads.ended.recv().await;
        for thread in threads.handles.drain(..) {
            // At its very end, so this takes no time; panics of the model were caught, so there is nothing to learn.
            let _ = thread.join();
        }
    }
}

/// What one thread works with.
struct Seat<M: Model> {
    /// Held by the thread that gathers.
    queue: Arc<Mutex<mpsc::Receiver<Message<M>>>>,
    model: Arc<M>,
    /// Held by the thread whose batch computes. It is taken before whatever the model itself shares with others (one session
    /// for pages and questions), so that of the pages no more than one run ever stands before a question.
    turn: Arc<Mutex<()>>,
    batch: usize,
}

/// A batch, and who waits for it.
struct Gathered<M: Model> {
    batch: M::Batch,
    inputs: Vec<M::Input>,
    replies: Vec<oneshot::Sender<Result<M::Output>>>,
}

impl<M: Model> Seat<M> {
    fn serve(&self) {
        while let Some((gathered, turn)) = block_on(self.gather()) {
            self.run(gathered, turn);
        }
    }

    /// Waits for work, then takes and joins what comes until it is this thread's turn to compute, at most a batch. None if
    /// nothing will come any more.
    async fn gather(&self) -> Option<(Gathered<M>, MutexGuard<'_, ()>)> {
        let mut queue = self.queue.lock().await;
        let mut gathered = Gathered { batch: M::Batch::default(), inputs: Vec::new(), replies: Vec::new() };
        let mut turn = pin!(self.turn.lock());
        let mut closed = false;
        while !closed || !gathered.inputs.is_empty() {
            let (room, some) = (gathered.inputs.len() < self.batch, !gathered.inputs.is_empty());
            tokio::select! {
                biased;
                message = queue.recv(), if room && !closed => match message {
                    Some(Message::Job(job)) => self.add(&mut gathered, job),
                    // What was accepted before is still received and done.
                    Some(Message::Stop) => queue.close(),
                    None => closed = true,
                },
                turn = &mut turn, if some => return Some((gathered, turn)),
            }
        }
        None
    }

    fn add(&self, gathered: &mut Gathered<M>, job: Job<M>) {
        // Nobody waits for the answer of a caller that was cancelled.
        if job.reply.is_closed() {
            return;
        }
        self.model.join(&mut gathered.batch, job.input.clone());
        gathered.inputs.push(job.input);
        gathered.replies.push(job.reply);
    }

    /// Runs a batch and answers every job. If a batch fails, its members run alone, so that one bad input fails only itself.
    fn run(&self, gathered: Gathered<M>, turn: MutexGuard<'_, ()>) {
        let Gathered { batch, inputs, replies } = gathered;
        if replies.iter().all(oneshot::Sender::is_closed) {
            return;
        }
        let results: Vec<Result<M::Output>> = match self.outputs(&batch, inputs.len(), turn) {
            Ok(outputs) => outputs.into_iter().map(Ok).collect(),
            Err(error) if inputs.len() == 1 => vec![Err(error)],
            Err(error) => {
                tracing::warn!("a batch of {} failed, each is tried alone: {error}", inputs.len());
                inputs.into_iter().map(|input| self.alone(input)).collect()
            }
        };
        for (reply, result) in replies.into_iter().zip(results) {
            // Fails if the caller was cancelled meanwhile.
            let _ = reply.send(result);
        }
    }

    fn alone(&self, input: M::Input) -> Result<M::Output> {
        let mut batch = M::Batch::default();
        self.model.join(&mut batch, input);
        let mut outputs = self.outputs(&batch, 1, block_on(self.turn.lock()))?;
        outputs.pop().ok_or_else(|| Error::bug("the model gave no output"))
    }

    /// As many outputs as the batch has inputs.
    fn outputs(&self, batch: &M::Batch, inputs: usize, turn: MutexGuard<'_, ()>) -> Result<Vec<M::Output>> {
        let started = Instant::now();
        let computed = guarded(|| self.model.compute(batch));
        telemetry::batch(inputs, started.elapsed());
        drop(turn);
        let computed = computed?;
        let outputs = guarded(|| self.model.finish(batch, computed))?;
        if outputs.len() == inputs {
            Ok(outputs)
        } else {
            Err(Error::bug(format!("the model gave {} outputs for {inputs} inputs", outputs.len())))
        }
    }
}

/// A panic becomes an error.
pub(super) fn guarded<T>(call: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<&str>().map(|said| (*said).to_owned());
        let said = said.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        Err(Error::bug(format!("the model panicked: {said}")))
    })
}

#[cfg(test)]
mod tests;
