//! A model of the ColPali family through the program: a tiny one of random weights (tests/fixtures/colpali), which proves
//! the flow and not the wisdom.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where something is wrong")]

mod common;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use common::{Quire, repository, source_name};
use npyz::npz::NpzArchive;
use serde_json::{Value, json};

fn fixtures() -> PathBuf {
    repository().join("tests/fixtures/colpali")
}

fn model() -> String {
    fixtures().join("model").display().to_string()
}

/// The example pipeline, with the tiny model and the documents of the test.
fn run(quire: &Quire, arguments: &[&str]) -> Value {
    let output = quire
        .command()
        .env("COLPALI", model())
        .env("DOCUMENTS", quire.docs())
        .args(arguments)
        .arg("--json")
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "quire {arguments:?}: {stderr}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_example_pipeline_indexes_and_every_plan_of_it_searches() {
    let quire = Quire::new();
    quire.add("invoice-2025-0417.pdf");
    let file = repository().join("pipelines/colpali.yaml");
    let file = file.to_str().unwrap();
    assert_eq!(run(&quire, &["run", file])["documents"]["indexed"], 1);
    assert_eq!(run(&quire, &["run", file])["documents"]["indexed"], 0, "an unchanged document is skipped");

    let status = run(&quire, &["status"]);
    assert_eq!(status["collections"][0]["vectors"], json!(["patches", "rows", "cols", "fde"]));
    let evidence = quire.docs().join("../evidence");
    for plan in ["muvera", "rows_and_cols", "three_stages", "rows_cols", "exact", "frugal"] {
        let arguments = ["search", "which chairs", "--collection", "colpali", "--plan", plan];
        let response = run(&quire, &[&arguments[..], &["--evidence", evidence.to_str().unwrap()]].concat());
        assert_eq!(response["plan"], plan);
        assert_eq!(source_name(&response["hits"][0]), "invoice-2025-0417.pdf");
        assert!(response["hits"][0]["score"].as_f64().unwrap().is_finite());
    }
    assert!(std::fs::read_dir(evidence).unwrap().count() > 0);
    let response = run(&quire, &["search", "which chairs", "--collection", "colpali"]);
    assert_eq!(response["plan"], "muvera", "the pipeline's own default");
}

#[test]
fn a_pipeline_that_asks_it_for_anchors_is_told_that_there_are_none() {
    let quire = Quire::new();
    let pdf = quire.add("invoice-2025-0417.pdf");
    let file = quire.docs().join("../anchors.yaml");
    let text = format!("version: 1\nname: anchors\nmodel: {}\nvectors:\n  patches:\n  anchors:\n", model());
    std::fs::write(&file, text).unwrap();
    let error = quire.fails(&["ingest", pdf.to_str().unwrap(), "--pipeline", file.to_str().unwrap()], 2);
    assert!(error.contains("no codebook"), "{error}");
}

#[test]
fn the_model_is_shown_and_checked() {
    let quire = Quire::new();
    let shown = quire.json(&["model", "show", &model()]);
    assert_eq!(
        (&shown["family"], &shown["dim"], &shown["has_codebook"]),
        (&json!("colpali"), &json!(128), &json!(false))
    );
    assert_eq!(quire.json(&["model", "check", &model()])["ok"], true);
}

fn archive(path: &Path) -> NpzArchive<BufReader<File>> {
    NpzArchive::open(path).unwrap()
}

/// Shapes of all arrays.
fn shapes(path: &Path) -> BTreeMap<String, Vec<u64>> {
    let mut archive = archive(path);
    let names: Vec<String> = archive.array_names().map(str::to_owned).collect();
    let shape = |name: String| {
        let shape = archive.by_name(&name).unwrap().unwrap().shape().to_vec();
        (name, shape)
    };
    names.into_iter().map(shape).collect()
}

fn meta(path: &Path) -> Value {
    let texts: Vec<String> = archive(path).by_name("meta").unwrap().unwrap().into_vec().unwrap();
    serde_json::from_str(&texts[0]).unwrap()
}

fn embeddings(path: &Path) -> Vec<f32> {
    archive(path).by_name("embeddings").unwrap().unwrap().into_vec().unwrap()
}

