//! Every metric by name. Until a recorder is installed, recording costs next to nothing and goes nowhere.

use std::time::{Duration, Instant};

/// A metric. Names follow Prometheus: the unit last, `_total` for what only grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Metric {
    PagesRendered,
    PagesEmbedded,
    Documents,
    StageSeconds,
    BatchPages,
    WorkerDeaths,
    Retries,
    StoreSeconds,
    ModelBusySeconds,
    QueueDepth,
    QueueOldestSeconds,
    ResidentBytes,
    HttpRequests,
    HttpSeconds,
}

/// What a metric counts by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Counter,
    Gauge,
    Histogram,
}

impl Metric {
    pub const ALL: [Self; 14] = [
        Self::PagesRendered,
        Self::PagesEmbedded,
        Self::Documents,
        Self::StageSeconds,
        Self::BatchPages,
        Self::WorkerDeaths,
        Self::Retries,
        Self::StoreSeconds,
        Self::ModelBusySeconds,
        Self::QueueDepth,
        Self::QueueOldestSeconds,
        Self::ResidentBytes,
        Self::HttpRequests,
        Self::HttpSeconds,
    ];

    pub fn name(self) -> &'static str {
        self.told().0
    }

    /// Name, shape, and what it is.
    fn told(self) -> (&'static str, Shape, &'static str) {
        use Shape::{Counter, Gauge, Histogram};
        match self {
            Self::PagesRendered => ("quire_pages_rendered_total", Counter, "Pages drawn"),
            Self::PagesEmbedded => ("quire_pages_embedded_total", Counter, "Pages that the model has seen"),
            Self::Documents => ("quire_documents_total", Counter, "Documents that came to an end, by outcome"),
            Self::StageSeconds => {
                ("quire_stage_seconds", Histogram, "Seconds of one stage for one page or one question")
            }
            Self::BatchPages => ("quire_batch_pages", Histogram, "Pages or questions that the model took at once"),
            Self::WorkerDeaths => ("quire_worker_deaths_total", Counter, "Render processes that died over a document"),
            Self::Retries => ("quire_retries_total", Counter, "Attempts that failed and are followed by another"),
            Self::StoreSeconds => {
                ("quire_store_seconds", Histogram, "Seconds of one call to the vector store, by operation")
            }
            Self::ModelBusySeconds => {
                ("quire_model_busy_seconds_total", Gauge, "Seconds in which the page model worked")
            }
            Self::QueueDepth => ("quire_queue_depth", Gauge, "Jobs by state: queued, processing"),
            Self::QueueOldestSeconds => ("quire_queue_oldest_seconds", Gauge, "How long the oldest job has been due"),
            Self::ResidentBytes => ("quire_process_resident_bytes", Gauge, "Memory of this process that is in RAM"),
            Self::HttpRequests => ("quire_http_requests_total", Counter, "Requests by route and status"),
            Self::HttpSeconds => ("quire_http_seconds", Histogram, "Seconds until a request was answered, by route"),
        }
    }

    /// Tells the recorder what each metric is; once, after it is installed.
    pub fn describe() {
        for metric in Self::ALL {
            match metric.told() {
                (name, Shape::Counter, help) => metrics::describe_counter!(name, help),
                (name, Shape::Gauge, help) => metrics::describe_gauge!(name, help),
                (name, Shape::Histogram, help) => metrics::describe_histogram!(name, help),
            }
        }
    }
}

/// How a document came to an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    Indexed,
    Unchanged,
    Rejected,
    Dead,
    Deleted,
}

impl Outcome {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Indexed => "indexed",
            Self::Unchanged => "unchanged",
            Self::Rejected => "rejected",
            Self::Dead => "dead",
            Self::Deleted => "deleted",
        }
    }
}

/// A stage of one of the two flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    Render,
    Embed,
    Derive,
    Store,
    Retrieve,
    Answer,
}

impl Stage {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Render => "render",
            Self::Embed => "embed",
            Self::Derive => "derive",
            Self::Store => "store",
            Self::Retrieve => "retrieve",
            Self::Answer => "answer",
        }
    }
}

/// Adds pages to [`Metric::PagesRendered`] or [`Metric::PagesEmbedded`].
pub fn pages(metric: Metric, count: u64) {
    metrics::counter!(metric.name()).increment(count);
}

/// Counts a document's end.
pub fn document(outcome: Outcome) {
    metrics::counter!(Metric::Documents.name(), "outcome" => outcome.as_str()).increment(1);
}

/// Counts a request that was answered.
pub fn request(route: &str, status: u16, took: Duration) {
    let route = route.to_owned();
    metrics::counter!(Metric::HttpRequests.name(), "route" => route.clone(), "status" => status.to_string())
        .increment(1);
    metrics::histogram!(Metric::HttpSeconds.name(), "route" => route).record(took.as_secs_f64());
}

/// What waits and what is in work.
pub fn queue(waiting: u64, in_work: u64, oldest: Option<Duration>) {
    metrics::gauge!(Metric::QueueDepth.name(), "state" => "queued").set(waiting as f64);
    metrics::gauge!(Metric::QueueDepth.name(), "state" => "processing").set(in_work as f64);
    metrics::gauge!(Metric::QueueOldestSeconds.name()).set(oldest.unwrap_or_default().as_secs_f64());
}

/// The memory of this process that is in RAM.
pub fn resident_bytes(bytes: u64) {
    metrics::gauge!(Metric::ResidentBytes.name()).set(bytes as f64);
}

/// A render process died over a document.
pub fn worker_death() {
    metrics::counter!(Metric::WorkerDeaths.name()).increment(1);
}

/// An attempt failed, and another follows.
pub fn retry() {
    metrics::counter!(Metric::Retries.name()).increment(1);
}

/// The model worked on so many pages at once.
pub fn batch(pages: usize, took: Duration) {
    metrics::histogram!(Metric::BatchPages.name()).record(pages as f64);
    model_busy(took);
}

/// The model worked.
pub fn model_busy(took: Duration) {
    // counters take whole numbers: a gauge that only grows
    metrics::gauge!(Metric::ModelBusySeconds.name()).increment(took.as_secs_f64());
}

/// Measures a call to the vector store from its making to its drop.
#[derive(Debug)]
pub struct StoreTimer {
    operation: &'static str,
    started: Instant,
}

impl StoreTimer {
    pub fn start(operation: &'static str) -> Self {
        Self { operation, started: Instant::now() }
    }
}

impl Drop for StoreTimer {
    fn drop(&mut self) {
        let seconds = self.started.elapsed().as_secs_f64();
        metrics::histogram!(Metric::StoreSeconds.name(), "operation" => self.operation).record(seconds);
    }
}

/// Measures a stage from its making to its drop, so that a stage that fails is measured too.
#[derive(Debug)]
pub struct Timer {
    stage: Stage,
    started: Instant,
}

impl Timer {
    pub fn start(stage: Stage) -> Self {
        Self { stage, started: Instant::now() }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let seconds = self.started.elapsed().as_secs_f64();
        metrics::histogram!(Metric::StageSeconds.name(), "stage" => self.stage.as_str()).record(seconds);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_prometheus_names_and_stand_once() {
        let names: std::collections::BTreeSet<&str> = Metric::ALL.iter().map(|metric| metric.name()).collect();
        assert_eq!(names.len(), Metric::ALL.len());
        assert!(names.iter().all(|name| name.chars().all(|char| char.is_ascii_lowercase() || char == '_')));
    }
}
