//! `/v1/documents/{id}/pages/{n}`: what stands on a page, its picture, and where it answers.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Deserialize;

use crate::app::{HeatmapRequest, PageImageFile};
use crate::error::Error;
use crate::server::extract::{Params, document_id, no_document, page_number};
use crate::server::links::{Signed, Target};
use crate::server::wire::{Failures, PageBody};
use crate::server::{Caller, Permission, Problem, Server};
use crate::types::{DocumentId, Tenant};

/// A generation never changes: what was fetched under its address stays good.
const CACHED: HeaderValue = HeaderValue::from_static("private, max-age=86400");

/// What stands on a page.
#[utoipa::path(get, path = "/v1/documents/{id}/pages/{n}", tag = "documents",
    params(("id" = String, Path, description = "The document's id"), ("n" = u32, Path, description = "Counted from 1")),
    responses((status = 200, description = "Text, place in the outline, links", body = PageBody), Failures))]
pub async fn page(
    State(server): State<Server>,
    caller: Caller,
    Path((id, number)): Path<(String, String)>,
) -> Result<Json<PageBody>, Problem> {
    caller.may(Permission::Read)?;
    let (document, number) = (document_id(&id)?, page_number(&number)?);
    let scope = caller.scope(&server);
    if scope.document(document).await?.is_none() {
        return Err(no_document(document));
    }
    let page = scope.page(document, number).await.map_err(missing)?;
    let links = server.links().await?;
    Ok(Json(PageBody {
        document_id: document,
        text: if page.text_unreadable { String::new() } else { page.text },
        title: page.title,
        source: page.source,
        page: page.page,
        page_label: page.page_label,
        page_count: page.page_count,
        section_title: page.section_title,
        breadcrumbs: page.breadcrumbs,
        width: page.page_size[0],
        height: page.page_size[1],
        tags: page.tags,
        image: links.image(document, number),
        original: format!("{}{}", links.original(document), page.anchor),
    }))
}

/// A page that is not there is 404, and not a document that can't be done.
fn missing(error: Error) -> Problem {
    match Problem::from(error) {
        problem if problem.status() == StatusCode::UNPROCESSABLE_ENTITY => Problem::not_found(problem.detail()),
        other => other,
    }
}

/// How wide an image is to be.
#[derive(Debug, Default, Deserialize)]
pub struct Size {
    width: Option<u32>,
}

/// The picture of a page: JPEG. A signed link opens it without a key.
#[utoipa::path(get, path = "/v1/documents/{id}/pages/{n}/image", tag = "documents",
    params(("id" = String, Path, description = "The document's id"), ("n" = u32, Path, description = "Counted from 1"),
        ("width" = Option<u32>, Query, minimum = 16, maximum = 4096, description = "Pixels; never more than there are"), Signed),
    responses((status = 200, description = "The image", content_type = "image/jpeg", body = Vec<u8>),
        (status = 304, description = "As it was"), Failures))]
pub async fn image(
    State(server): State<Server>,
    Path((id, number)): Path<(String, String)>,
    Params(size): Params<Size>,
    Params(signed): Params<Signed>,
    headers: HeaderMap,
    caller: Result<Caller, Problem>,
) -> Result<Response, Problem> {
    let (document, number) = (document_id(&id)?, page_number(&number)?);
    if size.width.is_some_and(|width| !(16..=4096).contains(&width)) {
        return Err(Problem::bad_request("width: 16 to 4096 pixels are expected"));
    }
    let reader = reader(&server, document, Target::Image(number), &signed, caller).await?;
    let scope = reader.scope(&server);
    if scope.document(document).await?.is_none() {
        return Err(no_document(document));
    }
    let page = scope.page(document, number).await.map_err(missing)?;
    let tag = format!("\"{}-{}-{}\"", page.generation, page.page, size.width.unwrap_or_default());
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return Ok((StatusCode::NOT_MODIFIED, cached(&tag)).into_response());
    }
    let PageImageFile(bytes) = scope.page_image_of_width(&page, size.width).await.map_err(missing)?;
    Ok(jpeg(&tag, bytes))
}

fn cached(tag: &str) -> HeaderMap {
    let mut headers = HeaderMap::from_iter([(header::CACHE_CONTROL, CACHED)]);
    headers.extend(HeaderValue::from_str(tag).ok().map(|tag| (header::ETAG, tag)));
    headers
}

fn jpeg(tag: &str, bytes: Bytes) -> Response {
    let mut headers = cached(tag);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("image/jpeg"));
    (headers, bytes).into_response()
}

/// Who reads what a link may lead to.
pub enum Reader {
    /// Somebody who was let see it when the link was made.
    Link(Tenant),
    Caller(Caller),
}

impl Reader {
    pub fn scope<'a>(&self, server: &'a Server) -> crate::app::Scope<'a> {
        match self {
            Self::Link(tenant) => server.app.scope(tenant.clone()),
            Self::Caller(caller) => caller.scope(server),
        }
    }
}

/// Who a request comes from that may carry a signed link.
///
/// # Errors
/// 403: the link holds no more. 404: its document is gone. Else as [`Caller`].
pub async fn reader(
    server: &Server,
    document: DocumentId,
    target: Target,
    signed: &Signed,
    caller: Result<Caller, Problem>,
) -> Result<Reader, Problem> {
    if server.links().await?.check(document, target, signed)? {
        let owner = server.app.owner_of(document).await?;
        return owner.map(Reader::Link).ok_or_else(|| no_document(document));
    }
    let caller = caller?;
    caller.may(Permission::Read)?;
    Ok(Reader::Caller(caller))
}

/// What is looked for on a page.
#[derive(Debug, Deserialize)]
pub struct Heat {
    q: String,
    #[serde(default)]
    token: Option<usize>,
    #[serde(default)]
    collection: Option<String>,
    #[serde(default)]
    format: Format,
    /// Send every cell of the grid as well.
    #[serde(default)]
    values: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    #[default]
    Json,
    Png,
}

/// Where on a page a question is answered, by each of its tokens; as JSON, or as a picture to lay over the page's.
#[utoipa::path(get, path = "/v1/documents/{id}/pages/{n}/heatmap", tag = "documents",
    params(("id" = String, Path, description = "The document's id"), ("n" = u32, Path, description = "Counted from 1"),
        ("q" = String, Query, description = "The question"),
        ("token" = Option<usize>, Query, description = "png: this token alone"),
        ("collection" = Option<String>, Query), ("format" = Option<String>, Query, description = "json or png"),
        ("values" = Option<bool>, Query, description = "json: every cell of the grid as well")),
    responses((status = 200, description = "Boxes in fractions of the page", content(
        (Object = "application/json"), (Vec<u8> = "image/png"))), Failures))]
pub async fn heatmap(
    State(server): State<Server>,
    caller: Caller,
    Path((id, number)): Path<(String, String)>,
    Params(heat): Params<Heat>,
) -> Result<Response, Problem> {
    caller.may(Permission::Read)?;
    let (document, page) = (document_id(&id)?, page_number(&number)?);
    let request = HeatmapRequest { document, page, question: heat.q, collection: heat.collection };
    let scope = caller.scope(&server);
    let _turn = server.question_turn().await?;
    match heat.format {
        Format::Json => {
            let map = scope.heatmap(&request).await.map_err(missing)?;
            Ok(Json(if heat.values { map.with_values() } else { map }).into_response())
        }
        Format::Png => {
            let picture = scope.heatmap_png(&request, heat.token).await.map_err(missing)?;
            Ok(([(header::CONTENT_TYPE, "image/png")], picture).into_response())
        }
    }
}
