//! The one collector of garbage: pages and images of generations that nobody sees any more, and whole collections that no
//! build uses. Whoever wants garbage gone asks it; it works for one at a time.
//!
//! It must never touch what people see or a worker is writing: a generation in the ledger's list of garbage is never written
//! again, for every submission has a new one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};

use crate::blobs::{BlobStore, UPLOADS, document_of_upload, generation_prefixes, upload_key, upload_prefix};
use crate::error::{Error, Result};
use crate::ledger::{Garbage, Ledger, State, Turn};
use crate::store::VectorStore;
use crate::types::DocumentId;

/// Generations removed in one go.
const BATCH: usize = 256;
/// Most generations looked at, where those at the front can't be removed.
const LONGEST_BATCH: usize = 1 << 16;

/// Nobody writes a blob for so long without a byte; and clocks of machines that share a folder are less apart.
const UNFINISHED: Duration = Duration::from_secs(24 * 60 * 60);

/// Removes garbage.
pub struct Collector {
    store: Arc<dyn VectorStore>,
    ledger: Arc<dyn Ledger>,
    blobs: Arc<dyn BlobStore>,
    /// Held by whoever collects in this process.
    turn: Mutex<()>,
    /// Held while bytes of uploads are removed, and while a document is submitted whose bytes must stay.
    uploads: Mutex<()>,
}

impl Collector {
    pub fn new(store: Arc<dyn VectorStore>, ledger: Arc<dyn Ledger>, blobs: Arc<dyn BlobStore>) -> Self {
        Self { store, ledger, blobs, turn: Mutex::default(), uploads: Mutex::default() }
    }

    /// Removes all garbage that there is and returns how many generations went; 0 while another process is at it. A collection that fails keeps its own garbage
    /// for the next time and nobody else's.
    ///
    /// # Errors
    /// The first failure, after everything else was removed.
    pub async fn collect(&self) -> Result<usize> {
        let _turn = self.turn.lock().await;
        let Some(_among_processes) = self.ledger.try_turn("collect garbage").await? else { return Ok(0) };
        let mut removed = 0;
        let mut limit = BATCH;
        // They go as a whole, afterwards.
        let retired: BTreeSet<String> = self.ledger.retired().await?.into_iter().collect();
        loop {
            let batch = self.ledger.garbage(limit).await?;
            let asked = batch.len();
            let (gone, failure) = self.remove(batch, &retired).await;
            removed += gone;
            match failure {
                // Those at the front stay: look behind them.
                Some(_) if asked == limit && limit < LONGEST_BATCH => limit *= 4,
                Some(error) => {
                    self.drop_retired().await?;
                    return Err(error);
                }
                None if asked < limit => break,
                None => {}
            }
        }
        self.drop_retired().await?;
        Ok(removed)
    }

    /// How many generations went, and the first failure.
    async fn remove(&self, batch: Vec<Garbage>, retired: &BTreeSet<String>) -> (usize, Option<Error>) {
        let mut by_collection: BTreeMap<String, Vec<Garbage>> = BTreeMap::new();
        for garbage in batch {
            by_collection.entry(garbage.collection.clone()).or_default().push(garbage);
        }
        let (mut removed, mut failure) = (0, None);
        for (physical, garbage) in by_collection {
            let outcome = async {
                if !retired.contains(&physical) {
                    self.remove_points(&physical, &garbage).await?;
                }
                self.remove_images(&garbage).await
            };
            match outcome.await {
                Ok(()) => removed += garbage.len(),
                Err(error) => {
                    tracing::warn!(collection = physical, %error, "garbage could not be removed and stays for the next time");
                    failure.get_or_insert(error);
                }
            }
        }
        (removed, failure)
    }

    /// When this returns, the store has confirmed.
    async fn remove_points(&self, physical: &str, batch: &[Garbage]) -> Result<()> {
        if !self.store.collections().await?.iter().any(|name| name == physical) {
            return Ok(());
        }
        for garbage in batch {
            self.store.delete_generation(physical, garbage.document, &garbage.generation).await?;
        }
        self.store.flush(physical).await
    }

    /// The last step: the ledger forgets a generation only when nothing of it is left.
    async fn remove_images(&self, batch: &[Garbage]) -> Result<()> {
        for garbage in batch {
            for prefix in generation_prefixes(&garbage.tenant, garbage.document, &garbage.generation) {
                for key in self.blobs.list(&prefix).await? {
                    self.blobs.delete(&key).await?;
                }
            }
            self.remove_upload(garbage).await?;
            self.ledger.collected(garbage).await?;
        }
        Ok(())
    }

    /// The bytes that are kept of a document go with it; those of its earlier versions, of one from the web, go before.
    async fn remove_upload(&self, garbage: &Garbage) -> Result<()> {
        let prefix = upload_prefix(&garbage.tenant, garbage.document);
        let keys = self.blobs.list(&prefix).await?;
        if keys.is_empty() {
            return Ok(());
        }
        let _kept = self.keep_uploads(garbage.document).await?;
        let known = self.ledger.document(&garbage.tenant, garbage.document).await?;
        let known = known.filter(|record| record.state != State::Deleting);
        let stays = known.map(|record| upload_key(&garbage.tenant, garbage.document, &record.content_hash));
        for key in keys.iter().filter(|key| stays.as_ref() != Some(key)) {
            self.blobs.delete(key).await?;
        }
        Ok(())
    }

    /// Removes bytes that were uploaded and never became a document: whoever took them was killed before the job was on disk, and
    /// whoever sent them did not send them again. What a killed writer of any blob left unfinished goes too, once it is so old that
    /// nobody is writing it any more. Returns how many; 0 while another process is at it.
    ///
    /// # Errors
    /// What ledger and blobs say.
    pub async fn sweep_uploads(&self) -> Result<usize> {
        let Some(_among_processes) = self.ledger.try_turn("sweep uploads").await? else { return Ok(0) };
        let mut removed = self.blobs.sweep_unfinished(UNFINISHED).await?;
        for key in self.blobs.list(UPLOADS).await? {
            let Some(document) = document_of_upload(&key) else { continue };
            if self.ledger.owner(document).await?.is_some() {
                continue;
            }
            // It may be submitted just now.
            let _kept = self.keep_uploads(document).await?;
            if self.ledger.owner(document).await?.is_none() {
                self.blobs.delete(&key).await?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// While this is held, no process removes the bytes of this document: what is there when it is submitted stays.
    pub async fn keep_uploads(&self, document: DocumentId) -> Result<(MutexGuard<'_, ()>, Turn)> {
        let here = self.uploads.lock().await;
        Ok((here, self.ledger.turn(&format!("bytes of {document}")).await?))
    }

    /// Drops what no build uses any more. The names of collections lead away from it first, since whoever switched builds may
    /// have died before they did: nobody who asks a server by such a name finds nothing.
    async fn drop_retired(&self) -> Result<()> {
        let retired = self.ledger.retired().await?;
        if retired.is_empty() {
            return Ok(());
        }
        let existing: BTreeSet<String> = self.store.collections().await?.into_iter().collect();
        for record in self.ledger.collections().await? {
            if existing.contains(&record.active.physical) {
                self.store.publish(&record.name, &record.active.physical).await?;
            }
        }
        for physical in retired {
            if existing.contains(&physical) {
                self.store.drop_collection(&physical).await?;
            }
            self.ledger.dropped(&physical).await?;
        }
        Ok(())
    }
}
