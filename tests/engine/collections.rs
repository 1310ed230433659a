//! A changed recipe is built beside the old one; vectors that are not the ledger's are noticed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use quire::faults::Fault;
use quire::ledger::{Ledger, State, Switch};
use tokio::sync::Semaphore;

use crate::{Bench, COLLECTION, Setup, away};

async fn models_of_hits(bench: &Bench) -> BTreeSet<String> {
    let build = bench.collections.active(COLLECTION).await.unwrap();
    BTreeSet::from([build.definition.model_name.clone()])
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_go_to_the_old_build_until_the_new_one_is_complete() {
    let bench = Bench::new().await;
    for name in ["a.pdf", "b.pdf"] {
        bench.add(name, 2);
    }
    bench.ingest().await;
    let old = models_of_hits(&bench).await;

    // One more file under another model: every document is built again, the old ones beside what people see.
    bench.add("c.pdf", 1);
    bench.submit_with("newer", &[], false).await;
    let held = Arc::new(Semaphore::new(0));
    bench.faults.always("model.embed_page", Fault::Hold(held.clone()));
    let embedded = bench.faults.calls("model.embed_page");
    tokio::join!(async { bench.drain().await.unwrap() }, async {
        held.add_permits(3);
        bench.until_called("model.embed_page", embedded + 4).await;
        assert_eq!(models_of_hits(&bench).await, old);
        assert_eq!(bench.found_pages().await.len(), 4, "what was found before is found, and nothing of the new build");
        held.add_permits(100);
    });
    assert_ne!(models_of_hits(&bench).await, old);
    assert_eq!(bench.found_pages().await.len(), 5);
    assert_eq!(bench.store.collections().await.unwrap().len(), 1, "the old build is gone");
    assert_eq!(bench.images().await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_would_lose_documents_does_not_take_over_by_itself() {
    let bench = Bench::new().await;
    bench.add("a.pdf", 1);
    bench.add("b.pdf", 1);
    bench.ingest().await;
    fs::remove_file(bench.docs().join("b.pdf")).unwrap();
    bench.submit_with("newer", &[], false).await;
    let report = bench.drain().await.unwrap();
    assert_eq!(report.not_switched.len(), 1);
    assert_eq!(bench.found_pages().await.len(), 2, "both are found, in the old build");
    assert_eq!(bench.ledger.switch(COLLECTION, true).await.unwrap(), Switch::Switched);
    assert_eq!(bench.found_pages().await, [("a.pdf".to_owned(), 1)]);
    bench.collector.collect().await.unwrap();
    assert_eq!(bench.store.collections().await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn going_back_gives_the_new_build_up() {
    let bench = Bench::new().await;
    bench.add("a.pdf", 1);
    bench.ingest().await;
    bench.submit_with("newer", &[], false).await;
    // Nothing was worked on; the next run wants the old recipe again.
    assert_eq!(bench.submit().await.unchanged, 1);
    bench.drain().await.unwrap();
    assert_eq!(bench.found_pages().await.len(), 1);
    let active = bench.collections.active(COLLECTION).await.unwrap().physical;
    assert_eq!(bench.store.collections().await.unwrap(), [active]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collections_own_name_stays_free_for_an_alias() {
    let bench = Bench::new().await;
    bench.add("a.pdf", 1);
    bench.ingest().await;
    let physical = bench.collections.active(COLLECTION).await.unwrap().physical;
    assert!(physical.starts_with(&format!("{COLLECTION}--")), "{physical}");
    assert_eq!(bench.faults.calls("store.publish"), 1, "the name leads to the first build before the first page");
}

/// Whoever switched builds may have died before the name of the collection led to the new one.
#[tokio::test(flavor = "multi_thread")]
async fn no_build_is_dropped_while_the_collections_name_leads_to_it() {
    let bench = Bench::new().await;
    bench.add("a.pdf", 1);
    bench.ingest().await;
    bench.faults.always("store.publish", Fault::Fail(away));
    bench.submit_with("newer", &[], false).await;
    // The switch is the ledger's; what follows it fails here.
    let _ = bench.drain().await;
    assert_eq!(bench.store.collections().await.unwrap().len(), 2, "the old build is there as long as its name is");
    assert_eq!(bench.found_pages().await.len(), 1);
    bench.faults.clear("store.publish");
    bench.collector.collect().await.unwrap();
    let active = bench.collections.active(COLLECTION).await.unwrap().physical;
    assert_eq!(bench.store.collections().await.unwrap(), [active]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_made_and_never_written_down_is_removed() {
    let bench = Bench::new().await;
    bench.add("a.pdf", 1);
    bench.faults.on("ledger.define", 1, Fault::Fail(away));
    let pipeline = bench.pipeline("double");
    assert!(bench.collections.define(COLLECTION, Some(&pipeline), &pipeline).await.is_err());
    assert_eq!(bench.store.collections().await.unwrap().len(), 1);
    bench.ingest().await;
    let active = bench.collections.active(COLLECTION).await.unwrap().physical;
    assert_eq!(bench.store.collections().await.unwrap(), [active]);
}

fn vectors(folder: &Path) -> std::path::PathBuf {
    folder.join("data/vectors")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_vectors_are_noticed_and_made_again() {
    let bench = Bench::new().await;
    bench.add("a.pdf", 2);
    bench.ingest().await;
    let folder = bench.close().await;
    fs::remove_dir_all(vectors(folder.path())).unwrap();
    let bench = Bench::in_folder(folder, Setup::default()).await;
    let error = bench.collections.active(COLLECTION).await.err().expect("questions are not asked of nothing");
    assert!(error.to_string().contains("quire ingest"), "{error}");
    bench.submit().await;
    assert_eq!(bench.document("a.pdf").await.state, State::Queued);
    assert_eq!(bench.drain().await.unwrap().indexed, 1);
    assert_eq!(bench.found_pages().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_copy_of_earlier_vectors_is_noticed() {
    let bench = Bench::new().await;
    bench.add("a.pdf", 1);
    bench.ingest().await;
    let folder = bench.close().await;
    let backup = folder.path().join("backup");
    copy(&vectors(folder.path()), &backup);
    let bench = Bench::in_folder(folder, Setup::default()).await;
    bench.add("b.pdf", 1);
    bench.ingest().await;
    let folder = bench.close().await;
    fs::remove_dir_all(vectors(folder.path())).unwrap();
    copy(&backup, &vectors(folder.path()));
    let bench = Bench::in_folder(folder, Setup::default()).await;
    assert!(bench.collections.active(COLLECTION).await.is_err(), "b.pdf is missing in it, and nobody would know");
    assert_eq!(bench.ingest().await.indexed, 2);
    assert_eq!(bench.found_pages().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_vectors_of_another_installation_are_noticed() {
    let other = Bench::new().await;
    other.add("x.pdf", 1);
    other.ingest().await;
    let theirs = other.close().await;
    let bench = Bench::new().await;
    bench.add("a.pdf", 1);
    bench.ingest().await;
    let folder = bench.close().await;
    fs::remove_dir_all(vectors(folder.path())).unwrap();
    copy(&vectors(theirs.path()), &vectors(folder.path()));
    let bench = Bench::in_folder(folder, Setup::default()).await;
    assert!(bench.collections.active(COLLECTION).await.is_err());
    assert_eq!(bench.ingest().await.indexed, 1);
    assert_eq!(bench.found_pages().await, [("a.pdf".to_owned(), 1)]);
}
