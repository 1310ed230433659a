//! What is indexed, and how much room it takes.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::scope::Scope;
use crate::error::Result;
use crate::ledger::{DocumentFilter, State};
use crate::store::Filter;

/// What a tenant has in an installation.
#[derive(Debug, Serialize)]
pub struct Status {
    pub data_dir: String,
    pub collections: Vec<CollectionStatus>,
    /// Bytes on disk by part.
    pub disk_bytes: BTreeMap<&'static str, u64>,
}

/// A collection, as one tenant sees it.
#[derive(Debug, Serialize)]
pub struct CollectionStatus {
    pub name: String,
    pub model: String,
    pub vectors: Vec<String>,
    pub plans: Vec<String>,
    pub default_plan: String,
    pub documents: BTreeMap<State, u64>,
    /// Pages in the store that questions are asked of.
    pub pages: usize,
    /// Model of the build that is to take the place of this one, if there is any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rebuilding: Option<String>,
}

impl Scope<'_> {
    /// Every collection with what the tenant has in it.
    pub async fn status(&self) -> Result<Status> {
        let collections = self.collections().await?;
        let data = &self.app.data;
        let disk_bytes = BTreeMap::from([
            ("blobs", folder_bytes(&data.blobs())),
            ("ledger", folder_bytes(&data.ledger())),
            ("vectors", folder_bytes(&data.vectors())),
        ]);
        Ok(Status { data_dir: data.root().display().to_string(), collections, disk_bytes })
    }

    /// The collections alone.
    pub async fn collections(&self) -> Result<Vec<CollectionStatus>> {
        let app = self.app;
        let mut collections = Vec::new();
        for record in app.ledger.collections().await? {
            let build = app.collections.defined(&record.active)?;
            let filter = DocumentFilter { collection: Some(record.name.clone()), ..DocumentFilter::default() };
            let definition = &build.definition;
            let next = record.next.as_ref().map(|next| app.collections.defined(next)).transpose()?;
            collections.push(CollectionStatus {
                documents: self.count_documents(&filter).await?,
                pages: app.store.count(&build.physical, &Filter::of(&self.tenant)).await?,
                model: definition.model_name.clone(),
                vectors: definition.schema.vectors.iter().map(|spec| spec.name.to_string()).collect(),
                plans: definition.plans.iter().map(|plan| plan.name.clone()).collect(),
                default_plan: definition.default_plan.clone(),
                rebuilding: next.map(|next| next.definition.model_name.clone()),
                name: record.name,
            });
        }
        Ok(collections)
    }
}

/// Bytes that a file or folder really takes: sparse files count by their blocks.
pub(super) fn folder_bytes(path: &Path) -> u64 {
    walkdir::WalkDir::new(path)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.metadata().ok())
        .filter(std::fs::Metadata::is_file)
        .map(|metadata| allocated_bytes(&metadata))
        .sum()
}

#[cfg(unix)]
fn allocated_bytes(metadata: &std::fs::Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt;
    metadata.blocks() * 512
}

#[cfg(not(unix))]
fn allocated_bytes(metadata: &std::fs::Metadata) -> u64 {
    metadata.len()
}
