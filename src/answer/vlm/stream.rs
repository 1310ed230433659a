//! One attempt at an answer: the request goes out once, the answer comes in pieces, every wait has its limit.

use std::sync::Arc;
use std::time::Duration;

use async_openai::types::chat::CreateChatCompletionRequest;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::AbortOnDropHandle;

use super::events::{Chunk, Events, Usage};
use super::failure::{self, Failure};
use super::transport::Endpoint;
use crate::answer::citations::{CitationFilter, CitationReport};
use crate::config::Vlm;
use crate::error::Error;

/// A longer answer is cut: no question needs it, and a model that runs in circles must end.
const MAX_ANSWER_BYTES: usize = 200_000;
/// What follows the last word, the count of tokens, is not waited for longer.
const AFTER_THE_END: Duration = Duration::from_secs(2);

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

/// The answer as it grows.
struct Growing {
    filter: CitationFilter,
    /// What was shown. Never ends in white space.
    text: String,
    /// White space that came behind `text`: shown once something follows it.
    space: String,
    shown: mpsc::Sender<String>,
    deadline: Instant,
    /// The deadline passed before somebody took what was to be shown.
    unread: bool,
    /// Bytes that came, shown or not.
    received: usize,
    usage: Option<Usage>,
    ending: Option<Ending>,
}

impl Growing {
    fn new(filter: CitationFilter, deadline: Instant, shown: mpsc::Sender<String>) -> Self {
        Self {
            filter,
            text: String::new(),
            space: String::new(),
            shown,
            deadline,
            unread: false,
            received: 0,
            usage: None,
            ending: None,
        }
    }

    /// Takes an event of the stream. True where it says something.
    async fn take(&mut self, chunk: Chunk) -> bool {
        self.usage = chunk.usage.or(self.usage);
        let Some(choice) = chunk.choices.into_iter().next() else { return false };
        let piece = choice.delta.content.or(choice.delta.refusal).unwrap_or_default();
        let room = MAX_ANSWER_BYTES.saturating_sub(self.received);
        self.received += piece.len();
        let checked = self.filter.push(&piece[..piece.floor_char_boundary(room)]);
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

    /// Shows what may be shown. Where nobody takes it before the deadline, it is no part of the answer.
    async fn show(&mut self, piece: &str) {
        self.space.push_str(piece);
        let ready = self.space.trim_end().len();
        let space = self.space.split_off(ready);
        let ready = std::mem::replace(&mut self.space, space);
        // the answer begins with its first word
        let ready = if self.text.is_empty() { ready.trim_start() } else { &ready };
        if ready.is_empty() || self.unread {
            return;
        }
        match timeout_at(self.deadline, self.shown.send(ready.to_owned())).await {
            // whoever stops listening also drops this future
            Ok(_) => self.text.push_str(ready),
            Err(_) => self.unread = true,
        }
    }

    /// The whole, after its last event; `failure` is what ended it, if anything did before its time.
    async fn finish(mut self, vlm: &Vlm, failure: Option<Failure>) -> Result<Finished, Failure> {
        let (rest, mut report) = std::mem::replace(&mut self.filter, CitationFilter::new(&[])).finish();
        self.show(&rest).await;
        if self.unread {
            self.ending = Some(Ending::Broken(Limit::whole(vlm, self.deadline).error(vlm)));
            report.cited.retain(|page| self.text.contains(&format!("[{page}]")));
        }
        let ending = match (failure, self.ending.take()) {
            (_, Some(ending)) => ending,
            (None, None) => Ending::Complete,
            (Some(failure), None) if self.text.is_empty() => return Err(failure),
            (Some(Failure::Other(error)), None) => Ending::Broken(error),
            (Some(Failure::TooLong(message)), None) => Ending::Broken(Error::transient(message)),
        };
        if self.text.is_empty() && report.invented.is_empty() {
            return Err(Failure::Other(Error::transient(format!("{} gave an empty answer", failure::name(vlm)))));
        }
        Ok(Finished { text: self.text, report, usage: self.usage, ending })
    }
}

/// Asks once. What may be shown goes to `shown` as it comes. Dropping the future ends the request.
///
/// # Errors
/// Only while nothing has been shown; what comes later ends the answer as [`Ending::Broken`].
pub async fn attempt(
    endpoint: Arc<Endpoint>,
    request: CreateChatCompletionRequest,
    filter: CitationFilter,
    deadline: Instant,
    shown: mpsc::Sender<String>,
) -> Result<Finished, Failure> {
    // a task of its own: the limits hold while nobody asks for the next piece of the answer, too
    let task = tokio::spawn(async move { read(&endpoint, &request, Growing::new(filter, deadline, shown)).await });
    AbortOnDropHandle::new(task)
        .await
        .unwrap_or_else(|error| Err(Failure::Other(Error::bug("reading the answer panicked").with_source(error))))
}

async fn read(
    endpoint: &Endpoint,
    request: &CreateChatCompletionRequest,
    mut growing: Growing,
) -> Result<Finished, Failure> {
    let (vlm, deadline) = (endpoint.vlm(), growing.deadline);
    let mut limit = Limit::first(vlm, deadline);
    if Instant::now() >= limit.at {
        return Err(Failure::Other(limit.error(vlm)));
    }
    let mut events = match timeout_at(limit.at, endpoint.chat(request)).await {
        Err(_) => return Err(Failure::Other(limit.error(vlm))),
        Ok(response) => Events::new(response?),
    };
    let mut after_the_end = None;
    let failure = loop {
        // what is there at once is taken before the clock is looked at, so a flood would never end by the clock alone
        let next = if Instant::now() < limit.at { timeout_at(limit.at, events.next(vlm)).await.ok() } else { None };
        let chunk = match next {
            None => break Some(Failure::Other(limit.error(vlm))),
            Some(Err(failure)) => break Some(failure),
            // an end without a reason is no end: connections break silently
            Some(Ok(None)) => break Some(failure::of_stream(vlm, "ended in the middle")),
            Some(Ok(Some(chunk))) => chunk,
        };
        if let Some(error) = &chunk.error {
            break Some(failure::of_event(vlm, error));
        }
        if growing.take(chunk).await {
            limit = Limit::next(vlm, deadline);
        }
        if growing.unread || growing.received > MAX_ANSWER_BYTES {
            break None;
        }
        if growing.ending.is_some() {
            limit.at = limit.at.min(*after_the_end.get_or_insert_with(|| Instant::now() + AFTER_THE_END));
        }
    };
    // a connection that is not read any more is not kept for somebody who reads slowly
    drop(events);
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
        Self::whole(vlm, deadline)
    }

    /// For the whole answer.
    fn whole(vlm: &Vlm, deadline: Instant) -> Self {
        Self { at: deadline, waited: vlm.timeouts.total, what: "did not finish", key: "total_timeout_ms" }
    }

    fn error(&self, vlm: &Vlm) -> Error {
        failure::silence(vlm, self.what, self.waited, self.key)
    }
}
