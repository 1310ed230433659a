//! OpenAI's errors: `{"error": {message, type, param, code}}`.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::server::{Caller, Problem, Server};

/// A failed request, as OpenAI writes it.
#[derive(Debug)]
pub struct OpenAiError {
    status: StatusCode,
    message: String,
    kind: &'static str,
    /// The field that is wrong.
    param: Option<&'static str>,
    code: Option<&'static str>,
    retry_after_s: Option<u64>,
}

impl OpenAiError {
    /// 400: the request is not what it should be; `param` is the field, where it is one.
    pub fn invalid(param: Option<&'static str>, message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            message: message.into(),
            kind: "invalid_request_error",
            param,
            code: None,
            retry_after_s: None,
        }
    }

    /// 404, of a kind of thing that `code` names.
    pub fn not_found(code: &'static str, param: Option<&'static str>, message: impl Into<String>) -> Self {
        Self { status: StatusCode::NOT_FOUND, code: Some(code), ..Self::invalid(param, message) }
    }

    /// The body alone: in a stream, an error has no status any more.
    pub fn body(&self) -> Value {
        json!({ "error": { "message": self.message, "type": self.kind, "param": self.param, "code": self.code } })
    }
}

impl From<Problem> for OpenAiError {
    fn from(problem: Problem) -> Self {
        let status = problem.status();
        let (kind, code) = match status {
            StatusCode::UNAUTHORIZED => ("invalid_request_error", Some("invalid_api_key")),
            StatusCode::FORBIDDEN => ("invalid_request_error", Some("insufficient_permissions")),
            StatusCode::NOT_FOUND => ("invalid_request_error", Some("not_found")),
            StatusCode::TOO_MANY_REQUESTS => ("rate_limit_error", Some("rate_limit_exceeded")),
            status if status.is_client_error() => ("invalid_request_error", None),
            _ => ("server_error", None),
        };
        let message = problem.detail().to_owned();
        Self { status, message, kind, param: None, code, retry_after_s: problem.retry_after_s() }
    }
}

impl From<crate::error::Error> for OpenAiError {
    fn from(error: crate::error::Error) -> Self {
        Problem::from(error).into()
    }
}

impl IntoResponse for OpenAiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body())).into_response();
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// Who asks, with OpenAI's errors where that can't be told.
pub struct OpenAiCaller(pub Caller);

impl FromRequestParts<Server> for OpenAiCaller {
    type Rejection = OpenAiError;

    async fn from_request_parts(parts: &mut Parts, server: &Server) -> Result<Self, OpenAiError> {
        Ok(Self(Caller::from_request_parts(parts, server).await?))
    }
}

/// What a request's body says.
///
/// # Errors
/// 400: no JSON of this form.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, OpenAiError> {
    serde_json::from_slice(body)
        .map_err(|error| OpenAiError::invalid(None, format!("the request can't be read: {error}")))
}

/// The body of a request, with OpenAI's errors where it is too large or breaks off.
pub struct Body(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = OpenAiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, OpenAiError> {
        let read = Bytes::from_request(request, state).await;
        read.map(Self).map_err(|rejection| OpenAiError {
            status: rejection.status(),
            ..OpenAiError::invalid(None, format!("the request can't be read: {}", rejection.body_text()))
        })
    }
}
