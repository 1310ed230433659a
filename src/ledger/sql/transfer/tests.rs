//! From SQLite to PostgreSQL and back: what is copied, what is refused, what an interruption leaves.

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection, SqliteConnection};

use super::*;
use crate::error::Limit;
use crate::ledger::sql::postgres::tests::server::{Database as TestDatabase, database};
use crate::ledger::testing::{build, ordinary, submission_of};
use crate::ledger::{Indexed, Job, Keys, Ledger, NewKey, Receipt, Rejection, State, Submission, Submitted};
use crate::types::{Generation, Groups, Permission, Priority, Tenant};

fn file(folder: &tempfile::TempDir, name: &str) -> Place {
    Place::File(folder.path().join(name))
}

fn on(database: &TestDatabase) -> Place {
    Place::Server(Box::new(PostgresSettings { options: database.options.clone(), connections: 4 }))
}

async fn sqlite(place: &Place) -> SqliteLedger {
    let Place::File(path) = place else { panic!("{} is no file", place.name()) };
    SqliteLedger::open(path).await.unwrap()
}

async fn postgres(place: &Place) -> PostgresLedger {
    let Place::Server(settings) = place else { panic!("{} is no server", place.name()) };
    PostgresLedger::open(settings).await.unwrap()
}

async fn connection(options: &PgConnectOptions) -> PgConnection {
    PgConnection::connect_with(options).await.unwrap()
}

async fn run(database: &TestDatabase, statement: &'static str) {
    sqlx::raw_sql(statement).execute(&mut connection(&database.options).await).await.unwrap();
}

fn version(name: &str, tenant: &str, version: u32) -> Submission {
    submission_of(&Tenant(tenant.into()), name, version)
}

async fn claim(ledger: &dyn Ledger) -> Job {
    ledger.claim(&ordinary(1)).await.unwrap().remove(0)
}

/// Submits a version and brings it to its end; what stands.
async fn index(ledger: &dyn Ledger, submission: &Submission) -> Generation {
    assert_eq!(ledger.submit(submission).await.unwrap(), Submitted::Queued);
    let job = claim(ledger).await;
    let indexed = Indexed { title: "two\0words".into(), page_count: 3, ..Indexed::default() };
    assert!(ledger.complete(&job, &indexed).await.unwrap());
    job.generation
}

fn secret_report() -> Submission {
    let mut report = version("secret", "b", 1);
    report.tags.insert("allowed".into(), "finance".into());
    report
}

fn waiting() -> Submission {
    Submission { priority: Priority::Low, ..version("waiting", "a", 1) }
}

/// A ledger with something in each table. "kept" stands, in two versions of which the older is garbage; "secret" is for one group;
/// "wrong" was rejected; "held" is in work, "waiting" waits.
async fn fill_ledger(ledger: &dyn Ledger) -> Generation {
    for name in ["documents", "elsewhere"] {
        ledger.define(name, &build(name)).await.unwrap();
    }
    ledger.put_incarnations("documents", &["first".into(), "second".into()]).await.unwrap();
    index(ledger, &version("kept", "a", 1)).await;
    let stands = index(ledger, &version("kept", "a", 2)).await;
    index(ledger, &secret_report()).await;
    ledger.submit(&version("wrong", "a", 1)).await.unwrap();
    let wrong = claim(ledger).await;
    let rejection = Rejection { reason: "no PDF".into(), limit: Some(Limit { name: "max_pages".into(), value: 9 }) };
    assert!(ledger.reject(&wrong, &rejection).await.unwrap());
    ledger.submit(&version("held", "b", 1)).await.unwrap();
    claim(ledger).await;
    ledger.submit(&waiting()).await.unwrap();
    for (id, expires_at_ms) in [("one", None), ("two", Some(4_000_000_000_000)), ("three", None)] {
        let (name, tenant, secret_hash) = (format!("key {id}"), Tenant("a".into()), format!("hash of {id}"));
        let (permissions, groups) = (vec![Permission::Read], vec!["finance".into()]);
        let key = NewKey { key_id: id.into(), name, tenant, permissions, groups, secret_hash, expires_at_ms };
        ledger.put_key(&key).await.unwrap();
    }
    ledger.revoke_key("three").await.unwrap();
    ledger.secret("links", "drawn once").await.unwrap();
    let receipt = Receipt { request: "r".into(), response: "{}".into() };
    ledger.put_receipt(&Tenant("a".into()), "k", &receipt).await.unwrap();
    stands
}

