//! What an ingest and a watched folder have in common: walking folders, submitting their files, and taking documents out
//! whose files are gone.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::PathBuf;

use tokio_util::sync::CancellationToken;

use super::scope::Scope;
use crate::config::Pipeline;
use crate::error::{Error, Result};
use crate::ingest::{Comparison, Patience, Submitter};
use crate::ledger::{DocumentFilter, State};
use crate::source::prune::{self, KnownDocument, Roots};
use crate::source::{self, Buckets, Discover, Discovery, SourceFile, Web, discover};
use crate::types::{DocumentId, Priority, RenderLimits, is_on_web};

impl Scope<'_> {
    /// Submits files into a pipeline's collection, for the workers of the service to do.
    ///
    /// # Errors
    /// What concerns all of them: the ledger, or a collection that can't be defined so.
    pub async fn submit_files(
        &self,
        pipeline: &Pipeline,
        files: Vec<SourceFile>,
        stop: &CancellationToken,
    ) -> Result<Comparison> {
        let default = self.app.default_pipeline();
        let defined = self.app.collections.define(&pipeline.collection, Some(pipeline), &default).await?;
        let limits = defined.build.definition.limits.over(&self.app.config.limits);
        let submitter = Submitter {
            priority: pipeline.priority,
            ..self.submitter(&pipeline.collection, pipeline.tags.clone(), &limits)
        };
        let comparison = self.submit_found(&submitter, files, stop).await?;
        if let Some(engine) = self.app.resident.get().filter(|_| !comparison.queued.is_empty()) {
            engine.wake();
        }
        Ok(comparison)
    }

    /// Takes out the documents of the walked folders whose files are gone, unless it looks like an accident; but for those of the
    /// sources `not_yet`. Returns how many.
    ///
    /// # Errors
    /// Configuration: it looks like an accident, and nothing was deleted.
    pub async fn follow_deletions(
        &self,
        collection: &str,
        discovery: &Discovery,
        not_yet: &BTreeSet<String>,
    ) -> Result<u64> {
        let (known, mut missing) = self.missing(collection, discovery).await?;
        missing.retain(|uri| !not_yet.contains(source::outermost(uri)));
        let gone = self.gone(collection, discovery, known, missing, false).await?;
        self.delete_all(gone, &Patience::none()).await
    }

    /// Walks folders, lists buckets and asks for what is listed on the web. What Quire itself keeps is no document.
    pub async fn discover(&self, paths: &[PathBuf], options: &Discover) -> Result<Discovery> {
        let mut options = options.clone();
        options.never_enter.push(self.app.data.root().to_owned());
        find(paths, &options, &self.app.buckets, &self.app.web).await
    }

    pub(super) fn submitter(
        &self,
        collection: &str,
        tags: BTreeMap<String, String>,
        limits: &RenderLimits,
    ) -> Submitter {
        Submitter {
            ledger: self.app.ledger.clone(),
            tenant: self.tenant.clone(),
            collection: collection.to_owned(),
            tags,
            priority: Priority::Normal,
            force: false,
            max_document_bytes: limits.max_document_bytes,
            limits: self.app.limit_values(limits),
            events: self.app.events.clone(),
            patience: self.app.config.ingest.patience,
        }
    }

    /// The documents among `known` that are to be deleted, because they are `missing`. Where the folders lie is noted for the
    /// next time.
    ///
    /// # Errors
    /// Configuration: it looks like an accident, and nobody said that it is meant `anyway`.
    pub(super) async fn gone(
        &self,
        collection: &str,
        discovery: &Discovery,
        known: Vec<KnownDocument>,
        missing: BTreeSet<String>,
        anyway: bool,
    ) -> Result<Vec<DocumentId>> {
        let (file, collection) = (self.app.data.roots(), collection.to_owned());
        let (roots, mut folders) = (discovery.roots.clone(), discovery.roots.clone());
        // Buckets and the web lie on no device.
        folders.retain(|root| root.listed.is_none() && !source::is_remote(&root.uri));
        let decide = move || {
            let mut before = Roots::load(&file)?;
            let gone = prune::decide(&collection, &roots, &known, |uri| missing.contains(uri), &before, anyway)?;
            if before.remember(&collection, &folders) {
                before.save(&file)?;
            }
            Ok(gone)
        };
        tokio::task::spawn_blocking(decide)
            .await
            .map_err(|error| Error::bug("looking for files that are gone panicked").with_source(error))?
    }

    /// The documents that the collection holds, and the sources of those below the walked folders whose files are gone.
    pub(super) async fn missing(
        &self,
        collection: &str,
        discovery: &Discovery,
    ) -> Result<(Vec<KnownDocument>, BTreeSet<String>)> {
        let filter = DocumentFilter { collection: Some(collection.to_owned()), ..DocumentFilter::default() };
        let documents = self.all_documents(&filter).await?.into_iter();
        let there = documents.filter(|record| record.state != State::Deleting);
        let known: Vec<KnownDocument> =
            there.map(|record| KnownDocument { document: record.document_id, uri: record.source.uri }).collect();
        let listed = discovery.files.iter().map(|file| &file.source.uri).chain(&discovery.left_out);
        let present: HashSet<String> = listed.map(|uri| source::same_name(uri)).collect();
        let gone = discovery.gone.iter().map(|(uri, _)| uri).chain(&discovery.taken_off);
        let gone: HashSet<String> = gone.map(|uri| source::same_name(uri)).collect();
        self.forget_taken_off(collection, discovery, &known).await?;
        let roots = discovery.roots.clone();
        let look = move || {
            let below = |uri: &str| roots.iter().any(|root| root.holds(uri));
            let is_gone = |uri: &str| {
                let around = source::same_name(source::outermost(uri));
                if source::is_in_bucket(uri) {
                    // What a listing does not name is gone from the bucket, and what was inside it too.
                    !present.contains(&around)
                } else if is_on_web(uri) {
                    // Nobody asked for what no list of this ingest named.
                    gone.contains(&around)
                } else {
                    prune::is_gone(uri)
                }
            };
            let is_missing = |uri: &str| below(uri) && !present.contains(&source::same_name(uri)) && is_gone(uri);
            let missing = known.iter().map(|known| &known.uri).filter(|uri| is_missing(uri)).cloned().collect();
            (known, missing)
        };
        tokio::task::spawn_blocking(look)
            .await
            .map_err(|error| Error::bug("looking for files that are gone panicked").with_source(error))
    }

    /// What was taken off a list and has no document goes from memory too.
    async fn forget_taken_off(&self, collection: &str, discovery: &Discovery, known: &[KnownDocument]) -> Result<()> {
        let there: HashSet<&str> = known.iter().map(|known| source::outermost(&known.uri)).collect();
        let without = discovery.taken_off.iter().filter(|uri| !there.contains(uri.as_str()));
        let without: BTreeSet<String> = without.cloned().collect();
        if without.is_empty() {
            return Ok(());
        }
        self.app.web.forget(collection, without).await
    }

    pub(super) async fn delete_all(&self, documents: Vec<DocumentId>, patience: &Patience<'_>) -> Result<u64> {
        let mut deleted = 0;
        for document in documents {
            deleted += u64::from(patience.with(|| self.app.ledger.delete(&self.tenant, document)).await?);
        }
        if deleted > 0 {
            patience.with(|| self.app.collector.collect()).await?;
        }
        Ok(deleted)
    }
}

