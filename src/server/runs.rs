//! What starts configured pipelines: the daemon does, and lends it to the routes.

use async_trait::async_trait;
use serde_json::Value;

use crate::error::Result;
use crate::types::Tenant;

/// A run of a pipeline.
#[derive(Debug, Clone)]
pub struct Run {
    pub run_id: String,
    /// Whose it is: nobody else hears of it.
    pub tenant: Tenant,
    /// `running`, `done`, `failed` or `stopped`.
    pub state: &'static str,
    /// What it did, as `quire run --json` prints it; None while it runs.
    pub summary: Option<Value>,
}

/// Starts configured pipelines and knows what became of them.
#[async_trait]
pub trait PipelineRuns: Send + Sync {
    /// Starts the pipeline of that name in a tenant's name; None: none of that name is configured.
    ///
    /// # Errors
    /// Transient: it runs already.
    async fn start(&self, tenant: &Tenant, pipeline: &str) -> Result<Option<Run>>;

    /// A run by its id; None: there is none, or it is forgotten.
    async fn run(&self, run_id: &str) -> Result<Option<Run>>;
}
