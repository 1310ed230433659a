//! Fault doubles of a store. Production never builds them.

use std::collections::BTreeMap;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::{CollectionInfo, Filter, MoreVectors, ScoredPoint, StoreInfo, StoreQuery, StoredPoint, VectorStore, Walk};
use crate::error::Result;
use crate::faults::Faults;
use crate::types::{DocumentId, Generation, PagePoint, PointId, RecipeId, Schema, Tenant, VectorName, VectorSpec};

/// A store whose calls meet [`Faults`] first, under the name `store.METHOD`, and then go on to a real one.
pub struct FaultyStore {
    pub inner: Arc<dyn VectorStore>,
    pub faults: Faults,
}

#[async_trait]
impl VectorStore for FaultyStore {
    fn is_shared(&self) -> bool {
        self.inner.is_shared()
    }

    fn writes_at_once(&self) -> usize {
        self.inner.writes_at_once()
    }

    async fn ensure_collection(&self, collection: &str, schema: &Schema) -> Result<()> {
        self.faults.meet("store.ensure_collection").await?;
        self.inner.ensure_collection(collection, schema).await
    }

    async fn collections(&self) -> Result<Vec<String>> {
        self.faults.meet("store.collections").await?;
        self.inner.collections().await
    }

    async fn drop_collection(&self, collection: &str) -> Result<()> {
        self.faults.meet("store.drop_collection").await?;
        self.inner.drop_collection(collection).await
    }

    async fn publish(&self, alias: &str, collection: &str) -> Result<()> {
        self.faults.meet("store.publish").await?;
        self.inner.publish(alias, collection).await
    }

    async fn incarnation(&self, collection: &str) -> Result<Option<String>> {
        self.faults.meet("store.incarnation").await?;
        self.inner.incarnation(collection).await
    }

    async fn set_incarnation(&self, collection: &str, id: &str) -> Result<()> {
        self.faults.meet("store.set_incarnation").await?;
        self.inner.set_incarnation(collection, id).await
    }

    async fn is_empty(&self, collection: &str) -> Result<bool> {
        self.faults.meet("store.is_empty").await?;
        self.inner.is_empty(collection).await
    }

    async fn upsert(&self, collection: &str, points: Vec<PagePoint>) -> Result<()> {
        self.faults.meet("store.upsert").await?;
        self.inner.upsert(collection, points).await
    }

    async fn changes_vectors_in_place(&self) -> Result<bool> {
        self.faults.meet("store.changes_vectors_in_place").await?;
        self.inner.changes_vectors_in_place().await
    }

    async fn add_vector(&self, collection: &str, spec: &VectorSpec) -> Result<()> {
        self.faults.meet("store.add_vector").await?;
        self.inner.add_vector(collection, spec).await
    }

    async fn remove_vector(&self, collection: &str, vector: VectorName) -> Result<()> {
        self.faults.meet("store.remove_vector").await?;
        self.inner.remove_vector(collection, vector).await
    }

    async fn walk_lacking(
        &self,
        collection: &str,
        vector: VectorName,
        from_vector: VectorName,
        from: Option<&str>,
        limit: usize,
    ) -> Result<Walk> {
        self.faults.meet("store.walk_lacking").await?;
        self.inner.walk_lacking(collection, vector, from_vector, from, limit).await
    }

    async fn put_vectors(&self, collection: &str, recipe: &RecipeId, points: Vec<MoreVectors>) -> Result<()> {
        self.faults.meet("store.put_vectors").await?;
        self.inner.put_vectors(collection, recipe, points).await
    }

    async fn flush(&self, collection: &str) -> Result<()> {
        self.faults.meet("store.flush").await?;
        self.inner.flush(collection).await
    }

    async fn query(&self, collection: &str, query: StoreQuery) -> Result<Vec<ScoredPoint>> {
        self.faults.meet("store.query").await?;
        self.inner.query(collection, query).await
    }

    async fn retrieve(
        &self,
        collection: &str,
        tenant: &Tenant,
        ids: &[PointId],
        vectors: &[VectorName],
    ) -> Result<Vec<StoredPoint>> {
        self.faults.meet("store.retrieve").await?;
        self.inner.retrieve(collection, tenant, ids, vectors).await
    }

    async fn delete_generation(&self, collection: &str, document: DocumentId, generation: &Generation) -> Result<()> {
        self.faults.meet("store.delete_generation").await?;
        self.inner.delete_generation(collection, document, generation).await
    }

