//! The daemon: which roles run in this process, from start to drain. Each role is a task that ends when it is told to; a role
//! that ends by itself ends the others.

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::error::{Error, Result};
use crate::server::{self, Server};

/// What a process of the service does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Answers requests.
    Api,
    /// Turns what was submitted into pages.
    Worker,
    /// Keeps watched folders in step.
    Watcher,
}

/// Runs the roles until `stop`, then drains them.
///
/// # Errors
/// What ended a role.
pub async fn run(app: Arc<App>, roles: &[Role], listener: Option<TcpListener>, stop: CancellationToken) -> Result<()> {
    let server = Server::new(app.clone());
    let halt = stop.child_token();
    let api = async {
        match listener {
            Some(listener) if roles.contains(&Role::Api) => server::run(listener, server.clone(), halt.clone()).await,
            _ => Ok(halt.cancelled().await),
        }
    };
    let worker = async {
        if !roles.contains(&Role::Worker) {
            return Ok(halt.cancelled().await);
        }
        let engine = app.resident_engine()?;
        let outcome = engine.run(&halt).await;
        engine.shutdown().await;
        outcome.map(|_| ())
    };
    let ended = async {
        halt.cancelled().await;
        server.health.drain();
        Ok::<_, Error>(())
    };
    let (api, worker, ended) = tokio::join!(
        async {
            let outcome = api.await;
            halt.cancel();
            outcome
        },
        async {
            let outcome = worker.await;
            halt.cancel();
            outcome
        },
        ended
    );
    api.and(worker).and(ended)
}
