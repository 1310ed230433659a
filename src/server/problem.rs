//! What went wrong, as RFC 9457 writes it. The one place that turns an error into an HTTP status.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::{Blame, Error, Kind};
use crate::types::Permission;

/// The media type of problems.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// A failed request.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    #[serde(rename = "type")]
    about: &'static str,
    title: &'static str,
    status: u16,
    /// What was wrong, what was expected, what to do next.
    detail: String,
    /// `configuration` (of the request, too), `permanent`, `transient` or `bug`: as `--json` of the commands says.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    /// Seconds before which trying again is not worth it.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_s: Option<u64>,
}

impl Problem {
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        let detail = detail.into();
        Self { about: "about:blank", title, status: status.as_u16(), detail, kind: None, retry_after_s: None }
    }

    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// Nobody is told who they are by it: a wrong key and no key are one.
    pub fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "a key that holds is expected: Authorization: Bearer KEY")
    }

    pub fn forbidden(needed: Permission) -> Self {
        Self::new(StatusCode::FORBIDDEN, format!("this needs a key with the scope {}", needed.as_str()))
    }

    /// There is none, or it is not the caller's: nobody can tell which.
    pub fn not_found(what: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, what)
    }

    /// Too much at once.
    pub fn too_many(detail: impl Into<String>, retry_after_s: u64) -> Self {
        Self { retry_after_s: Some(retry_after_s.max(1)), ..Self::new(StatusCode::TOO_MANY_REQUESTS, detail) }
    }

    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    pub fn detail(&self) -> &str {
        &self.detail
    }

    pub fn retry_after_s(&self) -> Option<u64> {
        self.retry_after_s
    }
}

impl From<Error> for Problem {
    /// What the caller can mend is 4xx. What Quire itself is to blame for is written to the log, and told to nobody else.
    fn from(error: Error) -> Self {
        let (status, kind, retry_after) = match (error.kind(), error.blame()) {
            (Kind::Transient { retry_after }, _) => (StatusCode::SERVICE_UNAVAILABLE, "transient", retry_after),
            (Kind::Permanent, Blame::Document) => (StatusCode::UNPROCESSABLE_ENTITY, "permanent", None),
            (Kind::Configuration, _) => (StatusCode::BAD_REQUEST, "configuration", None),
            (Kind::Permanent | Kind::Bug, _) => {
                tracing::error!(%error, "a request failed by a fault of the service");
                let detail = "a fault of the service: its log says more, under the request's id";
                return Self { kind: Some("bug"), ..Self::new(StatusCode::INTERNAL_SERVER_ERROR, detail) };
            }
        };
        let retry_after_s = retry_after.map(|wait| wait.as_secs().max(1));
        Self { kind: Some(kind), retry_after_s, ..Self::new(status, error.to_string()) }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let retry_after = self.retry_after_s;
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
