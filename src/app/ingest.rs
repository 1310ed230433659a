//! An ingest that somebody waits for: find files, write down what is owed, have it done, say what happened. At rest an engine of
//! its own drains the queue; in the service, whose workers do that anyway, it waits for them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Instant;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::collections::Defined;
use super::scope::Scope;
use super::waiting::Waiting;
use crate::config::{Pipeline, Source};
use crate::error::{Error, Result};
use crate::ingest::{Comparison, Engine, Patience, Report, Submitter};
use crate::ledger::PageFailure;
use crate::source::{Discover, Discovery};
use crate::types::{Note, Priority};

/// What to ingest, and how.
#[derive(Debug, Clone)]
pub struct IngestRequest {
    pub paths: Vec<PathBuf>,
    pub discover: Discover,
    /// None: what the collection was made with, or the defaults for a new one.
    pub pipeline: Option<Pipeline>,
    pub collection: String,
    pub tags: BTreeMap<String, String>,
    /// Which of the tenant's documents are taken first.
    pub priority: Priority,
    /// Delete documents of the given folders whose files are gone.
    pub prune: bool,
    /// Delete them even if it looks like an accident.
    pub prune_anyway: bool,
    /// Index again what has not changed.
    pub force: bool,
}

impl IngestRequest {
    /// What a pipeline does with its source.
    pub fn of_pipeline(pipeline: &Pipeline, source: &Source) -> Self {
        Self {
            paths: source.paths.clone(),
            discover: Discover::all_of(pipeline, source),
            collection: pipeline.collection.clone(),
            tags: pipeline.tags.clone(),
            priority: pipeline.priority,
            prune: source.prune,
            prune_anyway: false,
            force: false,
            pipeline: Some(pipeline.clone()),
        }
    }
}

/// The outcome, counted.
#[derive(Debug, Default, Serialize)]
pub struct IngestSummary {
    pub collection: String,
    pub documents: DocumentCounts,
    pub pages: u64,
    pub seconds: f64,
    pub pages_per_second: f64,
    /// Documents that are not indexed, with the reason.
    pub failures: Vec<DocumentFailure>,
    /// Pages that are missing, of documents that are indexed.
    pub failed_pages: Vec<FailedPage>,
    /// What is known to be wrong with documents that are indexed.
    pub document_notes: Vec<DocumentNote>,
    /// How many files, links and folders the walk passed over, by kind.
    pub passed_over: BTreeMap<String, u64>,
    /// Documents of the given folders whose files are gone and that are still in the index.
    pub gone: Vec<String>,
    /// What else is to be known.
    pub notes: Vec<String>,
    /// The run was told to stop before everything was done; the next one goes on.
    pub stopped: bool,
}

impl IngestSummary {
    /// Whether everything that was asked for is in the index.
    pub fn is_complete(&self) -> bool {
        let lost = self.document_notes.iter().any(|noted| noted.note.lost);
        self.failures.is_empty() && self.failed_pages.is_empty() && !lost && !self.stopped
    }
}

#[derive(Debug, Default, Serialize)]
pub struct DocumentCounts {
    pub found: u64,
    pub indexed: u64,
    pub unchanged: u64,
    /// Documents whose tags were changed, and nothing else.
    pub retagged: u64,
    pub failed: u64,
    pub pruned: u64,
}

#[derive(Debug, Serialize)]
pub struct DocumentFailure {
    pub source: String,
    pub reason: String,
}

#[derive(Debug, Serialize)]
pub struct FailedPage {
    pub source: String,
    pub page: u32,
    pub reason: String,
}

/// A note about a document, or about a page of it.
#[derive(Debug, Serialize)]
pub struct DocumentNote {
    pub source: String,
    #[serde(flatten)]
    pub note: Note,
}

impl FailedPage {
    fn of(source: String, failure: PageFailure) -> Self {
        Self { source, page: failure.page, reason: failure.reason }
    }
}

