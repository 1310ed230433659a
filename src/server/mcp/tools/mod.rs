//! The tools: what each is called, takes and gives, in an order that never changes. All of them only read.
//!
//! What goes wrong is told to the model as the result of the tool, with what to do next: an error of the protocol it would never see.

mod ask;
mod fetch;
mod list_documents;
mod page;
mod search;

use rmcp::handler::server::tool::schema_for_input;
use rmcp::model::{CallToolResult, ContentBlock, JsonObject, Tool, ToolAnnotations};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::view;
use super::visitor::Visitor;
use crate::error::{Error, Kind};
use crate::server::{Problem, Server};
use crate::types::DocumentId;

/// Every tool, in order.
pub fn all() -> Vec<Tool> {
    vec![search::tool(), fetch::tool(), ask::tool(), page::tool(), list_documents::tool()]
}

/// Runs a tool; None where there is none of that name.
pub async fn call(server: &Server, visitor: &Visitor, name: &str, arguments: JsonObject) -> Option<CallToolResult> {
    let outcome = match name {
        search::NAME => run(arguments, |input| search::run(server, visitor, input)).await,
        fetch::NAME => run(arguments, |input| fetch::run(server, visitor, input)).await,
        ask::NAME => run(arguments, |input| ask::run(server, visitor, input)).await,
        page::NAME => run(arguments, |input| page::run(server, visitor, input)).await,
        list_documents::NAME => run(arguments, |input| list_documents::run(server, visitor, input)).await,
        _ => return None,
    };
    Some(outcome.unwrap_or_else(|failure| CallToolResult::error(vec![ContentBlock::text(failure.0)])))
}

async fn run<I: DeserializeOwned, F: Future<Output = Result<CallToolResult, Failure>>>(
    arguments: JsonObject,
    tool: impl FnOnce(I) -> F,
) -> Result<CallToolResult, Failure> {
    let input = serde_json::from_value(Value::Object(arguments))
        .map_err(|error| Failure(format!("The arguments don't fit: {error}. See the tool's input schema.")))?;
    tool(input).await
}

/// Why a tool gave nothing, and what to do: for the model to read.
#[derive(Debug)]
pub struct Failure(String);

impl Failure {
    fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let next = match error.kind() {
            Kind::Transient { .. } => " Try again in a moment.",
            Kind::Permanent | Kind::Configuration => "",
            Kind::Bug => " Tell the user: trying again will not help.",
        };
        Self(format!("{error}.{next}"))
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self(format!("{}.", problem.detail()))
    }
}

/// A tool that reads. Where documents are kept is a closed world.
fn reading<I: JsonSchema + 'static>(name: &'static str, title: &str, description: &'static str) -> Tool {
    // of a struct there is always a schema; the test below makes each
    let schema = schema_for_input::<I>().unwrap_or_default();
    let hints =
        ToolAnnotations::with_title(title).read_only(true).destructive(false).idempotent(true).open_world(false);
    Tool::new(name, description, schema).with_title(title).with_annotations(hints)
}

/// One whose pages the evidence view shows.
fn with_view(tool: Tool) -> Tool {
    tool.with_meta(view::of_tool())
}

/// The collection that is asked where none is named: the configured one, or the only one.
async fn collection(server: &Server, visitor: &Visitor, named: Option<String>) -> Result<String, Failure> {
    let own = visitor.caller.scope(server).own_collections().await?;
    let default = &server.app.config().collection;
    let wanted = named.as_ref().unwrap_or(default);
    if own.iter().any(|own| own.name == *wanted) {
        return Ok(wanted.clone());
    }
    let names: Vec<&str> = own.iter().map(|own| own.name.as_str()).collect();
    match (named, names.as_slice()) {
        (_, []) => Err(Failure::new("Nothing is indexed yet. Tell the user to add documents first.")),
        (None, [only]) => Ok((*only).to_owned()),
        (None, _) => Err(Failure::new(format!("Name a collection: {}.", names.join(", ")))),
        (Some(named), _) => {
            Err(Failure::new(format!("There is no collection '{named}'. Use one of: {}.", names.join(", "))))
        }
    }
}

/// `DOCUMENT/PAGE` or `DOCUMENT`, which means its first page.
fn page_of(id: &str) -> Result<(DocumentId, u32), Failure> {
    let (document, page) = id.trim().split_once('/').unwrap_or((id.trim(), "1"));
    let parsed = document.parse().ok().zip(page.parse().ok().filter(|page| *page > 0));
    parsed.ok_or_else(|| {
        Failure::new(format!(
            "'{id}' is no id of a page. Ids look like DOCUMENT/PAGE and come from `search` or `list_documents`."
        ))
    })
}

/// A result that programs and models read alike: JSON as text, and as it is.
fn structured(value: Value) -> CallToolResult {
    let mut result = CallToolResult::success(vec![ContentBlock::text(value.to_string())]);
    result.structured_content = Some(value);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_says_what_it_takes_and_only_reads() {
        let tools = all();
        let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_ref()).collect();
        assert_eq!(names, ["search", "fetch", "ask", "get_page", "list_documents"]);
        for tool in &tools {
            let properties = tool.input_schema["properties"].as_object().unwrap();
            for (name, property) in properties {
                assert!(property.get("description").is_some(), "{}: {name} has no description", tool.name);
            }
            let hints = tool.annotations.as_ref().unwrap();
            assert_eq!((hints.read_only_hint, hints.destructive_hint), (Some(true), Some(false)));
        }
        let required = |at: usize| tools[at].input_schema["required"].clone();
        assert_eq!((required(0), required(1)), (serde_json::json!(["query"]), serde_json::json!(["id"])));
    }

    #[test]
    fn a_page_is_named_by_document_and_number() {
        let id = "6ba7b810-9dad-51d1-80b4-00c04fd430c8";
        assert_eq!(page_of(&format!("{id}/7")).unwrap().1, 7);
        assert_eq!(page_of(id).unwrap().1, 1);
        for wrong in ["", "x/1", "6ba7b810-9dad-51d1-80b4-00c04fd430c8/0", "6ba7b810-9dad-51d1-80b4-00c04fd430c8/x"] {
            assert!(page_of(wrong).unwrap_err().0.contains("DOCUMENT/PAGE"), "{wrong}");
        }
    }
}
