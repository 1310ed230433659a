//! Server-sent events: made of anything that is JSON, kept alive, ended with their reader.

use std::convert::Infallible;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::task::AbortOnDropHandle;

/// Proxies close what is silent for longer.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

/// An event of this name.
pub fn event(name: &str, data: &impl Serialize) -> Event {
    // all that is written here is JSON by its type
    Event::default().event(name).json_data(data).unwrap_or_else(|_| Event::default().event("error").data("{}"))
}

/// What a task sends, until it ends. The task is dropped with its reader.
pub fn of_task(receiver: mpsc::Receiver<Event>, task: JoinHandle<()>) -> Response {
    let held = AbortOnDropHandle::new(task);
    let events = futures::stream::unfold((receiver, held), |(mut receiver, held)| async move {
        receiver.recv().await.map(|event| (event, (receiver, held)))
    });
    response(events)
}

fn response(events: impl Stream<Item = Event> + Send + 'static) -> Response {
    let events = Sse::new(events.map(Ok::<_, Infallible>)).keep_alive(KeepAlive::new().interval(SIGN_OF_LIFE));
    let mut response = events.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx would keep events until there are enough of them
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}
