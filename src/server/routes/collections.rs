//! `GET /v1/collections`.

use axum::Json;
use axum::extract::State;

use crate::app::{CollectionStatus, Scope};
use crate::error::Result;
use crate::server::wire::{CollectionBody, CollectionsBody, Failures};
use crate::server::{Caller, Permission, Problem, Server};

/// Collections in which the caller's tenant has anything.
#[utoipa::path(get, path = "/v1/collections", tag = "service",
    responses((status = 200, description = "Collections, by name", body = CollectionsBody), Failures))]
pub async fn collections(State(server): State<Server>, caller: Caller) -> Result<Json<CollectionsBody>, Problem> {
    caller.may(Permission::Read)?;
    let collections = own(&caller.scope(&server)).await?;
    Ok(Json(CollectionsBody { collections }))
}

/// Those that hold something of the scope's: others are none of its business.
pub async fn own(scope: &Scope<'_>) -> Result<Vec<CollectionBody>> {
    let all = scope.collections().await?.into_iter();
    Ok(all.filter(|collection| !collection.documents.is_empty()).map(CollectionBody::from).collect())
}

impl From<CollectionStatus> for CollectionBody {
    fn from(status: CollectionStatus) -> Self {
        Self {
            name: status.name,
            documents: status.documents,
            pages: status.pages,
            plans: status.plans,
            plan: status.default_plan,
            model: status.model,
            building: status.rebuilding,
        }
    }
}
