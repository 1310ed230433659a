//! From the in-process engine to a server and back.

use tokio_util::sync::CancellationToken;

use super::MigrateRequest;
use crate::app::App;
use crate::app::definition::IN_PROCESS;
use crate::app::testing::{COLLECTION, clear, close, define, document, index, opened, server, submission, tenant};
use crate::config::Server;
use crate::error::Kind;
use crate::ledger::Submitted;
use crate::types::{PointId, VectorName};

const PAGES: u32 = 70;

fn to(server: &Server) -> MigrateRequest {
    MigrateRequest { to: server.url.clone(), prefix: Some(server.prefix.clone()), ..MigrateRequest::default() }
}

async fn migrate(app: &App, request: &MigrateRequest) -> super::Migrated {
    app.migrate(request, &CancellationToken::new()).await.unwrap().remove(0)
}

/// The store that is configured has the ledger's vectors, and nothing is made again.
async fn check_here(app: &App, documents: u64) {
    let build = app.collections.active(COLLECTION).await.unwrap();
    assert_eq!(define(app, &["patches"]).await.1, 0, "nothing is taken for lost");
    for number in 1..=documents {
        let of = tenant(if number % 2 == 0 { "acme" } else { "globex" });
        let again = app.ledger.submit(&submission(&of, number)).await.unwrap();
        assert_eq!(again, Submitted::Unchanged(Vec::new()));
        let id = submission(&of, number).document;
        let generation = document(app, &of, id).await.visible.unwrap();
        let points: Vec<PointId> = (1..=PAGES).map(|page| PointId::new(id, &generation, page)).collect();
        let stored = app.store.retrieve(&build.physical, &of, &points, &[VectorName::Patches]).await.unwrap();
        assert_eq!(stored.len(), PAGES as usize);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collection_goes_to_a_server_and_back() {
    let Some(server) = server() else { return };
    let folder = tempfile::tempdir().unwrap();
    let app = opened(&folder, None).await;
    define(&app, &["patches"]).await;
    index(&app, &tenant("globex"), 1, PAGES).await;
    index(&app, &tenant("acme"), 2, PAGES).await;

    // Cut off before anything was copied, then taken up.
    let stopped = CancellationToken::new();
    stopped.cancel();
    let cut = app.migrate(&to(&server), &stopped).await.unwrap().remove(0);
    assert!(!cut.complete);
    check_here(&app, 2).await;
    let moved = migrate(&app, &to(&server)).await;
    assert!(moved.complete && (moved.points, moved.copied) == (140, 140), "{moved:?}");
    assert!(moved.compared_points > 30 && moved.compared_rankings >= 8, "{moved:?}");
    let error = app.collections.active(COLLECTION).await.err().expect("the vectors are elsewhere now");
    assert_eq!(error.kind(), Kind::Configuration, "{error}");
    close(app).await;
    // The old configuration, in a new process: nothing is dropped, nothing is made again.
    let app = opened(&folder, None).await;
    let pipeline = crate::app::testing::pipeline(&["patches"]);
    let error = app.collections.define(COLLECTION, Some(&pipeline), &pipeline).await.err().expect("it is elsewhere");
    assert!(error.to_string().contains(&format!("set store.url to {}", server.url)), "{error}");
    close(app).await;

    let app = opened(&folder, Some(&server)).await;
    check_here(&app, 2).await;
    index(&app, &tenant("globex"), 3, PAGES).await;
    let back = MigrateRequest { to: IN_PROCESS.into(), drop_source: true, ..MigrateRequest::default() };
    let moved = migrate(&app, &back).await;
    assert!(moved.complete && (moved.points, moved.copied) == (210, 210), "the older copy is not trusted: {moved:?}");
    assert!(app.store.collections().await.unwrap().is_empty(), "the server's copy was dropped as asked");
    close(app).await;

    let app = opened(&folder, None).await;
    check_here(&app, 3).await;
    close(app).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_copied_is_not_copied_again_and_what_is_gone_goes() {
    let Some(server) = server() else { return };
    let folder = tempfile::tempdir().unwrap();
    let app = opened(&folder, None).await;
    define(&app, &["patches"]).await;
    let gone = index(&app, &tenant("globex"), 1, PAGES).await;
    index(&app, &tenant("acme"), 2, PAGES).await;
    // An earlier call came as far as to the end of the copy.
    let target = app.target(&to(&server)).await.unwrap();
    let build = app.collections.active(COLLECTION).await.unwrap();
    let record = app.ledger.collection(COLLECTION).await.unwrap().unwrap();
    target.prepare(&build.physical, &build.definition, &record.active).await.unwrap();
    let stop = CancellationToken::new();
    let schema = &build.definition.schema;
    super::copy::all(&*app.store, &*target.store, &build.physical, schema, &stop).await.unwrap();
    app.ledger.delete(&tenant("globex"), gone).await.unwrap();
    app.collect_garbage().await.unwrap();
    let moved = migrate(&app, &to(&server)).await;
    assert!(moved.complete && (moved.points, moved.copied) == (70, 0), "{moved:?}");
    close(app).await;
    let app = opened(&folder, Some(&server)).await;
    clear(&app).await;
    close(app).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_makes_no_sense_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let app = opened(&folder, None).await;
    define(&app, &["patches"]).await;
    let request = |to: &str, collections: &[&str]| MigrateRequest {
        to: to.into(),
        collections: collections.iter().map(|&name| name.to_owned()).collect(),
        ..MigrateRequest::default()
    };
    let wrong = [
        (request(IN_PROCESS, &[]), "where the vectors are"),
        (request("ftp://host", &[]), "gRPC"),
        (request("http://localhost:1", &["none"]), "'none'"),
    ];
    for (request, word) in wrong {
        let error = app.migrate(&request, &CancellationToken::new()).await.unwrap_err();
        assert!(error.kind() == Kind::Configuration && error.to_string().contains(word), "{error}");
    }
    close(app).await;
}
