//! `search`: pages that answer a question. The text of the result is what ChatGPT's connectors expect: `{results: [{id, title, url}]}`.

use std::collections::BTreeMap;

use rmcp::model::{CallToolResult, ContentBlock, Tool};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Failure, Visitor, collection, reading, with_view};
use crate::server::Server;
use crate::server::cited::CitedPage;
use crate::server::conditions::{Condition, Test};
use crate::server::knowledge::{self, Wanted};

pub const NAME: &str = "search";

const DEFAULT_LIMIT: usize = 5;
const MAX_LIMIT: usize = 20;

#[derive(Debug, Deserialize, JsonSchema)]
pub struct Input {
    /// What to look for: a question, or words that stand on the page.
    query: String,
    /// Collection to look in; left out: the default one.
    #[serde(default)]
    collection: Option<String>,
    /// Pages to return, 1 to 20; 5 if left out.
    #[serde(default)]
    limit: Option<usize>,
    /// Look in this document alone: its document_id.
    #[serde(default)]
    document: Option<String>,
    /// Look only at pages with these tags.
    #[serde(default)]
    tags: Option<BTreeMap<String, String>>,
}

pub fn tool() -> Tool {
    with_view(reading::<Input>(
        NAME,
        "Search pages",
        "Finds the pages of the indexed documents (PDFs, slides, scans) that look most like an answer. Returns ids, titles, scores \
         from 0 to 1, snippets and links; read a page with `fetch`, see it with `get_page`.",
    ))
}

pub async fn run(server: &Server, visitor: &Visitor, input: Input) -> Result<CallToolResult, Failure> {
    let collection = collection(server, visitor, input.collection).await?;
    let is = |name: String, value: String| Condition::Field { name, test: Test::Is(value) };
    let mut conditions: Vec<Condition> =
        input.tags.unwrap_or_default().into_iter().map(|(name, value)| is(name, value)).collect();
    conditions.extend(input.document.map(|id| is("document_id".into(), id)));
    let condition = Condition::All(conditions);
    let wanted = Wanted {
        query: &input.query,
        collection: &collection,
        limit: input.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT),
        least_score: None,
        condition: Some(&condition),
    };
    let pages = knowledge::search(server, &visitor.caller, &visitor.addresses, wanted).await?;
    let text = json!({ "results": pages.iter().map(short).collect::<Vec<_>>() });
    let mut result = CallToolResult::success(vec![ContentBlock::text(text.to_string())]);
    result.structured_content = Some(json!({ "results": pages }));
    Ok(result)
}

/// What a model needs in order to choose.
fn short(page: &CitedPage) -> Value {
    json!({
        "id": page.id,
        "title": page.name(),
        "url": page.url,
        "score": page.score,
        "text": page.snippet,
    })
}
