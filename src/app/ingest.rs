//! A one-shot ingest: find files, write down what is owed, drain the queue, say what happened.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::PathBuf;
use std::time::Instant;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::collections::Defined;
use super::scope::Scope;
use crate::config::Pipeline;
use crate::error::{Error, Result};
use crate::ingest::{Comparison, Engine, Report, Submitter};
use crate::ledger::{DocumentFilter, PageFailure, State};
use crate::source::prune::{self, KnownDocument, Roots};
use crate::source::{self, Buckets, Discover, Discovery, discover};
use crate::types::{DocumentId, Note};

/// What to ingest, and how.
#[derive(Debug, Clone)]
pub struct IngestRequest {
    pub paths: Vec<PathBuf>,
    pub discover: Discover,
    /// None: what the collection was made with, or the defaults for a new one.
    pub pipeline: Option<Pipeline>,
    pub collection: String,
    pub tags: BTreeMap<String, String>,
    /// Delete documents of the given folders whose files are gone.
    pub prune: bool,
    /// Delete them even if it looks like an accident.
    pub prune_anyway: bool,
    /// Index again what has not changed.
    pub force: bool,
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
        let mut discovery = self.discover(&request).await?;
        let found = discovery.files.len();
        let (known, missing) = self.missing(&request, &discovery).await?;
        let gone = self.gone(&request, &discovery, known, missing.clone()).await?;
        let default = self.app.default_pipeline();
        let limits = request.pipeline.as_ref().map_or(&self.app.config.limits, |pipeline| &pipeline.limits);
        let engine = self.app.engine(limits)?;
        let defined = self.app.collections.define(&request.collection, request.pipeline.as_ref(), &default).await?;

        let submitter = Submitter {
            ledger: self.app.ledger.clone(),
            tenant: self.tenant.clone(),
            collection: request.collection.clone(),
            tags: request.tags.clone(),
            force: request.force,
            max_document_bytes: limits.max_document_bytes,
            limits: limits.values(),
            events: self.app.events.clone(),
        };
        let comparison = submitter.submit_all(std::mem::take(&mut discovery.files), stop).await?;
        let report = drain(&engine, &request.collection, stop).await?;

        let notes = notes(&defined, &report);
        let pruned = if stop.is_cancelled() { 0 } else { self.delete_all(gone).await? };
        let gone = if request.prune { Vec::new() } else { missing.into_iter().collect() };
        self.app.store.optimize(&defined.build.physical).await?;
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

    async fn discover(&self, request: &IngestRequest) -> Result<Discovery> {
        let mut options = request.discover.clone();
        // Our own page images are no documents.
        options.never_enter.push(self.app.data.root().to_owned());
        find(&request.paths, &options, &self.app.buckets).await
    }

    /// The documents of the given folders whose files are gone, if they are to be deleted. Where the folders lie is noted for
    /// the next time.
    ///
    /// # Errors
    /// Configuration: it looks like an accident.
    async fn gone(
        &self,
        request: &IngestRequest,
        discovery: &Discovery,
        known: Vec<KnownDocument>,
        missing: BTreeSet<String>,
    ) -> Result<Vec<DocumentId>> {
        let (file, collection, anyway) = (self.app.data.roots(), request.collection.clone(), request.prune_anyway);
        let (roots, mut folders) = (discovery.roots.clone(), discovery.roots.clone());
        // A bucket lies on no device.
        folders.retain(|root| !source::is_in_bucket(&root.uri));
        let known = if request.prune { known } else { Vec::new() };
        let decide = move || {
            let mut before = Roots::load(&file)?;
            let gone = prune::decide(&collection, &roots, &known, |uri| missing.contains(uri), &before, anyway)?;
            if before.remember(&collection, &folders) {
                before.save(&file)?;
            }
            Ok(gone)
        };
        tokio::task::spawn_blocking(decide)
            .await
            .map_err(|error| Error::bug("looking for files that are gone panicked").with_source(error))?
    }

    /// The documents that the collection holds, and the sources of those below the given folders whose files are gone.
    async fn missing(
        &self,
        request: &IngestRequest,
        discovery: &Discovery,
    ) -> Result<(Vec<KnownDocument>, BTreeSet<String>)> {
        let filter = DocumentFilter { collection: Some(request.collection.clone()), ..DocumentFilter::default() };
        let documents = self.all_documents(&filter).await?.into_iter();
        let there = documents.filter(|record| record.state != State::Deleting);
        let known: Vec<KnownDocument> =
            there.map(|record| KnownDocument { document: record.document_id, uri: record.source.uri }).collect();
        let present: HashSet<String> = discovery.files.iter().map(|file| source::same_name(&file.source.uri)).collect();
        let roots = discovery.roots.clone();
        let look = move || {
            let below = |uri: &str| roots.iter().any(|root| prune::is_below(uri, &root.uri));
            // What a listing does not name is gone from the bucket, and what was inside it too.
            let is_gone = |uri: &str| match source::is_in_bucket(uri) {
                true => !present.contains(&source::same_name(outermost(uri))),
                false => prune::is_gone(uri),
            };
            let is_missing = |uri: &str| below(uri) && !present.contains(&source::same_name(uri)) && is_gone(uri);
            let missing = known.iter().map(|known| &known.uri).filter(|uri| is_missing(uri)).cloned().collect();
            (known, missing)
        };
        tokio::task::spawn_blocking(look)
            .await
            .map_err(|error| Error::bug("looking for files that are gone panicked").with_source(error))
    }

    async fn delete_all(&self, documents: Vec<DocumentId>) -> Result<u64> {
        let mut deleted = 0;
        for document in documents {
            deleted += u64::from(self.app.ledger.delete(&self.tenant, document).await?);
        }
        // A drain has just collected what was there before.
        if deleted > 0 {
            self.app.collector.collect().await?;
        }
        Ok(deleted)
    }
}

/// Everything that paths and addresses of buckets mean.
///
/// # Errors
/// As [`discover`] and [`Buckets::discover`].
pub async fn find(paths: &[PathBuf], options: &Discover, buckets: &Buckets) -> Result<Discovery> {
    let address = |path: &PathBuf| path.to_str().filter(|text| source::is_in_bucket(text)).map(str::to_owned);
    let folders: Vec<PathBuf> = paths.iter().filter(|path| address(path).is_none()).cloned().collect();
    let walk = options.clone();
    let mut found = tokio::task::spawn_blocking(move || discover(&folders, &walk))
        .await
        .map_err(|error| Error::bug("walking the folders panicked").with_source(error))??;
    for address in paths.iter().filter_map(address) {
        let listed = buckets.discover(&address, options).await?;
        let known: HashSet<String> = found.files.iter().map(|file| file.source.uri.clone()).collect();
        found.files.extend(listed.files.into_iter().filter(|file| !known.contains(&file.source.uri)));
        found.roots.extend(listed.roots);
        for (kind, count) in listed.passed_over {
            *found.passed_over.entry(kind).or_default() += count;
        }
    }
    Ok(found)
}

/// One drain of the engine; its processes end with it, whatever came out.
async fn drain(engine: &Engine, collection: &str, stop: &CancellationToken) -> Result<Report> {
    let report = engine.drain(Some(collection), stop).await;
    engine.shutdown().await;
    report
}

/// The file or object that a document lies in.
fn outermost(uri: &str) -> &str {
    source::attachment_of(uri).map_or(uri, |(around, _)| outermost(around))
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
