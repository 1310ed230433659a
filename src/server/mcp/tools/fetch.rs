//! `fetch`: the text of a page, as ChatGPT's connectors expect it: `{id, title, text, url, metadata}`.

use rmcp::model::{CallToolResult, Tool};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{Failure, Visitor, page_of, reading, structured};
use crate::server::Server;
use crate::server::cited::file_name;

pub const NAME: &str = "fetch";

#[derive(Debug, Deserialize, JsonSchema)]
pub struct Input {
    /// Which page: an id from `search` (DOCUMENT/PAGE), or a document_id for its first page.
    id: String,
}

pub fn tool() -> Tool {
    reading::<Input>(
        NAME,
        "Read a page",
        "Returns the text of one page, with its title, link and place in the document. Scans have no text: see them with `get_page`.",
    )
}

pub async fn run(server: &Server, visitor: &Visitor, input: Input) -> Result<CallToolResult, Failure> {
    let (document, number) = page_of(&input.id)?;
    let page = visitor.caller.scope(server).page(document, number).await?;
    let addresses = visitor.addresses.of(document, number, &page.source);
    let text = match (page.text_unreadable, page.text.trim().is_empty()) {
        (true, _) => "The text layer of this page can't be read. See it with `get_page`.".to_owned(),
        (_, true) => "This page has no text layer (a scan or a drawing). See it with `get_page`.".to_owned(),
        _ => page.text,
    };
    Ok(structured(json!({
        "id": format!("{document}/{number}"),
        "title": format!("{}, page {number}", page.title),
        "text": text,
        "url": addresses.original,
        "metadata": {
            "document_id": document,
            "page": number,
            "page_label": page.page_label,
            "page_count": page.page_count,
            "section": page.section_title,
            "file": file_name(&page.source),
            "language": page.language,
            "image": addresses.image,
            "tags": page.tags,
        },
    })))
}
