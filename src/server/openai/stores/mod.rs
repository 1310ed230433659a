//! Vector stores: a collection is one. Its id is the collection's name.

pub mod files;
pub mod search;

use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Value, json};

use super::error::{OpenAiCaller, OpenAiError};
use super::{page, seconds};
use crate::app::OwnCollection;
use crate::ledger::State as Standing;
use crate::server::{Caller, Permission, Server};

pub async fn list(
    State(server): State<Server>,
    OpenAiCaller(caller): OpenAiCaller,
) -> Result<Json<Value>, OpenAiError> {
    caller.may(Permission::Read)?;
    let own = caller.scope(&server).own_collections().await?;
    Ok(Json(page(own.iter().map(store).collect(), false)))
}

pub async fn one(
    State(server): State<Server>,
    OpenAiCaller(caller): OpenAiCaller,
    Path(name): Path<String>,
) -> Result<Json<Value>, OpenAiError> {
    caller.may(Permission::Read)?;
    Ok(Json(store(&own(&server, &caller, &name).await?)))
}

/// # Errors
/// 404: the caller has nothing in a collection of that name.
async fn own(server: &Server, caller: &Caller, name: &str) -> Result<OwnCollection, OpenAiError> {
    let own = caller.scope(server).own_collection(name).await?;
    own.ok_or_else(|| {
        let message = format!("there is no vector store '{name}': its id is the name of a collection");
        OpenAiError::not_found("not_found", Some("vector_store_id"), message)
    })
}

fn store(own: &OwnCollection) -> Value {
    let of = |states: &[Standing]| states.iter().filter_map(|state| own.documents.get(state)).sum::<u64>();
    let in_progress = of(&[Standing::Queued, Standing::Processing]);
    let completed = of(&[Standing::Indexed]);
    let failed = of(&[Standing::Rejected, Standing::Dead]);
    json!({
        "id": own.name,
        "object": "vector_store",
        "created_at": seconds(&own.created_at),
        "name": own.name,
        "usage_bytes": 0,
        "file_counts": {
            "in_progress": in_progress,
            "completed": completed,
            "failed": failed,
            "cancelled": 0,
            "total": in_progress + completed + failed,
        },
        "status": if in_progress > 0 { "in_progress" } else { "completed" },
        "expires_after": null,
        "expires_at": null,
        "last_active_at": null,
        "metadata": {},
    })
}
