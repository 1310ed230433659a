//! What is read outside of transactions.

use std::collections::{BTreeMap, HashMap};

use super::SqlLedger;
use super::database::{Database, Statement};
use super::rows::{self, to_integer, to_json};
use super::statements as sql;
use crate::error::Result;
use crate::ledger::cursor::Cursor;
use crate::ledger::{CollectionRecord, DocumentFilter, DocumentRecord, Garbage, Listing, State};
use crate::types::{DocumentId, Generation, Tenant};

impl<D: Database> SqlLedger<D> {
    pub(super) async fn read_collection(&self, name: &str) -> Result<Option<CollectionRecord>> {
        self.read_one(Statement::new(sql::COLLECTION).with(name), rows::collection).await
    }

    pub(super) async fn read_collections(&self) -> Result<Vec<CollectionRecord>> {
        self.read(Statement::new(sql::COLLECTION).with(None::<&str>), rows::collection).await
    }

    pub(super) async fn read_retired(&self) -> Result<Vec<String>> {
        self.read(Statement::new(sql::RETIRED), rows::physical).await
    }

    pub(super) async fn read_next_due_ms(&self, collection: Option<&str>) -> Result<Option<u64>> {
        let now_ms = self.database.now_ms().await?;
        let due = self.read_one(Statement::new(sql::NEXT_DUE).with(now_ms).with(collection), rows::due).await?;
        Ok(due.flatten().map(|due| u64::try_from(due.saturating_sub(now_ms)).unwrap_or(0)))
    }

    pub(super) async fn read_garbage(&self, limit: usize) -> Result<Vec<Garbage>> {
        self.read(Statement::new(sql::GARBAGE).with(to_integer(limit)), rows::garbage).await
    }

    pub(super) async fn read_visible(
        &self,
        tenant: &Tenant,
        documents: &[DocumentId],
    ) -> Result<HashMap<DocumentId, Generation>> {
        let statement = Statement::new(D::VISIBLE).with(tenant.0.as_str()).with(to_json(&documents)?);
        Ok(self.read(statement, rows::visible).await?.into_iter().collect())
    }

    pub(super) async fn read_document(&self, tenant: &Tenant, document: DocumentId) -> Result<Option<DocumentRecord>> {
        let statement = Statement::new(sql::DOCUMENT).with(tenant.0.as_str()).with(document.to_string());
        self.read_one(statement, rows::document).await
    }

    pub(super) async fn read_documents(&self, tenant: &Tenant, filter: &DocumentFilter) -> Result<Listing> {
        let after = filter.after.as_deref().map(Cursor::parse).transpose()?;
        // One more than asked for tells whether any are left.
        let limit = filter.limit.map_or(i64::MAX, |limit| to_integer(limit).saturating_add(1));
        let statement = Statement::new(sql::DOCUMENTS)
            .with(tenant.0.as_str())
            .with(filter.collection.as_deref())
            .with(filter.state.map(State::as_str))
            .with(filter.source_prefix.as_deref())
            .with(after.as_ref().map(|after| after.source_uri.as_str()))
            .with(after.as_ref().map(|after| after.document.to_string()))
            .with(limit);
        let mut documents = self.read(statement, rows::document).await?;
        let mut next_cursor = None;
        if let Some(limit) = filter.limit.filter(|limit| documents.len() > *limit) {
            documents.truncate(limit);
            next_cursor = documents
                .last()
                .map(|last| Cursor { source_uri: last.source.uri.clone(), document: last.document_id }.to_text());
        }
        Ok(Listing { documents, next_cursor })
    }

    pub(super) async fn read_counts(&self, tenant: &Tenant, collection: Option<&str>) -> Result<BTreeMap<State, u64>> {
        let statement = Statement::new(sql::COUNTS).with(tenant.0.as_str()).with(collection);
        Ok(self.read(statement, rows::count).await?.into_iter().collect())
    }
}
