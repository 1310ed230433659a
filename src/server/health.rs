//! Whether the process lives, and whether it should be sent requests.

use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::State;
use axum::http::StatusCode;

use super::Server;

/// What the service says of itself.
#[derive(Debug, Default)]
pub struct Health {
    draining: AtomicBool,
}

impl Health {
    /// From now on no new requests should come.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}

pub async fn live() -> StatusCode {
    StatusCode::OK
}

pub async fn ready(State(server): State<Server>) -> StatusCode {
    if server.health.is_draining() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
}
