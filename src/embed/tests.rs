//! The built-in model itself, in ONNX Runtime itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::families::family_of;
use super::family::{Files, Opening};
use super::manifest::Manifest;
use super::worker::Model;
use super::*;
use crate::error::{Kind, Result};
use crate::types::{Device, Grid, PageImage};

/// Runs a model on inputs as its worker does, on this thread.
pub(super) fn together<M: Model<Input = Arc<P>>, P>(model: &M, inputs: &[Arc<P>]) -> Result<Vec<M::Output>> {
    let mut batch = M::Batch::default();
    inputs.iter().for_each(|input| model.join(&mut batch, input.clone()));
    let computed = model.compute(&batch)?;
    model.finish(&batch, computed)
}

pub(super) fn alone<M: Model<Input = Arc<P>>, P>(model: &M, input: P) -> Result<M::Output> {
    together(model, &[Arc::new(input)]).map(|mut made| made.remove(0))
}

pub(super) fn model_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models/quire-glyph")
}

/// Where `make setup` puts ONNX Runtime, or `QUIRE_ONNXRUNTIME` says that it is.
pub(super) fn onnxruntime() -> PathBuf {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("native/libonnxruntime.so");
    std::env::var_os("QUIRE_ONNXRUNTIME").map_or(beside, PathBuf::from)
}

pub(super) fn init_runtime() {
    runtime::init(&onnxruntime()).unwrap();
}

/// A copy of the built-in model that may be damaged.
pub(super) fn copy_of_model() -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(model_dir()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    copy
}

fn options(threads: usize, batch_pages: Option<usize>) -> EmbedOptions {
    EmbedOptions { threads, batch_pages, device: Device::Cpu, ..EmbedOptions::default() }
}

fn embedder(batch_pages: usize) -> Embedder {
    init_runtime();
    Embedder::load(&model_dir(), &options(1, Some(batch_pages))).unwrap()
}

/// Dark strokes on white; `kind` moves them.
fn page(width: u32, height: u32, kind: u32) -> PageImage {
    let ink =
        |x: u32, y: u32| (y + kind) % 24 < 12 && (40..width - 40).contains(&x) && (x * 7 + y * (3 + kind)) % 29 < 8;
    let rgb = (0..height).flat_map(|y| (0..width).flat_map(move |x| [if ink(x, y) { 20 } else { 255 }; 3])).collect();
    PageImage { width, height, rgb, dpi: None }
}

fn blank() -> PageImage {
    PageImage { width: 300, height: 400, rgb: vec![255; 300 * 400 * 3].into(), dpi: None }
}

#[tokio::test]
async fn pages_of_a_batch_are_what_they_are_alone() {
    let embedder = embedder(4);
    let pages = [page(620, 877, 0), page(877, 620, 1), page(620, 877, 2), blank()];
    let mut alone = Vec::new();
    for page in &pages {
        alone.push(embedder.embed_page(embedder.prepare(page).unwrap()).await.unwrap());
    }
    let together = pages.iter().map(|page| embedder.embed_page(embedder.prepare(page).unwrap()));
    for (alone, together) in alone.iter().zip(futures::future::join_all(together).await) {
        let together = together.unwrap();
        assert_eq!(alone.layout, together.layout);
        for (a, b) in alone.patches.rows().zip(together.patches.rows()) {
            let cosine: f32 = a.iter().zip(b).map(|(a, b)| a * b).sum();
            assert!(cosine > 0.9999, "{cosine}");
        }
    }
    let grid = |page: usize| alone[page].layout.scales()[0].grid;
    assert_eq!((grid(0), grid(1)), (Grid { rows: 55, cols: 39 }, Grid { rows: 39, cols: 55 }));
    assert!(!alone[3].patches.is_empty(), "a blank page has one patch, so that it can be stored");
}

/// What a page means must not depend on the machine's cores, nor on which of them had time for it.
#[tokio::test]
async fn results_are_the_same_for_every_number_of_threads() {
    init_runtime();
    let load = |threads| Embedder::load(&model_dir(), &options(threads, None)).unwrap();
    let (one, three) = (load(1), load(3));
    let pages: Vec<PageImage> =
        (0..6).map(|kind| if kind % 2 == 0 { page(620, 877, kind) } else { page(877, 620, kind) }).collect();
    let together = pages.iter().map(|page| three.embed_page(three.prepare(page).unwrap()));
    let together = futures::future::join_all(together).await;
    for (page, together) in pages.iter().zip(together) {
        let (alone, together) = (one.embed_page(one.prepare(page).unwrap()).await.unwrap(), together.unwrap());
        assert_eq!(alone.layout, together.layout);
        assert!(alone.patches == together.patches, "the same numbers, to the bit");
    }
}

#[tokio::test]
async fn layout_says_where_the_page_ends() {
    let embedder = embedder(1);
    let page = embedder.embed_page(embedder.prepare(&page(400, 410, 0)).unwrap()).await.unwrap();
    let extent = page.layout.scales()[0].extent;
    assert_eq!((extent.right, extent.bottom), (1.0, 1.0 / (410.0 / 416.0)));
    assert_eq!(page.layout.len(), page.patches.len());
}

