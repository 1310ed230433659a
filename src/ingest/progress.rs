//! How far an attempt is, written down for whoever asks, in this process or another: when a document was opened, and then at most
//! once a second. That it can't be written down stops nothing.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::flow::Flow;
use crate::ledger::{Job, Progress};

/// Between two notes.
const INTERVAL: Duration = Duration::from_secs(1);

/// Counts the pages of one attempt.
pub struct Counting<'a> {
    flow: &'a Flow,
    job: &'a Job,
    pages: u32,
    done: AtomicU32,
    noted: Mutex<Instant>,
}

impl<'a> Counting<'a> {
    pub async fn of(flow: &'a Flow, job: &'a Job, pages: u32) -> Self {
        let counting = Self { flow, job, pages, done: AtomicU32::new(0), noted: Mutex::new(Instant::now()) };
        counting.note(0).await;
        counting
    }

    /// One more page is in the store.
    pub async fn page(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        {
            let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
            if noted.elapsed() < INTERVAL {
                return;
            }
            *noted = Instant::now();
        }
        self.note(done).await;
    }

    async fn note(&self, pages_done: u32) {
        let progress = Progress { pages_done, pages: self.pages };
        if let Err(error) = self.flow.parts.ledger.progress(self.job, progress).await {
            tracing::debug!(%error, "how far a document is could not be written down");
        }
    }
}
