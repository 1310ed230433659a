//! A Qdrant server or cluster, over gRPC.
//!
//! # Durability
//! Every change is sent with `wait`: the server answers when the change is in its write-ahead log and applied, and it replays
//! that log when it starts again. So there is nothing left to do for [`VectorStore::flush`].
//!
//! # Upkeep
//! The server's optimiser indexes, merges and vacuums by itself: [`VectorStore::optimize`] has nothing to do. Nor has
//! [`VectorStore::purge`]: a server cannot be told to rewrite a segment. Its vacuum does it once a fifth of a segment is
//! deleted (`optimizers.deleted_threshold`); until then deleted text may stay in its files, out of reach of every query.
//!
//! # Names
//! A collection of ours is `PREFIX` + name on the server, whole; a collection's own name is an alias that leads to the build
//! that questions are asked of, for whoever else asks the server. Quire itself never asks by the alias: which build is active
//! is the ledger's word.
//!
//! # Rows
//! No point id ever changes its number of rows (`rows.rs`): before every write, points that exist are looked up.

mod collection;
mod connection;
mod errors;
mod filter;
mod foreign;
mod in_place;
mod json;
mod newer;
mod points;
mod quantization;
mod query;
mod read;
mod schema;
mod shards;
#[cfg(test)]
mod tests;
mod write;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;

use self::connection::Connection;
pub use self::foreign::{ForeignCollection, ForeignId, ForeignNote, ForeignQuestion, ForeignSlice, ForeignSource};
use self::shards::TenantShards;
use self::write::Target;
use super::info::{CollectionInfo, StoreInfo, Walk};
use super::names::check_name;
use super::schema::{check_same, check_schema};
use super::{Filter, MoreVectors, ScoredPoint, StoreQuery, StoredPoint, VectorStore, tree};
use crate::config;
use crate::error::{Error, Result};
use crate::types::{DocumentId, Generation, PagePoint, PointId, RecipeId, Schema, Tenant, VectorName, VectorSpec};

/// Calls of `upsert` under way at once, each of a few megabytes.
const WRITES_AT_ONCE: usize = 4;

/// A [`VectorStore`] on a server.
pub struct QdrantStore {
    connection: Connection,
    settings: config::Server,
    indexing_threshold_kb: Option<usize>,
    /// What collections are known to keep, by their names on the server.
    schemas: RwLock<HashMap<String, Arc<Schema>>>,
    shards: TenantShards,
}

impl QdrantStore {
    /// Connects with the first call.
    ///
    /// # Errors
    /// Configuration, if the address or the key is none.
    pub fn new(settings: &config::Server, indexing_threshold_kb: Option<usize>) -> Result<Self> {
        Ok(Self {
            connection: Connection::new(settings)?,
            settings: settings.clone(),
            indexing_threshold_kb,
            schemas: RwLock::default(),
            shards: TenantShards::default(),
        })
    }

    /// The name on the server.
    fn full(&self, collection: &str) -> Result<String> {
        check_name(collection)?;
        Ok(format!("{}{collection}", self.settings.prefix))
    }

    /// The name on the server and what the collection keeps.
    ///
    /// # Errors
    /// Configuration, if there is no such collection, or somebody else made it.
    async fn collection(&self, collection: &str) -> Result<(String, Arc<Schema>)> {
        let name = self.full(collection)?;
        if let Some(schema) = self.known(&name) {
            return Ok((name, schema));
        }
        let info = collection::find(&self.connection, &name).await?.ok_or_else(|| self.missing(collection))?;
        let schema = Arc::new(collection::schema_of(&name, &info)?);
        self.shards.learn(&name, &info);
        self.schemas.write().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), Arc::clone(&schema));
        Ok((name, schema))
    }

    /// As [`Self::collection`], for a call that names these vectors: another process may have given the collection one since it
    /// was looked at.
    async fn collection_with(
        &self,
        collection: &str,
        mut vectors: impl Iterator<Item = VectorName>,
    ) -> Result<(String, Arc<Schema>)> {
        let (name, schema) = self.collection(collection).await?;
        if vectors.all(|vector| schema.get(vector).is_some()) {
            return Ok((name, schema));
        }
        self.forget(&name);
        self.collection(collection).await
    }

    fn known(&self, name: &str) -> Option<Arc<Schema>> {
        self.schemas.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    fn forget(&self, name: &str) {
        self.schemas.write().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// What a change goes to that concerns this tenant's pages alone.
    fn target<'a>(&'a self, name: &'a str, tenant: &Tenant) -> Target<'a> {
        Target { connection: &self.connection, name, shards: self.shards.of(name, tenant) }
    }

    /// As [`Self::target`], for pages whose tenant the caller does not know; None where there are no such pages.
    async fn target_of<'a>(
        &'a self,
        name: &'a str,
        document: DocumentId,
        generation: &Generation,
    ) -> Result<Option<Target<'a>>> {
        if !self.shards.are_in(name) {
            return Ok(Some(Target { connection: &self.connection, name, shards: None }));
        }
        let pages = Some(filter::of_generation(document, generation));
        let found = read::walk(&self.connection, name, pages, None, 1).await?.points;
        let tenant = found.into_iter().find_map(|point| point.page).map(|page| page.tenant);
        Ok(tenant.map(|tenant| self.target(name, &tenant)))
    }

    fn missing(&self, collection: &str) -> Error {
        Error::configuration(format!(
            "there is no collection '{collection}' on the Qdrant server at {}: ingest into it first",
            self.connection.url()
        ))
    }

    fn timeout_s(&self) -> u64 {
        self.settings.timeout.as_secs().max(1)
    }
}