/// Everything that paths, addresses of buckets and addresses on the web mean.
///
/// # Errors
/// As [`discover`], [`Buckets::discover`] and [`Web::discover`].
pub async fn find(paths: &[PathBuf], options: &Discover, buckets: &Buckets, web: &Web) -> Result<Discovery> {
    let of = |kind: fn(&str) -> bool| -> Vec<String> {
        paths.iter().filter_map(|path| path.to_str().filter(|text| kind(text)).map(str::to_owned)).collect()
    };
    let is_remote = |path: &PathBuf| path.to_str().is_some_and(source::is_remote);
    let folders: Vec<PathBuf> = paths.iter().filter(|path| !is_remote(path)).cloned().collect();
    let walk = options.clone();
    let mut found = tokio::task::spawn_blocking(move || discover(&folders, &walk))
        .await
        .map_err(|error| Error::bug("walking the folders panicked").with_source(error))??;
    for address in of(source::is_in_bucket) {
        add(&mut found, buckets.discover(&address, options).await?);
    }
    let addresses = of(is_on_web);
    if !addresses.is_empty() || !options.url_lists.is_empty() {
        add(&mut found, web.discover(&addresses, options).await?);
    }
    Ok(found)
}

/// Each document once.
fn add(found: &mut Discovery, listed: Discovery) {
    let known: HashSet<String> = found.files.iter().map(|file| file.source.uri.clone()).collect();
    found.files.extend(listed.files.into_iter().filter(|file| !known.contains(&file.source.uri)));
    found.roots.extend(listed.roots);
    found.problems.extend(listed.problems);
    found.left_out.extend(listed.left_out);
    found.gone.extend(listed.gone);
    found.taken_off.extend(listed.taken_off);
    for (kind, count) in listed.passed_over {
        *found.passed_over.entry(kind).or_default() += count;
    }
}
