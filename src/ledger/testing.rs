//! What the tests of every ledger backend stand on: a factory, a clock, builds, submissions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;

use super::{Build, Claim, Clock, Ledger, Submission};
use crate::types::{ContentHash, DocumentId, Priority, RecipeId, SourceRef, Tenant};

/// Makes ledgers with nothing in them.
#[async_trait]
pub(super) trait Backend: Send + Sync {
    /// None where its server is not installed, which is said.
    async fn empty(&self, clock: Clock) -> Option<Arc<dyn OwnedLedger>>;

    /// How many random sequences of operations are tried.
    fn random_cases(&self) -> u32 {
        192
    }
}

/// A ledger that this process has to itself.
#[async_trait]
pub(super) trait OwnedLedger: Ledger {
    /// What the next process does first where one process owns the ledger; returns how many jobs were held.
    async fn process_died(&self) -> usize;
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

/// The build of that name; its recipe is called after it.
pub(super) fn build(physical: &str) -> Build {
    Build {
        physical: physical.into(),
        recipe: RecipeId(format!("recipe of {physical}")),
        definition: "{}".into(),
        incarnations: Vec::new(),
    }
}

/// Version `version` of document `name` in collection "documents".
pub(super) fn submission(name: &str, version: u32) -> Submission {
    submission_of(&Tenant("a".into()), name, version)
}

pub(super) fn submission_of(tenant: &Tenant, name: &str, version: u32) -> Submission {
    let uri = format!("/inbox/{name}.pdf");
    Submission {
        document: DocumentId::new(tenant, "documents", &uri),
        tenant: tenant.clone(),
        collection: "documents".into(),
        source: SourceRef { uri, name: format!("{name}.pdf") },
        content_hash: ContentHash::of(&version.to_le_bytes()),
        tags: BTreeMap::from([("year".into(), "2024".into())]),
        size_bytes: 1000,
        priority: Priority::Normal,
        force: false,
        limits: BTreeMap::new(),
    }
}

/// Jobs of any collection that no process died of.
pub(super) fn ordinary(limit: usize) -> Claim<'static> {
    Claim { collection: None, except: &[], suspects: false, limit, lease: LEASE }
}

/// Jobs of any collection that were held when a process died.
pub(super) fn suspects(limit: usize) -> Claim<'static> {
    Claim { suspects: true, ..ordinary(limit) }
}
