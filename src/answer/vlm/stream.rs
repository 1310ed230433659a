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
const MAX_ANSWER_CHARS: usize = 100_000;

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
#[derive(Debug, Deserialize)]
#[serde(default)]
#[derive(Default)]
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
}

impl Growing<'_> {
    /// Shows what may be shown.
    async fn show(&mut self, piece: String) {
        // the answer begins with its first word
        let piece = if self.text.is_empty() { piece.trim_start().to_owned() } else { piece };
        if !piece.is_empty() {
            self.text.push_str(&piece);
            // whoever stops listening also drops this future
            let _ = self.shown.send(piece).await;
        }
    }

    async fn end(mut self, usage: Option<Usage>, ending: Ending) -> Finished {
        let (rest, report) = std::mem::replace(&mut self.filter, CitationFilter::new(0)).finish();
        self.show(rest.trim_end().to_owned()).await;
        Finished { text: self.text.trim_end().to_owned(), report, usage, ending }
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
    let started = Instant::now();
    let mut limit = Limit::until(started + vlm.timeouts.first_token, deadline, vlm.timeouts.first_token, true);
    let opened = timeout_at(limit.at, client.chat().create_stream_byot(request)).await;
    let mut events: Events = match opened {
        Err(_) => return Err(Failure::Other(limit.error(vlm))),
        Ok(Err(error)) => return Err(failure::of(vlm, error)),
        Ok(Ok(events)) => events,
    };
    let mut growing = Growing { filter: CitationFilter::new(pages), text: String::new(), shown };
    let (mut usage, mut ending) = (None, None);
    let failed = loop {
        let chunk = match timeout_at(limit.at, events.next()).await {
            // after the last word only the count of tokens was missing
            Err(_) | Ok(None) if ending.is_some() => break None,
            Err(_) => break Some(Failure::Other(limit.error(vlm))),
            Ok(None) => break Some(Failure::Other(Error::transient(format!("{} ended in the middle", failure::name(vlm))))),
            Ok(Some(Err(error))) => break Some(failure::of(vlm, error)),
            Ok(Some(Ok(chunk))) => chunk,
        };
        if let Some(error) = chunk.error.filter(|error| !error.is_null()) {
            break Some(failure::of_event(vlm, &error));
        }
        usage = chunk.usage.or(usage);
        for choice in chunk.choices.into_iter().take(1) {
            let piece = choice.delta.content.or(choice.delta.refusal).unwrap_or_default();
            if !piece.is_empty() {
                limit = Limit::until(
                    Instant::now() + vlm.timeouts.between_tokens,
                    deadline,
                    vlm.timeouts.between_tokens,
                    false,
                );
                let piece = growing.filter.push(&piece);
                growing.show(piece).await;
            }
            ending = choice.finish_reason.map(|reason| match reason.as_str() {
                "length" => Ending::Cut,
                "content_filter" => Ending::Filtered,
                _ => Ending::Complete,
            }).or(ending);
        }
        if growing.text.chars().count() > MAX_ANSWER_CHARS {
            ending = Some(Ending::Cut);
            break None;
        }
    };
    let nothing_said = growing.text.trim().is_empty();
    match (failed, ending) {
        (Some(failure), _) if nothing_said => Err(failure),
        (Some(Failure::Other(error)), _) => Ok(growing.end(usage, Ending::Broken(error)).await),
        (Some(Failure::TooLong(message)), _) => Ok(growing.end(usage, Ending::Broken(Error::transient(message))).await),
        (None, ending) => {
            let finished = growing.end(usage, ending.unwrap_or(Ending::Complete)).await;
            if finished.text.is_empty() && finished.report.invented.is_empty() {
                let message = format!("{} gave an empty answer", failure::name(vlm));
                return Err(Failure::Other(Error::transient(message)));
            }
            Ok(finished)
        }
    }
}

/// How long the next piece is waited for, and what is said when it does not come.
struct Limit {
    at: Instant,
    waited: Duration,
    what: &'static str,
    key: &'static str,
}

impl Limit {
    fn until(at: Instant, deadline: Instant, waited: Duration, first: bool) -> Self {
        if deadline < at {
            let (what, key) = ("did not finish", "total_timeout_ms");
            return Self { at: deadline, waited: Duration::ZERO, what, key };
        }
        let (what, key) = if first {
            ("did not begin to answer", "first_token_timeout_ms")
        } else {
            ("did not go on answering", "between_tokens_timeout_ms")
        };
        Self { at, waited, what, key }
    }

    fn error(&self, vlm: &Vlm) -> Error {
        let waited = if self.waited.is_zero() { vlm.timeouts.total } else { self.waited };
        failure::silence(vlm, self.what, waited, self.key)
    }
}