fn shape_of(pairs: &[(&str, &[u64])]) -> BTreeMap<String, Vec<u64>> {
    pairs.iter().map(|(name, shape)| ((*name).to_owned(), shape.to_vec())).collect()
}

#[test]
fn embed_writes_inputs_and_outputs_that_fastembed_would_give() {
    let quire = Quire::new();
    let (page, question) = (quire.docs().join("page.npz"), quire.docs().join("question.npz"));
    let image = fixtures().join("images/down.png");
    let report = quire.json(&["embed", image.to_str().unwrap(), "--model", &model(), "--out", page.to_str().unwrap()]);
    assert_eq!((&report["rows"], &report["dim"]), (&json!(1030), &json!(128)));
    quire.json(&["embed", "--query", "hello world", "--model", &model(), "--out", question.to_str().unwrap()]);
    assert!(!quire.data_dir().exists(), "no data folder is needed");

    let all: &[(&str, &[u64])] = &[
        ("input_ids", &[1, 1030]),
        ("attention_mask", &[1, 1030]),
        ("pixel_values", &[1, 3, 448, 448]),
        ("embeddings", &[1030, 128]),
        ("meta", &[]),
    ];
    assert_eq!(shapes(&page), shape_of(all));
    let meta_of_page = meta(&page);
    assert_eq!((&meta_of_page["model"], &meta_of_page["family"]), (&json!("tiny-colpali"), &json!("colpali")));
    assert_eq!(meta_of_page["token_layout"], json!({"scales": [{"rows": 32, "cols": 32}], "tokens": "0-1023,x6"}));
    let ids: &[(&str, &[u64])] =
        &[("input_ids", &[1, 16]), ("attention_mask", &[1, 16]), ("embeddings", &[16, 128]), ("meta", &[])];
    assert_eq!(shapes(&question), shape_of(ids));
    let meta_of_question = meta(&question);
    assert_eq!(meta_of_question["labels"][1], "Query");
    let own = meta_of_question["from_text"].as_array().unwrap().iter().filter(|own| **own == true).count();
    assert!((1..=6).contains(&own), "{meta_of_question}");

    // The first query of the golden file, whole.
    let golden: Vec<half::f16> =
        archive(&fixtures().join("expected.npz")).by_name("query 0").unwrap().unwrap().into_vec().unwrap();
    let made = embeddings(&question);
    assert_eq!(made.len(), golden.len());
    for (made, golden) in made.iter().zip(golden) {
        assert!((made - golden.to_f32()).abs() < 2e-3, "{made} {golden}");
    }
}

#[test]
fn embed_works_with_the_built_in_model_too() {
    let quire = Quire::new();
    let (page, question) = (quire.docs().join("page.npz"), quire.docs().join("question.npz"));
    let image = repository().join("tests/fixtures/glyph/slide.png");
    quire.json(&["embed", image.to_str().unwrap(), "--out", page.to_str().unwrap()]);
    let shapes_of_page = shapes(&page);
    // The look at full scale, and the smaller ones.
    assert_eq!(shapes_of_page["canvas"], [1, 1, 656, 1152]);
    assert_eq!(
        (&shapes_of_page["canvas_1"][2..], &shapes_of_page["canvas_2"][2..]),
        (&[240, 416][..], &[112, 176][..])
    );
    assert_eq!(shapes_of_page["embeddings"][1], 128);
    quire.json(&["embed", "--query", "office chairs", "--out", question.to_str().unwrap()]);
    assert_eq!(meta(&question)["labels"], json!(["office", "chairs"]));
    assert_eq!(shapes(&question)["embeddings"], [2, 128]);
}

#[test]
fn embed_says_what_is_wrong() {
    let quire = Quire::new();
    let out = quire.docs().join("x.npz");
    let out = out.to_str().unwrap();
    quire.fails(&["embed", "--out", out], 2);
    quire.fails(&["embed", "a.png", "--query", "both", "--out", out], 2);
    assert!(quire.fails(&["embed", "no/such.png", "--out", out], 2).contains("no/such.png"));
    assert!(quire.fails(&["embed", "--query", "??", "--out", out], 2).contains("letter or digit"));
    assert!(!Path::new(out).exists());
}
