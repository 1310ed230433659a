//! The files of a vector store: the documents of a collection.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::own;
use crate::error::Error;
use crate::ledger::{DocumentFilter, DocumentRecord, Listing, State as Standing};
use crate::server::openai::error::{Body, OpenAiCaller, OpenAiError, parse};
use crate::server::openai::files::find as find_anywhere;
use crate::server::openai::{page, seconds};
use crate::server::routes::{check_collection, room};
use crate::server::{Caller, Permission, Server};

/// Files of a page of the list where a request names no number, and the most: OpenAI's own.
const DEFAULT_FILES: usize = 20;
const MAX_FILES: usize = 100;

#[derive(Debug, Deserialize)]
pub struct Wanted {
    #[serde(default)]
    limit: Option<usize>,
    /// The last file of the page before.
    #[serde(default)]
    after: Option<String>,
    /// `in_progress`, `completed`, `failed` or `cancelled`.
    #[serde(default)]
    filter: Option<String>,
}

impl Wanted {
    fn is(&self, record: &DocumentRecord) -> bool {
        record.state != Standing::Deleting && self.filter.as_deref().is_none_or(|wanted| status(record) == wanted)
    }
}

pub async fn list(
    State(server): State<Server>,
    OpenAiCaller(caller): OpenAiCaller,
    Path(store): Path<String>,
    Query(wants): Query<Wanted>,
) -> Result<Json<Value>, OpenAiError> {
    caller.may(Permission::Read)?;
    let own = own(&server, &caller, &store).await?;
    let scope = caller.scope(&server);
    let limit = wants.limit.unwrap_or(DEFAULT_FILES).clamp(1, MAX_FILES);
    let after = match &wants.after {
        Some(id) => Some(find(&server, &caller, &store, id).await?.cursor()),
        None => None,
    };
    let mut filter =
        DocumentFilter { collection: Some(own.name.clone()), limit: Some(limit), after, ..DocumentFilter::default() };
    let mut data = Vec::new();
    loop {
        let Listing { documents, next_cursor } = scope.documents(&filter).await?;
        for record in documents.iter().filter(|record| wants.is(record)) {
            if data.len() == limit {
                return Ok(Json(page(data, true)));
            }
            data.push(file(record, &own.name));
        }
        match next_cursor {
            Some(_) => filter.after = next_cursor,
            None => return Ok(Json(page(data, false))),
        }
    }
}

pub async fn one(
    State(server): State<Server>,
    OpenAiCaller(caller): OpenAiCaller,
    Path((store, id)): Path<(String, String)>,
) -> Result<Json<Value>, OpenAiError> {
    caller.may(Permission::Read)?;
    let mut found = file(&find(&server, &caller, &store, &id).await?, &store);
    found["id"] = json!(id);
    Ok(Json(found))
}

pub async fn remove(
    State(server): State<Server>,
    OpenAiCaller(caller): OpenAiCaller,
    Path((store, id)): Path<(String, String)>,
) -> Result<Json<Value>, OpenAiError> {
    caller.may(Permission::Write)?;
    let record = find(&server, &caller, &store, &id).await?;
    caller.scope(&server).delete_document(record.document_id).await?;
    Ok(Json(json!({ "id": id, "object": "vector_store.file.deleted", "deleted": true })))
}

#[derive(Debug, Deserialize)]
struct Attached {
    file_id: String,
    #[serde(default)]
    attributes: Option<BTreeMap<String, Value>>,
}

/// Puts a file into a vector store: it becomes a document of that collection too.
pub async fn attach(
    State(server): State<Server>,
    OpenAiCaller(caller): OpenAiCaller,
    Path(store): Path<String>,
    Body(body): Body,
) -> Result<Json<Value>, OpenAiError> {
    caller.may(Permission::Write)?;
    let Attached { file_id, attributes } = parse(&body)?;
    let record = find_anywhere(&server, &caller, &file_id).await?;
    if record.collection == store && attributes.is_none() {
        return Ok(Json(file(&record, &store)));
    }
    check_collection(&store)?;
    room(&server).await?;
    let mut attached = file(&put(&server, &caller, &store, &record, attributes).await?, &store);
    // clients go on asking by the id that they have
    attached["id"] = json!(file_id);
    Ok(Json(attached))
}

/// Makes a document of the collection of a file that is somewhere; with its tags, where there are no attributes.
pub async fn put(
    server: &Server,
    caller: &Caller,
    store: &str,
    record: &DocumentRecord,
    attributes: Option<BTreeMap<String, Value>>,
) -> Result<DocumentRecord, OpenAiError> {
    let scope = caller.scope(server);
    let original = scope.original(record).await?;
    let bytes = scope.original_bytes(&original, 0..original.size_bytes).await?;
    let received = scope.receive(&record.source.name, bytes).await?;
    let tags = attributes.map_or_else(|| record.tags.clone(), tags);
    let taken = scope.take(store, &tags, record.priority, vec![received]).await?;
    Ok(taken.into_iter().next().ok_or_else(|| Error::bug("a file was taken and is no document"))?)
}

/// Attributes as tags: texts.
fn tags(attributes: BTreeMap<String, Value>) -> BTreeMap<String, String> {
    let plain = |value: Value| if let Value::String(text) = value { text } else { value.to_string() };
    attributes.into_iter().map(|(key, value)| (key, plain(value))).collect()
}

/// A document of the collection, by its own id or by that of the same file in another collection.
///
/// # Errors
/// 404: the caller has no such document in the collection.
pub async fn find(server: &Server, caller: &Caller, store: &str, id: &str) -> Result<DocumentRecord, OpenAiError> {
    let record = find_anywhere(server, caller, id).await?;
    let found =
        if record.collection == store { Some(record) } else { caller.scope(server).same_in(&record, store).await? };
    found.filter(|record| record.state != Standing::Deleting).ok_or_else(|| {
        let message = format!("there is no file '{id}' in the vector store '{store}'");
        OpenAiError::not_found("not_found", Some("file_id"), message)
    })
}

/// OpenAI's word for where a document stands.
pub fn status(record: &DocumentRecord) -> &'static str {
    match record.state {
        Standing::Queued | Standing::Processing => "in_progress",
        Standing::Indexed => "completed",
        Standing::Rejected | Standing::Dead => "failed",
        Standing::Deleting => "cancelled",
    }
}

pub fn file(record: &DocumentRecord, store: &str) -> Value {
    let failed = status(record) == "failed";
    let code = if record.state == Standing::Rejected { "unsupported_file" } else { "server_error" };
    let last_error = record.reason.as_ref().filter(|_| failed).map(|reason| json!({ "code": code, "message": reason }));
    json!({
        "id": record.document_id,
        "object": "vector_store.file",
        "created_at": seconds(&record.updated_at),
        "vector_store_id": store,
        "status": status(record),
        "usage_bytes": record.size_bytes,
        "last_error": last_error,
        "attributes": record.tags,
        "filename": record.source.name,
        "chunking_strategy": { "type": "other" },
    })
}
