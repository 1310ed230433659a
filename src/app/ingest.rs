//! A one-shot ingest: find files, write down what is owed, work until nothing is owed, say what happened.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde::Serialize;

use super::{App, Definition};
use crate::config::Pipeline as PipelineConfig;
use crate::embed::Embedder;
use crate::error::{Error, Result, io_error};
use crate::ingest::{Event, Pipeline, Progress, Submitter};
use crate::ledger::{DocumentFilter, PageFailure, State};
use crate::render::{Renderer, WorkerCommand};
use crate::source::{Discover, discover, source_path, source_uri};
use crate::store::Filter;

/// What to ingest, and how.
#[derive(Debug, Clone)]
pub struct IngestRequest {
    pub paths: Vec<PathBuf>,
    pub discover: Discover,
    /// None: what the collection was made with, or the defaults for a new one.
    pub pipeline: Option<PipelineConfig>,
    pub collection: String,
    pub tags: BTreeMap<String, String>,
    /// Delete documents of the given folders whose files are gone.
    pub prune: bool,
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
    /// Pages that could not be indexed, of documents that were.
    pub failed_pages: Vec<FailedPage>,
}

#[derive(Debug, Default, Serialize)]
pub struct DocumentCounts {
    pub found: u64,
    pub indexed: u64,
    pub unchanged: u64,
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

impl App {
    /// Ingests files and folders into a collection.
    ///
    /// # Errors
    /// Only what concerns the run as a whole; documents that fail are in the summary.
    pub async fn ingest(&self, request: IngestRequest, progress: Progress) -> Result<IngestSummary> {
        let started = Instant::now();
        // First of all: a misspelt path must not leave an empty collection behind.
        let discovery = {
            let (paths, mut options) = (request.paths.clone(), request.discover.clone());
            // Our own page images are no documents.
            options.never_enter.push(self.data.root().to_owned());
            tokio::task::spawn_blocking(move || discover(&paths, &options))
                .await
                .map_err(|error| Error::bug("walking the folders panicked").with_source(error))??
        };
        let (definition, embedder) = self.define(&request).await?;
        let tally = Arc::new(Mutex::new(IngestSummary::default()));
        let progress = counting(tally.clone(), progress);
        let pipeline = Arc::new(self.pipeline(&request.collection, &definition, embedder, progress.clone())?);

        let present: HashSet<String> = discovery.files.iter().map(|file| file.source.uri.clone()).collect();
        let found = discovery.files.len() as u64;
        let submitter = Submitter {
            ledger: self.ledger.clone(),
            tenant: self.tenant(),
            collection: request.collection.clone(),
            recipe: definition.recipe.clone(),
            tags: request.tags.clone(),
            force: request.force,
            progress,
        };
        let comparison = submitter.submit_all(discovery.files).await?;
        let worked = pipeline.run_to_completion().await;
        pipeline.renderer.shutdown().await;
        worked?;
        let pruned = if request.prune { self.prune(&request, &present).await? } else { 0 };
        self.store.optimize(&request.collection).await?;

        let mut summary = std::mem::take(&mut *tally.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
        summary.collection = request.collection;
        summary.documents.found = found;
        summary.documents.unchanged = comparison.unchanged as u64;
        summary.documents.pruned = pruned;
        let unreadable =
            discovery.problems.into_iter().map(|(path, error)| (path.display().to_string(), error.to_string()));
        let refused = comparison.failed.into_iter().map(|(file, reason)| (file.source.uri, reason));
        summary.failures.extend(unreadable.chain(refused).map(|(source, reason)| DocumentFailure { source, reason }));
        summary.failures.sort_by(|a, b| a.source.cmp(&b.source));
        summary.documents.failed = summary.failures.len() as u64;
        summary.seconds = started.elapsed().as_secs_f64();
        summary.pages_per_second = summary.pages as f64 / summary.seconds.max(1e-9);
        Ok(summary)
    }

    /// The definition that this ingest works with, written down before the first page; the collection exists afterwards.
    async fn define(&self, request: &IngestRequest) -> Result<(Definition, Embedder)> {
        let collection = request.collection.as_str();
        let _defining = self.defining.lock().await;
        let stored = self.stored_definition(collection).await?;
        if stored.is_none() {
            self.drop_undefined(collection).await?;
        }
        let (definition, info) = match (&request.pipeline, stored) {
            // The same settings under the model as it is now: a newer revision makes a new recipe.
            (None, Some(stored)) => {
                let info = self.model_info(&stored.model).await?;
                (stored.with_model(&info), info)
            }
            (pipeline, _) => {
                let pipeline = pipeline.clone().unwrap_or_else(|| PipelineConfig::of_config(&self.config));
                let info = self.model_info(&pipeline.model).await?;
                (Definition::new(&pipeline, &info)?, info)
            }
        };
        // Each keeps one core busy for a moment.
        let making = self.store.ensure_collection(collection, &definition.schema);
        let (embedder, made) = tokio::join!(self.model(&definition.model), making);
        let embedder = embedder?;
        made?;
        if embedder.info().manifest_sha256 != info.manifest_sha256 {
            return Err(Error::transient(format!("model '{}' was replaced just now: start again", definition.model)));
        }
        self.put_definition(collection, &definition).await?;
        Ok((definition, embedder))
    }

    /// Removes an empty collection that an earlier run made and never wrote down, because its model could not be loaded or
    /// it was killed: it must not keep this run from making another.
    async fn drop_undefined(&self, collection: &str) -> Result<()> {
        let exists = self.store.collections().await?.iter().any(|name| name == collection);
        if exists && self.store.count(collection, &Filter::default()).await? == 0 {
            self.store.drop_collection(collection).await?;
        }
        Ok(())
    }

    fn pipeline(
        &self,
        collection: &str,
        definition: &Definition,
        embedder: Embedder,
        progress: Progress,
    ) -> Result<Pipeline> {
        let command = WorkerCommand::this_program(self.installation.pdfium(&self.config)?)?;
        Ok(Pipeline {
            collection: collection.to_owned(),
            settings: self.config.ingest.clone(),
            derive: definition.derive.clone(),
            recipe: definition.recipe.clone(),
            spool: self.data.spool(),
            max_document_bytes: definition.render.max_document_bytes,
            renderer: Renderer::new(definition.render.clone(), self.config.workers, command)?,
            embedder,
            store: self.store.clone(),
            ledger: self.ledger.clone(),
            blobs: self.blobs.clone(),
            progress,
        })
    }

    /// Deletes documents of the given folders whose files are gone.
    async fn prune(&self, request: &IngestRequest, present: &HashSet<String>) -> Result<u64> {
        let mut folders = Vec::new();
        for path in request.paths.iter().filter(|path| path.is_dir()) {
            let folder = path.canonicalize().map_err(|error| io_error("read", path, error))?;
            folders.push(format!("{}/", source_uri(&folder).trim_end_matches('/')));
        }
        let filter = DocumentFilter { collection: Some(request.collection.clone()), ..DocumentFilter::default() };
        let mut pruned = 0;
        for record in self.ledger.documents(&filter).await? {
            let within = folders.iter().any(|folder| record.source.uri.starts_with(folder.as_str()));
            let candidate = within && !present.contains(&record.source.uri) && record.state != State::Deleting;
            // Only what is certainly gone: a file may also be missing from the walk because a folder can't be read.
            if candidate && matches!(source_path(&record.source.uri).try_exists(), Ok(false)) {
                self.ledger.delete(record.document_id).await?;
                pruned += 1;
            }
        }
        self.collect_garbage().await?;
        Ok(pruned)
    }
}

/// Counts events on their way to the watcher.
fn counting(tally: Arc<Mutex<IngestSummary>>, watcher: Progress) -> Progress {
    Arc::new(move |event| {
        if let Ok(mut summary) = tally.lock() {
            match &event {
                Event::Indexed { source, pages, failed_pages, .. } => {
                    summary.documents.indexed += 1;
                    summary.pages += u64::from(*pages) - failed_pages.len() as u64;
                    summary.failed_pages.extend(failed_pages.iter().map(|PageFailure { page, reason }| FailedPage {
                        source: source.uri.clone(),
                        page: *page,
                        reason: reason.clone(),
                    }));
                }
                Event::Rejected { source, reason } | Event::Dead { source, reason } => {
                    summary.failures.push(DocumentFailure { source: source.uri.clone(), reason: reason.clone() });
                }
                _ => {}
            }
        }
        watcher(event);
    })
}
