//! Vectors of filled collections, in process (beside) and on a server (in place).

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{DeriveHow, Deriver};
use crate::app::App;
use crate::app::collections::Collections;
use crate::app::testing::{
    COLLECTION, DIM, clear, close, define, document, index, opened, patches, pipeline, server, submission, tenant,
};
use crate::config::Server;
use crate::derive::muvera::Muvera;
use crate::error::{Error, Kind};
use crate::faults::{Fault, Faults};
use crate::ledger::{Claim, State, Submitted};
use crate::store::faulty::FaultyStore;
use crate::types::{DocumentId, FdeSettings, NamedVector, PointId, Tenant, VectorName};

/// Documents and their pages, by tenant.
const DOCUMENTS: [(&str, u64, u32); 5] =
    [("acme", 1, 3), ("acme", 2, 20), ("globex", 3, 1), ("acme", 4, 7), ("globex", 5, 9)];
const PAGES: u64 = 40;

async fn filled(app: &App) -> Vec<(Tenant, DocumentId, u64, u32)> {
    define(app, &["patches"]).await;
    let mut documents = Vec::new();
    for (name, number, pages) in DOCUMENTS {
        documents.push((tenant(name), index(app, &tenant(name), number, pages).await, number, pages));
    }
    documents
}

fn go() -> CancellationToken {
    CancellationToken::new()
}

/// Everything of the vector is there, right, and what people see is whole.
async fn check_added(app: &App, documents: &[(Tenant, DocumentId, u64, u32)]) {
    let build = app.collections.active(COLLECTION).await.unwrap();
    assert!(build.definition.transit.is_empty());
    assert!(build.definition.plan(Some("muvera")).is_ok());
    let muvera = Muvera::new(DIM, &FdeSettings::default()).unwrap();
    for (tenant, id, number, pages) in documents {
        let record = document(app, tenant, *id).await;
        assert_eq!((record.state, record.page_count), (State::Indexed, *pages));
        assert_eq!(record.recipe, build.definition.recipe);
        let generation = record.visible.expect("people see it");
        for page in 1..=*pages {
            let point = PointId::new(*id, &generation, page);
            let names = [VectorName::Patches, VectorName::Fde];
            let stored = app.store.retrieve(&build.physical, tenant, &[point], &names).await.unwrap().remove(0);
            let expected = patches(*number, page).0;
            assert_eq!(stored.vectors[&VectorName::Fde], NamedVector::Dense(muvera.document(&expected).unwrap()));
            assert_eq!(stored.vectors[&VectorName::Patches], NamedVector::Multi(expected));
            assert_eq!(stored.payload.recipe, build.definition.recipe);
            let image = app.blobs.get(tenant, &stored.payload.image).await.unwrap();
            assert_eq!(image, format!("image of page {page}"));
        }
        // The same version is known under the new recipe.
        let again = app.ledger.submit(&submission(tenant, *number)).await.unwrap();
        assert_eq!(again, Submitted::Unchanged(Vec::new()));
    }
    assert!(app.ledger.retired().await.unwrap().is_empty());
    assert!(app.ledger.garbage(10).await.unwrap().is_empty());
}

