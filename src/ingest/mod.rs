//! The ingest flow, wired in one place: `source -> render -> embed -> derive -> store`, page by page, acknowledged at the end.
//!
//! A document is *indexed* when every one of its pages is in the store, the store has confirmed that they are durable, and
//! the ledger has committed: in this order, never another. Whatever is killed in between is done again, and overwrites.

mod acknowledge;
mod document;
mod documents;
mod jpeg;
mod progress;
mod submit;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

pub use acknowledge::collect_garbage;
pub use progress::{Event, Progress, silent};
pub use submit::Submitter;

use crate::blobs::BlobStore;
use crate::config;
use crate::embed::Embedder;
use crate::error::{Error, Kind, Result};
use crate::ledger::{Fate, Job, Ledger, Submission};
use crate::render::Renderer;
use crate::store::VectorStore;
use crate::telemetry;
use crate::types::{DeriveSettings, RecipeId};
use acknowledge::Acknowledger;
use documents::{Documents, Leave};
use writer::Writer;

/// How long a claimed job is ours without a sign of life.
const LEASE: Duration = Duration::from_secs(120);

/// Everything that turns a job into an indexed document. One per collection.
pub struct Pipeline {
    pub collection: String,
    pub settings: config::Ingest,
    pub derive: DeriveSettings,
    pub recipe: RecipeId,
    /// Private copies of documents while they are being read.
    pub spool: PathBuf,
    /// Larger files are rejected.
    pub max_document_bytes: u64,
    pub renderer: Renderer,
    pub embedder: Embedder,
    pub store: Arc<dyn VectorStore>,
    pub ledger: Arc<dyn Ledger>,
    pub blobs: Arc<dyn BlobStore>,
    pub progress: Progress,
}

/// What all running documents share.
struct Shared {
    pipeline: Arc<Pipeline>,
    writer: Writer,
    acknowledger: Acknowledger,
    documents: Documents,
    pages: Arc<Semaphore>,
}

impl Pipeline {
    /// Works until no job of the ledger is left that could still succeed, and every garbage point is gone.
    ///
    /// # Errors
    /// Only what concerns the whole run: the ledger or the store can't be written. Documents fail on their own.
    pub async fn run_to_completion(self: &Arc<Self>) -> Result<()> {
        self.collect_garbage().await?;
        let (writer, writer_task) = Writer::start(self.clone());
        let documents = Documents::new(self.settings.documents_in_flight);
        let (acknowledger, acknowledge_task) = Acknowledger::start(self.clone(), documents.clone());
        let shared = Arc::new(Shared {
            pipeline: self.clone(),
            writer,
            acknowledger,
            documents,
            pages: Arc::new(Semaphore::new(self.settings.pages_in_flight)),
        });
        let outcome = self.work(&shared).await;
        drop(shared);
        // Both end when their last sender is gone; what they were still doing is finished first.
        let ended = [writer_task.await, acknowledge_task.await];
        outcome?;
        for task in ended {
            task.map_err(|error| Error::bug("a stage of the ingest stopped").with_source(error))??;
        }
        self.collect_garbage().await?;
        Ok(())
    }

    /// Claims jobs and keeps `documents_in_flight` of them going.
    async fn work(&self, shared: &Arc<Shared>) -> Result<()> {
        let mut running: JoinSet<Result<()>> = JoinSet::new();
        loop {
            let free = shared.documents.free();
            let claimed =
                if free > 0 { self.ledger.claim(Some(&self.collection), free, LEASE).await? } else { Vec::new() };
            let nothing_claimed = claimed.is_empty();
            for job in claimed {
                let leave = shared.documents.begin().await?;
                let shared = shared.clone();
                running.spawn(async move { run_job(&shared, job, leave).await });
            }
            if free > 0 && nothing_claimed && running.is_empty() {
                // Garbage of a job's own generation keeps it from being claimed.
                if self.collect_garbage().await? > 0 {
                    continue;
                }
                match self.ledger.next_due_ms(Some(&self.collection)).await? {
                    None => return Ok(()),
                    Some(due) => tokio::time::sleep(Duration::from_millis(due.clamp(1, 1000))).await,
                }
                continue;
            }
            if free > 0 && !nothing_claimed {
                continue;
            }
            // A job may come free when one ends (its document has a newer version), and there is room when one needs no
            // more work.
            tokio::select! {
                Some(ended) = running.join_next() => {
                    ended.map_err(|error| Error::bug("the task of a document panicked").with_source(error))??;
                }
                leave = shared.documents.begin(), if free == 0 => drop(leave?),
            }
        }
    }
}

