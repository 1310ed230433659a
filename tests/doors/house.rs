//! A service with the documents of two tenants, and requests to it.

#![allow(dead_code, reason = "the tests of the doors and those of the API use their share of it")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::StreamExt;
use quire::app::{App, IngestRequest, Installation, KeyRequest};
use quire::config::{Config, Environment, Flags, Library};
use quire::embed::Embedder;
use quire::embed::double::ModelDouble;
use quire::error::Result;
use quire::faults::Faults;
use quire::server::{self, AskedPipeline, PipelineRuns, RunState, Server};
use quire::source::Discover;
use quire::types::{Permission, Tenant};
use reqwest::header::AUTHORIZATION;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::common;

pub const COLLECTION: &str = "documents";

/// Open until [`House::close`].
pub struct House {
    pub address: String,
    /// Of the tenants, by name.
    keys: BTreeMap<String, String>,
    client: reqwest::Client,
    pub app: Arc<App>,
    stop: CancellationToken,
    serving: JoinHandle<()>,
    pub folder: tempfile::TempDir,
}

/// Pipelines that can be asked, and never run.
struct AcmesPipelines(Vec<AskedPipeline>);

#[async_trait::async_trait]
impl PipelineRuns for AcmesPipelines {
    async fn start(&self, _: &Tenant, _: &str) -> Result<Option<RunState>> {
        Ok(None)
    }

    fn asked(&self, tenant: &Tenant) -> Vec<AskedPipeline> {
        if tenant.0 == "acme" { self.0.clone() } else { Vec::new() }
    }

    async fn run(&self, _: &Tenant, _: &str) -> Option<RunState> {
        None
    }
}

/// What came back.
pub struct Reply {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl House {
    /// A service whose tenants are `acme` and `rival`, each with a manual that names it on every page.
    pub async fn open(answer_model: Option<&str>) -> Self {
        Self::open_with(answer_model, "").await
    }

    /// The same with more in its configuration.
    pub async fn open_with(answer_model: Option<&str>, settings: &str) -> Self {
        Self::open_all(answer_model, settings, Vec::new()).await
    }

    /// The same with pipelines of acme's, which can be asked.
    pub async fn open_asking(pipelines: Vec<AskedPipeline>) -> Self {
        Self::open_all(None, "", pipelines).await
    }

    async fn open_all(answer_model: Option<&str>, settings: &str, pipelines: Vec<AskedPipeline>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), answer_model, settings);
        let installation =
            Installation::of_process_in(Environment::default()).drawing_with(env!("CARGO_BIN_EXE_quire").into());
        let app = Arc::new(App::open(config, installation).await.unwrap());
        app.models().put("double", Embedder::of(Arc::new(ModelDouble::new(Faults::none()))));
        let mut keys = BTreeMap::new();
        for tenant in ["acme", "rival"] {
            keys.insert(tenant.to_owned(), furnish(&app, folder.path(), tenant).await);
        }
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let server = Server::new(app.clone()).with_pipelines(Arc::new(AcmesPipelines(pipelines)));
        let halt = stop.clone();
        let serving = tokio::spawn(async move { server::run(listener, server, halt).await.unwrap() });
        Self { address, keys, client: reqwest::Client::new(), app, stop, serving, folder }
    }

    pub fn key(&self, tenant: &str) -> &str {
        &self.keys[tenant]
    }

    /// A request without a key.
    pub fn stranger(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method.parse().unwrap(), format!("{}{path}", self.address))
    }

    pub fn request(&self, tenant: &str, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.stranger(method, path).header(AUTHORIZATION, format!("Bearer {}", self.key(tenant)))
    }

    pub async fn get(&self, tenant: &str, path: &str) -> Reply {
        reply(self.request(tenant, "GET", path)).await
    }

    pub async fn post(&self, tenant: &str, path: &str, body: Value) -> Reply {
        reply(self.request(tenant, "POST", path).header("content-type", "application/json").body(body.to_string()))
            .await
    }

    /// The `data` of every event of a stream, in order.
    pub async fn events(&self, tenant: &str, path: &str, body: Value) -> Vec<String> {
        let request = self.request(tenant, "POST", path).header("content-type", "application/json");
        events(request.body(body.to_string())).await
    }

    /// Everything that was begun has ended.
    pub async fn close(self) {
        self.stop.cancel();
        // connections that are kept open for the next request end with the client
        drop(self.client);
        self.serving.await.unwrap();
        self.app.close().await;
    }
}

