//! The ledger in PostgreSQL: for any number of processes on any number of machines.
//!
//! **Locks, not serializable transactions.** Every transaction is READ COMMITTED and first locks what it decides on
//! ([`Lock`]): a change of a collection's builds locks the whole collection; everything else locks its builds for reading and one
//! document for writing. What it reads afterwards nobody else changes before it ends, so that what holds for SQLite's one writer
//! holds here too. Serializable transactions would need none of this, and would fail in numbers: every claim reads the front of
//! the same queue, and PostgreSQL takes all that read the same page for rivals.
//!
//! The locks are advisory ones, by hash: they also stand for a document or collection that is not there yet. Two names of one
//! hash only wait for each other. A document's row is locked besides, because claims lock rows (`FOR UPDATE SKIP LOCKED`): they
//! never wait for anybody but for the turn of a queue, which is the last thing that they write.
//!
//! Times are the server's, so that a lease ends at the same moment for everybody. All tables are in the schema `quire`.

mod error;
mod listen;
mod open;
#[cfg(test)]
pub(super) mod tests;

use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use sqlx::postgres::{PgArguments, PgPool, PgRow, Postgres};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, QueryBuilder, Row as _};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use self::error::failed;
pub use self::open::PostgresSettings;
use super::SqlLedger;
use super::database::{Columns, Database, Lock, NUL, Statement, Transaction, Value};
use super::statements;
use super::tables::Table;
use crate::error::{Error, Result};
use crate::ledger::{Clock, Turn};
use crate::types::DocumentId;

/// A ledger in PostgreSQL, for any number of processes.
pub type PostgresLedger = SqlLedger<PostgresServer>;

/// The channel on which processes tell each other of work.
const CHANNEL: &str = "quire_jobs";

/// No statement of the ledger takes as long: the server, or the way to it, hangs.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);

/// How long a process that ends may take until the server has noticed.
const LEAVING: Duration = Duration::from_secs(3);

/// The connections to the server.
pub struct PostgresServer {
    pool: PgPool,
    /// The test's own; None: the server's.
    clock: Option<Clock>,
    /// Hears of what others submit; None for who moves the ledger.
    _listening: Option<AbortOnDropHandle<()>>,
}

impl SqlLedger<PostgresServer> {
    /// Connects to the ledger, and makes or migrates its tables where they are missing or of an earlier version. Processes that
    /// start at the same moment wait for each other.
    ///
    /// # Errors
    /// Configuration where the server refuses us, or its tables are of a newer version or another program; nothing is changed
    /// then. Transient where the server is away.
    pub async fn open(settings: &PostgresSettings) -> Result<Self> {
        Self::open_with_clock(settings, None).await
    }

    /// Opens the ledger with a clock of one's own.
    ///
    /// # Errors
    /// As [`Self::open`].
    #[doc(hidden)]
    pub async fn open_with_clock(settings: &PostgresSettings, clock: Option<Clock>) -> Result<Self> {
        let pool = open::open(settings).await?;
        let news = watch::Sender::default();
        let listening = AbortOnDropHandle::new(tokio::spawn(listen::listen(pool.clone(), news.clone())));
        Ok(Self::over(PostgresServer { pool, clock, _listening: Some(listening) }, news))
    }

    /// Opens the ledger without being one of those who work with it: see [`Transaction::alone`].
    pub(super) async fn open_aside(settings: &PostgresSettings) -> Result<Self> {
        let pool = open::open(settings).await?;
        Ok(Self::over(PostgresServer { pool, clock: None, _listening: None }, watch::Sender::default()))
    }
}

impl PostgresServer {
    /// A transaction that holds an advisory lock.
    async fn holding(&self, what: &str, statement: &'static str) -> Result<(PostgresTransaction, bool)> {
        let mut transaction = self.begin().await?;
        let key = key("turn", what.as_bytes());
        let row = sqlx::query(statement)
            .bind(key)
            .fetch_one(&mut *transaction.0)
            .await
            .map_err(|error| failed("wait for a turn", error))?;
        let got = row.integer("got")? == 1;
        Ok((transaction, got))
    }
}

