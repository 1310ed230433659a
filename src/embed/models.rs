//! The models of a process: each is loaded once, when it is first wanted, and a model that takes long to load makes nobody
//! wait who wants another.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use futures::future::join_all;

use super::embedder::{Embedder, read_info};
use super::manifest::ModelInfo;
use super::options::EmbedOptions;
use super::runtime;
use crate::error::{Error, Result, ResultExt};

/// Loaded models by name.
pub struct Models {
    finder: Arc<Finder>,
    options: EmbedOptions,
    /// None after [`Self::shutdown`].
    cells: Mutex<Option<HashMap<String, Cell>>>,
}

/// Place of one model, empty until it is wanted; locked while it is filled.
type Cell = Arc<tokio::sync::Mutex<Option<Embedder>>>;

/// Knows where things are.
struct Finder {
    model: Box<FindModel>,
    onnxruntime: Box<FindLibrary>,
}

type FindModel = dyn Fn(&str) -> Result<PathBuf> + Send + Sync;
type FindLibrary = dyn Fn() -> Result<PathBuf> + Send + Sync;

impl Models {
    /// `model` gives the folder of a model by its name or path, `onnxruntime` the path of the library; both may block for a
    /// moment, and are asked when a model is wanted that is not loaded.
    pub fn new(
        model: impl Fn(&str) -> Result<PathBuf> + Send + Sync + 'static,
        onnxruntime: impl Fn() -> Result<PathBuf> + Send + Sync + 'static,
        options: EmbedOptions,
    ) -> Self {
        let finder = Arc::new(Finder { model: Box::new(model), onnxruntime: Box::new(onnxruntime) });
        Self { finder, options, cells: Mutex::new(Some(HashMap::new())) }
    }

    /// The model of that name or path, ready. Whoever asks while it loads waits for the same load; after a failure the next
    /// caller tries again.
    ///
    /// # Errors
    /// Those of [`Embedder::load`]; transient after [`Self::shutdown`].
    pub async fn get(&self, name: &str) -> Result<Embedder> {
        let model = self.start(name).await?;
        model.ready().await.context(format!("model '{name}'"))?;
        Ok(model)
    }

    /// As [`Self::get`], but returns while the model's graphs are still being opened: it makes pages ready already.
    ///
    /// # Errors
    /// Those of [`Embedder::start`]; transient after [`Self::shutdown`].
    pub async fn start(&self, name: &str) -> Result<Embedder> {
        let cell = self.cell(name)?;
        let mut model = cell.lock().await;
        if let Some(model) = model.as_ref().filter(|model| !has_failed(model)) {
            return Ok(model.clone());
        }
        let (finder, options, wanted) = (self.finder.clone(), self.options.clone(), name.to_owned());
        let started = tokio::task::spawn_blocking(move || {
            let folder = (finder.model)(&wanted)?;
            runtime::init(&(finder.onnxruntime)()?)?;
            Embedder::start(&folder, &options)
        });
        let started = started
            .await
            .map_err(|error| Error::bug("loading the model panicked").with_source(error))?
            .context(format!("model '{name}'"))?;
        *model = Some(started.clone());
        Ok(started)
    }

    /// What the model of that name or path says of itself: the loaded one, or else its manifest. Loads nothing.
    ///
    /// # Errors
    /// Configuration, if there is no such model or its manifest can't be read.
    pub async fn info(&self, name: &str) -> Result<ModelInfo> {
        if let Some(model) = self.cell(name)?.lock().await.as_ref() {
            return Ok(model.info().clone());
        }
        read_info(&(self.finder.model)(name)?).context(format!("model '{name}'"))
    }

    /// Stands for the model of that name from now on: a double.
    #[doc(hidden)]
    pub fn put(&self, name: &str, model: Embedder) {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        let cell = Arc::new(tokio::sync::Mutex::new(Some(model)));
        cells.get_or_insert_default().insert(name.to_owned(), cell);
    }

    /// Finishes what the models accepted, and returns when their threads have ended. Nothing is loaded any more.
    pub async fn shutdown(&self) {
        let cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner).take();
        let shutdown = async |cell: Cell| {
            if let Some(model) = cell.lock().await.take() {
                model.shutdown().await;
            }
        };
        join_all(cells.unwrap_or_default().into_values().map(shutdown)).await;
    }

    fn cell(&self, name: &str) -> Result<Cell> {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        let stopped = || Error::transient("the models have been shut down: the process is ending");
        let cells = cells.as_mut().ok_or_else(stopped)?;
        Ok(cells.entry(name.to_owned()).or_default().clone())
    }
}

