//! Questions: embed, retrieve. The one place where the question flow is wired; `ask.rs` goes on from here.

use std::sync::Arc;
use std::time::Instant;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde::Serialize;

use super::collections::DefinedBuild;
use super::scope::Scope;
use super::store::name_on_server;
use crate::answer::Turn;
use crate::derive::derive_question;
use crate::error::{Error, Result};
use crate::retrieve::{DerivedQuestion, Explanation, Hit, PageFilter, Search, SearchTimings, elapsed_ms};
use crate::source::prune;
use crate::store::{ConsoleRequest, query_request};
use crate::types::{QuestionEmbedding, VectorName};

/// Longest question, in characters: beyond it nobody asks, somebody pastes.
const MAX_QUESTION_CHARS: usize = 4_000;

/// What is asked of which collection.
#[derive(Debug, Clone)]
pub struct Question {
    pub text: String,
    pub collection: String,
    pub limit: usize,
    pub plan: Option<String>,
    pub filter: PageFilter,
    /// Take the query apart as well: every stage runs once more on its own.
    pub explain: bool,
    /// Return the query as well, as Qdrant's console takes it.
    pub show_query: bool,
    /// Quote the pages even if an answer model is configured.
    pub extractive: bool,
    /// Find out where on its page each hit answers.
    pub regions: bool,
    /// What was said before, oldest first. An answer model makes the question one that stands by itself; a search does not
    /// look at it.
    pub earlier: Vec<Turn>,
}

impl Question {
    /// By the collection's own plan, among all of its pages, with nothing explained.
    pub fn new(text: impl Into<String>, collection: impl Into<String>, limit: usize) -> Self {
        Self {
            text: text.into(),
            collection: collection.into(),
            limit,
            plan: None,
            filter: PageFilter::default(),
            explain: false,
            show_query: false,
            extractive: false,
            regions: true,
            earlier: Vec::new(),
        }
    }
}

/// What a search found.
#[derive(Debug, Serialize)]
pub struct SearchResponse {
    pub hits: Vec<Hit>,
    pub plan: String,
    pub timings_ms: SearchTimings,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explain: Option<Explanation>,
    /// The query, as Qdrant's console takes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<ConsoleRequest>,
    /// The question as the model understood it: evidence is drawn from it.
    #[serde(skip)]
    pub question: Arc<QuestionEmbedding>,
}

impl Scope<'_> {
    /// Finds the pages that look most like an answer.
    pub fn search<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Result<SearchResponse>> {
        self.search_active(question).boxed()
    }

    async fn search_active(&self, question: &Question) -> Result<SearchResponse> {
        let build = self.app.collections.active(&question.collection).await?;
        match self.search_build(question, &build).await {
            Ok(response) => Ok(response),
            Err(error) => {
                // Another build may have taken the place of this one while it was asked.
                let now = self.app.collections.active(&question.collection).await?;
                if now.physical == build.physical { Err(error) } else { self.search_build(question, &now).await }
            }
        }
    }

    async fn search_build(&self, question: &Question, build: &DefinedBuild) -> Result<SearchResponse> {
        let start = Instant::now();
        let text = question.text.trim();
        check_question(text)?;
        let DefinedBuild { physical, definition } = build;
        let plan = definition.plan(question.plan.as_deref())?;
        let model = self.app.models.get(&definition.model).await?;
        definition.check_model(&question.collection, model.info())?;
        self.app.questions.asked();
        let embedding = Instant::now();
        let embedded = model.embed_question(text).await?;
        let codebook = model.codebook().map(AsRef::as_ref);
        let mut derived = DerivedQuestion::new();
        for name in plan.vectors() {
            derived.insert(name, derive_question(&definition.derive, name, &embedded, text, codebook)?);
        }
        let embed = elapsed_ms(embedding);
        let querying = Instant::now();
        // whatever the question says: nobody sees more than the scope lets them
        let filter = PageFilter { groups: self.groups.clone(), ..question.filter.clone() };
        let search = Search {
            collection: physical,
            tenant: &self.tenant,
            question: text,
            derived: &derived,
            plan,
            filter: &filter,
            limit: question.limit,
        };
        let mut hits = self.app.retriever.search(&search).await?;
        for hit in &mut hits {
            if let Some(path) = self.app.blobs.local_path(&self.tenant, &hit.detail.image_key) {
                hit.image = path.display().to_string();
            }
        }
        mark_gone(&mut hits).await?;
        let query = elapsed_ms(querying);
        let looking = Instant::now();
        let embedded = Arc::new(embedded);
        if question.regions && definition.schema.get(VectorName::Patches).is_some() {
            self.find_regions(physical, &mut hits, &embedded, model.info().seen_from).await?;
        }
        let timings_ms = SearchTimings { embed, query, evidence: elapsed_ms(looking), total: elapsed_ms(start) };
        // Measured last: it repeats the work.
        let explain = if question.explain { Some(self.app.retriever.explain(&search, &hits).await?) } else { None };
        let name = name_on_server(&self.app.config, &question.collection);
        let request = question.show_query.then(|| query_request(&name, search.query()?)).transpose()?;
        Ok(SearchResponse { hits, plan: plan.name.clone(), timings_ms, explain, request, question: embedded })
    }
}

/// Marks hits whose file is no longer there: the index still shows them, and whoever reads should know.
async fn mark_gone(hits: &mut [Hit]) -> Result<()> {
    let sources: Vec<String> = hits.iter().map(|hit| hit.source.clone()).collect();
    let look = move || sources.iter().map(|source| prune::is_gone(source)).collect::<Vec<bool>>();
    let gone = tokio::task::spawn_blocking(look)
        .await
        .map_err(|error| Error::bug("looking for the files of hits panicked").with_source(error))?;
    for (hit, gone) in hits.iter_mut().zip(gone) {
        hit.source_gone = gone;
    }
    Ok(())
}

pub(super) fn check_question(text: &str) -> Result<()> {
    let characters = text.chars().count();
    if characters == 0 {
        return Err(Error::configuration("the question is empty: ask something, in quotes"));
    }
    if characters > MAX_QUESTION_CHARS {
        return Err(Error::configuration(format!(
            "the question has {characters} characters, at most {MAX_QUESTION_CHARS} are taken: ask for what matters"
        )));
    }
    Ok(())
}
