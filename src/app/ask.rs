//! Answers, as a stream of what may be shown and then the whole. The one place that decides who answers: the configured
//! model, or, without one or where it can't be reached, the pages themselves.

use std::sync::Arc;
use std::time::Instant;

use futures::{FutureExt, Stream, StreamExt};
use serde::Serialize;
use tokio::sync::mpsc;

use super::collections::DefinedBuild;
use super::scope::Scope;
use super::search::{Question, SearchResponse};
use crate::answer::{Answer, AnswerModel, Matching, SentPage, extract};
use crate::derive::terms::AskedWords;
use crate::error::{Error, Kind, Result};
use crate::retrieve::{Explanation, Hit, WordSearch, elapsed_ms};
use crate::telemetry::{Stage, Timer};
use crate::types::QuestionEmbedding;

/// Pieces of an answer between the model and a slow reader.
const PIECES_IN_FLIGHT: usize = 32;

/// What happens while a question is answered.
#[derive(Debug)]
pub enum AnswerEvent {
    /// The next piece of the answer; its citations are checked. All of them together are the answer.
    Delta(String),
    /// The whole answer, with its citations; nothing follows.
    Done(Box<AskResponse>),
}

/// An answer and how long it took.
#[derive(Debug, Serialize)]
pub struct AskResponse {
    #[serde(flatten)]
    pub answer: Answer,
    pub plan: String,
    pub timings_ms: AskTimings,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explain: Option<Explanation>,
    /// What each page that was looked at holds of the question, where the pages were quoted and the question is explained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matching: Option<Matching>,
    /// The question as the model understood it: evidence is drawn from it.
    #[serde(skip)]
    pub question: Arc<QuestionEmbedding>,
}

/// Milliseconds of each stage.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct AskTimings {
    pub embed: f64,
    pub query: f64,
    pub answer: f64,
    pub total: f64,
}

