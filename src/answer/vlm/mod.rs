//! The answer model: a vision language model behind an OpenAI-compatible endpoint. It sees the best pages as images and
//! answers with markers that are checked before anybody reads them.
//!
//! [`AnswerModel::answer`] decides what happens when an attempt fails: what may pass is tried again after a while, what is
//! too long is sent smaller, what is misconfigured is said. After the first word has been shown nothing is tried again.

mod events;
mod failure;
mod refusal;
mod request;
mod stream;
mod transport;

use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use bytes::Bytes;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::Instant;

pub use events::Usage;
pub use failure::Failure;
pub use stream::{Ending, Finished};

use super::citations::CitationFilter;
use super::images::{self, Fitted, FittedImage, LEAST_PIXELS, PageSource, Shows};
use super::prompt::{Delimiter, Prompt, Prompts};
use crate::config::{ImageBudget, ImageChoice, Vlm};
use crate::error::{Error, Kind, Result};
use crate::retrieve::{Hit, Region};
use transport::Endpoint;

/// How often pixels are halved for a context that is too short, before pages are left out.
const MAX_HALVINGS: u32 = 2;
/// How long `quire doctor` waits for the endpoint.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// A page that goes to the model: what is known of it, and its images.
#[derive(Debug)]
pub struct SentPage {
    pub hit: Hit,
    pub source: PageSource,
}

impl SentPage {
    /// A page as it is stored: JPEG.
    pub fn stored(hit: Hit, image: Bytes) -> Self {
        let regions = hit.regions.iter().map(Region::rect).collect();
        let word_height = hit.detail.word_height;
        Self { hit, source: PageSource { image, detail: None, regions, word_height } }
    }
}

/// An image that went to the model.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SentImage {
    #[serde(flatten)]
    pub shows: Shows,
    /// In pixels.
    pub width: u32,
    pub height: u32,
}

/// What an answer took.
#[derive(Debug)]
pub struct Composed {
    pub finished: Finished,
    /// What was sent in the end, page by page: markers 1 to its length were valid.
    pub sent: Vec<Vec<SentImage>>,
    /// What was left out or made smaller, and why.
    pub notes: Vec<String>,
}

/// A configured answer model.
pub struct AnswerModel {
    vlm: Vlm,
    prompts: Prompts,
    endpoint: Arc<Endpoint>,
}

impl AnswerModel {
    /// Reads the prompts and sets up the HTTP client; nothing is sent yet.
    ///
    /// # Errors
    /// Configuration, where a prompt template can't be used.
    pub fn new(vlm: &Vlm) -> Result<Self> {
        let endpoint = Arc::new(Endpoint::new(vlm)?);
        Ok(Self { vlm: vlm.clone(), prompts: Prompts::load(vlm.prompts.as_deref())?, endpoint })
    }

    /// `MODEL at BASE_URL`, for messages.
    pub fn name(&self) -> String {
        failure::name(&self.vlm)
    }

    /// What the server calls the model.
    pub fn model(&self) -> &str {
        &self.vlm.model
    }

    /// How many page images one request may carry.
    pub fn max_pages(&self) -> usize {
        self.vlm.budget.pages
    }

    /// How finely a page is to be drawn from its document before it is sent, in pixels of the whole page; None: its stored image
    /// serves.
    ///
    /// # Errors
    /// Permanent, where the stored image can't be read.
    pub fn pixels_to_draw(&self, page: &SentPage) -> Result<Option<u64>> {
        images::pixels_to_draw(&page.source, &self.vlm.budget, self.vlm.images)
    }

    /// Asks the endpoint for its models, once: whether it is there and takes the key.
    ///
    /// # Errors
    /// Configuration where it refuses, transient where it can't be reached.
    pub async fn probe(&self) -> Result<String> {
        let models = match self.endpoint.models(PROBE_TIMEOUT).await {
            Ok(models) => models,
            Err(Failure::Other(error)) => return Err(error),
            Err(Failure::TooLong(message)) => return Err(Error::configuration(message)),
        };
        let listed = if models.contains(&self.vlm.model) {
            "is listed".to_owned()
        } else {
            format!("is not among the {} models that it lists: a question will tell", models.len())
        };
        Ok(format!("{} answers; '{}' {listed}", self.vlm.base_url, self.vlm.model))
    }

    /// Composes an answer from pages, best first. Its text goes to `shown` as it comes; where nobody takes it
    /// before `answer.vlm.total_timeout_ms` have passed, the answer ends there. Dropping the future ends the request.
    ///
    /// # Errors
    /// Configuration: the endpoint refuses, or the model's context is too short for one small page. Transient: it did not
    /// answer in all its attempts. Permanent: a page image can't be read.
    pub async fn answer(&self, question: &str, pages: &[SentPage], shown: &mpsc::Sender<String>) -> Result<Composed> {
        let deadline = Instant::now() + self.vlm.timeouts.total;
        let retries = usize::try_from(self.vlm.max_attempts.saturating_sub(1)).unwrap_or(usize::MAX);
        let mut delays = ExponentialBuilder::new()
            .with_min_delay(self.vlm.first_retry)
            .with_max_delay(self.vlm.longest_retry)
            .with_max_times(retries)
            .with_jitter()
            .build();
        let mut sending = Sending::new(&self.vlm, pages);
        loop {
            let fitted = sending.fit().await?;
            let failure = match self.attempt(question, pages, &fitted, deadline, shown).await {
                Ok(finished) => {
                    return Ok(Composed { finished, sent: described(&fitted.pages), notes: sending.notes(&fitted) });
                }
                Err(failure) => failure,
            };
            match failure {
                Failure::TooLong(message) => sending.shrink(&fitted, message)?,
                Failure::Other(error) => {
                    let Kind::Transient { retry_after } = error.kind() else { return Err(error) };
                    let Some(delay) = delays.next() else {
                        return Err(error.context(format!("{} attempts failed", self.vlm.max_attempts)));
                    };
                    if Instant::now() >= deadline {
                        return Err(error);
                    }
                    let asked = retry_after.unwrap_or_default();
                    let delay = delay.max(asked);
                    if asked > self.vlm.longest_retry || Instant::now() + delay >= deadline {
                        return Err(error.context(format!("not tried again for {} s", delay.as_secs())));
                    }
                    tracing::info!(%error, delay_ms = delay.as_millis() as u64, "the answer model failed, trying again");
                    tokio::time::sleep(delay).await;
                }
            }
        }
    }

