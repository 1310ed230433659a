//! `GET /v1/models`: every collection that the caller has documents in is a model.

use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Value, json};

use super::error::{OpenAiCaller, OpenAiError};
use super::seconds;
use crate::app::OwnCollection;
use crate::server::{Caller, Permission, Server};

pub async fn list(
    State(server): State<Server>,
    OpenAiCaller(caller): OpenAiCaller,
) -> Result<Json<Value>, OpenAiError> {
    caller.may(Permission::Read)?;
    let own = caller.scope(&server).own_collections().await?;
    let data: Vec<Value> = own.iter().map(model).collect();
    Ok(Json(json!({ "object": "list", "data": data })))
}

pub async fn one(
    State(server): State<Server>,
    OpenAiCaller(caller): OpenAiCaller,
    Path(name): Path<String>,
) -> Result<Json<Value>, OpenAiError> {
    caller.may(Permission::Read)?;
    Ok(Json(model(&own(&server, &caller, &name).await?)))
}

/// The collection behind a model.
///
/// # Errors
/// 404: the caller has nothing in a collection of that name.
pub async fn own(server: &Server, caller: &Caller, name: &str) -> Result<OwnCollection, OpenAiError> {
    let scope = caller.scope(server);
    if let Some(own) = scope.own_collection(name).await? {
        return Ok(own);
    }
    let names: Vec<String> = scope.own_collections().await?.into_iter().map(|own| own.name).collect();
    let known =
        if names.is_empty() { "nothing is indexed yet".to_owned() } else { format!("there is {}", names.join(", ")) };
    let message = format!("the model '{name}' does not exist: {known}");
    Err(OpenAiError::not_found("model_not_found", Some("model"), message))
}

fn model(own: &OwnCollection) -> Value {
    json!({ "id": own.name, "object": "model", "created": seconds(&own.created_at), "owned_by": "quire" })
}
