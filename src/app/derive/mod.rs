//! Vectors that a filled collection is given from its stored patches, or loses. Where the store can, in place; elsewhere in a build
//! beside the present one. Either way questions are answered throughout, nothing is embedded again, and whoever is interrupted goes
//! on where it stopped.
//!
//! It must never change what people see before everything is there, and never read a document.

mod agreement;
mod beside;
mod definition;
mod foreign;
mod in_place;
mod pages;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

pub use self::agreement::{Agreement, Tried};
pub use self::foreign::{ForeignReport, ForeignRequest, derive_add_foreign, derive_drop_foreign};
use self::pages::Derivation;
use super::App;
use super::collections::Collections;
use super::definition::Definition;
use crate::blobs::BlobStore;
use crate::config::Pipeline;
use crate::error::{Error, Result};
use crate::ingest::Collector;
use crate::ledger::{Build, Ledger};
use crate::store::VectorStore;
use crate::types::VectorName;

/// How a vector came or went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeriveHow {
    /// The collection was as it was asked for.
    Nothing,
    InPlace,
    /// In a new build.
    Beside,
}

/// What became of it.
#[derive(Debug, Clone, Serialize)]
pub struct DeriveReport {
    pub collection: String,
    pub vector: VectorName,
    pub how: DeriveHow,
    /// It was added; else it was dropped.
    pub is_addition: bool,
    /// Pages that were written.
    pub pages: u64,
    /// Documents of a new build whose pages could not be taken from the present one: the next ingest makes them.
    pub documents_left: u64,
    /// Plans of the collection.
    pub plans: Vec<String>,
    pub seconds: f64,
    /// It was told to stop: asked again it goes on.
    pub stopped: bool,
}

/// Adds and drops vectors of filled collections.
pub struct Deriver {
    collections: Arc<Collections>,
    collector: Arc<Collector>,
    blobs: Arc<dyn BlobStore>,
}

impl Deriver {
    pub fn new(collections: Arc<Collections>, collector: Arc<Collector>, blobs: Arc<dyn BlobStore>) -> Self {
        Self { collections, collector, blobs }
    }

    fn store(&self) -> &dyn VectorStore {
        self.collections.store.as_ref()
    }

    fn ledger(&self) -> &dyn Ledger {
        self.collections.ledger.as_ref()
    }

    /// Gives every stored page of the collection the vector, and lets plans use it when all have it.
    ///
    /// # Errors
    /// Configuration: the collection can't have it, or is being built anew; transient: another process is at it.
    pub async fn add(
        &self,
        collection: &str,
        vector: VectorName,
        pipeline: Option<&Pipeline>,
        stop: &CancellationToken,
    ) -> Result<DeriveReport> {
        let started = Instant::now();
        let _turn = self.turn(collection).await?;
        let at = self.standing(collection).await?;
        let on_its_way = at.definition.transit.iter().any(|spec| spec.name == vector);
        if at.definition.schema.get(vector).is_some() && !on_its_way {
            return self.report(collection, vector, DeriveHow::Nothing, Done::default(), started).await;
        }
        self.check_transit(&at.definition, collection, vector)?;
        let info = self.collections.models.info(&at.definition.model).await?;
        at.definition.check_model(collection, &info)?;
        if self.store().changes_vectors_in_place().await? {
            let wanted = match at.definition.schema.get(vector) {
                Some(_) => at.definition.clone(),
                None => at.definition.with_vector(vector, pipeline, &info)?,
            };
            let derivation = self.derivation(&wanted, &[vector]).await?;
            let done = self.add_in_place(collection, vector, &wanted, &derivation, stop).await?;
            return self.report(collection, vector, DeriveHow::InPlace, done, started).await;
        }
        let wanted = at.definition.with_vector(vector, pipeline, &info)?;
        let derivation = self.derivation(&wanted, &[vector]).await?;
        let done = self.build_beside(collection, &at, &wanted, &derivation, stop).await?;
        self.report(collection, vector, DeriveHow::Beside, done, started).await
    }

