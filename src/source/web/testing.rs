//! A web server for tests: what it says of each path is scripted, what it was asked is written down.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_ENCODING, ETAG, IF_NONE_MATCH, LOCATION, RETRY_AFTER};
use axum::http::{Response, StatusCode};
use bytes::Bytes;
use futures::stream;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

/// What is said of a path.
#[derive(Clone)]
pub enum Page {
    Document {
        bytes: Vec<u8>,
        etag: Option<String>,
    },
    /// Piece by piece, its length untold.
    Pieces(Vec<Vec<u8>>),
    /// As if it had been packed.
    Packed(Vec<u8>),
    Status(u16),
    /// To a path of this server, or anywhere else.
    Redirect(String),
    /// It says nothing.
    Silence,
}

type Script = Arc<Mutex<(BTreeMap<String, Page>, Vec<(String, u16)>)>>;

/// A server on 127.0.0.1, on a port of its own.
pub struct WebServer {
    pub address: SocketAddr,
    script: Script,
    _serving: AbortOnDropHandle<()>,
}

impl WebServer {
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Script::default();
        let router = Router::new().fallback(answer).with_state(script.clone());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, script, _serving: AbortOnDropHandle::new(serving) }
    }

    /// From now on this is said of `/name`.
    pub fn says(&self, name: &str, page: Page) {
        self.script.lock().unwrap().0.insert(format!("/{name}"), page);
    }

    /// Path and status of what was asked since the last time.
    pub fn asked(&self) -> Vec<(String, u16)> {
        std::mem::take(&mut self.script.lock().unwrap().1)
    }
}

async fn answer(State(script): State<Script>, request: Request) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let page = script.lock().unwrap().0.get(&path).cloned().unwrap_or(Page::Status(404));
    let seen = request.headers().get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let response = Response::builder();
    let response = match page {
        Page::Document { etag: Some(etag), .. } if seen == Some(&etag) => {
            response.status(StatusCode::NOT_MODIFIED).header(ETAG, etag).body(Body::empty())
        }
        Page::Document { bytes, etag: Some(etag) } => response.header(ETAG, etag).body(Body::from(bytes)),
        Page::Document { bytes, etag: None } => response.body(Body::from(bytes)),
        Page::Pieces(pieces) => {
            let pieces = pieces.into_iter().map(|piece| Ok::<_, std::io::Error>(Bytes::from(piece)));
            response.body(Body::from_stream(stream::iter(pieces)))
        }
        Page::Packed(bytes) => response.header(CONTENT_ENCODING, "gzip").body(Body::from(bytes)),
        Page::Status(503) => response.status(503).header(RETRY_AFTER, "7").body(Body::empty()),
        Page::Status(status) => response.status(status).body(Body::empty()),
        Page::Redirect(to) => response.status(302).header(LOCATION, to).body(Body::empty()),
        Page::Silence => std::future::pending().await,
    };
    let response = response.unwrap();
    script.lock().unwrap().1.push((path, response.status().as_u16()));
    response
}