#[tokio::test]
async fn a_question_does_not_wait_for_pages() {
    let embedder = embedder(2);
    let inputs: Vec<PageInput> = (0..8).map(|kind| embedder.prepare(&page(620, 877, kind)).unwrap()).collect();
    let pages = futures::future::join_all(inputs.into_iter().map(|input| embedder.embed_page(input)));
    tokio::pin!(pages);
    tokio::select! {
        biased;
        _ = &mut pages => panic!("eight pages were faster than one question"),
        question = embedder.embed_question("error code E-201 of the pump") => {
            let question = question.unwrap();
            assert_eq!(question.labels, ["error", "code", "201", "pump"]);
            assert_eq!(question.tokens.len(), 4);
        }
    }
    assert!(pages.await.iter().all(Result::is_ok));
}

#[tokio::test]
async fn a_question_without_words_says_so() {
    let embedder = embedder(1);
    for (text, says) in [("", "is empty"), (" \n", "is empty"), ("?! --", "'?! --' has no letter or digit")] {
        let error = embedder.embed_question(text).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Permanent);
        assert!(error.message().contains(says), "{error}");
    }
    let long = "antidisestablishmentarianism ".repeat(400);
    assert_eq!(embedder.embed_question(&long).await.unwrap().tokens.len(), 1);
    assert_eq!(embedder.embed_question("x").await.unwrap().tokens.len(), 1);
}

#[tokio::test]
async fn after_shutdown_nothing_is_accepted() {
    let embedder = embedder(1);
    let input = embedder.prepare(&blank()).unwrap();
    embedder.shutdown().await;
    assert!(embedder.embed_page(input).await.unwrap_err().is_transient());
    assert!(embedder.embed_question("pump").await.unwrap_err().is_transient());
}

#[test]
fn a_good_model_passes_its_check() {
    init_runtime();
    let report = check(&model_dir(), Device::Auto);
    assert!(report.is_ok(), "{report:?}");
    let names: Vec<&str> = report.checks.iter().map(|check| check.name).collect();
    assert_eq!(names, ["manifest", "files", "codebook", "graphs", "page", "question"]);
}

#[test]
fn a_damaged_model_is_not_loaded() {
    init_runtime();
    let copy = copy_of_model();
    let graph = copy.path().join("page.onnx");
    let mut bytes = std::fs::read(&graph).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&graph, bytes).unwrap();
    let error = Embedder::load(copy.path(), &EmbedOptions::default()).err().unwrap();
    assert_eq!(error.kind(), Kind::Configuration);
    assert!(error.message().contains("page.onnx"), "{error}");
    let report = check(copy.path(), Device::Cpu);
    assert_eq!(report.checks.last().map(|check| check.name), Some("files"));
    assert!(!report.is_ok());
}

/// The built-in model as it is before its graphs are opened.
fn unopened() -> Arc<dyn Opening> {
    init_runtime();
    let manifest = Manifest::read(&model_dir()).unwrap();
    family_of(&manifest).unwrap().model(manifest, None, options(1, None))
}

#[tokio::test]
async fn pages_are_made_ready_before_the_graphs_are_open() {
    let model = unopened();
    let input = model.prepare(&page(620, 877, 1)).unwrap();
    assert!(model.page_arrays(&input).unwrap_err().message().contains("not open yet"));
    let mut waiting = model.embed_page(input);
    assert!(futures::poll!(&mut waiting).is_pending());
    model.open(Files::Unchecked).unwrap();
    model.ready().await.unwrap();
    let embedder = embedder(1);
    let expected = embedder.embed_page(embedder.prepare(&page(620, 877, 1)).unwrap()).await.unwrap();
    assert!(waiting.await.unwrap() == expected, "the same numbers, to the bit");
    assert_eq!(model.open(Files::Checked).unwrap_err().kind(), Kind::Bug, "a model is opened once");
}

#[tokio::test]
async fn what_keeps_a_model_from_opening_reaches_everyone_who_waits() {
    init_runtime();
    let copy = copy_of_model();
    std::fs::remove_file(copy.path().join("question.onnx")).unwrap();
    let embedder = Embedder::start(copy.path(), &options(1, None)).unwrap();
    let input = embedder.prepare(&blank()).unwrap();
    let (ready, page) = tokio::join!(embedder.ready(), embedder.embed_page(input));
    let question = embedder.embed_question("pump").await.map(|_| ());
    for error in [ready, page.map(|_| ()), question].map(Result::unwrap_err) {
        assert_eq!(error.kind(), Kind::Configuration);
        assert!(error.message().contains("question.onnx"), "{error}");
    }
    embedder.shutdown().await;
}

#[tokio::test]
async fn a_page_of_another_model_is_refused() {
    let double = Embedder::of(Arc::new(double::ModelDouble::new(crate::faults::Faults::none())));
    let error = embedder(1).embed_page(double.prepare(&blank()).unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Bug);
}

#[test]
fn hashes_of_large_model_files_are_remembered_if_a_folder_is_given_for_them() {
    init_runtime();
    let folder = tempfile::tempdir().unwrap();
    let remembering = EmbedOptions { hash_cache: Some(folder.path().to_path_buf()), ..options(1, None) };
    Embedder::load(&model_dir(), &remembering).unwrap();
    let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().flatten().collect();
    let text = std::fs::read_to_string(files[0].path()).unwrap();
    assert!(text.contains("question.onnx") && !text.contains("stopwords.txt"), "{text}");
    // What is remembered is compared with the manifest like a hash that was just made.
    std::fs::write(files[0].path(), text.replace("\"sha256\":\"", "\"sha256\":\"0")).unwrap();
    let error = Embedder::load(&model_dir(), &remembering).err().unwrap();
    assert!(error.message().contains("restore the model folder"), "{error}");
}
