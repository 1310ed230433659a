//! Pages like those that people index, each with three words that stand nowhere else: the built-in model and the default plan
//! have the page first for them, among the demo's documents and each other.
//!
//! `tests/fixtures/field/letters.jsonl` names them: letters that are large or small for their page, long pages, pages that
//! lie on their side.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where something is wrong")]

mod common;

use common::{Quire, repository, source_name};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    file: String,
    question: String,
    page: u64,
    /// What is difficult about it.
    what: String,
}

#[test]
fn words_are_found_whatever_the_size_of_their_letters() {
    let folder = repository().join("tests/fixtures/field");
    let text = std::fs::read_to_string(folder.join("letters.jsonl")).unwrap();
    let cases: Vec<Case> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(cases.len() >= 10);

    let quire = Quire::new();
    let paths = cases.iter().map(|case| folder.join(&case.file));
    let paths: Vec<_> = paths.chain([repository().join("demo/documents")]).collect();
    let named = paths.iter().map(|path| path.to_str().unwrap());
    let arguments: Vec<&str> = std::iter::once("ingest").chain(named).collect();
    let summary = quire.json(&arguments);
    assert_eq!(summary["documents"]["failed"], 0, "{summary}");

    let mut missed = Vec::new();
    // The demo's own cover has its title in large letters too.
    let (file, question, what) = ("product-strategy-deck.pdf", "Pier to Pocket", "a cover");
    let cover = Case { file: file.into(), question: question.into(), page: 1, what: what.into() };
    for Case { file, question, page, what } in cases.iter().chain([&cover]) {
        let hit = &quire.json(&["search", question, "--limit", "1"])["hits"][0];
        if source_name(hit) != *file || hit["page"] != *page {
            missed.push(format!("{file} ({what}): {} page {}", source_name(hit), hit["page"]));
        }
    }
    assert!(missed.is_empty(), "other pages came first: {missed:#?}");
}
