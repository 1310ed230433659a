//! Content that is known under another path is not drawn and embedded again.

use std::collections::BTreeMap;

use quire::faults::Fault;
use quire::ledger::Ledger;
use quire::types::Tenant;

use super::{Bench, away, file_name, tenant};

const FIELD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/field");

fn embedded(bench: &Bench) -> u64 {
    bench.faults.calls("model.embed_page")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_found_as_if_it_had_been_embedded() {
    let bench = Bench::new().await;
    std::fs::copy(format!("{FIELD}/Q13-flate-damaged-page-3.pdf"), bench.docs().join("a.pdf")).unwrap();
    bench.ingest().await;
    let first = bench.document("a.pdf").await;
    let once = embedded(&bench);
    std::fs::copy(bench.docs().join("a.pdf"), bench.docs().join("b.pdf")).unwrap();
    let report = bench.ingest().await;
    assert_eq!((report.indexed, report.pages, embedded(&bench)), (1, 6, once), "{report:?}");
    let second = bench.document("b.pdf").await;
    assert_eq!((second.page_count, &second.notes), (first.page_count, &first.notes), "what is wrong with it is noted");
    let found = bench.found().await;
    let scores = |name: &str| {
        let of_file = found.iter().filter(|hit| file_name(&hit.source) == name);
        of_file.map(|hit| (hit.page, hit.score)).collect::<BTreeMap<_, _>>()
    };
    assert_eq!((scores("a.pdf").len(), scores("a.pdf")), (6, scores("b.pdf")), "the same vectors");
    // each has an image of its own, and goes alone
    std::fs::remove_file(bench.docs().join("a.pdf")).unwrap();
    bench.ledger.delete(&tenant(), first.document_id).await.unwrap();
    bench.collector.collect().await.unwrap();
    assert_eq!(bench.found_pages().await.len(), 6);
    assert_eq!(bench.images().await, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_inside_a_file_is_not_taken_for_the_file() {
    let bench = Bench::new().await;
    std::fs::copy(format!("{FIELD}/P13-portfolio.pdf"), bench.docs().join("a.pdf")).unwrap();
    bench.ingest().await;
    let once = embedded(&bench);
    std::fs::rename(bench.docs().join("a.pdf"), bench.docs().join("b.pdf")).unwrap();
    let report = bench.ingest().await;
    assert_eq!((report.indexed, embedded(&bench)), (2, once), "{report:?}");
    let sizes: Vec<_> = bench
        .documents()
        .await
        .iter()
        .map(|document| (file_name(&document.source.uri).to_owned(), document.title.clone(), document.page_count))
        .collect();
    let of = |file: &str| {
        sizes
            .iter()
            .filter(|size| size.0.starts_with(file))
            .map(|size| (size.1.replace("b.pdf", "a.pdf"), size.2))
            .collect::<Vec<_>>()
    };
    assert_eq!(of("a.pdf"), of("b.pdf"), "{sizes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_gone_or_of_others_is_embedded() {
    let bench = Bench::new().await;
    bench.add("a.pdf", 2);
    bench.ingest().await;
    let once = embedded(&bench);
    // another tenant has the same file
    let other = Tenant("other".into());
    bench.submit_as(&other, "double", &[], false).await;
    bench.drain().await.unwrap();
    assert_eq!(embedded(&bench), once + 2, "nobody profits from what others have");
    // an image is lost
    for key in bench.blobs.list("").await.unwrap() {
        bench.blobs.delete(&key).await.unwrap();
    }
    std::fs::copy(bench.docs().join("a.pdf"), bench.docs().join("b.pdf")).unwrap();
    bench.ingest().await;
    assert_eq!(embedded(&bench), once + 4, "a page without its image is made again");
    // a store that is away is waited for
    std::fs::copy(bench.docs().join("a.pdf"), bench.docs().join("c.pdf")).unwrap();
    bench.faults.on("blobs.get", 1, Fault::Fail(away));
    let report = bench.ingest().await;
    assert_eq!((report.indexed, report.failures.len()), (1, 0), "{report:?}");
}
