//! `POST /v1/documents`: files as `multipart/form-data`, streamed to disk as they come.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::multipart::{Field, MultipartError, MultipartRejection};
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::TryStreamExt;
use serde_json::{Value, json};

use crate::app::{DocumentView, Received};
use crate::config::is_name;
use crate::error::{Blame, Error};
use crate::ledger::Receipt;
use crate::server::wire::{DocumentBody, Failures, UploadedBody};
use crate::server::{Caller, Permission, Problem, Server};
use crate::types::{ALLOWED, Priority, allowed_tag};

/// Bytes of a field that is no file.
const MAX_FIELD_BYTES: usize = 64 << 10;
/// Files of one request.
const MAX_FILES: usize = 1_000;
/// Characters of an idempotency key.
const MAX_KEY: usize = 255;
/// Seconds after which a full queue is worth another look.
const RETRY_AFTER_S: u64 = 30;

/// Takes files: 202 when their bytes and jobs are on disk.
///
/// Fields: `file` (any number), `collection`, `tags` (a JSON object; `allowed` may be a list of groups), `priority` (`high`, `normal` or
/// `low`, beside the tenant's other documents). With an
/// `Idempotency-Key` the same request sent again is answered as before, within a day.
#[utoipa::path(post, path = "/v1/documents", tag = "documents",
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes sending it again harmless")),
    request_body(content = UploadForm, content_type = "multipart/form-data"),
    responses((status = 202, description = "Taken", body = UploadedBody), Failures))]
pub async fn upload(State(server): State<Server>, caller: Caller, request: Request) -> Result<Response, Problem> {
    caller.may(Permission::Write)?;
    room(&server).await?;
    let key = idempotency_key(request.headers())?;
    let form = Form::read(&server, &caller, request).await?;
    let scope = caller.scope(&server);
    let fingerprint = form.fingerprint();
    if let Some(key) = &key
        && let Some(receipt) = scope.receipt(key).await?
    {
        return answered_before(&receipt, &fingerprint);
    }
    let collection = form.collection.unwrap_or_else(|| server.app.config().collection.clone());
    let records = scope.take(&collection, &form.tags, form.priority.unwrap_or_default(), form.files).await?;
    let documents: Vec<DocumentBody> = records.into_iter().map(DocumentView::from).map(DocumentBody::from).collect();
    let body = UploadedBody { documents };
    if let Some(key) = &key {
        let response =
            serde_json::to_string(&body).map_err(|error| Error::bug("an answer is JSON").with_source(error))?;
        scope.put_receipt(key, &Receipt { request: fingerprint, response }).await?;
    }
    Ok((StatusCode::ACCEPTED, Json(body)).into_response())
}

/// The form, for the OpenAPI document.
#[derive(utoipa::ToSchema)]
#[allow(dead_code, reason = "a schema")]
struct UploadForm {
    #[schema(value_type = Vec<String>, format = Binary)]
    file: Vec<Vec<u8>>,
    collection: Option<String>,
    /// A JSON object of texts; `allowed` may be a list of groups.
    tags: Option<String>,
    /// `high`, `normal` or `low`: in which order the tenant's documents are taken.
    priority: Option<String>,
}

/// Whether more documents may wait.
///
/// # Errors
/// 429: as many documents wait as may.
pub async fn room(server: &Server) -> Result<(), Problem> {
    let most = server.app.config().server.limits.queued_documents;
    let waiting = server.app.queue().await?.waiting;
    if waiting < most {
        return Ok(());
    }
    let detail = format!("{waiting} documents wait to be indexed, and {most} may (server.limits.queued_documents)");
    Err(Problem::too_many(detail, RETRY_AFTER_S))
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| !key.is_empty() && key.len() <= MAX_KEY);
    let wrong = || Problem::bad_request(format!("Idempotency-Key: 1 to {MAX_KEY} visible characters are expected"));
    key.map(|key| Some(key.to_owned())).ok_or_else(wrong)
}

fn answered_before(receipt: &Receipt, fingerprint: &str) -> Result<Response, Problem> {
    if receipt.request != fingerprint {
        let detail = "this Idempotency-Key came with another request before: each request needs one of its own";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
    }
    let body: Value = serde_json::from_str(&receipt.response)
        .map_err(|error| Error::bug("an answer that was kept is no JSON").with_source(error))?;
    Ok((StatusCode::ACCEPTED, Json(body)).into_response())
}

/// What was sent.
#[derive(Default)]
struct Form {
    files: Vec<Received>,
    collection: Option<String>,
    tags: BTreeMap<String, String>,
    priority: Option<Priority>,
}