#[async_trait]
impl VectorStore for QdrantStore {
    async fn ensure_collection(&self, collection: &str, schema: &Schema) -> Result<()> {
        let name = self.full(collection)?;
        check_schema(collection, schema)?;
        newer::check(schema, self.connection.server().await?)?;
        self.connection.warn_of_writing().await?;
        let found = match collection::find(&self.connection, &name).await? {
            Some(info) => info,
            None => {
                if self.settings.shard_by_tenant {
                    shards::check_cluster(&self.connection, &self.settings, &name).await?;
                }
                let threshold_kb = self.indexing_threshold_kb;
                newer::check_settings(&self.settings, self.connection.server().await?)?;
                collection::create(&self.connection, &name, schema, &self.settings, threshold_kb).await?;
                let made = collection::find(&self.connection, &name).await?;
                made.ok_or_else(|| Error::transient(format!("collection '{collection}' was dropped just now")))?
            }
        };
        check_same(collection, &collection::schema_of(&name, &found)?, &schema::as_kept(collection, schema)?)?;
        let tier = self.settings.payload_index_memory;
        collection::index_payload(&self.connection, &name, &found, tier).await?;
        self.forget(&name);
        Ok(())
    }

    async fn collections(&self) -> Result<Vec<String>> {
        let listed = self.connection.call("list its collections", |client| client.list_collections()).await?;
        let ours = |name: String| name.strip_prefix(&self.settings.prefix).map(str::to_owned);
        let mut names: Vec<String> = listed
            .collections
            .into_iter()
            .filter_map(|entry| ours(entry.name))
            .filter(|name| check_name(name).is_ok())
            .collect();
        names.sort_unstable();
        Ok(names)
    }

    async fn drop_collection(&self, collection: &str) -> Result<()> {
        let name = self.full(collection)?;
        self.forget(&name);
        self.shards.forget(&name);
        collection::remove(&self.connection, &name, &self.settings).await
    }

    async fn publish(&self, alias: &str, collection: &str) -> Result<()> {
        if alias == collection {
            return Ok(());
        }
        collection::publish(&self.connection, &self.full(alias)?, &self.full(collection)?).await
    }

    async fn incarnation(&self, collection: &str) -> Result<Option<String>> {
        let name = self.full(collection)?;
        match collection::find(&self.connection, &name).await? {
            Some(info) => collection::incarnation(&name, &info),
            None => Ok(None),
        }
    }

    async fn set_incarnation(&self, collection: &str, id: &str) -> Result<()> {
        let (name, _) = self.collection(collection).await?;
        collection::set_incarnation(&self.connection, &name, id).await
    }

    async fn is_empty(&self, collection: &str) -> Result<bool> {
        let name = self.full(collection)?;
        match collection::find(&self.connection, &name).await? {
            Some(_) => read::is_empty(&self.connection, &name).await,
            None => Ok(false),
        }
    }

    async fn upsert(&self, collection: &str, points: Vec<PagePoint>) -> Result<()> {
        if points.is_empty() {
            return Ok(());
        }
        let named = points.iter().flat_map(|point| point.vectors.keys().copied());
        let (name, schema) = self.collection_with(collection, named).await?;
        // Almost always one: a batch is of one document.
        let mut tenants: BTreeMap<Tenant, Vec<PagePoint>> = BTreeMap::new();
        for point in points {
            tenants.entry(point.payload.tenant.clone()).or_default().push(point);
        }
        let checked: Vec<_> = tenants
            .into_iter()
            .map(|(tenant, points)| Ok((tenant, write::checked(points, &schema)?)))
            .collect::<Result<_>>()?;
        for (tenant, points) in checked {
            self.shards.make(&self.connection, &self.settings, &name, &tenant).await?;
            write::upsert(&self.target(&name, &tenant), &schema, points).await?;
        }
        Ok(())
    }

    async fn changes_vectors_in_place(&self) -> Result<bool> {
        Ok(self.connection.server().await?.version.has_vector_names())
    }

