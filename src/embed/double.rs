//! A model double: it stands for a page model in tests and benches, costs next to nothing, gives the same vectors for the same
//! page or question every time, and fails when its plan of [`Faults`] says so. It finds nothing that is on a page.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::executor::block_on;

use super::manifest::ModelInfo;
use super::page_model::{InputArray, InputValues, PageInput, PageModel};
use super::worker::{Model, Worker};
use crate::error::{Error, Result};
use crate::faults::Faults;
use crate::types::{Codebook, Grid, Multivector, PageEmbedding, PageImage, QuestionEmbedding, TokenLayout};

/// Dimensions of its vectors, as of the models that it stands for.
const DIM: usize = 128;

/// Calls that can meet a fault: `model.prepare`, `model.embed_page`, `model.embed_question`.
pub struct ModelDouble {
    info: ModelInfo,
    faults: Faults,
    /// None: pages are embedded by whoever asks, at once.
    timed: Option<TimedPages>,
    stopped: AtomicBool,
}

/// Pages on a thread of their own, behind the batching of real models.
struct TimedPages {
    worker: Worker<Sleeper>,
    busy: Arc<AtomicU64>,
}

/// What it knows of a page: the hash of its pixels.
#[derive(Clone, Copy)]
struct HashedPage([u8; 32]);

impl ModelDouble {
    pub fn new(faults: Faults) -> Self {
        let info = ModelInfo {
            id: "double".into(),
            revision: "1".into(),
            family: "double".into(),
            dim: DIM,
            license: "Apache-2.0".into(),
            default_plan: None,
            pooled_factor: None,
            seen_from: None,
            has_codebook: false,
            manifest_sha256: hex_of(b"double@1"),
            bytes: 0,
            folder: PathBuf::new(),
        };
        Self { info, faults, timed: None, stopped: AtomicBool::new(false) }
    }

    /// Of another revision: what it makes belongs to another recipe, and its vectors differ.
    #[must_use]
    pub fn with_revision(mut self, revision: &str) -> Self {
        self.info.revision = revision.to_owned();
        self.info.manifest_sha256 = hex_of(self.info.name().as_bytes());
        self
    }

    /// Embeds pages as a device would: behind the thread and the batches of real models, `page_time` a page, without using the
    /// processor. `batch_pages`: the most pages of one run.
    ///
    /// # Errors
    /// Transient, if the thread cannot be started.
    pub fn taking(mut self, page_time: Duration, batch_pages: usize) -> Result<Self> {
        let busy = Arc::new(AtomicU64::new(0));
        let sleeper = Sleeper { page_time, busy: busy.clone(), salt: self.info.manifest_sha256.clone() };
        let worker = Worker::start("embed-pages", batch_pages, vec![sleeper])?;
        self.timed = Some(TimedPages { worker, busy });
        Ok(self)
    }

    /// How long it has computed pages since it was made, if it takes time for them.
    pub fn busy(&self) -> Duration {
        self.timed.as_ref().map_or(Duration::ZERO, |timed| Duration::from_nanos(timed.busy.load(Ordering::Relaxed)))
    }

    fn check_running(&self) -> Result<()> {
        if self.stopped.load(Ordering::Relaxed) {
            return Err(Error::transient("the model has been shut down: its process is ending"));
        }
        Ok(())
    }
}

#[async_trait]
impl PageModel for ModelDouble {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn codebook(&self) -> Option<&Arc<Codebook>> {
        None
    }

    /// Faults that wait need a runtime that goes on meanwhile: to be called, as ever, from a thread for blocking work.
    fn prepare(&self, image: &PageImage) -> Result<PageInput> {
        block_on(self.faults.meet("model.prepare"))?;
        let mut hash = blake3::Hasher::new();
        hash.update(&image.width.to_le_bytes()).update(&image.height.to_le_bytes()).update(&image.rgb);
        Ok(PageInput::new(HashedPage(hash.finalize().into())))
    }

    async fn ready(&self) -> Result<()> {
        Ok(())
    }

    async fn embed_page(&self, input: PageInput) -> Result<PageEmbedding> {
        let page = input.of::<HashedPage>()?;
        self.check_running()?;
        self.faults.meet("model.embed_page").await?;
        match &self.timed {
            Some(timed) => timed.worker.submit(*page).await,
            None => embedding(&page, &self.info.manifest_sha256),
        }
    }

    async fn embed_question(&self, text: &str) -> Result<QuestionEmbedding> {
        self.check_running()?;
        self.faults.meet("model.embed_question").await?;
        let labels: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        if labels.is_empty() {
            return Err(Error::permanent("the question is empty: ask with at least one word"));
        }
        let salt = &self.info.manifest_sha256;
        let vectors = labels.iter().flat_map(|word| unit_vectors(word.as_bytes(), salt, 1)).collect();
        let from_text = vec![true; labels.len()];
        Ok(QuestionEmbedding { tokens: Multivector::new(DIM, vectors)?, labels, from_text })
    }

    fn page_arrays(&self, input: &PageInput) -> Result<Vec<InputArray>> {
        let HashedPage(hash) = *input.of::<HashedPage>()?;
        Ok(vec![InputArray { name: "hash".into(), shape: vec![1, 32], values: InputValues::U8(hash.to_vec()) }])
    }

    fn question_arrays(&self, text: &str) -> Result<Vec<InputArray>> {
        let bytes = text.as_bytes().to_vec();
        Ok(vec![InputArray { name: "text".into(), shape: vec![1, bytes.len()], values: InputValues::U8(bytes) }])
    }

    async fn shutdown(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        if let Some(timed) = &self.timed {
            timed.worker.shutdown().await;
        }
    }
}

