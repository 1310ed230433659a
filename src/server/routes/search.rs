//! `POST /v1/search`.

use axum::Json;
use axum::extract::State;

use crate::server::extract::Body;
use crate::server::wire::{Failures, SearchBody, SearchRequest};
use crate::server::{Caller, Permission, Problem, Server};

/// Finds the pages that look most like an answer.
#[utoipa::path(post, path = "/v1/search", tag = "questions", request_body = SearchRequest,
    responses((status = 200, description = "Pages, best first", body = SearchBody), Failures))]
pub async fn search(
    State(server): State<Server>,
    caller: Caller,
    Body(request): Body<SearchRequest>,
) -> Result<Json<SearchBody>, Problem> {
    caller.may(Permission::Read)?;
    let scope = caller.scope(&server);
    let question = request.question(&scope).await?;
    let _turn = server.question_turn().await?;
    let found = scope.search(&question).await?;
    Ok(Json(SearchBody::of(found, server.links().await?)))
}
