//! HTTP: what [`crate::app::App`] offers, for programs and people elsewhere. A route reads its request, asks the caller's scope,
//! and writes what came back; it decides nothing.
//!
//! Nothing may be read here without a [`Caller`]: whoever can't be told apart from a stranger has no scope.

mod caller;
mod cited;
mod conditions;
mod dify;
mod extract;
mod health;
mod hosts;
mod knowledge;
mod layers;
mod limits;
mod links;
mod listen;
pub mod mcp;
mod openai;
mod openapi;
mod problem;
mod routes;
mod runs;
mod sse;
mod tokens;
mod ui;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::routing::post;
use tokio::net::TcpListener;
use tokio::sync::{OnceCell, Semaphore};
use tokio_util::sync::CancellationToken;

pub use caller::{Caller, Permission};
pub use health::Health;
pub use links::Links;
pub use listen::check_listen;
pub use problem::Problem;
pub use runs::{AskedPipeline, PipelineRuns, RunPhase, RunState};

use crate::app::App;
use crate::error::{Error, Result};
use tokens::Tokens;

/// What every route works with. Clones share it.
#[derive(Clone)]
pub struct Server {
    pub app: Arc<App>,
    pub health: Arc<Health>,
    /// Knows and starts configured pipelines; None in a process that has none.
    pub pipelines: Option<Arc<dyn PipelineRuns>>,
    /// Questions that may be answered at this moment.
    questions: Arc<Semaphore>,
    links: Arc<OnceCell<Links>>,
    tokens: Arc<OnceCell<Option<Tokens>>>,
    /// Cancelled when the service ends: streams that would never end by themselves end then.
    ending: CancellationToken,
}

impl Server {
    pub fn new(app: Arc<App>) -> Self {
        let questions = Arc::new(Semaphore::new(app.config().server.limits.questions));
        Self {
            app,
            health: Arc::default(),
            pipelines: None,
            questions,
            links: Arc::default(),
            tokens: Arc::default(),
            ending: CancellationToken::new(),
        }
    }

    /// With whatever starts configured pipelines.
    #[must_use]
    pub fn with_pipelines(mut self, pipelines: Arc<dyn PipelineRuns>) -> Self {
        self.pipelines = Some(pipelines);
        self
    }

    /// What makes and checks signed links.
    pub async fn links(&self) -> Result<&Links> {
        let valid = self.app.config().server.link_valid;
        let make = || async { Ok(Links::new(self.app.shared_secret(links::SECRET).await?, valid)) };
        self.links.get_or_try_init(make).await
    }

    /// What checks the tokens of the configured issuer; None where none is.
    async fn tokens(&self) -> Result<Option<&Tokens>> {
        let read = || async {
            let Some(settings) = self.app.config().server.jwt.clone() else { return Ok(None) };
            let read = tokio::task::spawn_blocking(move || Tokens::new(settings)).await;
            read.map_err(|error| Error::bug("reading the issuer's key panicked").with_source(error))?.map(Some)
        };
        Ok(self.tokens.get_or_try_init(read).await?.as_ref())
    }
}

/// Answers requests until `shutdown`; those that are under way end first.
///
/// # Errors
/// Transient: the socket failed.
pub async fn run(listener: TcpListener, server: Server, shutdown: CancellationToken) -> Result<()> {
    let ending = server.ending.clone();
    let ended = async move {
        shutdown.cancelled_owned().await;
        ending.cancel();
    };
    axum::serve(listener, router(server).into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(ended)
        .await
        .map_err(|error| Error::transient("the HTTP server ended").with_source(error))
}

/// Every route, behind everything that stands before one.
pub fn router(server: Server) -> Router {
    let (routes, document) = routes::all().split_for_parts();
    let page = if server.app.config().server.ui { ui::routes() } else { Router::new() };
    let routes = routes.merge(openapi::routes(document)).merge(doors(&server)).merge(page);
    layers::around(routes, &server).with_state(server)
}

/// Routes that other services' clients bring with them: each has its protocol, and its errors, from elsewhere.
fn doors(server: &Server) -> Router<Server> {
    Router::new().route("/retrieval", post(dify::retrieve)).merge(openai::routes()).merge(mcp::routes(server))
}
