//! The engine over real parts (renderer, SQLite, Qdrant's engine, files) with fault doubles before them: what happens when a
//! part fails at a certain moment, is away, or the engine is told to stop.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where something is wrong")]

#[path = "../common/mod.rs"]
mod common;

mod collections;
mod garbage;
mod history;
mod known;
mod notes;
mod promises;
mod stopping;
mod tenants;
mod whose_fault;
mod workers;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use quire::app::Collections;
use quire::blobs::{BlobStore, FaultyBlobs, LocalBlobs};
use quire::config::{Config, Environment, Library, Pipeline};
use quire::derive::derive_question;
use quire::embed::double::ModelDouble;
use quire::embed::{EmbedOptions, Embedder, Models};
use quire::error::{Error, Result};
use quire::faults::Faults;
use quire::ingest::{Collector, Comparison, DiskGuard, Engine, Events, Parts, Report, SpoolBudget, Submitter};
use quire::ledger::{DocumentFilter, DocumentRecord, FaultyLedger, Ledger, SqliteLedger};
use quire::render::{Renderer, WorkerCommand};
use quire::retrieve::{DerivedQuestion, Hit, PageFilter, Retriever, Search};
use quire::source::{Discover, discover};
use quire::store::faulty::FaultyStore;
use quire::store::{EdgeStore, VectorStore};
use quire::types::{RenderLimits, Tenant, VectorName};
use tokio_util::sync::CancellationToken;

pub const COLLECTION: &str = "docs";

/// Whose documents they are unless a test says otherwise.
pub fn tenant() -> Tenant {
    Tenant("acme".into())
}

pub fn away() -> Error {
    Error::transient("it is away")
}

/// One installation with doubles before its parts. All calls meet [`Bench::faults`] first.
pub struct Bench {
    pub folder: tempfile::TempDir,
    pub faults: Faults,
    /// Behind the doubles: what really is.
    pub ledger: Arc<SqliteLedger>,
    pub store: Arc<dyn VectorStore>,
    pub blobs: Arc<dyn BlobStore>,
    pub collections: Arc<Collections>,
    pub collector: Arc<Collector>,
    pub models: Arc<Models>,
    pub events: Events,
    pub engine: Engine,
    pub limits: RenderLimits,
}

/// What a bench is made with.
pub struct Setup {
    pub limits: RenderLimits,
    pub patience: Duration,
    pub stop_grace: Duration,
    pub disk_reserve_bytes: u64,
    pub history_kept: Option<Duration>,
    /// Stands between the engine and the real store.
    pub store: fn(Arc<dyn VectorStore>) -> Arc<dyn VectorStore>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            limits: RenderLimits::default(),
            // Long enough for everything that a test waits for; a test of impatience says so.
            patience: Duration::from_secs(60),
            stop_grace: Duration::ZERO,
            disk_reserve_bytes: 0,
            history_kept: None,
            store: |store| store,
        }
    }
}

impl Bench {
    pub async fn new() -> Self {
        Self::with(Setup::default()).await
    }

    pub async fn with(setup: Setup) -> Self {
        Self::in_folder(tempfile::tempdir().unwrap(), setup).await
    }

    /// Opens what an earlier bench left in its folder, as a process does that starts after another one.
    pub async fn again(self, setup: Setup) -> Self {
        let folder = self.close().await;
        Self::in_folder(folder, setup).await
    }

    /// The folder, with nothing open in it.
    pub async fn close(self) -> tempfile::TempDir {
        self.engine.shutdown().await;
        let Self { folder, .. } = self;
        folder
    }

