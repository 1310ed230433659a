//! The contract against PostgreSQL, and what concerns the server alone.

#[path = "../../../../tests/common/postgres.rs"]
pub(in crate::ledger::sql) mod server;

mod together;

use std::sync::Arc;
use std::time::Duration;

use sqlx::Connection;
use tokio::sync::Mutex;

use self::server::Database as TestDatabase;
use super::*;
use crate::error::{Blame, Kind};
use crate::ledger::contract::contract_tests;
use crate::ledger::testing::{Backend, OwnedLedger, build, ordinary, submission};
use crate::ledger::{Indexed, Ledger, State};

fn settings(database: &TestDatabase) -> PostgresSettings {
    PostgresSettings { options: database.options.clone(), connections: 16 }
}

async fn run(database: &TestDatabase, statement: &'static str) {
    let mut connection = sqlx::PgConnection::connect_with(&database.options).await.unwrap();
    sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// Ledgers in one database, one after another.
#[derive(Default)]
struct Emptied(Mutex<Option<TestDatabase>>);

#[async_trait]
impl Backend for Emptied {
    async fn empty(&self, clock: Clock) -> Option<Arc<dyn OwnedLedger>> {
        let mut database = self.0.lock().await;
        match &*database {
            Some(used) => run(used, "DROP SCHEMA quire CASCADE").await,
            None => *database = Some(server::database().await?),
        }
        let settings = settings(database.as_ref()?);
        Some(Arc::new(PostgresLedger::open_with_clock(&settings, Some(clock)).await.unwrap()))
    }

    /// What is decided is the same code as over SQLite; the statements are what can differ.
    fn random_cases(&self) -> u32 {
        12
    }
}

#[async_trait]
impl OwnedLedger for PostgresLedger {
    async fn process_died(&self) -> usize {
        self.begin().await.unwrap().free_abandoned().await.unwrap()
    }
}

contract_tests!(Emptied::default());

/// A ledger in which the collection "documents" is defined.
async fn defined(database: &TestDatabase) -> PostgresLedger {
    let ledger = PostgresLedger::open(&settings(database)).await.unwrap();
    ledger.define("documents", &build("documents")).await.unwrap();
    ledger
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn openers_at_once_wait_for_each_other() {
    let Some(database) = server::database().await else { return };
    let database = Arc::new(database);
    let openers = (0..8).map(|number| {
        let database = database.clone();
        tokio::spawn(async move {
            let ledger = defined(&database).await;
            ledger.submit(&submission(&format!("document {number}"), 1)).await.unwrap();
        })
    });
    for opener in openers.collect::<Vec<_>>() {
        opener.await.unwrap();
    }
    let ledger = PostgresLedger::open(&settings(&database)).await.unwrap();
    assert_eq!(ledger.counts(&submission("", 1).tenant, None).await.unwrap()[&State::Queued], 8);
}

#[tokio::test]
async fn a_newer_ledger_is_left_alone() {
    let Some(database) = server::database().await else { return };
    drop(defined(&database).await);
    run(&database, "UPDATE quire.ledger SET version = 99").await;
    let error = PostgresLedger::open(&settings(&database)).await.err().unwrap();
    assert_eq!((error.kind(), error.blame()), (Kind::Configuration, Blame::Dependency));
    assert!(error.to_string().contains("its version is 99"), "{error}");
}

#[tokio::test]
async fn tables_of_another_program_are_left_alone() {
    let Some(database) = server::database().await else { return };
    run(&database, "CREATE TABLE documents (theirs TEXT); CREATE SCHEMA quire; CREATE TABLE quire.jobs (theirs TEXT)")
        .await;
    let error = PostgresLedger::open(&settings(&database)).await.err().unwrap();
    assert_eq!(error.kind(), Kind::Configuration, "{error}");
    run(&database, "SELECT theirs FROM quire.jobs; DROP SCHEMA quire CASCADE").await;
    // A table of that name outside of our schema is in nobody's way.
    drop(defined(&database).await);
    run(&database, "SELECT theirs FROM public.documents").await;
}

#[tokio::test]
async fn everything_is_there_after_reopening() {
    let Some(database) = server::database().await else { return };
    let v1 = submission("a", 1);
    let ledger = defined(&database).await;
    ledger.submit(&v1).await.unwrap();
    let job = ledger.claim(&ordinary(1)).await.unwrap().remove(0);
    drop(ledger);
    let ledger = PostgresLedger::open(&settings(&database)).await.unwrap();
    assert_eq!(ledger.document(&v1.tenant, v1.document).await.unwrap().unwrap().state, State::Processing);
    assert!(ledger.complete(&job, &Indexed::default()).await.unwrap(), "its lease still holds");
}

#[tokio::test]
async fn a_commit_waits_for_the_disk_whatever_the_database_says() {
    let Some(database) = server::database().await else { return };
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("ALTER DATABASE {} SET synchronous_commit = off", database.name)))
        .execute(&mut sqlx::PgConnection::connect_with(&database.options).await.unwrap())
        .await
        .unwrap();
    let ledger = PostgresLedger::open(&settings(&database)).await.unwrap();
    let (setting,): (String,) =
        sqlx::query_as("SELECT current_setting('synchronous_commit')").fetch_one(&ledger.database.pool).await.unwrap();
    assert_eq!(setting, "on");
}

