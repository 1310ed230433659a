//! What one tenant may see and do. Every read of ledger, store and blobs goes through here with the tenant's name on it.

use std::collections::BTreeMap;
use std::path::Path;

use super::App;
use crate::error::{Error, Result};
use crate::ledger::{DocumentFilter, DocumentRecord, Listing, State};
use crate::source;
use crate::types::{DocumentId, Tenant};

/// A tenant's view of an installation: search, ask, documents, pages, ingest.
#[derive(Clone)]
pub struct Scope<'a> {
    pub(super) app: &'a App,
    pub(super) tenant: Tenant,
}

impl<'a> Scope<'a> {
    pub(super) fn new(app: &'a App, tenant: Tenant) -> Self {
        Self { app, tenant }
    }

    pub fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    pub fn app(&self) -> &'a App {
        self.app
    }

    /// Documents by source, at most `filter.limit`, with a cursor if there are more.
    pub async fn documents(&self, filter: &DocumentFilter) -> Result<Listing> {
        self.app.ledger.documents(&self.tenant, filter).await
    }

    /// Every document that the filter means, from its cursor on.
    pub async fn all_documents(&self, filter: &DocumentFilter) -> Result<Vec<DocumentRecord>> {
        let mut filter = filter.clone();
        let mut all = Vec::new();
        loop {
            let Listing { documents, next_cursor } = self.documents(&filter).await?;
            all.extend(documents);
            match next_cursor {
                Some(_) => filter.after = next_cursor,
                None => return Ok(all),
            }
        }
    }

    /// A document; None where the tenant has none of that id.
    pub async fn document(&self, document: DocumentId) -> Result<Option<DocumentRecord>> {
        self.app.ledger.document(&self.tenant, document).await
    }

    /// Documents by state, of one collection or all.
    pub async fn counts(&self, collection: Option<&str>) -> Result<BTreeMap<State, u64>> {
        self.app.ledger.counts(&self.tenant, collection).await
    }

    /// A document by id, or by source: the whole path, or the end of one that names a single document.
    ///
    /// # Errors
    /// Permanent: nothing or more than one document answers to the name.
    pub async fn find_document(&self, name: &str) -> Result<DocumentRecord> {
        if let Ok(id) = name.parse::<DocumentId>() {
            let found = self.app.ledger.document(&self.tenant, id).await?;
            return found.ok_or_else(|| Error::permanent(format!("there is no document {id}")));
        }
        let all = self.all_documents(&DocumentFilter::default()).await?;
        let same = source::same_name(name);
        let exact = |record: &&DocumentRecord| source::same_name(&record.source.uri) == same;
        let ending = |record: &&DocumentRecord| Path::new(&source::same_name(&record.source.uri)).ends_with(&same);
        let mut found: Vec<_> = all.iter().filter(exact).collect();
        if found.is_empty() {
            found = all.iter().filter(ending).collect();
        }
        match found.as_slice() {
            [one] => Ok((*one).clone()),
            [] => {
                Err(Error::permanent(format!("no document is called '{name}': `quire docs list` shows what there is")))
            }
            many => Err(Error::permanent(format!(
                "'{name}' names {} documents: {}; give the id",
                many.len(),
                many.iter().map(|record| record.document_id.to_string()).collect::<Vec<_>>().join(", ")
            ))),
        }
    }

    /// Hides a document and removes its pages; false if there is none.
    pub async fn delete_document(&self, document: DocumentId) -> Result<bool> {
        let existed = self.app.ledger.delete(&self.tenant, document).await?;
        if existed {
            self.app.collector.collect().await?;
        }
        Ok(existed)
    }
}