    async fn in_folder(folder: tempfile::TempDir, setup: Setup) -> Self {
        let faults = Faults::none();
        let data = folder.path().join("data");
        for name in ["data/vectors", "data/blobs", "data/spool", "docs"] {
            std::fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        let sqlite = Arc::new(SqliteLedger::open(&data.join("ledger.sqlite")).await.unwrap());
        sqlite.free_abandoned().await.unwrap();
        let edge: Arc<dyn VectorStore> = Arc::new(EdgeStore::open(&data.join("vectors"), Default::default()).unwrap());
        let files: Arc<dyn BlobStore> = Arc::new(LocalBlobs::open(&data.join("blobs")).unwrap());
        let ledger: Arc<dyn Ledger> = Arc::new(FaultyLedger { inner: sqlite.clone(), faults: faults.clone() });
        let store = (setup.store)(edge.clone());
        let store: Arc<dyn VectorStore> = Arc::new(FaultyStore { inner: store, faults: faults.clone() });
        let blobs: Arc<dyn BlobStore> = Arc::new(FaultyBlobs { inner: files.clone(), faults: faults.clone() });
        let nowhere = |name: &str| Err(Error::configuration(format!("there is no model '{name}'")));
        let models = Arc::new(Models::new(nowhere, || Err(Error::configuration("none")), EmbedOptions::default()));
        models.put("double", Embedder::of(Arc::new(ModelDouble::new(faults.clone()))));
        models.put("newer", Embedder::of(Arc::new(ModelDouble::new(faults.clone()).with_revision("2"))));
        let collections = Arc::new(Collections::new(store.clone(), ledger.clone(), models.clone()));
        let collector = Arc::new(Collector::new(store.clone(), ledger.clone(), blobs.clone()));
        let events = Events::default();
        let mut settings = Config::default().ingest;
        (settings.patience, settings.stop_grace) = (setup.patience, setup.stop_grace);
        settings.history_kept = setup.history_kept;
        settings.first_retry = Duration::ZERO;
        settings.longest_retry = Duration::ZERO;
        let engine = Engine::new(Parts {
            settings,
            spool: data.join("spool"),
            roots: data.join("roots.json"),
            buckets: Arc::default(),
            disk: DiskGuard::new(vec![("vectors", data.join("vectors"))], setup.disk_reserve_bytes),
            spool_budget: SpoolBudget::new(1 << 30),
            renderer: renderer(&setup.limits),
            plans: collections.clone(),
            store,
            ledger: ledger.clone(),
            blobs,
            collector: collector.clone(),
            events: events.clone(),
            questions: Arc::default(),
        });
        let limits = setup.limits;
        Self {
            folder,
            faults,
            ledger: sqlite,
            store: edge,
            blobs: files,
            collections,
            collector,
            models,
            events,
            engine,
            limits,
        }
    }

    pub fn docs(&self) -> PathBuf {
        self.folder.path().join("docs")
    }

    /// A PDF of so many pages, each of its own size: the model double tells pages apart by their pixels.
    pub fn add(&self, name: &str, pages: usize) {
        let salt = name.bytes().map(u32::from).sum::<u32>() % 50;
        std::fs::write(
            self.docs().join(name),
            common::blank_pdf_of((0..pages as u32).map(|page| (80 + salt, 60 + page))),
        )
        .unwrap();
    }

    /// What documents are made with: patches alone, by this model of the bench.
    pub fn pipeline(&self, model: &str) -> Pipeline {
        let text = format!("version: 1\nname: test\nmodel: {model}\nvectors:\n  patches:\n  text:\n");
        let file = self.folder.path().join("pipeline.yaml");
        std::fs::write(&file, text).unwrap();
        Pipeline::load(&file, &Config::default(), &Environment::default()).unwrap()
    }

    /// Submits every document of the folder, under a model.
    pub async fn submit_with(&self, model: &str, tags: &[(&str, &str)], force: bool) -> Comparison {
        self.submit_as(&tenant(), model, tags, force).await
    }

    pub async fn submit_as(&self, tenant: &Tenant, model: &str, tags: &[(&str, &str)], force: bool) -> Comparison {
        self.collections.define(COLLECTION, Some(&self.pipeline(model)), &self.pipeline(model)).await.unwrap();
        let files = discover(&[self.docs()], &Discover::default()).unwrap().files;
        let submitter = Submitter {
            ledger: self.ledger.clone(),
            tenant: tenant.clone(),
            collection: COLLECTION.into(),
            tags: tags.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect(),
            priority: Default::default(),
            force,
            max_document_bytes: self.limits.max_document_bytes,
            limits: self.limits.values(),
            events: self.events.clone(),
            patience: Duration::ZERO,
        };
        submitter.submit_all(files, &CancellationToken::new()).await.unwrap()
    }

    pub async fn submit(&self) -> Comparison {
        self.submit_with("double", &[], false).await
    }

    pub async fn drain(&self) -> Result<Report> {
        self.engine.drain(Some(COLLECTION), &CancellationToken::new()).await
    }

    /// Submits what is in the folder and works until nothing is owed.
    pub async fn ingest(&self) -> Report {
        self.submit().await;
        self.drain().await.unwrap()
    }

    pub async fn documents(&self) -> Vec<DocumentRecord> {
        self.ledger.documents(&tenant(), &DocumentFilter::default()).await.unwrap().documents
    }

    pub async fn document(&self, name: &str) -> DocumentRecord {
        let all = self.documents().await;
        all.into_iter().find(|record| record.source.name == name).unwrap_or_else(|| panic!("there is no {name}"))
    }

    /// Every page that a question finds.
    pub async fn found(&self) -> Vec<Hit> {
        self.found_by(&tenant(), PageFilter::default()).await
    }

    pub async fn found_by(&self, tenant: &Tenant, filter: PageFilter) -> Vec<Hit> {
        let build = self.collections.active(COLLECTION).await.unwrap();
        let model = self.models.get(&build.definition.model).await.unwrap();
        let embedded = model.embed_question("anything").await.unwrap();
        let vector =
            derive_question(&build.definition.derive, VectorName::Patches, &embedded, "anything", None).unwrap();
        let derived: DerivedQuestion = BTreeMap::from([(VectorName::Patches, vector)]);
        let search = Search {
            collection: &build.physical,
            tenant,
            question: "anything",
            derived: &derived,
            plan: build.definition.plan(Some("exact")).unwrap(),
            filter: &filter,
            limit: 1000,
        };
        let retriever = Retriever::new(self.store.clone(), self.ledger.clone());
        retriever.search(&search).await.unwrap()
    }

    /// Names and pages of what a question finds, in order.
    pub async fn found_pages(&self) -> Vec<(String, u32)> {
        let mut pages: Vec<_> = self.found().await.into_iter().map(|hit| (file_name(&hit.source), hit.page)).collect();
        pages.sort();
        pages
    }

    /// Waits until a call of the doubles has come so many times.
    pub async fn until_called(&self, call: &'static str, times: u64) {
        let deadline = std::time::Instant::now() + Duration::from_secs(60);
        while self.faults.calls(call) < times {
            assert!(std::time::Instant::now() < deadline, "{call} did not come {times} times");
            tokio::task::yield_now().await;
        }
    }

    /// Files of page images.
    pub async fn images(&self) -> usize {
        self.blobs.list("").await.unwrap().len()
    }
}

pub fn file_name(source: &str) -> String {
    Path::new(source).file_name().unwrap().to_string_lossy().into_owned()
}

fn renderer(limits: &RenderLimits) -> Renderer {
    let variable = Library::Pdfium.variable();
    let pdfium = common::variables().into_iter().find(|(name, _)| name == variable).unwrap().1.into();
    let command = WorkerCommand {
        program: env!("CARGO_BIN_EXE_quire").into(),
        args: vec!["render-worker".into()],
        pdfium,
        faults: Vec::new(),
    };
    Renderer::new(limits.clone(), 1, command).unwrap()
}
