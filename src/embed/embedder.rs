//! The handle by which everything else uses a model.

use std::path::Path;
use std::sync::Arc;

use super::families::family_of;
use super::family::{Files, Opening};
use super::manifest::{Manifest, ModelInfo};
use super::options::EmbedOptions;
use super::page_model::{InputArray, PageInput, PageModel};
use crate::error::{Error, Result};
use crate::types::{Codebook, PageEmbedding, PageImage, QuestionEmbedding};

/// A model. Clones share it.
#[derive(Clone)]
pub struct Embedder(Arc<dyn PageModel>);

/// Reads what a model folder says of itself; its files are not looked at.
///
/// # Errors
/// Configuration, if there is no manifest or it can't be read.
pub fn read_info(model_dir: &Path) -> Result<ModelInfo> {
    let manifest = Manifest::read(model_dir)?;
    family_of(&manifest)?;
    Ok(manifest.info)
}

impl Embedder {
    /// Checks every file of the folder, opens the graphs and starts their threads. Blocking: seconds for small models,
    /// up to minutes for gigabytes of weights. [`super::runtime::init`] comes first.
    ///
    /// # Errors
    /// Configuration, naming what is missing or differs, what was found and what was expected.
    pub fn load(model_dir: &Path, options: &EmbedOptions) -> Result<Self> {
        let model = unopened(model_dir, options)?;
        model.open(Files::Unchecked)?;
        Ok(Self(model))
    }

    /// As [`Self::load`], but returns as soon as the manifest is read, and does the rest on a thread of its own: pages can be
    /// made ready at once, and [`Self::ready`] waits for the rest.
    ///
    /// # Errors
    /// Configuration, if manifest or codebook can't be read. What is found later, [`Self::ready`] and every page and question
    /// get to hear.
    pub fn start(model_dir: &Path, options: &EmbedOptions) -> Result<Self> {
        let model = unopened(model_dir, options)?;
        let opening = model.clone();
        std::thread::Builder::new()
            .name("embed-open".into())
            .spawn(move || {
                // Whoever waits for the model gets the error too.
                if let Err(error) = opening.open(Files::Unchecked) {
                    tracing::debug!("model {} cannot be opened: {error}", opening.info().name());
                }
            })
            .map_err(|error| Error::transient("cannot start a thread to open the model").with_source(error))?;
        Ok(Self(model))
    }

    /// A handle of another implementation: a double.
    #[doc(hidden)]
    pub fn of(model: Arc<dyn PageModel>) -> Self {
        Self(model)
    }

    pub fn info(&self) -> &ModelInfo {
        self.0.info()
    }

    /// The anchor codebook, for models that have one.
    pub fn codebook(&self) -> Option<&Arc<Codebook>> {
        self.0.codebook()
    }

    /// Page image to model input. Pure and CPU-heavy (milliseconds): not for the async runtime's threads. Needs no open graph.
    ///
    /// # Errors
    /// Permanent, if the image has no pixels.
    pub fn prepare(&self, image: &PageImage) -> Result<PageInput> {
        self.0.prepare(image)
    }

    /// Waits until the graphs are open.
    ///
    /// # Errors
    /// What kept them from it, as [`Self::load`] would have said it; the same to every caller.
    pub async fn ready(&self) -> Result<()> {
        self.0.ready().await
    }

    /// One vector for each patch that holds anything, and for each token of the model's own prompt. Waits until the graphs are
    /// open, and while as many wait as the next runs take.
    ///
    /// # Errors
    /// Those of [`Self::ready`]; transient, if the model ran out of memory or has been shut down.
    pub async fn embed_page(&self, input: PageInput) -> Result<PageEmbedding> {
        self.0.embed_page(input).await
    }

    /// # Errors
    /// Permanent, if the text has no word; else as [`Self::embed_page`].
    pub async fn embed_question(&self, text: &str) -> Result<QuestionEmbedding> {
        self.0.embed_question(text).await
    }

    /// What the page graph is given for this page, to be compared with other implementations of the model.
    ///
    /// # Errors
    /// A bug, if the page was made ready by another model, or this one is not [`Self::ready`].
    pub fn page_arrays(&self, input: &PageInput) -> Result<Vec<InputArray>> {
        self.0.page_arrays(input)
    }

    /// What the question graph is given for this text.
    ///
    /// # Errors
    /// Permanent, if the text has no word; a bug, if the model is not [`Self::ready`].
    pub fn question_arrays(&self, text: &str) -> Result<Vec<InputArray>> {
        self.0.question_arrays(text)
    }

    /// Finishes what was accepted, refuses more, and returns when the threads have ended; one that still opens its graphs, when
    /// it has.
    pub async fn shutdown(&self) {
        self.0.shutdown().await;
    }
}

/// The model of a folder, its graphs not open yet.
fn unopened(model_dir: &Path, options: &EmbedOptions) -> Result<Arc<dyn Opening>> {
    let manifest = Manifest::read(model_dir)?;
    let (family, codebook) = (family_of(&manifest)?, manifest.codebook()?);
    Ok(family.model(manifest, codebook, options.clone()))
}
