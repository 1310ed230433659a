//! What goes on right now, for `quire top`: documents under way with their progress, what ended last, what waits.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::net::UnixStream;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::frames::{self, Frame, Greeting};
use crate::app::App;
use crate::ingest::{DocumentEvent, Event, Happening};
use crate::server::Health;
use crate::types::{DocumentId, Tenant};

/// Between two pictures.
const EVERY: Duration = Duration::from_millis(500);
/// Ends that are remembered.
const REMEMBERED: usize = 50;

/// A picture of the service.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Snapshot {
    pub version: String,
    pub process: u32,
    pub address: Option<String>,
    pub uptime_s: u64,
    /// Documents by state.
    pub documents: Vec<(String, u64)>,
    pub pages_per_second: f64,
    /// Longest under way first.
    pub under_way: Vec<LiveDocument>,
    /// Newest first: what became of a document, a line each.
    pub ended: Vec<String>,
    /// Why work waits, by collection; the empty name stands for all.
    pub paused: Vec<(String, String)>,
}

/// A document that is worked on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveDocument {
    pub source: String,
    pub collection: String,
    pub pages_done: u32,
    /// 0 until it is opened.
    pub pages: u32,
    pub seconds: u64,
}

/// Follows the events of a process.
pub(super) struct Live {
    started: Instant,
    seen: Arc<Mutex<Seen>>,
    /// Where pages a second are counted.
    health: Arc<Health>,
    _follower: AbortOnDropHandle<()>,
}

#[derive(Default)]
struct Seen {
    under_way: HashMap<DocumentId, (Instant, LiveDocument)>,
    ended: VecDeque<String>,
    paused: HashMap<String, String>,
}

impl Live {
    pub fn follow(app: &App, health: Arc<Health>) -> Self {
        let (seen, mut events) = (Arc::<Mutex<Seen>>::default(), app.events().subscribe());
        let follower = tokio::spawn({
            let (seen, health) = (seen.clone(), health.clone());
            async move {
                loop {
                    match events.recv().await {
                        Ok(event) => {
                            let now = Instant::now();
                            if let Event::Document(DocumentEvent { what: Happening::Page { .. }, .. }) = event {
                                health.page(now);
                            }
                            lock(&seen).take(event, now);
                        }
                        // A picture for people: the next ones are right again.
                        Err(RecvError::Lagged(_)) => lock(&seen).under_way.clear(),
                        Err(RecvError::Closed) => return,
                    }
                }
            }
        });
        Self { started: Instant::now(), seen, health, _follower: AbortOnDropHandle::new(follower) }
    }

    /// Sends pictures until the client goes or the service stops.
    pub async fn tell(
        &self,
        stream: &mut UnixStream,
        app: &App,
        greeting: &Greeting,
        stop: &CancellationToken,
    ) -> io::Result<()> {
        let scope = app.scope(Tenant("default".into()));
        while !stop.is_cancelled() {
            let documents = scope.counts(None).await.unwrap_or_default();
            let snapshot = Snapshot {
                version: greeting.version.clone(),
                process: greeting.process,
                address: greeting.address.clone(),
                documents: documents.into_iter().map(|(state, count)| (state.as_str().to_owned(), count)).collect(),
                ..self.snapshot(Instant::now())
            };
            frames::send_frame(stream, &Frame::Answer(serde_json::to_vec(&snapshot)?)).await?;
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(EVERY) => {}
            }
        }
        Ok(())
    }

    fn snapshot(&self, now: Instant) -> Snapshot {
        let seen = lock(&self.seen);
        let mut under_way: Vec<&(Instant, LiveDocument)> = seen.under_way.values().collect();
        under_way.sort_by_key(|(since, _)| *since);
        let seconds = |since: &Instant| now.saturating_duration_since(*since).as_secs();
        let mut paused: Vec<_> = seen.paused.clone().into_iter().collect();
        paused.sort();
        Snapshot {
            uptime_s: seconds(&self.started),
            pages_per_second: self.health.pages_per_second(now),
            under_way: under_way
                .into_iter()
                .map(|(since, document)| LiveDocument { seconds: seconds(since), ..document.clone() })
                .collect(),
            ended: seen.ended.iter().cloned().collect(),
            paused,
            ..Snapshot::default()
        }
    }
}

impl Seen {
    fn take(&mut self, event: Event, now: Instant) {
        match event {
            Event::Paused { collection, reason } => drop(self.paused.insert(collection.unwrap_or_default(), reason)),
            Event::Resumed { collection } => drop(self.paused.remove(&collection.unwrap_or_default())),
            Event::Document(event) => self.document(event, now),
        }
    }

    fn document(&mut self, event: DocumentEvent, now: Instant) {
        let ended = match event.what {
            Happening::Compared { .. } => return,
            Happening::Started => {
                let document =
                    LiveDocument { source: event.source.uri, collection: event.collection, ..LiveDocument::default() };
                self.under_way.insert(event.document, (now, document));
                return;
            }
            Happening::Opened { pages } => return self.change(event.document, |document| document.pages = pages),
            Happening::Page { .. } => return self.change(event.document, |document| document.pages_done += 1),
            Happening::PageFailed(page) => {
                self.change(event.document, |document| document.pages_done += 1);
                let line = format!("{}: page {} is missing: {}", event.source.name, page.page, page.reason);
                return self.end(line);
            }
            Happening::Indexed { pages, seconds, .. } => format!("indexed, {pages} pages in {seconds:.1} s"),
            Happening::Retagged => "other tags".to_owned(),
            Happening::Rejected { reason } => format!("rejected: {reason}"),
            Happening::Retrying { reason } => format!("tried again: {reason}"),
            Happening::Dead { reason } => format!("given up: {reason}"),
            Happening::GivenBack { reason } => format!(
                "given back: {}",
                reason.as_deref().unwrap_or("the service stops, or another version took its place")
            ),
        };
        self.under_way.remove(&event.document);
        self.end(format!("{}: {ended}", event.source.name));
    }

    fn change(&mut self, document: DocumentId, change: impl FnOnce(&mut LiveDocument)) {
        if let Some((_, document)) = self.under_way.get_mut(&document) {
            change(document);
        }
    }

    fn end(&mut self, line: String) {
        self.ended.push_front(line);
        self.ended.truncate(REMEMBERED);
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::SourceRef;

    #[test]
    fn a_document_is_seen_from_its_start_to_its_end() {
        let (mut seen, now) = (Seen::default(), Instant::now());
        let tenant = Tenant("default".into());
        let source = SourceRef { uri: "/docs/a.pdf".into(), name: "a.pdf".into() };
        let document = DocumentId::new(&tenant, "documents", &source.uri);
        let mut happens = |what| {
            let collection = "documents".to_owned();
            let event = DocumentEvent { document, tenant: tenant.clone(), collection, source: source.clone(), what };
            seen.take(Event::Document(event), now);
            (seen.under_way.values().next().map(|(_, live)| (live.pages_done, live.pages)), seen.ended.clone())
        };
        assert_eq!(happens(Happening::Started).0, Some((0, 0)));
        assert_eq!(happens(Happening::Opened { pages: 2 }).0, Some((0, 2)));
        assert_eq!(happens(Happening::Page { page: 2 }).0, Some((1, 2)));
        let (under_way, ended) = happens(Happening::Rejected { reason: "no PDF".into() });
        assert_eq!((under_way, ended), (None, VecDeque::from(["a.pdf: rejected: no PDF".to_owned()])));
    }
}
