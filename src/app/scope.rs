//! What one tenant may see and do. Every read of ledger, store and blobs goes through here with the tenant's name on it, and with
//! the groups of whoever asks.

use std::collections::BTreeMap;
use std::path::Path;

use super::App;
use crate::error::{Error, Result};
use crate::ledger::{DocumentFilter, DocumentRecord, Listing, State};
use crate::source;
use crate::types::{DocumentId, Groups, Tenant};

/// A tenant's view of an installation: search, ask, documents, pages, ingest.
#[derive(Clone)]
pub struct Scope<'a> {
    pub(super) app: &'a App,
    pub(super) tenant: Tenant,
    pub(super) groups: Groups,
}

impl<'a> Scope<'a> {
    pub(super) fn new(app: &'a App, tenant: Tenant) -> Self {
        Self { app, tenant, groups: Groups::All }
    }

    /// The same, for somebody of these groups: documents that are kept for others are as if there were none.
    #[must_use]
    pub fn in_groups(mut self, groups: Groups) -> Self {
        self.groups = groups;
        self
    }

    pub fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    pub fn app(&self) -> &'a App {
        self.app
    }

    /// Documents by source, at most `filter.limit`, with a cursor if there are more.
    pub async fn documents(&self, filter: &DocumentFilter) -> Result<Listing> {
        let filter = DocumentFilter { groups: self.groups.clone(), ..filter.clone() };
        self.app.ledger.documents(&self.tenant, &filter).await
    }

    /// How many documents a filter means, by state.
    pub async fn count_documents(&self, filter: &DocumentFilter) -> Result<BTreeMap<State, u64>> {
        let filter = DocumentFilter { groups: self.groups.clone(), ..filter.clone() };
        self.app.ledger.count_documents(&self.tenant, &filter).await
    }

    /// A document by its id; None where there is none that may be seen.
    pub async fn document(&self, id: DocumentId) -> Result<Option<DocumentRecord>> {
        let found = self.app.ledger.document(&self.tenant, id).await?;
        Ok(found.filter(|record| self.groups.may_see(&record.tags)))
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
            return self.document(id).await?.ok_or_else(|| Error::permanent(format!("there is no document {id}")));
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

    /// Hides a document and removes its pages; false if there is none. With one whose bytes are kept go the documents inside it:
    /// their bytes were its.
    pub async fn delete_document(&self, document: DocumentId) -> Result<bool> {
        let Some(record) = self.document(document).await? else { return Ok(false) };
        let existed = self.app.ledger.delete(&self.tenant, document).await?;
        if record.source.is_kept() {
            let source_prefix = Some(source::attachment_uri(&record.source.uri, ""));
            let inside = DocumentFilter { collection: Some(record.collection), source_prefix, ..Default::default() };
            for inner in self.all_documents(&inside).await? {
                self.app.ledger.delete(&self.tenant, inner.document_id).await?;
            }
        }
        if existed {
            self.app.collector.collect().await?;
        }
        Ok(existed)
    }
}
