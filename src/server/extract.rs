//! What routes read of a request, with problems where others would answer in plain text.

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::IntoResponse;
use serde::de::DeserializeOwned;

use super::problem::Problem;
use crate::types::DocumentId;

/// A body of JSON.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match axum::Json::<T>::from_request(request, state).await {
            Ok(axum::Json(value)) => Ok(Self(value)),
            Err(rejection) => Err(of_json(rejection)),
        }
    }
}

fn of_json(rejection: JsonRejection) -> Problem {
    match rejection {
        JsonRejection::MissingJsonContentType(_) => {
            let detail = "a body of JSON is expected: Content-Type: application/json";
            Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail)
        }
        JsonRejection::JsonSyntaxError(error) => {
            Problem::bad_request(format!("the body is no JSON: {}", error.body_text()))
        }
        JsonRejection::JsonDataError(error) => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error.body_text()),
        other => of_response(&other.into_response()),
    }
}

/// A body that is too large, or broke off.
fn of_response(response: &axum::response::Response) -> Problem {
    match response.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than server.limits.body_bytes allows")
        }
        status if status.is_client_error() => Problem::new(status, "the body could not be read to its end"),
        _ => Problem::bad_request("the body could not be read to its end"),
    }
}

/// What stands behind the question mark.
pub struct Params<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let found: Result<Query<T>, QueryRejection> = Query::from_request_parts(parts, state).await;
        found.map(|Query(value)| Self(value)).map_err(|rejection| Problem::bad_request(rejection.body_text()))
    }
}

/// # Errors
/// 404: no document has such an id.
pub fn document_id(text: &str) -> Result<DocumentId, Problem> {
    text.parse().map_err(|_| no_document(text))
}

/// What is said of a document that is not there, and of one that is somebody else's.
pub fn no_document(id: impl std::fmt::Display) -> Problem {
    Problem::not_found(format!("there is no document {id}"))
}

/// # Errors
/// 404: no page has such a number.
pub fn page_number(text: &str) -> Result<u32, Problem> {
    let number = text.parse().ok().filter(|number: &u32| *number > 0);
    number.ok_or_else(|| Problem::not_found(format!("there is no page {text}: pages are counted from 1")))
}
