//! Models: pages and questions become vectors. A model is a folder with a manifest; its graphs run in ONNX Runtime,
//! each on a thread of its own, behind an [`Embedder`] that may be cloned and used from any task.
//!
//! Nothing here knows documents, stores or pipelines, and nothing reads the text layer of a page.

mod check;
mod glyph;
mod luma;
mod manifest;
pub mod resize;
pub mod runtime;
mod session;
mod worker;

pub use check::{Check, Report, check};
pub use manifest::{Family, ModelInfo, read_info};

use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::types::{Codebook, PageEmbedding, PageImage, QuestionEmbedding};
use glyph::{Canvas, GlyphManifest, WordRules, Words};
use manifest::{FamilyManifest, Manifest};
use worker::Worker;

/// How a model is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmbedOptions {
    /// Threads of one run of the page graph.
    pub threads: usize,
    /// The most pages in one run, of whichever documents.
    pub batch_pages: usize,
}

impl Default for EmbedOptions {
    /// All cores. Four pages: enough to keep the threads busy to the end of a run, few enough that memory stays small.
    fn default() -> Self {
        Self { threads: std::thread::available_parallelism().map_or(1, usize::from), batch_pages: 4 }
    }
}

/// A page made ready for the model by [`Embedder::prepare`].
#[derive(Clone)]
pub struct PageInput(Canvas);

/// A loaded model. Clones share it.
#[derive(Clone)]
pub struct Embedder(Arc<Inner>);

struct Inner {
    info: ModelInfo,
    codebook: Option<Arc<Codebook>>,
    manifest: GlyphManifest,
    rules: WordRules,
    pages: Worker<glyph::PageModel>,
    /// A thread and a session of their own: a question never waits for pages.
    questions: Worker<glyph::QuestionModel>,
}

impl Embedder {
    /// Checks every file of the folder, opens the graphs and starts their threads. Blocking, up to seconds.
    /// [`runtime::init`] comes first.
    ///
    /// # Errors
    /// Configuration, naming what is missing or differs, what was found and what was expected.
    pub fn load(model_dir: &Path, options: &EmbedOptions) -> Result<Self> {
        let manifest = Manifest::read(model_dir)?;
        manifest.check_files()?;
        let codebook = manifest.codebook()?.map(Arc::new);
        let FamilyManifest::Glyph(glyph) = &manifest.family;
        let (rules, pages, questions) = open_glyph(&manifest, glyph, options.threads)?;
        Ok(Self(Arc::new(Inner {
            manifest: (**glyph).clone(),
            info: manifest.info,
            codebook,
            rules,
            pages: Worker::start("embed-pages", options.batch_pages, pages)?,
            // Questions are taken one by one: they are short, and each is waited for.
            questions: Worker::start("embed-questions", 1, questions)?,
        })))
    }

    pub fn info(&self) -> &ModelInfo {
        &self.0.info
    }

    /// The anchor codebook, for models that have one.
    pub fn codebook(&self) -> Option<&Arc<Codebook>> {
        self.0.codebook.as_ref()
    }

    /// Page image to model input. Pure and CPU-heavy (milliseconds): not for the async runtime's threads.
    ///
    /// # Errors
    /// Permanent, where the image has no pixels.
    pub fn prepare(&self, image: &PageImage) -> Result<PageInput> {
        Canvas::new(image, &self.0.manifest.page).map(PageInput)
    }

    /// One vector for each patch that holds anything. Waits while a batch is full; pages that wait together run
    /// together.
    ///
    /// # Errors
    /// Transient, where the model ran out of memory or has been shut down.
    pub async fn embed_page(&self, input: PageInput) -> Result<PageEmbedding> {
        self.0.pages.submit(input.0).await
    }

    /// # Errors
    /// Permanent, where the text has no word; else as [`Self::embed_page`].
    pub async fn embed_question(&self, text: &str) -> Result<QuestionEmbedding> {
        let words = self.0.rules.question_words(text);
        if words.is_empty() {
            return Err(Error::permanent(if text.trim().is_empty() {
                "the question is empty: ask with at least one word".to_owned()
            } else {
                let shown: String = text.chars().take(40).collect();
                format!("the question '{shown}' has no letter or digit: ask with at least one word")
            }));
        }
        self.0.questions.submit(Words(words)).await
    }

    /// Finishes what was accepted, refuses more, and returns when the threads have ended.
    pub async fn shutdown(&self) {
        self.0.pages.shutdown().await;
        self.0.questions.shutdown().await;
    }
}

fn open_glyph(
    manifest: &Manifest,
    glyph: &GlyphManifest,
    threads: usize,
) -> Result<(WordRules, glyph::PageModel, glyph::QuestionModel)> {
    let dim = manifest.info.dim;
    let stop_words = manifest.bytes_of(&glyph.question.words.stop_words)?;
    let rules = WordRules::new(glyph.question.clone(), &String::from_utf8_lossy(&stop_words));
    let pages = glyph::PageModel::open(&manifest.path_of(&glyph.page.graph)?, &glyph.page, dim, threads)?;
    let graph = manifest.path_of(&glyph.question.graph)?;
    let questions = glyph::QuestionModel::open(&graph, &glyph.question, rules.clone(), dim)?;
    Ok((rules, pages, questions))
}

#[cfg(test)]
mod tests;
