//! Follows what an ingest does, event by event.
//!
//!     cargo run --release --example follow_ingest -- demo/documents

#![allow(clippy::print_stdout, reason = "it prints what it found")]

use std::collections::BTreeMap;

use quire::app::{App, IngestRequest, Installation};
use quire::config::{Config, Flags};
use quire::error::{Error, Result};
use quire::ingest::{Event, Happening};
use quire::source::Discover;
use quire::types::Tenant;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

fn main() -> Result<()> {
    let Some(folder) = std::env::args().nth(1) else {
        return Err(Error::configuration("a folder is expected"));
    };
    // Documents are drawn in processes of their own: this same program, started with one word.
    if folder == "render-worker" {
        return quire::render::worker::run();
    }
    let runtime = tokio::runtime::Runtime::new().map_err(|error| Error::bug("no runtime").with_source(error))?;
    runtime.block_on(async {
        let installation = Installation::of_process();
        let config = Config::load(&Flags::default(), installation.environment())?;
        let app = App::open(config, installation).await?;
        let mut events = app.events().subscribe();
        let following = tokio::spawn(async move {
            loop {
                match events.recv().await {
                    Ok(event) => show(event),
                    // Nobody waits for a subscriber: what it was too slow for is gone.
                    Err(RecvError::Lagged(missed)) => eprintln!("({missed} events missed)"),
                    Err(RecvError::Closed) => return,
                }
            }
        });
        let request = IngestRequest {
            paths: vec![folder.into()],
            discover: Discover::default(),
            pipeline: None,
            collection: "documents".into(),
            tags: BTreeMap::new(),
            priority: Default::default(),
            prune: false,
            prune_anyway: false,
            force: false,
        };
        let summary = app.scope(Tenant("default".into())).ingest(request, &CancellationToken::new()).await?;
        println!("{} pages in {:.1} s", summary.pages, summary.seconds);
        following.abort();
        app.close().await;
        Ok(())
    })
}

fn show(event: Event) {
    match event {
        Event::Document(event) => match event.what {
            Happening::Opened { pages } => println!("{}: {pages} pages", event.source.name),
            Happening::Indexed { seconds, .. } => println!("{}: indexed in {seconds:.1} s", event.source.name),
            Happening::Rejected { reason } | Happening::Dead { reason } => println!("{}: {reason}", event.source.name),
            _ => {}
        },
        Event::Paused { reason, .. } => println!("waiting: {reason}"),
        Event::Resumed { .. } => println!("going on"),
    }
}
