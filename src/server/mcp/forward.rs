//! From standard input and output to the `/mcp` of a running service: for clients that start a program, where the data folder is
//! already open in another. It understands no more of a message than where it goes; the service answers.

use std::sync::{Arc, Mutex, PoisonError};

use eventsource_stream::Eventsource;
use futures::StreamExt;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};

/// Bytes of a message; the service takes no longer one.
const MAX_LINE_BYTES: u64 = 4 << 20;
/// Requests under way at once; the next waits.
const AT_ONCE: usize = 16;
/// Answers between the service and a client that reads slowly.
const ANSWERS_IN_FLIGHT: usize = 16;
/// What JSON-RPC keeps for faults of whoever answers.
const INTERNAL_ERROR: i64 = -32603;

/// Passes messages on until the input ends or `stop`: `url` is the service's, `key` what it asks for.
///
/// # Errors
/// Configuration: the key can't stand in a header. Transient: the output can't be written.
pub async fn forward(
    url: &str,
    key: Option<&str>,
    input: impl AsyncRead + Unpin,
    output: impl AsyncWrite + Unpin + Send + 'static,
    stop: CancellationToken,
) -> Result<()> {
    let service = Arc::new(Service::new(url, key)?);
    let (answers, to_write) = mpsc::channel(ANSWERS_IN_FLIGHT);
    let writing = tokio::spawn(write(output, to_write));
    let mut under_way = JoinSet::new();
    let mut input = BufReader::new(input);
    loop {
        let line = tokio::select! {
            () = stop.cancelled() => break,
            line = read_line(&mut input) => line?,
        };
        let Some(line) = line else { break };
        let Ok(message) = serde_json::from_slice::<Value>(&line) else {
            let error =
                json!({ "jsonrpc": "2.0", "id": null, "error": { "code": -32700, "message": "this is no JSON" } });
            let _ = answers.send(error).await;
            continue;
        };
        if under_way.len() >= AT_ONCE {
            under_way.join_next().await;
        }
        let (service, answers) = (service.clone(), answers.clone());
        let opens = message["method"] == "initialize";
        under_way.spawn(async move { service.pass_on(message, &answers).await });
        if opens {
            // what follows depends on the version that was agreed on
            under_way.join_next().await;
        }
    }
    while under_way.join_next().await.is_some() {}
    drop(answers);
    writing.await.map_err(|error| Error::bug("writing answers panicked").with_source(error))?
}

/// A line of the input, without an end; None behind the last one.
async fn read_line(input: &mut (impl AsyncBufReadExt + Unpin)) -> Result<Option<Vec<u8>>> {
    use tokio::io::AsyncReadExt;
    loop {
        let mut line = Vec::new();
        let read = (&mut *input).take(MAX_LINE_BYTES).read_until(b'\n', &mut line).await;
        match read.map_err(|error| Error::transient("standard input can't be read").with_source(error))? {
            0 => return Ok(None),
            _ if line.iter().all(u8::is_ascii_whitespace) => {}
            _ => return Ok(Some(line)),
        }
    }
}

async fn write(mut output: impl AsyncWrite + Unpin, mut answers: mpsc::Receiver<Value>) -> Result<()> {
    while let Some(answer) = answers.recv().await {
        let line = format!("{answer}\n");
        let written = async {
            output.write_all(line.as_bytes()).await?;
            output.flush().await
        };
        written.await.map_err(|error| Error::transient("standard output can't be written").with_source(error))?;
    }
    Ok(())
}

/// The running service.
struct Service {
    endpoint: String,
    client: reqwest::Client,
    headers: HeaderMap,
    /// The version that `initialize` agreed on, for clients that don't say it with every request.
    version: Mutex<Option<String>>,
}

