//! What the tests of every ledger backend stand on: a factory, a clock, submissions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;

use super::{Clock, Ledger, Submission};
use crate::types::{ContentHash, DocumentId, Generation, RecipeId, SourceRef, Tenant};

/// Makes ledgers with nothing in them.
#[async_trait]
pub(super) trait Backend: Send + Sync {
    async fn empty(&self, clock: Clock) -> Arc<dyn Ledger>;
}

/// A clock that moves when it is told to.
#[derive(Clone)]
pub(super) struct HandClock(Arc<AtomicI64>);

impl HandClock {
    pub fn new() -> Self {
        Self(Arc::new(AtomicI64::new(1_700_000_000_000)))
    }

    pub fn clock(&self) -> Clock {
        let now = Arc::clone(&self.0);
        Arc::new(move || now.load(Ordering::SeqCst))
    }

    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_millis() as i64, Ordering::SeqCst);
    }

    pub fn now(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

pub(super) const LEASE: Duration = Duration::from_secs(60);
pub(super) const RETRY: Duration = Duration::from_secs(10);

/// Version `version` of document `name`.
pub(super) fn submission(name: &str, version: u32) -> Submission {
    let tenant = Tenant::default();
    let uri = format!("/inbox/{name}.pdf");
    Submission {
        document: DocumentId::new(&tenant, "documents", &uri),
        tenant,
        collection: "documents".into(),
        source: SourceRef { uri, name: format!("{name}.pdf") },
        content_hash: ContentHash::of(&version.to_le_bytes()),
        recipe: RecipeId("recipe".into()),
        tags: BTreeMap::from([("year".into(), "2024".into())]),
        size_bytes: 1000,
        force: false,
    }
}

pub(super) fn generation(of: &Submission) -> Generation {
    Generation::new(&of.content_hash, &of.recipe)
}