pub async fn reply(request: reqwest::RequestBuilder) -> Reply {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default();
    Reply { status, headers, body }
}

pub async fn events(request: reqwest::RequestBuilder) -> Vec<String> {
    use eventsource_stream::Eventsource;
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    response.bytes_stream().eventsource().map(|event| event.unwrap().data).collect().await
}

fn config(folder: &Path, answer_model: Option<&str>, settings: &str) -> Config {
    let mut text = format!("version: 1\ndata_dir: {}\nmodel: double\n", folder.join("data").display());
    if let Some(base_url) = answer_model {
        text += &format!("answer:\n  vlm: {{base_url: '{base_url}', model: talker, first_retry_ms: 1}}\n");
    }
    text += settings;
    let file = folder.join("quire.yaml");
    std::fs::write(&file, text).unwrap();
    let flags = Flags { config: Some(file), ..Flags::default() };
    let config = Config::load(&flags, &Environment::default()).unwrap();
    let variables = common::variables();
    let library = |library: Library| variables.get(std::ffi::OsStr::new(library.variable())).map(PathBuf::from);
    Config { pdfium: library(Library::Pdfium), workers: 1, ..config }
}

/// Gives a tenant its manual, and a key.
async fn furnish(app: &App, folder: &Path, tenant: &str) -> String {
    let documents = folder.join(tenant);
    std::fs::create_dir(&documents).unwrap();
    let pages = (1..=3)
        .map(|page| format!("{} manual, sheet {page}. The torque of the rotor bolts is {page}0 Nm.", canary(tenant)));
    std::fs::write(documents.join(format!("{tenant}-manual.pdf")), text_pdf(&pages.collect::<Vec<_>>())).unwrap();
    let pipeline = folder.join("pipeline.yaml");
    std::fs::write(&pipeline, "version: 1\nname: test\nmodel: double\nvectors:\n  patches:\n  text:\n").unwrap();
    let request = IngestRequest {
        paths: vec![documents],
        discover: Discover::default(),
        pipeline: Some(app.installation().pipeline(&pipeline, app.config()).unwrap()),
        collection: COLLECTION.into(),
        priority: Default::default(),
        tags: [("team".to_owned(), tenant.to_owned())].into(),
        prune: false,
        prune_anyway: false,
        force: false,
    };
    let scope = app.scope(Tenant(tenant.into()));
    let summary = scope.ingest(request, &CancellationToken::new()).await.unwrap();
    assert_eq!((summary.documents.indexed, summary.pages), (1, 3), "{summary:?}");
    let key = KeyRequest {
        name: tenant.into(),
        tenant: Tenant(tenant.into()),
        permissions: vec![Permission::Read, Permission::Write],
        groups: vec![],
        expires: None,
    };
    app.create_key(&key).await.unwrap().key
}

/// A word that stands on every page of a tenant's documents and nowhere else.
pub fn canary(tenant: &str) -> String {
    format!("Canary{}", tenant.to_uppercase())
}

/// A PDF with a page for each text, in a font that needs no file.
pub fn text_pdf(pages: &[String]) -> Vec<u8> {
    let font = 3 + 2 * pages.len();
    let kids: String = (0..pages.len()).map(|page| format!("{} 0 R ", 3 + 2 * page)).collect();
    let mut objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        format!("<< /Type /Pages /Kids [{kids}] /Count {} >>", pages.len()),
    ];
    for (page, text) in pages.iter().enumerate() {
        // every page has a size of its own: the model double tells pages apart by their pixels
        objects.push(format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {} 200] /Contents {} 0 R /Resources << /Font << /F1 {font} 0 R >> >> >>",
            500 + page,
            4 + 2 * page
        ));
        let stream = format!("BT /F1 12 Tf 20 150 Td ({text}) Tj ET");
        objects.push(format!("<< /Length {} >>\nstream\n{stream}\nendstream", stream.len()));
    }
    objects.push("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>".to_owned());
    common::pdf(&objects)
}
