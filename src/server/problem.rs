//! What went wrong, as RFC 9457 writes it. The one place that turns an error into an HTTP status.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::caller::Permission;
use crate::error::{Error, Kind};

/// A failed request.
#[derive(Debug, Serialize)]
pub struct Problem {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    /// Seconds before which trying again is not worth it.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_s: Option<u64>,
}

impl Problem {
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        Self { kind: "about:blank", title, status: status.as_u16(), detail: detail.into(), retry_after_s: None }
    }

    pub fn forbidden(needed: Permission) -> Self {
        Self::new(StatusCode::FORBIDDEN, format!("this needs a key with the scope {needed:?}"))
    }

    /// There is none, or it is not the caller's: nobody can tell which.
    pub fn not_found(what: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, what)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let (status, retry_after) = match error.kind() {
            Kind::Transient { retry_after } => (StatusCode::SERVICE_UNAVAILABLE, retry_after),
            Kind::Permanent => (StatusCode::UNPROCESSABLE_ENTITY, None),
            Kind::Configuration => (StatusCode::BAD_REQUEST, None),
            Kind::Bug => (StatusCode::INTERNAL_SERVER_ERROR, None),
        };
        Self { retry_after_s: retry_after.map(|wait| wait.as_secs().max(1)), ..Self::new(status, error.to_string()) }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = self.retry_after_s;
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
