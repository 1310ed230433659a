//! `ingest`: how much is done at once, and how often it is tried.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

/// How much is done at once, and how often it is tried.
#[derive(Debug, Clone, PartialEq)]
pub struct Ingest {
    /// Documents that are worked on at once.
    pub documents_in_flight: usize,
    /// Pages between rendering and storing, over all documents: they are what memory is spent on.
    pub pages_in_flight: usize,
    /// Attempts at a document before it is dead-lettered.
    pub max_attempts: u32,
    /// Wait before the second attempt; doubles with each further one.
    pub first_retry: Duration,
    /// Longest wait between two attempts.
    pub longest_retry: Duration,
    /// How long a one-shot run waits for something that every document needs and that is away; and a service, when it starts, for
    /// its ledger.
    pub patience: Duration,
    /// After the word to stop, documents that are under way get so long to end by themselves.
    pub stop_grace: Duration,
    /// What stays free on every disk that Quire writes to.
    pub disk_reserve_bytes: u64,
    /// What copies of documents that are being read take together at most.
    pub spool_bytes: u64,
    /// JPEG quality of stored page images, 1 to 100.
    pub image_quality: u8,
    /// Characters of a page's text layer that are stored beside its vectors.
    pub text_chars: usize,
    /// How long what was done of a document is told after it ended; None: for ever.
    pub history_kept: Option<Duration>,
}

/// How much is done at once, and how often it is tried.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "Ingest")]
pub(super) struct IngestWire {
    /// Documents that are worked on at once (two a render worker, at least 4).
    #[schemars(range(min = 1, max = 256))]
    documents_in_flight: Option<usize>,
    /// Pages between rendering and storing, over all documents: about 7 MB each at 150 dpi (one a render worker and two a
    /// thread of the page model, at least 16).
    #[schemars(range(min = 1, max = 4096))]
    pages_in_flight: Option<usize>,
    /// Attempts at a document before it is given up.
    #[schemars(range(min = 1, max = 100))]
    max_attempts: u32,
    /// Seconds before the second attempt; doubles with each further one.
    #[schemars(range(min = 0, max = 86_400))]
    first_retry_s: u64,
    /// Longest wait between two attempts, in seconds.
    #[schemars(range(min = 0, max = 86_400))]
    longest_retry_s: u64,
    /// Seconds that a one-shot run waits for something that every document needs and that is away, such as room on the disk; and a
    /// service, when it starts, for its ledger.
    #[schemars(range(min = 0, max = 604_800))]
    patience_s: u64,
    /// Seconds that documents under way get to end by themselves after the word to stop; then they are given back.
    #[schemars(range(min = 0, max = 3_600))]
    stop_grace_s: u64,
    /// Bytes that stay free on every disk that Quire writes to: work pauses while there are fewer.
    #[schemars(range(min = 0))]
    disk_reserve_bytes: u64,
    /// Bytes that private copies of documents that are being read take together at most; a larger document is read alone.
    #[schemars(range(min = 1))]
    spool_bytes: u64,
    /// JPEG quality of stored page images.
    #[schemars(range(min = 1, max = 100))]
    image_quality: u8,
    /// Characters of a page's text that are stored beside its vectors.
    #[schemars(range(min = 0, max = 1_000_000))]
    text_chars: usize,
    /// Days for which the story of work that has ended is kept (`quire docs why`); 0: for ever. Documents, and the reason why
    /// one failed, stay in any case.
    #[schemars(range(min = 0, max = 36_500))]
    history_days: u32,
}

impl Default for IngestWire {
    fn default() -> Self {
        Self {
            documents_in_flight: None,
            pages_in_flight: None,
            max_attempts: 3,
            first_retry_s: 2,
            longest_retry_s: 60,
            patience_s: 120,
            stop_grace_s: 5,
            disk_reserve_bytes: 256 << 20,
            spool_bytes: 4 << 30,
            image_quality: 85,
            text_chars: 20_000,
            history_days: 90,
        }
    }
}

impl IngestWire {
    /// The validated form, beside so many render workers and threads of the page model.
    pub(super) fn into_ingest(self, workers: usize, threads: usize) -> Ingest {
        Ingest {
            // A worker keeps two documents open; more in flight would be opened again and again.
            documents_in_flight: self.documents_in_flight.unwrap_or((2 * workers).clamp(4, 256)),
            pages_in_flight: self.pages_in_flight.unwrap_or((workers + 2 * threads).clamp(16, 4096)),
            max_attempts: self.max_attempts,
            first_retry: Duration::from_secs(self.first_retry_s),
            longest_retry: Duration::from_secs(self.longest_retry_s.max(self.first_retry_s)),
            patience: Duration::from_secs(self.patience_s),
            stop_grace: Duration::from_secs(self.stop_grace_s),
            disk_reserve_bytes: self.disk_reserve_bytes,
            spool_bytes: self.spool_bytes,
            image_quality: self.image_quality,
            text_chars: self.text_chars,
            history_kept: (self.history_days > 0)
                .then(|| Duration::from_secs(u64::from(self.history_days) * 24 * 60 * 60)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_flight_follows_workers_and_threads_within_bounds() {
        let in_flight = |workers, threads| {
            let ingest = IngestWire::default().into_ingest(workers, threads);
            (ingest.documents_in_flight, ingest.pages_in_flight)
        };
        assert_eq!(in_flight(1, 1), (4, 16));
        assert_eq!(in_flight(16, 32), (32, 80));
        assert_eq!(in_flight(256, 4096), (256, 4096));
        let written = IngestWire { documents_in_flight: Some(1), pages_in_flight: Some(2), ..IngestWire::default() };
        let ingest = written.into_ingest(16, 16);
        assert_eq!((ingest.documents_in_flight, ingest.pages_in_flight), (1, 2));
    }

    #[test]
    fn stories_are_kept_for_days_or_for_ever() {
        let kept = |history_days| IngestWire { history_days, ..IngestWire::default() }.into_ingest(1, 1).history_kept;
        assert_eq!((kept(2), kept(0)), (Some(Duration::from_secs(172_800)), None));
    }

    #[test]
    fn the_longest_wait_is_never_shorter_than_the_first() {
        let written = IngestWire { first_retry_s: 90, ..IngestWire::default() };
        let ingest = written.into_ingest(1, 1);
        assert_eq!((ingest.first_retry.as_secs(), ingest.longest_retry.as_secs()), (90, 90));
    }
}