impl Scope<'_> {
    /// Ingests files and folders into a collection, until `stop`: what was begun is then finished or given back.
    ///
    /// # Errors
    /// Only what concerns the run as a whole; documents that fail are in the summary.
    ///
    /// A future behind a pointer, as [`crate::ingest::Engine`] has them.
    pub fn ingest<'a>(
        &'a self,
        request: IngestRequest,
        stop: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<IngestSummary>> {
        let collection = request.collection.clone();
        let ingest = async move {
            match self.ingest_once(request, stop).await {
                // What it waited for then is said, and nothing more of it is known.
                Err(error) if stop.is_cancelled() && error.is_transient() => Ok(IngestSummary {
                    collection,
                    notes: vec![error.to_string()],
                    stopped: true,
                    ..IngestSummary::default()
                }),
                outcome => outcome,
            }
        };
        ingest.boxed()
    }

    async fn ingest_once(&self, request: IngestRequest, stop: &CancellationToken) -> Result<IngestSummary> {
        let started = Instant::now();
        let patience = self.app.patience(stop).telling(&self.app.events, &request.collection);
        // First of all: a misspelt path must not leave an empty collection behind.
        let mut discovery = patience.with(|| self.discover(&request.paths, &request.discover)).await?;
        patience.with(|| self.app.contact()).await?;
        let found = discovery.files.len();
        let (known, missing) = patience.with(|| self.missing(&request.collection, &discovery)).await?;
        // Nobody misses what was never there.
        let strangers = std::mem::take(&mut discovery.gone).into_iter().filter(|(uri, _)| !missing.contains(uri));
        discovery.problems.extend(strangers.map(|(uri, reason)| (PathBuf::from(uri), Error::permanent(reason))));
        let known = if request.prune { known } else { Vec::new() };
        let gone = self.gone(&request.collection, &discovery, known, missing.clone(), request.prune_anyway).await?;
        let worker = match self.app.in_service.load(Ordering::Relaxed) {
            true => Worker::Service(Box::new(Waiting::begin(self, &request.collection))),
            false => Worker::Own(self.app.engine(&self.app.config.limits)?),
        };
        let default = self.app.default_pipeline();
        let (collections, pipeline) = (&self.app.collections, request.pipeline.as_ref());
        let defined = patience.with(|| collections.define(&request.collection, pipeline, &default)).await?;
        let limits = defined.build.definition.limits.over(&self.app.config.limits);
        let submitter = Submitter {
            force: request.force,
            priority: request.priority,
            ..self.submitter(&request.collection, request.tags.clone(), &limits)
        };
        let mut comparison = self.submit_found(&submitter, std::mem::take(&mut discovery.files), stop).await?;
        let queued = std::mem::take(&mut comparison.queued);
        let report = match worker {
            Worker::Own(engine) => {
                let report = drain(&engine, &request.collection, stop).await?;
                // What was done is reported, whenever the word to stop came.
                let patience = if report.stopped { Patience::none() } else { patience };
                match patience.with(|| self.app.store.optimize(&defined.build.physical)).await {
                    Err(error) if stop.is_cancelled() && error.is_transient() => {
                        tracing::warn!(%error, "the next run optimises the store");
                    }
                    outcome => drop(outcome?),
                }
                report
            }
            Worker::Service(waiting) => waiting.wait(queued, stop).await?,
        };

        let notes = notes(&defined, &report);
        let pruned = if stop.is_cancelled() { 0 } else { self.delete_all(gone, &patience).await? };
        let gone = if request.prune { Vec::new() } else { missing.into_iter().collect() };
        let summary = summary(request.collection, discovery, found, comparison, report);
        Ok(IngestSummary {
            documents: DocumentCounts { pruned, ..summary.documents },
            seconds: started.elapsed().as_secs_f64(),
            pages_per_second: summary.pages as f64 / started.elapsed().as_secs_f64().max(1e-9),
            notes,
            gone,
            ..summary
        })
    }
}

/// Who does the work of an ingest.
enum Worker<'a> {
    /// An engine of its own, until nothing is owed.
    Own(Engine),
    /// The workers of the service: they are waited for.
    Service(Box<Waiting<'a>>),
}

