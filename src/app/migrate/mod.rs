//! Collections brought from one vector store to another, vector by vector: nothing is rendered or embedded again, documents, jobs and
//! page images stay where they are.
//!
//! The order: everything is copied, the copy is compared with what it was made of, and only then the ledger says that the vectors of
//! the build are the other store's. Until then nothing has changed; whoever is interrupted goes on where it stopped.

mod compare;
mod copy;
mod ledger;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::copy::Copied;
pub use self::ledger::{LedgerMigrated, migrate_ledger};
use super::App;
use super::backends;
use super::definition::{Definition, IN_PROCESS};
use crate::config::{ApiKey, Server};
use crate::error::{Error, Result, ResultExt};
use crate::ledger::{Build, CollectionRecord};
use crate::store::{EdgeStore, QdrantStore, VectorStore};

/// What an unfinished copy is known by, before its name.
const UNFINISHED: &str = "migrating-";

/// Where to, and what.
#[derive(Debug, Clone, Default)]
pub struct MigrateRequest {
    /// `http://host:6334`, or `in-process`.
    pub to: String,
    /// Of the server: its key, and what names begin with. None: as for the server that is configured, if it is the same kind.
    pub api_key: Option<String>,
    pub prefix: Option<String>,
    /// Empty: every collection.
    pub collections: Vec<String>,
    /// Drop the vectors of the old store once the ledger has the new ones.
    pub drop_source: bool,
}

/// A collection that was copied.
#[derive(Debug, Clone, Serialize)]
pub struct Migrated {
    pub collection: String,
    /// Its collection in both stores.
    pub physical: String,
    pub points: u64,
    /// Points that were written now; an earlier call wrote the others.
    pub copied: u64,
    /// Points that were read from both stores and found equal, vectors and payload.
    pub compared_points: usize,
    /// Questions that were asked of both stores, with the same ranking.
    pub compared_rankings: usize,
    pub seconds: f64,
    /// False: it was told to stop; asked again it goes on.
    pub complete: bool,
}

impl App {
    /// Copies collections to another store. Whoever else writes to them must be stopped before: what others write to the old store
    /// meanwhile is not in the new one.
    ///
    /// # Errors
    /// Configuration: there is no such collection or store, it is the same store, or a collection is being built anew; transient:
    /// the copy is not what it was made of.
    pub async fn migrate(&self, request: &MigrateRequest, stop: &CancellationToken) -> Result<Vec<Migrated>> {
        let target = self.target(request).await?;
        let mut done = Vec::new();
        for record in self.migrating(&request.collections).await? {
            let migrated = self.migrate_one(&record, &target, request.drop_source, stop).await.context(&record.name)?;
            let complete = migrated.complete;
            done.push(migrated);
            if !complete {
                break;
            }
        }
        Ok(done)
    }

    async fn migrating(&self, names: &[String]) -> Result<Vec<CollectionRecord>> {
        let mut records = self.ledger.collections().await?;
        for name in names {
            if !records.iter().any(|record| record.name == *name) {
                return Err(Error::configuration(format!("there is no collection '{name}'")));
            }
        }
        records.retain(|record| names.is_empty() || names.contains(&record.name));
        Ok(records)
    }

    async fn target(&self, request: &MigrateRequest) -> Result<Target> {
        let (here, there) = (backends::place(&self.config), request.to.trim_end_matches('/').to_owned());
        if here == there {
            return Err(Error::configuration(format!("'{there}' is where the vectors are: name another store")));
        }
        let store: Arc<dyn VectorStore> = if there == IN_PROCESS {
            let (vectors, settings) = (self.data.vectors(), self.config.store.clone());
            let opened = tokio::task::spawn_blocking(move || EdgeStore::open(&vectors, settings)).await;
            Arc::new(opened.map_err(|error| Error::bug("opening the store panicked").with_source(error))??)
        } else {
            if !there.starts_with("http://") && !there.starts_with("https://") {
                return Err(Error::configuration(format!(
                    "'{there}' is no store: the address of a Qdrant server's gRPC port (http://localhost:6334) or '{IN_PROCESS}' is \
                     expected"
                )));
            }
            // No key is sent anywhere but where it was meant for.
            let like = self.config.store.server.clone().map(|server| Server { api_key: None, ..server });
            let like = like.unwrap_or_else(|| Server::at(&there));
            let prefix = request.prefix.clone().unwrap_or_else(|| like.prefix.clone());
            let api_key = request.api_key.clone().map(ApiKey::new);
            let server = Server { url: there.clone(), api_key, prefix, ..like };
            Arc::new(QdrantStore::new(&server, self.config.store.indexing_threshold_kb)?)
        };
        Ok(Target { store, place: there })
    }

