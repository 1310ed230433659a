//! The events of a stream, in the form of server-sent events. Whatever the server sends, no more than [`MAX_EVENT_BYTES`] of
//! it are held at once and no more than [`MAX_STREAM_BYTES`] are taken in all; it is read no faster than it is used.

use std::pin::Pin;

use eventsource_stream::{Event, EventStream, EventStreamError};
use futures::{Stream, StreamExt};
use reqwest::Response;
use serde::{Deserialize, Serialize};

use super::failure::{self, Failure};
use crate::config::Vlm;

/// Bytes of one event, its lines together. A word or two come in each.
const MAX_EVENT_BYTES: usize = 1 << 20;
/// Bytes of a whole stream: servers wrap each word into some hundred bytes, and models think at length before they answer.
const MAX_STREAM_BYTES: usize = 64 << 20;

/// What the server counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    pub prompt_tokens: u64,
    pub completion_tokens: u64,
    pub total_tokens: u64,
}

/// An event of an answer. Servers leave out much of what OpenAI sends, so nothing is required.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Chunk {
    pub choices: Vec<Choice>,
    pub usage: Option<Usage>,
    pub error: Option<serde_json::Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Choice {
    pub delta: Delta,
    pub finish_reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Delta {
    pub content: Option<String>,
    pub refusal: Option<String>,
}

/// The events of one response.
pub struct Events {
    events: Pin<Box<dyn Stream<Item = Result<Event, EventStreamError<Broken>>> + Send>>,
}

/// Why no more bytes come.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    #[error("an event of the stream is longer than {MAX_EVENT_BYTES} bytes")]
    LongEvent,
    #[error("the stream is longer than {MAX_STREAM_BYTES} bytes")]
    LongStream,
}

impl Events {
    pub fn new(response: Response) -> Self {
        let mut count = Count::default();
        let bytes = response.bytes_stream().map(move |piece| {
            let piece = piece?;
            count.take(&piece)?;
            Ok(piece)
        });
        Self { events: Box::pin(EventStream::new(bytes)) }
    }

    /// The next event; None after the last one. Nothing is to be asked for after a failure.
    pub async fn next(&mut self, vlm: &Vlm) -> Result<Option<Chunk>, Failure> {
        loop {
            let Some(event) = self.events.next().await else { return Ok(None) };
            let event = event.map_err(|error| match error {
                EventStreamError::Transport(Broken::Http(error)) => failure::of_http(vlm, &error),
                EventStreamError::Transport(broken) => failure::of_stream(vlm, &broken.to_string()),
                other => failure::of_stream(vlm, &format!("the stream can't be read: {other}")),
            })?;
            match event.data.as_str() {
                "[DONE]" => return Ok(None),
                "" => {}
                _ if event.event == "keepalive" => {}
                data => {
                    return serde_json::from_str(data).map(Some).map_err(|error| {
                        failure::of_stream(vlm, &format!("an event of the stream can't be read: {error}"))
                    });
                }
            }
        }
    }
}

/// Counts bytes.
#[derive(Debug, Default)]
struct Count {
    stream: usize,
    /// Since the last empty line.
    event: usize,
    line: usize,
}

impl Count {
    fn take(&mut self, piece: &[u8]) -> Result<(), Broken> {
        self.stream += piece.len();
        if self.stream > MAX_STREAM_BYTES {
            return Err(Broken::LongStream);
        }
        for byte in piece {
            match byte {
                b'\r' => {}
                b'\n' => {
                    if self.line == 0 {
                        self.event = 0;
                    }
                    self.line = 0;
                }
                _ => {
                    self.line += 1;
                    self.event += 1;
                }
            }
            if self.event > MAX_EVENT_BYTES {
                return Err(Broken::LongEvent);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_counted_by_event_and_by_stream() {
        let half = [b'x'; MAX_EVENT_BYTES / 2];
        let mut count = Count::default();
        for end in ["\n\n", "\r\n\r\n"] {
            count.take(&half).unwrap();
            count.take(&half).unwrap();
            count.take(end.as_bytes()).unwrap();
        }
        // lines of one event count together
        count.take(&half).unwrap();
        count.take(b"\n").unwrap();
        count.take(&half).unwrap();
        assert!(matches!(count.take(b"x"), Err(Broken::LongEvent)));
        let mut count = Count::default();
        let outcome = (0..MAX_STREAM_BYTES).try_for_each(|_| count.take(b"\n"));
        assert!(outcome.is_ok() && matches!(count.take(b"\n"), Err(Broken::LongStream)));
    }
}
