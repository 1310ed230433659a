//! The chunks of a streamed completion, to the letter: the role, the content in pieces, why it ended, the tokens where they were
//! asked for, `[DONE]`.
//!
//! The stream answers while it is read and ends when nobody reads it any more.

use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use super::answer::{Composer, Piece};
use super::cards;
use super::completion::{Completion, Head, Usage, extension, finish_reason};
use super::error::OpenAiError;
use crate::app::{AnswerEvent, AskResponse};

/// Chunks between the answer and a slow reader.
const CHUNKS_IN_FLIGHT: usize = 16;
/// How often a comment keeps the connection open while a model thinks.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Whoever reads is gone.
struct Gone;

/// Answers as a stream. What goes wrong before anything is found is an error of the whole request; later it is an event.
///
/// # Errors
/// What asking says.
pub async fn respond(completion: Completion) -> Result<Response, OpenAiError> {
    let (sender, receiver) = mpsc::channel(CHUNKS_IN_FLIGHT);
    let (started_sender, started) = oneshot::channel();
    let writer = Writer {
        head: completion.head.clone(),
        with_usage: completion.with_usage,
        with_cards: completion.options.cards,
        chunks: sender,
    };
    // polled by whoever reads the response: nothing runs on when it is dropped
    let work = futures::stream::once(async move {
        let _ = answer(completion, writer, started_sender).await;
    });
    let work = work.filter_map(|()| async { None::<Event> });
    let chunks = futures::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|chunk| (chunk, receiver))
    });
    let mut events = Box::pin(futures::stream::select(work, chunks));
    // The first chunk comes once pages were found; without one, there is an error to tell.
    let first = events.next().await;
    if let Ok(Some(error)) = started.await {
        return Err(error);
    }
    Ok(sse(futures::stream::iter(first).chain(events)))
}

/// A stream of a text that is known already.
pub fn of_text(head: Head, with_usage: bool, text: String) -> Response {
    let events = [
        Some(head.chunk(json!({ "role": "assistant", "content": "" }), None, with_usage)),
        Some(head.chunk(json!({ "content": text }), None, with_usage)),
        Some(head.chunk(json!({}), Some("stop"), with_usage)),
        with_usage.then(|| head.usage_chunk(Usage::default())),
    ];
    let events: Vec<Event> = events.into_iter().flatten().map(|chunk| event(&chunk)).chain([done()]).collect();
    sse(futures::stream::iter(events))
}

fn sse(events: impl Stream<Item = Event> + Send + 'static) -> Response {
    Sse::new(events.map(Ok::<_, Infallible>)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response()
}

async fn answer(
    completion: Completion,
    writer: Writer,
    started: oneshot::Sender<Option<OpenAiError>>,
) -> Result<(), Gone> {
    let mut composer = completion.composer();
    let scope = completion.caller.scope(&completion.server);
    let mut events = pin!(scope.ask_stream(&completion.question));
    let mut started = Some(started);
    while let Some(next) = events.next().await {
        let next = match next {
            Ok(next) => next,
            Err(error) => {
                let error = OpenAiError::from(error);
                match started.take() {
                    Some(started) => drop(started.send(Some(error))),
                    None => {
                        writer.send(&error.body()).await?;
                        writer.done().await?;
                    }
                }
                return Ok(());
            }
        };
        if let Some(started) = started.take() {
            let _ = started.send(None);
            writer.delta(json!({ "role": "assistant", "content": "" })).await?;
        }
        match next {
            AnswerEvent::Found(found) => writer.found(found.hits.len()).await?,
            AnswerEvent::Cited(citation) => composer.know(*citation),
            AnswerEvent::Delta(text) => writer.pieces(composer.push(&text)).await?,
            AnswerEvent::Done(response) => return writer.end(&mut composer, *response).await,
        }
    }
    Ok(())
}

/// Writes chunks.
struct Writer {
    head: Head,
    with_usage: bool,
    with_cards: bool,
    chunks: mpsc::Sender<Event>,
}

impl Writer {
    async fn send(&self, chunk: &Value) -> Result<(), Gone> {
        self.chunks.send(event(chunk)).await.map_err(|_| Gone)
    }

    async fn delta(&self, delta: Value) -> Result<(), Gone> {
        self.send(&self.head.chunk(delta, None, self.with_usage)).await
    }

    /// An event of Open WebUI's, where they are wished for.
    async fn card(&self, event: Value) -> Result<(), Gone> {
        if !self.with_cards {
            return Ok(());
        }
        self.send(&self.head.event_chunk(event, self.with_usage)).await
    }

    async fn found(&self, pages: usize) -> Result<(), Gone> {
        let found = if pages == 1 { "1 page found".to_owned() } else { format!("{pages} pages found") };
        self.card(cards::status(&found, true)).await
    }

    async fn pieces(&self, pieces: Vec<Piece>) -> Result<(), Gone> {
        for piece in pieces {
            match piece {
                Piece::Text(text) => self.delta(json!({ "content": text })).await?,
                // a card shows all that an annotation would
                Piece::Cited(cited) if self.with_cards => self.card(cards::source(&cited)).await?,
                Piece::Cited(cited) => self.delta(json!({ "annotations": [cited.annotation()] })).await?,
            }
        }
        Ok(())
    }

    async fn end(&self, composer: &mut Composer, mut response: AskResponse) -> Result<(), Gone> {
        let rest = composer.finish(std::mem::take(&mut response.answer.citations));
        self.pieces(rest).await?;
        let mut last = self.head.chunk(json!({}), Some(finish_reason(&response)), self.with_usage);
        last["quire"] = extension(&response, composer.cited());
        self.send(&last).await?;
        if self.with_usage {
            self.send(&self.head.usage_chunk(Usage::of(&response))).await?;
        }
        self.done().await
    }

    async fn done(&self) -> Result<(), Gone> {
        self.chunks.send(done()).await.map_err(|_| Gone)
    }
}

fn event(chunk: &Value) -> Event {
    Event::default().data(chunk.to_string())
}

fn done() -> Event {
    Event::default().data("[DONE]")
}
