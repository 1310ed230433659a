//! Files: documents. One that is uploaded here belongs to the default collection, or to the one that the form's field `collection`
//! names; a vector store that it is put into has it too (`stores/files.rs`).

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::multipart::MultipartError;
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Path, Query, Request, State};
use futures::TryStreamExt;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::{OpenAiCaller, OpenAiError};
use super::{page, seconds};
use crate::error::Error;
use crate::ledger::{DocumentFilter, DocumentRecord, Listing, State as Standing};
use crate::server::routes::{check_collection, room};
use crate::server::{Caller, Permission, Server};
use crate::types::Priority;

/// Files of a page of the list where a request names no number, and the most.
const DEFAULT_FILES: usize = 20;
const MAX_FILES: usize = 1_000;

#[derive(Debug, Deserialize)]
pub struct Wanted {
    #[serde(default)]
    limit: Option<usize>,
    /// The last file of the page before.
    #[serde(default)]
    after: Option<String>,
}

/// Takes a file. It is on disk, and so is its job, when this answers.
pub async fn create(
    State(server): State<Server>,
    OpenAiCaller(caller): OpenAiCaller,
    mut request: Request,
) -> Result<Json<Value>, OpenAiError> {
    caller.may(Permission::Write)?;
    room(&server).await?;
    let most = server.app.config().server.limits.upload_bytes;
    DefaultBodyLimit::max(usize::try_from(most).unwrap_or(usize::MAX)).apply(&mut request);
    let read = Multipart::from_request(request, &server).await;
    let mut form = read.map_err(|rejection| OpenAiError::invalid(None, rejection.body_text()))?;
    let scope = caller.scope(&server);
    let (mut file, mut collection) = (None, server.app.config().collection.clone());
    while let Some(field) = form.next_field().await.map_err(|error| cut(&error))? {
        match field.name() {
            Some("file") => {
                let name = field.file_name().unwrap_or_default().to_owned();
                let broken = |error: MultipartError| Error::permanent(error.body_text());
                file = Some(scope.receive(&name, field.map_err(broken)).await?);
            }
            Some("collection") => {
                collection = field.text().await.map_err(|error| cut(&error))?;
                check_collection(&collection)?;
            }
            // what a file is for makes no difference here
            _ => {}
        }
    }
    let file = file.ok_or_else(|| OpenAiError::invalid(Some("file"), "no file is sent: a field 'file' is expected"))?;
    let taken = scope.take(&collection, &BTreeMap::new(), Priority::Normal, vec![file]).await?;
    let record = taken.first().ok_or_else(|| Error::bug("a file was taken and is no document"))?;
    Ok(Json(object(record)))
}

pub async fn list(
    State(server): State<Server>,
    OpenAiCaller(caller): OpenAiCaller,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Value>, OpenAiError> {
    caller.may(Permission::Read)?;
    let after = match &wanted.after {
        Some(id) => Some(find(&server, &caller, id).await?.cursor()),
        None => None,
    };
    let limit = Some(wanted.limit.unwrap_or(DEFAULT_FILES).clamp(1, MAX_FILES));
    let filter = DocumentFilter { limit, after, ..DocumentFilter::default() };
    let Listing { documents, next_cursor } = caller.scope(&server).documents(&filter).await?;
    let there = documents.iter().filter(|record| record.state != Standing::Deleting);
    Ok(Json(page(there.map(object).collect(), next_cursor.is_some())))
}

pub async fn one(
    State(server): State<Server>,
    OpenAiCaller(caller): OpenAiCaller,
    Path(id): Path<String>,
) -> Result<Json<Value>, OpenAiError> {
    caller.may(Permission::Read)?;
    Ok(Json(object(&find(&server, &caller, &id).await?)))
}

pub async fn remove(
    State(server): State<Server>,
    OpenAiCaller(caller): OpenAiCaller,
    Path(id): Path<String>,
) -> Result<Json<Value>, OpenAiError> {
    caller.may(Permission::Write)?;
    let record = find(&server, &caller, &id).await?;
    caller.scope(&server).delete_document(record.document_id).await?;
    Ok(Json(json!({ "id": id, "object": "file", "deleted": true })))
}

/// # Errors
/// 404: the caller has no such document.
pub async fn find(server: &Server, caller: &Caller, id: &str) -> Result<DocumentRecord, OpenAiError> {
    let missing = || OpenAiError::not_found("not_found", Some("file_id"), format!("there is no file '{id}'"));
    let found = caller.scope(server).document(id.parse().map_err(|_| missing())?).await?;
    found.filter(|record| record.state != Standing::Deleting).ok_or_else(missing)
}

fn object(record: &DocumentRecord) -> Value {
    let status = match record.state {
        Standing::Queued | Standing::Processing => "uploaded",
        Standing::Indexed => "processed",
        Standing::Rejected | Standing::Dead | Standing::Deleting => "error",
    };
    json!({
        "id": record.document_id,
        "object": "file",
        "bytes": record.size_bytes,
        "created_at": seconds(&record.updated_at),
        "filename": record.source.name,
        "purpose": "assistants",
        "status": status,
        "status_details": record.reason,
    })
}

fn cut(error: &MultipartError) -> OpenAiError {
    OpenAiError::invalid(None, format!("the upload can't be read: {}", error.body_text()))
}
