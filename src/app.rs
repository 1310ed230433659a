//! The front door: opens everything that a configuration names, once, and offers what Quire does as plain calls. The
//! commands, servers and other programs go through here and nowhere else.
//!
//! Whatever is read or asked goes through a [`Scope`], what one tenant may see: `app.scope(tenant)`.

mod ask;
mod backends;
mod catalog;
mod collections;
mod data_dir;
mod definition;
mod derive;
mod doctor;
mod documents;
mod download;
mod evaluate;
mod evidence;
mod fetch;
mod health;
mod ingest;
mod installation;
mod keys;
mod made;
mod migrate;
mod original;
mod page;
mod scope;
mod search;
mod status;
mod store;
mod store_check;
mod stored_page;
mod submit;
#[cfg(test)]
mod testing;
mod upload;
mod waiting;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

pub use ask::{AnswerEvent, AskResponse, AskTimings, Found};
pub use catalog::OwnCollection;
pub use collections::{Collections, DefinedBuild};
pub use data_dir::DataDir;
pub use definition::Definition;
pub use derive::{
    Agreement, DeriveHow, DeriveReport, Deriver, ForeignReport, ForeignRequest, Tried, derive_add_foreign,
    derive_drop_foreign,
};
pub use doctor::{Check, Depth, DoctorReport, doctor, examine};
pub use documents::{DocumentList, DocumentStory, DocumentView};
pub use download::Original;
pub use evaluate::{EvalReport, EvalRequest, KindReport};
pub use evidence::{EvidenceImage, HeatmapRequest};
pub use health::HealthCheck;
pub use ingest::{DocumentCounts, DocumentFailure, DocumentNote, FailedPage, IngestRequest, IngestSummary};
pub use installation::Installation;
pub use keys::{CreatedKey, KeyRequest};
pub use migrate::{LedgerMigrated, MigrateRequest, Migrated, migrate_ledger};
pub use page::PageImageFile;
pub use scope::Scope;
pub use search::{Question, SearchResponse};
pub use status::{CollectionStatus, Status};
pub use store::{BuildReport, StoreReport, collection_requests};
pub use store_check::{Incomplete, Orphan, Repaired, StoreCheck};
pub use submit::find;
pub use upload::Received;

use crate::answer::AnswerModel;
use crate::blobs::BlobStore;
use crate::config::{Config, Pipeline};
use crate::embed::{EmbedOptions, Models};
use crate::error::{Error, Result};
use crate::ingest::{Collector, Engine, Events, Parts, Patience, Questions, SpoolBudget};
use crate::ledger::{Ledger, Switch, Turn};
use crate::render::{Office, Renderer, WorkerCommand};
use crate::retrieve::Retriever;
use crate::source::{Buckets, Web};
use crate::store::VectorStore;
use crate::types::{RenderLimits, Tenant};

/// An opened installation. One process at a time may hold a data folder; any number may share ledger, store and blobs.
pub struct App {
    config: Config,
    installation: Installation,
    data: DataDir,
    store: Arc<dyn VectorStore>,
    ledger: Arc<dyn Ledger>,
    /// Nobody else keeps vectors of this ledger in a data folder; None if the store is one that processes share.
    _alone: Option<Turn>,
    blobs: Arc<dyn BlobStore>,
    /// Documents in buckets.
    buckets: Arc<Buckets>,
    /// Documents on the web.
    web: Web,
    models: Arc<Models>,
    collections: Arc<Collections>,
    collector: Arc<Collector>,
    retriever: Retriever,
    events: Events,
    /// Questions go before pages.
    questions: Arc<Questions>,
    /// Files that were found to be what was indexed, for whoever asks for their bytes.
    compared: download::Compared,
    /// Set up at the first question that needs it.
    answer_model: OnceLock<AnswerModel>,
    /// Draws pages anew for the answer model; started when one is first needed.
    originals: tokio::sync::OnceCell<Renderer>,
    /// The engine that runs as long as this process, where one does.
    resident: OnceLock<Arc<Engine>>,
    /// This process runs until it is told to stop, and leaves what is submitted to the workers of the service.
    in_service: AtomicBool,
}

