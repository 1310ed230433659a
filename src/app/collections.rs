//! Collections: what each is made with, the models behind them, and that the vectors in the store are those that the ledger
//! knows. A changed recipe is built beside the old one, which answers questions until the new one is complete.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use uuid::Uuid;

use super::definition::{Definition, IN_PROCESS};
use crate::config::Pipeline;
use crate::embed::Models;
use crate::error::{Error, Result, ResultExt};
use crate::ingest::{CollectionPlan, CollectionPlans};
use crate::ledger::{Build, CollectionRecord, Job, Ledger};
use crate::store::VectorStore;
use crate::types::{RecipeId, RenderLimits};

/// Between a collection's name and what tells its builds apart. No collection's own name holds it.
const BUILD_MARK: &str = "--";

/// Every collection of an installation.
pub struct Collections {
    pub(super) store: Arc<dyn VectorStore>,
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) models: Arc<Models>,
    /// Where the vectors lie: as [`Definition::moved_to`] says it.
    place: String,
    /// Definitions that were read, by the JSON they were read from.
    parsed: Mutex<HashMap<String, Arc<Definition>>>,
    /// Store collections that this process has found to be the ledger's and given a new identity.
    opened: tokio::sync::Mutex<HashSet<String>>,
    /// Held while a collection is made, changed, or found to be as it should.
    pub(super) defining: tokio::sync::Mutex<()>,
}

/// A build with its definition.
#[derive(Clone)]
pub struct DefinedBuild {
    /// Name of the collection in the store.
    pub physical: String,
    pub definition: Arc<Definition>,
}

/// What an ingest begins with.
pub struct Defined {
    pub build: DefinedBuild,
    /// So many documents are built anew under another recipe.
    pub resubmitted: u64,
}

impl Collections {
    pub fn new(store: Arc<dyn VectorStore>, ledger: Arc<dyn Ledger>, models: Arc<Models>) -> Self {
        let (parsed, opened, defining) = Default::default();
        Self { store, ledger, models, place: IN_PROCESS.to_owned(), parsed, opened, defining }
    }

    /// Over a store at this place.
    #[must_use]
    pub fn at(mut self, place: String) -> Self {
        self.place = place;
        self
    }

    /// What questions are asked of.
    ///
    /// # Errors
    /// Configuration: there is no collection of that name (those that exist are named), or its vectors are not those that the
    /// ledger knows.
    pub async fn active(&self, collection: &str) -> Result<DefinedBuild> {
        let Some(record) = self.ledger.collection(collection).await? else {
            let names: Vec<_> = self.ledger.collections().await?.into_iter().map(|record| record.name).collect();
            let known = if names.is_empty() {
                "nothing has been ingested yet; begin with `quire ingest FOLDER`".to_owned()
            } else {
                format!("there is {}", names.join(", "))
            };
            return Err(Error::configuration(format!("there is no collection '{collection}': {known}")));
        };
        self.check(collection, &record.active).await?;
        self.defined(&record.active)
    }

    /// The definition of a build.
    pub fn defined(&self, build: &Build) -> Result<DefinedBuild> {
        let mut parsed = self.parsed.lock().unwrap_or_else(PoisonError::into_inner);
        let definition = match parsed.get(&build.definition) {
            Some(definition) => definition.clone(),
            None => {
                let read = Arc::new(Definition::of_build(build)?);
                parsed.insert(build.definition.clone(), read.clone());
                read
            }
        };
        Ok(DefinedBuild { physical: build.physical.clone(), definition })
    }

    /// What a document of the collection may cost that is submitted now, where `base` holds for all others.
    pub async fn limits(&self, collection: &str, base: &RenderLimits) -> Result<RenderLimits> {
        let Some(record) = self.ledger.collection(collection).await? else { return Ok(base.clone()) };
        Ok(self.defined(record.target())?.definition.limits.over(base))
    }

    /// The build that documents of the collection are ingested into: what the pipeline asks for, or, without one, what the
    /// collection is made with already, under the model as it is now. Written down before the first page; its collection in
    /// the store exists afterwards.
    ///
    /// Where vectors made so may not stand beside those of the collection, every document is submitted anew, for a build
    /// beside the present one.
    pub async fn define(&self, collection: &str, pipeline: Option<&Pipeline>, default: &Pipeline) -> Result<Defined> {
        let _defining = self.defining.lock().await;
        check_name(collection)?;
        // Another process may define it at this moment.
        let _turn = self.ledger.turn(&format!("define {collection}")).await?;
        let record = self.ledger.collection(collection).await?;
        let stored = record.as_ref().map(|record| self.defined(record.target())).transpose()?;
        let (wanted, manifest) = match (pipeline, &stored) {
            // The same settings under the model as it is now: a newer revision makes a new recipe.
            (None, Some(stored)) => {
                let info = self.models.info(&stored.definition.model).await?;
                ((*stored.definition).clone().with_model(&info), info.manifest_sha256)
            }
            (pipeline, _) => {
                let pipeline = pipeline.unwrap_or(default);
                let info = self.models.info(&pipeline.model).await?;
                (Definition::new(pipeline, &info)?, info.manifest_sha256)
            }
        };
        // Each keeps one core busy for a moment.
        let (model, defined) = tokio::join!(self.models.start(&wanted.model), self.put(collection, record, &wanted));
        if model?.info().manifest_sha256 != manifest {
            return Err(Error::transient(format!("model '{}' was replaced just now: start again", wanted.model)));
        }
        defined
    }

