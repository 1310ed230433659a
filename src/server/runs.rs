//! Configured pipelines, to run and to ask: what the routes need of the service, which lies above.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::Serialize;

use crate::app::IngestSummary;
use crate::error::Result;
use crate::types::Tenant;

/// Starts runs and knows what became of them.
#[async_trait]
pub trait PipelineRuns: Send + Sync {
    /// Starts a run of the pipeline of that name; a run of it that is under way already is that run. None: no pipeline of that
    /// name is configured for the tenant.
    ///
    /// # Errors
    /// Permanent: it names no source.
    async fn start(&self, tenant: &Tenant, name: &str) -> Result<Option<RunState>>;

    /// The configured pipelines of the tenant, as what can be asked.
    fn asked(&self, tenant: &Tenant) -> Vec<AskedPipeline>;

    /// A run of the tenant; None where there is none of that id (any more).
    async fn run(&self, tenant: &Tenant, id: &str) -> Option<RunState>;
}

/// A pipeline as something that answers questions: from the documents that it brings, by its own plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedPipeline {
    pub name: String,
    pub collection: String,
    /// None: the collection's own.
    pub plan: Option<String>,
    /// What its documents are tagged with.
    pub tags: BTreeMap<String, String>,
}

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunState {
    pub run_id: String,
    pub pipeline: String,
    pub state: RunPhase,
    /// What `quire run --json` prints, once it is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<serde_json::Value>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunPhase {
    Running,
    /// It came to its end; what could not be indexed is in its summary.
    Done,
    /// It was told to stop before its end.
    Stopped,
    Failed,
}

impl RunPhase {
    pub fn of(summary: &IngestSummary) -> Self {
        if summary.stopped { Self::Stopped } else { Self::Done }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }
}