/// Sleeps for each page.
struct Sleeper {
    page_time: Duration,
    /// Nanoseconds.
    busy: Arc<AtomicU64>,
    salt: String,
}

impl Model for Sleeper {
    type Input = HashedPage;
    type Batch = Vec<HashedPage>;
    type Computed = ();
    type Output = PageEmbedding;

    fn join(&self, batch: &mut Vec<HashedPage>, page: HashedPage) {
        batch.push(page);
    }

    fn compute(&self, batch: &Vec<HashedPage>) -> Result<()> {
        let started = Instant::now();
        std::thread::sleep(self.page_time * batch.len() as u32);
        self.busy.fetch_add(started.elapsed().as_nanos() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn finish(&self, batch: &Vec<HashedPage>, (): ()) -> Result<Vec<PageEmbedding>> {
        batch.iter().map(|page| embedding(page, &self.salt)).collect()
    }
}

/// A vector for each cell of a small grid. Its width differs from page to page, so that pages differ in their number of rows, as
/// those of real models do.
fn embedding(HashedPage(hash): &HashedPage, salt: &str) -> Result<PageEmbedding> {
    let grid = Grid { rows: 4, cols: 2 + u32::from(hash[0] % 4) };
    let vectors = unit_vectors(hash, salt, (grid.rows * grid.cols) as usize);
    Ok(PageEmbedding { patches: Multivector::new(DIM, vectors)?, layout: TokenLayout::full(grid) })
}

/// `[count, DIM]`: rows of norm 1 that depend on nothing but seed and salt.
fn unit_vectors(seed: &[u8], salt: &str, count: usize) -> Vec<f32> {
    let mut bytes = vec![0u8; count * DIM];
    blake3::Hasher::new_derive_key("quire model double: vectors")
        .update(&(seed.len() as u64).to_le_bytes())
        .update(seed)
        .update(salt.as_bytes())
        .finalize_xof()
        .fill(&mut bytes);
    // Never 0, so that no row is.
    let mut values: Vec<f32> = bytes.into_iter().map(|byte| f32::from(byte) - 127.5).collect();
    for row in values.chunks_exact_mut(DIM) {
        let norm = row.iter().map(|value| value * value).sum::<f32>().sqrt();
        row.iter_mut().for_each(|value| *value /= norm);
    }
    values
}

fn hex_of(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::embedder::Embedder;
    use crate::error::Kind;
    use crate::faults::Fault;

    fn page(level: u8) -> PageImage {
        PageImage { width: 3, height: 2, rgb: vec![level; 18].into(), dpi: None }
    }

    async fn embed(model: &Embedder, level: u8) -> Result<PageEmbedding> {
        model.embed_page(model.prepare(&page(level))?).await
    }

    #[tokio::test]
    async fn the_same_page_gives_the_same_unit_vectors_and_others_others() {
        let double = || Embedder::of(Arc::new(ModelDouble::new(Faults::none())));
        let (one, again) = (embed(&double(), 1).await.unwrap(), embed(&double(), 1).await.unwrap());
        assert_eq!(one, again);
        assert_eq!(one.patches.dim(), double().info().dim);
        assert_eq!(one.patches.len(), one.layout.len());
        for row in one.patches.rows() {
            assert!((row.iter().map(|value| value * value).sum::<f32>() - 1.0).abs() < 1e-5);
        }
        assert_ne!(embed(&double(), 2).await.unwrap(), one);
        let revised = Embedder::of(Arc::new(ModelDouble::new(Faults::none()).with_revision("2")));
        assert_ne!(embed(&revised, 1).await.unwrap(), one);
        assert_ne!(revised.info().manifest_sha256, double().info().manifest_sha256);
        let question = double().embed_question("oil pump").await.unwrap();
        assert_eq!((question.tokens.len(), question.labels), (2, vec!["oil".to_owned(), "pump".to_owned()]));
    }

    #[tokio::test]
    async fn it_fails_as_planned() {
        let faults = Faults::none();
        let model = Embedder::of(Arc::new(ModelDouble::new(faults.clone())));
        faults.on("model.prepare", 1, Fault::Fail(|| Error::permanent("no pixels")));
        faults.on("model.embed_page", 2, Fault::Fail(|| Error::transient("out of memory")));
        faults.on("model.embed_question", 1, Fault::Fail(|| Error::transient("away")));
        assert_eq!(embed(&model, 1).await.unwrap_err().kind(), Kind::Permanent);
        embed(&model, 1).await.unwrap();
        assert!(embed(&model, 1).await.unwrap_err().is_transient());
        assert!(model.embed_question("pump").await.unwrap_err().is_transient());
        model.embed_question("pump").await.unwrap();
        model.shutdown().await;
        assert!(embed(&model, 1).await.unwrap_err().is_transient());
    }

    #[tokio::test]
    async fn the_one_that_takes_time_gives_the_same_and_counts_it() {
        let page_time = Duration::from_millis(1);
        let timed = Arc::new(ModelDouble::new(Faults::none()).taking(page_time, 4).unwrap());
        let (model, quick) = (Embedder::of(timed.clone()), Embedder::of(Arc::new(ModelDouble::new(Faults::none()))));
        let pages = futures::future::join_all((0..10).map(|level| embed(&model, level))).await;
        for (level, page) in (0..10).zip(pages) {
            assert_eq!(page.unwrap(), embed(&quick, level).await.unwrap());
        }
        assert!(timed.busy() >= page_time * 10);
        model.shutdown().await;
        assert!(embed(&model, 1).await.unwrap_err().is_transient());
    }
}
