//! The collections that a tenant has documents in, or made, by the ledger alone: cheap enough for every request.

use std::collections::BTreeMap;

use super::App;
use super::scope::Scope;
use crate::error::Result;
use crate::ledger::{DocumentFilter, State};

/// A collection that holds something of a tenant's, or that he made.
#[derive(Debug, Clone)]
pub struct OwnCollection {
    pub name: String,
    /// RFC 3339.
    pub created_at: String,
    /// How many documents of the tenant's are in each state.
    pub documents: BTreeMap<State, u64>,
}

impl App {
    /// Whether this is the service's own collection, and there is one.
    pub async fn is_common(&self, name: &str) -> Result<bool> {
        Ok(name == self.config.collection && self.ledger.collection(name).await?.is_some())
    }
}

impl Scope<'_> {
    /// By name. A collection in which the tenant has nothing, and that he did not make, is not named: others' are none of his business.
    pub async fn own_collections(&self) -> Result<Vec<OwnCollection>> {
        let mut own = Vec::new();
        for record in self.app.ledger.collections().await? {
            if let Some(collection) = self.counted(record.name, record.created_at).await? {
                own.push(collection);
            }
        }
        Ok(own)
    }

    /// One of them; None where it is none of the tenant's, or there is no such collection.
    pub async fn own_collection(&self, name: &str) -> Result<Option<OwnCollection>> {
        match self.app.ledger.collection(name).await? {
            Some(record) => self.counted(record.name, record.created_at).await,
            None => Ok(None),
        }
    }

    async fn counted(&self, name: String, created_at: String) -> Result<Option<OwnCollection>> {
        let filter = DocumentFilter { collection: Some(name.clone()), ..DocumentFilter::default() };
        let documents = self.count_documents(&filter).await?;
        let any = documents.iter().any(|(state, count)| *state != State::Deleting && *count > 0);
        if any {
            return Ok(Some(OwnCollection { name, created_at, documents }));
        }
        Ok(self.has_made(&name).await?.then(|| OwnCollection { name, created_at, documents: BTreeMap::new() }))
    }
}
