//! The contract against SQLite, and what concerns the file alone.

use std::sync::Mutex;

use sqlx::Connection;
use tempfile::TempDir;

use super::*;
use crate::error::Kind;
use crate::ledger::contract::contract_tests;
use crate::ledger::testing::{Backend, submission};

/// Ledgers in files of their own.
#[derive(Default)]
struct Files(Mutex<Vec<TempDir>>);

#[async_trait]
impl Backend for Files {
    async fn empty(&self, clock: Clock) -> Arc<dyn Ledger> {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("new").join("ledger.sqlite");
        self.0.lock().unwrap().push(folder);
        Arc::new(SqliteLedger::open_with_clock(&path, clock).await.unwrap())
    }
}

contract_tests!(Files::default());

async fn pragma(ledger: &SqliteLedger, name: &'static str) -> String {
    let row = sqlx::query(name).fetch_one(&ledger.pools.writer).await.unwrap();
    row.try_get::<String, _>(0).unwrap_or_else(|_| row.get::<i64, _>(0).to_string())
}

#[tokio::test]
async fn commits_are_durable() {
    let folder = TempDir::new().unwrap();
    let ledger = SqliteLedger::open(&folder.path().join("l")).await.unwrap();
    assert_eq!(pragma(&ledger, "PRAGMA journal_mode").await, "wal");
    assert_eq!(pragma(&ledger, "PRAGMA synchronous").await, "2", "2 is FULL");
    assert_eq!(pragma(&ledger, "PRAGMA foreign_keys").await, "1");
    assert_eq!(pragma(&ledger, "PRAGMA user_version").await, "1");
}

#[tokio::test]
async fn everything_is_there_after_reopening() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("ledger");
    let v1 = submission("a", 1);
    let ledger = SqliteLedger::open(&path).await.unwrap();
    ledger.submit(&v1).await.unwrap();
    assert_eq!(ledger.claim(None, 1, Duration::from_secs(60)).await.unwrap().len(), 1);
    ledger.close().await;
    let ledger = SqliteLedger::open(&path).await.unwrap();
    assert_eq!(ledger.document(v1.document).await.unwrap().unwrap().state, State::Processing);
    assert_eq!(ledger.release_all().await.unwrap(), 1);
    assert_eq!(ledger.claim(None, 1, Duration::from_secs(60)).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_newer_ledger_is_left_as_it_is() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("ledger");
    let ledger = SqliteLedger::open(&path).await.unwrap();
    sqlx::query("PRAGMA user_version = 99").execute(&ledger.pools.writer).await.unwrap();
    ledger.close().await;
    let before = std::fs::read(&path).unwrap();
    let error = SqliteLedger::open(&path).await.err().unwrap();
    assert_eq!(error.kind(), Kind::Configuration);
    assert!(error.to_string().contains("version is 99"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn other_files_are_refused() {
    let folder = TempDir::new().unwrap();
    let text = folder.path().join("text");
    std::fs::write(&text, "this is no database, however long it may be".repeat(50)).unwrap();
    assert_eq!(SqliteLedger::open(&text).await.err().unwrap().kind(), Kind::Configuration);

    let foreign = folder.path().join("foreign");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&foreign).create_if_missing(true);
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    sqlx::query("CREATE TABLE theirs (x)").execute(&pool).await.unwrap();
    pool.close().await;
    let error = SqliteLedger::open(&foreign).await.err().unwrap();
    assert_eq!(error.kind(), Kind::Configuration);
    assert!(error.to_string().contains("another program"), "{error}");
}

/// The first openers of a file meet while one of them enters WAL mode or migrates it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn openers_at_once_wait_for_each_other() {
    for _ in 0..20 {
        let folder = TempDir::new().unwrap();
        let path = Arc::new(folder.path().join("ledger"));
        let openers: Vec<_> = (0..6)
            .map(|i| {
                let path = path.clone();
                tokio::spawn(async move {
                    let ledger = SqliteLedger::open(&path).await.unwrap();
                    ledger.submit(&submission(&format!("document {i}"), 1)).await.unwrap();
                    ledger.close().await;
                })
            })
            .collect();
        for opener in openers {
            opener.await.unwrap();
        }
        let ledger = SqliteLedger::open(&path).await.unwrap();
        assert_eq!(ledger.counts(None).await.unwrap()[&State::Queued], 6);
    }
}

#[tokio::test]
async fn a_busy_file_is_told_from_other_failures() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("ledger");
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true)
        .busy_timeout(Duration::ZERO)
        .pragma("locking_mode", "EXCLUSIVE");
    let mut holder = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query("CREATE TABLE t (x)").execute(&mut holder).await.unwrap();
    let other = sqlx::SqliteConnection::connect_with(&options.clone().locking_mode(Default::default())).await;
    let busy = match other {
        Err(error) => error,
        Ok(mut other) => sqlx::query("SELECT * FROM t").fetch_all(&mut other).await.unwrap_err(),
    };
    assert!(error::is_busy(&failed("read it", busy)));
    assert!(!error::is_busy(&failed("read it", sqlx::Error::PoolTimedOut)));
    assert!(!error::is_busy(&crate::error::Error::transient("busy")));
}