    async fn set_tags(
        &self,
        collection: &str,
        document: DocumentId,
        generation: &Generation,
        tags: &BTreeMap<String, String>,
    ) -> Result<()> {
        self.faults.meet("store.set_tags").await?;
        self.inner.set_tags(collection, document, generation, tags).await
    }

    async fn count(&self, collection: &str, filter: &Filter) -> Result<usize> {
        self.faults.meet("store.count").await?;
        self.inner.count(collection, filter).await
    }

    async fn optimize(&self, collection: &str) -> Result<bool> {
        self.faults.meet("store.optimize").await?;
        self.inner.optimize(collection).await
    }

    async fn purge(&self, collection: &str) -> Result<bool> {
        self.faults.meet("store.purge").await?;
        self.inner.purge(collection).await
    }

    async fn walk(&self, collection: &str, from: Option<&str>, limit: usize) -> Result<Walk> {
        self.faults.meet("store.walk").await?;
        self.inner.walk(collection, from, limit).await
    }

    async fn info(&self) -> Result<StoreInfo> {
        self.faults.meet("store.info").await?;
        self.inner.info().await
    }

    async fn collection_info(&self, collection: &str) -> Result<CollectionInfo> {
        self.faults.meet("store.collection_info").await?;
        self.inner.collection_info(collection).await
    }
}

/// A change that was not flushed.
enum Change {
    Upsert(Vec<PagePoint>),
    Delete(DocumentId, Generation),
    SetTags(DocumentId, Generation, BTreeMap<String, String>),
}

/// A store in which nothing is durable but what was flushed: changes of points are kept aside until [`VectorStore::flush`]
/// passes them on, and [`Self::lose`] throws away what was not, as a loss of power would.
///
/// What was not flushed is not found either: `query`, `retrieve`, `count` and `is_empty` see flushed changes only. Nothing
/// in Quire reads back its own changes before it has flushed them; something that did would fail here. What the store says
/// against a change comes with the flush, too.
pub struct UnflushedStore {
    inner: Arc<dyn VectorStore>,
    /// In the order in which they came, with their collections.
    pending: Mutex<Vec<(String, Change)>>,
    /// Held through a flush: what is passed on must be on disk before the next change is taken for flushed.
    flushing: tokio::sync::Mutex<()>,
}

impl UnflushedStore {
    pub fn new(inner: Arc<dyn VectorStore>) -> Self {
        Self { inner, pending: Mutex::default(), flushing: tokio::sync::Mutex::default() }
    }

    /// The power goes: changes that were not flushed are gone. Returns how many.
    pub fn lose(&self) -> usize {
        mem::take(&mut *self.pending()).len()
    }

    fn pending(&self) -> std::sync::MutexGuard<'_, Vec<(String, Change)>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, collection: &str, change: Change) {
        self.pending().push((collection.to_owned(), change));
    }
}

#[async_trait]
impl VectorStore for UnflushedStore {
    fn is_shared(&self) -> bool {
        self.inner.is_shared()
    }

    fn writes_at_once(&self) -> usize {
        self.inner.writes_at_once()
    }

    async fn ensure_collection(&self, collection: &str, schema: &Schema) -> Result<()> {
        self.inner.ensure_collection(collection, schema).await
    }

    async fn collections(&self) -> Result<Vec<String>> {
        self.inner.collections().await
    }

    async fn drop_collection(&self, collection: &str) -> Result<()> {
        self.pending().retain(|(name, _)| name != collection);
        self.inner.drop_collection(collection).await
    }

    async fn publish(&self, alias: &str, collection: &str) -> Result<()> {
        self.inner.publish(alias, collection).await
    }

    async fn incarnation(&self, collection: &str) -> Result<Option<String>> {
        self.inner.incarnation(collection).await
    }

    async fn set_incarnation(&self, collection: &str, id: &str) -> Result<()> {
        self.inner.set_incarnation(collection, id).await
    }

    async fn is_empty(&self, collection: &str) -> Result<bool> {
        self.inner.is_empty(collection).await
    }

    async fn upsert(&self, collection: &str, points: Vec<PagePoint>) -> Result<()> {
        self.keep(collection, Change::Upsert(points));
        Ok(())
    }

