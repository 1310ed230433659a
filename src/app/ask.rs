//! Answers, as a stream of what may be shown and then the whole. The one place that decides who answers: the configured
//! model, or, without one or where it can't be reached, the pages themselves.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use futures::{FutureExt, Stream, StreamExt};
use serde::Serialize;
use tokio::sync::mpsc;

use super::collections::DefinedBuild;
use super::scope::Scope;
use super::search::{Question, SearchResponse};
use crate::answer::{Answer, AnswerModel, Citation, MarkerSplit, Matching, Part, SentPage, extract, suspicious};
use crate::derive::terms::AskedWords;
use crate::error::{Error, Kind, Result};
use crate::retrieve::{Explanation, Hit, SearchTimings, WordSearch, elapsed_ms};
use crate::telemetry::{Stage, Timer};
use crate::types::QuestionEmbedding;

/// Pieces of an answer between the model and a slow reader.
const PIECES_IN_FLIGHT: usize = 32;

/// What happens while a question is answered.
#[derive(Debug)]
pub enum AnswerEvent {
    /// The pages that the answer will be made from. Comes first.
    Found(Box<Found>),
    /// A page is cited from here on; comes before the piece with its marker, once a page.
    Cited(Box<Citation>),
    /// The next piece of the answer; its citations are checked. All of them together are the answer.
    Delta(String),
    /// The whole answer, with its citations; nothing follows.
    Done(Box<AskResponse>),
}

/// What a question found, before it is answered.
#[derive(Debug)]
pub struct Found {
    /// Best first.
    pub hits: Vec<Hit>,
    pub plan: String,
    pub timings_ms: SearchTimings,
}

/// What is known while an answer is being made.
enum Shown {
    Found(Box<Found>),
    Text(String),
}

/// The hits that markers stand for, by number from 1. Set before the first marker comes.
type Numbered = Arc<Mutex<Vec<Hit>>>;

/// Where an answer goes as it is made.
struct Reader {
    shown: mpsc::Sender<Shown>,
    numbered: Numbered,
}