    async fn add_vector(&self, collection: &str, spec: &VectorSpec) -> Result<()> {
        let (name, _) = self.collection(collection).await?;
        self.forget(&name);
        in_place::add(&self.connection, &name, spec).await
    }

    async fn remove_vector(&self, collection: &str, vector: VectorName) -> Result<()> {
        let (name, _) = self.collection(collection).await?;
        self.forget(&name);
        in_place::remove(&self.connection, &name, vector.as_str()).await
    }

    async fn walk_lacking(
        &self,
        collection: &str,
        vector: VectorName,
        from_vector: VectorName,
        from: Option<&str>,
        limit: usize,
    ) -> Result<Walk> {
        let (name, _) = self.collection_with(collection, [vector].into_iter()).await?;
        read::walk(&self.connection, &name, Some(in_place::lacking(vector.as_str(), from_vector.as_str())), from, limit)
            .await
    }

    async fn put_vectors(&self, collection: &str, recipe: &RecipeId, points: Vec<MoreVectors>) -> Result<()> {
        let named = points.iter().flat_map(|more| more.vectors.keys().copied());
        let (name, schema) = self.collection_with(collection, named).await?;
        write::put_vectors(&self.connection, &self.shards, &name, &schema, recipe, points).await
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn writes_at_once(&self) -> usize {
        WRITES_AT_ONCE
    }

    async fn flush(&self, collection: &str) -> Result<()> {
        self.collection(collection).await.map(drop)
    }

    async fn query(&self, collection: &str, query: StoreQuery) -> Result<Vec<ScoredPoint>> {
        if query.root.limit == 0 {
            return Ok(Vec::new());
        }
        let (name, schema) = self.collection_with(collection, query.root.vectors().into_iter()).await?;
        let version = self.connection.server().await?.version;
        let shards = self.shards.of(&name, query.filter.tenant());
        let mut request = query::to_server(name, query, &schema, version, self.timeout_s())?;
        request.shard_key_selector = shards;
        let answered = self.connection.try_call(|client| client.query(request)).await?;
        let hits = shards::or_nothing(&self.connection, "answer a query", answered)?.result;
        hits.into_iter().map(query::from_server).collect()
    }

    async fn retrieve(
        &self,
        collection: &str,
        tenant: &Tenant,
        ids: &[PointId],
        vectors: &[VectorName],
    ) -> Result<Vec<StoredPoint>> {
        let (name, schema) = self.collection_with(collection, vectors.iter().copied()).await?;
        for &vector in vectors {
            tree::known(vector, &schema)?;
        }
        read::retrieve(&self.connection, &name, self.shards.of(&name, tenant), tenant, ids, vectors).await
    }

    async fn delete_generation(&self, collection: &str, document: DocumentId, generation: &Generation) -> Result<()> {
        let (name, _) = self.collection(collection).await?;
        match self.target_of(&name, document, generation).await? {
            Some(target) => write::delete(&target, filter::of_generation(document, generation)).await,
            None => Ok(()),
        }
    }

    async fn set_tags(
        &self,
        collection: &str,
        document: DocumentId,
        generation: &Generation,
        tags: &BTreeMap<String, String>,
    ) -> Result<()> {
        let (name, _) = self.collection(collection).await?;
        match self.target_of(&name, document, generation).await? {
            Some(target) => write::set_tags(&target, filter::of_generation(document, generation), tags).await,
            None => Ok(()),
        }
    }

    async fn count(&self, collection: &str, filter: &Filter) -> Result<usize> {
        let (name, _) = self.collection(collection).await?;
        let shards = self.shards.of(&name, filter.tenant());
        read::count(&self.connection, &name, shards, Some(filter::server_filter(filter)?)).await
    }

    async fn optimize(&self, collection: &str) -> Result<bool> {
        self.collection(collection).await.map(|_| false)
    }

    /// Asks nothing of what the collection keeps: it may be somebody else's.
    async fn purge(&self, collection: &str) -> Result<bool> {
        let found = collection::find(&self.connection, &self.full(collection)?).await?;
        found.map(|_| false).ok_or_else(|| self.missing(collection))
    }

    async fn walk(&self, collection: &str, after: Option<&str>, limit: usize) -> Result<Walk> {
        let (name, _) = self.collection(collection).await?;
        read::walk(&self.connection, &name, None, after, limit).await
    }

    async fn info(&self) -> Result<StoreInfo> {
        let server = self.connection.server().await?;
        Ok(StoreInfo {
            name: format!("Qdrant {} at {}", server.release, self.connection.url()),
            note: server.note().map(str::to_owned),
        })
    }

    async fn collection_info(&self, collection: &str) -> Result<CollectionInfo> {
        let (name, schema) = self.collection(collection).await?;
        let info = collection::find(&self.connection, &name).await?.ok_or_else(|| self.missing(collection))?;
        read::info(&self.connection, &name, &schema, &info).await
    }
}