/// One attempt at one document; its outcome is in the ledger when this returns.
///
/// # Errors
/// Only what concerns every document alike: the ledger can't be written, or the configuration is wrong.
async fn run_job(shared: &Shared, job: Job, leave: Leave) -> Result<()> {
    let pipeline = &shared.pipeline;
    if job.recipe != pipeline.recipe {
        return resubmit(pipeline, &job).await;
    }
    (pipeline.progress)(Event::Started { source: job.source.clone() });
    let event = if job.attempt > pipeline.settings.max_attempts {
        // Claimed too often and never ended: whatever it does to this process, it is not given another chance.
        let attempts_used = Error::transient("every attempt at it ended the process");
        settle(pipeline, &job, &attempts_used).await?
    } else {
        let renewal = keep_lease(pipeline.ledger.clone(), job.clone());
        let event = match attempt(shared, &job, leave).await {
            Ok(event) => event,
            Err(error) => settle(pipeline, &job, &error).await?,
        };
        drop(renewal);
        event
    };
    if let Some(event) = event {
        match &event {
            Event::Indexed { .. } => telemetry::document(telemetry::Outcome::Indexed),
            Event::Rejected { .. } => telemetry::document(telemetry::Outcome::Rejected),
            Event::Dead { .. } => telemetry::document(telemetry::Outcome::Dead),
            _ => {}
        }
        (pipeline.progress)(event);
    }
    Ok(())
}

/// A job that an interrupted run left under an earlier recipe: what it asked for is not wanted any more, the document is.
async fn resubmit(pipeline: &Pipeline, job: &Job) -> Result<()> {
    if let Some(record) = pipeline.ledger.document(job.document).await? {
        let submission = Submission {
            document: job.document,
            tenant: job.tenant.clone(),
            collection: job.collection.clone(),
            source: job.source.clone(),
            content_hash: job.content_hash.clone(),
            recipe: pipeline.recipe.clone(),
            tags: job.tags.clone(),
            size_bytes: record.size_bytes,
            force: false,
        };
        pipeline.ledger.submit(&submission).await?;
    }
    pipeline.ledger.release(job).await
}

/// Pages into the store, then the acknowledgement. None where the job was replaced meanwhile.
async fn attempt(shared: &Shared, job: &Job, leave: Leave) -> Result<Option<Event>> {
    let started = Instant::now();
    let document::Outcome::Indexed(indexed) = document::ingest(shared, job).await? else { return Ok(None) };
    let event = Event::Indexed {
        source: job.source.clone(),
        pages: indexed.page_count,
        failed_pages: indexed.failed_pages.clone(),
        seconds: started.elapsed().as_secs_f64(),
    };
    drop(leave);
    // Returns when the store has confirmed and the ledger has committed.
    let ours = shared.acknowledger.acknowledge(job.clone(), indexed).await?;
    Ok(ours.then_some(event))
}

/// Writes down what a failed attempt leads to: the kind of the error decides.
async fn settle(pipeline: &Pipeline, job: &Job, error: &Error) -> Result<Option<Event>> {
    let (ledger, source, reason) = (&pipeline.ledger, job.source.clone(), error.to_string());
    match error.kind() {
        Kind::Permanent => {
            let ours = ledger.reject(job, &reason).await?;
            Ok(ours.then_some(Event::Rejected { source, reason }))
        }
        Kind::Transient { .. } | Kind::Bug => {
            let pause = retry_pause(&pipeline.settings, job.attempt, error.kind());
            Ok(match ledger.fail(job, &reason, pipeline.settings.max_attempts, pause).await? {
                Fate::Retry => Some(Event::Retrying { source, reason }),
                Fate::DeadLettered => Some(Event::Dead { source, reason }),
                Fate::Superseded => None,
            })
        }
        Kind::Configuration => {
            // It would fail every document alike: the job stays as it was, the run ends.
            ledger.release(job).await?;
            Err(error.duplicate().context(&job.source.uri))
        }
    }
}

/// Doubles with each attempt, up to the configured longest; never earlier than the other side asked.
fn retry_pause(settings: &config::Ingest, attempt: u32, kind: Kind) -> Duration {
    let doubled = settings.first_retry.saturating_mul(2u32.saturating_pow(attempt.saturating_sub(1)));
    let pause = doubled.min(settings.longest_retry);
    match kind {
        Kind::Transient { retry_after: Some(asked) } => pause.max(asked),
        _ => pause,
    }
}

/// Renews the lease of a running job until aborted.
fn keep_lease(ledger: Arc<dyn Ledger>, job: Job) -> AbortOnDrop {
    AbortOnDrop(tokio::spawn(async move {
        loop {
            tokio::time::sleep(LEASE / 3).await;
            match ledger.renew(&job, LEASE).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => tracing::warn!(%error, document = %job.document, "the lease could not be renewed"),
            }
        }
    }))
}

struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
