//! What every family of models offers, so that the rest of this room need not know which one it holds.

use super::worker::{Model, Worker};
use crate::error::Result;
use crate::types::{Device, PageEmbedding, PageImage, QuestionEmbedding};

/// Pages of one run on a device, where nothing else is asked for.
const BATCH_ON_DEVICE: usize = 4;

/// What a family's page model takes.
pub(super) type PageOf<F> = <<F as Family>::Pages as Model>::Input;
/// What a family's question model takes.
pub(super) type QuestionOf<F> = <<F as Family>::Questions as Model>::Input;

/// The pure part of a family: pages and questions to model inputs. Shared between threads.
pub(super) trait Family: Send + Sync + 'static {
    type Pages: Model<Output = PageEmbedding>;
    type Questions: Model<Output = QuestionEmbedding>;

    /// # Errors
    /// Permanent, where the image has no pixels.
    fn prepare(&self, image: &PageImage) -> Result<PageOf<Self>>;

    /// # Errors
    /// Permanent, where there is nothing to ask.
    fn question(&self, text: &str) -> Result<QuestionOf<Self>>;

    /// What the page graph is given for one page.
    fn page_arrays(&self, input: &PageOf<Self>) -> Vec<InputArray>;

    /// What the question graph is given for one question.
    fn question_arrays(&self, input: &QuestionOf<Self>) -> Vec<InputArray>;
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

/// A model whose graphs are open, on the caller's thread.
pub(super) struct Opened<F: Family> {
    pub family: F,
    /// At least one; each runs on a thread of its own, beside the others.
    pub pages: Vec<F::Pages>,
    /// What the pages run on; never [`Device::Auto`].
    pub device: Device,
    pub questions: F::Questions,
}

/// A model whose graphs run on threads of their own.
pub(super) struct Running<F: Family> {
    pub family: F,
    pub pages: Worker<F::Pages>,
    /// A thread of its own: a question never waits for the pages that are queued.
    pub questions: Worker<F::Questions>,
}

impl<F: Family> Opened<F> {
    /// Starts the threads; `batch_pages`: the most pages of one run.
    pub fn start(self, batch_pages: Option<usize>) -> Result<Running<F>> {
        let batch_pages = batch_pages.unwrap_or(match self.device {
            // A page keeps its threads busy; more of them only take more memory.
            Device::Cpu => 1,
            _ => BATCH_ON_DEVICE,
        });
        Ok(Running {
            family: self.family,
            pages: Worker::start("embed-pages", batch_pages, self.pages)?,
            // Questions are taken one by one: they are short, and each is waited for.
            questions: Worker::start("embed-questions", 1, vec![self.questions])?,
        })
    }
}

impl<F: Family> Running<F> {
    pub async fn embed_question(&self, text: &str) -> Result<QuestionEmbedding> {
        self.questions.submit(self.family.question(text)?).await
    }

    /// Finishes what was accepted, refuses more, and returns when the threads have ended.
    pub async fn shutdown(&self) {
        self.pages.shutdown().await;
        self.questions.shutdown().await;
    }
}
