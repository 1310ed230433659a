//! The evidence as a view that a client can show beside the conversation (MCP Apps): the pages that a tool named, each with the
//! places where the answer stands. One HTML file that loads nothing: images come from the client, by `get_page`.

use rmcp::model::{JsonObject, MetaObject, ReadResourceResult, Resource, ResourceContents};
use serde_json::json;

pub const URI: &str = "ui://quire/evidence";
/// What clients know views by.
pub const MIME_TYPE: &str = "text/html;profile=mcp-app";

const HTML: &str = include_str!("evidence.html");

pub fn resource() -> Resource {
    Resource::new(URI, "evidence")
        .with_title("Evidence")
        .with_description("The pages that answer, with the places where the answer stands")
        .with_mime_type(MIME_TYPE)
        .with_size(HTML.len() as u64)
}

pub fn contents() -> ReadResourceResult {
    ReadResourceResult::new(vec![ResourceContents::text(HTML, URI).with_mime_type(MIME_TYPE)])
}

/// What a tool says whose results the view shows.
pub fn of_tool() -> MetaObject {
    let mut meta = JsonObject::new();
    meta.insert("ui".into(), json!({ "resourceUri": URI }));
    MetaObject(meta)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_view_loads_nothing() {
        for remote in ["http://", "https://", "src=\"/", "@import", "<link"] {
            let found = HTML.matches(remote).count();
            assert_eq!(found, 0, "{remote}");
        }
        assert!(HTML.len() < 20_000, "{}", HTML.len());
    }

    #[test]
    fn nothing_of_a_document_is_read_as_html() {
        assert!(
            !HTML.contains("innerHTML") && !HTML.contains("document.write") && !HTML.contains("insertAdjacentHTML")
        );
    }
}
