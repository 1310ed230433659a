//! How much anybody may ask for at once: requests a minute of one sender, questions at the same time.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::{Request, Response};
use axum::response::IntoResponse;
use tokio::sync::OwnedSemaphorePermit;
use tower_governor::governor::GovernorConfigBuilder;
use tower_governor::key_extractor::KeyExtractor;
use tower_governor::{GovernorError, GovernorLayer};

use super::Server;
use super::caller::name_of;
use super::problem::Problem;

/// Whose requests are counted together: those of one key, or of one address.
#[derive(Debug, Clone, Copy)]
pub struct Sender;

/// A sender of requests.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Sent {
    Key(String),
    Address(IpAddr),
    /// Over no network.
    Here,
}

impl KeyExtractor for Sender {
    type Key = Sent;

    fn extract<T>(&self, request: &Request<T>) -> Result<Sent, GovernorError> {
        if let Some(name) = name_of(request.extensions()) {
            return Ok(Sent::Key(name));
        }
        let address = request.extensions().get::<ConnectInfo<SocketAddr>>();
        Ok(address.map_or(Sent::Here, |ConnectInfo(address)| Sent::Address(address.ip())))
    }
}

/// A problem in the place of the limiter's own answer.
fn turned_away(error: GovernorError) -> Response<axum::body::Body> {
    match error {
        GovernorError::TooManyRequests { wait_time, .. } => {
            Problem::too_many("more requests than server.limits.requests_per_minute allows", wait_time).into_response()
        }
        _ => Problem::new(axum::http::StatusCode::INTERNAL_SERVER_ERROR, "the rate limit failed").into_response(),
    }
}

/// Senders that were quiet for so long are forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(60);

/// Lets a sender's requests pass at their rate, and a minute's worth at once.
pub fn at_rate(routes: Router<Server>, server: &Server) -> Router<Server> {
    let per_minute = server.app.config().server.limits.requests_per_minute.max(1);
    let config = GovernorConfigBuilder::default()
        .key_extractor(Sender)
        .period((FORGET_AFTER / per_minute).max(Duration::from_nanos(1)))
        .burst_size(per_minute)
        .finish();
    let Some(config) = config.map(Arc::new) else { return routes };
    let (limiter, ending) = (config.limiter().clone(), server.ending.clone());
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(async move {
            while ending.run_until_cancelled(tokio::time::sleep(FORGET_AFTER)).await.is_some() {
                limiter.retain_recent();
            }
        });
    }
    routes.layer(GovernorLayer::new(config).error_handler(turned_away))
}

impl Server {
    /// A turn to answer a question; held while it is answered.
    ///
    /// # Errors
    /// 429: too many are being answered, and none ended soon enough.
    pub(super) async fn question_turn(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let limits = &self.app.config().server.limits;
        let turn = tokio::time::timeout(limits.question_wait, self.questions.clone().acquire_owned()).await;
        match turn {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(Problem::too_many("as many questions are being answered as server.limits.questions allows", 1)),
        }
    }
}