    /// A new collection that is made with what `like` is made with; None, and nothing made, where there is no such collection.
    pub async fn define_like(&self, collection: &str, like: &str) -> Result<Option<Defined>> {
        let _defining = self.defining.lock().await;
        check_name(collection)?;
        let _turn = self.ledger.turn(&format!("define {collection}")).await?;
        let Some(model) = self.ledger.collection(like).await? else { return Ok(None) };
        let wanted =
            Definition { transit: Vec::new(), moved_to: None, ..(*self.defined(model.target())?.definition).clone() };
        self.put(collection, self.ledger.collection(collection).await?, &wanted).await.map(Some)
    }

    async fn put(&self, collection: &str, record: Option<CollectionRecord>, wanted: &Definition) -> Result<Defined> {
        let Some(record) = record else {
            self.drop_undefined(collection).await?;
            let build = wanted.to_build(fresh_name(collection, &wanted.recipe))?;
            self.store.ensure_collection(&build.physical, &wanted.schema).await?;
            self.ledger.define(collection, &build).await?;
            return Ok(Defined { resubmitted: self.open(collection, &build).await?, build: self.defined(&build)? });
        };
        for existing in record.builds() {
            if !self.defined(existing)?.definition.shares_vectors_with(wanted) {
                continue;
            }
            let is_active = existing.physical == record.active.physical;
            if is_active && record.next.is_some() {
                // Back to what there is: what was built to take its place is given up.
                self.ledger.abandon(collection).await?;
            }
            let wanted = wanted.clone().in_place_of(&self.defined(existing)?.definition);
            let build =
                Build { incarnations: existing.incarnations.clone(), ..wanted.to_build(existing.physical.clone())? };
            self.ledger.define(collection, &build).await?;
            let mut resubmitted = self.open(collection, &build).await?;
            if !is_active {
                resubmitted += self.ledger.rebuild(collection, &build).await?;
            }
            return Ok(Defined { build: self.defined(&build)?, resubmitted });
        }
        let build = wanted.to_build(fresh_name(collection, &wanted.recipe))?;
        self.store.ensure_collection(&build.physical, &wanted.schema).await?;
        let resubmitted = self.ledger.rebuild(collection, &build).await?;
        self.open(collection, &build).await?;
        tracing::info!(
            collection,
            documents = resubmitted,
            "another recipe: every document is built anew beside the old"
        );
        Ok(Defined { build: self.defined(&build)?, resubmitted })
    }

    /// Removes what an earlier run made for the collection and never wrote down, because its model could not be loaded or it was
    /// killed: empty, and without an identity, which is given after it was written down.
    async fn drop_undefined(&self, collection: &str) -> Result<()> {
        let mark = format!("{collection}{BUILD_MARK}");
        for physical in self.store.collections().await?.iter().filter(|name| name.starts_with(&mark)) {
            if self.store.incarnation(physical).await?.is_none() && self.store.is_empty(physical).await? {
                self.store.drop_collection(physical).await?;
            }
        }
        Ok(())
    }

