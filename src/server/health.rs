//! Whether the process lives, whether it should be sent requests, and its metrics. Nothing here says anything of a document or a
//! tenant: nobody has to show who they are.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::Server;
use super::wire::Failures;
use crate::app::HealthCheck;
use crate::telemetry;

/// Whoever collects metrics waits for those of the queue so long; all others matter most while the ledger is away.
const QUEUE_PATIENCE: Duration = Duration::from_secs(3);
/// Pages a second are counted over so long.
const RATE_OVER: Duration = Duration::from_secs(30);

/// What the service says of itself.
#[derive(Debug)]
pub struct Health {
    since: Instant,
    draining: AtomicBool,
    pages: Mutex<VecDeque<Instant>>,
    watched: Mutex<Vec<Value>>,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            since: Instant::now(),
            draining: AtomicBool::default(),
            pages: Mutex::default(),
            watched: Mutex::default(),
        }
    }
}

impl Health {
    /// From now on no new requests should come.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// A page was indexed.
    pub fn page(&self, now: Instant) {
        self.recent(now).push_back(now);
    }

    /// Over the last half minute, or since the start.
    pub fn pages_per_second(&self, now: Instant) -> f64 {
        let over = RATE_OVER.min(now.saturating_duration_since(self.since)).max(Duration::from_secs(1));
        self.recent(now).len() as f64 / over.as_secs_f64()
    }

    /// Pages that still count.
    fn recent(&self, now: Instant) -> MutexGuard<'_, VecDeque<Instant>> {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        while pages.front().is_some_and(|page| now.saturating_duration_since(*page) > RATE_OVER) {
            pages.pop_front();
        }
        pages
    }

    /// What the watcher says of the folders that it watches: `{path, collection}`.
    pub fn watch(&self, watched: Vec<Value>) {
        *self.watched.lock().unwrap_or_else(PoisonError::into_inner) = watched;
    }

    pub fn watched(&self) -> Vec<Value> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Whether the service can work, part by part.
#[derive(Debug, Serialize, ToSchema)]
pub struct Readiness {
    #[schema(value_type = Vec<Object>)]
    checks: Vec<HealthCheck>,
}

/// The process lives.
#[utoipa::path(get, path = "/livez", tag = "service",
    responses((status = 200, description = "It does", body = Readiness), Failures))]
pub async fn live() -> Json<Readiness> {
    Json(Readiness { checks: Vec::new() })
}

/// Whether requests should be sent here: not while it ends, while ledger, store or page images are away, or the disk is nearly full.
#[utoipa::path(get, path = "/readyz", tag = "service",
    responses((status = 200, description = "They should", body = Readiness),
        (status = 503, description = "They should not", body = Readiness), Failures))]
pub async fn ready(State(server): State<Server>) -> Response {
    let mut checks = server.app.health().await;
    let draining = server.health.is_draining();
    let detail = if draining { "it is ending" } else { "it takes requests" };
    checks.insert(0, HealthCheck { name: "service", ok: !draining, detail: detail.into() });
    let status = if checks.iter().all(|check| check.ok) { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { checks })).into_response()
}

/// Metrics, as Prometheus reads them. While the ledger is away, those of the queue stay as they were.
#[utoipa::path(get, path = "/metrics", tag = "service",
    responses((status = 200, description = "Metrics", content_type = "text/plain", body = String), Failures))]
pub async fn metrics(State(server): State<Server>) -> Response {
    if let Ok(Ok(queue)) = tokio::time::timeout(QUEUE_PATIENCE, server.app.queue()).await {
        telemetry::queue(queue.waiting, queue.in_work, queue.oldest_ms.map(Duration::from_millis));
    }
    if let Some(bytes) = resident_bytes() {
        telemetry::resident_bytes(bytes);
    }
    let content_type = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (content_type, telemetry::rendered_metrics()).into_response()
}

/// Memory of this process that is in RAM; None where the system does not tell.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_long_ago_do_not_count() {
        let (health, now) = (Health::default(), Instant::now());
        health.page(now);
        assert_eq!(health.recent(now + RATE_OVER).len(), 1);
        assert!(health.pages_per_second(now + RATE_OVER) > 0.0);
        assert!(health.recent(now + RATE_OVER * 2).is_empty());
    }
}
