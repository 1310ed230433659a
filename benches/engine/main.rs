//! How busy an ingest keeps the model: a double that takes a fixed time a page and no processor stands for it, everything else
//! is real. Prints a line of JSON: the share of the run in which the model computed.
//!
//!     cargo bench --bench engine -- [--pages 1000] [--page-ms 60] [--batch 1]

#![allow(clippy::print_stdout, reason = "a measurement is printed")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quire::app::{App, IngestRequest, Installation};
use quire::config::{Config, Environment, Flags, Library, Pipeline};
use quire::embed::Embedder;
use quire::embed::double::ModelDouble;
use quire::faults::Faults;
use quire::source::Discover;
use quire::types::Tenant;
use serde_json::json;
use tokio_util::sync::CancellationToken;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const PIPELINE: &str = "version: 1\nname: bench\nmodel: double\nvectors:\n  patches:\n  pooled:\n  text:\n";

fn main() -> Result<()> {
    // Documents are drawn by this same program, started with one word.
    if std::env::args().nth(1).as_deref() == Some("render-worker") {
        return Ok(quire::render::worker::run()?);
    }
    let arguments: Vec<String> = std::env::args().collect();
    let number = |flag: &str, default: u64| {
        let at = arguments.iter().position(|argument| argument == flag);
        at.and_then(|at| arguments.get(at + 1)?.parse().ok()).unwrap_or(default)
    };
    let (pages, page_ms, batch) = (number("--pages", 1000), number("--page-ms", 60), number("--batch", 1));
    tokio::runtime::Runtime::new()?.block_on(measure(pages, Duration::from_millis(page_ms), batch as usize))
}

async fn measure(pages: u64, page_time: Duration, batch: usize) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let documents = folder.path().join("documents");
    copies_of_the_demo(&documents, pages)?;
    let app = App::open(config(folder.path())?, installation()).await?;
    let double = Arc::new(ModelDouble::new(Faults::none()).taking(page_time, batch)?);
    app.models().put("double", Embedder::of(double.clone()));
    let pipeline = folder.path().join("pipeline.yaml");
    std::fs::write(&pipeline, PIPELINE)?;
    let request = IngestRequest {
        paths: vec![documents],
        discover: Discover::default(),
        pipeline: Some(Pipeline::load(&pipeline, app.config(), &Environment::default())?),
        collection: "bench".into(),
        tags: Default::default(),
        priority: Default::default(),
        prune: false,
        prune_anyway: false,
        force: false,
    };
    let started = Instant::now();
    let summary = app.scope(Tenant("bench".into())).ingest(request, &CancellationToken::new()).await?;
    let whole = started.elapsed();
    let share = double.busy().as_secs_f64() / whole.as_secs_f64();
    println!(
        "{}",
        json!({
            "pages": summary.pages, "page_ms": page_time.as_millis(), "batch": batch,
            "seconds": whole.as_secs_f64(), "busy_share": share,
        })
    );
    app.close().await;
    Ok(())
}

/// Documents of the demo under new names, at least so many pages.
fn copies_of_the_demo(into: &Path, pages: u64) -> Result<()> {
    /// Pages of all documents of the demo.
    const DEMO_PAGES: u64 = 43;
    std::fs::create_dir(into)?;
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("demo/documents");
    for copy in 0..pages.div_ceil(DEMO_PAGES) {
        for entry in std::fs::read_dir(&demo)? {
            let entry = entry?;
            std::fs::copy(entry.path(), into.join(format!("{copy}-{}", entry.file_name().to_string_lossy())))?;
        }
    }
    Ok(())
}

fn config(folder: &Path) -> Result<Config> {
    let flags = Flags { data_dir: Some(folder.join("data")), ..Flags::default() };
    Ok(Config::load(&flags, &Environment::default())?)
}

/// The libraries of this repository.
fn installation() -> Installation {
    let native = Path::new(env!("CARGO_MANIFEST_DIR")).join("native");
    let libraries = [Library::OnnxRuntime, Library::Pdfium]
        .map(|library| (library.variable().into(), native.join(library.file_name()).into()));
    let environment: Environment = std::env::vars_os().chain(libraries).collect();
    Installation::of_process_in(environment)
}
