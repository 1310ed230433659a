//! Waiting for the workers of the service: until what was submitted has come to its end, as a drain would have it, with the
//! same report. Events say where to look; what counts is what the ledger says, so that a missed event changes nothing.

use std::collections::HashSet;
use std::time::Duration;

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::scope::Scope;
use crate::error::Result;
use crate::ingest::{DocumentRef, Event, Happening, Report};
use crate::ledger::{DocumentFilter, DocumentRecord, State};
use crate::source;
use crate::types::DocumentId;

/// Without an end that concerns us, the ledger is asked after so long: the workers may be another process's...
const LOOK: Duration = Duration::from_secs(1);
/// ...and after so long where that takes many questions.
const LOOK_AT_MANY: Duration = Duration::from_secs(10);
/// So many are many.
const MANY: usize = 200;

/// One who waits. Made before anything is submitted, so that no event is missed.
pub(super) struct Waiting<'a> {
    scope: Scope<'a>,
    collection: String,
    events: Receiver<Event>,
    began: String,
    pending: HashSet<DocumentId>,
    /// Documents inside others that have been counted.
    counted: HashSet<DocumentId>,
    /// What is in the queue has other tags only.
    retagged: HashSet<DocumentId>,
    report: Report,
}

impl<'a> Waiting<'a> {
    pub fn begin(scope: &Scope<'a>, collection: &str) -> Self {
        Self {
            scope: scope.clone(),
            collection: collection.to_owned(),
            events: scope.app().events().subscribe(),
            began: jiff::Timestamp::now().to_string(),
            pending: HashSet::new(),
            counted: HashSet::new(),
            retagged: HashSet::new(),
            report: Report::default(),
        }
    }

    /// Waits for these documents, and for whatever else a new build of the collection needs.
    ///
    /// # Errors
    /// As [`crate::ingest::Engine::drain`]: what concerns every document alike.
    pub async fn wait(mut self, documents: Vec<DocumentId>, stop: &CancellationToken) -> Result<Report> {
        self.pending.extend(documents);
        let engine = self.scope.app.resident.get().cloned();
        if let Some(engine) = &engine {
            engine.wake();
        }
        if self.is_built_anew().await? {
            self.add_queued().await?;
        }
        let mut look = Instant::now() + LOOK;
        loop {
            if Instant::now() >= look {
                self.look_at_all().await?;
                look = Instant::now() + if self.pending.len() > MANY { LOOK_AT_MANY } else { LOOK };
            }
            if self.pending.is_empty() && self.is_switched().await? {
                return Ok(self.report);
            }
            if stop.is_cancelled() {
                self.report.stopped = true;
                return Ok(self.report);
            }
            if let Some(error) = engine.as_ref().and_then(|engine| engine.out_of_patience(&self.collection)) {
                return Err(error);
            }
            tokio::select! {
                event = self.events.recv() => match event {
                    Ok(Event::Document(event)) if self.pending.contains(&event.document) && is_end(&event.what) => {
                        if let Happening::Retagged = event.what {
                            self.retagged.insert(event.document);
                        }
                        self.look_at(event.document).await?;
                    }
                    Ok(_) => {}
                    Err(RecvError::Lagged(_) | RecvError::Closed) => look = look.min(Instant::now() + LOOK),
                },
                () = sleep_until(look) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Whether a build of the collection is being filled beside the one that questions are asked of.
    async fn is_built_anew(&self) -> Result<bool> {
        let record = self.scope.app.ledger.collection(&self.collection).await?;
        Ok(record.is_some_and(|record| record.next.is_some()))
    }

    async fn add_queued(&mut self) -> Result<()> {
        for state in [State::Queued, State::Processing] {
            let filter = DocumentFilter {
                collection: Some(self.collection.clone()),
                state: Some(state),
                ..DocumentFilter::default()
            };
            let waiting = self.scope.all_documents(&filter).await?;
            self.pending.extend(waiting.into_iter().map(|record| record.document_id));
        }
        Ok(())
    }

    /// Whether nothing more is to be done for a new build: it took the old one's place, or can't.
    async fn is_switched(&mut self) -> Result<bool> {
        if !self.is_built_anew().await? {
            return Ok(true);
        }
        let Some(engine) = self.scope.app.resident.get() else { return Ok(true) };
        let (would_lose, waiting) = engine.switch_complete(&self.collection).await?;
        self.report.not_switched = would_lose;
        if waiting {
            self.add_queued().await?;
        }
        Ok(!waiting)
    }

    async fn look_at_all(&mut self) -> Result<()> {
        for document in self.pending.iter().copied().collect::<Vec<_>>() {
            self.look_at(document).await?;
        }
        Ok(())
    }

    async fn look_at(&mut self, document: DocumentId) -> Result<()> {
        match self.scope.app.ledger.document(self.scope.tenant(), document).await {
            Ok(Some(record)) => self.take(record).await,
            // Deleted meanwhile.
            Ok(None) => {
                self.pending.remove(&document);
                Ok(())
            }
            // The ledger is away: the engine waits for it, and says when it has waited too long.
            Err(error) if error.is_transient() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Counts a document that has come to its end.
    async fn take(&mut self, record: DocumentRecord) -> Result<()> {
        let document = record.document_id;
        let it = DocumentRef { document, source: record.source.clone() };
        match record.state {
            State::Queued | State::Processing => {
                self.pending.insert(document);
                return Ok(());
            }
            State::Deleting => {}
            State::Rejected | State::Dead => {
                self.report.failures.push((it, record.reason.unwrap_or_default()));
            }
            State::Indexed if self.retagged.remove(&document) => self.report.retagged += 1,
            State::Indexed => {
                self.report.indexed += 1;
                self.report.pages += u64::from(record.page_count).saturating_sub(record.failed_pages.len() as u64);
                self.report.notes.extend(record.notes.into_iter().map(|note| (it.clone(), note)));
                self.report.failed_pages.extend(record.failed_pages.into_iter().map(|page| (it.clone(), page)));
                self.pending.remove(&document);
                return Box::pin(self.take_inside(&record.source.uri)).await;
            }
        }
        self.pending.remove(&document);
        Ok(())
    }

    /// The documents inside one, which were submitted when it was stored.
    async fn take_inside(&mut self, around: &str) -> Result<()> {
        let filter = DocumentFilter {
            collection: Some(self.collection.clone()),
            source_prefix: Some(source::attachment_uri(around, "")),
            ..DocumentFilter::default()
        };
        for record in self.scope.all_documents(&filter).await? {
            let is_news = self.pending.contains(&record.document_id) || record.updated_at >= self.began;
            if is_news && self.counted.insert(record.document_id) {
                self.take(record).await?;
            }
        }
        Ok(())
    }
}

/// Whether an event may be the last about a document.
fn is_end(what: &Happening) -> bool {
    matches!(
        what,
        Happening::Indexed { .. } | Happening::Retagged | Happening::Rejected { .. } | Happening::Dead { .. }
    )
}