impl Form {
    /// Reads all of it before anything is taken: what is cut off leaves nothing behind.
    async fn read(server: &Server, caller: &Caller, mut request: Request) -> Result<Self, Problem> {
        let most = server.app.config().server.limits.upload_bytes;
        DefaultBodyLimit::max(usize::try_from(most).unwrap_or(usize::MAX)).apply(&mut request);
        let mut multipart = Multipart::from_request(request, server).await.map_err(|rejection| no_form(&rejection))?;
        let scope = caller.scope(server);
        let mut form = Self::default();
        while let Some(field) = multipart.next_field().await.map_err(|error| cut(&error))? {
            match field.name().unwrap_or_default() {
                "file" | "file[]" | "files" | "files[]" => {
                    if form.files.len() == MAX_FILES {
                        return Err(Problem::bad_request(format!("more than {MAX_FILES} files in one request")));
                    }
                    let name = field.file_name().unwrap_or_default().to_owned();
                    let broken = |error: MultipartError| Error::permanent(cut(&error).detail().to_owned());
                    let received = scope.receive(&name, field.map_err(broken)).await;
                    form.files.push(received.map_err(of_file)?);
                }
                "collection" => form.collection = Some(text(field).await?),
                "tags" => form.tags = tags(&text(field).await?)?,
                "priority" => {
                    let wrong = |error: Error| Problem::bad_request(format!("priority: {error}"));
                    form.priority = Some(text(field).await?.parse().map_err(wrong)?);
                }
                other => {
                    return Err(Problem::bad_request(format!(
                        "'{other}' is no field: file, collection, tags and priority are"
                    )));
                }
            }
        }
        if form.files.is_empty() {
            return Err(Problem::bad_request("no file is sent: a field 'file' is expected"));
        }
        if let Some(collection) = &form.collection {
            check_collection(collection)?;
        }
        Ok(form)
    }

    fn fingerprint(&self) -> String {
        let files: Vec<_> = self.files.iter().map(Received::fingerprint).collect();
        let mut asked = json!({ "files": files, "collection": self.collection, "tags": self.tags });
        if let Some(priority) = self.priority {
            asked["priority"] = json!(priority);
        }
        asked.to_string()
    }
}

/// # Errors
/// 400: no collection can be called so.
pub fn check_collection(name: &str) -> Result<(), Problem> {
    if is_name(name) && !name.contains("--") {
        return Ok(());
    }
    Err(Problem::bad_request(format!(
        "'{name}' can't be a collection's name: 1 to 64 letters, digits, '-', '_' and '.', a letter or digit first"
    )))
}

async fn text(field: Field<'_>) -> Result<String, Problem> {
    let name = field.name().unwrap_or_default().to_owned();
    let mut bytes = Vec::new();
    let mut field = std::pin::pin!(field);
    while let Some(piece) = field.try_next().await.map_err(|error| cut(&error))? {
        bytes.extend_from_slice(&piece);
        if bytes.len() > MAX_FIELD_BYTES {
            let detail = format!("the field '{name}' is larger than {MAX_FIELD_BYTES} bytes");
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
        }
    }
    String::from_utf8(bytes).map_err(|_| Problem::bad_request(format!("the field '{name}' is no text in UTF-8")))
}

/// `{"team": "a", "allowed": ["finance"]}`.
fn tags(text: &str) -> Result<BTreeMap<String, String>, Problem> {
    let wrong = |what: &str| Problem::bad_request(format!("tags: {what}: a JSON object of texts is expected"));
    let Ok(Value::Object(object)) = serde_json::from_str::<Value>(text) else { return Err(wrong("it is none")) };
    let mut tags = BTreeMap::new();
    for (key, value) in object {
        let value = match value {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Bool(value) => value.to_string(),
            Value::Array(groups) if key == ALLOWED => {
                let groups: Option<Vec<String>> =
                    groups.iter().map(|group| group.as_str().map(str::to_owned)).collect();
                let groups = groups.ok_or_else(|| wrong("'allowed' is no list of groups"))?;
                allowed_tag(&groups).map_err(|error| Problem::bad_request(format!("tags: {error}")))?
            }
            _ => return Err(wrong(&format!("'{key}' is no text"))),
        };
        if key.trim().is_empty() {
            return Err(wrong("a tag has no name"));
        }
        tags.insert(key, value);
    }
    Ok(tags)
}

fn no_form(rejection: &MultipartRejection) -> Problem {
    let detail = format!("files are expected as multipart/form-data: {}", rejection.body_text());
    match rejection.status() {
        StatusCode::BAD_REQUEST => Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail),
        status => Problem::new(status, detail),
    }
}

/// A request that ended before its form did, or is too large.
fn cut(error: &MultipartError) -> Problem {
    match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "the upload is larger than server.limits.upload_bytes allows")
        }
        StatusCode::INTERNAL_SERVER_ERROR => Problem::bad_request("the upload broke off"),
        _ => Problem::bad_request(format!("the upload can't be read: {}", error.body_text())),
    }
}

/// A file that is too large is 413, one that broke off 400.
fn of_file(error: Error) -> Problem {
    match (error.limit(), error.is_transient(), error.blame()) {
        (Some(_), ..) => Problem::new(StatusCode::PAYLOAD_TOO_LARGE, error.to_string()),
        (None, false, Blame::Document) => Problem::bad_request(error.to_string()),
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_texts_and_allowed_may_be_a_list() {
        let read = tags(r#"{"team": "a", "year": 2024, "allowed": ["finance", "legal"]}"#).unwrap();
        assert_eq!((read["team"].as_str(), read["year"].as_str()), ("a", "2024"));
        assert_eq!(read["allowed"], "finance,legal");
        for wrong in ["[]", "x", r#"{"a": {}}"#, r#"{"allowed": ["a,b"]}"#, r#"{"allowed": [1]}"#, r#"{" ": "x"}"#] {
            assert!(tags(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_of_collections() {
        assert!(check_collection("reports-2024.x").is_ok());
        for wrong in ["", "-a", "a--b", "a b", "ž", &"a".repeat(65)] {
            assert!(check_collection(wrong).is_err(), "{wrong}");
        }
    }
}
