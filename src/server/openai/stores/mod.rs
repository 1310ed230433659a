//! Vector stores: a collection is one. Its id is the collection's name.
//!
//! One that is made here is always a new collection, whose name begins with what the client calls it. It belongs to the tenant that
//! made it, also while it is empty, and only such a one is deleted here: others hold documents that came by other ways.

pub mod batches;
pub mod files;
pub mod search;

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::{Body, OpenAiCaller, OpenAiError, parse};
use super::{page, seconds};
use crate::app::OwnCollection;
use crate::ledger::State as Standing;
use crate::server::routes::room;
use crate::server::{Caller, Permission, Server};
use batches::Batch;

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

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Created {
    name: Option<String>,
    file_ids: Vec<String>,
    /// Nothing expires here.
    expires_after: Option<Value>,
}

/// Makes a vector store, with the files that the request names in it.
pub async fn create(
    State(server): State<Server>,
    OpenAiCaller(caller): OpenAiCaller,
    Body(body): Body,
) -> Result<Json<Value>, OpenAiError> {
    caller.may(Permission::Write)?;
    let body: &[u8] = if body.is_empty() { b"{}" } else { &body };
    let Created { name, file_ids, expires_after } = parse(body)?;
    if expires_after.is_some() {
        let message = "a vector store stays until it is deleted: leave out expires_after";
        return Err(OpenAiError::invalid(Some("expires_after"), message));
    }
    room(&server).await?;
    let batch = Batch::of_ids(file_ids);
    // what can't be put in is told before there is anything
    let records = batch.find(&server, &caller).await?;
    let name = name.unwrap_or_default();
    let made = caller.scope(&server).make_collection(&name).await?;
    batch.attach(&server, &caller, &made.name, records).await?;
    let mut object = store(&own(&server, &caller, &made.name).await?);
    if !name.is_empty() {
        object["name"] = json!(name);
    }
    Ok(Json(object))
}

/// Deletes a vector store that was made here, and its files in it; where else they are, they stay.
pub async fn remove(
    State(server): State<Server>,
    OpenAiCaller(caller): OpenAiCaller,
    Path(name): Path<String>,
) -> Result<Json<Value>, OpenAiError> {
    caller.may(Permission::Write)?;
    own(&server, &caller, &name).await?;
    if !caller.scope(&server).drop_made(&name).await? {
        let message = format!(
            "'{name}' is a collection that was not made as a vector store, and stays: delete its files, or have it dropped \
             with `quire collections drop`"
        );
        return Err(OpenAiError::invalid(Some("vector_store_id"), message));
    }
    Ok(Json(json!({ "id": name, "object": "vector_store.deleted", "deleted": true })))
}

/// # Errors
/// 404: the caller has nothing in a collection of that name, and did not make it.
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
