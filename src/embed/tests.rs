//! The built-in model itself, in ONNX Runtime itself.

use super::*;
use crate::error::Kind;
use std::path::PathBuf;

pub(super) fn model_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models/quire-glyph")
}

/// Loads ONNX Runtime from where `make setup` puts it, or from `QUIRE_ONNXRUNTIME`.
pub(super) fn init_runtime() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("native/libonnxruntime.so");
    let path = std::env::var_os("QUIRE_ONNXRUNTIME").map_or(beside, PathBuf::from);
    runtime::init(&path).unwrap();
}

fn embedder(batch_pages: usize) -> Embedder {
    init_runtime();
    Embedder::load(&model_dir(), &EmbedOptions { threads: 1, batch_pages: Some(batch_pages), device: Device::Cpu })
        .unwrap()
}

/// Dark strokes on white; `kind` moves them.
fn page(width: u32, height: u32, kind: u32) -> PageImage {
    let ink =
        |x: u32, y: u32| (y + kind) % 24 < 12 && (40..width - 40).contains(&x) && (x * 7 + y * (3 + kind)) % 29 < 8;
    let rgb = (0..height).flat_map(|y| (0..width).flat_map(move |x| [if ink(x, y) { 20 } else { 255 }; 3])).collect();
    PageImage { width, height, rgb }
}

fn blank() -> PageImage {
    PageImage { width: 300, height: 400, rgb: vec![255; 300 * 400 * 3].into() }
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
    assert_eq!((alone[0].layout.grid.rows, alone[0].layout.grid.cols), (72, 52));
    assert_eq!((alone[1].layout.grid.rows, alone[1].layout.grid.cols), (52, 72));
    assert!(!alone[3].patches.is_empty(), "a blank page has one patch, so that it can be stored");
}

/// What a page means must not depend on the machine's cores, nor on which of them had time for it.
#[tokio::test]
async fn results_are_the_same_for_every_number_of_threads() {
    init_runtime();
    let load = |threads| {
        Embedder::load(&model_dir(), &EmbedOptions { threads, batch_pages: None, device: Device::Cpu }).unwrap()
    };
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
    let page = embedder.embed_page(embedder.prepare(&page(400, 400, 0)).unwrap()).await.unwrap();
    assert_eq!(page.layout.covered, (1.0, 832.0 / 1152.0));
    assert_eq!(page.layout.cells.len(), page.patches.len());
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
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(model_dir()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
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