/// A transaction that writes.
pub struct PostgresTransaction(sqlx::Transaction<'static, Postgres>);

#[async_trait]
impl Database for PostgresServer {
    type Row = PgRow;
    type Transaction = PostgresTransaction;

    const VISIBLE: &'static str = "
        SELECT i.document_id, i.generation
        FROM documents d
            JOIN builds b ON b.collection = d.collection AND b.role = 'active'
            JOIN indexed i ON i.document_id = d.document_id AND i.physical = b.physical
        WHERE d.tenant = $1 AND d.document_id IN (SELECT jsonb_array_elements_text($2::jsonb))
            AND ($3 IS NULL OR NOT EXISTS (SELECT 1 FROM access a WHERE a.document_id = d.document_id)
                OR EXISTS (SELECT 1 FROM access a
                    WHERE a.document_id = d.document_id AND replace($3, ',' || a.member || ',', '') != $3))";

    async fn now_ms(&self) -> Result<i64> {
        if let Some(clock) = &self.clock {
            return Ok(clock());
        }
        let now = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT) AS now_ms";
        let rows = self.read(Statement::new(now)).await?;
        rows.first().ok_or_else(|| Error::bug("PostgreSQL told no time"))?.integer("now_ms")
    }

    async fn begin(&self) -> Result<PostgresTransaction> {
        let begin = self.pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE");
        answered("write to", begin).await.map(PostgresTransaction)
    }

    async fn snapshot(&self) -> Result<PostgresTransaction> {
        let begin = self.pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
        answered("read", begin).await.map(PostgresTransaction)
    }

    async fn turn(&self, what: &str) -> Result<Turn> {
        let wait = "SELECT CAST(1 AS BIGINT) AS got FROM (SELECT pg_advisory_xact_lock($1)) AS locked";
        let (transaction, _) = self.holding(what, wait).await?;
        Ok(Turn::holding(transaction))
    }

    async fn try_turn(&self, what: &str) -> Result<Option<Turn>> {
        let (transaction, got) =
            self.holding(what, "SELECT CAST(pg_try_advisory_xact_lock($1) AS INTEGER)::BIGINT AS got").await?;
        Ok(got.then(|| Turn::holding(transaction)))
    }

    async fn read(&self, statement: Statement) -> Result<Vec<PgRow>> {
        answered("read", query(statement).fetch_all(&self.pool)).await
    }

    /// Nothing: PostgreSQL reuses the room by itself (autovacuum).
    async fn trim(&self) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl Transaction for PostgresTransaction {
    type Row = PgRow;

    const NEXT_JOB: &'static str = statements::next_job!("FOR UPDATE OF j, d SKIP LOCKED");
    const ANNOUNCE: Option<&'static str> = Some("SELECT pg_notify('quire_jobs', '')");

    async fn lock(&mut self, lock: Lock<'_>) -> Result<()> {
        let (statement, key) = match lock {
            Lock::Collection(name) => ("SELECT pg_advisory_xact_lock($1)", key("collection", name.as_bytes())),
            Lock::Builds(name) => ("SELECT pg_advisory_xact_lock_shared($1)", key("collection", name.as_bytes())),
            Lock::Document(id) => ("SELECT pg_advisory_xact_lock($1)", of_document(id)),
        };
        self.rows(Statement::new(statement).with(key)).await?;
        if let Lock::Document(id) = lock {
            let row = "SELECT 1 FROM documents WHERE document_id = $1 FOR UPDATE";
            self.rows(Statement::new(row).with(id.to_string())).await?;
        }
        Ok(())
    }

    async fn try_lock(&mut self, lock: Lock<'_>) -> Result<bool> {
        let (statement, key) = match lock {
            Lock::Collection(name) => (
                "SELECT CAST(pg_try_advisory_xact_lock($1) AS INTEGER)::BIGINT AS got",
                key("collection", name.as_bytes()),
            ),
            Lock::Builds(name) => (
                "SELECT CAST(pg_try_advisory_xact_lock_shared($1) AS INTEGER)::BIGINT AS got",
                key("collection", name.as_bytes()),
            ),
            Lock::Document(id) => {
                ("SELECT CAST(pg_try_advisory_xact_lock($1) AS INTEGER)::BIGINT AS got", of_document(id))
            }
        };
        let rows = self.rows(Statement::new(statement).with(key)).await?;
        Ok(rows.first().map(|row| row.integer("got")).transpose()? == Some(1))
    }

    async fn run(&mut self, statement: Statement) -> Result<u64> {
        Ok(answered("write to", query(statement).execute(&mut *self.0)).await?.rows_affected())
    }

    async fn rows(&mut self, statement: Statement) -> Result<Vec<PgRow>> {
        answered("read", query(statement).fetch_all(&mut *self.0)).await
    }

    fn stream(&mut self, statement: Statement) -> BoxStream<'_, Result<PgRow>> {
        Box::pin(query(statement).fetch(&mut *self.0).map(|row| row.map_err(|error| failed("read the ledger", error))))
    }

    async fn insert(&mut self, table: &Table, rows: Vec<Vec<Value>>) -> Result<()> {
        let mut insert = QueryBuilder::<Postgres>::new(table.insert);
        if table.is_numbered {
            insert.push(" OVERRIDING SYSTEM VALUE ");
        }
        insert.push_values(rows, |mut row, values| {
            for value in values {
                match value {
                    Value::Text(text) => row.push_bind(text.map(storable)),
                    Value::Integer(integer) => row.push_bind(integer),
                };
            }
        });
        answered("write to", insert.build().execute(&mut *self.0)).await.map(drop)
    }

    async fn number_on(&mut self, table: &Table) -> Result<()> {
        let name = table.name;
        let number = format!(
            "SELECT setval(pg_get_serial_sequence('quire.{name}', 'id'), COALESCE(MAX(id), 0) + 1, false) FROM {name}"
        );
        let set = sqlx::query(AssertSqlSafe(number)).execute(&mut *self.0);
        answered("write to", set).await.map(drop)
    }

    async fn alone(&mut self) -> Result<bool> {
        let started = std::time::Instant::now();
        loop {
            let try_lock = "SELECT CAST(pg_try_advisory_xact_lock($1) AS INTEGER)::BIGINT AS got";
            let rows = self.rows(Statement::new(try_lock).with(presence())).await?;
            if rows.first().map(|row| row.integer("got")).transpose()? == Some(1) {
                return Ok(true);
            }
            if started.elapsed() > LEAVING {
                return Ok(false);
            }
            tokio::time::sleep(LEAVING / 50).await;
        }
    }

    async fn commit(self) -> Result<()> {
        answered("commit to", self.0.commit()).await
    }
}

