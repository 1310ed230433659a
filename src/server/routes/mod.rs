//! Every route, a file a subject. A route reads, asks the caller's scope, and writes.

mod answers;
mod collections;
mod documents;
mod events;
mod originals;
mod pages;
mod runs;
mod search;
mod status;
mod uploads;

use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use uploads::{check_collection, room};

use super::openapi::Keys;
use super::problem::Problem;
use super::{Server, health};

/// What the OpenAPI document says of the service as a whole.
#[derive(OpenApi)]
#[openapi(
    info(title = "Quire", description = "Visual document retrieval for Qdrant: pages, answers, citations that can be checked."),
    components(schemas(Problem)),
    modifiers(&Keys),
    tags(
        (name = "questions", description = "Search and answers"),
        (name = "documents", description = "Documents, their pages and stories"),
        (name = "service", description = "Collections, runs, state, health")
    )
)]
struct Document;

/// The routes with their description.
pub fn all() -> OpenApiRouter<Server> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(search::search))
        .routes(routes!(answers::ask))
        .routes(routes!(collections::collections))
        .routes(routes!(documents::list, uploads::upload))
        .routes(routes!(documents::show, documents::delete))
        .routes(routes!(documents::retry))
        .routes(routes!(documents::cancel))
        .routes(routes!(documents::story))
        .routes(routes!(events::of_document))
        .routes(routes!(events::all))
        .routes(routes!(originals::original))
        .routes(routes!(pages::page))
        .routes(routes!(pages::image))
        .routes(routes!(pages::heatmap))
        .routes(routes!(runs::start))
        .routes(routes!(runs::show))
        .routes(routes!(status::status))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(health::metrics))
}
