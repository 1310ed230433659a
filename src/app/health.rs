//! Whether what the service stands on is there, and what waits to be done.

use std::time::Duration;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::App;
use super::status::folder_bytes;
use crate::error::{Error, Result};
use crate::ingest::Patience;
use crate::ledger::Queue;
use crate::types::{DocumentId, Tenant};

/// What is asked longer is not there.
const PATIENCE: Duration = Duration::from_secs(3);
/// A folder of blobs that has nothing in it: to be told so costs one request.
const NO_FOLDER: &str = "health";

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
    /// Ledger, store, page images and disk. Each is asked something that only itself can answer.
    pub async fn health(&self) -> Vec<HealthCheck> {
        let disk = async { self.check_disk() };
        let (ledger, store, blobs, disk) = tokio::join!(
            HealthCheck::of("ledger", self.ask_ledger()),
            HealthCheck::of("store", self.ask_store()),
            HealthCheck::of("blobs", self.ask_blobs()),
            HealthCheck::of("disk", disk)
        );
        vec![ledger, store, blobs, disk]
    }

    /// Asks ledger, store and page images, as who is about to work with them does first.
    ///
    /// # Errors
    /// What one of them says; what people must mend before what is away.
    pub async fn contact(&self) -> Result<()> {
        let (ledger, store, blobs) = tokio::join!(self.ask_ledger(), self.ask_store(), self.ask_blobs());
        let (away, to_be_mended): (Vec<_>, Vec<_>) =
            [ledger, store, blobs].into_iter().filter_map(Result::err).partition(Error::is_transient);
        to_be_mended.into_iter().chain(away).next().map_or(Ok(()), Err)
    }

    /// How long a one-shot run waits for what is away, unless it is told to stop.
    pub fn patience<'a>(&self, stop: &'a CancellationToken) -> Patience<'a> {
        Patience::new(self.config.ingest.patience, stop)
    }

    /// Whether there is room for more.
    ///
    /// # Errors
    /// Transient: less than the reserve is left.
    pub(super) fn check_disk(&self) -> Result<()> {
        self.data.disk_guard(self.config.ingest.disk_reserve_bytes).check()
    }

    async fn ask_ledger(&self) -> Result<()> {
        self.ledger.queue().await.map(drop)
    }

    async fn ask_store(&self) -> Result<()> {
        self.store.collections().await.map(drop)
    }

    async fn ask_blobs(&self) -> Result<()> {
        self.blobs.list(NO_FOLDER).await.map(drop)
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

    use super::super::testing::{close, opened};
    use crate::blobs::FaultyBlobs;
    use crate::error::Error;
    use crate::faults::{Fault, Faults};
    use crate::ledger::FaultyLedger;
    use crate::store::faulty::FaultyStore;

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_away_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let mut app = opened(&folder, None).await;
        let faults = Faults::none();
        app.ledger = Arc::new(FaultyLedger { inner: app.ledger.clone(), faults: faults.clone() });
        app.store = Arc::new(FaultyStore { inner: app.store.clone(), faults: faults.clone() });
        app.blobs = Arc::new(FaultyBlobs { inner: app.blobs.clone(), faults: faults.clone() });
        for (part, call) in [("ledger", "ledger.queue"), ("store", "store.collections"), ("blobs", "blobs.list")] {
            faults.always(call, Fault::Fail(|| Error::transient("it is away")));
            let away: Vec<_> =
                app.health().await.into_iter().filter(|check| !check.ok).map(|check| check.name).collect();
            assert_eq!(away, [part]);
            faults.clear(call);
        }
        assert!(app.health().await.iter().all(|check| check.ok));
        close(app).await;
    }
}
