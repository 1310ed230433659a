//! A double of an OpenAI-compatible server: it takes real HTTP requests on a port of its own, keeps them, and lets the test
//! write the answers, whole or piece by piece, byte for byte.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use base64::Engine;
use serde_json::{Value, json};

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    /// `POST /v1/chat/completions`.
    pub line: String,
    /// Lines of the head, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Null where there was none.
    pub body: Value,
    pub at: Instant,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The parts of the user's message.
    pub fn parts(&self) -> &[Value] {
        self.body["messages"][1]["content"].as_array().unwrap()
    }

    pub fn system(&self) -> &str {
        self.body["messages"][0]["content"].as_str().unwrap()
    }

    /// All text of the user's message.
    pub fn text(&self) -> String {
        self.parts().iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n")
    }

    /// The images, out of their data URLs.
    pub fn images(&self) -> Vec<Vec<u8>> {
        let urls = self.parts().iter().filter_map(|part| part["image_url"]["url"].as_str());
        urls.map(|url| {
            let data = url.strip_prefix("data:image/jpeg;base64,").unwrap_or_else(|| panic!("{url} is no data URL"));
            base64::engine::general_purpose::STANDARD.decode(data).unwrap()
        })
        .collect()
    }
}

/// Number of the request from 0, the request, and the connection to answer on.
type Handler = dyn Fn(usize, &Request, &mut TcpStream) + Send + Sync;

/// The server; it ends with the value.
pub struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    ending: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub fn new(handler: impl Fn(usize, &Request, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let ending = Arc::new(AtomicBool::new(false));
        let handler: Arc<Handler> = Arc::new(handler);
        let thread = std::thread::spawn({
            let (requests, ending) = (requests.clone(), ending.clone());
            move || {
                for connection in listener.incoming() {
                    if ending.load(Ordering::SeqCst) {
                        return;
                    }
                    let (requests, handler) = (requests.clone(), handler.clone());
                    std::thread::spawn(move || serve(connection.unwrap(), &requests, handler.as_ref()));
                }
            }
        });
        Self { address, requests, ending, thread: Some(thread) }
    }

    /// Every request gets the same pieces of an answer, as a proper stream.
    pub fn saying(pieces: &'static [&'static str]) -> Self {
        Self::new(move |_, _, connection| stream(connection, pieces))
    }

    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::SeqCst);
        // wakes the listener
        drop(TcpStream::connect(self.address));
        self.thread.take().unwrap().join().unwrap();
    }
}

fn serve(mut connection: TcpStream, requests: &Mutex<Vec<Request>>, handler: &Handler) {
    let mut reader = BufReader::new(connection.try_clone().unwrap());
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        match line.trim_end() {
            "" => break,
            text => lines.push(text.to_owned()),
        }
    }
    let headers: Vec<(String, String)> = lines[1..]
        .iter()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length").map_or(0, |(_, text)| text.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let line = lines[0].trim_end_matches(" HTTP/1.1").to_owned();
    let body = serde_json::from_slice(&body).unwrap_or_default();
    let request = Request { line, headers, body, at: Instant::now() };
    let number = {
        let mut requests = requests.lock().unwrap();
        requests.push(request.clone());
        requests.len() - 1
    };
    handler(number, &request, &mut connection);
}

/// Sends bytes; whether the other side still listens is its own affair.
pub fn send(connection: &mut TcpStream, text: &str) {
    let _ = connection.write_all(text.as_bytes()).and_then(|()| connection.flush());
}

/// Waits until the other side hangs up.
pub fn wait_for_hangup(connection: &mut TcpStream) {
    let _ = connection.read(&mut [0; 16]);
}

/// A whole response.
pub fn respond(connection: &mut TcpStream, status: &str, headers: &str, body: &str) {
    let kind = if body.starts_with('{') { "application/json" } else { "text/html" };
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n");
    send(connection, &format!("{head}{headers}\r\n{body}"));
}

/// The error that servers answer with, as OpenAI writes it.
pub fn error(message: &str, code: &str) -> String {
    json!({ "error": { "message": message, "type": "error", "param": null, "code": code } }).to_string()
}

/// The head of a stream whose end is the end of the connection.
pub fn begin(connection: &mut TcpStream) {
    send(connection, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n");
}

/// An event with a piece of the answer.
pub fn piece(connection: &mut TcpStream, text: &str) {
    event(connection, &json!({ "choices": [{ "index": 0, "delta": { "content": text }, "finish_reason": null }] }));
}

/// What ends an answer: the reason, the tokens, the mark.
pub fn end(connection: &mut TcpStream, reason: &str) {
    event(connection, &json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": reason }] }));
    let usage =
        json!({ "prompt_tokens": 900, "completion_tokens": 12, "total_tokens": 912, "prompt_tokens_details": null });
    event(connection, &json!({ "choices": [], "usage": usage }));
    send(connection, "data: [DONE]\n\n");
}

pub fn event(connection: &mut TcpStream, value: &Value) {
    send(connection, &format!("data: {value}\n\n"));
}

/// A whole answer, in these pieces. Fields that OpenAI sends and others leave out are left out.
pub fn stream(connection: &mut TcpStream, pieces: &[&str]) {
    begin(connection);
    send(connection, ": a comment keeps the connection alive\n\n");
    event(connection, &json!({ "choices": [{ "index": 0, "delta": { "role": "assistant", "content": "" } }] }));
    for text in pieces {
        piece(connection, text);
    }
    end(connection, "stop");
}
