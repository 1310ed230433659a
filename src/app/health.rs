//! Whether what the service stands on is there, and what waits to be done.

use std::time::Duration;

use serde::Serialize;

use super::App;
use super::status::folder_bytes;
use crate::error::{Error, Result};
use crate::ledger::Queue;
use crate::types::{DocumentId, Tenant};

/// What is asked longer is not there.
const PATIENCE: Duration = Duration::from_secs(3);
/// A folder of blobs in which nothing lies: listing it costs a bucket next to nothing.
const NO_FOLDER: &str = "probe";

/// A part of the service.
#[derive(Debug, Clone, Serialize)]
pub struct HealthCheck {
    pub name: &'static str,
    pub ok: bool,
    /// What is wrong, or how it is.
    pub detail: String,
}

impl HealthCheck {
    async fn of(name: &'static str, asking: impl Future<Output = Result<()>>) -> Self {
        let outcome = tokio::time::timeout(PATIENCE, asking).await;
        let (ok, detail) = match outcome {
            Ok(Ok(())) => (true, "it is there".to_owned()),
            // the log says more: whoever asks here may be anybody
            Ok(Err(error)) => {
                tracing::warn!(part = name, %error, "not ready");
                (false, error.message().to_owned())
            }
            Err(_) => (false, format!("it has not answered for {} s", PATIENCE.as_secs())),
        };
        Self { name, ok, detail }
    }
}

impl App {
    /// Ledger, store, page images and disk. Each is asked something that it can't answer from memory.
    pub async fn health(&self) -> Vec<HealthCheck> {
        let ledger = async { self.ledger.queue().await.map(drop) };
        let store = async { self.store.collections().await.map(drop) };
        let blobs = async { self.blobs.list(NO_FOLDER).await.map(drop) };
        let disk = async { self.check_disk() };
        let (ledger, store, blobs, disk) = tokio::join!(
            HealthCheck::of("ledger", ledger),
            HealthCheck::of("store", store),
            HealthCheck::of("blobs", blobs),
            HealthCheck::of("disk", disk)
        );
        vec![ledger, store, blobs, disk]
    }

    /// Whether there is room for more.
    ///
    /// # Errors
    /// Transient: less than the reserve is left.
    pub(super) fn check_disk(&self) -> Result<()> {
        self.data.disk_guard(self.config.ingest.disk_reserve_bytes).check()
    }

    /// What waits and what is in work, of all tenants.
    pub async fn queue(&self) -> Result<Queue> {
        self.ledger.queue().await
    }

    /// Whose document this is, for whoever holds a signed link to it.
    pub async fn owner_of(&self, document: DocumentId) -> Result<Option<Tenant>> {
        self.ledger.owner(document).await
    }

    /// Bytes that the data folder takes, and bytes that are free beside it.
    pub async fn disk_bytes(&self) -> Result<(u64, u64)> {
        let root = self.data.root().to_owned();
        let look = move || {
            let free = fs4::available_space(&root).unwrap_or_default();
            (folder_bytes(&root), free)
        };
        tokio::task::spawn_blocking(look)
            .await
            .map_err(|error| Error::bug("looking at the disk panicked").with_source(error))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::app::testing;
    use crate::blobs::FaultyBlobs;
    use crate::faults::{Fault, Faults};
    use crate::store::faulty::FaultyStore;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_part_that_is_away_is_named_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let mut app = testing::opened(&folder, None).await;
        let faults = Faults::none();
        app.store = Arc::new(FaultyStore { inner: app.store.clone(), faults: faults.clone() });
        app.blobs = Arc::new(FaultyBlobs { inner: app.blobs.clone(), faults: faults.clone() });
        let failing = |checks: Vec<HealthCheck>| -> Vec<&str> {
            checks.into_iter().filter(|check| !check.ok).map(|check| check.name).collect()
        };
        assert!(failing(app.health().await).is_empty());
        for (call, part) in [("store.collections", "store"), ("blobs.list", "blobs")] {
            faults.always(call, Fault::Fail(|| Error::transient("connection refused")));
            assert_eq!(failing(app.health().await), [part]);
            faults.clear(call);
        }
        testing::close(app).await;
    }
}
