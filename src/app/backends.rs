//! Which ledger, which store and which blobs the configuration names.

use std::sync::Arc;

use super::data_dir::DataDir;
use super::definition::IN_PROCESS;
use crate::blobs::{BlobStore, BucketBlobs, LocalBlobs};
use crate::config::{Blobs, Config};
use crate::error::{Error, Result};
use crate::ledger::{Ledger, PostgresLedger, PostgresSettings, SqliteLedger, Turn};
use crate::store::{EdgeStore, QdrantStore, VectorStore};

/// The ledger: a file of the data folder, or the PostgreSQL that `ledger.url` names.
pub async fn ledger(config: &Config, data: &DataDir) -> Result<Arc<dyn Ledger>> {
    if let Some(settings) = postgres(config)? {
        return Ok(Arc::new(PostgresLedger::open(&settings).await?));
    }
    let ledger = SqliteLedger::open(&data.ledger()).await?;
    // The lock of the folder is ours, so whoever leased these jobs is gone. What a process left that died over PostgreSQL comes
    // back when its leases end.
    let abandoned = ledger.free_abandoned().await?;
    if abandoned > 0 {
        tracing::info!(jobs = abandoned, "an earlier run was interrupted; its work is taken up again");
    }
    Ok(Arc::new(ledger))
}

/// How the PostgreSQL is reached that `ledger.url` names; None where none is.
pub fn postgres(config: &Config) -> Result<Option<PostgresSettings>> {
    let url = config.ledger.url.as_ref();
    url.map(|url| PostgresSettings::of_url(url.expose(), config.ledger.connections)).transpose()
}

/// The vector store: the engine in process, or the Qdrant server that `store.url` names.
pub async fn vectors(config: &Config, data: &DataDir) -> Result<Arc<dyn VectorStore>> {
    if let Some(server) = &config.store.server {
        return Ok(Arc::new(QdrantStore::new(server, config.store.indexing_threshold_kb)?));
    }
    let (vectors, settings) = (data.vectors(), config.store.clone());
    let store = tokio::task::spawn_blocking(move || EdgeStore::open(&vectors, settings))
        .await
        .map_err(|error| Error::bug("opening the store panicked").with_source(error))??;
    Ok(Arc::new(store))
}

/// Where the configured store lies: the server's address, or [`IN_PROCESS`].
pub fn place(config: &Config) -> String {
    config.store.server.as_ref().map_or_else(|| IN_PROCESS.to_owned(), |server| server.url.clone())
}

/// Vectors in the data folder are this process's alone: a second process over the same ledger would take them for lost, and
/// index everything anew, and so would the first one then. So only one of them may use a ledger that others can reach.
///
/// # Errors
/// Configuration: another process does.
pub async fn alone_with_vectors(ledger: &dyn Ledger) -> Result<Turn> {
    ledger.try_turn("vectors in a data folder").await?.ok_or_else(|| {
        Error::configuration(
            "another process keeps the vectors of this ledger in its data folder: several processes need a vector store that \
             they share",
        )
    })
}

/// Page images: in the data folder, in another folder, in a bucket.
pub fn blobs(config: &Config, data: &DataDir) -> Result<Arc<dyn BlobStore>> {
    Ok(match &config.blobs {
        Blobs::DataFolder => Arc::new(LocalBlobs::open(&data.blobs())?),
        Blobs::Folder(folder) => Arc::new(LocalBlobs::open(folder)?),
        Blobs::Bucket(bucket) => Arc::new(BucketBlobs::open(bucket)?),
    })
}
