//! The daemon: which roles run in this process, from start to drain. Each role is a task that ends when it is told to; a role
//! that ends by itself ends the others, and its error is what the daemon ends with.
//!
//! Beside the roles, a control socket in the data folder lets the commands of whoever runs the daemon in. What a command is,
//! only the command line knows: it gives the daemon a [`Commands`].

mod client;
mod control;
mod frames;
mod live;
mod pipelines;
mod roles;
mod socket;
mod supervisor;
mod watcher;

use std::sync::Arc;

use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use client::{Asked, Client, Piece};
pub use control::{Call, Commands, Stream};
pub use frames::Greeting;
pub use live::{LiveDocument, Snapshot};
pub use roles::Role;

use crate::app::App;
use crate::config::Pipeline;
use crate::error::{Result, io_error};
use crate::server::{self, Server};
use crate::telemetry;
use control::Control;
use frames::VERSION;
use pipelines::Runs;
use roles::Roles;

/// What a daemon is started with.
pub struct Service {
    pub app: Arc<App>,
    pub roles: Vec<Role>,
    /// Where requests come in; None without the role [`Role::Api`].
    pub listener: Option<TcpListener>,
    pub commands: Arc<dyn Commands>,
    /// The configured pipelines: what it holds is what counts, from one moment to the next.
    pub pipelines: watch::Receiver<Arc<Vec<Pipeline>>>,
}

/// Runs the roles until `stop`, then drains them: not ready at once, what was begun finished or given back.
///
/// # Errors
/// What ended a role before that.
pub async fn run(service: Service, stop: CancellationToken) -> Result<()> {
    let Service { app, roles: which, listener, commands, pipelines } = service;
    telemetry::record_metrics()?;
    app.enter_service();
    let mut roles = Roles::new(stop);
    let halt = roles.halt();
    let runs = Arc::new(Runs::new(app.clone(), pipelines.clone(), halt.clone()));
    let server = Server::new(app.clone()).with_pipelines(runs.clone());
    let root = app.data().root().to_owned();
    let socket = socket::listen(&root).map_err(|error| io_error("listen in", &root, error))?;
    let address = listener.as_ref().and_then(|listener| listener.local_addr().ok());
    let control = Arc::new(Control {
        greeting: Greeting {
            version: VERSION.to_owned(),
            process: std::process::id(),
            address: address.map(|address| format!("http://{address}")),
        },
        live: live::Live::follow(&app, server.health.clone()),
        app: app.clone(),
        commands,
    });
    let until = halt.clone();
    roles.start("runs", async move {
        runs.end().await;
        Ok(())
    });
    roles.start("control", async move {
        control::run(socket, control, until).await;
        Ok(())
    });
    roles.start("status", tell_what_is_watched(server.clone(), pipelines.clone(), halt.clone()));
    if let Some(listener) = listener.filter(|_| which.contains(&Role::Api)) {
        roles.start_last("api", |end| server::run(listener, server.clone(), end));
    }
    if which.contains(&Role::Worker) {
        let (engine, until) = (app.resident_engine()?, halt.clone());
        roles.start("worker", async move {
            let outcome = engine.run(&until).await;
            engine.shutdown().await;
            outcome.map(|_| ())
        });
    }
    if which.contains(&Role::Watcher) {
        roles.start("watcher", watcher::run(app.clone(), pipelines, halt.clone()));
    }
    supervisor::tell(app.installation(), "READY=1");
    let outcome = roles
        .run(|| {
            server.health.drain();
            supervisor::tell(app.installation(), "STOPPING=1");
        })
        .await;
    socket::remove(&root);
    outcome
}

/// Keeps the status up to date about the folders that are watched, until `halt`.
async fn tell_what_is_watched(
    server: Server,
    mut pipelines: watch::Receiver<Arc<Vec<Pipeline>>>,
    halt: CancellationToken,
) -> Result<()> {
    loop {
        let configured = pipelines.borrow_and_update().clone();
        let mut watched = Vec::new();
        for pipeline in configured.iter() {
            for path in pipeline.watched() {
                watched.push(json!({ "path": path.display().to_string(), "collection": pipeline.collection }));
            }
        }
        server.health.watch(watched);
        match halt.run_until_cancelled(pipelines.changed()).await {
            Some(Ok(())) => {}
            // Nobody reloads them any more.
            Some(Err(_)) => break,
            None => return Ok(()),
        }
    }
    halt.cancelled().await;
    Ok(())
}
