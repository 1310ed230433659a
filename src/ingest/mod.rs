//! The ingest flow: `source -> render -> embed -> derive -> store`, page by page, acknowledged at the end.
//!
//! [`Engine`] claims jobs from the ledger and works on them until it is told to stop, or, as [`Engine::drain`], until nothing
//! is owed. The walk of a job: `dispatch` claims it, `attempt` decides what its outcome leads to, `document` reads the source
//! and takes page after page, `page` is the flow itself, `writer` puts pages into the store, `acknowledge` makes them count.
//!
//! A document is *indexed* when every one of its pages is in the store, the store has confirmed that they are durable, and
//! the ledger has committed: in this order, never another. Whatever is killed in between is done again, and overwrites only
//! what nobody has seen.

mod acknowledge;
mod attempt;
mod collector;
mod disk;
mod dispatch;
mod document;
mod events;
mod flow;
mod guard;
mod inside;
mod jpeg;
mod known;
mod page;
mod patience;
mod pause;
mod plan;
mod progress;
mod report;
mod slots;
mod submit;
mod upkeep;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use collector::Collector;
pub use disk::{DiskGuard, SpoolBudget, SpoolPermit};
pub use events::{DocumentEvent, Event, Events, Happening};
pub use guard::Questions;
pub use patience::Patience;
pub use plan::{CollectionPlan, CollectionPlans};
pub use report::{DocumentRef, Report};
pub use submit::{Comparison, Submitter};

use crate::blobs::BlobStore;
use crate::config;
use crate::error::{Error, Result};
use crate::ledger::Ledger;
use crate::render::Renderer;
use crate::source::Buckets;
use crate::store::VectorStore;
use crate::types::SourceRef;
use acknowledge::Acknowledger;
use flow::Flow;
use guard::Guard;
use pause::Pauses;
use slots::DocumentSlots;
use upkeep::Upkeep;
use writer::Writer;

/// What an engine works with.
pub struct Parts {
    pub settings: config::Ingest,
    /// Private copies of documents while they are being read.
    pub spool: PathBuf,
    /// Where the folders that were ingested lay: see [`crate::source::Roots`].
    pub roots: PathBuf,
    /// Where documents are read from that lie in buckets.
    pub buckets: Arc<Buckets>,
    pub disk: DiskGuard,
    pub spool_budget: SpoolBudget,
    pub renderer: Renderer,
    pub plans: Arc<dyn CollectionPlans>,
    pub store: Arc<dyn VectorStore>,
    pub ledger: Arc<dyn Ledger>,
    pub blobs: Arc<dyn BlobStore>,
    pub collector: Arc<Collector>,
    pub events: Events,
    /// Who asks goes before what comes in.
    pub questions: Arc<Questions>,
}

/// Turns jobs into indexed documents, of every collection.
pub struct Engine {
    parts: Arc<Parts>,
    submitted: Notify,
    pauses: Arc<Pauses>,
}

/// When a run ends.
#[derive(Clone, Copy)]
enum Until<'a> {
    /// When it is told to.
    Stopped,
    /// When nothing is owed to this collection (None: to any).
    Drained(Option<&'a str>),
}

impl Engine {
    pub fn new(parts: Parts) -> Self {
        Self { parts: Arc::new(parts), submitted: Notify::new(), pauses: Arc::default() }
    }

    /// Every event from now on.
    pub fn events(&self) -> &Events {
        &self.parts.events
    }

    /// Something was submitted: an engine that waits looks at once.
    pub fn wake(&self) {
        self.submitted.notify_one();
    }

    /// Why work on a collection has waited for longer than `ingest.patience_s`, or waits for people to mend the configuration: what
    /// a drain would have given up with.
    pub fn out_of_patience(&self, collection: &str) -> Option<Error> {
        self.pauses.out_of_patience(Some(collection), self.parts.settings.patience, Instant::now())
    }

    /// If the new build of a collection is complete, questions are asked of it from now on. Returns the documents that it lacks
    /// and that people find now, with the reason, and whether it may still become complete.
    ///
    /// # Errors
    /// What the ledger says.
    pub async fn switch_complete(&self, collection: &str) -> Result<(Vec<(SourceRef, String)>, bool)> {
        let outcome = dispatch::switch_complete(&self.parts, Some(collection)).await?;
        Ok((outcome.would_lose, outcome.waiting))
    }

