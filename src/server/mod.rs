//! HTTP: what [`crate::app::App`] offers, for programs and people elsewhere. A route reads its request, asks the caller's scope,
//! and writes what came back; it decides nothing.
//!
//! Nothing may be read here without a [`Caller`]: whoever can't be told apart from a stranger has no scope.

mod caller;
mod health;
mod problem;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use caller::{Caller, Permission};
pub use health::Health;
pub use problem::Problem;

use crate::app::App;
use crate::error::{Error, Result};

/// What every route works with. Clones share it.
#[derive(Clone)]
pub struct Server {
    pub app: Arc<App>,
    pub health: Arc<Health>,
}

impl Server {
    pub fn new(app: Arc<App>) -> Self {
        Self { app, health: Arc::default() }
    }
}

/// Answers requests until `shutdown`; those that are under way end first.
///
/// # Errors
/// Transient: the socket failed.
pub async fn run(listener: TcpListener, server: Server, shutdown: CancellationToken) -> Result<()> {
    axum::serve(listener, router(server))
        .with_graceful_shutdown(shutdown.cancelled_owned())
        .await
        .map_err(|error| Error::transient("the HTTP server ended").with_source(error))
}

/// Every route.
fn router(server: Server) -> Router {
    Router::new().route("/livez", get(health::live)).route("/readyz", get(health::ready)).with_state(server)
}