/// What `fill_ledger` made is here, and works.
async fn check(ledger: &dyn Ledger, stands: &Generation) {
    let (a, b) = (Tenant("a".into()), Tenant("b".into()));
    let build = ledger.collection("documents").await.unwrap().unwrap().active;
    assert_eq!(build.incarnations, ["first", "second"], "the vectors are known again");
    assert_eq!(ledger.submit(&version("kept", "a", 2)).await.unwrap(), Submitted::Unchanged(Vec::new()));
    let kept = version("kept", "a", 2).document;
    assert_eq!(ledger.visible(&a, &[kept]).await.unwrap()[&kept], *stands);
    let secret = secret_report().document;
    for (groups, sees) in [(vec!["sales".into()], 0), (vec!["finance".into()], 1)] {
        assert_eq!(ledger.visible_to(&b, &Groups::Of(groups), &[secret]).await.unwrap().len(), sees);
    }
    let wrong = ledger.document(&a, version("wrong", "a", 1).document).await.unwrap().unwrap();
    assert_eq!((wrong.state, wrong.reason.as_deref()), (State::Rejected, Some("no PDF")));
    assert_eq!(ledger.garbage(10).await.unwrap().len(), 2, "the first version of one, the attempt of another");
    assert_eq!(ledger.story(&a, kept).await.unwrap().len(), 6);
    assert_eq!(ledger.valid_key("one").await.unwrap().unwrap().secret_hash, "hash of one");
    assert!(ledger.valid_key("two").await.unwrap().unwrap().record.expires_at.is_some());
    assert!(ledger.valid_key("three").await.unwrap().is_none(), "it was revoked");
    assert_eq!(ledger.secret("links", "another").await.unwrap(), "drawn once");
    assert!(ledger.receipt(&a, "k").await.unwrap().is_some());
    let queue = ledger.queue().await.unwrap();
    assert_eq!((queue.waiting, queue.in_work), (2, 0), "what was in work waits");
    let held = ledger.document(&b, version("held", "b", 1).document).await.unwrap().unwrap();
    assert_eq!((held.state, held.attempts), (State::Queued, 0), "the attempt does not count");
    // Numbers go on, so that jobs and events of today come behind those of yesterday.
    ledger.submit(&version("new", "a", 1)).await.unwrap();
    let mut jobs = ledger.claim(&ordinary(3)).await.unwrap();
    jobs.sort_by_key(|job| job.id);
    let names: Vec<&str> = jobs.iter().map(|job| job.source.name.as_str()).collect();
    assert_eq!(names, ["held.pdf", "waiting.pdf", "new.pdf"]);
    assert_eq!((jobs[1].priority, jobs[2].priority), (Priority::Low, Priority::Normal));
    assert!(jobs.iter().all(|job| job.attempt == 1));
    for job in &jobs {
        ledger.release(job, Duration::ZERO, None).await.unwrap();
    }
    ledger.delete(&a, version("new", "a", 1).document).await.unwrap();
}