    /// Works until `stop`, then finishes what ends soon and gives the rest back unused.
    ///
    /// # Errors
    /// A bug: a stage ended. Everything else waits and is tried again.
    pub async fn run(&self, stop: &CancellationToken) -> Result<Report> {
        self.work(Until::Stopped, stop).await
    }

    /// Works until no job of the collection (None: of any) is left that could still succeed, or until `stop`.
    ///
    /// # Errors
    /// What concerns every document alike: the configuration is wrong, or something is away for longer than
    /// `ingest.patience_s`. Documents fail on their own; nothing that was done is lost.
    pub async fn drain(&self, collection: Option<&str>, stop: &CancellationToken) -> Result<Report> {
        let report = self.work(Until::Drained(collection), stop).await?;
        let patience = match collection {
            _ if report.stopped => Patience::none(),
            Some(name) => self.patience(stop).telling(&self.parts.events, name),
            None => self.patience(stop),
        };
        match patience.with(|| self.parts.collector.collect()).await {
            Err(error) if stop.is_cancelled() && error.is_transient() => {
                tracing::warn!(%error, "garbage stays for the next run");
            }
            outcome => drop(outcome?),
        }
        Ok(report)
    }

    fn patience<'a>(&self, stop: &'a CancellationToken) -> Patience<'a> {
        Patience::new(self.parts.settings.patience, stop)
    }

    /// Ends the renderer's processes.
    pub async fn shutdown(&self) {
        self.parts.renderer.shutdown().await;
    }

    /// The run as one future behind a pointer: compiled once, here, and not in every program that calls it.
    fn work<'a>(&'a self, until: Until<'a>, stop: &'a CancellationToken) -> BoxFuture<'a, Result<Report>> {
        self.run_stages(until, stop).boxed()
    }

    /// Wires the stages, from the last to the first, and dispatches jobs to them.
    async fn run_stages(&self, until: Until<'_>, stop: &CancellationToken) -> Result<Report> {
        let parts = &self.parts;
        let halt = CancellationToken::new();
        let upkeep = Upkeep::default();
        let end_upkeep = CancellationToken::new();
        let keeping = upkeep.start(
            parts.store.clone(),
            parts.ledger.clone(),
            parts.collector.clone(),
            parts.settings.history_kept,
            end_upkeep.clone(),
        );
        let documents = DocumentSlots::new(parts.settings.documents_in_flight);
        let (acknowledger, acknowledging) = Acknowledger::start(acknowledge::Parts {
            store: parts.store.clone(),
            ledger: parts.ledger.clone(),
            upkeep,
            documents: documents.clone(),
        });
        let (writer, writing) = Writer::start(parts.store.clone());
        let flow = Arc::new(Flow {
            parts: parts.clone(),
            writer,
            acknowledger,
            documents,
            pages: Semaphore::new(parts.settings.pages_in_flight),
            guard: Guard::new(parts.settings.pages_in_flight),
            pauses: self.pauses.clone(),
            tally: report::Tally::default(),
            halt: halt.clone(),
        });

        // A stage that ends before its last user is a stage that failed: nobody works on for nothing.
        let mut stages = Box::pin(async { tokio::try_join!(writing, acknowledging).map(|_| ()) });
        let mut dispatching = Box::pin(dispatch::dispatch(&flow, until, stop, &self.submitted));
        let mut stages_run = true;
        let outcome = tokio::select! {
            outcome = &mut dispatching => outcome,
            ended = &mut stages => {
                stages_run = false;
                halt.cancel();
                let _ = dispatching.as_mut().await;
                let error = Error::bug("a stage of the ingest ended; what was under way was given back");
                Err(match ended { Ok(()) => error, Err(cause) => error.with_source(cause) })
            }
        };
        drop(dispatching);
        let report = flow.tally.take();
        drop(flow);
        end_upkeep.cancel();
        // Both end when their last handle is gone; what they were still doing is finished first.
        if stages_run {
            stages.await.map_err(|error| Error::bug("a stage of the ingest stopped").with_source(error))?;
        }
        keeping.await.map_err(|error| Error::bug("the upkeep of the ingest stopped").with_source(error))?;
        outcome.map(|()| report)
    }
}
