//! Questions: embed, retrieve. The one place where the question flow is wired; `ask.rs` goes on from here.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;

use super::App;
use crate::derive::derive_question;
use crate::error::{Error, Result, io_error};
use crate::retrieve::{DerivedQuestion, Explanation, Hit, PageFilter, Search, SearchTimings, elapsed_ms};
use crate::types::QuestionEmbedding;

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
    /// Folder to write highlighted page images into.
    pub evidence: Option<PathBuf>,
    /// Take the query apart as well: every stage runs once more on its own.
    pub explain: bool,
    /// Quote the pages even where an answer model is configured.
    pub extractive: bool,
}

impl Question {
    /// By the collection's own plan, among all of its pages, with nothing written and nothing explained.
    pub fn new(text: impl Into<String>, collection: impl Into<String>, limit: usize) -> Self {
        Self {
            text: text.into(),
            collection: collection.into(),
            limit,
            plan: None,
            filter: PageFilter::default(),
            evidence: None,
            explain: false,
            extractive: false,
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
}

/// Hits with the question they answer, for what follows a search.
pub(super) struct Found {
    pub response: SearchResponse,
    pub question: QuestionEmbedding,
}

impl App {
    /// Finds the pages that look most like an answer.
    pub async fn search(&self, question: &Question) -> Result<SearchResponse> {
        let Found { mut response, question: embedded } = self.find(question, question.limit).await?;
        if let Some(folder) = &question.evidence {
            self.write_evidence(&question.collection, &mut response.hits, &embedded, folder).await?;
        }
        Ok(response)
    }

    pub(super) async fn find(&self, question: &Question, limit: usize) -> Result<Found> {
        let start = Instant::now();
        let text = question.text.trim();
        check_question(text)?;
        let definition = self.definition(&question.collection).await?;
        let plan = definition.plan(question.plan.as_deref())?;
        let model = self.model(&definition.model).await?;
        if model.info().name() != definition.model_name {
            return Err(Error::configuration(format!(
                "collection '{}' was made with {}, and '{}' is now {}: ingest again to move to it",
                question.collection,
                definition.model_name,
                definition.model,
                model.info().name()
            )));
        }
        let embedding = Instant::now();
        let embedded = model.embed_question(text).await?;
        let codebook = model.codebook().map(AsRef::as_ref);
        let mut derived = DerivedQuestion::new();
        for name in plan.vectors() {
            derived.insert(name, derive_question(&definition.derive, name, &embedded, text, codebook)?);
        }
        let embed = elapsed_ms(embedding);
        let querying = Instant::now();
        let search = Search {
            collection: &question.collection,
            tenant: &self.tenant(),
            question: text,
            derived: &derived,
            plan,
            filter: &question.filter,
            limit,
        };
        let mut hits = self.retriever.search(&search).await?;
        for hit in &mut hits {
            if let Some(path) = self.blobs.local_path(&hit.detail.image_key) {
                hit.image = path.display().to_string();
            }
        }
        let timings_ms = SearchTimings { embed, query: elapsed_ms(querying), total: elapsed_ms(start) };
        // Measured last: it repeats the work.
        let explain = if question.explain { Some(self.retriever.explain(&search, &hits).await?) } else { None };
        Ok(Found {
            response: SearchResponse { hits, plan: plan.name.clone(), timings_ms, explain },
            question: embedded,
        })
    }

    /// Writes each hit's page image with the matching places marked, and points the hit at it.
    pub(super) async fn write_evidence(
        &self,
        collection: &str,
        hits: &mut [Hit],
        question: &QuestionEmbedding,
        folder: &Path,
    ) -> Result<()> {
        std::fs::create_dir_all(folder).map_err(|error| io_error("create", folder, error))?;
        for (index, hit) in hits.iter_mut().enumerate() {
            let evidence = self.retriever.evidence(collection, hit, question).await?;
            let bytes = self.blobs.get(&hit.detail.image_key).await?;
            let stem = Path::new(&hit.source).file_stem().map_or("page".into(), |stem| stem.to_string_lossy());
            let path = folder.join(format!("{}-{stem}-p{}.png", index + 1, hit.page));
            let target = path.clone();
            tokio::task::spawn_blocking(move || -> Result<()> {
                let image = image::load_from_memory(&bytes)
                    .map_err(|error| Error::permanent("a stored page image can't be read").with_source(error))?;
                let mut image = image.into_rgb8();
                evidence.highlight(&mut image);
                image
                    .save(&target)
                    .map_err(|error| Error::permanent(format!("cannot write {}", target.display())).with_source(error))
            })
            .await
            .map_err(|error| Error::bug("drawing evidence panicked").with_source(error))??;
            hit.image = path.display().to_string();
        }
        Ok(())
    }
}

fn check_question(text: &str) -> Result<()> {
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