/// One drain of the engine; its processes end with it, whatever came out.
async fn drain(engine: &Engine, collection: &str, stop: &CancellationToken) -> Result<Report> {
    let report = engine.drain(Some(collection), stop).await;
    engine.shutdown().await;
    report
}

fn notes(defined: &Defined, report: &Report) -> Vec<String> {
    let mut notes = Vec::new();
    if defined.resubmitted > 0 {
        notes.push(format!(
            "{} documents that were indexed before were put in again: the collection's recipe changed, or its vectors were lost",
            defined.resubmitted
        ));
    }
    if !report.not_switched.is_empty() {
        let missing: Vec<_> =
            report.not_switched.iter().map(|(source, reason)| format!("{} ({reason})", source.uri)).collect();
        notes.push(format!(
            "questions are still asked of the collection as it was: built anew it would lack {}; mend or delete them and ingest \
             again, or `quire collections switch` to do without them",
            missing.join(", ")
        ));
    }
    notes
}

fn summary(
    collection: String,
    discovery: Discovery,
    found: usize,
    comparison: Comparison,
    report: Report,
) -> IngestSummary {
    let unreadable =
        discovery.problems.into_iter().map(|(path, error)| (path.display().to_string(), error.to_string()));
    let refused = comparison.failed.into_iter().map(|(file, reason)| (file.source.uri, reason));
    let failed = report.failures.into_iter().map(|(document, reason)| (document.source.uri, reason));
    let mut failures: Vec<DocumentFailure> =
        unreadable.chain(refused).chain(failed).map(|(source, reason)| DocumentFailure { source, reason }).collect();
    failures.sort_by(|a, b| a.source.cmp(&b.source));
    let before = comparison.missing_pages.into_iter().map(|(file, page)| FailedPage::of(file.source.uri, page));
    let now = report.failed_pages.into_iter().map(|(document, page)| FailedPage::of(document.source.uri, page));
    let mut failed_pages: Vec<FailedPage> = before.chain(now).collect();
    failed_pages.sort_by(|a, b| (&a.source, a.page).cmp(&(&b.source, b.page)));
    let known = comparison.notes.into_iter().map(|(file, note)| (file.source.uri, note));
    let noted = report.notes.into_iter().map(|(document, note)| (document.source.uri, note));
    let mut document_notes: Vec<DocumentNote> =
        known.chain(noted).map(|(source, note)| DocumentNote { source, note }).collect();
    document_notes.sort_by(|a, b| (&a.source, a.note.page).cmp(&(&b.source, b.note.page)));
    IngestSummary {
        collection,
        documents: DocumentCounts {
            found: found as u64,
            indexed: report.indexed,
            unchanged: comparison.unchanged as u64,
            retagged: report.retagged,
            failed: failures.len() as u64,
            pruned: 0,
        },
        pages: report.pages,
        failures,
        failed_pages,
        document_notes,
        passed_over: discovery.passed_over,
        stopped: report.stopped,
        ..IngestSummary::default()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::super::App;
    use super::super::testing::{COLLECTION, close, opened, pipeline, tenant};
    use super::*;
    use crate::app::Collections;
    use crate::faults::{Fault, Faults};
    use crate::ledger::FaultyLedger;
    use crate::store::faulty::FaultyStore;

    fn away() -> Error {
        Error::transient("it is away")
    }

    /// An installation whose dependencies fail as planned, and whose workers are elsewhere.
    async fn faulty(folder: &tempfile::TempDir) -> (App, Faults) {
        let (mut app, faults) = (opened(folder, None).await, Faults::none());
        app.ledger = Arc::new(FaultyLedger { inner: app.ledger.clone(), faults: faults.clone() });
        app.store = Arc::new(FaultyStore { inner: app.store.clone(), faults: faults.clone() });
        app.blobs = Arc::new(crate::blobs::FaultyBlobs { inner: app.blobs.clone(), faults: faults.clone() });
        app.collections = Arc::new(Collections::new(app.store.clone(), app.ledger.clone(), app.models.clone()));
        app.enter_service();
        std::fs::create_dir_all(folder.path().join("docs")).unwrap();
        (app, faults)
    }

    async fn ingest(app: &App, folder: &tempfile::TempDir, stop: &CancellationToken) -> Result<IngestSummary> {
        let request = IngestRequest {
            paths: vec![folder.path().join("docs")],
            discover: Discover::default(),
            pipeline: Some(pipeline(&["patches"])),
            collection: COLLECTION.into(),
            tags: BTreeMap::new(),
            prune: false,
            prune_anyway: false,
            force: false,
            priority: Priority::default(),
        };
        app.scope(tenant("acme")).ingest(request, stop).await
    }

    /// Whatever an ingest begins with.
    const FIRST_CALLS: [&str; 8] = [
        "ledger.queue",
        "store.collections",
        "blobs.list",
        "ledger.documents",
        "ledger.turn",
        "store.ensure_collection",
        "store.set_incarnation",
        "store.publish",
    ];

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_away_at_the_start_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let (app, faults) = faulty(&folder).await;
        for call in FIRST_CALLS {
            faults.on(call, 1, Fault::Fail(away));
        }
        let summary = ingest(&app, &folder, &CancellationToken::new()).await.unwrap();
        assert!(summary.is_complete(), "{summary:?}");
        for call in FIRST_CALLS {
            assert!(faults.calls(call) > 1, "{call}");
        }
        close(app).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn patience_ends_and_what_people_must_mend_takes_none() {
        let folder = tempfile::tempdir().unwrap();
        let (mut app, faults) = faulty(&folder).await;
        let stop = CancellationToken::new();
        faults.always("store.collections", Fault::Fail(|| Error::configuration("the key is refused")));
        faults.always("ledger.queue", Fault::Fail(away));
        let error = ingest(&app, &folder, &stop).await.unwrap_err();
        assert_eq!(error.to_string(), "the key is refused");
        assert_eq!(faults.calls("ledger.queue"), 1, "nobody waited");
        faults.clear("store.collections");
        app.config.ingest.patience = Duration::ZERO;
        let error = ingest(&app, &folder, &stop).await.unwrap_err();
        assert!(error.is_transient() && error.to_string().contains("it is away"), "{error:?}");
        close(app).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_run_that_is_stopped_while_it_waits_says_what_for() {
        let folder = tempfile::tempdir().unwrap();
        let (app, faults) = faulty(&folder).await;
        let (stop, mut events) = (CancellationToken::new(), app.events().subscribe());
        faults.always("store.collections", Fault::Fail(away));
        let told = async {
            while !matches!(events.recv().await.unwrap(), crate::ingest::Event::Paused { .. }) {}
            stop.cancel();
        };
        let (summary, ()) = tokio::join!(ingest(&app, &folder, &stop), told);
        let summary = summary.unwrap();
        assert!(summary.stopped && summary.notes[0].contains("it is away"), "{summary:?}");
        close(app).await;
    }

    #[test]
    fn a_run_that_leaves_something_out_is_not_complete() {
        assert!(IngestSummary::default().is_complete());
        let page = FailedPage { source: "/a.pdf".into(), page: 3, reason: "it is blank".into() };
        assert!(!IngestSummary { failed_pages: vec![page], ..IngestSummary::default() }.is_complete());
        let failure = DocumentFailure { source: "/a.pdf".into(), reason: "no PDF".into() };
        assert!(!IngestSummary { failures: vec![failure], ..IngestSummary::default() }.is_complete());
        let noted = |note| vec![DocumentNote { source: "/a.pdf".into(), note }];
        let lost = noted(Note::lost(Some(3), "its image is damaged"));
        assert!(!IngestSummary { document_notes: lost, ..IngestSummary::default() }.is_complete());
        let imperfect = noted(Note::imperfect(Some(3), "a font is not there"));
        assert!(IngestSummary { document_notes: imperfect, ..IngestSummary::default() }.is_complete());
        assert!(!IngestSummary { stopped: true, ..IngestSummary::default() }.is_complete());
    }
}
