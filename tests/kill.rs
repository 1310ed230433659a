//! Kill -9 in the middle of an ingest, again and again: afterwards every document is complete, once.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where something is wrong")]

mod common;

use std::process::Stdio;
use std::time::Duration;

use common::Quire;

/// Moments at which the ingest is killed.
const KILLS: u32 = 50;

#[test]
fn killed_fifty_times_every_document_is_complete_once() {
    let quire = Quire::new();
    let documents = [
        ("annual-report-2025.pdf", 13),
        ("product-strategy-deck.pdf", 10),
        ("instrument-manual.pdf", 11),
        ("invoice-2025-0417.pdf", 1),
        ("fax.tiff", 2),
        ("site-notice.png", 1),
    ];
    for (name, _) in documents {
        quire.add(name);
    }
    // Moments spread over a whole run, in an order that mixes early and late ones (golden ratio), never the same twice. A
    // run that ends before its moment has indexed everything: it is made to begin anew, which kills replacements as well.
    let whole_run = Duration::from_millis(6_000);
    let mut killed = 0;
    let mut ended = 0;
    let mut fraction = 0.0_f64;
    while killed < KILLS {
        assert!(ended < 4 * KILLS, "runs end before they can be killed: {killed} kills in {ended} runs");
        fraction = (fraction + 0.618_033_988_75) % 1.0;
        let mut arguments = vec!["ingest".to_owned(), quire.docs().display().to_string()];
        // After everything was indexed there is nothing to interrupt: force it to be done again.
        if ended > 0 {
            arguments.push("--force".into());
        }
        let mut child = quire.command().args(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        match wait_for(&mut child, whole_run.mul_f64(fraction)) {
            Some(status) => {
                assert!(status.success(), "an ingest failed after {killed} kills: {status}");
                ended += 1;
            }
            None => {
                child.kill().unwrap();
                child.wait().unwrap();
                killed += 1;
            }
        }
    }

    let summary = quire.ingest();
    assert_eq!(summary["documents"]["failed"], 0, "{summary}");
    let listed = quire.documents();
    assert_eq!(listed.len(), documents.len());
    assert!(listed.iter().all(|document| document["state"] == "indexed"), "{listed:#?}");
    for (name, pages) in documents {
        let document = listed.iter().find(|document| common::source_name(document) == name).unwrap();
        assert_eq!(document["page_count"], pages, "{name}");
        assert_eq!(document["failed_pages"].as_array().unwrap().len(), 0, "{name}");
    }
    let expected: u64 = documents.iter().map(|(_, pages)| pages).sum();
    assert_eq!(quire.json(&["status"])["collections"][0]["pages"], expected, "points in the store");

    // Found, each page once, with its image.
    let hits = quire.json(&["search", "the", "--plan", "exact", "--limit", "100"]);
    let mut pages: Vec<(String, u64)> = hits["hits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hit| {
            assert!(std::fs::metadata(hit["image"].as_str().unwrap()).unwrap().len() > 0);
            (common::source_name(hit), hit["page"].as_u64().unwrap())
        })
        .collect();
    let found = pages.len() as u64;
    pages.sort();
    pages.dedup();
    assert_eq!((found, pages.len() as u64), (expected, expected), "each page exactly once");
}

/// The exit status, where the child ends within `limit`.
fn wait_for(child: &mut std::process::Child, limit: Duration) -> Option<std::process::ExitStatus> {
    let end = std::time::Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        let left = end.checked_duration_since(std::time::Instant::now())?;
        std::thread::sleep(left.min(Duration::from_millis(5)));
    }
}
