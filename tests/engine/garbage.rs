//! One collector; a failure of its work or of any upkeep stops nobody else's.

use quire::blobs::upload_key;
use quire::faults::Fault;
use quire::ledger::Ledger;
use quire::types::{ContentHash, DocumentId};

use crate::{Bench, COLLECTION, away, tenant};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_replaced_goes_from_store_and_blobs() {
    let bench = Bench::new().await;
    bench.add("a.pdf", 3);
    bench.ingest().await;
    bench.add("a.pdf", 1);
    bench.ingest().await;
    assert_eq!((bench.found().await.len(), bench.images().await), (1, 1));
    assert!(bench.ledger.garbage(10).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_that_stays_stops_nobody() {
    let bench = Bench::new().await;
    bench.add("a.pdf", 1);
    bench.ingest().await;
    bench.add("a.pdf", 2);
    bench.submit().await;
    bench.faults.always("blobs.delete", Fault::Fail(away));
    bench.faults.always("store.optimize", Fault::Fail(away));
    // The end of a drain says that something is left; the documents are there all the same.
    assert!(bench.drain().await.is_err());
    assert_eq!(bench.found().await.len(), 2);
    assert_eq!(bench.ledger.garbage(10).await.unwrap().len(), 1);
    bench.faults.clear("blobs.delete");
    assert_eq!(bench.collector.collect().await.unwrap(), 1);
    assert_eq!(bench.images().await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn collectors_that_meet_take_turns() {
    let bench = Bench::new().await;
    for name in ["a.pdf", "b.pdf", "c.pdf"] {
        bench.add(name, 1);
    }
    bench.ingest().await;
    for record in bench.documents().await {
        assert!(bench.ledger.delete(&tenant(), record.document_id).await.unwrap());
    }
    let (one, other) = tokio::join!(bench.collector.collect(), bench.collector.collect());
    assert_eq!(one.unwrap() + other.unwrap(), 3, "each generation is removed once");
    assert_eq!((bench.documents().await.len(), bench.images().await), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_never_became_a_document_are_swept() {
    let bench = Bench::new().await;
    bench.add("a.pdf", 1);
    bench.ingest().await;
    let known = bench.document("a.pdf").await.document_id;
    let unknown = DocumentId::new(&tenant(), COLLECTION, "upload:1/a.pdf");
    let [kept, left] = [known, unknown].map(|document| upload_key(&tenant(), document, &ContentHash::of(b"a")));
    for key in [&kept, &left] {
        bench.blobs.put(key, "a".into()).await.unwrap();
    }
    // What a writer left behind that was killed long ago, and what one is writing now.
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(25 * 60 * 60);
    let staged = ["#1", "#2"].map(|ending| bench.folder.path().join(format!("data/blobs/{kept}{ending}")));
    for file in &staged {
        std::fs::write(file, "half").unwrap();
    }
    std::fs::File::open(&staged[0]).unwrap().set_modified(old).unwrap();
    assert_eq!(bench.collector.sweep_uploads().await.unwrap(), 2);
    assert_eq!(staged.map(|file| file.exists()), [false, true]);
    assert_eq!(bench.blobs.list("uploads").await.unwrap(), [kept]);
    assert_eq!(bench.images().await, 2, "page images are none of its business");
}
