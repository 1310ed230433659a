//! The front door: opens everything that a configuration names, once, and offers what Quire does as plain calls. The
//! commands, servers and other programs go through here and nowhere else.

mod ask;
mod collection;
mod data_dir;
mod evaluate;
mod ingest;
mod installation;
mod search;
mod vectors;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use tokio::sync::Mutex;

pub use ask::{AnswerEvent, AskResponse, AskTimings};
pub use collection::Definition;
pub use data_dir::DataDir;
pub use evaluate::{EvalReport, EvalRequest, KindReport};
pub use ingest::{DocumentFailure, IngestRequest, IngestSummary};
pub use installation::Installation;
pub use search::{Question, SearchResponse};

use crate::answer::AnswerModel;
use crate::blobs::{BlobStore, LocalBlobs};
use crate::config::Config;
use crate::embed::{self, EmbedOptions, Embedder, ModelInfo};
use crate::error::{Error, Result, ResultExt};
use crate::ledger::{DocumentFilter, DocumentRecord, Ledger, SqliteLedger};
use crate::retrieve::Retriever;
use crate::store::{EdgeStore, VectorStore};
use crate::types::{DocumentId, Tenant};

/// An opened installation. One process at a time may hold a data folder.
pub struct App {
    config: Config,
    installation: Installation,
    data: DataDir,
    store: Arc<dyn VectorStore>,
    ledger: Arc<dyn Ledger>,
    blobs: Arc<dyn BlobStore>,
    retriever: Retriever,
    models: Mutex<HashMap<String, Embedder>>,
    /// Held while a collection is made or found to be as it should.
    defining: Mutex<()>,
    /// Set up at the first question that needs it.
    answer_model: OnceLock<AnswerModel>,
}

impl App {
    /// Opens the data folder, creating it where it does not exist.
    ///
    /// # Errors
    /// Configuration: another process holds the folder, or a newer Quire wrote it.
    pub async fn open(config: Config, installation: Installation) -> Result<Self> {
        let data = DataDir::open(&config.data_dir)?;
        let ledger: Arc<dyn Ledger> = Arc::new(SqliteLedger::open(&data.ledger()).await?);
        // The lock is ours, so whoever leased these jobs is gone.
        let abandoned = ledger.release_all().await?;
        if abandoned > 0 {
            tracing::info!(jobs = abandoned, "an earlier run was interrupted; its work is taken up again");
        }
        let (vectors, settings) = (data.vectors(), config.store);
        let store = tokio::task::spawn_blocking(move || EdgeStore::open(&vectors, settings))
            .await
            .map_err(|error| Error::bug("opening the store panicked").with_source(error))??;
        let store: Arc<dyn VectorStore> = Arc::new(store);
        let blobs: Arc<dyn BlobStore> = Arc::new(LocalBlobs::open(&data.blobs())?);
        let retriever = Retriever::new(store.clone(), ledger.clone());
        Ok(Self {
            config,
            installation,
            data,
            store,
            ledger,
            blobs,
            retriever,
            models: Mutex::new(HashMap::new()),
            defining: Mutex::default(),
            answer_model: OnceLock::new(),
        })
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

    pub fn store(&self) -> &Arc<dyn VectorStore> {
        &self.store
    }

    pub fn ledger(&self) -> &Arc<dyn Ledger> {
        &self.ledger
    }

    /// What the model of that name or path says of itself; the loaded one, where it is loaded.
    async fn model_info(&self, name: &str) -> Result<ModelInfo> {
        if let Some(model) = self.models.lock().await.get(name) {
            return Ok(model.info().clone());
        }
        embed::read_info(&self.installation.model(name)?).context(format!("model '{name}'"))
    }

    /// The model of that name or path, loaded once.
    async fn model(&self, name: &str) -> Result<Embedder> {
        let mut models = self.models.lock().await;
        if let Some(model) = models.get(name) {
            return Ok(model.clone());
        }
        let folder = self.installation.model(name)?;
        let onnxruntime = self.installation.onnxruntime(&self.config)?;
        let options = embed_options(&self.config);
        let model = tokio::task::spawn_blocking(move || load_model(&folder, &onnxruntime, &options))
            .await
            .map_err(|error| Error::bug("loading the model panicked").with_source(error))?
            .context(format!("model '{name}'"))?;
        models.insert(name.to_owned(), model.clone());
        Ok(model)
    }

    pub async fn documents(&self, filter: &DocumentFilter) -> Result<Vec<DocumentRecord>> {
        self.ledger.documents(filter).await
    }

    /// A document by id, or by source: the whole path, or the end of one that names a single document.
    ///
    /// # Errors
    /// Permanent, where nothing or more than one document answers to the name.
    pub async fn find_document(&self, name: &str) -> Result<DocumentRecord> {
        if let Ok(id) = name.parse::<DocumentId>() {
            let found = self.ledger.document(id).await?;
            return found.ok_or_else(|| Error::permanent(format!("there is no document {id}")));
        }
        let all = self.ledger.documents(&DocumentFilter::default()).await?;
        let exact = |record: &&DocumentRecord| record.source.uri == name;
        let ending = |record: &&DocumentRecord| Path::new(&record.source.uri).ends_with(name);
        let mut found: Vec<_> = all.iter().filter(exact).collect();
        if found.is_empty() {
            found = all.iter().filter(ending).collect();
        }
        match found.as_slice() {
            [one] => Ok((*one).clone()),
            [] => {
                Err(Error::permanent(format!("no document is called '{name}': `quire docs list` shows what there is")))
            }
            many => Err(Error::permanent(format!(
                "'{name}' names {} documents: {}; give the id",
                many.len(),
                many.iter().map(|record| record.document_id.to_string()).collect::<Vec<_>>().join(", ")
            ))),
        }
    }

    /// Hides a document and removes its pages from the store; false where there is none.
    pub async fn delete_document(&self, document: DocumentId) -> Result<bool> {
        let existed = self.ledger.delete(document).await?;
        if existed {
            self.collect_garbage().await?;
        }
        Ok(existed)
    }

    /// Removes points that nobody sees any more from every collection.
    pub async fn collect_garbage(&self) -> Result<usize> {
        crate::ingest::collect_garbage(self.store.as_ref(), self.ledger.as_ref(), self.blobs.as_ref()).await
    }

    pub fn tenant(&self) -> Tenant {
        Tenant::default()
    }

    /// Ends what runs in the background.
    pub async fn close(self) {
        for model in self.models.into_inner().into_values() {
            model.shutdown().await;
        }
    }
}

/// How the configuration wants models to run.
pub fn embed_options(config: &Config) -> EmbedOptions {
    EmbedOptions { threads: config.embed.threads, batch_pages: config.embed.batch_pages, device: config.embed.device }
}

fn load_model(folder: &Path, onnxruntime: &Path, options: &EmbedOptions) -> Result<Embedder> {
    embed::runtime::init(onnxruntime)?;
    Embedder::load(folder, options)
}
