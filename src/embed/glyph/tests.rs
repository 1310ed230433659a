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
    dpi: Option<u32>,
    /// One a look.
    canvases: Vec<CanvasCase>,
    /// Degrees that the page was read at.
    turns: Vec<u32>,
    /// Turn, look and cell of every vector.
    kept: Vec<(u32, usize, u32)>,
    /// Those that another processor may decide otherwise.
    unsure: Vec<(u32, usize, u32)>,
    cells: Vec<CellCase>,
}

#[derive(Deserialize)]
struct CanvasCase {
    size: [usize; 2],
    used: (usize, usize),
    sha256: String,
    rows: u32,
    cols: u32,
}

#[derive(Deserialize)]
struct CellCase {
    /// Place in `kept`.
    at: usize,
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

fn read(name: &str, dpi: Option<u32>) -> PageImage {
    let image = image::open(folder().join(name)).unwrap().to_rgb8();
    PageImage { width: image.width(), height: image.height(), rgb: image.into_raw().into(), dpi }
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
    assert!(cases.iter().any(|case| case.turns == [180]) && cases.iter().any(|case| case.canvases.len() > 3));
    for case in cases {
        let name = &case.image;
        let looks = glyph.prepare(&read(name, case.dpi)).unwrap();
        assert_eq!(looks.0.len(), case.canvases.len(), "{name}");
        for (canvas, expected) in looks.0.iter().zip(&case.canvases) {
            assert_eq!(([canvas.width, canvas.height], canvas.used), (expected.size, expected.used), "{name}");
            assert_eq!(hex::encode(Sha256::digest(&canvas.data)), expected.sha256, "{name}");
        }
        let page = alone(&opened.pages[0], looks).unwrap();
        let grids: Vec<Grid> = page.layout.scales().iter().map(|scale| scale.grid).collect();
        let expected: Vec<Grid> =
            case.canvases.iter().map(|&CanvasCase { rows, cols, .. }| Grid { rows, cols }).collect();
        assert_eq!(grids, expected, "{name}");

        // Cells are counted through all looks; a cell may be there once a turn.
        let number =
            |look: usize, cell: u32| grids[..look].iter().map(|grid| grid.rows * grid.cols).sum::<u32>() + cell;
        let unsure: Vec<u32> = case.unsure.iter().map(|&(_, look, cell)| number(look, cell)).collect();
        let sure =
            |cells: &[u32]| -> Vec<u32> { cells.iter().filter(|cell| !unsure.contains(cell)).copied().collect() };
        let cells: Vec<u32> = page.layout.cells().iter().map(|cell| cell.unwrap()).collect();
        let kept: Vec<u32> = case.kept.iter().map(|&(_, look, cell)| number(look, cell)).collect();
        assert_eq!(sure(&cells), sure(&kept), "{name}");
        for expected in case.cells {
            let nearest = cells.iter().zip(page.patches.rows()).filter(|(cell, _)| **cell == kept[expected.at]);
            let cosine = nearest.map(|(_, row)| cosine(row, &expected.vector)).reduce(f32::max);
            assert!(cosine.is_none_or(|cosine| cosine > 0.9999), "{name} cell {}: {cosine:?}", kept[expected.at]);
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
