//! Runs of configured pipelines.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;

use crate::server::runs::RunState;
use crate::server::wire::{Failures, RunBody};
use crate::server::{Caller, Permission, Problem, Server};

/// Starts a configured pipeline.
#[utoipa::path(post, path = "/v1/pipelines/{name}/runs", tag = "service",
    params(("name" = String, Path, description = "As the configuration calls it")),
    responses((status = 202, description = "It runs", body = RunBody), Failures))]
pub async fn start(
    State(server): State<Server>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<(StatusCode, Json<RunBody>), Problem> {
    caller.may(Permission::Write)?;
    let none = || Problem::not_found(format!("no pipeline '{name}' is configured"));
    let pipelines = server.pipelines.as_ref().ok_or_else(none)?;
    let run = pipelines.start(&caller.tenant, &name).await?.ok_or_else(none)?;
    Ok((StatusCode::ACCEPTED, Json(run.into())))
}

/// A run, and what it did.
#[utoipa::path(get, path = "/v1/runs/{id}", tag = "service", params(("id" = String, Path, description = "The run's id")),
    responses((status = 200, description = "The run", body = RunBody), Failures))]
pub async fn show(
    State(server): State<Server>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<RunBody>, Problem> {
    caller.may(Permission::Read)?;
    let none = || Problem::not_found(format!("there is no run {id}"));
    let pipelines = server.pipelines.as_ref().ok_or_else(none)?;
    let run = pipelines.run(&caller.tenant, &id).await.ok_or_else(none)?;
    Ok(Json(run.into()))
}

impl From<RunState> for RunBody {
    fn from(run: RunState) -> Self {
        let RunState { run_id, pipeline, state, summary, reason } = run;
        Self { run_id, pipeline, state: state.as_str().to_owned(), summary, reason }
    }
}
