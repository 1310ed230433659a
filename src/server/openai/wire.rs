//! What clients of chat completions send. What is not named here is accepted and ignored, as servers of this protocol do.

use serde::Deserialize;

use super::error::{OpenAiError, parse};
use crate::answer::{Speaker, Turn};

/// Bytes of a request: a long conversation, and images that clients send along and nobody looks at.
pub const MAX_REQUEST_BYTES: usize = 16 << 20;

#[derive(Debug, Deserialize)]
pub struct ChatRequest {
    pub model: String,
    pub messages: Vec<Message>,
    #[serde(default)]
    pub stream: Option<bool>,
    #[serde(default)]
    pub stream_options: Option<StreamOptions>,
    /// How many answers; one is given.
    #[serde(default)]
    pub n: Option<u32>,
    /// Quire's own wishes.
    #[serde(default)]
    pub quire: Option<Extension>,
}

#[derive(Debug, Deserialize)]
pub struct StreamOptions {
    #[serde(default)]
    pub include_usage: Option<bool>,
}

/// What a client may ask of Quire beyond the protocol (`extra_body` of the official clients).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Extension {
    /// Markers as links in the text.
    pub links: Option<bool>,
    /// Sources as Open WebUI's events.
    pub cards: Option<bool>,
    pub plan: Option<String>,
    /// Quote the pages although an answer model is configured.
    pub extractive: bool,
}

#[derive(Debug, Deserialize)]
pub struct Message {
    pub role: String,
    #[serde(default)]
    pub content: Option<Content>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Content {
    Text(String),
    Parts(Vec<ContentPart>),
}

/// A part of a message; images and sounds have no text.
#[derive(Debug, Deserialize)]
pub struct ContentPart {
    #[serde(default)]
    pub text: Option<String>,
}

impl ChatRequest {
    /// # Errors
    /// 400: no JSON of this form.
    pub fn read(body: &[u8]) -> Result<Self, OpenAiError> {
        let request: Self = parse(body)?;
        if request.n.is_some_and(|n| n != 1) {
            return Err(OpenAiError::invalid(
                Some("n"),
                "one answer is given to a question: leave out n, or let it be 1",
            ));
        }
        Ok(request)
    }

    pub fn wants_stream(&self) -> bool {
        self.stream.unwrap_or(false)
    }

    /// Whether a stream is to end with the count of tokens.
    pub fn wants_usage(&self) -> bool {
        self.stream_options.as_ref().and_then(|options| options.include_usage).unwrap_or(false)
    }

    /// What the user said last.
    ///
    /// # Errors
    /// 400: the user said nothing.
    pub fn last(&self) -> Result<String, OpenAiError> {
        let last = self.messages.iter().rev().find(|message| message.role == "user").map(Message::text);
        last.filter(|text| !text.trim().is_empty()).ok_or_else(|| {
            OpenAiError::invalid(
                Some("messages"),
                "there is no question: a message with the role 'user' and a text is expected",
            )
        })
    }

    /// What the client tells its models.
    pub fn system(&self) -> Option<String> {
        self.messages.iter().find(|message| message.role == "system").map(Message::text)
    }

    /// What was said before it, oldest first. What a client tells its models (`system`) and tools say is no part of it.
    pub fn earlier(&self) -> Vec<Turn> {
        let last = self.messages.iter().rposition(|message| message.role == "user").unwrap_or(0);
        let spoken = self.messages[..last].iter().filter_map(|message| {
            let speaker = match message.role.as_str() {
                "user" => Speaker::User,
                "assistant" => Speaker::Assistant,
                _ => return None,
            };
            Some(Turn { speaker, text: message.text() })
        });
        spoken.filter(|turn| !turn.text.trim().is_empty()).collect()
    }
}

impl Message {
    fn text(&self) -> String {
        match &self.content {
            None => String::new(),
            Some(Content::Text(text)) => text.clone(),
            Some(Content::Parts(parts)) => {
                parts.iter().filter_map(|part| part.text.as_deref()).collect::<Vec<_>>().join("\n")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(messages: serde_json::Value) -> ChatRequest {
        let body = json!({ "model": "documents", "messages": messages, "temperature": 0.2, "whatever": { "a": [1] } });
        ChatRequest::read(body.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn the_question_is_what_the_user_said_last() {
        let request = read(json!([
            { "role": "system", "content": "Be kind." },
            { "role": "user", "content": "What torque?" },
            { "role": "assistant", "content": "24 Nm [1]", "annotations": [] },
            { "role": "tool", "content": "x", "tool_call_id": "y" },
            { "role": "user", "content": [{ "type": "text", "text": "And in winter?" }, { "type": "image_url", "image_url": { "url": "data:," } }] },
        ]));
        assert_eq!(request.last().unwrap(), "And in winter?");
        let earlier = request.earlier();
        assert_eq!(earlier.len(), 2);
        assert_eq!((earlier[0].speaker, earlier[1].text.as_str()), (Speaker::User, "24 Nm [1]"));
    }

    #[test]
    fn nothing_asked_is_said() {
        for messages in
            [json!([]), json!([{ "role": "user", "content": null }]), json!([{ "role": "assistant", "content": "x" }])]
        {
            let error = read(messages).last().unwrap_err();
            assert_eq!(error.body()["error"]["param"], "messages");
        }
        let error = ChatRequest::read(b"{").unwrap_err();
        assert_eq!(error.body()["error"]["type"], "invalid_request_error");
    }
}
