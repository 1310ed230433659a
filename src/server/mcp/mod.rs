//! The Model Context Protocol, over streamable HTTP at `/mcp` and on standard input and output: five tools that read, and a view
//! of the evidence.
//!
//! Both ages of the protocol are spoken: 2026-07-28, where every request stands by itself, and those before it, which begin with
//! `initialize`. No session is kept for either, so any process of a service can answer any request, and whoever asks is told by
//! each request anew: nothing is remembered that another caller could come by.

mod door;
mod forward;
mod tools;
mod view;
mod visitor;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use rmcp::ServiceExt;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio_util::sync::CancellationToken;

use super::cited::Addresses;
use super::{Caller, Permission, Problem, Server};
use crate::error::{Error, Result};
use door::Door;
use visitor::Visitor;

pub use forward::forward;

/// `/mcp`.
pub fn routes(server: &Server) -> Router<Server> {
    let door = Door::of_requests(server.clone());
    // who may come in from where is decided before, for every route alike
    let config = StreamableHttpServerConfig::default()
        .disable_allowed_hosts()
        .disable_allowed_origins()
        .with_legacy_session_mode(false)
        .with_json_response(true);
    let service =
        StreamableHttpService::new(move || Ok(door.clone()), Arc::new(NeverSessionManager::default()), config);
    Router::new().route_service("/mcp", service).route_layer(middleware::from_fn_with_state(server.clone(), admit))
}

/// Finds out who asks, and puts it where the door looks for it.
async fn admit(
    State(_): State<Server>,
    caller: Caller,
    addresses: Addresses,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    caller.may(Permission::Read)?;
    request.extensions_mut().insert(Visitor { caller, addresses });
    Ok(next.run(request).await)
}

/// Speaks on standard input and output, for one caller, until the other side hangs up or `stop`.
///
/// # Errors
/// Transient: the other side did not begin as the protocol does.
pub async fn stdio(server: Server, caller: Caller, stop: CancellationToken) -> Result<()> {
    let door = Door::of_one(server, Visitor { caller, addresses: Addresses::Local });
    let running = door
        .serve_with_ct(rmcp::transport::stdio(), stop)
        .await
        .map_err(|error| Error::transient("the client did not begin as the protocol does").with_source(error))?;
    running.waiting().await.map(|_| ()).map_err(|error| Error::bug("serving the client panicked").with_source(error))
}