    async fn attempt(
        &self,
        question: &str,
        pages: &[SentPage],
        fitted: &Fitted,
        deadline: Instant,
        shown: &mpsc::Sender<String>,
    ) -> Result<Finished, Failure> {
        let sent = fitted.pages.len();
        let hits: Vec<Hit> = pages.iter().take(sent).map(|page| page.hit.clone()).collect();
        let text_chars = self.vlm.page_text.then_some(self.vlm.page_text_chars);
        let prompt = self.prompts.render(question, &hits, text_chars, &Delimiter::random()).map_err(Failure::Other)?;
        let images = fitted.pages.iter().flatten();
        let bytes: usize = images.map(|image| image.jpeg.len()).sum();
        tracing::debug!(
            pages = sent,
            image_bytes = bytes,
            page_pixels = fitted.largest_pixels,
            "asking the answer model"
        );
        let texts: Vec<&str> = hits.iter().map(|hit| hit.detail.text.as_str()).collect();
        let filter = CitationFilter::new(&texts);
        self.send(&prompt, &fitted.pages, filter, deadline, shown.clone()).await
    }

    /// One attempt at what a prompt without pages asks for.
    pub(super) async fn complete(
        &self,
        prompt: &Prompt,
        filter: CitationFilter,
        deadline: Instant,
        shown: mpsc::Sender<String>,
    ) -> Result<Finished, Failure> {
        self.send(prompt, &[], filter, deadline, shown).await
    }

    async fn send(
        &self,
        prompt: &Prompt,
        pages: &[Vec<FittedImage>],
        filter: CitationFilter,
        deadline: Instant,
        shown: mpsc::Sender<String>,
    ) -> Result<Finished, Failure> {
        let request = request::build(&self.vlm, prompt, pages);
        stream::attempt(self.endpoint.clone(), request, filter, deadline, shown).await
    }

    pub(super) fn prompts(&self) -> &Prompts {
        &self.prompts
    }
}

fn described(pages: &[Vec<FittedImage>]) -> Vec<Vec<SentImage>> {
    let described = |image: &FittedImage| SentImage { shows: image.shows, width: image.width, height: image.height };
    pages.iter().map(|images| images.iter().map(described).collect()).collect()
}

/// What is sent, and how it shrinks.
struct Sending {
    configured: ImageBudget,
    budget: ImageBudget,
    choice: ImageChoice,
    pages: Arc<Vec<PageSource>>,
    halvings: u32,
}

impl Sending {
    fn new(vlm: &Vlm, pages: &[SentPage]) -> Self {
        let sources: Vec<PageSource> = pages.iter().take(vlm.budget.pages).map(|page| page.source.clone()).collect();
        let budget = ImageBudget { pages: sources.len(), ..vlm.budget };
        Self { configured: budget, budget, choice: vlm.images, pages: Arc::new(sources), halvings: 0 }
    }

    async fn fit(&self) -> Result<Fitted> {
        let (pages, budget, choice) = (self.pages.clone(), self.budget, self.choice);
        tokio::task::spawn_blocking(move || images::fit(&pages, &budget, choice))
            .await
            .map_err(|error| Error::bug("fitting page images panicked").with_source(error))?
    }

    /// Less than `fitted`: half the pixels, then fewer pages.
    ///
    /// # Errors
    /// Configuration, where there is nothing left to leave out.
    fn shrink(&mut self, fitted: &Fitted, message: String) -> Result<()> {
        let sent = fitted.pages.len();
        if self.halvings < MAX_HALVINGS && fitted.largest_pixels / 2 >= LEAST_PIXELS {
            self.halvings += 1;
            self.budget.page_pixels = fitted.largest_pixels / 2;
        } else if sent > 1 {
            self.budget.pages = sent - (sent / 4).max(1);
        } else {
            return Err(Error::configuration(format!(
                "{message} (one page of {} pixels is already too much: give the model a longer context, or lower \
                 answer.vlm.page_text_chars and answer.vlm.max_answer_tokens)",
                fitted.largest_pixels
            )));
        }
        tracing::info!(
            pages = self.budget.pages,
            page_pixels = self.budget.page_pixels,
            "too long for the answer model, sending less"
        );
        Ok(())
    }

    /// What the reader must know about what was sent in the end.
    fn notes(&self, fitted: &Fitted) -> Vec<String> {
        let mut notes = Vec::new();
        let reason = |by_context: bool| {
            if by_context { "the model's context is too short" } else { "of answer.vlm.max_image_bytes" }
        };
        if fitted.limit_pixels < self.configured.page_pixels {
            notes.push(format!(
                "page images were reduced to {} pixels each, because {}",
                fitted.limit_pixels,
                reason(self.halvings > 0)
            ));
        }
        let sent = fitted.pages.len();
        if sent < self.configured.pages {
            let left_out = self.configured.pages - sent;
            notes.push(format!(
                "{left_out} of {} pages {} left out, because {}",
                self.configured.pages,
                if left_out == 1 { "was" } else { "were" },
                reason(self.budget.pages < self.configured.pages)
            ));
        }
        notes
    }
}
