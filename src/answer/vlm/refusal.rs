//! An answer of the server that is no success: read here, in the forms that servers give it, with its headers, cut, and
//! without the key where the server repeats it.

use std::fmt;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, LOCATION};
use reqwest::{Response, StatusCode};

use crate::config::ApiKey;

/// Bytes of an error's body that are read.
const MAX_ERROR_BYTES: usize = 64 * 1024;
/// Characters of a server's message that are shown.
const MAX_MESSAGE_CHARS: usize = 400;

/// An answer of the server that is no success.
#[derive(Debug)]
pub struct Refused {
    pub status: StatusCode,
    /// What the server calls the error: `context_length_exceeded`; may be empty.
    pub code: String,
    /// The server's words, short, without the key.
    pub message: String,
    pub retry_after: Option<Duration>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP {}", self.status)?;
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for Refused {}

impl Refused {
    /// Reads what a server says instead of what was asked for.
    pub async fn read(response: Response, key: Option<&ApiKey>) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        // what was read before the connection broke is better than nothing
        let (body, _) = read_at_most(response, MAX_ERROR_BYTES).await;
        let (code, mut message) = explain(&String::from_utf8_lossy(&body));
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
        if status.is_success() {
            let kind = header(CONTENT_TYPE).unwrap_or_default();
            message = format!("{kind} came where an event stream was expected: {message}");
        } else if let Some(target) = header(LOCATION) {
            message = format!("sends on to {target}, which is not followed: {message}");
        }
        Self { status, code, message: presentable(&message, key), retry_after: retry_after(&headers) }
    }
}

/// The first `most` bytes of a body, and what ended it before its end.
pub async fn read_at_most(mut response: Response, most: usize) -> (Vec<u8>, reqwest::Result<()>) {
    let mut body = Vec::new();
    while body.len() < most {
        match response.chunk().await {
            Ok(Some(piece)) => body.extend_from_slice(&piece[..piece.len().min(most - body.len())]),
            Ok(None) => break,
            Err(error) => return (body, Err(error)),
        }
    }
    (body, Ok(()))
}

/// Code and message of an error's body, in the forms that servers give it.
pub fn explain(body: &str) -> (String, String) {
    use serde_json::Value;
    let text = |value: &Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    let Ok(Value::Object(fields)) = serde_json::from_str(body) else { return (String::new(), body.to_owned()) };
    let inner = fields.get("error").unwrap_or(&Value::Null);
    let message = [inner.get("message"), Some(inner), fields.get("message"), fields.get("detail")];
    let message = message.into_iter().flatten().find_map(text).unwrap_or_else(|| body.to_owned());
    let code = [inner.get("code"), inner.get("type"), fields.get("code")];
    (code.into_iter().flatten().find_map(text).unwrap_or_default(), message)
}

/// A server's words on one line, cut, and without the key where the server repeats it.
pub fn presentable(message: &str, key: Option<&ApiKey>) -> String {
    let mut message = message.to_owned();
    if let Some(key) = key {
        message = message.replace(key.expose(), "[key]");
    }
    let words = message.split(|char: char| char.is_whitespace() || char.is_control());
    let line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MAX_MESSAGE_CHARS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// `Retry-After`: seconds, or a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("retry-after")?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let then = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    Some(Duration::try_from(then.duration_since(jiff::Timestamp::now())).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_error_gives_its_message() {
        for (body, code, message) in [
            (
                r#"{"error":{"message":"too long","code":"context_length_exceeded"}}"#,
                "context_length_exceeded",
                "too long",
            ),
            (r#"{"error":{"message":"no","type":"invalid_request_error","code":null}}"#, "invalid_request_error", "no"),
            (r#"{"error":"model not found"}"#, "", "model not found"),
            (r#"{"object":"error","message":"no such model","code":404}"#, "404", "no such model"),
            (r#"{"detail":"Not Found"}"#, "", "Not Found"),
            ("Bad Gateway", "", "Bad Gateway"),
            ("[1]", "", "[1]"),
        ] {
            assert_eq!(explain(body), (code.to_owned(), message.to_owned()), "{body}");
        }
    }

    #[test]
    fn a_servers_words_are_made_presentable() {
        let key = ApiKey::new("sk-secret");
        assert_eq!(presentable("a \n\tb\u{1b}c sk-secret!", Some(&key)), "a b c [key]!");
        assert_eq!(presentable(&"x".repeat(10_000), None).chars().count(), MAX_MESSAGE_CHARS + 1);
    }

    #[test]
    fn waiting_is_asked_for_in_seconds_or_by_date() {
        let after = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("retry-after", text.parse().unwrap());
            retry_after(&headers)
        };
        assert_eq!(after("2"), Some(Duration::from_secs(2)));
        assert_eq!(after("0.5"), Some(Duration::from_millis(500)));
        assert_eq!(after("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        assert!(after("Wed, 21 Oct 2099 07:28:00 GMT").unwrap() > Duration::from_secs(1_000_000));
        assert_eq!(after("soon"), None);
        assert_eq!(after("-1"), None);
    }
}
