//! The contract against SQLite, and what concerns the file alone.

use std::sync::Mutex;
use std::time::Duration;

use sqlx::Connection;
use tempfile::TempDir;

use super::*;
use crate::error::{Blame, Kind};
use crate::ledger::contract::contract_tests;
use crate::ledger::testing::{Backend, OwnedLedger, build, ordinary, submission, suspects};
use crate::ledger::{DocumentFilter, Indexed, Ledger, PageFailure, State, Submission, Submitted, Task};
use crate::types::{DocumentId, RecipeId, Tenant};

/// Ledgers in files of their own.
#[derive(Default)]
struct Files(Mutex<Vec<TempDir>>);

#[async_trait]
impl Backend for Files {
    async fn empty(&self, clock: Clock) -> Option<Arc<dyn OwnedLedger>> {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("new").join("ledger.sqlite");
        self.0.lock().unwrap().push(folder);
        Some(Arc::new(SqliteLedger::open_with_clock(&path, clock).await.unwrap()))
    }
}

#[async_trait]
impl OwnedLedger for SqliteLedger {
    async fn process_died(&self) -> usize {
        self.free_abandoned().await.unwrap()
    }
}

contract_tests!(Files::default());

/// A ledger in which the collection "documents" is defined.
async fn defined(path: &Path) -> SqliteLedger {
    let ledger = SqliteLedger::open(path).await.unwrap();
    ledger.define("documents", &build("documents")).await.unwrap();
    ledger
}

async fn pragma(ledger: &SqliteLedger, name: &'static str) -> String {
    let row = sqlx::query(name).fetch_one(&ledger.database.pools.writer).await.unwrap();
    row.try_get::<String, _>(0).unwrap_or_else(|_| row.get::<i64, _>(0).to_string())
}

#[tokio::test]
async fn commits_are_durable() {
    let folder = TempDir::new().unwrap();
    let ledger = SqliteLedger::open(&folder.path().join("l")).await.unwrap();
    assert_eq!(pragma(&ledger, "PRAGMA journal_mode").await, "wal");
    assert_eq!(pragma(&ledger, "PRAGMA synchronous").await, "2", "2 is FULL");
    assert_eq!(pragma(&ledger, "PRAGMA foreign_keys").await, "1");
    assert_eq!(pragma(&ledger, "PRAGMA user_version").await, "7");
    assert_eq!(pragma(&ledger, "PRAGMA secure_delete").await, "1");
}

#[tokio::test]
async fn a_disk_that_was_full_is_written_to_again() {
    let folder = TempDir::new().unwrap();
    let ledger = defined(&folder.path().join("ledger")).await;
    // As a full disk: SQLite rolls the transaction back by itself.
    pragma(&ledger, "PRAGMA max_page_count = 1").await;
    let mut refused = None;
    for number in 0..10_000 {
        if let Err(error) = ledger.submit(&submission(&number.to_string(), 1)).await {
            refused = Some(error);
            break;
        }
    }
    let refused = refused.expect("it took everything");
    assert!(refused.is_transient(), "{refused}");
    pragma(&ledger, "PRAGMA max_page_count = 1000000").await;
    let after = submission("after", 1);
    assert_eq!(ledger.submit(&after).await.unwrap(), Submitted::Queued);
    assert!(ledger.document(&after.tenant, after.document).await.unwrap().is_some());
}

#[tokio::test]
async fn everything_is_there_after_reopening() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("ledger");
    let v1 = submission("a", 1);
    let ledger = defined(&path).await;
    ledger.submit(&v1).await.unwrap();
    assert_eq!(ledger.claim(&ordinary(1)).await.unwrap().len(), 1);
    ledger.close().await;
    let ledger = SqliteLedger::open(&path).await.unwrap();
    assert_eq!(ledger.document(&v1.tenant, v1.document).await.unwrap().unwrap().state, State::Processing);
    assert_eq!(ledger.free_abandoned().await.unwrap(), 1);
    assert!(ledger.claim(&ordinary(1)).await.unwrap().is_empty());
    assert_eq!(ledger.claim(&suspects(1)).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_newer_ledger_is_left_as_it_is() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("ledger");
    let ledger = SqliteLedger::open(&path).await.unwrap();
    sqlx::query("PRAGMA user_version = 99").execute(&ledger.database.pools.writer).await.unwrap();
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
                    let ledger = defined(&path).await;
                    ledger.submit(&submission(&format!("document {i}"), 1)).await.unwrap();
                    ledger.close().await;
                })
            })
            .collect();
        for opener in openers {
            opener.await.unwrap();
        }
        let ledger = SqliteLedger::open(&path).await.unwrap();
        assert_eq!(ledger.counts(&submission("", 1).tenant, None).await.unwrap()[&State::Queued], 6);
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