/// Every row of a ledger, as text.
async fn everything(ledger: &impl Database) -> BTreeMap<&'static str, Vec<String>> {
    let mut snapshot = ledger.snapshot().await.unwrap();
    let mut all = BTreeMap::new();
    for table in &TABLES {
        let rows = snapshot.rows(Statement::new(table.rows)).await.unwrap();
        let said = |row| format!("{:?}", values(table, row).unwrap()).replace("\\0", NUL);
        all.insert(table.name, rows.iter().map(said).collect());
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_ledger_goes_to_a_server_to_another_one_and_back() {
    let (Some(first), Some(second)) = (database().await, database().await) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (here, back) = (file(&folder, "here"), file(&folder, "back"));
    let ledger = sqlite(&here).await;
    let stands = fill_ledger(&ledger).await;
    let before = everything(&ledger.database).await;
    assert!(before.values().all(|rows| !rows.is_empty()), "a table without rows proves nothing: {before:?}");
    ledger.close().await;

    let copied = transfer(&here, &on(&first)).await.unwrap();
    let counted: Vec<u64> = TABLES.iter().map(|table| before[table.name].len() as u64).collect();
    assert_eq!(copied.iter().map(|copied| copied.rows).collect::<Vec<_>>(), counted);
    transfer(&on(&first), &on(&second)).await.unwrap();
    transfer(&on(&second), &back).await.unwrap();
    let ledger = sqlite(&back).await;
    assert_eq!(everything(&ledger.database).await, before);
    check(&ledger, &stands).await;
    ledger.close().await;
    check(&postgres(&on(&first)).await, &stands).await;
    // The source is as it was: leases too.
    let ledger = sqlite(&here).await;
    assert_eq!(everything(&ledger.database).await, before);
    assert_eq!(ledger.queue().await.unwrap().in_work, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_can_not_be_moved_is_refused() {
    let Some(server) = database().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let (here, there) = (file(&folder, "here"), on(&server));
    let refused = async |from: &Place, to: &Place, word: &str| {
        let error = transfer(from, to).await.unwrap_err();
        assert!(error.kind() == crate::error::Kind::Configuration && error.to_string().contains(word), "{error}");
    };
    refused(&here, &there, "nothing to move").await;
    refused(&here, &here, "already").await;
    let ledger = sqlite(&here).await;
    ledger.define("documents", &build("documents")).await.unwrap();
    ledger.close().await;
    // Somebody works over the server: as the target, and as the source.
    let busy = postgres(&there).await;
    busy.news().changed().await.unwrap();
    refused(&here, &there, "another quire works with it").await;
    refused(&there, &file(&folder, "there"), "another quire works with it").await;
    busy.secret("links", "its own").await.unwrap();
    drop(busy);
    refused(&here, &there, "secrets has 1 rows").await;
}

/// A file with something in each table, what stands in it, and the tables of a server that are empty yet.
async fn ready(server: &TestDatabase) -> (tempfile::TempDir, Place, Generation) {
    let folder = tempfile::tempdir().unwrap();
    let here = file(&folder, "here");
    let ledger = sqlite(&here).await;
    let stands = fill_ledger(&ledger).await;
    ledger.close().await;
    drop(postgres(&on(server)).await);
    (folder, here, stands)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_is_interrupted_leaves_nothing_and_starts_over() {
    let Some(server) = database().await else { return };
    let (_folder, here, stands) = ready(&server).await;
    let there = on(&server);
    run(
        &server,
        "CREATE FUNCTION quire.hang() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN PERFORM pg_advisory_xact_lock(7); RETURN NEW; END';
        CREATE TRIGGER hang BEFORE INSERT ON quire.history FOR EACH ROW EXECUTE FUNCTION quire.hang()",
    )
    .await;
    // It hangs at the first event of the last table, and is killed there.
    let mut gate = connection(&server.options).await;
    sqlx::raw_sql("SELECT pg_advisory_lock(7)").execute(&mut gate).await.unwrap();
    let (from, to) = (here.clone(), there.clone());
    let moving = tokio::spawn(async move { transfer(&from, &to).await });
    let waiting = "SELECT COUNT(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 7 AND NOT granted";
    while sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut gate).await.unwrap() == 0 {
        assert!(!moving.is_finished(), "it did not come as far");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    moving.abort();
    assert!(moving.await.unwrap_err().is_cancelled());
    gate.close().await.unwrap();
    run(&server, "DROP TRIGGER hang ON quire.history").await;

    transfer(&here, &there).await.unwrap();
    check(&postgres(&there).await, &stands).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_copy_that_differs_is_not_kept() {
    let Some(server) = database().await else { return };
    let (_folder, here, _) = ready(&server).await;
    let there = on(&server);
    run(
        &server,
        "CREATE FUNCTION quire.spoil() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN NEW.size_bytes := NEW.size_bytes + 1; RETURN NEW; END';
        CREATE TRIGGER spoil BEFORE INSERT ON quire.documents FOR EACH ROW EXECUTE FUNCTION quire.spoil()",
    )
    .await;
    let error = transfer(&here, &there).await.unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("documents"), "{error}");
    run(&server, "DROP TRIGGER spoil ON quire.documents").await;
    transfer(&here, &there).await.unwrap();
}

#[tokio::test]
async fn every_column_is_copied() {
    let mut listed: Vec<String> = Vec::new();
    for table in &TABLES {
        listed.extend(table.columns.iter().map(|(name, kind)| format!("{}.{name} {kind:?}", table.name)));
    }
    listed.sort();
    let folder = tempfile::tempdir().unwrap();
    let place = file(&folder, "here");
    sqlite(&place).await.close().await;
    let Place::File(path) = place else { unreachable!() };
    let mut opened = SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap();
    let columns = "
        SELECT t.name || '.' || c.name || ' ' || CASE c.type WHEN 'TEXT' THEN 'Text' ELSE 'Integer' END
        FROM sqlite_schema t JOIN pragma_table_info(t.name) c WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%'";
    let mut there: Vec<String> = sqlx::query_scalar(columns).fetch_all(&mut opened).await.unwrap();
    there.sort();
    assert_eq!(there, listed);

    let Some(server) = database().await else { return };
    drop(postgres(&on(&server)).await);
    let columns = "
        SELECT table_name || '.' || column_name || ' ' || CASE data_type WHEN 'text' THEN 'Text' ELSE 'Integer' END
        FROM information_schema.columns WHERE table_schema = 'quire' AND table_name != 'ledger'";
    let mut opened = connection(&server.options).await;
    let mut there: Vec<String> = sqlx::query_scalar(columns).fetch_all(&mut opened).await.unwrap();
    there.sort();
    assert_eq!(there, listed);
}
