//! A chat completion: the question that it asks, what its chunks and the whole look like, its answer in one piece.

use axum::Json;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

use super::answer::{Composer, Piece};
use super::error::OpenAiError;
use super::options::Options;
use crate::app::{AskResponse, Question};
use crate::server::cited::Addresses;
use crate::server::{Caller, Server};

/// A question that is ready to be asked.
pub struct Completion {
    pub server: Server,
    pub caller: Caller,
    pub addresses: Addresses,
    pub options: Options,
    pub question: Question,
    pub head: Head,
    /// The stream ends with the count of tokens.
    pub with_usage: bool,
    /// Held until it is answered.
    pub _turn: OwnedSemaphorePermit,
}

/// What every chunk, and the whole, begins with.
#[derive(Debug, Clone)]
pub struct Head {
    id: String,
    created: i64,
    model: String,
}

/// Tokens, as far as an answer model counted any.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Usage {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
}

impl Completion {
    pub fn composer(&self) -> Composer {
        Composer::new(self.addresses.clone(), &self.options)
    }

    /// The answer in one piece.
    pub async fn whole(self) -> Result<Response, OpenAiError> {
        let mut response = self.caller.scope(&self.server).ask(&self.question).await?;
        let mut composer = self.composer();
        for citation in &response.answer.citations {
            composer.know(citation.clone());
        }
        let mut pieces = composer.push(&response.answer.answer);
        pieces.extend(composer.finish(std::mem::take(&mut response.answer.citations)));
        let (mut text, mut annotations) = (String::new(), Vec::new());
        for piece in pieces {
            match piece {
                Piece::Text(more) => text.push_str(&more),
                Piece::Cited(cited) => annotations.push(cited.annotation()),
            }
        }
        let message = json!({ "role": "assistant", "content": text, "refusal": null, "annotations": annotations });
        let mut whole = self.head.whole(message, finish_reason(&response), Usage::of(&response));
        whole["quire"] = extension(&response, composer.cited());
        Ok(Json(whole).into_response())
    }
}

impl Head {
    pub fn new(model: &str) -> Self {
        let id = format!("chatcmpl-{}", Uuid::new_v4().simple());
        Self { id, created: Timestamp::now().as_second(), model: model.to_owned() }
    }

    fn object(&self, object: &str) -> Value {
        json!({ "id": self.id, "object": object, "created": self.created, "model": self.model })
    }

    /// A chunk with one choice. `with_usage`: each but the last says that it has none.
    pub fn chunk(&self, delta: Value, finish_reason: Option<&str>, with_usage: bool) -> Value {
        let mut chunk = self.object("chat.completion.chunk");
        chunk["choices"] = json!([{ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason }]);
        if with_usage {
            chunk["usage"] = Value::Null;
        }
        chunk
    }

    /// The chunk behind the last choice.
    pub fn usage_chunk(&self, usage: Usage) -> Value {
        let mut chunk = self.object("chat.completion.chunk");
        chunk["choices"] = json!([]);
        chunk["usage"] = json!(usage);
        chunk
    }

    /// A chunk that carries an event for Open WebUI, and no choice.
    pub fn event_chunk(&self, event: Value, with_usage: bool) -> Value {
        let mut chunk = self.chunk(json!({}), None, with_usage);
        chunk["choices"] = json!([]);
        chunk["event"] = event;
        chunk
    }

    fn whole(&self, message: Value, finish_reason: &str, usage: Usage) -> Value {
        let mut whole = self.object("chat.completion");
        whole["choices"] =
            json!([{ "index": 0, "message": message, "logprobs": null, "finish_reason": finish_reason }]);
        whole["usage"] = json!(usage);
        whole
    }

    pub fn whole_text(&self, text: &str) -> Response {
        let message = json!({ "role": "assistant", "content": text, "refusal": null, "annotations": [] });
        Json(self.whole(message, "stop", Usage::default())).into_response()
    }
}

impl Usage {
    pub fn of(response: &AskResponse) -> Self {
        let usage = response.answer.usage.unwrap_or_default();
        Self {
            prompt_tokens: usage.prompt_tokens,
            completion_tokens: usage.completion_tokens,
            total_tokens: usage.total_tokens,
        }
    }
}

/// `length` where the answer is not whole, whatever ended it: clients know no word for a connection that broke.
pub fn finish_reason(response: &AskResponse) -> &'static str {
    if response.answer.complete { "stop" } else { "length" }
}

/// What an answer says beyond the protocol, in `quire`.
pub fn extension(response: &AskResponse, citations: Vec<Value>) -> Value {
    let answer = &response.answer;
    json!({
        "mode": answer.mode,
        "supported": answer.supported,
        "complete": answer.complete,
        "citations": citations,
        "notes": answer.notes,
        "question": response.rewritten,
        "plan": response.plan,
        "timings_ms": response.timings_ms,
    })
}
