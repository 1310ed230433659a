//! Dify's external knowledge: `POST /retrieval`. A knowledge base is a collection; a record is a page.
//!
//! The protocol as Dify's `ExternalDatasetService` speaks it and docs.dify.ai describes it: errors are `{error_code, error_msg}`, a
//! score lies between 0 and 1, and a record's metadata is an object whatever happens.

mod condition;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::cited::{Addresses, CitedPage};
use super::knowledge::{self, Wanted};
use super::{Caller, Permission, Problem, Server};
use condition::MetadataCondition;

/// Pages where a request names no number; Dify always does.
const DEFAULT_TOP_K: usize = 4;
/// Most pages of one request.
const MAX_TOP_K: usize = 100;

#[derive(Debug, Deserialize)]
struct Retrieval {
    knowledge_id: String,
    query: String,
    #[serde(default)]
    retrieval_setting: Setting,
    #[serde(default)]
    metadata_condition: Option<MetadataCondition>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Setting {
    top_k: Option<usize>,
    score_threshold: Option<f32>,
}

#[derive(Debug, Serialize)]
struct Records {
    records: Vec<Record>,
}

/// A page, as Dify hands it to a model.
#[derive(Debug, Serialize)]
struct Record {
    content: String,
    score: f32,
    title: String,
    metadata: Map<String, Value>,
}

/// Finds the pages of a collection that answer a question.
pub async fn retrieve(
    State(server): State<Server>,
    DifyCaller(caller): DifyCaller,
    addresses: Addresses,
    body: Bytes,
) -> Result<Response, DifyError> {
    let request: Retrieval = serde_json::from_slice(&body).map_err(|error| {
        DifyError::new(StatusCode::BAD_REQUEST, 1003, format!("the request can't be read: {error}"))
    })?;
    caller.may(Permission::Read)?;
    if caller.scope(&server).own_collection(&request.knowledge_id).await?.is_none() {
        let message = format!("there is no knowledge '{}': its id is the name of a collection", request.knowledge_id);
        return Err(DifyError::new(StatusCode::NOT_FOUND, 2001, message));
    }
    let condition = request.metadata_condition.map(MetadataCondition::into_condition).transpose();
    let condition = condition.map_err(|message| DifyError::new(StatusCode::BAD_REQUEST, 1003, message))?.flatten();
    let wanted = Wanted {
        query: &request.query,
        collection: &request.knowledge_id,
        limit: request.retrieval_setting.top_k.unwrap_or(DEFAULT_TOP_K).clamp(1, MAX_TOP_K),
        least_score: request.retrieval_setting.score_threshold,
        condition: condition.as_ref(),
    };
    let pages = knowledge::search(&server, &caller, &addresses, wanted).await?;
    Ok(Json(Records { records: pages.into_iter().map(record).collect() }).into_response())
}

fn record(page: CitedPage) -> Record {
    let content = page.readable();
    let mut metadata = Map::new();
    for (key, value) in &page.tags {
        metadata.insert(key.clone(), json!(value));
    }
    // the page's own fields win over tags of the same name
    if let Ok(Value::Object(fields)) = serde_json::to_value(&page) {
        metadata.extend(fields.into_iter().filter(|(key, _)| !matches!(key.as_str(), "score" | "title")));
    }
    metadata.insert("source".into(), json!(super::cited::file_name(&page.source)));
    Record { content, score: page.score, title: format!("{}, page {}", page.title, page.page), metadata }
}

/// Who asks, with Dify's errors where that can't be told.
pub struct DifyCaller(Caller);

impl FromRequestParts<Server> for DifyCaller {
    type Rejection = DifyError;

    async fn from_request_parts(parts: &mut Parts, server: &Server) -> Result<Self, DifyError> {
        Ok(Self(Caller::from_request_parts(parts, server).await?))
    }
}

/// `{error_code, error_msg}`.
#[derive(Debug)]
pub struct DifyError {
    status: StatusCode,
    /// As docs.dify.ai numbers them: 1001 no key in the right form, 1002 a wrong one, 2001 no such knowledge.
    code: u32,
    message: String,
}

impl DifyError {
    fn new(status: StatusCode, code: u32, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }
}

impl From<crate::error::Error> for DifyError {
    fn from(error: crate::error::Error) -> Self {
        Problem::from(error).into()
    }
}

impl From<Problem> for DifyError {
    fn from(problem: Problem) -> Self {
        let code = match problem.status() {
            StatusCode::UNAUTHORIZED => 1001,
            StatusCode::FORBIDDEN => 1002,
            StatusCode::NOT_FOUND => 2001,
            status => u32::from(status.as_u16()),
        };
        Self::new(problem.status(), code, problem.detail())
    }
}

impl IntoResponse for DifyError {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "error_code": self.code, "error_msg": self.message }))).into_response()
    }
}
