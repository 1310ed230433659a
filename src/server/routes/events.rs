//! What happens to documents, as it happens: server-sent events.
//!
//! Events of this process come at once; what other processes do is seen in the ledger, which is looked at from time to time.

use std::collections::HashMap;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::Response;
use axum::response::sse::Event as Sent;
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;

use super::documents::find;
use crate::app::DocumentView;
use crate::ingest::{DocumentEvent, Event, Happening};
use crate::ledger::State as DocumentState;
use crate::server::sse::{self, event};
use crate::server::wire::{DocumentBody, EventBody, Failures};
use crate::server::{Caller, Permission, Problem, Server};
use crate::types::DocumentId;

/// Events between what happens and a slow reader.
const EVENTS_IN_FLIGHT: usize = 64;
/// Between two looks at the ledger.
const LOOK: Duration = Duration::from_secs(2);
/// Documents of which a stream remembers whether its reader may see them.
const REMEMBERED: usize = 10_000;

/// What happens to one document: first `state` with the document, then `started`, `opened`, `page`, `page_failed`, `indexed`,
/// `retagged`, `rejected`, `retrying`, `dead`, `given_back`; `state` again whenever the ledger says something new.
#[utoipa::path(get, path = "/v1/documents/{id}/events", tag = "documents", params(("id" = String, Path, description = "The document's id")),
    responses((status = 200, description = "Events", content_type = "text/event-stream", body = EventBody), Failures))]
pub async fn of_document(
    State(server): State<Server>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    caller.may(Permission::Read)?;
    let record = find(&server, &caller, &id).await?;
    let document = record.document_id;
    let mut heard = server.app.events().subscribe();
    let (sender, receiver) = mpsc::channel(EVENTS_IN_FLIGHT);
    let work = tokio::spawn(async move {
        let mut known = DocumentView::from(record);
        let mut look = tokio::time::interval(LOOK);
        let mut send = Some(event("state", &DocumentBody::from(known.clone())));
        loop {
            if let Some(event) = send.take()
                && sender.send(event).await.is_err()
            {
                return;
            }
            tokio::select! {
                () = server.ending.cancelled() => return,
                next = heard.recv() => match next {
                    Ok(Event::Document(happened)) if happened.document == document => send = told(&happened),
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                },
                _ = look.tick() => match caller.scope(&server).document(document).await {
                    Ok(Some(record)) => {
                        let now = DocumentView::from(record);
                        if (now.state, now.progress, &now.updated_at) != (known.state, known.progress, &known.updated_at) {
                            send = Some(event("state", &DocumentBody::from(now.clone())));
                        }
                        known = now;
                    }
                    Ok(None) => return drop(sender.send(event("deleted", &json!({ "document_id": document }))).await),
                    // the next look tells
                    Err(error) => tracing::debug!(%error, "a stream of events can't look at its document"),
                },
            }
        }
    });
    Ok(sse::of_task(receiver, work))
}

/// What happens to every document that the caller may see, in this process; `paused` and `resumed` besides.
#[utoipa::path(get, path = "/v1/events", tag = "documents",
    responses((status = 200, description = "Events", content_type = "text/event-stream", body = EventBody), Failures))]
pub async fn all(State(server): State<Server>, caller: Caller) -> Result<Response, Problem> {
    caller.may(Permission::Read)?;
    let mut heard = server.app.events().subscribe();
    let (sender, receiver) = mpsc::channel(EVENTS_IN_FLIGHT);
    let work = tokio::spawn(async move {
        let mut visible: HashMap<DocumentId, bool> = HashMap::new();
        loop {
            let next = tokio::select! {
                () = server.ending.cancelled() => return,
                next = heard.recv() => next,
            };
            let event = match next {
                Ok(Event::Document(happened)) if may_see(&server, &caller, &happened, &mut visible).await => {
                    told(&happened)
                }
                // why everybody waits is nobody's secret; whose collection it is, is
                Ok(Event::Paused { collection: None, reason }) => Some(event("paused", &json!({ "reason": reason }))),
                Ok(Event::Resumed { collection: None }) => Some(event("resumed", &json!({}))),
                Ok(_) => None,
                Err(RecvError::Lagged(missed)) => Some(event("missed", &json!({ "events": missed }))),
                Err(RecvError::Closed) => return,
            };
            if let Some(event) = event
                && sender.send(event).await.is_err()
            {
                return;
            }
        }
    });
    Ok(sse::of_task(receiver, work))
}

async fn may_see(
    server: &Server,
    caller: &Caller,
    happened: &DocumentEvent,
    visible: &mut HashMap<DocumentId, bool>,
) -> bool {
    if happened.tenant != caller.tenant {
        return false;
    }
    // for whom it is kept may have changed since its last attempt
    let fresh = matches!(happened.what, Happening::Started | Happening::Compared { .. });
    if let Some(known) = visible.get(&happened.document).filter(|_| !fresh) {
        return *known;
    }
    let found = caller.scope(server).document(happened.document).await;
    let sees = matches!(found, Ok(Some(_)));
    if visible.len() >= REMEMBERED {
        visible.clear();
    }
    visible.insert(happened.document, sees);
    sees
}

/// An event as it is sent; None for what nobody waits for.
fn told(happened: &DocumentEvent) -> Option<Sent> {
    let mut body = EventBody {
        document_id: happened.document,
        source: happened.source.uri.clone(),
        collection: happened.collection.clone(),
        state: DocumentState::Processing,
        page: None,
        pages: None,
        reason: None,
    };
    let name = match &happened.what {
        Happening::Compared { queued: false } => return None,
        Happening::Compared { queued: true } => {
            body.state = DocumentState::Queued;
            "queued"
        }
        Happening::Started => "started",
        Happening::Opened { pages } => {
            body.pages = Some(*pages);
            "opened"
        }
        Happening::Page { page } => {
            body.page = Some(*page);
            "page"
        }
        Happening::PageFailed(failure) => {
            (body.page, body.reason) = (Some(failure.page), Some(failure.reason.clone()));
            "page_failed"
        }
        Happening::Indexed { pages, .. } => {
            (body.state, body.pages) = (DocumentState::Indexed, Some(*pages));
            "indexed"
        }
        Happening::Retagged => {
            body.state = DocumentState::Indexed;
            "retagged"
        }
        Happening::Rejected { reason } => {
            (body.state, body.reason) = (DocumentState::Rejected, Some(reason.clone()));
            "rejected"
        }
        Happening::Retrying { reason } => {
            (body.state, body.reason) = (DocumentState::Queued, Some(reason.clone()));
            "retrying"
        }
        Happening::Dead { reason } => {
            (body.state, body.reason) = (DocumentState::Dead, Some(reason.clone()));
            "dead"
        }
        Happening::GivenBack { reason } => {
            (body.state, body.reason) = (DocumentState::Queued, reason.clone());
            "given_back"
        }
    };
    Some(event(name, &body))
}
