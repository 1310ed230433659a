//! What a family of models is made of. A new family implements [`Family`] in a file or folder of its own and gets one line in
//! `families.rs`; the rest of this room does not know which one it holds.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use tokio::sync::SetOnce;

use super::manifest::{Manifest, ModelInfo};
use super::options::EmbedOptions;
use super::page_model::{InputArray, PageInput, PageModel};
use super::worker::{Model, Worker, guarded};
use crate::error::{Error, Result};
use crate::types::{Codebook, Device, PageEmbedding, PageImage, QuestionEmbedding};

/// Pages of one run on a device, if nothing else is asked for.
const BATCH_ON_DEVICE: usize = 4;

/// A model of a family, as the family's part of its manifest describes it.
pub(super) trait Family: Send + Sync + Sized + 'static {
    /// A page made ready.
    type Page: Send + Sync + 'static;
    /// A question made ready.
    type Question: Send + Sync + 'static;
    /// What makes questions ready, and knows what the graphs are given: read from the model's files, pure.
    type Reader: Send + Sync + 'static;
    type Pages: Model<Input = Arc<Self::Page>, Output = PageEmbedding>;
    type Questions: Model<Input = Arc<Self::Question>, Output = QuestionEmbedding>;

    /// # Errors
    /// A sentence that names the field of the manifest, what was found and what is expected.
    fn read(manifest: &Value) -> Result<Self, String>;

    /// Opens the graphs, on the caller's thread.
    ///
    /// # Errors
    /// Configuration, if a graph or another file does not fit the manifest.
    fn open(&self, manifest: &Manifest, options: &EmbedOptions) -> Result<Opened<Self>>;

    /// Pure, and needs no open graph.
    ///
    /// # Errors
    /// Permanent, if the image has no pixels.
    fn prepare(&self, image: &PageImage) -> Result<Self::Page>;

    /// # Errors
    /// Permanent, if there is nothing to ask.
    fn question(reader: &Self::Reader, text: &str) -> Result<Self::Question>;

    /// What the page graph is given for one page.
    fn page_arrays(&self, reader: &Self::Reader, page: &Self::Page) -> Vec<InputArray>;

    /// What the question graph is given for one question.
    fn question_arrays(&self, reader: &Self::Reader, question: &Self::Question) -> Vec<InputArray>;
}

/// A model whose graphs are open, and not yet on threads of their own.
pub(super) struct Opened<F: Family> {
    pub reader: F::Reader,
    /// At least one; each computes beside the others.
    pub pages: Vec<F::Pages>,
    /// What the pages run on; never [`Device::Auto`].
    pub device: Device,
    pub questions: F::Questions,
}

/// A model whose graphs run on threads of their own.
struct Running<F: Family> {
    reader: F::Reader,
    pages: Worker<F::Pages>,
    /// A thread of its own: a question never waits for the pages that are queued.
    questions: Worker<F::Questions>,
}

impl<F: Family> Opened<F> {
    /// Starts the threads; `batch_pages`: the most pages of one run.
    fn start(self, batch_pages: Option<usize>) -> Result<Running<F>> {
        let batch_pages = batch_pages.unwrap_or(match self.device {
            // A page keeps its threads busy; more of them only take more memory.
            Device::Cpu => 1,
            _ => BATCH_ON_DEVICE,
        });
        Ok(Running {
            reader: self.reader,
            pages: Worker::start("embed-pages", batch_pages, self.pages)?,
            // Questions are taken one by one: they are short, and each is waited for.
            questions: Worker::start("embed-questions", 1, vec![self.questions])?,
        })
    }
}

/// A family without its types: what the table in `families.rs` holds.
pub(super) trait AnyFamily: Send + Sync {
    /// The model, its graphs not open yet.
    fn model(
        self: Box<Self>,
        manifest: Manifest,
        codebook: Option<Codebook>,
        options: EmbedOptions,
    ) -> Arc<dyn Opening>;
}

/// A model that has to be opened, once: until then it makes pages ready, and whoever wants more waits.
pub(super) trait Opening: PageModel {
    /// Opens the graphs and starts their threads. Blocking, up to minutes for gigabytes of weights.
    ///
    /// # Errors
    /// Configuration, naming what is missing or differs, what was found and what was expected. Everyone who waits gets it.
    fn open(&self, files: Files) -> Result<()>;
}

/// What is known of a model's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Files {
    Checked,
    /// They are compared with the manifest first.
    Unchecked,
}

impl<F: Family> AnyFamily for F {
    fn model(
        self: Box<Self>,
        manifest: Manifest,
        codebook: Option<Codebook>,
        options: EmbedOptions,
    ) -> Arc<dyn Opening> {
        let codebook = codebook.map(Arc::new);
        Arc::new(FamilyModel { family: *self, manifest, codebook, options, running: SetOnce::new() })
    }
}

/// A model of a family, behind the trait that hides which one.
struct FamilyModel<F: Family> {
    family: F,
    manifest: Manifest,
    codebook: Option<Arc<Codebook>>,
    options: EmbedOptions,
    /// Set when it was opened, or could not be.
    running: SetOnce<Result<Running<F>>>,
}

impl<F: Family> FamilyModel<F> {
    async fn running(&self) -> Result<&Running<F>> {
        self.running.wait().await.as_ref().map_err(Error::duplicate)
    }

    fn running_already(&self) -> Result<&Running<F>> {
        let running =
            self.running.get().ok_or_else(|| Error::bug("the model is not open yet: wait until it is ready"))?;
        running.as_ref().map_err(Error::duplicate)
    }
}

impl<F: Family> Opening for FamilyModel<F> {
    fn open(&self, files: Files) -> Result<()> {
        let opened = guarded(|| {
            if files == Files::Unchecked {
                self.manifest.check_files(self.options.hash_cache.as_deref())?;
            }
            self.family.open(&self.manifest, &self.options)?.start(self.options.batch_pages)
        });
        let outcome = opened.as_ref().map(|_| ()).map_err(Error::duplicate);
        self.running.set(opened).map_err(|_| Error::bug("a model was opened twice"))?;
        outcome
    }
}

#[async_trait]
impl<F: Family> PageModel for FamilyModel<F> {
    fn info(&self) -> &ModelInfo {
        &self.manifest.info
    }

    fn codebook(&self) -> Option<&Arc<Codebook>> {
        self.codebook.as_ref()
    }

    fn prepare(&self, image: &PageImage) -> Result<PageInput> {
        Ok(PageInput::new(self.family.prepare(image)?))
    }

    async fn ready(&self) -> Result<()> {
        self.running().await.map(|_| ())
    }

    async fn embed_page(&self, input: PageInput) -> Result<PageEmbedding> {
        let page = input.of::<F::Page>()?;
        self.running().await?.pages.submit(page).await
    }

    async fn embed_question(&self, text: &str) -> Result<QuestionEmbedding> {
        let running = self.running().await?;
        running.questions.submit(Arc::new(F::question(&running.reader, text)?)).await
    }

    fn page_arrays(&self, input: &PageInput) -> Result<Vec<InputArray>> {
        let page = input.of::<F::Page>()?;
        Ok(self.family.page_arrays(&self.running_already()?.reader, &page))
    }

    fn question_arrays(&self, text: &str) -> Result<Vec<InputArray>> {
        let reader = &self.running_already()?.reader;
        Ok(self.family.question_arrays(reader, &F::question(reader, text)?))
    }

    async fn shutdown(&self) {
        // What could not be opened has no threads.
        if let Ok(running) = self.running().await {
            running.pages.shutdown().await;
            running.questions.shutdown().await;
        }
    }
}
