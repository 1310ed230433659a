//! What all documents of one run share: the engine's parts, the stages, the pauses, and the word to halt.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Parts;
use super::acknowledge::Acknowledger;
use super::events::Event;
use super::guard::Guard;
use super::pause::Pauses;
use super::report::Tally;
use super::slots::DocumentSlots;
use super::writer::Writer;
use crate::error::{Error, Result};

/// How often the outcome of an attempt is tried to be written down, a pause apart, before it is left to the lease.
const OUTCOME_TRIES: u32 = 8;

pub struct Flow {
    pub parts: Arc<Parts>,
    pub writer: Writer,
    pub acknowledger: Acknowledger,
    pub documents: DocumentSlots,
    /// Pages between rendering and storing.
    pub pages: Semaphore,
    /// Fewer begin while questions are asked.
    pub guard: Guard,
    pub pauses: Arc<Pauses>,
    pub tally: Tally,
    /// Attempts end as soon as nothing of them is left half done.
    pub halt: CancellationToken,
}

impl Flow {
    /// Something that the collection (None: every collection) needs is away; returns how long work on it waits.
    pub fn pause(&self, collection: Option<&str>, error: &Error) -> Duration {
        let (length, news) = self.pauses.begin(collection, error, Instant::now());
        if news {
            tracing::warn!(collection, %error, "work waits for what is away");
            self.parts
                .events
                .send(Event::Paused { collection: collection.map(str::to_owned), reason: error.to_string() });
        }
        length
    }

    /// What every collection needs is there.
    pub fn all_there(&self) {
        if self.pauses.end(None) {
            tracing::info!("what was away is back, work goes on");
            self.parts.events.send(Event::Resumed { collection: None });
        }
    }

    /// A document of the collection was indexed: what it needs is there.
    pub fn working_again(&self, collection: &str) {
        if self.pauses.end(Some(collection)) {
            tracing::info!(collection, "what was away is back, work goes on");
            self.parts.events.send(Event::Resumed { collection: Some(collection.to_owned()) });
        }
    }

    /// Writes the outcome of an attempt down, and tries again while the ledger is away.
    ///
    /// # Errors
    /// The ledger's, at last: the lease of the job then runs out by itself.
    pub async fn insist<T, F: Future<Output = Result<T>>>(&self, write: impl Fn() -> F) -> Result<T> {
        let mut pause = Duration::from_millis(100);
        for _ in 1..OUTCOME_TRIES {
            match write().await {
                Err(error) if error.is_transient() => {
                    tracing::warn!(%error, "the ledger is away, the outcome of an attempt is written again");
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                outcome => return outcome,
            }
        }
        write().await
    }
}
