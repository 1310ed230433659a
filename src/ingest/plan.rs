//! What a job needs of its collection, looked up for each job: so one engine serves every collection, and one that is
//! being filled anew beside the old.

use std::sync::Arc;

use async_trait::async_trait;

use crate::embed::Embedder;
use crate::error::Result;
use crate::ledger::Job;
use crate::types::{DeriveSettings, OwnLimits, RenderSettings};

/// How pages of one build of a collection are drawn, embedded, derived, and where they are stored.
#[derive(Clone)]
pub struct CollectionPlan {
    /// Name of the collection in the store.
    pub physical: String,
    pub render: RenderSettings,
    pub derive: DeriveSettings,
    pub model: Embedder,
    /// What a document may cost, where it is something else than for all others.
    pub limits: OwnLimits,
}

/// Knows the plans. The collection that a plan names exists in the store.
#[async_trait]
pub trait CollectionPlans: Send + Sync {
    /// The plan of the build that the job's pages are written to; None: its collection has no such build (any more).
    ///
    /// # Errors
    /// Configuration: the model or the definition can't be read; else what store and ledger say.
    async fn plan(&self, job: &Job) -> Result<Option<Arc<CollectionPlan>>>;
}