impl App {
    /// Opens the data folder, creating it if it does not exist.
    ///
    /// # Errors
    /// Configuration: another process holds the folder, or a newer Quire wrote it.
    pub fn open(config: Config, installation: Installation) -> BoxFuture<'static, Result<Self>> {
        let open = async move {
            Self::open_all(DataDir::open(&config.data_dir)?, config, installation, Patience::none()).await
        };
        open.boxed()
    }

    /// The same for who has time: a ledger that is away is waited for, for `ingest.patience_s` at most, or until `stop`.
    ///
    /// # Errors
    /// As [`Self::open`]; transient: the ledger stayed away.
    pub fn open_patiently(
        config: Config,
        installation: Installation,
        stop: CancellationToken,
    ) -> BoxFuture<'static, Result<Self>> {
        async move { Self::open_waiting(DataDir::open(&config.data_dir)?, config, installation, &stop).await }.boxed()
    }

    /// The same for a service: commands wait for it while it starts.
    ///
    /// # Errors
    /// As [`Self::open_patiently`].
    pub fn open_for_service(
        config: Config,
        installation: Installation,
        stop: CancellationToken,
    ) -> BoxFuture<'static, Result<Self>> {
        let open = async move {
            Self::open_waiting(DataDir::open_for_service(&config.data_dir)?, config, installation, &stop).await
        };
        open.boxed()
    }

    async fn open_waiting(
        data: DataDir,
        config: Config,
        installation: Installation,
        stop: &CancellationToken,
    ) -> Result<Self> {
        let longest = config.ingest.patience;
        Self::open_all(data, config, installation, Patience::new(longest, stop)).await
    }

    async fn open_all(
        data: DataDir,
        config: Config,
        installation: Installation,
        patience: Patience<'_>,
    ) -> Result<Self> {
        let ledger = patience.with(|| backends::ledger(&config, &data)).await?;
        let store = backends::vectors(&config, &data).await?;
        let alone = match store.is_shared() {
            true => None,
            false => Some(patience.with(|| backends::alone_with_vectors(ledger.as_ref())).await?),
        };
        let blobs = backends::blobs(&config, &data)?;
        let models = Arc::new(models(&config, &installation, &data));
        Ok(Self {
            collections: Arc::new(
                Collections::new(store.clone(), ledger.clone(), models.clone()).at(backends::place(&config)),
            ),
            collector: Arc::new(Collector::new(store.clone(), ledger.clone(), blobs.clone())),
            retriever: Retriever::new(store.clone(), ledger.clone()),
            buckets: Arc::new(Buckets::new(installation.environment().clone())),
            web: Web::new(config.urls.clone(), Some(data.web()), Some(data.url_lists())),
            config,
            installation,
            data,
            store,
            ledger,
            _alone: alone,
            blobs,
            models,
            events: Events::default(),
            questions: Arc::default(),
            compared: download::Compared::default(),
            answer_model: OnceLock::new(),
            originals: tokio::sync::OnceCell::new(),
            resident: OnceLock::new(),
            in_service: AtomicBool::new(false),
        })
    }

    /// What this tenant may see and do.
    pub fn scope(&self, tenant: Tenant) -> Scope<'_> {
        Scope::new(self, tenant)
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    pub fn installation(&self) -> &Installation {
        &self.installation
    }

    pub fn data(&self) -> &DataDir {
        &self.data
    }

    /// The models, for doubles to take their place.
    #[doc(hidden)]
    pub fn models(&self) -> &Models {
        &self.models
    }

    /// What happens to documents, of every engine of this process.
    pub fn events(&self) -> &Events {
        &self.events
    }

    /// An engine over this installation, with limits of its own.
    ///
    /// # Errors
    /// Configuration: PDFium is not found, or a limit makes no sense.
    pub fn engine(&self, limits: &RenderLimits) -> Result<Engine> {
        let command = self.installation.worker_command(&self.config)?;
        Ok(Engine::new(Parts {
            settings: self.config.ingest.clone(),
            spool: self.data.spool(),
            roots: self.data.roots(),
            buckets: self.buckets.clone(),
            disk: self.data.disk_guard(self.config.ingest.disk_reserve_bytes),
            spool_budget: SpoolBudget::new(self.config.ingest.spool_bytes),
            renderer: Renderer::new(limits.clone(), self.config.workers, command.clone())?
                .converting(self.office(&command)),
            plans: self.collections.clone(),
            store: self.store.clone(),
            ledger: self.ledger.clone(),
            blobs: self.blobs.clone(),
            collector: self.collector.clone(),
            events: self.events.clone(),
            questions: self.questions.clone(),
        }))
    }

    fn office(&self, command: &WorkerCommand) -> Office {
        let places = self.installation.office_places(&self.config);
        // Each keeps a core busy, and the pages of other documents want some too.
        Office::new(places, command, self.data.spool(), self.config.workers.div_ceil(2))
    }

    /// Values of limits in force, by name, and what is there of LibreOffice: what was rejected under others is tried again.
    fn limit_values(&self, limits: &RenderLimits) -> BTreeMap<String, u64> {
        let places = self.installation.office_places(&self.config);
        limits.values().into_iter().chain([places.limit()]).collect()
    }

    /// From now on whoever ingests leaves the work to the workers of the service, here or elsewhere, and waits for them.
    pub fn enter_service(&self) {
        self.in_service.store(true, Ordering::Relaxed);
    }

    /// The engine of a process that runs until it is told to stop, set up once: whoever submits wakes it instead of working by
    /// themselves.
    ///
    /// # Errors
    /// As [`Self::engine`].
    pub fn resident_engine(&self) -> Result<Arc<Engine>> {
        if let Some(engine) = self.resident.get() {
            return Ok(engine.clone());
        }
        let engine = Arc::new(self.engine(&self.config.limits)?);
        Ok(self.resident.get_or_init(|| engine).clone())
    }

    /// Removes points and images that nobody sees any more.
    pub async fn collect_garbage(&self) -> Result<usize> {
        self.collector.collect().await
    }

    /// Makes the new build of a collection the one that questions are asked of, although documents that people find now are
    /// missing in it.
    pub async fn switch_collection(&self, collection: &str) -> Result<Switch> {
        let outcome = self.ledger.switch(collection, true).await?;
        self.collector.collect().await?;
        Ok(outcome)
    }

    /// Removes a collection, whosever its documents are: hidden at once, then gone from store and blobs. How many there were; None if
    /// there is no such collection.
    pub async fn drop_collection(&self, collection: &str) -> Result<Option<u64>> {
        let _turn = self.ledger.turn(&format!("define {collection}")).await?;
        let hidden = self.ledger.drop_collection(collection).await?;
        self.collector.collect().await?;
        Ok(hidden)
    }

    /// Whether a collection holds nothing, whosever it would be.
    ///
    /// # Errors
    /// Configuration, if there is no such collection.
    pub async fn is_empty_collection(&self, collection: &str) -> Result<bool> {
        let record = self.ledger.collection(collection).await?;
        let record = record.ok_or_else(|| Error::configuration(format!("there is no collection '{collection}'")))?;
        let existing = self.store.collections().await?;
        for build in record.builds() {
            if existing.contains(&build.physical) && !self.store.is_empty(&build.physical).await? {
                return Ok(false);
            }
        }
        Ok(self.ledger.next_due_ms(Some(collection)).await?.is_none())
    }

    /// What a collection is made with if nothing says otherwise.
    fn default_pipeline(&self) -> Pipeline {
        Pipeline::of_config(&self.config)
    }

    /// Ends what runs in the background, and brings everything to disk.
    pub async fn close(&self) {
        if let Some(renderer) = self.originals.get() {
            renderer.shutdown().await;
        }
        self.models.shutdown().await;
    }
}

/// The models that can be named, loaded when they are first needed.
fn models(config: &Config, installation: &Installation, data: &DataDir) -> Models {
    let (places, libraries, settings) = (installation.clone(), installation.clone(), config.clone());
    let options = EmbedOptions { hash_cache: Some(data.model_hashes()), ..embed_options(config) };
    Models::new(move |name| places.model(name), move || libraries.onnxruntime(&settings), options)
}

/// How the configuration wants models to run.
pub fn embed_options(config: &Config) -> EmbedOptions {
    EmbedOptions {
        threads: config.embed.threads,
        batch_pages: config.embed.batch_pages,
        device: config.embed.device,
        ..EmbedOptions::default()
    }
}
