//! HTTP beneath the client library: headers that carry the key, and answers that are no success, read here with their
//! headers before anybody else sees (or logs) them.

use std::fmt;
use std::task::{Context, Poll};
use std::time::Duration;

use async_openai::config::Config as EndpointConfig;
use async_openai::error::OpenAIError;
use async_openai::middleware::HttpRequestFactory;
use futures::future::BoxFuture;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Response, StatusCode};
use secrecy::SecretString;

use crate::config::{ApiKey, Vlm};
use crate::error::{Error, Result};

/// Bytes of an error's body that are read.
const MAX_ERROR_BYTES: usize = 64 * 1024;
/// Characters of a server's message that are shown.
const MAX_MESSAGE_CHARS: usize = 400;

/// An HTTP client for the endpoint: no redirects (the key goes where the configuration says and nowhere else).
///
/// # Errors
/// Configuration, where TLS can't be set up on this machine.
pub fn http_client(vlm: &Vlm) -> Result<reqwest::Client> {
    reqwest::Client::builder()
        .connect_timeout(vlm.timeouts.connect)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("quire/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| Error::configuration("the HTTP client can't be set up").with_source(error))
}

/// Where requests go, and the headers they carry.
#[derive(Clone)]
pub struct Endpoint {
    base_url: String,
    headers: HeaderMap,
    /// The client library asks for one and only ever puts it into headers, which are ours.
    no_key: SecretString,
}

impl Endpoint {
    pub fn new(vlm: &Vlm) -> Self {
        let mut headers = HeaderMap::new();
        let bearer = vlm.api_key.as_ref().map(|key| HeaderValue::from_str(&format!("Bearer {}", key.expose())));
        // a key that no header can carry does not get through the configuration
        if let Some(Ok(mut bearer)) = bearer {
            bearer.set_sensitive(true);
            headers.insert(AUTHORIZATION, bearer);
        }
        Self { base_url: vlm.base_url.clone(), headers, no_key: SecretString::from(String::new()) }
    }
}

impl EndpointConfig for Endpoint {
    fn headers(&self) -> HeaderMap {
        self.headers.clone()
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url)
    }

    fn query(&self) -> Vec<(&str, &str)> {
        Vec::new()
    }

    fn api_base(&self) -> &str {
        &self.base_url
    }

    fn api_key(&self) -> &SecretString {
        &self.no_key
    }
}

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

/// Sends a request once. Retrying is decided above, where it is known what was shown already.
#[derive(Clone)]
pub struct Transport {
    client: reqwest::Client,
    key: Option<ApiKey>,
}

impl Transport {
    pub fn new(client: reqwest::Client, vlm: &Vlm) -> Self {
        Self { client, key: vlm.api_key.clone() }
    }
}

impl tower::Service<HttpRequestFactory> for Transport {
    type Response = Response;
    type Error = OpenAIError;
    type Future = BoxFuture<'static, Result<Response, OpenAIError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), OpenAIError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, factory: HttpRequestFactory) -> Self::Future {
        let Self { client, key } = self.clone();
        Box::pin(async move {
            let response = client.execute(factory.build().await?).await?;
            match refusal(response, key.as_ref()).await {
                Ok(stream) => Ok(stream),
                Err(refused) => Err(OpenAIError::Boxed(Box::new(refused))),
            }
        })
    }
}

/// The response where it is a stream of events, else what is wrong with it.
async fn refusal(mut response: Response, key: Option<&ApiKey>) -> Result<Response, Refused> {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_document = kind.starts_with("application/json") || kind.starts_with("text/html");
    if response.status().is_success() && !is_document {
        return Ok(response);
    }
    let (status, kind) = (response.status(), kind.to_owned());
    let retry_after = retry_after(response.headers());
    let mut body = Vec::new();
    while let Ok(Some(piece)) = response.chunk().await {
        body.extend_from_slice(&piece);
        if body.len() >= MAX_ERROR_BYTES {
            break;
        }
    }
    let (code, mut message) = explain(&String::from_utf8_lossy(&body));
    if status.is_success() {
        message = format!("{kind} came where an event stream was expected: {message}");
    } else if let Some(target) = response.headers().get("location").and_then(|value| value.to_str().ok()) {
        message = format!("sends on to {target}, which is not followed: {message}");
    }
    Err(Refused { status, code, message: presentable(&message, key), retry_after })
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

/// What `GET {base_url}/models` says.
///
/// # Errors
/// As for a question: configuration where the endpoint refuses, transient where it can't be reached.
pub async fn models(client: &reqwest::Client, vlm: &Vlm, timeout: Duration) -> Result<Vec<String>, super::Failure> {
    let endpoint = Endpoint::new(vlm);
    let request = client.get(endpoint.url("/models")).headers(endpoint.headers()).timeout(timeout);
    let response = request.send().await.map_err(|error| super::failure::of_http(vlm, &error))?;
    if !response.status().is_success() {
        let refused = match refusal(response, vlm.api_key.as_ref()).await {
            Err(refused) => refused,
            Ok(_) => return Ok(Vec::new()),
        };
        return Err(super::failure::of_refusal(vlm, &refused));
    }
    let body = response.bytes().await.map_err(|error| super::failure::of_http(vlm, &error))?;
    let list: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    let models = list["data"].as_array().map_or(&[][..], Vec::as_slice);
    Ok(models.iter().filter_map(|model| model["id"].as_str().map(str::to_owned)).collect())
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
