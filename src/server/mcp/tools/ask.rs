//! `ask`: a short answer from the pages, each statement with its source.

use std::fmt::Write;

use rmcp::model::{CallToolResult, ContentBlock, Tool};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{Failure, Visitor, collection, reading, with_view};
use crate::app::Question;
use crate::server::Server;
use crate::server::cited::CitedPage;

pub const NAME: &str = "ask";

#[derive(Debug, Deserialize, JsonSchema)]
pub struct Input {
    /// The question, as one that stands by itself.
    question: String,
    /// Collection to look in; left out: the default one.
    #[serde(default)]
    collection: Option<String>,
}

pub fn tool() -> Tool {
    with_view(reading::<Input>(
        NAME,
        "Ask the documents",
        "Answers a question from the indexed documents in a few sentences, with a marker such as [1] behind each statement and the \
         page that it stands for. Says so where nothing was found.",
    ))
}

pub async fn run(server: &Server, visitor: &Visitor, input: Input) -> Result<CallToolResult, Failure> {
    let collection = collection(server, visitor, input.collection).await?;
    let question = Question::new(input.question, collection, server.app.config().answer.pages);
    let _turn = server.question_turn().await?;
    let response = visitor.caller.scope(server).ask(&question).await?;
    let answer = response.answer;
    let mut text = answer.answer.clone();
    let mut citations = Vec::new();
    for (number, citation) in answer.citations.into_iter().enumerate() {
        let page = CitedPage::of(&visitor.addresses, citation.hit);
        let lead = if number == 0 { "\n\nSources:" } else { "" };
        let _ = write!(text, "{lead}\n{} {} ({}): {}", citation.marker, page.name(), page.id, page.url);
        let mut whole = json!(page);
        whole["marker"] = json!(citation.marker);
        citations.push(whole);
    }
    for note in &answer.notes {
        let _ = write!(text, "\n\nNote: {note}");
    }
    let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
    result.structured_content = Some(json!({
        "answer": answer.answer,
        "mode": answer.mode,
        "supported": answer.supported,
        "complete": answer.complete,
        "citations": citations,
        "notes": answer.notes,
    }));
    Ok(result)
}
