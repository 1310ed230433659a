//! `POST /v1/vector_stores/{id}/search`: the pages of a collection that answer best. A result is a page; its file is the document.

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::own;
use crate::server::cited::{Addresses, CitedPage, file_name};
use crate::server::knowledge::{self, Wanted};
use crate::server::openai::error::{Body, OpenAiCaller, OpenAiError, parse};
use crate::server::openai::filters::Filter;
use crate::server::{Permission, Server};

/// Results where a request names no number, and the most: OpenAI's own.
const DEFAULT_RESULTS: usize = 10;
const MAX_RESULTS: usize = 50;

#[derive(Debug, Deserialize)]
struct Search {
    query: Query,
    #[serde(default)]
    filters: Option<Filter>,
    #[serde(default)]
    max_num_results: Option<usize>,
    #[serde(default)]
    ranking_options: Option<Ranking>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Query {
    One(String),
    Many(Vec<String>),
}

#[derive(Debug, Deserialize)]
struct Ranking {
    #[serde(default)]
    score_threshold: Option<f32>,
}

pub async fn search(
    State(server): State<Server>,
    OpenAiCaller(caller): OpenAiCaller,
    Path(store): Path<String>,
    addresses: Addresses,
    Body(body): Body,
) -> Result<Json<Value>, OpenAiError> {
    caller.may(Permission::Read)?;
    let search: Search = parse(&body)?;
    let own = own(&server, &caller, &store).await?;
    let condition = search.filters.map(Filter::into_condition).transpose();
    let condition = condition.map_err(|message| OpenAiError::invalid(Some("filters"), message))?;
    let query = match search.query {
        Query::One(query) => query,
        // several wordings of one question are one question
        Query::Many(queries) => queries.join("\n"),
    };
    let wanted = Wanted {
        query: &query,
        collection: &own.name,
        limit: search.max_num_results.unwrap_or(DEFAULT_RESULTS).clamp(1, MAX_RESULTS),
        least_score: search.ranking_options.and_then(|options| options.score_threshold),
        condition: condition.as_ref(),
    };
    let pages = knowledge::search(&server, &caller, &addresses, wanted).await?;
    let data: Vec<Value> = pages.iter().map(result).collect();
    Ok(Json(json!({
        "object": "vector_store.search_results.page",
        "search_query": [query],
        "data": data,
        "has_more": false,
        "next_page": null,
    })))
}

fn result(page: &CitedPage) -> Value {
    let mut attributes: Map<String, Value> = page.tags.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
    // the page's own win over tags of the same name; attributes are plain values
    let own = json!({
        "title": page.title,
        "page": page.page,
        "page_count": page.page_count,
        "snippet": page.snippet,
        "url": page.url,
        "image": page.image.as_deref().unwrap_or_default(),
    });
    if let Value::Object(own) = own {
        attributes.extend(own);
    }
    json!({
        "file_id": page.document_id,
        "filename": file_name(&page.source),
        "score": page.score,
        "attributes": attributes,
        "content": [{ "type": "text", "text": page.readable() }],
        "regions": page.regions,
    })
}
