//! The parts of an ingest alone, each with every core: drawing pages through the real worker processes, and the page
//! model on pages that are ready for it. Questions, whole.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use futures::{StreamExt, TryFutureExt, TryStreamExt, stream};
use quire::app::{App, Installation, Question, embed_options};
use quire::config::{Config, Environment, Flags, Library};
use quire::embed::{self, Embedder, InputArray, InputValues, PageInput};
use quire::render::{Renderer, WorkerCommand};
use quire::types::{RenderedPage, Tenant};
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use super::{Result, serve, serve_prepared};

/// What a running Quire would be told.
struct Setting {
    runtime: Runtime,
    installation: Installation,
    config: Config,
}

impl Setting {
    fn new() -> Result<Self> {
        let installation = Installation::of_process_in(environment());
        let config = Config::load(&Flags::default(), installation.environment())?;
        Ok(Self { runtime: Runtime::new()?, installation, config })
    }

    fn renderer(&self) -> Result<Renderer> {
        let command = WorkerCommand {
            program: env!("CARGO_BIN_EXE_quire").into(),
            args: vec!["render-worker".into()],
            pdfium: self.installation.pdfium(&self.config)?,
            faults: Vec::new(),
        };
        Ok(Renderer::new(self.config.limits.clone(), self.config.workers, command)?)
    }

    fn embedder(&self) -> Result<Embedder> {
        embed::runtime::init(&self.installation.onnxruntime(&self.config)?)?;
        Ok(Embedder::load(&self.installation.model(&self.config.model)?, &embed_options(&self.config))?)
    }
}

/// The variables of this process; where they name no libraries and models, those of this clone: cargo puts the benches
/// wherever it likes.
fn environment() -> Environment {
    let clone = Path::new(env!("CARGO_MANIFEST_DIR"));
    let library = |library: Library| (library.variable(), clone.join("native").join(library.file_name()));
    let here = [library(Library::OnnxRuntime), library(Library::Pdfium), ("QUIRE_MODELS", clone.join("models"))];
    let here = here.into_iter().map(|(name, path)| (OsString::from(name), OsString::from(path)));
    here.chain(std::env::vars_os()).collect()
}

/// Draws every page of every document and hands each to `take`; as in an ingest, several documents at once.
async fn draw_all(
    renderer: &Renderer,
    files: &[PathBuf],
    config: &Config,
    mut take: impl FnMut(RenderedPage) -> Result<()>,
) -> Result<()> {
    let ingest = &config.ingest;
    let (sender, mut drawn) = mpsc::channel(ingest.pages_in_flight);
    let work = stream::iter(files).map(Ok::<_, quire::error::Error>).try_for_each_concurrent(
        ingest.documents_in_flight,
        move |file| {
            let sender = sender.clone();
            async move {
                let document = &renderer.open(file, &file.display().to_string(), &config.render).await?;
                let pages = stream::iter(1..=document.info.page_count)
                    .map(|number| renderer.page(document, number))
                    .buffer_unordered(ingest.pages_in_flight.div_ceil(ingest.documents_in_flight));
                pages
                    .try_for_each(async |page| {
                        // Nobody takes them only after a failure, which ends this too.
                        let _ = sender.send(page).await;
                        Ok(())
                    })
                    .await
            }
        },
    );
    let taking = async {
        while let Some(page) = drawn.recv().await {
            take(page)?;
        }
        Result::<()>::Ok(())
    };
    tokio::try_join!(work.map_err(Into::into), taking)?;
    Ok(())
}

pub fn render(files: &[PathBuf]) -> Result<()> {
    let setting = Setting::new()?;
    let renderer = setting.renderer()?;
    let mut pixels = Vec::new();
    let draw = |pixels: &mut Vec<(u32, u32)>| {
        setting.runtime.block_on(draw_all(&renderer, files, &setting.config, |page| {
            pixels.push((page.image.width, page.image.height));
            Ok(())
        }))
    };
    // Also starts the workers and reads the files once.
    draw(&mut pixels)?;
    let total: u64 = pixels.iter().map(|&(width, height)| u64::from(width) * u64::from(height)).sum();
    let facts = json!({ "pages": pixels.len(), "pixels": total, "workers": setting.config.workers });
    serve(facts, || draw(&mut Vec::new()))?;
    setting.runtime.block_on(renderer.shutdown());
    Ok(())
}

