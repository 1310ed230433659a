//! An answer model that says what a test wants, over HTTP as OpenAI's servers do. It remembers what it was asked.

use std::sync::{Arc, Mutex};

use axum::Json;
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::post;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// Runs until it is dropped.
pub struct Talker {
    pub base_url: String,
    asked: Arc<Mutex<Vec<Value>>>,
    task: JoinHandle<()>,
}

impl Talker {
    /// Answers each request with these pieces, in turn; the last ones for ever.
    pub async fn saying(answers: &'static [&'static [&'static str]]) -> Self {
        let asked: Arc<Mutex<Vec<Value>>> = Arc::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
        let remembered = asked.clone();
        let answer = move |Json(request): Json<Value>| async move {
            let number = {
                let mut asked = remembered.lock().unwrap();
                asked.push(request);
                asked.len() - 1
            };
            let chunk = |value: Value| format!("data: {value}\n\n");
            let pieces = answers[number.min(answers.len() - 1)].iter();
            let mut stream: String = pieces
                .map(|text| chunk(json!({ "choices": [{ "index": 0, "delta": { "content": text } }] })))
                .collect();
            stream += &chunk(json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] }));
            stream += &chunk(
                json!({ "choices": [], "usage": { "prompt_tokens": 90, "completion_tokens": 7, "total_tokens": 97 } }),
            );
            stream += "data: [DONE]\n\n";
            ([(CONTENT_TYPE, "text/event-stream")], stream).into_response()
        };
        let router = Router::new().route("/v1/chat/completions", post(answer));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { base_url, asked, task }
    }

    /// The requests so far.
    pub fn asked(&self) -> Vec<Value> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Talker {
    fn drop(&mut self) {
        self.task.abort();
    }
}