    async fn flush(&self, collection: &str) -> Result<()> {
        let _flushing = self.flushing.lock().await;
        let due: Vec<Change> = {
            let mut pending = self.pending();
            let (due, rest) = mem::take(&mut *pending).into_iter().partition(|(name, _)| name == collection);
            *pending = rest;
            let due: Vec<(String, Change)> = due;
            due.into_iter().map(|(_, change)| change).collect()
        };
        for change in due {
            match change {
                Change::Upsert(points) => self.inner.upsert(collection, points).await?,
                Change::Delete(document, generation) => {
                    self.inner.delete_generation(collection, document, &generation).await?;
                }
                Change::SetTags(document, generation, tags) => {
                    self.inner.set_tags(collection, document, &generation, &tags).await?;
                }
            }
        }
        self.inner.flush(collection).await
    }

    async fn query(&self, collection: &str, query: StoreQuery) -> Result<Vec<ScoredPoint>> {
        self.inner.query(collection, query).await
    }

    async fn retrieve(
        &self,
        collection: &str,
        tenant: &Tenant,
        ids: &[PointId],
        vectors: &[VectorName],
    ) -> Result<Vec<StoredPoint>> {
        self.inner.retrieve(collection, tenant, ids, vectors).await
    }

    async fn delete_generation(&self, collection: &str, document: DocumentId, generation: &Generation) -> Result<()> {
        self.keep(collection, Change::Delete(document, generation.clone()));
        Ok(())
    }

    async fn set_tags(
        &self,
        collection: &str,
        document: DocumentId,
        generation: &Generation,
        tags: &BTreeMap<String, String>,
    ) -> Result<()> {
        self.keep(collection, Change::SetTags(document, generation.clone(), tags.clone()));
        Ok(())
    }

    async fn count(&self, collection: &str, filter: &Filter) -> Result<usize> {
        self.inner.count(collection, filter).await
    }

    async fn optimize(&self, collection: &str) -> Result<bool> {
        self.inner.optimize(collection).await
    }

    async fn purge(&self, collection: &str) -> Result<bool> {
        self.inner.purge(collection).await
    }

    async fn walk(&self, collection: &str, from: Option<&str>, limit: usize) -> Result<Walk> {
        self.inner.walk(collection, from, limit).await
    }

    async fn info(&self) -> Result<StoreInfo> {
        self.inner.info().await
    }

    async fn collection_info(&self, collection: &str) -> Result<CollectionInfo> {
        self.inner.collection_info(collection).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, Kind};
    use crate::faults::Fault;
    use crate::store::EdgeStore;
    use crate::store::fixtures::{self, Page, all, points};

    const DOCS: &str = "documents";

    async fn real(folder: &tempfile::TempDir) -> Arc<dyn VectorStore> {
        let store = EdgeStore::open(folder.path(), Default::default()).unwrap();
        store.ensure_collection(DOCS, &fixtures::schema()).await.unwrap();
        Arc::new(store)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_planned_call_fails_and_never_reaches_the_store() {
        let folder = tempfile::tempdir().unwrap();
        let store = FaultyStore { inner: real(&folder).await, faults: Faults::none() };
        store.faults.on("store.upsert", 2, Fault::Fail(|| Error::transient("away")));
        let pages = fixtures::pages(1, 2);
        store.upsert(DOCS, points(&pages[..1])).await.unwrap();
        let error = store.upsert(DOCS, points(&pages[1..])).await.unwrap_err();
        assert!(matches!(error.kind(), Kind::Transient { .. }), "{error}");
        assert_eq!(store.count(DOCS, &all()).await.unwrap(), 1);
        assert_eq!(store.faults.calls("store.count"), 1);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_was_not_flushed_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let store = UnflushedStore::new(real(&folder).await);
        let (kept, lost) = (Page::new(1, 1), Page::new(2, 1));
        store.upsert(DOCS, vec![kept.point()]).await.unwrap();
        store.flush(DOCS).await.unwrap();
        store.upsert(DOCS, vec![lost.point()]).await.unwrap();
        store.delete_generation(DOCS, kept.document_id(), &kept.generation()).await.unwrap();
        assert_eq!(store.lose(), 2);
        store.flush(DOCS).await.unwrap();
        let tenant = kept.payload().tenant;
        let found = store.retrieve(DOCS, &tenant, &[kept.id(), lost.id()], &[]).await.unwrap();
        assert_eq!(found.iter().map(|point| point.id).collect::<Vec<_>>(), [kept.id()]);
        store.delete_generation(DOCS, kept.document_id(), &kept.generation()).await.unwrap();
        store.flush(DOCS).await.unwrap();
        assert!(store.is_empty(DOCS).await.unwrap());
    }
}
