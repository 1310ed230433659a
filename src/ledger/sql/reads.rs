//! What is read outside of transactions.

use std::collections::{BTreeMap, HashMap};

use super::SqlLedger;
use super::database::{Database, Statement};
use super::rows::{self, to_integer, to_json};
use super::statements as sql;
use crate::error::{Error, Result};
use crate::ledger::cursor::Cursor;
use crate::ledger::{
    CollectionRecord, DocumentFilter, DocumentRecord, Garbage, Job, Listing, MAX_FILTER_TAGS, Queue, SameContent, State,
};
use crate::types::{DocumentId, Generation, Groups, Tenant};

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
        groups: &Groups,
        documents: &[DocumentId],
    ) -> Result<HashMap<DocumentId, Generation>> {
        let statement =
            Statement::new(D::VISIBLE).with(tenant.0.as_str()).with(to_json(&documents)?).with(listed(groups));
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
        let statement = filtered(sql::DOCUMENTS, tenant, filter)?
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

    pub(super) async fn read_counts(&self, tenant: &Tenant, filter: &DocumentFilter) -> Result<BTreeMap<State, u64>> {
        Ok(self.read(filtered(sql::COUNTS, tenant, filter)?, rows::count).await?.into_iter().collect())
    }

    pub(super) async fn read_same_content(&self, job: &Job, limit: usize) -> Result<Vec<SameContent>> {
        let statement = Statement::new(sql::SAME_CONTENT)
            .with(job.physical.as_str())
            .with(job.content_hash.0.as_str())
            .with(job.recipe.0.as_str())
            .with(job.tenant.0.as_str())
            .with(job.document.to_string())
            .with(to_integer(limit));
        self.read(statement, rows::same_content).await
    }

    pub(super) async fn read_owner(&self, document: DocumentId) -> Result<Option<Tenant>> {
        self.read_one(Statement::new(sql::OWNER).with(document.to_string()), rows::owning_tenant).await
    }

    pub(super) async fn read_queue(&self) -> Result<Queue> {
        let now_ms = self.database.now_ms().await?;
        let found = self.read_one(Statement::new(sql::QUEUE), rows::jobs_of_queue).await?;
        let (jobs, held, due_at_ms) = found.unwrap_or_default();
        let waited = due_at_ms.and_then(|due| u64::try_from(now_ms.saturating_sub(due)).ok());
        Ok(Queue { waiting: jobs.saturating_sub(held), in_work: held, oldest_ms: waited })
    }
}

/// A statement about the documents of a tenant that a filter means.
///
/// # Errors
/// Configuration: the filter names more tags than a statement can ask for.
fn filtered(statement: &'static str, tenant: &Tenant, filter: &DocumentFilter) -> Result<Statement> {
    if filter.tags.len() > MAX_FILTER_TAGS {
        let (found, most) = (filter.tags.len(), MAX_FILTER_TAGS);
        return Err(Error::configuration(format!("{found} tags are asked for at once: at most {most} are expected")));
    }
    let mut statement = Statement::new(statement)
        .with(tenant.0.as_str())
        .with(filter.collection.as_deref())
        .with(filter.state.map(State::as_str))
        .with(filter.source_prefix.as_deref())
        .with(filter.text.as_deref().filter(|text| !text.is_empty()).map(str::to_lowercase));
    let mut tags = filter.tags.iter();
    for _ in 0..MAX_FILTER_TAGS {
        statement = statement.with(tags.next().map(|(key, value)| in_json(key, value)).transpose()?);
    }
    Ok(statement.with(listed(&filter.groups)))
}

/// How a tag stands in the JSON of all tags. A quotation mark inside of a key or value has a backslash before it there, so that
/// nothing else looks like this.
fn in_json(key: &str, value: &str) -> Result<String> {
    Ok(format!("{}:{}", to_json(&key)?, to_json(&value)?))
}

/// Groups with a comma before and behind each; None: whoever it is sees everything. Nothing in it is the group without a name,
/// for which a list that names nobody stands.
fn listed(groups: &Groups) -> Option<String> {
    match groups {
        Groups::All => None,
        Groups::Of(groups) if groups.is_empty() => Some(",".to_owned()),
        Groups::Of(groups) => Some(format!(",{},", groups.join(","))),
    }
}
