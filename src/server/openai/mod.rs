//! OpenAI's API: chat completions, models, files and vector stores. A collection is a model that answers from its pages, and a
//! vector store; a document is a file.
//!
//! Fields that are not known here are accepted and ignored; errors have OpenAI's shape whatever went wrong.

mod answer;
mod cards;
mod chat;
mod chores;
mod completion;
mod error;
mod files;
mod filters;
mod models;
mod options;
mod stores;
mod stream;
mod wire;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

use serde_json::{Value, json};

use super::Server;

/// The routes under `/v1` that are OpenAI's.
pub fn routes() -> Router<Server> {
    Router::new()
        .route("/v1/chat/completions", post(chat::complete).layer(DefaultBodyLimit::max(wire::MAX_REQUEST_BYTES)))
        .route("/v1/models", get(models::list))
        .route("/v1/models/{model}", get(models::one))
        .route("/v1/files", get(files::list).post(files::create))
        .route("/v1/files/{file}", get(files::one).delete(files::remove))
        .route("/v1/vector_stores", get(stores::list).post(stores::create))
        .route("/v1/vector_stores/{store}", get(stores::one).delete(stores::remove))
        .route("/v1/vector_stores/{store}/file_batches", post(stores::batches::create))
        .route("/v1/vector_stores/{store}/file_batches/{batch}", get(stores::batches::one))
        .route("/v1/vector_stores/{store}/file_batches/{batch}/files", get(stores::batches::files))
        .route("/v1/vector_stores/{store}/files", get(stores::files::list).post(stores::files::attach))
        .route("/v1/vector_stores/{store}/files/{file}", get(stores::files::one).delete(stores::files::remove))
        .route("/v1/vector_stores/{store}/search", post(stores::search::search))
}

/// Unix seconds of a moment in RFC 3339, as OpenAI writes moments.
fn seconds(moment: &str) -> i64 {
    moment.parse::<jiff::Timestamp>().map_or(0, jiff::Timestamp::as_second)
}

/// A page of a list, as OpenAI's clients walk them.
fn page(data: Vec<Value>, has_more: bool) -> Value {
    let end = |item: Option<&Value>| item.map_or(Value::Null, |item| item["id"].clone());
    json!({
        "object": "list",
        "first_id": end(data.first()),
        "last_id": end(data.last()),
        "has_more": has_more,
        "data": data,
    })
}