/// The advisory lock of a thing.
fn key(kind: &str, name: &[u8]) -> i64 {
    let mut hash = blake3::Hasher::new_derive_key("quire ledger advisory lock 1");
    hash.update(kind.as_bytes()).update(&[0]).update(name);
    let mut key = [0; 8];
    hash.finalize_xof().fill(&mut key);
    i64::from_le_bytes(key)
}

/// The lock that every process shares that has the ledger open, as long as it hears of work.
fn presence() -> i64 {
    key("presence", b"")
}

fn of_document(id: DocumentId) -> i64 {
    key("document", id.to_string().as_bytes())
}

/// What the server answers, if it does in time.
async fn answered<T>(action: &str, call: impl Future<Output = sqlx::Result<T>>) -> Result<T> {
    match tokio::time::timeout(ANSWER_TIMEOUT, call).await {
        Ok(answer) => answer.map_err(|error| failed(&format!("{action} the ledger"), error)),
        Err(_) => {
            let seconds = ANSWER_TIMEOUT.as_secs();
            Err(Error::transient(format!("cannot {action} the ledger: PostgreSQL has not answered for {seconds} s")))
        }
    }
}

fn query(statement: Statement) -> Query<'static, Postgres, PgArguments> {
    statement.values.into_iter().fold(sqlx::query(statement.sql), |query, value| match value {
        Value::Text(text) => query.bind(text.map(storable)),
        Value::Integer(integer) => query.bind(integer),
    })
}

/// Without the one character that PostgreSQL's text can't hold.
fn storable(text: String) -> String {
    if text.contains('\0') { text.replace('\0', NUL) } else { text }
}

impl Columns for PgRow {
    fn text(&self, column: &str) -> Result<String> {
        self.try_get(column).map_err(|error| failed("read the ledger", error))
    }

    fn optional_text(&self, column: &str) -> Result<Option<String>> {
        self.try_get(column).map_err(|error| failed("read the ledger", error))
    }

    fn integer(&self, column: &str) -> Result<i64> {
        self.try_get(column).map_err(|error| failed("read the ledger", error))
    }

    fn optional_integer(&self, column: &str) -> Result<Option<i64>> {
        self.try_get(column).map_err(|error| failed("read the ledger", error))
    }
}