impl Scope<'_> {
    /// Answers from the best pages: composed by the answer model, or by quoting them where none is configured, where the
    /// question asks for that, or where the model can't be reached (a note says so).
    ///
    /// # Errors
    /// Configuration, where the question asks nothing or the model's endpoint refuses; else what the store says.
    pub async fn ask(&self, question: &Question) -> Result<AskResponse> {
        let mut events = std::pin::pin!(self.ask_stream(question));
        while let Some(event) = events.next().await {
            if let AnswerEvent::Done(response) = event? {
                return Ok(*response);
            }
        }
        Err(Error::bug("the answer ended without an end"))
    }

    /// The same, piece by piece as the model writes. The last event is [`AnswerEvent::Done`] or an error. Dropping the
    /// stream cancels the request.
    pub fn ask_stream<'a>(&'a self, question: &'a Question) -> impl Stream<Item = Result<AnswerEvent>> + Send + 'a {
        let (sender, receiver) = mpsc::channel(PIECES_IN_FLIGHT);
        let pieces = futures::stream::unfold(receiver, |mut receiver| async move {
            receiver.recv().await.map(|piece| (piece, receiver))
        });
        // both are polled by whoever reads the stream: nothing runs on when it is dropped
        let (done_sender, done) = tokio::sync::oneshot::channel();
        let work = async move {
            let outcome = self.answer(question, sender).boxed().await;
            let _ = done_sender.send(outcome);
        };
        let work = futures::stream::once(work).filter_map(|()| async { None::<Result<AnswerEvent>> });
        let pieces = pieces.map(|piece| Ok(AnswerEvent::Delta(piece)));
        // the sender of pieces is gone by the time `done` is sent, so the end comes after the last piece
        let end = futures::stream::once(async move {
            let outcome = done.await.map_err(|error| Error::bug("answering was given up").with_source(error))?;
            outcome.map(|response| AnswerEvent::Done(Box::new(response)))
        });
        futures::stream::select(work, pieces.chain(end))
    }

    async fn answer(&self, question: &Question, shown: mpsc::Sender<String>) -> Result<AskResponse> {
        let start = Instant::now();
        let limited = Question { limit: self.app.config.answer.pages, ..question.clone() };
        let SearchResponse { hits, plan, timings_ms, explain, question: embedded, .. } = self.search(&limited).await?;
        let answering = Instant::now();
        let timer = Timer::start(Stage::Answer);
        let (answer, matching) = match self.answer_model(question)? {
            Some(model) if !hits.is_empty() => self.compose(model, question, &embedded, hits, &shown).await?,
            _ => self
                .quote(question, &embedded, hits, &shown)
                .await
                .map(|(answer, matching)| (answer, Some(matching)))?,
        };
        let matching = matching.filter(|_| question.explain);
        drop(timer);
        let timings_ms = AskTimings {
            embed: timings_ms.embed,
            query: timings_ms.query,
            answer: elapsed_ms(answering),
            total: elapsed_ms(start),
        };
        Ok(AskResponse { answer, plan, timings_ms, explain, matching, question: embedded })
    }

    /// The configured model, set up at the first question that needs it.
    fn answer_model(&self, question: &Question) -> Result<Option<&AnswerModel>> {
        let Some(vlm) = self.app.config.answer.vlm.as_ref().filter(|_| !question.extractive) else { return Ok(None) };
        if let Some(model) = self.app.answer_model.get() {
            return Ok(Some(model));
        }
        let model = AnswerModel::new(vlm)?;
        Ok(Some(self.app.answer_model.get_or_init(|| model)))
    }

    /// Passages of the pages that hold what is asked about, shown at once.
    async fn quote(
        &self,
        question: &Question,
        embedded: &QuestionEmbedding,
        hits: Vec<Hit>,
        shown: &mpsc::Sender<String>,
    ) -> Result<(Answer, Matching)> {
        let DefinedBuild { physical, definition } = self.app.collections.active(&question.collection).await?;
        let model = self.app.models.get(&definition.model).await?;
        let asked = AskedWords::new(&question.text);
        let search = WordSearch {
            collection: &physical,
            tenant: &self.tenant,
            schema: &definition.schema,
            asked: &asked,
            question: embedded,
            seen_from: model.info().seen_from,
        };
        let evidence = self.app.retriever.word_evidence(&search, &hits).await?;
        let matching = Matching::new(&asked, &hits, &evidence);
        let answer = extract(&question.text, hits, &matching, self.app.config.answer.sentences);
        let _ = shown.send(answer.answer.clone()).await;
        Ok((answer, matching))
    }

    /// The model's answer. Where it can't be reached the pages are quoted; where it is misconfigured, that is an error: a
    /// quoted answer would hide for ever that the model was never asked.
    async fn compose(
        &self,
        model: &AnswerModel,
        question: &Question,
        embedded: &QuestionEmbedding,
        hits: Vec<Hit>,
        shown: &mpsc::Sender<String>,
    ) -> Result<(Answer, Option<Matching>)> {
        let mut missing = Vec::new();
        let mut pages: Vec<SentPage> = Vec::new();
        for hit in hits.iter().take(model.max_pages()) {
            match self.app.blobs.get(&self.tenant, &hit.detail.image_key).await {
                Ok(image) => pages.push(SentPage::stored(hit.clone(), image)),
                Err(error) => missing.push(format!("page {} of {} was left out: {error}", hit.page, hit.title)),
            }
        }
        self.draw_finer(model, &mut pages).await?;
        let composed = if pages.is_empty() {
            Err(Error::transient("no image of the pages that were found can be read"))
        } else {
            model.answer(question.text.trim(), &pages, shown).await
        };
        let (mut answer, matching) = match composed {
            Ok(composed) => (Answer::composed(model, composed, pages), None),
            Err(error) if matches!(error.kind(), Kind::Transient { .. }) => {
                tracing::warn!(%error, "the answer model gave no answer, quoting the pages");
                let (mut answer, matching) = self.quote(question, embedded, hits, shown).await?;
                answer.notes.push(format!("quoted from the pages, for the answer model gave no answer: {error}"));
                (answer, Some(matching))
            }
            Err(error) => return Err(error),
        };
        answer.notes.splice(0..0, missing);
        Ok((answer, matching))
    }
}
