//! `POST /v1/ask`: an answer, whole or piece by piece.

use axum::Json;
use axum::extract::State;
use axum::response::sse::Event;
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use tokio::sync::mpsc;

use crate::app::AnswerEvent;
use crate::error::Error;
use crate::server::extract::Body;
use crate::server::sse::{self, event};
use crate::server::wire::{AnswerBody, AskRequest, CitedBody, DeltaBody, Failures, FoundBody};
use crate::server::{Caller, Permission, Problem, Server};

/// Events between the answer and a slow reader.
const EVENTS_IN_FLIGHT: usize = 32;

/// Answers a question from the pages, with citations.
///
/// With `stream` the answer comes as server-sent events: `retrieval` {hits, plan, timings_ms}; then `delta` {text} and, before the
/// piece that cites a page first, `citation`; at last `done` with the whole answer, or `error` with a problem. Whoever closes the
/// connection calls the question off.
#[utoipa::path(post, path = "/v1/ask", tag = "questions", request_body = AskRequest,
    responses((status = 200, description = "The answer; with `stream`, events", content(
        (AnswerBody = "application/json"), (String = "text/event-stream"))), Failures))]
pub async fn ask(
    State(server): State<Server>,
    caller: Caller,
    Body(request): Body<AskRequest>,
) -> Result<Response, Problem> {
    caller.may(Permission::Read)?;
    let stream = request.stream;
    let question = request.into_question(&caller.scope(&server)).await?;
    let turn = server.question_turn().await?;
    if !stream {
        let answer = caller.scope(&server).ask(&question).await?;
        return Ok(Json(AnswerBody::of(answer, server.links().await?)).into_response());
    }
    let (sender, receiver) = mpsc::channel(EVENTS_IN_FLIGHT);
    // ends with the reader: what it works on is dropped with the stream
    let work = tokio::spawn(async move {
        let _turn = turn;
        let scope = caller.scope(&server);
        let links = match server.links().await {
            Ok(links) => links,
            Err(error) => return drop(sender.send(failed(error)).await),
        };
        let mut events = std::pin::pin!(scope.ask_stream(&question));
        while let Some(next) = events.next().await {
            let event = match next {
                Ok(AnswerEvent::Found(found)) => event("retrieval", &FoundBody::of(*found, links)),
                Ok(AnswerEvent::Cited(citation)) => event("citation", &CitedBody::of(*citation, links)),
                Ok(AnswerEvent::Delta(text)) => event("delta", &DeltaBody { text }),
                Ok(AnswerEvent::Done(response)) => event("done", &AnswerBody::of(*response, links)),
                Err(error) => failed(error),
            };
            if sender.send(event).await.is_err() {
                return;
            }
        }
    });
    Ok(sse::of_task(receiver, work))
}

fn failed(error: Error) -> Event {
    event("error", &Problem::from(error))
}
