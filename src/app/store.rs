//! What the store is and what lies in it, and whether that is what the ledger says.

use serde::Serialize;

use super::definition::Definition;
use super::scope::Scope;
use super::store_check::StoreCheck;
use super::{App, Installation, embed_options};
use crate::config::{Config, Pipeline};
use crate::embed::Models;
use crate::error::{Error, Result};
use crate::ledger::CollectionRecord;
use crate::store::{self, CollectionInfo, ConsoleRequest, StoreInfo};

/// The store and its collections.
#[derive(Debug, Serialize)]
pub struct StoreReport {
    pub store: StoreInfo,
    pub builds: Vec<BuildReport>,
    /// Collections of the store that the ledger knows nothing of.
    pub unknown: Vec<String>,
}

/// A build of a collection, as the store holds it.
#[derive(Debug, Serialize)]
pub struct BuildReport {
    pub collection: String,
    /// Its collection in the store.
    pub physical: String,
    /// Whether questions are asked of it.
    pub active: bool,
    /// None: the store has no such collection.
    pub info: Option<CollectionInfo>,
}

impl App {
    /// The store, and every collection that it holds, whosever pages they are.
    pub async fn store_report(&self) -> Result<StoreReport> {
        let store = self.store.info().await?;
        let mut unknown = self.store.collections().await?;
        let mut builds = Vec::new();
        for record in self.ledger.collections().await? {
            for build in record.builds() {
                let known = unknown.iter().position(|name| *name == build.physical);
                let info = match known {
                    Some(at) => {
                        unknown.remove(at);
                        Some(self.store.collection_info(&build.physical).await?)
                    }
                    None => None,
                };
                builds.push(BuildReport {
                    collection: record.name.clone(),
                    active: build.physical == record.active.physical,
                    physical: build.physical.clone(),
                    info,
                });
            }
        }
        Ok(StoreReport { store, builds, unknown })
    }
}

/// The requests that make the collection of a pipeline on a Qdrant server, under the collection's own name. Opens no data folder.
///
/// # Errors
/// Configuration, if the model or the pipeline is not as it should.
pub async fn collection_requests(
    pipeline: &Pipeline,
    config: &Config,
    installation: &Installation,
) -> Result<Vec<ConsoleRequest>> {
    let (places, libraries, settings) = (installation.clone(), installation.clone(), config.clone());
    let options = embed_options(config);
    let models = Models::new(move |name| places.model(name), move || libraries.onnxruntime(&settings), options);
    let info = models.info(&pipeline.model).await?;
    let Definition { schema, .. } = Definition::new(pipeline, &info)?;
    Ok(store::collection_requests(&name_on_server(config, &pipeline.collection), &schema, &config.store))
}

/// What a collection is called on the server: its alias.
pub(super) fn name_on_server(config: &Config, collection: &str) -> String {
    let prefix = config.store.server.as_ref().map_or("", |server| server.prefix.as_str());
    format!("{prefix}{collection}")
}

impl Scope<'_> {
    /// Holds the store against the ledger: one collection, or all.
    ///
    /// # Errors
    /// Configuration, if there is no such collection; else what ledger and store say.
    pub async fn check_stores(&self, collection: Option<&str>, repair: bool) -> Result<Vec<StoreCheck>> {
        let records: Vec<CollectionRecord> = match collection {
            None => self.app.ledger.collections().await?,
            Some(name) => {
                let record = self.app.ledger.collection(name).await?;
                vec![record.ok_or_else(|| Error::configuration(format!("there is no collection '{name}'")))?]
            }
        };
        let mut checks = Vec::with_capacity(records.len());
        for record in &records {
            // That the vectors are the ledger's at all.
            self.app.collections.active(&record.name).await?;
            checks.push(self.check_store(record, repair).await?);
        }
        Ok(checks)
    }
}
