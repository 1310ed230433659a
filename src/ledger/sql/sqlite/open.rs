//! Opening the file: its identity, its version, and the settings that durability rests on.

use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, SqliteConnection};

use super::error::{failed, is_busy};
use crate::error::{Error, Result, ResultExt, io_error};

/// `migrations[i]` leads from version `i` to version `i + 1` and says so in `PRAGMA user_version`.
const MIGRATIONS: &[&str] = &[
    include_str!("schema.sql"),
    include_str!("schema_2.sql"),
    include_str!("schema_3.sql"),
    include_str!("schema_4.sql"),
    include_str!("schema_5.sql"),
    include_str!("schema_6.sql"),
    include_str!("schema_7.sql"),
];

/// "QUIR": SQLite's mark of whose file this is.
const APPLICATION_ID: i64 = 0x5155_4952;

/// How long a writer waits for another process (a backup, a `sqlite3` shell) to finish.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// Between two attempts to open a file that somebody else has for a moment.
const BUSY_PAUSE: Duration = Duration::from_millis(5);

/// How long a call waits for its turn. Transactions take milliseconds; whoever waits this long has met a hung disk.
const TURN_TIMEOUT: Duration = Duration::from_secs(300);

/// WAL readers run beside the writer; more than a few only compete for the same cores.
const READERS: u32 = 4;

/// One connection that writes, so that writers queue instead of failing with SQLITE_BUSY, and a few that read.
pub struct Pools {
    pub writer: SqlitePool,
    pub reader: SqlitePool,
}

/// Opens or creates the file and brings it to this program's version.
///
/// # Errors
/// Configuration, with the file left as it was, where it belongs to a newer Quire or to another program.
///
/// Transient where another process keeps the file for longer than [`BUSY_TIMEOUT`].
pub async fn open(path: &Path) -> Result<Pools> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        std::fs::create_dir_all(folder).map_err(|error| io_error("create", folder, error))?;
    }
    // Whoever enters WAL mode, recovers the log or leaves as the last takes the whole file for a moment. SQLite answers
    // the others SQLITE_BUSY at once then, whatever their busy timeout (https://www.sqlite.org/wal.html, section 8).
    let deadline = Instant::now() + BUSY_TIMEOUT;
    loop {
        match open_once(path).await {
            Err(error) if is_busy(&error) && Instant::now() < deadline => tokio::time::sleep(BUSY_PAUSE).await,
            opened => return opened.context(format!("ledger {}", path.display())),
        }
    }
}

async fn open_once(path: &Path) -> Result<Pools> {
    if path.metadata().is_ok_and(|metadata| metadata.len() > 0) {
        check_existing(path).await?;
    }
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .pragma("secure_delete", "ON")
        .busy_timeout(BUSY_TIMEOUT);
    let writer = pool(1).connect_with(options.clone()).await.map_err(|error| failed("open it", error))?;
    migrate(&writer).await?;
    let reader = pool(READERS).connect_with(options.read_only(true)).await.map_err(|error| failed("open it", error))?;
    Ok(Pools { writer, reader })
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(TURN_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        // A full disk or a failed read makes SQLite roll back by itself. sqlx then counts a transaction that is over, and begins no
        // other on that connection, for ever: another one takes its place.
        .before_acquire(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }))
}

/// Looks at a file before any setting is written to it.
async fn check_existing(path: &Path) -> Result<()> {
    let options = SqliteConnectOptions::new().filename(path).busy_timeout(BUSY_TIMEOUT);
    let mut connection = SqliteConnection::connect_with(&options).await.map_err(|error| failed("open it", error))?;
    let checked = check_identity(&mut connection).await;
    connection.close().await.map_err(|error| failed("close it", error))?;
    checked
}

async fn check_identity(connection: &mut SqliteConnection) -> Result<()> {
    let known = MIGRATIONS.len() as i64;
    let (version, application, tables): (i64, i64, i64) = sqlx::query_as(
        "SELECT user_version, application_id, (SELECT COUNT(*) FROM sqlite_schema)
         FROM pragma_user_version, pragma_application_id",
    )
    .fetch_one(connection)
    .await
    .map_err(|error| failed("read its version", error))?;
    if tables > 0 && application != APPLICATION_ID {
        return Err(Error::configuration(
            "this is a SQLite database of another program; choose another data folder, or move the file away",
        ));
    }
    if version > known {
        return Err(Error::configuration(format!(
            "its version is {version}, and this Quire knows versions up to {known}; run the newer Quire that wrote it, or \
             choose another data folder (nothing was changed)"
        )));
    }
    Ok(())
}

/// Runs the migrations that are missing, each in a transaction of its own. A ledger that was there before is then written anew:
/// earlier versions did not write over what was deleted.
async fn migrate(writer: &SqlitePool) -> Result<()> {
    let mut was_there = false;
    loop {
        let mut transaction =
            writer.begin_with("BEGIN IMMEDIATE").await.map_err(|error| failed("begin a migration", error))?;
        let (version,): (i64,) = sqlx::query_as("SELECT user_version FROM pragma_user_version")
            .fetch_one(&mut *transaction)
            .await
            .map_err(|error| failed("read its version", error))?;
        let next = usize::try_from(version).ok().and_then(|version| MIGRATIONS.get(version));
        let Some(&migration) = next else {
            drop(transaction);
            break;
        };
        was_there |= version > 0;
        sqlx::raw_sql(migration).execute(&mut *transaction).await.map_err(|error| failed("migrate it", error))?;
        transaction.commit().await.map_err(|error| failed("commit a migration", error))?;
    }
    if was_there {
        sqlx::query("VACUUM").execute(writer).await.map_err(|error| failed("write it anew", error))?;
        // What was written anew lies in the log; only now it takes the place of the old pages.
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
            .execute(writer)
            .await
            .map_err(|error| failed("empty its log", error))?;
    }
    Ok(())
}
