//! `GET /v1/status`: how the service is.

use axum::Json;
use axum::extract::State;
use serde_json::json;

use super::collections::own;
use crate::server::wire::{Failures, StatusBody};
use crate::server::{Caller, Permission, Problem, Server};
use crate::source::EXTENSIONS;

/// How the service is.
#[utoipa::path(get, path = "/v1/status", tag = "service",
    responses((status = 200, description = "Queue, store, model, disk, and the tenant's collections", body = StatusBody), Failures))]
pub async fn status(State(server): State<Server>, caller: Caller) -> Result<Json<StatusBody>, Problem> {
    caller.may(Permission::Read)?;
    let scope = caller.scope(&server);
    let app = &server.app;
    let config = app.config();
    let queue = app.queue().await?;
    let store = match &config.store.server {
        Some(_) => json!({ "kind": "qdrant" }),
        None => json!({ "kind": "edge" }),
    };
    let (used_bytes, free_bytes) = app.disk_bytes().await?;
    Ok(Json(StatusBody {
        version: env!("CARGO_PKG_VERSION"),
        collections: own(&scope).await?,
        queue: json!({
            "queued": queue.waiting,
            "processing": queue.in_work,
            "oldest_s": queue.oldest_ms.map_or(0.0, |ms| ms as f64 / 1e3),
        }),
        pages_per_second: server.health.pages_per_second(std::time::Instant::now()),
        store,
        model: json!({ "name": config.model, "device": format!("{:?}", config.embed.device).to_lowercase() }),
        disk: json!({ "free_bytes": free_bytes, "used_bytes": used_bytes }),
        watched: server.health.watched(),
        formats: EXTENSIONS.iter().map(|extension| (*extension).to_owned()).collect(),
    }))
}
