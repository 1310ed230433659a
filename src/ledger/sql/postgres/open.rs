//! Connecting: whose tables these are, their version, and what durability rests on.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, PgConnection};

use super::error::{failed, not_connected};
use super::key;
use crate::error::{Error, Result, ResultExt};

/// `migrations[i]` leads from version `i` to version `i + 1`.
const MIGRATIONS: &[&str] = &[
    include_str!("schema.sql"),
    include_str!("schema_2.sql"),
    include_str!("schema_3.sql"),
    include_str!("schema_4.sql"),
];

/// How long a call waits for a connection, or for a server that is starting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// Which server, and how.
#[derive(Debug, Clone)]
pub struct PostgresSettings {
    /// Where it is, who we are, and how the way is secured.
    pub options: PgConnectOptions,
    /// Most connections of this process.
    pub connections: u32,
}

impl PostgresSettings {
    /// The settings that `postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=...` says. What it leaves out comes from the
    /// variables and the password file of libpq.
    ///
    /// # Errors
    /// Configuration; the URL, which may hold a password, is not repeated.
    pub fn of_url(url: &str, connections: u32) -> Result<Self> {
        let options = PgConnectOptions::from_str(url).map_err(|error| failed("understand the ledger's URL", error))?;
        Ok(Self { options, connections })
    }

    /// The server for people: without the password.
    pub fn place(&self) -> String {
        let options = &self.options;
        let host =
            options.get_socket().map_or_else(|| options.get_host().to_owned(), |path| path.display().to_string());
        let database = options.get_database().unwrap_or_else(|| options.get_username());
        format!("PostgreSQL {host}:{}/{database} as {}", options.get_port(), options.get_username())
    }
}

/// Connects and brings the tables to this program's version.
pub async fn open(settings: &PostgresSettings) -> Result<PgPool> {
    connect(settings).await.context(format!("ledger {}", settings.place()))
}

async fn connect(settings: &PostgresSettings) -> Result<PgPool> {
    let mut options = settings.options.clone().options([("search_path", "quire")]);
    if options.get_application_name().is_none() {
        options = options.application_name("quire");
    }
    // Outside of the pool, which would go on trying where a server is not there at all.
    let connecting = tokio::time::timeout(CONNECT_TIMEOUT, options.connect());
    let mut connection = connecting
        .await
        .map_err(|_| Error::transient(format!("it has not answered for {} s", CONNECT_TIMEOUT.as_secs())))?
        .map_err(not_connected)?;
    migrate(&mut connection).await?;
    let pool = PgPoolOptions::new()
        .max_connections(settings.connections)
        .acquire_timeout(CONNECT_TIMEOUT)
        .after_connect(|connection, _| Box::pin(be_durable(connection)))
        .connect_lazy_with(options);
    Ok(pool)
}

/// A commit is on disk when it returns, also where the database was told not to wait for that.
async fn be_durable(connection: &mut PgConnection) -> sqlx::Result<()> {
    let on = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";
    sqlx::query(on).execute(connection).await.map(drop)
}

/// Runs the migrations that are missing, all of them or none.
async fn migrate(connection: &mut PgConnection) -> Result<()> {
    let known = MIGRATIONS.len() as i64;
    if version(connection).await? == known {
        return Ok(());
    }
    let mut transaction =
        sqlx::Connection::begin(connection).await.map_err(|error| failed("begin a migration", error))?;
    // Whoever starts at the same moment waits, and finds everything done.
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(key("migration", b""))
        .execute(&mut *transaction)
        .await
        .map_err(|error| failed("wait for another process that migrates it", error))?;
    let version = version(&mut transaction).await?;
    for migration in MIGRATIONS.iter().skip(usize::try_from(version).unwrap_or_default()) {
        if version == 0 {
            sqlx::raw_sql("CREATE SCHEMA IF NOT EXISTS quire")
                .execute(&mut *transaction)
                .await
                .map_err(|error| failed("make the schema 'quire'", error))?;
        }
        sqlx::raw_sql(*migration).execute(&mut *transaction).await.map_err(|error| failed("migrate it", error))?;
    }
    let noted = if version == 0 { "INSERT INTO ledger VALUES ($1)" } else { "UPDATE ledger SET version = $1" };
    sqlx::query(noted)
        .bind(known)
        .execute(&mut *transaction)
        .await
        .map_err(|error| failed("note its version", error))?;
    transaction.commit().await.map_err(|error| failed("commit a migration", error))
}

/// The version of the tables; 0: there are none.
///
/// # Errors
/// Configuration: they are of a newer Quire, or the database keeps no Unicode.
async fn version(connection: &mut PgConnection) -> Result<i64> {
    let read = |error| failed("read its version", error);
    // From the tables of tables: functions such as to_regclass may remember what was before the lock was ours.
    let there = "
        SELECT current_setting('server_encoding'), EXISTS (
            SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = 'quire' AND c.relname = 'ledger')";
    let (encoding, there): (String, bool) = sqlx::query_as(there).fetch_one(&mut *connection).await.map_err(read)?;
    if encoding != "UTF8" {
        return Err(Error::configuration(format!(
            "the database's encoding is {encoding}, and UTF8 is needed: make another database for the ledger"
        )));
    }
    if !there {
        return Ok(0);
    }
    let (version,): (i64,) =
        sqlx::query_as("SELECT version FROM quire.ledger").fetch_one(connection).await.map_err(read)?;
    let known = MIGRATIONS.len() as i64;
    if version > known {
        return Err(Error::configuration(format!(
            "its version is {version}, and this Quire knows versions up to {known}; run the newer Quire that wrote it, or \
             choose another database (nothing was changed)"
        )));
    }
    Ok(version)
}
