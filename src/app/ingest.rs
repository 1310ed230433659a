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
use crate::ingest::{Comparison, Engine, Report, Submitter};
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
        self.ingest_once(request, stop).boxed()
    }

    async fn ingest_once(&self, request: IngestRequest, stop: &CancellationToken) -> Result<IngestSummary> {
        let started = Instant::now();
        // First of all: a misspelt path must not leave an empty collection behind.
        let mut discovery = self.discover(&request.paths, &request.discover).await?;
        let found = discovery.files.len();
        let (known, missing) = self.missing(&request.collection, &discovery).await?;
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
        let defined = self.app.collections.define(&request.collection, request.pipeline.as_ref(), &default).await?;
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
                self.app.store.optimize(&defined.build.physical).await?;
                report
            }
            Worker::Service(waiting) => waiting.wait(queued, stop).await?,
        };

        let notes = notes(&defined, &report);
        let pruned = if stop.is_cancelled() { 0 } else { self.delete_all(gone).await? };
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
    use super::*;

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