/// Whether it was opened and could not be.
fn has_failed(model: &Embedder) -> bool {
    matches!(model.ready().now_or_never(), Some(Err(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use crate::embed::double::ModelDouble;
    use crate::embed::tests::{copy_of_model, model_dir, onnxruntime};
    use crate::error::Kind;
    use crate::faults::Faults;
    use crate::types::{Device, PageImage};

    fn models(model: impl Fn(&str) -> Result<PathBuf> + Send + Sync + 'static) -> Models {
        let options = EmbedOptions { threads: 1, device: Device::Cpu, ..EmbedOptions::default() };
        Models::new(model, || Ok(onnxruntime()), options)
    }

    fn page() -> PageImage {
        PageImage { width: 30, height: 40, rgb: vec![200; 30 * 40 * 3].into(), dpi: None }
    }

    #[tokio::test]
    async fn a_model_is_loaded_once_for_all_who_want_it() {
        let loads = Arc::new(AtomicUsize::new(0));
        let counted = loads.clone();
        let models = models(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            Ok(model_dir())
        });
        let (one, two) = tokio::join!(models.get("glyph"), models.get("glyph"));
        let three = models.get("glyph").await.unwrap();
        for model in [one.unwrap(), two.unwrap()] {
            assert!(std::ptr::eq(model.info(), three.info()), "one and the same model");
        }
        assert_eq!(loads.load(Ordering::Relaxed), 1);
        models.shutdown().await;
        assert!(three.embed_question("pump").await.unwrap_err().is_transient());
        assert!(models.get("glyph").await.err().unwrap().is_transient());
    }

    #[tokio::test]
    async fn a_model_that_loads_makes_nobody_wait_for_another() {
        let (release, held) = mpsc::channel::<()>();
        let (reached, loading) = tokio::sync::oneshot::channel();
        let (held, reached) = (Mutex::new(held), Mutex::new(Some(reached)));
        let models = Arc::new(models(move |name| {
            if name == "large" {
                reached.lock().unwrap().take().unwrap().send(()).unwrap();
                held.lock().unwrap().recv().unwrap();
            }
            Ok(model_dir())
        }));
        let large = tokio::spawn({
            let models = models.clone();
            async move { models.get("large").await }
        });
        loading.await.unwrap();
        let small = models.get("small").await.unwrap();
        assert_eq!(small.embed_question("pump").await.unwrap().labels, ["pump"]);
        assert_eq!(models.info("small").await.unwrap().family, "glyph");
        release.send(()).unwrap();
        large.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_load_that_failed_is_tried_again_by_the_next_caller() {
        let copy = copy_of_model();
        let (graph, folder) = (copy.path().join("page.onnx"), copy.path().to_path_buf());
        let good = std::fs::read(&graph).unwrap();
        let models = models(move |_| Ok(folder.clone()));
        std::fs::write(&graph, &good[1..]).unwrap();
        // Found while its graphs are opened, after the handle was given out: pages can be made ready, and then hear of it.
        let started = models.start("glyph").await.unwrap();
        let error = started.embed_page(started.prepare(&page()).unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Configuration);
        assert!(error.message().contains("page.onnx"), "{error}");
        let error = models.get("glyph").await.err().unwrap();
        assert!(error.message().starts_with("model 'glyph': "), "{error}");
        std::fs::write(&graph, &good).unwrap();
        let model = models.get("glyph").await.unwrap();
        model.embed_page(model.prepare(&page()).unwrap()).await.unwrap();
    }

    #[tokio::test]
    async fn a_name_that_leads_nowhere_is_an_error_each_time() {
        let models = models(|name| Err(Error::configuration(format!("no model '{name}'"))));
        for _ in 0..2 {
            assert!(models.get("palm").await.err().unwrap().message().contains("no model 'palm'"));
        }
        assert_eq!(models.info("palm").await.unwrap_err().kind(), Kind::Configuration);
    }

    #[tokio::test]
    async fn what_a_model_says_of_itself_needs_no_load_and_a_double_stands_in() {
        let no_library = || Err(Error::configuration("ONNX Runtime is not there"));
        let models = Models::new(|name| Ok(Path::new(name).to_path_buf()), no_library, EmbedOptions::default());
        let folder = model_dir();
        let name = folder.to_str().unwrap();
        assert_eq!(models.info(name).await.unwrap().family, "glyph");
        assert!(models.get(name).await.err().unwrap().message().contains("ONNX Runtime is not there"));
        models.put(name, Embedder::of(Arc::new(ModelDouble::new(Faults::none()))));
        assert_eq!(models.info(name).await.unwrap().family, "double");
        assert_eq!(models.get(name).await.unwrap().info().family, "double");
    }
}
