//! Where on a page a question is answered, with the built-in model on the demo's documents: a PDF, a scan, a picture.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where something is wrong")]

mod common;

use std::collections::BTreeSet;

use common::{Quire, source_name};
use quire::app::{App, HeatmapRequest, Installation};
use quire::config::{Config, Environment, Flags};
use quire::types::{DocumentId, Tenant};
use serde_json::Value;

const SCAN: &str = "How long is the crack in the hinge pin?";

fn side(region: &Value, name: &str) -> f64 {
    region[name].as_f64().unwrap()
}

/// Whether a point of the page lies in a region.
fn holds(region: &Value, x: f64, y: f64) -> bool {
    side(region, "left") <= x && x <= side(region, "right") && side(region, "top") <= y && y <= side(region, "bottom")
}

async fn open(quire: &Quire) -> App {
    let file = quire.docs().join("quire.yaml");
    std::fs::write(&file, "version: 1\n").unwrap();
    let flags = Flags { config: Some(file), data_dir: Some(quire.data_dir()), ..Flags::default() };
    let installation = Installation::of_process_in(common::variables().into_iter().collect());
    App::open(Config::load(&flags, &Environment::default()).unwrap(), installation).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn hits_and_citations_say_where_they_answer_and_any_page_has_its_heat() {
    let quire = Quire::new();
    let documents = ["invoice-HC-88231.pdf", "scanned-letter.pdf", "site-notice.png"];
    documents.iter().for_each(|name| drop(quire.add(name)));
    quire.ingest();

    // the best region of the invoice is the row of the table
    let found = quire.json(&["search", "marine gas oil delivered to the Tarrow Lass", "--limit", "3"]);
    let hits = found["hits"].as_array().unwrap();
    assert_eq!(source_name(&hits[0]), "invoice-HC-88231.pdf");
    for hit in hits {
        let relevance = hit["relevance"].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&relevance), "{relevance}");
        for region in hit["regions"].as_array().unwrap() {
            let [left, top, right, bottom, score] =
                ["left", "top", "right", "bottom", "score"].map(|name| side(region, name));
            assert!(0.0 <= left && left < right && right <= 1.0 && 0.0 <= top && top < bottom && bottom <= 1.0);
            assert!(score > 0.0 && score <= 1.0, "{region}");
        }
    }
    let relevances: Vec<f64> = hits.iter().map(|hit| hit["relevance"].as_f64().unwrap()).collect();
    assert!(relevances[0] > relevances[2] && relevances[0] > 0.7, "{relevances:?}");

    // on a scan there is only ink
    let answer = quire.json(&["ask", "What does the notice say about cars, vans and lorries?"]);
    for citation in answer["citations"].as_array().unwrap() {
        assert!(citation["regions"].is_array() && citation["relevance"].is_number(), "{citation}");
    }
    let found = quire.json(&["search", SCAN, "--document", "scanned-letter.pdf", "--pages", "1", "--limit", "1"]);
    let letter = &found["hits"][0];
    let best = &letter["regions"][0];
    let (wide, high) = (side(best, "right") - side(best, "left"), side(best, "bottom") - side(best, "top"));
    assert!(wide > 0.1 && high < 0.2, "a few lines of the letter: {best}");

    let app = open(&quire).await;
    let scope = app.scope(Tenant("default".into()));
    let document: DocumentId = letter["document_id"].as_str().unwrap().parse().unwrap();
    let request = HeatmapRequest { document, page: 1, question: SCAN.into(), collection: None };
    let heat = scope.heatmap(&request).await.unwrap();
    let words: Vec<&str> = heat.tokens.iter().map(|token| token.text.as_str()).collect();
    assert!(words.contains(&"crack") && words.contains(&"pin") && heat.left_out.is_empty(), "{words:?}");
    let crack = heat.tokens.iter().find(|token| token.text == "crack").unwrap();
    let mark = crack.boxes.first().expect("the word stands on the page");
    // as text: a number of half the width has other digits as a value
    let json: serde_json::Value = serde_json::from_str(&serde_json::to_string(&heat).unwrap()).unwrap();
    assert_eq!(json["boxes"], letter["regions"], "what the hit says");
    let middle = (f64::from(mark.left + mark.right) / 2.0, f64::from(mark.top + mark.bottom) / 2.0);
    let near = letter["regions"].as_array().unwrap().iter().any(|region| holds(region, middle.0, middle.1));
    assert!(near, "a word of the question stands in one of its regions");
    assert!(mark.bottom - mark.top < 0.03 && mark.right - mark.left < 0.2, "a word, not a line: {mark:?}");

    // a page that is no hit of the question, and one of another kind
    let second = HeatmapRequest { page: 2, ..request.clone() };
    assert_eq!(scope.heatmap(&second).await.unwrap().page, 2);
    let png = scope.heatmap_png(&request, Some(crack.index)).await.unwrap();
    let overlay = image::load_from_memory(&png).unwrap().into_rgba8();
    assert!(overlay.height() == 1024 && overlay.width() < 1024);
    let opaque: BTreeSet<u8> = overlay.pixels().map(|pixel| pixel.0[3]).collect();
    assert!(opaque.contains(&0) && opaque.len() > 20, "soft edges: {} steps", opaque.len());

    let none = HeatmapRequest { page: 9, ..request.clone() };
    assert!(scope.heatmap(&none).await.unwrap_err().to_string().contains("has no page 9"));
    let elsewhere = HeatmapRequest { collection: Some("other".into()), ..request.clone() };
    assert!(scope.heatmap(&elsewhere).await.unwrap_err().to_string().contains("there is no document"));
    let theirs = app.scope(Tenant("other".into()));
    assert!(theirs.heatmap(&request).await.unwrap_err().to_string().contains("there is no document"));
    let empty = HeatmapRequest { question: " ".into(), ..request };
    assert!(scope.heatmap(&empty).await.unwrap_err().to_string().contains("question is empty"));
    app.close().await;
}