impl Service {
    fn new(url: &str, key: Option<&str>) -> Result<Self> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("quire/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Error::configuration("the HTTP client can't be set up").with_source(error))?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        if let Some(key) = key {
            let mut bearer = HeaderValue::from_str(&format!("Bearer {key}"))
                .map_err(|_| Error::configuration("the key has characters that no header can carry"))?;
            bearer.set_sensitive(true);
            headers.insert(AUTHORIZATION, bearer);
        }
        let endpoint = format!("{}/mcp", url.trim_end_matches('/').trim_end_matches("/mcp"));
        Ok(Self { endpoint, client, headers, version: Mutex::default() })
    }

    /// Sends a message and passes on what comes back; a request always gets an answer.
    async fn pass_on(&self, message: Value, answers: &mpsc::Sender<Value>) {
        let id = message.get("id").cloned();
        if let Err(error) = self.exchange(&message, answers).await
            && let Some(id) = id
        {
            let error = json!({ "code": INTERNAL_ERROR, "message": error.to_string() });
            let _ = answers.send(json!({ "jsonrpc": "2.0", "id": id, "error": error })).await;
        }
    }

    async fn exchange(&self, message: &Value, answers: &mpsc::Sender<Value>) -> Result<()> {
        let away = |error: reqwest::Error| {
            Error::transient(format!("the service at {} can't be reached: does it run?", self.endpoint))
                .with_source(error)
        };
        let request = self.client.post(&self.endpoint).headers(self.headers_of(message)).body(message.to_string());
        let response = request.send().await.map_err(away)?;
        let status = response.status();
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if kind.starts_with("text/event-stream") {
            let mut events = response.bytes_stream().eventsource();
            while let Some(event) = events.next().await {
                let event = event.map_err(|error| Error::transient("the answer broke off").with_source(error))?;
                if let Ok(answer) = serde_json::from_str::<Value>(&event.data) {
                    self.answered(message, answer, answers).await;
                }
            }
            return Ok(());
        }
        let body = response.bytes().await.map_err(away)?;
        match serde_json::from_slice::<Value>(&body) {
            Ok(answer) if answer["jsonrpc"] == "2.0" => self.answered(message, answer, answers).await,
            Ok(problem) if !status.is_success() => {
                let detail = problem["detail"].as_str().unwrap_or("no reason was given");
                return Err(Error::transient(format!("the service at {} answers {status}: {detail}", self.endpoint)));
            }
            _ if status.is_success() => {}
            _ => return Err(Error::transient(format!("the service at {} answers {status}", self.endpoint))),
        }
        Ok(())
    }

    async fn answered(&self, message: &Value, answer: Value, answers: &mpsc::Sender<Value>) {
        if message["method"] == "initialize"
            && let Some(version) = answer["result"]["protocolVersion"].as_str()
        {
            *self.version.lock().unwrap_or_else(PoisonError::into_inner) = Some(version.to_owned());
        }
        let _ = answers.send(answer).await;
    }

    /// The headers that the protocol repeats of a message.
    fn headers_of(&self, message: &Value) -> HeaderMap {
        let mut headers = self.headers.clone();
        let mut put = |name: &'static str, value: Option<&str>| {
            if let Some(Ok(value)) = value.map(HeaderValue::from_str) {
                headers.insert(name, value);
            }
        };
        let params = &message["params"];
        let agreed = self.version.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let said = params["_meta"]["io.modelcontextprotocol/protocolVersion"].as_str();
        put("mcp-protocol-version", said.or(agreed.as_deref()));
        let method = message["method"].as_str();
        put("mcp-method", method);
        match method {
            Some("tools/call" | "prompts/get") => put("mcp-name", params["name"].as_str()),
            Some("resources/read") => put("mcp-name", params["uri"].as_str()),
            _ => {}
        }
        headers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::response::{IntoResponse, Response};
    use axum::routing::post;

    /// What a client that sends these lines reads, if the service answers so: headers and message in, response out.
    async fn talk(
        lines: &str,
        answer: impl Fn(HeaderMap, Value) -> Response + Clone + Send + Sync + 'static,
    ) -> Vec<Value> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let handler = move |headers: HeaderMap, body: String| async move {
            answer(headers, serde_json::from_str(&body).unwrap())
        };
        let service = tokio::spawn(axum::serve(listener, Router::new().route("/mcp", post(handler))).into_future());
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let input = std::io::Cursor::new(lines.as_bytes().to_vec());
        forward(&url, Some("k"), input, theirs, CancellationToken::new()).await.unwrap();
        service.abort();
        let mut read = Vec::new();
        let mut lines = BufReader::new(ours).lines();
        while let Some(line) = lines.next_line().await.unwrap() {
            read.push(serde_json::from_str(&line).unwrap());
        }
        read
    }

    /// The headers that count, as the result.
    fn mirror(headers: &HeaderMap, message: &Value) -> Value {
        let names = ["authorization", "mcp-method", "mcp-name", "mcp-protocol-version"];
        let said = names.map(|name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned));
        json!({ "jsonrpc": "2.0", "id": message["id"], "result": said })
    }

    #[tokio::test]
    async fn messages_go_with_the_headers_that_the_protocol_repeats() {
        let meta = json!({ "io.modelcontextprotocol/protocolVersion": "2026-07-28" });
        let params = json!({ "name": "search", "_meta": meta });
        let call = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params });
        let answers =
            talk(&format!("{call}\n\n"), |headers, message| axum::Json(mirror(&headers, &message)).into_response())
                .await;
        assert_eq!(answers[0]["result"], json!(["Bearer k", "tools/call", "search", "2026-07-28"]));
        assert_eq!((answers.len(), &answers[0]["id"]), (1, &json!(7)));
    }

    #[tokio::test]
    async fn what_goes_wrong_is_an_answer_too() {
        let problem = || axum::Json(json!({ "status": 401, "detail": "a key is needed" }));
        let lines = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}\n{\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\"}\nno json\n";
        let answers = talk(lines, move |_, _| (axum::http::StatusCode::UNAUTHORIZED, problem()).into_response()).await;
        let of = |id: Value| answers.iter().find(|answer| answer["id"] == id).unwrap();
        assert_eq!(answers.len(), 2, "a notification has no answer");
        assert!(of(json!(1))["error"]["message"].as_str().unwrap().contains("a key is needed"));
        assert_eq!(of(Value::Null)["error"]["code"], -32700);
    }

    #[tokio::test]
    async fn the_version_that_was_agreed_on_goes_along() {
        let lines = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\"}\n{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/list\"}\n";
        let answers = talk(lines, |headers, message| {
            if message["method"] == "initialize" {
                let agreed = json!({ "jsonrpc": "2.0", "id": 1, "result": { "protocolVersion": "2025-11-25" } });
                return axum::Json(agreed).into_response();
            }
            let event = format!("event: message\ndata: {}\n\n", mirror(&headers, &message));
            ([(CONTENT_TYPE, "text/event-stream")], event).into_response()
        })
        .await;
        assert_eq!(answers[1]["result"], json!(["Bearer k", "tools/list", null, "2025-11-25"]));
    }
}