    async fn migrate_one(
        &self,
        record: &CollectionRecord,
        target: &Target,
        drop_source: bool,
        stop: &CancellationToken,
    ) -> Result<Migrated> {
        let started = Instant::now();
        let _turn = self.ledger.turn(&format!("define {}", record.name)).await?;
        let source = self.collections.active(&record.name).await?;
        let (physical, definition) = (source.physical, source.definition);
        if record.next.is_some() || !definition.transit.is_empty() {
            return Err(Error::configuration(
                "it is being built anew, or a vector is on its way: finish that first (`quire ingest`, `quire derive add`)",
            ));
        }
        target.prepare(&physical, &definition, &record.active).await?;
        let copied = copy::all(&*self.store, &*target.store, &physical, &definition.schema, stop).await?;
        let mut migrated = Migrated {
            collection: record.name.clone(),
            physical: physical.clone(),
            points: copied.points,
            copied: copied.written,
            compared_points: 0,
            compared_rankings: 0,
            seconds: 0.0,
            complete: !stop.is_cancelled(),
        };
        if migrated.complete {
            self.compare(target, &physical, &definition, &copied, &mut migrated).await?;
            self.hand_over(record, &definition, target).await?;
            if drop_source {
                self.store.drop_collection(&physical).await?;
            }
        }
        migrated.seconds = started.elapsed().as_secs_f64();
        Ok(migrated)
    }

    async fn compare(
        &self,
        target: &Target,
        physical: &str,
        definition: &Definition,
        copied: &Copied,
        migrated: &mut Migrated,
    ) -> Result<()> {
        let (source, target) = (&*self.store, &*target.store);
        compare::counts(target, physical, copied.points).await?;
        let sample = compare::points(source, target, physical, &definition.schema, &copied.sample).await?;
        migrated.compared_points = sample.len();
        migrated.compared_rankings = compare::rankings(source, target, physical, &sample).await?;
        Ok(())
    }

    /// From here on the vectors of the build are the other store's. While its identity changes both stores' are accepted.
    async fn hand_over(&self, record: &CollectionRecord, definition: &Definition, target: &Target) -> Result<()> {
        let physical = &record.active.physical;
        let current = self.ledger.collection(&record.name).await?;
        let build = current.map(|current| current.active).filter(|build| build.physical == *physical);
        let build = build.ok_or_else(|| Error::transient("it was given other vectors just now: start again"))?;
        let identity = Uuid::new_v4().simple().to_string();
        let mut accepted = build.incarnations.clone();
        accepted.push(identity.clone());
        let mut moved = definition.clone();
        moved.moved_to = Some(target.place.clone());
        self.ledger.define(&record.name, &moved.to_build(physical.clone())?).await?;
        self.ledger.put_incarnations(physical, &accepted).await?;
        target.store.set_incarnation(physical, &identity).await?;
        target.store.flush(physical).await?;
        self.ledger.put_incarnations(physical, std::slice::from_ref(&identity)).await?;
        self.collections.gave_away(physical).await;
        target.store.publish(&record.name, physical).await
    }
}

/// The store that collections are brought to.
struct Target {
    store: Arc<dyn VectorStore>,
    place: String,
}

impl Target {
    /// The collection that is copied to: an unfinished copy, or an empty one. An older copy of the same build goes: it is nobody's.
    async fn prepare(&self, physical: &str, definition: &Definition, build: &Build) -> Result<()> {
        let mark = format!("{UNFINISHED}{physical}");
        let found = self.store.incarnation(physical).await?;
        let goes_on = found.as_ref().is_some_and(|found| *found == mark || build.incarnations.contains(found));
        if !goes_on && self.store.collections().await?.iter().any(|name| name == physical) {
            tracing::warn!(physical, "the other store has an older copy: it is replaced");
            self.store.drop_collection(physical).await?;
        }
        self.store.ensure_collection(physical, &definition.schema).await?;
        if !goes_on {
            self.store.set_incarnation(physical, &mark).await?;
        }
        Ok(())
    }
}
