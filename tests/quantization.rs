//! The quantization lesson: one collection per kind of quantization, the same pages, the same questions; what is lost
//! without rescoring, and what rescoring and oversampling bring back.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where something is wrong")]

mod common;

use std::collections::BTreeMap;
use std::fs;

use common::{Quire, demo, repository};
use quire::app::{App, Installation, Question};
use quire::config::{Config, Flags};
use serde_json::Value;

/// Name, YAML of the quantization, and the least share of the first five that must survive without rescoring. The shares
/// are what the arithmetic promises (a byte loses almost nothing, a bit loses much), with room for other pages.
const KINDS: [(&str, &str, f64); 7] = [
    ("none", "{type: none}", 1.0),
    ("scalar", "{type: scalar, quantile: 0.99}", 0.9),
    ("binary-one-bit", "{type: binary}", 0.35),
    ("binary-one-bit-scalar-query", "{type: binary, query_encoding: scalar8bits}", 0.4),
    ("binary-two-bits", "{type: binary, encoding: two_bits}", 0.4),
    ("product", "{type: product, ratio: x16}", 0.3),
    ("turbo-four-bits", "{type: turbo, bits: bits4}", 0.8),
];
const DEPTH: usize = 5;

/// First five of each question: page and score.
type Ranking = Vec<Vec<(String, f32)>>;

struct Lesson {
    quire: Quire,
    questions: Vec<String>,
}

impl Lesson {
    fn new() -> Self {
        let facts: Vec<Value> =
            serde_json::from_slice(&fs::read(repository().join("demo/facts.json")).unwrap()).unwrap();
        let questions = facts.iter().take(16).map(|fact| fact["question"].as_str().unwrap().to_owned()).collect();
        Self { quire: Quire::new(), questions }
    }

    /// A collection under that quantization, with every document that has many pages.
    fn ingest(&self, name: &str, quantization: &str) {
        let file = self.quire.docs().join(format!("{name}.yaml"));
        let documents: Vec<String> = ["annual-report-2025.pdf", "instrument-manual.pdf", "product-strategy-deck.pdf"]
            .iter()
            .map(|name| format!("{:?}", demo(name)))
            .collect();
        fs::write(
            &file,
            format!(
                "version: 1\nname: {name}\nsource: {{paths: [{}]}}\n\
                 vectors: {{patches: {{datatype: float32, quantization: {quantization}}}}}\n\
                 retrieve:\n  default_plan: exact\n  plans:\n\
                 \x20   quantized: {{rerank: {{using: patches, params: {{rescore: false}}}}}}\n\
                 \x20   rescored: {{rerank: {{using: patches, params: {{rescore: true}}}}}}\n\
                 \x20   oversampled: {{rerank: {{using: patches, params: {{rescore: true, oversampling: 3.0}}}}}}\n",
                documents.join(", ")
            ),
        )
        .unwrap();
        // So small a collection would be scanned as it is; the threshold makes the engine quantize it.
        let mut command = self.quire.command();
        command.args(["run", file.to_str().unwrap(), "--json"]).env("QUIRE__STORE__INDEXING_THRESHOLD_KB", "100");
        let output = command.output().unwrap();
        let summary: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{name}: {}", String::from_utf8_lossy(&output.stderr)));
        assert_eq!(summary["pages"], 34);
    }

    /// Opens the data folder in this process: many questions, one loaded model.
    async fn open(&self) -> App {
        let flags = Flags { data_dir: Some(self.quire.data_dir()), ..Flags::default() };
        let installation = Installation::of_process_in(common::variables().into_iter().collect());
        let config = Config::load(&flags, installation.environment()).unwrap();
        App::open(config, installation).await.unwrap()
    }

    async fn rank(&self, app: &App, collection: &str, plan: &str) -> Ranking {
        let mut ranking = Vec::new();
        for text in &self.questions {
            let question = Question { plan: Some(plan.to_owned()), ..Question::new(text, collection, DEPTH) };
            let hits = app.scope(quire::types::Tenant("default".into())).search(&question).await.unwrap().hits;
            ranking.push(hits.iter().map(|hit| (format!("{}{}", hit.source, hit.anchor), hit.score)).collect());
        }
        ranking
    }
}

/// Mean share of the first five of `exact` that are among the first five of `other`.
fn overlap(exact: &Ranking, other: &Ranking) -> f64 {
    let shared: usize = exact
        .iter()
        .zip(other)
        .map(|(exact, other)| exact.iter().filter(|(page, _)| other.iter().any(|(found, _)| found == page)).count())
        .sum();
    shared as f64 / exact.iter().map(Vec::len).sum::<usize>() as f64
}

/// Mean relative difference of the best page's score.
fn score_error(exact: &Ranking, other: &Ranking) -> f64 {
    let errors = exact.iter().zip(other).map(|(exact, other)| f64::from((exact[0].1 - other[0].1).abs() / exact[0].1));
    errors.sum::<f64>() / exact.len() as f64
}

#[tokio::test]
async fn quantized_scores_lose_and_rescoring_brings_back() {
    let lesson = Lesson::new();
    for (name, quantization, _) in KINDS {
        lesson.ingest(name, quantization);
    }
    let app = lesson.open().await;
    let exact = lesson.rank(&app, "none", "exact").await;
    assert!(exact.iter().all(|hits| hits.len() == DEPTH));

    let mut kept = BTreeMap::new();
    for (name, _, least) in KINDS {
        // `exact` reads the originals in every collection.
        let originals = lesson.rank(&app, name, "exact").await;
        assert!(score_error(&exact, &originals) < 1e-4, "{name}: the originals score differently");
        let quantized = lesson.rank(&app, name, "quantized").await;
        let rescored = lesson.rank(&app, name, "rescored").await;
        let oversampled = lesson.rank(&app, name, "oversampled").await;
        let shares = [&quantized, &rescored, &oversampled].map(|ranking| overlap(&exact, ranking));
        println!(
            "{name:<28} without rescoring {:.3}, rescored {:.3}, oversampled {:.3}; score error {:.2e} and {:.2e}",
            shares[0],
            shares[1],
            shares[2],
            score_error(&exact, &quantized),
            score_error(&exact, &rescored),
        );
        assert!(shares[0] >= least, "{name} keeps {:.3} of the first five, at least {least} was expected", shares[0]);
        if name == "none" {
            assert_eq!(shares, [1.0; 3]);
        } else {
            assert!(score_error(&exact, &quantized) > 1e-6, "{name}: the quantized copies were not used");
        }
        // Rescored scores are those of the originals, and more candidates to rescore never lose.
        let same_scores = rescored.iter().zip(&exact).all(|(rescored, exact)| {
            rescored.iter().all(|(page, score)| {
                exact.iter().find(|(known, _)| known == page).is_none_or(|(_, known)| (known - score).abs() < 1e-3)
            })
        });
        assert!(same_scores, "{name}: rescored pages do not have the originals' scores");
        assert!(shares[2] >= shares[0] && shares[2] >= shares[1], "{name}: oversampling lost pages: {shares:?}");
        assert!(shares[2] >= 0.9, "{name}: {shares:?}");
        kept.insert(name, shares[0]);
    }
    assert!(kept["scalar"] >= kept["binary-one-bit"], "a byte keeps no less than a bit: {kept:?}");
    app.close().await;
}