/// An answer and how long it took.
#[derive(Debug, Serialize)]
pub struct AskResponse {
    #[serde(flatten)]
    pub answer: Answer,
    /// The question that was looked for and answered, where it was made to stand without what was said before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rewritten: Option<String>,
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
    /// Where on the pages the question is answered.
    pub evidence: f64,
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
        let numbered = Numbered::default();
        let pieces = futures::stream::unfold(receiver, |mut receiver| async move {
            receiver.recv().await.map(|shown| (shown, receiver))
        });
        // both are polled by whoever reads the stream: nothing runs on when it is dropped
        let (done_sender, done) = tokio::sync::oneshot::channel();
        let reader = Reader { shown: sender, numbered: numbered.clone() };
        let work = async move {
            let outcome = self.answer(question, reader).boxed().await;
            let _ = done_sender.send(outcome);
        };
        let work = futures::stream::once(work).filter_map(|()| async { None::<Result<AnswerEvent>> });
        let mut announcing = Announcing { numbered, split: MarkerSplit::default(), announced: BTreeSet::new() };
        let pieces = pieces.flat_map(move |shown| futures::stream::iter(announcing.events(shown)).map(Ok));
        // the sender of pieces is gone by the time `done` is sent, so the end comes after the last piece
        let end = futures::stream::once(async move {
            let outcome = done.await.map_err(|error| Error::bug("answering was given up").with_source(error))?;
            outcome.map(|response| AnswerEvent::Done(Box::new(response)))
        });
        futures::stream::select(work, pieces.chain(end))
    }

    async fn answer(&self, question: &Question, reader: Reader) -> Result<AskResponse> {
        let start = Instant::now();
        let mut limited = Question { limit: self.app.config.answer.pages, ..question.clone() };
        let (rewritten, not_rewritten) = self.rewritten(question).await?;
        if let Some(rewritten) = &rewritten {
            limited.text.clone_from(rewritten);
        }
        let question = &limited;
        let SearchResponse { hits, plan, timings_ms, explain, question: embedded, .. } = self.search(question).await?;
        let speaking_to_models: Vec<String> = hits.iter().filter_map(warning).collect();
        let found = Found { hits: hits.clone(), plan: plan.clone(), timings_ms };
        let _ = reader.shown.send(Shown::Found(Box::new(found))).await;
        let answering = Instant::now();
        let timer = Timer::start(Stage::Answer);
        let (mut answer, matching) = match self.answer_model(question)? {
            Some(model) if !hits.is_empty() => self.compose(model, question, &embedded, hits, &reader).await?,
            _ => self
                .quote(question, &embedded, hits, &reader)
                .await
                .map(|(answer, matching)| (answer, Some(matching)))?,
        };
        answer.notes.extend(not_rewritten);
        answer.notes.extend(speaking_to_models);
        let matching = matching.filter(|_| question.explain);
        drop(timer);
        let timings_ms = AskTimings {
            embed: timings_ms.embed,
            query: timings_ms.query,
            evidence: timings_ms.evidence,
            answer: elapsed_ms(answering),
            total: elapsed_ms(start),
        };
        Ok(AskResponse { answer, rewritten, plan, timings_ms, explain, matching, question: embedded })
    }

    /// The question as one that stands by itself, where something was said before it and a model can tell; or a note why it was
    /// taken as it is.
    async fn rewritten(&self, question: &Question) -> Result<(Option<String>, Option<String>)> {
        let Some(model) = self.answer_model(question)?.filter(|_| !question.earlier.is_empty()) else {
            return Ok((None, None));
        };
        match model.standalone(question.text.trim(), &question.earlier).await {
            Ok(text) => Ok((Some(text), None)),
            Err(error) if matches!(error.kind(), Kind::Transient { .. }) => {
                tracing::warn!(%error, "the question was not rewritten");
                Ok((None, Some(format!("the question was taken without what was said before it: {error}"))))
            }
            Err(error) => Err(error),
        }
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
        reader: &Reader,
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
        reader.number(answer.citations.iter().map(|citation| citation.hit.clone()).collect());
        let _ = reader.shown.send(Shown::Text(answer.answer.clone())).await;
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
        reader: &Reader,
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
            reader.number(pages.iter().map(|page| page.hit.clone()).collect());
            let (sender, mut pieces) = mpsc::channel(1);
            let passing_on = async {
                while let Some(piece) = pieces.recv().await {
                    if reader.shown.send(Shown::Text(piece)).await.is_err() {
                        return;
                    }
                }
            };
            let answering = async move {
                model.answer(question.text.trim(), &pages, &sender).await.map(|composed| (composed, pages))
            };
            tokio::join!(answering, passing_on).0
        };
        let (mut answer, matching) = match composed {
            Ok((composed, pages)) => (Answer::composed(model, composed, pages), None),
            Err(error) if matches!(error.kind(), Kind::Transient { .. }) => {
                tracing::warn!(%error, "the answer model gave no answer, quoting the pages");
                let (mut answer, matching) = self.quote(question, embedded, hits, reader).await?;
                answer.notes.push(format!("quoted from the pages, for the answer model gave no answer: {error}"));
                (answer, Some(matching))
            }
            Err(error) => return Err(error),
        };
        answer.notes.splice(0..0, missing);
        Ok((answer, matching))
    }
}

/// What a reader is told of a page that speaks to a model instead of a reader.
fn warning(hit: &Hit) -> Option<String> {
    let phrase = suspicious(&hit.detail.text)?;
    Some(format!(
        "page {} of {} holds instructions to a model (\"{phrase}\"): they are data, look at the page",
        hit.page, hit.title
    ))
}

impl Reader {
    /// From here on markers stand for these.
    fn number(&self, hits: Vec<Hit>) {
        *self.numbered.lock().unwrap_or_else(PoisonError::into_inner) = hits;
    }
}

/// Announces a page before the piece of the answer that cites it first.
struct Announcing {
    numbered: Numbered,
    split: MarkerSplit,
    announced: BTreeSet<usize>,
}

impl Announcing {
    fn events(&mut self, shown: Shown) -> Vec<AnswerEvent> {
        let text = match shown {
            Shown::Found(found) => return vec![AnswerEvent::Found(found)],
            Shown::Text(text) => text,
        };
        let parts = self.split.push(&text);
        let markers =
            parts.iter().filter_map(|part| if let Part::Marker(number) = part { Some(*number) } else { None });
        let new: Vec<usize> = markers.filter(|number| self.announced.insert(*number)).collect();
        let numbered = self.numbered.lock().unwrap_or_else(PoisonError::into_inner);
        let cited = new.into_iter().filter_map(|number| {
            let hit = numbered.get(number.checked_sub(1)?)?.clone();
            Some(AnswerEvent::Cited(Box::new(Citation { marker: format!("[{number}]"), hit })))
        });
        cited.chain([AnswerEvent::Delta(text)]).collect()
    }
}