/// Whether any file of the folder holds this text.
fn holds(folder: &TempDir, text: &str) -> bool {
    let files = std::fs::read_dir(folder.path()).unwrap().map(|file| std::fs::read(file.unwrap().path()).unwrap());
    files.into_iter().any(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
}

#[tokio::test]
async fn deleted_text_leaves_the_file_and_its_log() {
    let folder = TempDir::new().unwrap();
    let ledger = defined(&folder.path().join("ledger")).await;
    let tenant = submission("", 1).tenant;
    for number in 0..300 {
        let mut secret = submission(&format!("canary-{number}"), 1);
        secret.tags.insert("note".into(), format!("canary-tag-{number} {}", "x".repeat(number)));
        ledger.submit(&secret).await.unwrap();
        ledger.submit(&submission(&format!("kept-{number}"), 1)).await.unwrap();
    }
    for job in ledger.claim(&ordinary(1000)).await.unwrap() {
        let failed_pages = vec![PageFailure { page: 1, reason: "canary".into(), limit: None, again: false }];
        let indexed = if job.source.name.starts_with("canary") {
            Indexed { title: "canary".into(), page_count: 2, failed_pages, ..Indexed::default() }
        } else {
            Indexed::default()
        };
        assert!(ledger.complete(&job, &indexed).await.unwrap());
    }
    assert!(holds(&folder, "canary"));
    let canaries = DocumentFilter { source_prefix: Some("/inbox/canary".into()), ..DocumentFilter::default() };
    for document in ledger.documents(&tenant, &canaries).await.unwrap().documents {
        assert!(ledger.delete(&tenant, document.document_id).await.unwrap());
    }
    for garbage in ledger.garbage(1000).await.unwrap() {
        ledger.collected(&garbage).await.unwrap();
    }
    assert!(holds(&folder, "canary"), "the log keeps what was written before");
    ledger.trim().await.unwrap();
    assert!(!holds(&folder, "canary"), "the ledger is open, and the text is gone");
    assert!(holds(&folder, "kept-7"));
    ledger.close().await;
    assert!(!holds(&folder, "canary"));
}

/// A ledger of version 1 with collections, documents and jobs in it.
async fn version_1(path: &Path) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql(include_str!("schema.sql")).execute(&mut connection).await.unwrap();
    sqlx::raw_sql(include_str!("version_1.sql")).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

fn old_id(number: u32) -> DocumentId {
    format!("00000000-0000-0000-0000-{number:012}").parse().unwrap()
}

#[tokio::test]
async fn a_ledger_of_version_1_is_brought_to_this_one() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("ledger");
    version_1(&path).await;
    assert!(holds(&folder, "deleted long ago"), "version 1 did not write over what it deleted");
    let ledger = SqliteLedger::open(&path).await.unwrap();
    assert!(!holds(&folder, "deleted long ago"));

    let collection = ledger.collection("documents").await.unwrap().unwrap();
    assert_eq!(collection.active.physical, "documents");
    assert_eq!(collection.active.recipe, RecipeId("r1".into()));
    assert_eq!(collection.active.definition, r#"{"model":"m","recipe":"r1"}"#);
    assert!(collection.active.incarnations.is_empty() && collection.next.is_none());
    assert_eq!(collection.created_at, "2023-11-14T22:13:20.120Z");
    let unreadable = ledger.collection("broken").await.unwrap().unwrap();
    assert_eq!((unreadable.active.recipe.0.as_str(), unreadable.active.definition.as_str()), ("", "no JSON"));

    let tenant = Tenant("default".into());
    let found = ledger.documents(&tenant, &DocumentFilter::default()).await.unwrap().documents;
    let states: Vec<_> = found.iter().map(|document| (document.document_id, document.state)).collect();
    use State as S;
    let expected = [S::Indexed, S::Queued, S::Processing, S::Rejected, S::Dead, S::Deleting, S::Indexed];
    assert_eq!(states, (1..).map(old_id).zip(expected).collect::<Vec<_>>());
    let indexed = &found[0];
    assert_eq!((indexed.title.as_str(), indexed.page_count, indexed.attempts), ("One", 3, 1));
    assert_eq!(indexed.failed_pages, [PageFailure { page: 2, reason: "slow".into(), limit: None, again: false }]);
    let visible = ledger.visible(&tenant, &(1..8).map(old_id).collect::<Vec<_>>()).await.unwrap();
    let mut visible: Vec<_> = visible.into_iter().map(|(id, generation)| (id, generation.0)).collect();
    visible.sort();
    // The same content twice: version 1 called both generations the same.
    let seen = [(1, "g1"), (2, "g2-old"), (3, "g3"), (7, "g1")];
    assert_eq!(visible, seen.map(|(number, generation)| (old_id(number), generation.to_owned())));
    assert_eq!(found[3].reason.as_deref(), Some("encrypted"));

    assert_eq!(ledger.free_abandoned().await.unwrap(), 1);
    let waiting = ledger.claim(&ordinary(10)).await.unwrap();
    let suspected = ledger.claim(&suspects(10)).await.unwrap();
    assert_eq!((waiting.len(), suspected.len()), (1, 1));
    for (job, number, attempt) in [(&waiting[0], 2, 3), (&suspected[0], 3, 1)] {
        assert_eq!((job.document, job.attempt, job.task), (old_id(number), attempt, Task::Index));
        assert_eq!((job.physical.as_str(), &job.recipe), ("documents", &RecipeId("r1".into())));
        assert!(job.generation.0.len() == 32 && !job.generation.0.starts_with('g'), "{}", job.generation);
        assert!(ledger.complete(job, &Indexed::default()).await.unwrap());
    }
    let mut garbage: Vec<_> =
        ledger.garbage(10).await.unwrap().into_iter().map(|garbage| garbage.generation.0).collect();
    garbage.sort();
    assert_eq!(garbage, ["g2-new", "g2-old", "g3", "g6"], "no page of an attempt that was cut off is left");

    let known = |number, hash: &str, tags: &str| Submission {
        document: old_id(number),
        tenant: tenant.clone(),
        content_hash: crate::types::ContentHash(hash.into()),
        tags: serde_json::from_str(tags).unwrap(),
        ..submission("a", 1)
    };
    assert_eq!(
        ledger.submit(&known(1, "h1", r#"{"a":"b"}"#)).await.unwrap(),
        Submitted::Unchanged(found[0].failed_pages.clone())
    );
    assert_eq!(ledger.submit(&known(4, "h4", "{}")).await.unwrap(), Submitted::RejectedBefore("encrypted".into()));
    assert_eq!(ledger.submit(&known(7, "h1", "{}")).await.unwrap(), Submitted::Queued, "of another recipe");
}

#[tokio::test]
async fn a_damaged_ledger_is_no_documents_fault() {
    let folder = TempDir::new().unwrap();
    let ledger = defined(&folder.path().join("ledger")).await;
    let v1 = submission("a", 1);
    ledger.submit(&v1).await.unwrap();
    sqlx::query("UPDATE documents SET tags = 'no JSON'").execute(&ledger.database.pools.writer).await.unwrap();
    let error = ledger.document(&v1.tenant, v1.document).await.unwrap_err();
    assert_eq!((error.kind(), error.blame()), (Kind::Permanent, Blame::Dependency), "{error}");
    sqlx::query("DROP TABLE garbage").execute(&ledger.database.pools.writer).await.unwrap();
    assert_eq!(ledger.garbage(1).await.unwrap_err().blame(), Blame::Dependency);
    ledger.database.pools.writer.close().await;
    let error = ledger.submit(&v1).await.unwrap_err();
    assert_eq!((error.is_transient(), error.blame()), (true, Blame::Dependency), "{error}");
}