    /// Makes sure that the store's collection is the one that the ledger knows, and gives it a new identity, so that a copy
    /// of today is told from the collection of tomorrow. Where it is gone, was restored from elsewhere or is somebody else's,
    /// an empty one takes its place and its documents are submitted anew; returns how many.
    ///
    /// While the identity changes both are accepted: a process that dies in between leaves nothing that looks foreign. A store
    /// that other processes have open too keeps the identity that it was given first: two that change it at once would each
    /// take the other's for foreign.
    ///
    /// Last, the collection's own name leads to its active build, wherever it led before.
    pub(super) async fn open(&self, collection: &str, build: &Build) -> Result<u64> {
        let mut opened = self.opened.lock().await;
        if opened.contains(&build.physical) {
            return Ok(0);
        }
        // Other processes open it too: one at a time, and each by what the one before wrote down.
        let _turn = self.ledger.turn(&format!("open {}", build.physical)).await?;
        let record = self.ledger.collection(collection).await?;
        let Some(build) = record.iter().flat_map(CollectionRecord::builds).find(|now| now.physical == build.physical)
        else {
            return Err(Error::transient(format!(
                "collection '{collection}' was given other vectors just now, by another process"
            )));
        };
        let found = self.store.incarnation(&build.physical).await?;
        let mut accepted = build.incarnations.clone();
        let mut resubmitted = 0;
        let definition = self.defined(build)?.definition;
        if !is_ours(&build.incarnations, found.as_deref()) {
            self.check_place(collection, &definition)?;
            tracing::warn!(
                collection,
                "the vectors are gone or not those that the ledger knows: every document is queued again"
            );
            self.store.drop_collection(&build.physical).await?;
            resubmitted = self.ledger.resubmit_all(collection, &build.physical).await?;
            accepted.clear();
        }
        for spec in &definition.transit {
            // What was begun and interrupted: whoever takes it up again finds it as it is written down.
            if self.store.incarnation(&build.physical).await?.is_some() {
                self.store.add_vector(&build.physical, spec).await?;
            }
        }
        self.store.ensure_collection(&build.physical, &definition.kept_schema()).await?;
        if accepted.is_empty() || !self.store.is_shared() {
            let identity = Uuid::new_v4().simple().to_string();
            accepted.push(identity.clone());
            self.ledger.put_incarnations(&build.physical, &accepted).await?;
            self.store.set_incarnation(&build.physical, &identity).await?;
            self.ledger.put_incarnations(&build.physical, std::slice::from_ref(&identity)).await?;
        }
        let record = self.ledger.collection(collection).await?;
        if record.is_some_and(|record| record.active.physical == build.physical) {
            self.store.publish(collection, &build.physical).await?;
        }
        opened.insert(build.physical.clone());
        Ok(resubmitted)
    }

    /// The vectors are another store's from now on.
    pub(super) async fn gave_away(&self, physical: &str) {
        self.opened.lock().await.remove(physical);
    }

    /// Whether questions may be asked of the store's collection.
    async fn check(&self, collection: &str, build: &Build) -> Result<()> {
        if self.opened.lock().await.contains(&build.physical) {
            return Ok(());
        }
        let found = self.store.incarnation(&build.physical).await?;
        if is_ours(&build.incarnations, found.as_deref()) {
            return Ok(());
        }
        self.check_place(collection, &self.defined(build)?.definition)?;
        Err(Error::configuration(format!(
            "the vectors of collection '{collection}' are gone, or are not those that the ledger knows (a copy that was \
             restored?): `quire ingest` puts its documents in again"
        )))
    }
}

impl Collections {
    /// # Errors
    /// Configuration: the vectors were brought to another store, and are not lost.
    fn check_place(&self, collection: &str, definition: &Definition) -> Result<()> {
        match &definition.moved_to {
            Some(place) if *place != self.place => {
                let how = match place.as_str() {
                    IN_PROCESS => "take store.url out of the configuration".to_owned(),
                    url => format!("set store.url to {url}"),
                };
                Err(Error::configuration(format!(
                    "the vectors of collection '{collection}' were moved to another store: {how}"
                )))
            }
            _ => Ok(()),
        }
    }
}

/// A name for a build that no collection of the store ever had: `documents--RECIPE-MARK`. The collection's own name stays free,
/// so that on a server it can be an alias; and on a server that others use too, nothing of theirs is ever met. (Older data folders
/// have first builds of the collection's own name.)
pub(super) fn fresh_name(collection: &str, recipe: &RecipeId) -> String {
    let mark = Uuid::new_v4().simple().to_string();
    format!("{collection}{BUILD_MARK}{:.8}-{:.8}", recipe.0, mark)
}

/// An older data folder knows no identities: what lies there is taken as it is.
fn is_ours(accepted: &[String], found: Option<&str>) -> bool {
    match found {
        Some(found) => accepted.iter().any(|accepted| accepted == found),
        None => accepted.is_empty(),
    }
}

/// # Errors
/// Configuration: the name is kept for builds.
fn check_name(collection: &str) -> Result<()> {
    if collection.contains(BUILD_MARK) {
        return Err(Error::configuration(format!(
            "'{collection}' can't be a collection's name: '{BUILD_MARK}' stands between a collection and its builds"
        )));
    }
    Ok(())
}

#[async_trait]
impl CollectionPlans for Collections {
    async fn plan(&self, job: &Job) -> Result<Option<Arc<CollectionPlan>>> {
        let collection = &job.collection;
        let Some(record) = self.ledger.collection(collection).await? else { return Ok(None) };
        let Some(build) = record.builds().find(|build| build.physical == job.physical) else { return Ok(None) };
        let DefinedBuild { physical, definition } = self.defined(build)?;
        let model = self.models.start(&definition.model).await.context(format!("collection '{collection}'"))?;
        definition.check_model(collection, model.info())?;
        self.open(collection, build).await?;
        let Definition { render, derive, limits, .. } = &*definition;
        let (render, derive, limits) = (render.clone(), derive.clone(), limits.clone());
        Ok(Some(Arc::new(CollectionPlan { physical, render, derive, model, limits })))
    }
}
