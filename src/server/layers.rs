//! What every request passes on its way to a route: its id, the log and the metrics, names and origins, who asks, how often, how
//! long. In that order from the outside in.

use std::time::Instant;

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, Any, CorsLayer};
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::set_header::SetResponseHeaderLayer;

use super::caller::{identify, name_of};
use super::problem::Problem;
use super::{Server, hosts, limits};
use crate::telemetry;

/// The header with a request's id, taken from the client or made.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Routes whose requests take as long as their bodies do.
const UPLOADS: [&str; 2] = ["/v1/documents", "/v1/files"];

/// Puts everything before the routes.
pub fn around(routes: Router<Server>, server: &Server) -> Router<Server> {
    let settings = &server.app.config().server;
    let routes = routes
        .fallback(unknown)
        .method_not_allowed_fallback(other_method)
        .layer(DefaultBodyLimit::max(settings.limits.body_bytes))
        .layer(from_fn_with_state(server.clone(), in_time))
        .layer(cors(&settings.cors_origins));
    limits::at_rate(routes, server)
        .layer(from_fn_with_state(server.clone(), identify))
        .layer(from_fn_with_state(server.clone(), hosts::check))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(SetResponseHeaderLayer::if_not_present(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ))
        // addresses of ours may carry signatures
        .layer(SetResponseHeaderLayer::if_not_present(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")))
        .layer(from_fn(noted))
        .layer(PropagateRequestIdLayer::new(REQUEST_ID))
        .layer(SetRequestIdLayer::new(REQUEST_ID, MakeRequestUuid))
}

async fn unknown(uri: Uri) -> Problem {
    Problem::not_found(format!("nothing is served at {}: /reference says what is", uri.path()))
}

async fn other_method(method: Method, uri: Uri) -> Problem {
    let detail = format!("{} does not answer to {method}: /reference says what it answers to", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
}

fn cors(origins: &[String]) -> CorsLayer {
    let allowed = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::from(Any)
    } else {
        AllowOrigin::list(origins.iter().filter_map(|origin| origin.parse().ok()))
    };
    CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE, HeaderName::from_static("idempotency-key")])
        .expose_headers([REQUEST_ID, header::RETRY_AFTER])
}

/// Ends a request that takes too long. What streams its answer has answered by then.
async fn in_time(State(server): State<Server>, request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str).unwrap_or_default();
    if request.method() == Method::POST && UPLOADS.contains(&path) {
        return next.run(request).await;
    }
    let longest = server.app.config().server.limits.request;
    tokio::time::timeout(longest, next.run(request)).await.unwrap_or_else(|_| {
        let detail = format!("not done after {} s (server.limits.request_s)", longest.as_secs());
        Problem::new(StatusCode::REQUEST_TIMEOUT, detail).into_response()
    })
}

/// The access log and the metrics of requests. Queries are left out: they may carry signatures, and what people look for.
async fn noted(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let route = request.extensions().get::<MatchedPath>().map_or("unknown", MatchedPath::as_str).to_owned();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let id = request.headers().get(&REQUEST_ID).cloned();
    let response = next.run(request).await;
    let (status, took) = (response.status().as_u16(), started.elapsed());
    telemetry::request(&route, status, took);
    let caller = name_of(response.extensions());
    let id = id.as_ref().and_then(|id| id.to_str().ok()).unwrap_or_default();
    let ms = took.as_secs_f64() * 1e3;
    tracing::info!(target: "quire::access", %method, path, status, ms, request = id, caller, "request");
    response
}

fn panicked(_panic: Box<dyn std::any::Any + Send + 'static>) -> Response {
    tracing::error!("a request panicked");
    let detail = "a fault of the service: its log says more, under the request's id";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail).into_response()
}