#[tokio::test]
async fn what_a_document_says_is_kept_without_nul() {
    let Some(database) = server::database().await else { return };
    let ledger = defined(&database).await;
    let v1 = submission("a", 1);
    ledger.submit(&v1).await.unwrap();
    let job = ledger.claim(&ordinary(1)).await.unwrap().remove(0);
    let indexed = Indexed { title: "two\0words".into(), ..Indexed::default() };
    assert!(ledger.complete(&job, &indexed).await.unwrap());
    let record = ledger.document(&v1.tenant, v1.document).await.unwrap().unwrap();
    assert_eq!(record.title, "two\u{fffd}words");
}

#[tokio::test]
async fn another_process_hears_of_work() {
    let Some(database) = server::database().await else { return };
    let (here, there) = (defined(&database).await, PostgresLedger::open(&settings(&database)).await.unwrap());
    let mut news = there.news();
    // The first news is that it listens.
    news.changed().await.unwrap();
    here.submit(&submission("a", 1)).await.unwrap();
    news.changed().await.unwrap();
    assert_eq!(there.claim(&ordinary(1)).await.unwrap().len(), 1);
}

#[tokio::test]
async fn one_process_at_a_time_takes_a_turn() {
    let Some(database) = server::database().await else { return };
    let (here, there) = (defined(&database).await, PostgresLedger::open(&settings(&database)).await.unwrap());
    let turn = here.turn("collect").await.unwrap();
    assert!(there.try_turn("collect").await.unwrap().is_none());
    assert!(there.try_turn("something else").await.unwrap().is_some());
    let mut waiting = Box::pin(there.turn("collect"));
    assert!(futures::poll!(&mut waiting).is_pending());
    drop(turn);
    drop(waiting.await.unwrap());
    // A turn is over when the server has heard of it.
    let taken = async {
        while here.try_turn("collect").await.unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), taken).await.expect("the turn was given back");
}

#[tokio::test]
async fn a_server_that_is_away_is_no_documents_fault() {
    let Some(database) = server::database().await else { return };
    let ledger = defined(&database).await;
    let v1 = submission("a", 1);
    sqlx::raw_sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid != pg_backend_pid()")
        .execute(&mut sqlx::PgConnection::connect_with(&database.options).await.unwrap())
        .await
        .unwrap();
    // The connections that were cut are made again.
    ledger.submit(&v1).await.unwrap();
    ledger.database.pool.close().await;
    let error = ledger.submit(&v1).await.unwrap_err();
    assert_eq!((error.is_transient(), error.blame()), (true, Blame::Dependency), "{error}");

    let nowhere = tempfile::TempDir::new().unwrap();
    let away = PostgresSettings { options: database.options.clone().socket(nowhere.path()), connections: 5 };
    let error = PostgresLedger::open(&away).await.err().unwrap();
    assert_eq!((error.is_transient(), error.blame()), (true, Blame::Dependency), "{error}");
    let missing = PostgresSettings { options: database.options.clone().database("missing"), connections: 5 };
    assert_eq!(PostgresLedger::open(&missing).await.err().unwrap().kind(), Kind::Configuration);
}

#[tokio::test]
async fn damage_is_no_documents_fault() {
    let Some(database) = server::database().await else { return };
    let ledger = defined(&database).await;
    let v1 = submission("a", 1);
    ledger.submit(&v1).await.unwrap();
    run(&database, "UPDATE quire.documents SET tags = 'no JSON'").await;
    let error = ledger.document(&v1.tenant, v1.document).await.unwrap_err();
    assert_eq!((error.kind(), error.blame()), (Kind::Permanent, Blame::Dependency), "{error}");
    run(&database, "DROP TABLE quire.garbage").await;
    assert_eq!(ledger.garbage(1).await.unwrap_err().blame(), Blame::Dependency);
}

#[test]
fn no_message_holds_the_password() {
    let url = "postgres://someone:s3cret@db.example/quire?sslmode=require";
    let settings = PostgresSettings::of_url(url, 8).unwrap();
    assert!(settings.place().contains("db.example:5432/quire as someone"), "{}", settings.place());
    assert!(!settings.place().contains("s3cret"));
    for wrong in ["postgres://someone:s3cret@db.example:port/quire", "postgres://a:s3cret@b/c?sslmode=maybe"] {
        let error = PostgresSettings::of_url(wrong, 8).unwrap_err();
        assert!(error.kind() == Kind::Configuration && !error.to_string().contains("s3cret"), "{error}");
    }
}
