//! What the rest of Quire knows of a model: it makes pages ready, and turns pages and questions into vectors.

use std::any::Any;
use std::sync::Arc;

use async_trait::async_trait;

use super::manifest::ModelInfo;
use crate::error::{Error, Result};
use crate::types::{Codebook, PageEmbedding, PageImage, QuestionEmbedding};

/// A model, whatever its family. Used through an [`Embedder`](super::Embedder), which says more of each call.
#[async_trait]
pub trait PageModel: Send + Sync {
    fn info(&self) -> &ModelInfo;

    /// The anchor codebook, for models that have one.
    fn codebook(&self) -> Option<&Arc<Codebook>>;

    /// Page image to model input; needs no open graph.
    ///
    /// # Errors
    /// Permanent, if the image has no pixels.
    fn prepare(&self, image: &PageImage) -> Result<PageInput>;

    /// Waits until the graphs are open.
    ///
    /// # Errors
    /// What kept them from it, to every caller.
    async fn ready(&self) -> Result<()>;

    /// # Errors
    /// As [`Self::ready`]; transient, if the model ran out of memory or has been shut down; a bug, if another model made the
    /// page ready.
    async fn embed_page(&self, input: PageInput) -> Result<PageEmbedding>;

    /// # Errors
    /// Permanent, if the text has no word; else as [`Self::embed_page`].
    async fn embed_question(&self, text: &str) -> Result<QuestionEmbedding>;

    /// What the page graph is given for this page.
    ///
    /// # Errors
    /// A bug, if another model made the page ready, or the graphs are not open yet.
    fn page_arrays(&self, input: &PageInput) -> Result<Vec<InputArray>>;

    /// What the question graph is given for this text.
    ///
    /// # Errors
    /// Permanent, if the text has no word; a bug, if the graphs are not open yet.
    fn question_arrays(&self, text: &str) -> Result<Vec<InputArray>>;

    /// Finishes what was accepted, refuses more, and returns when the model's threads have ended.
    async fn shutdown(&self);
}

/// A page made ready by a model's `prepare`; only that model knows what is in it. Cheap to clone.
#[derive(Clone)]
pub struct PageInput(Arc<dyn Any + Send + Sync>);

impl PageInput {
    pub fn new<T: Any + Send + Sync>(page: T) -> Self {
        Self(Arc::new(page))
    }

    /// # Errors
    /// A bug, if it holds something else: another model made it ready.
    pub fn of<T: Any + Send + Sync>(&self) -> Result<Arc<T>> {
        let other = |_| Error::bug("a page was made ready by one model and given to another");
        self.0.clone().downcast().map_err(other)
    }
}

/// An input of a graph, row-major, as it is handed to ONNX Runtime.
#[derive(Debug, Clone, PartialEq)]
pub struct InputArray {
    pub name: String,
    pub shape: Vec<usize>,
    pub values: InputValues,
}

/// The values of an [`InputArray`].
#[derive(Debug, Clone, PartialEq)]
pub enum InputValues {
    F32(Vec<f32>),
    I64(Vec<i64>),
    U8(Vec<u8>),
}
