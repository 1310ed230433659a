//! Two tenants in one collection: no call shows one of them anything of the other.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use quire::app::{App, EvalRequest, IngestRequest, Installation, Question, Scope};
use quire::config::{Config, Environment, Flags, Pipeline};
use quire::embed::Embedder;
use quire::embed::double::ModelDouble;
use quire::faults::Faults;
use quire::ledger::{DocumentFilter, Ledger};
use quire::retrieve::PageFilter;
use quire::source::Discover;
use quire::store::Filter;
use quire::types::{PointId, Tenant};
use tokio_util::sync::CancellationToken;

use crate::{Bench, COLLECTION, common, tenant};

#[tokio::test(flavor = "multi_thread")]
async fn no_read_shows_another_tenants_documents() {
    let bench = Bench::new().await;
    bench.add("a.pdf", 2);
    bench.ingest().await;
    let other = Tenant("rival".into());
    bench.submit_as(&other, "double", &[], false).await;
    bench.drain().await.unwrap();

    let physical = bench.collections.active(COLLECTION).await.unwrap().physical;
    let mine = bench.document("a.pdf").await;
    let generation = mine.visible.clone().unwrap();
    // The same file of both is two documents.
    let theirs = bench.ledger.documents(&other, &DocumentFilter::default()).await.unwrap().documents.remove(0);
    assert_ne!(mine.document_id, theirs.document_id);

    // ledger
    assert_eq!(bench.ledger.document(&other, mine.document_id).await.unwrap(), None);
    assert!(bench.ledger.visible(&other, &[mine.document_id]).await.unwrap().is_empty());
    assert_eq!(bench.ledger.counts(&other, None).await.unwrap().values().sum::<u64>(), 1);
    assert!(!bench.ledger.delete(&other, mine.document_id).await.unwrap());
    // store
    let id = PointId::new(mine.document_id, &generation, 1);
    assert_eq!(bench.store.retrieve(&physical, &tenant(), &[id], &[]).await.unwrap().len(), 1);
    assert!(bench.store.retrieve(&physical, &other, &[id], &[]).await.unwrap().is_empty());
    assert_eq!(bench.store.count(&physical, &Filter::of(&other)).await.unwrap(), 2);
    // retrieval
    for (tenant, document) in [(&tenant(), mine.document_id), (&other, theirs.document_id)] {
        let hits = bench.found_by(tenant, PageFilter::default()).await;
        assert_eq!(hits.len(), 2);
        assert!(hits.iter().all(|hit| hit.document_id == document));
        let wanted = PageFilter { documents: vec![mine.document_id, theirs.document_id], ..PageFilter::default() };
        assert!(bench.found_by(tenant, wanted).await.iter().all(|hit| hit.document_id == document));
    }
    // page images
    let key = bench.found().await[0].detail.image_key.clone();
    assert!(bench.blobs.get(&tenant(), &key).await.is_ok());
    assert!(bench.blobs.get(&other, &key).await.is_err());
}

async fn ingest(scope: &Scope<'_>, folder: &Path, pipeline: &Pipeline) {
    let request = IngestRequest {
        paths: vec![folder.to_owned()],
        discover: Discover::default(),
        pipeline: Some(pipeline.clone()),
        collection: COLLECTION.into(),
        priority: Default::default(),
        tags: BTreeMap::new(),
        // Deletes what is gone: of this tenant's own documents.
        prune: true,
        prune_anyway: true,
        force: false,
    };
    assert_eq!(scope.ingest(request, &CancellationToken::new()).await.unwrap().documents.indexed, 1);
}

/// Every call that a scope has, with a document of the other tenant whose name nobody else may ever read.
#[tokio::test(flavor = "multi_thread")]
async fn every_call_of_a_scope_stays_within_it() {
    let folder = tempfile::tempdir().unwrap();
    let flags = Flags { data_dir: Some(folder.path().join("data")), ..Flags::default() };
    let installation = Installation::of_process_in(common::variables().into_iter().collect())
        .drawing_with(env!("CARGO_BIN_EXE_quire").into());
    let app = App::open(Config::load(&flags, &Environment::default()).unwrap(), installation).await.unwrap();
    app.models().put("double", Embedder::of(Arc::new(ModelDouble::new(Faults::none()))));
    let file = folder.path().join("pipeline.yaml");
    std::fs::write(&file, "version: 1\nname: test\nmodel: double\nvectors:\n  patches:\n  text:\n").unwrap();
    let pipeline = Pipeline::load(&file, app.config(), &Environment::default()).unwrap();
    for canary in ["acme", "rival"] {
        let own = folder.path().join(canary);
        std::fs::create_dir(&own).unwrap();
        std::fs::write(own.join(format!("canary-{canary}.pdf")), common::blank_pdf(2, 90, 70)).unwrap();
        ingest(&app.scope(Tenant(canary.into())), &own, &pipeline).await;
    }
    let question = Question { explain: true, ..Question::new("anything at all", COLLECTION, 50) };
    for (own, other) in [("acme", "rival"), ("rival", "acme")] {
        let (scope, others) = (app.scope(Tenant(own.into())), app.scope(Tenant(other.into())));
        let theirs = others.find_document(&format!("canary-{other}.pdf")).await.unwrap();
        let their_search = others.search(&question).await.unwrap();
        let canary = format!("canary-{other}");
        let silent = |what: &str, said: String| assert!(!said.contains(&canary), "{what} of {own} says: {said}");

        let found = scope.search(&question).await.unwrap();
        assert_eq!(found.hits.len(), 2);
        silent("search", serde_json::to_string(&found).unwrap());
        silent("ask", serde_json::to_string(&scope.ask(&question).await.unwrap()).unwrap());
        let all = scope.documents(&DocumentFilter::default()).await.unwrap();
        assert_eq!((all.documents.len(), all.next_cursor), (1, None));
        silent("documents", serde_json::to_string(&all.documents).unwrap());
        assert_eq!(scope.all_documents(&DocumentFilter::default()).await.unwrap().len(), 1);
        silent("status", serde_json::to_string(&scope.status().await.unwrap().collections).unwrap());
        assert_eq!(scope.status().await.unwrap().collections[0].pages, 2);
        for name in [format!("canary-{other}.pdf"), theirs.document_id.to_string(), theirs.source.uri.clone()] {
            scope.find_document(&name).await.unwrap_err();
        }
        assert!(scope.stored_page(&theirs, 1).await.is_err());
        assert!(others.stored_page(&theirs, 1).await.is_ok());
        assert!(scope.evidence(COLLECTION, &their_search.hits[0], &found.question).await.is_err());
        assert!(others.evidence(COLLECTION, &their_search.hits[0], &found.question).await.is_ok());
        let line = format!(r#"{{"question": "anything", "kind": "k", "document": "canary-{other}.pdf", "page": 1}}"#);
        std::fs::write(folder.path().join("questions.jsonl"), line).unwrap();
        let set = EvalRequest { set: folder.path().into(), collection: COLLECTION.into(), plans: vec!["exact".into()] };
        let report = scope.evaluate(&set).await.unwrap();
        assert_eq!((report.left_out, report.pages), (1, 2), "another tenant's document is not indexed for this one");
        assert!(!scope.delete_document(theirs.document_id).await.unwrap());
    }
    assert_eq!(app.scope(Tenant("acme".into())).search(&question).await.unwrap().hits.len(), 2);
    app.close().await;
}
