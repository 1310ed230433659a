//! Asks a folder of documents a question, from a program of one's own.
//!
//!     cargo run --release --example ask_folder -- demo/documents "When is the annual general meeting?"

#![allow(clippy::print_stdout, reason = "it prints what it found")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use quire::app::{App, IngestRequest, Installation, Question};
use quire::config::{Config, Flags};
use quire::error::{Error, Result};
use quire::source::Discover;
use quire::types::Tenant;
use tokio_util::sync::CancellationToken;

const COLLECTION: &str = "documents";

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    // Documents are drawn in processes of their own: this same program, started with one word.
    let (Some(folder), question) = (arguments.next(), arguments.next()) else {
        return Err(Error::configuration("a folder and a question are expected"));
    };
    if folder == "render-worker" {
        return quire::render::worker::run();
    }
    let question = question.ok_or_else(|| Error::configuration("a question is expected behind the folder"))?;
    let runtime = tokio::runtime::Runtime::new().map_err(|error| Error::bug("no runtime").with_source(error))?;
    runtime.block_on(ask(folder.into(), &question))
}

async fn ask(folder: PathBuf, question: &str) -> Result<()> {
    let installation = Installation::of_process();
    let config = Config::load(&Flags::default(), installation.environment())?;
    let app = App::open(config, installation).await?;
    // Everything that is read or asked is somebody's.
    let scope = app.scope(Tenant("default".into()));

    let request = IngestRequest {
        paths: vec![folder],
        discover: Discover::default(),
        pipeline: None,
        collection: COLLECTION.into(),
        tags: BTreeMap::new(),
        priority: Default::default(),
        prune: false,
        prune_anyway: false,
        force: false,
    };
    // Cancel the token, and what is under way is finished or given back.
    let summary = scope.ingest(request, &CancellationToken::new()).await?;
    eprintln!("{} indexed, {} unchanged", summary.documents.indexed, summary.documents.unchanged);

    let response = scope.ask(&Question::new(question, COLLECTION, 5)).await?;
    println!("{}", response.answer.answer);
    for citation in &response.answer.citations {
        println!("{} {}, page {}", citation.marker, citation.hit.title, citation.hit.page);
    }
    app.close().await;
    Ok(())
}
