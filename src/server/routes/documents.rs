//! `/v1/documents`: list, show, delete, retry, cancel, story.

use axum::Json;
use axum::extract::{Path, RawQuery, State};

use crate::ledger::State as DocumentState;
use crate::ledger::{DocumentFilter, DocumentRecord, MAX_FILTER_TAGS};
use crate::server::extract::{document_id, no_document};
use crate::server::wire::{DeletedBody, DocumentBody, DocumentsBody, Failures, StoryBody};
use crate::server::{Caller, Permission, Problem, Server};

/// Documents of a list where it is not told how many.
const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1_000;

/// Documents by source.
///
/// `tag.KEY=VALUE` (at most four) names tags that the documents have.
#[utoipa::path(get, path = "/v1/documents", tag = "documents",
    params(
        ("state" = Option<String>, Query, description = "queued, processing, indexed, rejected, dead or deleting"),
        ("source_prefix" = Option<String>, Query, description = "How their sources begin"),
        ("q" = Option<String>, Query, description = "What their sources or titles hold"),
        ("collection" = Option<String>, Query),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000),
        ("cursor" = Option<String>, Query, description = "next_cursor of the list before")
    ),
    responses((status = 200, description = "Documents", body = DocumentsBody), Failures))]
pub async fn list(
    State(server): State<Server>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<DocumentsBody>, Problem> {
    caller.may(Permission::Read)?;
    let filter = filter_of(query.as_deref().unwrap_or_default())?;
    let scope = caller.scope(&server);
    let found = scope.documents(&filter).await?;
    let counts = scope.count_documents(&filter).await?;
    let documents = found.documents.into_iter().map(DocumentBody::from).collect();
    Ok(Json(DocumentsBody { documents, next_cursor: found.next_cursor, counts }))
}

fn filter_of(query: &str) -> Result<DocumentFilter, Problem> {
    let mut filter = DocumentFilter { limit: Some(DEFAULT_LIMIT), ..DocumentFilter::default() };
    for (key, value) in pairs(query) {
        match key.as_str() {
            "state" => {
                let state = DocumentState::parse(&value).map_err(|error| Problem::bad_request(error.to_string()))?;
                filter.state = Some(state);
            }
            "source_prefix" => filter.source_prefix = Some(value),
            "q" => filter.text = Some(value),
            "collection" => filter.collection = Some(value),
            "cursor" => filter.after = Some(value),
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
                let expected = || Problem::bad_request(format!("limit is '{value}': 1 to {MAX_LIMIT} is expected"));
                filter.limit = Some(limit.ok_or_else(expected)?);
            }
            other => match other.strip_prefix("tag.").filter(|tag| !tag.is_empty()) {
                Some(tag) => drop(filter.tags.insert(tag.to_owned(), value)),
                None => return Err(Problem::bad_request(format!("'{other}' is no parameter of a list of documents"))),
            },
        }
    }
    if filter.tags.len() > MAX_FILTER_TAGS {
        return Err(Problem::bad_request(format!("at most {MAX_FILTER_TAGS} tags can be asked for at once")));
    }
    Ok(filter)
}

/// The pairs of a query, decoded.
fn pairs(query: &str) -> Vec<(String, String)> {
    let url = reqwest::Url::parse(&format!("http://here/?{query}"));
    let pairs = url.iter().flat_map(|url| url.query_pairs());
    pairs.map(|(key, value)| (key.into_owned(), value.into_owned())).filter(|(key, _)| !key.is_empty()).collect()
}

/// One document.
#[utoipa::path(get, path = "/v1/documents/{id}", tag = "documents", params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "The document", body = DocumentBody), Failures))]
pub async fn show(
    State(server): State<Server>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<DocumentBody>, Problem> {
    caller.may(Permission::Read)?;
    Ok(Json(find(&server, &caller, &id).await?.into()))
}

/// The caller's document of this id.
///
/// # Errors
/// 404: there is none that the caller may see.
pub async fn find(server: &Server, caller: &Caller, id: &str) -> Result<DocumentRecord, Problem> {
    let found = caller.scope(server).document(document_id(id)?).await?;
    found.ok_or_else(|| no_document(id))
}

/// Deletes a document from the index; of an upload the bytes as well, of other documents never the file.
#[utoipa::path(delete, path = "/v1/documents/{id}", tag = "documents", params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "What was deleted", body = DeletedBody), Failures))]
pub async fn delete(
    State(server): State<Server>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<DeletedBody>, Problem> {
    caller.may(Permission::Write)?;
    let record = find(&server, &caller, &id).await?;
    caller.scope(&server).delete_document(record.document_id).await?;
    Ok(Json(DeletedBody { deleted: record.into() }))
}

/// Tries a document again at once: rejected, dead, cancelled or waiting, or indexed with pages missing.
#[utoipa::path(post, path = "/v1/documents/{id}/retry", tag = "documents", params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "The document", body = DocumentBody), Failures))]
pub async fn retry(
    State(server): State<Server>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<DocumentBody>, Problem> {
    caller.may(Permission::Write)?;
    let tried = caller.scope(&server).retry_document(document_id(&id)?).await?;
    tried.map(|record| Json(record.into())).ok_or_else(|| no_document(id))
}

/// Calls the work on a document off; what is indexed of it stays.
#[utoipa::path(post, path = "/v1/documents/{id}/cancel", tag = "documents", params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "The document", body = DocumentBody), Failures))]
pub async fn cancel(
    State(server): State<Server>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<DocumentBody>, Problem> {
    caller.may(Permission::Write)?;
    let cancelled = caller.scope(&server).cancel_document(document_id(&id)?).await?;
    cancelled.map(|record| Json(record.into())).ok_or_else(|| no_document(id))
}

/// What happened to a document.
#[utoipa::path(get, path = "/v1/documents/{id}/story", tag = "documents", params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "Its story, the oldest first", body = StoryBody), Failures))]
pub async fn story(
    State(server): State<Server>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<StoryBody>, Problem> {
    caller.may(Permission::Read)?;
    let story = caller.scope(&server).story(document_id(&id)?).await?.ok_or_else(|| no_document(&id))?;
    Ok(Json(StoryBody { document: story.document.into(), events: story.events }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_becomes_a_filter() {
        let filter = filter_of("state=dead&tag.team=blue%20sky&limit=7&q=a+b&source_prefix=%2Finbox").unwrap();
        assert_eq!((filter.state, filter.limit), (Some(DocumentState::Dead), Some(7)));
        assert_eq!(filter.tags["team"], "blue sky");
        assert_eq!((filter.text.as_deref(), filter.source_prefix.as_deref()), (Some("a b"), Some("/inbox")));
        for wrong in
            ["state=lost", "limit=0", "limit=x", "tag.=1", "offset=3", "tag.a=1&tag.b=1&tag.c=1&tag.d=1&tag.e=1"]
        {
            assert!(filter_of(wrong).is_err(), "{wrong}");
        }
    }
}
