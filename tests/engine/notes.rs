//! What is wrong with a document travels from the renderer to the ledger; documents inside documents are documents of their own.

use quire::ledger::State;

use super::{Bench, file_name};

const FIELD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/field");

fn put(bench: &Bench, name: &str) {
    std::fs::copy(format!("{FIELD}/{name}"), bench.docs().join(name)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_page_is_noted_and_every_run_says_so() {
    let bench = Bench::new().await;
    put(&bench, "Q13-flate-damaged-page-3.pdf");
    let report = bench.ingest().await;
    assert_eq!((report.indexed, report.pages, report.notes.len()), (1, 6, 1), "{report:?}");
    let (document, note) = &report.notes[0];
    assert!(note.lost && note.page == Some(3) && note.reason.contains("damaged"), "{note:?}");
    assert_eq!(file_name(&document.source.uri), "Q13-flate-damaged-page-3.pdf");
    assert_eq!(bench.document("Q13-flate-damaged-page-3.pdf").await.notes, std::slice::from_ref(note));
    let again = bench.submit().await;
    assert_eq!((again.unchanged, again.notes.len()), (1, 1), "unchanged does not hide it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pdf_inside_a_portfolio_is_a_document_that_goes_with_it() {
    let bench = Bench::new().await;
    put(&bench, "P13-portfolio.pdf");
    let report = bench.ingest().await;
    assert_eq!((report.indexed, report.failures.len(), report.notes.len()), (2, 0, 0), "{report:?}");
    let inside = bench.document("offer.pdf").await;
    assert!(inside.source.uri.ends_with("P13-portfolio.pdf#attachment=offer.pdf"), "{}", inside.source.uri);
    assert_eq!((inside.state, inside.page_count), (State::Indexed, 1));
    assert_eq!(bench.found_pages().await.len(), 2);
    assert_eq!(bench.ingest().await.indexed, 0, "nothing is done twice");

    // the same name for a file without anything inside
    let other = std::fs::read(format!("{FIELD}/P17-hyphen-at-line-end.pdf")).unwrap();
    std::fs::write(bench.docs().join("P13-portfolio.pdf"), other).unwrap();
    bench.ingest().await;
    assert_eq!(bench.found_pages().await.len(), 1, "what is in it no more is found no more");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_differ_in_how_accents_are_written_are_one() {
    let bench = Bench::new().await;
    bench.add("cafe\u{301}.pdf", 1);
    assert_eq!(bench.ingest().await.indexed, 1);
    std::fs::rename(bench.docs().join("cafe\u{301}.pdf"), bench.docs().join("caf\u{e9}.pdf")).unwrap();
    let comparison = bench.submit().await;
    assert_eq!((comparison.unchanged, comparison.queued.len()), (1, 0));
    assert_eq!(bench.documents().await.len(), 1);
}
