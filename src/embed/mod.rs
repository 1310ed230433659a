//! Models: pages and questions become vectors. A model is a folder with a manifest; its graphs run in ONNX Runtime,
//! behind an [`Embedder`] that may be cloned and used from any task. How a family of models turns pages and questions
//! into inputs is code of its own (`family.rs`); what varies between its models is in the manifest.
//!
//! Nothing here knows documents, stores or pipelines, and nothing reads the text layer of a page.

mod check;
mod colpali;
mod family;
mod glyph;
mod luma;
mod manifest;
mod picture;
pub mod resize;
pub mod runtime;
mod session;
mod worker;

pub use check::{Check, Report, check};
pub use family::{InputArray, InputValues};
pub use manifest::{Family, ModelInfo, read_info};
pub use picture::read_picture;

use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::types::{Codebook, Device, PageEmbedding, PageImage, QuestionEmbedding};
use colpali::ColPali;
use family::{Family as _, Opened, PageOf, Running};
use glyph::Glyph;
use manifest::{FamilyManifest, Manifest};

/// How a model is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmbedOptions {
    /// Threads that the page model computes with on the CPU. How they are used is the family's choice: on a page each, or
    /// all on one.
    pub threads: usize,
    /// The most pages in one run, of whichever documents; None: one on the CPU, several on a device.
    pub batch_pages: Option<usize>,
    pub device: Device,
}

impl Default for EmbedOptions {
    /// All cores.
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self { threads, batch_pages: None, device: Device::Auto }
    }
}

/// A page made ready for the model by [`Embedder::prepare`].
#[derive(Clone)]
pub struct PageInput(Prepared);

#[derive(Clone)]
enum Prepared {
    Glyph(PageOf<Glyph>),
    ColPali(PageOf<ColPali>),
}

/// A loaded model. Clones share it.
#[derive(Clone)]
pub struct Embedder(Arc<Inner>);

struct Inner {
    info: ModelInfo,
    codebook: Option<Arc<Codebook>>,
    model: Loaded,
}

/// One variant a family.
enum Loaded {
    Glyph(Box<Running<Glyph>>),
    ColPali(Box<Running<ColPali>>),
}

/// One variant a family; the graphs are open and not yet on their threads.
enum AnyOpened {
    Glyph(Box<Opened<Glyph>>),
    ColPali(Box<Opened<ColPali>>),
}

impl AnyOpened {
    fn open(manifest: &Manifest, options: &EmbedOptions) -> Result<Self> {
        Ok(match &manifest.family {
            FamilyManifest::Glyph(spec) => Self::Glyph(Box::new(Glyph::open(manifest, spec, options)?)),
            FamilyManifest::ColPali(spec) => Self::ColPali(Box::new(ColPali::open(manifest, spec, options)?)),
        })
    }
}

impl Embedder {
    /// Checks every file of the folder, opens the graphs and starts their threads. Blocking: seconds for small models,
    /// up to minutes for gigabytes of weights. [`runtime::init`] comes first.
    ///
    /// # Errors
    /// Configuration, naming what is missing or differs, what was found and what was expected.
    pub fn load(model_dir: &Path, options: &EmbedOptions) -> Result<Self> {
        let manifest = Manifest::read(model_dir)?;
        manifest.check_files()?;
        let codebook = manifest.codebook()?.map(Arc::new);
        let model = match AnyOpened::open(&manifest, options)? {
            AnyOpened::Glyph(opened) => Loaded::Glyph(Box::new(opened.start(options.batch_pages)?)),
            AnyOpened::ColPali(opened) => Loaded::ColPali(Box::new(opened.start(options.batch_pages)?)),
        };
        Ok(Self(Arc::new(Inner { info: manifest.info, codebook, model })))
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
        Ok(PageInput(match &self.0.model {
            Loaded::Glyph(model) => Prepared::Glyph(model.family.prepare(image)?),
            Loaded::ColPali(model) => Prepared::ColPali(model.family.prepare(image)?),
        }))
    }

    /// One vector for each patch that holds anything, and for each token of the model's own prompt. Waits while as many
    /// wait as the next runs take.
    ///
    /// # Errors
    /// Transient, where the model ran out of memory or has been shut down.
    pub async fn embed_page(&self, input: PageInput) -> Result<PageEmbedding> {
        match (&self.0.model, input.0) {
            (Loaded::Glyph(model), Prepared::Glyph(canvas)) => model.pages.submit(canvas).await,
            (Loaded::ColPali(model), Prepared::ColPali(pixels)) => model.pages.submit(pixels).await,
            _ => Err(made_for_another()),
        }
    }

    /// # Errors
    /// Permanent, where the text has no word; else as [`Self::embed_page`].
    pub async fn embed_question(&self, text: &str) -> Result<QuestionEmbedding> {
        match &self.0.model {
            Loaded::Glyph(model) => model.embed_question(text).await,
            Loaded::ColPali(model) => model.embed_question(text).await,
        }
    }

    /// What the page graph is given for this page, to be compared with other implementations of the model.
    ///
    /// # Errors
    /// A bug, where the page was made ready by another model.
    pub fn page_arrays(&self, input: &PageInput) -> Result<Vec<InputArray>> {
        match (&self.0.model, &input.0) {
            (Loaded::Glyph(model), Prepared::Glyph(canvas)) => Ok(model.family.page_arrays(canvas)),
            (Loaded::ColPali(model), Prepared::ColPali(pixels)) => Ok(model.family.page_arrays(pixels)),
            _ => Err(made_for_another()),
        }
    }

    /// What the question graph is given for this text.
    ///
    /// # Errors
    /// Permanent, where the text has no word.
    pub fn question_arrays(&self, text: &str) -> Result<Vec<InputArray>> {
        Ok(match &self.0.model {
            Loaded::Glyph(model) => model.family.question_arrays(&model.family.question(text)?),
            Loaded::ColPali(model) => model.family.question_arrays(&model.family.question(text)?),
        })
    }

    /// Finishes what was accepted, refuses more, and returns when the threads have ended.
    pub async fn shutdown(&self) {
        match &self.0.model {
            Loaded::Glyph(model) => model.shutdown().await,
            Loaded::ColPali(model) => model.shutdown().await,
        }
    }
}

fn made_for_another() -> Error {
    Error::bug("a page was made ready by one model and given to another")
}

#[cfg(test)]
mod tests;