    /// Takes the vector, and the plans that read it, from the collection.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub async fn drop(&self, collection: &str, vector: VectorName, stop: &CancellationToken) -> Result<DeriveReport> {
        let started = Instant::now();
        let _turn = self.turn(collection).await?;
        let at = self.standing(collection).await?;
        if at.definition.kept_schema().get(vector).is_none() {
            return self.report(collection, vector, DeriveHow::Nothing, Done::default(), started).await;
        }
        self.check_transit(&at.definition, collection, vector)?;
        let info = self.collections.models.info(&at.definition.model).await?;
        at.definition.check_model(collection, &info)?;
        let wanted = at.definition.without_vector(vector, &info)?;
        if self.store().changes_vectors_in_place().await? {
            self.drop_in_place(collection, vector, &wanted).await?;
            return self.report(collection, vector, DeriveHow::InPlace, Done::default(), started).await;
        }
        let derivation = self.derivation(&wanted, &[]).await?;
        let done = self.build_beside(collection, &at, &wanted, &derivation, stop).await?;
        self.report(collection, vector, DeriveHow::Beside, done, started).await
    }

    /// One process at a time.
    async fn turn(&self, collection: &str) -> Result<crate::ledger::Turn> {
        self.ledger().try_turn(&format!("derive {collection}")).await?.ok_or_else(|| {
            Error::transient(format!(
                "another process changes the vectors of collection '{collection}': wait until it is done"
            ))
        })
    }

    /// The collection as it is, its vectors found to be the ledger's.
    async fn standing(&self, collection: &str) -> Result<Standing> {
        self.collections.active(collection).await?;
        let record = self.ledger().collection(collection).await?;
        let record = record.ok_or_else(|| Error::configuration(format!("there is no collection '{collection}'")))?;
        self.collections.open(collection, &record.active).await?;
        let definition = (*self.collections.defined(&record.active)?.definition).clone();
        Ok(Standing { active: record.active, next: record.next, definition })
    }

    fn check_transit(&self, definition: &Definition, collection: &str, vector: VectorName) -> Result<()> {
        match definition.transit.iter().find(|spec| spec.name != vector) {
            None => Ok(()),
            Some(other) => Err(Error::configuration(format!(
                "the vector '{0}' of collection '{collection}' is on its way: finish `quire derive add {0}` first, or take it back \
                 with `quire derive drop {0}`",
                other.name
            ))),
        }
    }

    async fn derivation(&self, wanted: &Definition, vectors: &[VectorName]) -> Result<Derivation> {
        let mut settings = wanted.derive.clone();
        settings.vectors = vectors.iter().copied().collect();
        let codebook = match settings.vectors.contains(&VectorName::Anchors) {
            true => self.collections.models.start(&wanted.model).await?.codebook().cloned(),
            false => None,
        };
        Ok(Derivation { settings, codebook })
    }

    async fn report(
        &self,
        collection: &str,
        vector: VectorName,
        how: DeriveHow,
        done: Done,
        started: Instant,
    ) -> Result<DeriveReport> {
        let build = self.collections.active(collection).await?;
        Ok(DeriveReport {
            collection: collection.to_owned(),
            vector,
            how,
            is_addition: build.definition.schema.get(vector).is_some(),
            pages: done.pages,
            documents_left: done.documents_left,
            plans: build.definition.plans.iter().map(|plan| plan.name.clone()).collect(),
            seconds: started.elapsed().as_secs_f64(),
            stopped: done.stopped,
        })
    }
}

fn being_built(collection: &str) -> Error {
    Error::configuration(format!(
        "collection '{collection}' is being built anew: let `quire ingest` finish that first, or ask questions of what there is of it \
         with `quire collections switch {collection}`"
    ))
}

/// A collection's builds, and what the active one is made with.
struct Standing {
    active: Build,
    next: Option<Build>,
    definition: Definition,
}

/// How far it came.
#[derive(Default)]
struct Done {
    pages: u64,
    documents_left: u64,
    stopped: bool,
}

impl App {
    /// What adds and drops vectors of filled collections.
    pub fn deriver(&self) -> Deriver {
        Deriver::new(self.collections.clone(), self.collector.clone(), self.blobs.clone())
    }
}
