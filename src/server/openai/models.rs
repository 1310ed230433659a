//! `GET /v1/models`: every collection that the caller has documents in is a model, and so is every configured pipeline that brings
//! documents into one. A collection answers by its own plan; a pipeline by the pipeline's, from documents with the pipeline's tags.
//!
//! Where a pipeline and a collection have the same name, the name means the collection.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Value, json};

use super::error::{OpenAiCaller, OpenAiError};
use super::seconds;
use crate::app::OwnCollection;
use crate::server::{AskedPipeline, Caller, Permission, Server};

/// What the name of a model stands for.
pub struct Model {
    name: String,
    /// RFC 3339.
    created_at: String,
    pub collection: String,
    /// None: the collection's own.
    pub plan: Option<String>,
    /// Of the documents that it answers from.
    pub tags: BTreeMap<String, String>,
}

pub async fn list(
    State(server): State<Server>,
    OpenAiCaller(caller): OpenAiCaller,
) -> Result<Json<Value>, OpenAiError> {
    caller.may(Permission::Read)?;
    let models = all(&server, &caller).await?;
    Ok(Json(json!({ "object": "list", "data": models.iter().map(Model::object).collect::<Vec<_>>() })))
}

pub async fn one(
    State(server): State<Server>,
    OpenAiCaller(caller): OpenAiCaller,
    Path(name): Path<String>,
) -> Result<Json<Value>, OpenAiError> {
    caller.may(Permission::Read)?;
    Ok(Json(find(&server, &caller, &name).await?.object()))
}

/// What stands behind the name of a model.
///
/// # Errors
/// 404: the caller has nothing in a collection of that name, nor in that of a pipeline of that name.
pub async fn find(server: &Server, caller: &Caller, name: &str) -> Result<Model, OpenAiError> {
    let scope = caller.scope(server);
    if let Some(own) = scope.own_collection(name).await? {
        return Ok(Model::of(own));
    }
    let models = all(server, caller).await?;
    let names: Vec<String> = models.iter().map(|model| model.name.clone()).collect();
    models.into_iter().find(|model| model.name == name).ok_or_else(|| {
        let known = match names.is_empty() {
            true => "nothing is indexed yet".to_owned(),
            false => format!("there is {}", names.join(", ")),
        };
        let message = format!("the model '{name}' does not exist: {known}");
        OpenAiError::not_found("model_not_found", Some("model"), message)
    })
}

async fn all(server: &Server, caller: &Caller) -> Result<Vec<Model>, OpenAiError> {
    let own = caller.scope(server).own_collections().await?;
    let pipelines = server.pipelines.as_ref().map(|pipelines| pipelines.asked(&caller.tenant)).unwrap_or_default();
    let other_name = |pipeline: &AskedPipeline| own.iter().all(|own| own.name != pipeline.name);
    let asked = pipelines.into_iter().filter(other_name).filter_map(|pipeline| {
        let collection = own.iter().find(|own| own.name == pipeline.collection)?;
        Some(Model::of_pipeline(pipeline, collection))
    });
    let asked: Vec<Model> = asked.collect();
    Ok(own.into_iter().map(Model::of).chain(asked).collect())
}

impl Model {
    fn of(own: OwnCollection) -> Self {
        Self {
            name: own.name.clone(),
            created_at: own.created_at,
            collection: own.name,
            plan: None,
            tags: BTreeMap::new(),
        }
    }

    fn of_pipeline(pipeline: AskedPipeline, own: &OwnCollection) -> Self {
        let AskedPipeline { name, collection, plan, tags } = pipeline;
        Self { name, created_at: own.created_at.clone(), collection, plan, tags }
    }

    fn object(&self) -> Value {
        json!({ "id": self.name, "object": "model", "created": seconds(&self.created_at), "owned_by": "quire" })
    }
}