async fn a_vector_comes_and_goes(server: Option<&Server>, how: DeriveHow) {
    let folder = tempfile::tempdir().unwrap();
    let app = opened(&folder, server).await;
    let documents = filled(&app).await;
    let deriver = app.deriver();
    let report = deriver.add(COLLECTION, VectorName::Fde, None, &go()).await.unwrap();
    assert_eq!((report.how, report.pages, report.documents_left), (how, PAGES, 0), "{report:?}");
    assert!(report.plans.contains(&"muvera".to_owned()), "{report:?}");
    check_added(&app, &documents).await;
    // A pipeline that asks for what there is now finds it there; one document more brings the vector along.
    let (build, resubmitted) = define(&app, &["patches", "fde"]).await;
    assert_eq!((build.physical.clone(), resubmitted), (app.collections.active(COLLECTION).await.unwrap().physical, 0));
    let again = deriver.add(COLLECTION, VectorName::Fde, None, &go()).await.unwrap();
    assert_eq!((again.how, again.pages), (DeriveHow::Nothing, 0));
    drop(deriver);
    close(app).await;

    // Another process finds everything as it should.
    let app = opened(&folder, server).await;
    check_added(&app, &documents).await;
    let gone = app.deriver().drop(COLLECTION, VectorName::Fde, &go()).await.unwrap();
    assert_eq!((gone.how, gone.plans), (how, vec!["exact".to_owned(), "frugal".to_owned()]));
    let build = app.collections.active(COLLECTION).await.unwrap();
    let (tenant, id, ..) = &documents[0];
    let generation = document(&app, tenant, *id).await.visible.unwrap();
    let point = PointId::new(*id, &generation, 1);
    let names = [VectorName::Patches];
    assert_eq!(app.store.retrieve(&build.physical, tenant, &[point], &names).await.unwrap()[0].vectors.len(), 1);
    let error = app.store.retrieve(&build.physical, tenant, &[point], &[VectorName::Fde]).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Configuration, "{error}");
    assert_eq!(define(&app, &["patches"]).await.1, 0, "it is as it was made");
    clear(&app).await;
    close(app).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vector_comes_and_goes_beside() {
    a_vector_comes_and_goes(None, DeriveHow::Beside).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vector_comes_and_goes_in_place() {
    let Some(server) = server() else { return };
    a_vector_comes_and_goes(Some(&server), DeriveHow::InPlace).await;
}

/// A deriver over a store that fails when told.
fn failing(app: &App, faults: &Faults) -> Deriver {
    let store = Arc::new(FaultyStore { inner: app.store.clone(), faults: faults.clone() });
    let collections = Collections::new(store, app.ledger.clone(), app.models.clone());
    Deriver::new(Arc::new(collections), app.collector.clone(), app.blobs.clone())
}

fn away() -> Error {
    Error::transient("the store is away")
}

/// Wherever it is cut off, questions go on, and the same call goes on with it.
async fn it_is_taken_up_where_it_was_cut_off(server: Option<&Server>, calls: &[(&'static str, u64)]) {
    for (call, nth) in calls {
        let folder = tempfile::tempdir().unwrap();
        let app = opened(&folder, server).await;
        let documents = filled(&app).await;
        let faults = Faults::none();
        faults.on(call, *nth, Fault::Fail(away));
        let cut = failing(&app, &faults).add(COLLECTION, VectorName::Fde, None, &go()).await;
        assert!(cut.unwrap_err().to_string().contains("is away"), "{call}");
        close(app).await;

        let app = opened(&folder, server).await;
        let build = app.collections.active(COLLECTION).await.unwrap();
        assert!(build.definition.plan(None).is_ok(), "questions go on");
        assert!(build.definition.plan(Some("muvera")).is_err(), "and ask nothing of what is not there");
        let report = app.deriver().add(COLLECTION, VectorName::Fde, None, &go()).await.unwrap();
        assert_eq!(report.documents_left, 0, "{call}");
        check_added(&app, &documents).await;
        clear(&app).await;
        close(app).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_build_beside_is_taken_up_where_it_was_cut_off() {
    let calls = [
        ("store.ensure_collection", 2),
        ("store.upsert", 1),
        ("store.upsert", 3),
        ("store.flush", 1),
        ("store.optimize", 1),
    ];
    it_is_taken_up_where_it_was_cut_off(None, &calls).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_done_in_place_is_taken_up_where_it_was_cut_off() {
    let Some(server) = server() else { return };
    let calls = [
        ("store.remove_vector", 1),
        ("store.add_vector", 1),
        ("store.walk_lacking", 2),
        ("store.put_vectors", 1),
        ("store.put_vectors", 3),
        ("store.flush", 1),
    ];
    it_is_taken_up_where_it_was_cut_off(Some(&server), &calls).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ingest_that_was_cut_off_in_between_finds_its_collection() {
    let Some(server) = server() else { return };
    let folder = tempfile::tempdir().unwrap();
    let app = opened(&folder, Some(&server)).await;
    filled(&app).await;
    let faults = Faults::none();
    faults.on("store.add_vector", 1, Fault::Fail(away));
    failing(&app, &faults).add(COLLECTION, VectorName::Fde, None, &go()).await.unwrap_err();
    close(app).await;
    let app = opened(&folder, Some(&server)).await;
    let (_, resubmitted) = define(&app, &["patches"]).await;
    assert_eq!(resubmitted, 0, "its vectors are those that the ledger knows");
    let done = app.deriver().drop(COLLECTION, VectorName::Fde, &go()).await.unwrap();
    assert_eq!(done.how, DeriveHow::InPlace);
    assert!(app.collections.active(COLLECTION).await.unwrap().definition.transit.is_empty());
    assert_eq!(define(&app, &["patches"]).await.1, 0);
    clear(&app).await;
    close(app).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_that_changed_is_left_to_the_next_ingest() {
    let folder = tempfile::tempdir().unwrap();
    let app = opened(&folder, None).await;
    filled(&app).await;
    let mut newer = submission(&tenant("acme"), 1);
    newer.content_hash = crate::types::ContentHash::of(b"newer");
    app.ledger.submit(&newer).await.unwrap();
    let report = app.deriver().add(COLLECTION, VectorName::Fde, None, &go()).await.unwrap();
    assert_eq!((report.how, report.pages, report.documents_left), (DeriveHow::Beside, PAGES - 3, 1));
    let build = app.collections.active(COLLECTION).await.unwrap();
    assert!(build.definition.plan(Some("muvera")).is_err(), "questions are asked of the build that is whole");
    // Its job waits for whoever reads documents, and no attempt was used up.
    let lease = std::time::Duration::from_secs(60);
    let claim = Claim { collection: Some(COLLECTION), except: &[], suspects: false, limit: 10, lease };
    let jobs = app.ledger.claim(&claim).await.unwrap();
    assert_eq!(jobs.iter().map(|job| (job.document, job.attempt)).collect::<Vec<_>>(), [(newer.document, 1)]);
    close(app).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collection_that_is_being_built_anew_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let app = opened(&folder, None).await;
    filled(&app).await;
    let other = pipeline(&["patches", "rows"]);
    app.collections.define(COLLECTION, Some(&other), &other).await.unwrap();
    let error = app.deriver().add(COLLECTION, VectorName::Fde, None, &go()).await.unwrap_err();
    assert!(error.kind() == Kind::Configuration && error.to_string().contains("built anew"), "{error}");
    close(app).await;
}
