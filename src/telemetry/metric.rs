//! Every metric by name. Until a recorder is installed, recording costs next to nothing and goes nowhere.

use std::time::Instant;

/// A metric. Names follow Prometheus: the unit last, `_total` for what only grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Metric {
    /// Pages drawn. Counter.
    PagesRendered,
    /// Pages that the model has seen. Counter.
    PagesEmbedded,
    /// Documents that came to an end, by `outcome`. Counter.
    Documents,
    /// Seconds of one stage for one page or one question, by `stage`. Histogram.
    StageSeconds,
}

impl Metric {
    pub const ALL: [Self; 4] = [Self::PagesRendered, Self::PagesEmbedded, Self::Documents, Self::StageSeconds];

    pub fn name(self) -> &'static str {
        match self {
            Self::PagesRendered => "quire_pages_rendered_total",
            Self::PagesEmbedded => "quire_pages_embedded_total",
            Self::Documents => "quire_documents_total",
            Self::StageSeconds => "quire_stage_seconds",
        }
    }

    fn help(self) -> &'static str {
        match self {
            Self::PagesRendered => "Pages drawn",
            Self::PagesEmbedded => "Pages that the model has seen",
            Self::Documents => "Documents that came to an end, by outcome",
            Self::StageSeconds => "Seconds of one stage for one page or one question",
        }
    }

    /// Tells the recorder what each metric is; once, after it is installed.
    pub fn describe() {
        for metric in Self::ALL {
            match metric {
                Self::StageSeconds => {
                    metrics::describe_histogram!(metric.name(), metrics::Unit::Seconds, metric.help());
                }
                _ => metrics::describe_counter!(metric.name(), metric.help()),
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
