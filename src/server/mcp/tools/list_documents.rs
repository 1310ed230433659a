//! `list_documents`: what is indexed, and what is not and why.

use rmcp::model::{CallToolResult, Tool};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Failure, Visitor, reading, structured};
use crate::ledger::{DocumentFilter, DocumentRecord, Listing, State};
use crate::server::Server;

pub const NAME: &str = "list_documents";

const DEFAULT_LIMIT: usize = 20;
const MAX_LIMIT: usize = 100;

#[derive(Debug, Deserialize, JsonSchema)]
pub struct Input {
    /// Only documents of this collection.
    #[serde(default)]
    collection: Option<String>,
    /// Only documents in this state: queued, processing, indexed, rejected or dead.
    #[serde(default)]
    state: Option<String>,
    /// Only documents whose path or address begins with this.
    #[serde(default)]
    source_prefix: Option<String>,
    /// Documents to return, 1 to 100; 20 if left out.
    #[serde(default)]
    limit: Option<usize>,
    /// next_cursor of the list before.
    #[serde(default)]
    cursor: Option<String>,
}

pub fn tool() -> Tool {
    reading::<Input>(
        NAME,
        "List documents",
        "Lists the documents by name, with their ids, number of pages, state, and the reason where one is not indexed.",
    )
}

pub async fn run(server: &Server, visitor: &Visitor, input: Input) -> Result<CallToolResult, Failure> {
    let state = input.state.as_deref().map(state).transpose()?;
    let filter = DocumentFilter {
        collection: input.collection,
        state,
        source_prefix: input.source_prefix,
        limit: Some(input.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT)),
        after: input.cursor,
        ..DocumentFilter::default()
    };
    let Listing { documents, next_cursor } = visitor.caller.scope(server).documents(&filter).await?;
    let documents: Vec<Value> =
        documents.iter().filter(|record| record.state != State::Deleting).map(document).collect();
    Ok(structured(json!({ "documents": documents, "next_cursor": next_cursor })))
}

fn state(name: &str) -> Result<State, Failure> {
    Ok(match name {
        "queued" => State::Queued,
        "processing" => State::Processing,
        "indexed" => State::Indexed,
        "rejected" => State::Rejected,
        "dead" => State::Dead,
        other => {
            let known = "queued, processing, indexed, rejected or dead";
            return Err(Failure::new(format!("'{other}' is no state. Use one of: {known}.")));
        }
    })
}

fn document(record: &DocumentRecord) -> Value {
    let mut document = json!({
        "id": record.document_id,
        "title": record.title,
        "file": record.source.name,
        "collection": record.collection,
        "state": record.state.as_str(),
        "pages": record.page_count,
    });
    if let Some(reason) = &record.reason {
        document["reason"] = json!(reason);
    }
    if !record.tags.is_empty() {
        document["tags"] = json!(record.tags);
    }
    document
}
