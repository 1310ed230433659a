//! One attempt at an answer: the request goes out once, the answer comes in pieces, every wait has its limit.

use std::pin::Pin;
use std::time::Duration;

use async_openai::Client;
use async_openai::error::OpenAIError;
use async_openai::types::chat::CreateChatCompletionRequest;
use futures::{Stream, StreamExt};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::failure::{self, Failure};
use super::transport::Endpoint;
use crate::answer::citations::{CitationFilter, CitationReport};
use crate::config::Vlm;
use crate::error::Error;

/// A longer answer is cut: no question needs it, and a model that runs in circles must end.
const MAX_ANSWER_BYTES: usize = 200_000;
/// What follows the last word, the count of tokens, is not waited for longer.
const AFTER_THE_END: Duration = Duration::from_secs(2);

/// What the server counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    pub prompt_tokens: u64,
    pub completion_tokens: u64,
    pub total_tokens: u64,
}

/// How an answer ended.
#[derive(Debug)]
pub enum Ending {
    Complete,
    /// At `max_answer_tokens`, or at the longest answer that is taken.
    Cut,
    /// The server held the rest back.
    Filtered,
    /// After some of it had been shown.
    Broken(Error),
}

/// An answer, its citations checked.
#[derive(Debug)]
pub struct Finished {
    pub text: String,
    pub report: CitationReport,
    pub usage: Option<Usage>,
    pub ending: Ending,
}

/// An event of the stream. Servers leave out much of what OpenAI sends, so nothing is required.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Chunk {
    choices: Vec<Choice>,
    usage: Option<Usage>,
    error: Option<serde_json::Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Choice {
    delta: Delta,
    finish_reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Delta {
    content: Option<String>,
    refusal: Option<String>,
}

type Events = Pin<Box<dyn Stream<Item = Result<Chunk, OpenAIError>> + Send>>;

/// The answer as it grows.
struct Growing<'a> {
    filter: CitationFilter,
    text: String,
    shown: &'a mpsc::Sender<String>,
    /// Bytes that came, shown or not.
    received: usize,
    usage: Option<Usage>,
    ending: Option<Ending>,
}

impl<'a> Growing<'a> {
    fn new(pages: usize, shown: &'a mpsc::Sender<String>) -> Self {
        let filter = CitationFilter::new(pages);
        Self { filter, text: String::new(), shown, received: 0, usage: None, ending: None }
    }

    /// Takes an event of the stream. True where it says something.
    async fn take(&mut self, chunk: Chunk) -> bool {
        self.usage = chunk.usage.or(self.usage);
        let Some(choice) = chunk.choices.into_iter().next() else { return false };
        let piece = choice.delta.content.or(choice.delta.refusal).unwrap_or_default();
        self.received += piece.len();
        let checked = self.filter.push(&piece);
        self.show(&checked).await;
        match choice.finish_reason.as_deref() {
            None => {}
            Some("length") => self.ending = Some(Ending::Cut),
            Some("content_filter") => self.ending = Some(Ending::Filtered),
            Some(_) => self.ending = Some(Ending::Complete),
        }
        if self.received > MAX_ANSWER_BYTES {
            self.ending = Some(Ending::Cut);
        }
        !piece.is_empty()
    }

    /// Shows what may be shown.
    async fn show(&mut self, piece: &str) {
        // the answer begins with its first word
        let piece = if self.text.is_empty() { piece.trim_start() } else { piece };
        if !piece.is_empty() {
            self.text.push_str(piece);
            // whoever stops listening also drops this future
            let _ = self.shown.send(piece.to_owned()).await;
        }
    }

    /// The whole, after its last event; `failure` is what ended it, if anything did before its time.
    async fn finish(mut self, vlm: &Vlm, failure: Option<Failure>) -> Result<Finished, Failure> {
        let ending = match (failure, self.ending.take()) {
            (_, Some(ending)) => ending,
            (None, None) => Ending::Complete,
            (Some(failure), None) if self.text.is_empty() => return Err(failure),
            (Some(Failure::Other(error)), None) => Ending::Broken(error),
            (Some(Failure::TooLong(message)), None) => Ending::Broken(Error::transient(message)),
        };
        let (rest, report) = std::mem::replace(&mut self.filter, CitationFilter::new(0)).finish();
        self.show(rest.trim_end()).await;
        let text = self.text.trim_end().to_owned();
        if text.is_empty() && report.invented.is_empty() {
            return Err(Failure::Other(Error::transient(format!("{} gave an empty answer", failure::name(vlm)))));
        }
        Ok(Finished { text, report, usage: self.usage, ending })
    }
}

/// Asks once. What may be shown goes to `shown` as it comes.
///
/// # Errors
/// Only while nothing has been shown; what comes later ends the answer as [`Ending::Broken`].
pub async fn attempt(
    client: &Client<Endpoint>,
    vlm: &Vlm,
    request: CreateChatCompletionRequest,
    pages: usize,
    deadline: Instant,
    shown: &mpsc::Sender<String>,
) -> Result<Finished, Failure> {
    let mut limit = Limit::first(vlm, deadline);
    let opened = timeout_at(limit.at, client.chat().create_stream_byot(request)).await;
    let mut events: Events = match opened {
        Err(_) => return Err(Failure::Other(limit.error(vlm))),
        Ok(Err(error)) => return Err(failure::of(vlm, error)),
        Ok(Ok(events)) => events,
    };
    let mut growing = Growing::new(pages, shown);
    let failure = loop {
        let chunk = match timeout_at(limit.at, events.next()).await {
            Err(_) => break Some(Failure::Other(limit.error(vlm))),
            Ok(Some(Err(error))) => break Some(failure::of(vlm, error)),
            Ok(Some(Ok(chunk))) => chunk,
            // an end without a reason is no end: connections break silently
            Ok(None) => {
                break Some(Failure::Other(Error::transient(format!("{} ended in the middle", failure::name(vlm)))));
            }
        };
        if let Some(error) = &chunk.error {
            break Some(failure::of_event(vlm, error));
        }
        if growing.take(chunk).await {
            limit = Limit::next(vlm, deadline);
        }
        if growing.received > MAX_ANSWER_BYTES {
            break None;
        }
        if growing.ending.is_some() {
            limit.at = limit.at.min(Instant::now() + AFTER_THE_END);
        }
    };
    growing.finish(vlm, failure).await
}

/// How long the next piece is waited for, and what is said when it does not come.
struct Limit {
    at: Instant,
    waited: Duration,
    what: &'static str,
    /// The setting that this is.
    key: &'static str,
}

impl Limit {
    /// For the first word.
    fn first(vlm: &Vlm, deadline: Instant) -> Self {
        let waited = vlm.timeouts.first_token;
        Self { at: Instant::now() + waited, waited, what: "did not begin to answer", key: "first_token_timeout_ms" }
            .before(vlm, deadline)
    }

    /// For each word after it.
    fn next(vlm: &Vlm, deadline: Instant) -> Self {
        let waited = vlm.timeouts.between_tokens;
        Self { at: Instant::now() + waited, waited, what: "did not go on answering", key: "between_tokens_timeout_ms" }
            .before(vlm, deadline)
    }

    /// Never longer than the whole may take.
    fn before(self, vlm: &Vlm, deadline: Instant) -> Self {
        if self.at <= deadline {
            return self;
        }
        Self { at: deadline, waited: vlm.timeouts.total, what: "did not finish", key: "total_timeout_ms" }
    }

    fn error(&self, vlm: &Vlm) -> Error {
        failure::silence(vlm, self.what, self.waited, self.key)
    }
}