/// Every page of every document, ready for the model.
fn inputs(setting: &Setting, embedder: &Embedder, files: &[PathBuf]) -> Result<Vec<PageInput>> {
    let renderer = setting.renderer()?;
    let mut inputs = Vec::new();
    setting.runtime.block_on(draw_all(&renderer, files, &setting.config, |page| {
        inputs.push(embedder.prepare(&page.image)?);
        Ok(())
    }))?;
    setting.runtime.block_on(renderer.shutdown());
    Ok(inputs)
}

/// `canvases.u8`: the inputs of the page graph one after the other. `canvases.json`: their shapes, the input's name and the
/// graph's path.
pub fn write_canvases(files: &[PathBuf], folder: &Path) -> Result<()> {
    let setting = Setting::new()?;
    let embedder = setting.embedder()?;
    let mut values = BufWriter::new(File::create(folder.join("canvases.u8"))?);
    let (mut shapes, mut name) = (Vec::new(), String::new());
    for input in inputs(&setting, &embedder, files)? {
        let arrays = embedder.page_arrays(&input)?;
        let [InputArray { name: found, shape, values: InputValues::U8(canvas) }] = arrays.as_slice() else {
            return Err("the page graph takes one canvas of bytes".into());
        };
        values.write_all(canvas)?;
        shapes.push(shape.clone());
        name.clone_from(found);
    }
    values.flush()?;
    let graph = setting.installation.model(&setting.config.model)?.join("page.onnx");
    let facts = json!({ "graph": graph, "input": name, "shapes": shapes });
    Ok(std::fs::write(folder.join("canvases.json"), facts.to_string())?)
}

pub fn forward(files: &[PathBuf]) -> Result<()> {
    let setting = Setting::new()?;
    let embedder = setting.embedder()?;
    let inputs = inputs(&setting, &embedder, files)?;
    let facts = json!({ "pages": inputs.len(), "threads": setting.config.embed.threads });
    serve_prepared(
        facts,
        || Ok(inputs.clone()),
        |inputs| {
            let pages = stream::iter(inputs)
                .map(|input| embedder.embed_page(input))
                .buffer_unordered(setting.config.ingest.pages_in_flight);
            Ok(setting.runtime.block_on(pages.try_for_each(|_| async { Ok(()) }))?)
        },
    )
}

/// One question of a usual length after another.
pub fn question() -> Result<()> {
    let setting = Setting::new()?;
    let embedder = setting.embedder()?;
    let text = "how often must the bearings of the main shaft be lubricated";
    serve(json!({ "words": text.split(' ').count() }), || {
        Ok(setting.runtime.block_on(embedder.embed_question(text))?)
    })
}

/// Questions of usual lengths about technical documents; some words stand in every document, some in few.
const QUESTIONS: [&str; 8] = [
    "how often must the bearings of the main shaft be lubricated",
    "draw a circle with a dashed line and fill it",
    "chemical formula of a reaction with an arrow above",
    "number formatting with thousands separators and units",
    "which package options change the page margins",
    "error in the equation of the electric field",
    "tree of nodes and edges",
    "copyright license",
];

/// Searches a data folder that an ingest has filled.
pub fn search(data_dir: &Path, collection: &str, plan: &str) -> Result<()> {
    let Setting { runtime, installation, mut config } = Setting::new()?;
    config.data_dir = data_dir.to_owned();
    let app = runtime.block_on(App::open(config, installation))?;
    let mut questions = QUESTIONS
        .iter()
        .cycle()
        .map(|text| Question { plan: Some(plan.to_owned()), ..Question::new(*text, collection, 10) });
    let mut ask = || -> Result<usize> {
        let question = questions.next().ok_or("the questions have no end")?;
        Ok(runtime.block_on(app.scope(Tenant("default".into())).search(&question))?.hits.len())
    };
    // What is read from disk once.
    let hits: usize = (0..QUESTIONS.len()).map(|_| ask()).sum::<Result<usize>>()?;
    serve(json!({ "plan": plan, "hits": hits }), ask)
}
