//! The shipped model against what the training code's own reader of it (training/glyph.py) gives: tests/fixtures/glyph,
//! written by training/make_fixtures.py.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::*;
use crate::embed::tests::{alone, init_runtime, model_dir};
use crate::types::Grid;

#[derive(Deserialize)]
struct Fixture {
    page_graph_sha256: String,
    pages: Vec<PageCase>,
    questions: Vec<QuestionCase>,
}

#[derive(Deserialize)]
struct PageCase {
    image: String,
    canvas: [usize; 2],
    canvas_sha256: String,
    rows: u32,
    cols: u32,
    kept: Vec<u32>,
    /// Where the gate is so close to its threshold that another processor may decide otherwise.
    cells_within_1e3_of_threshold: Vec<u32>,
    cells: Vec<CellCase>,
}

#[derive(Deserialize)]
struct CellCase {
    cell: u32,
    vector: Vec<f32>,
}

#[derive(Deserialize)]
struct QuestionCase {
    question: String,
    words: Vec<String>,
    ids: Vec<Vec<u32>>,
    /// The first three.
    vectors: Vec<Vec<f32>>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/glyph")
}

fn fixture() -> Fixture {
    serde_json::from_slice(&std::fs::read(folder().join("expected.json")).unwrap()).unwrap()
}

fn model() -> (Glyph, Opened<Glyph>) {
    init_runtime();
    let manifest = Manifest::read(&model_dir()).unwrap();
    let glyph = Glyph::read(&manifest.json).unwrap();
    let options = EmbedOptions { threads: 1, ..EmbedOptions::default() };
    let opened = glyph.open(&manifest, &options).unwrap();
    (glyph, opened)
}

fn read(name: &str) -> PageImage {
    let image = image::open(folder().join(name)).unwrap().to_rgb8();
    PageImage { width: image.width(), height: image.height(), rgb: image.into_raw().into() }
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[test]
fn the_fixture_is_of_the_shipped_model() {
    let graph = std::fs::read(model_dir().join("page.onnx")).unwrap();
    assert_eq!(hex::encode(Sha256::digest(graph)), fixture().page_graph_sha256, "run training/make_fixtures.py again");
}

#[test]
fn pages_equal_the_training_codes() {
    let (glyph, opened) = model();
    let cases = fixture().pages;
    assert!(cases.len() >= 5);
    for case in cases {
        let canvas = glyph.prepare(&read(&case.image)).unwrap();
        assert_eq!([canvas.width, canvas.height], case.canvas, "{}", case.image);
        assert_eq!(hex::encode(Sha256::digest(&canvas.data)), case.canvas_sha256, "{}", case.image);
        let page = alone(&opened.pages[0], canvas).unwrap();
        assert_eq!(page.layout.scales()[0].grid, Grid { rows: case.rows, cols: case.cols });
        let cells: Vec<u32> = page.layout.cells().iter().map(|cell| cell.unwrap()).collect();
        let sure = |cells: &[u32]| -> Vec<u32> {
            cells.iter().filter(|cell| !case.cells_within_1e3_of_threshold.contains(cell)).copied().collect()
        };
        assert_eq!(sure(&cells), sure(&case.kept), "{}", case.image);
        for expected in case.cells {
            if let Ok(at) = cells.binary_search(&expected.cell) {
                let cosine = cosine(page.patches.row(at), &expected.vector);
                assert!(cosine > 0.9999, "{} cell {}: cosine {cosine}", case.image, expected.cell);
            }
        }
    }
}

#[test]
fn questions_equal_the_training_codes() {
    let (_, Opened { reader: rules, questions, .. }) = model();
    let cases = fixture().questions;
    assert!(cases.len() >= 10);
    for case in cases {
        let words = rules.question_words(&case.question);
        assert_eq!(words, case.words, "{:?}", case.question);
        let ids: Vec<Vec<u32>> = words.iter().map(|word| rules.ids(word)).collect();
        assert_eq!(ids, case.ids, "{:?}", case.question);
        if words.is_empty() {
            continue;
        }
        let embedded = alone(&questions, Question { words }).unwrap();
        assert_eq!(embedded.tokens.len(), case.words.len());
        for (row, expected) in embedded.tokens.rows().zip(&case.vectors) {
            assert!(cosine(row, expected) > 0.9999, "{:?}", case.question);
        }
    }
}
