//! The ledger in one SQLite file: for one process on one machine.
//!
//! A transaction is durable when its method returns (WAL, `synchronous = FULL`). Writers take turns on one connection,
//! and every write transaction begins IMMEDIATE, so that none fails half-way for want of the lock. Nobody else writes while it
//! lasts: nothing in it is locked besides.
//!
//! Deleted text leaves the file: SQLite writes zeros over what is deleted (`secure_delete`). That leaves copies of rows that moved
//! within their page or to another one, and the log beside the file: [`crate::ledger::Ledger::trim`] takes text out of these too.

mod error;
mod open;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use futures::TryStreamExt;
use futures::stream::BoxStream;
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteRow};
use sqlx::{QueryBuilder, Row as _};
use tokio::sync::watch;

use self::error::failed;
use super::SqlLedger;
use super::database::{Columns, Database, Lock, Statement, Transaction, Value};
use super::statements;
use super::tables::Table;
use crate::error::{Error, Result};
use crate::ledger::{Clock, Turn};

/// A ledger in one SQLite file, for one process on one machine. Every transaction is on disk when its method returns.
pub type SqliteLedger = SqlLedger<SqliteFile>;

/// The connections to the file.
pub struct SqliteFile {
    pools: open::Pools,
    clock: Clock,
}

impl SqliteFile {
    /// Takes milliseconds, and waits for reads that are under way.
    async fn empty_log(&self) -> Result<()> {
        let row = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
            .fetch_one(&self.pools.writer)
            .await
            .map_err(|error| failed("empty the log of the ledger", error))?;
        if row.integer("busy")? != 0 {
            return Err(Error::transient("the log of the ledger is being read by another program: it was not emptied"));
        }
        Ok(())
    }
}

impl SqlLedger<SqliteFile> {
    /// Opens the ledger, or creates it with the folders above it. A ledger of an earlier version is brought to this one.
    ///
    /// # Errors
    /// Configuration where the file is of a newer version than this program knows, or no ledger; it is not touched
    /// then.
    pub async fn open(path: &Path) -> Result<Self> {
        Self::open_with_clock(path, Arc::new(|| jiff::Timestamp::now().as_millisecond())).await
    }

    /// Opens the ledger with a clock of one's own.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_with_clock(path: &Path, clock: Clock) -> Result<Self> {
        Ok(Self::over(SqliteFile { pools: open::open(path).await?, clock }, watch::Sender::default()))
    }

    /// Frees the leases of a process that is gone; returns how many. Their attempts do not count, and the jobs are suspects
    /// ([`Claim::suspects`](crate::ledger::Claim::suspects)) from now on. Only at start-up, by the one process that owns the
    /// file.
    ///
    /// # Errors
    /// Transient, where the file cannot be written.
    pub async fn free_abandoned(&self) -> Result<usize> {
        self.begin().await?.free_abandoned().await
    }

    /// Waits for running transactions and closes the file, which leaves no log beside it.
    pub async fn close(self) {
        self.database.pools.reader.close().await;
        if let Err(error) = self.database.empty_log().await {
            tracing::warn!(%error, "the ledger is closed, and its log is left");
        }
        self.database.pools.writer.close().await;
    }
}

/// A transaction that writes.
pub struct SqliteTransaction(sqlx::Transaction<'static, Sqlite>);

#[async_trait]
impl Database for SqliteFile {
    type Row = SqliteRow;
    type Transaction = SqliteTransaction;

    const VISIBLE: &'static str = "
        SELECT i.document_id, i.generation
        FROM documents d
            JOIN builds b ON b.collection = d.collection AND b.role = 'active'
            JOIN indexed i ON i.document_id = d.document_id AND i.physical = b.physical
        WHERE d.tenant = $1 AND d.document_id IN (SELECT value FROM json_each($2))
            AND ($3 IS NULL OR NOT EXISTS (SELECT 1 FROM access a WHERE a.document_id = d.document_id)
                OR EXISTS (SELECT 1 FROM access a
                    WHERE a.document_id = d.document_id AND replace($3, ',' || a.member || ',', '') != $3))";

    async fn now_ms(&self) -> Result<i64> {
        Ok((self.clock)())
    }

    async fn begin(&self) -> Result<Self::Transaction> {
        let begun = self.pools.writer.begin_with("BEGIN IMMEDIATE").await;
        begun.map(SqliteTransaction).map_err(|error| failed("write to the ledger", error))
    }

    async fn snapshot(&self) -> Result<Self::Transaction> {
        let begun = self.pools.reader.begin_with("BEGIN DEFERRED").await;
        begun.map(SqliteTransaction).map_err(|error| failed("read the ledger", error))
    }

    /// The one process that owns the file orders by itself what it does.
    async fn turn(&self, _what: &str) -> Result<Turn> {
        Ok(Turn::nothing())
    }

    async fn try_turn(&self, _what: &str) -> Result<Option<Turn>> {
        Ok(Some(Turn::nothing()))
    }

    async fn read(&self, statement: Statement) -> Result<Vec<SqliteRow>> {
        query(statement).fetch_all(&self.pools.reader).await.map_err(|error| failed("read the ledger", error))
    }

    /// Writes the file anew and empties the log beside it, so that deleted text is gone from both. Takes a second for each hundred
    /// megabytes, in which writers wait; waits for reads that are under way.
    async fn trim(&self) -> Result<()> {
        let anew = sqlx::query("VACUUM").execute(&self.pools.writer).await;
        anew.map_err(|error| failed("write the ledger anew", error))?;
        self.empty_log().await
    }
}

#[async_trait]
impl Transaction for SqliteTransaction {
    type Row = SqliteRow;

    const NEXT_JOB: &'static str = statements::next_job!("");
    const ANNOUNCE: Option<&'static str> = None;

    async fn lock(&mut self, _lock: Lock<'_>) -> Result<()> {
        Ok(())
    }

    async fn try_lock(&mut self, _lock: Lock<'_>) -> Result<bool> {
        Ok(true)
    }

    async fn run(&mut self, statement: Statement) -> Result<u64> {
        let done =
            query(statement).execute(&mut *self.0).await.map_err(|error| failed("write to the ledger", error))?;
        Ok(done.rows_affected())
    }

    async fn rows(&mut self, statement: Statement) -> Result<Vec<SqliteRow>> {
        query(statement).fetch_all(&mut *self.0).await.map_err(|error| failed("read the ledger", error))
    }

    fn stream(&mut self, statement: Statement) -> BoxStream<'_, Result<SqliteRow>> {
        Box::pin(query(statement).fetch(&mut *self.0).map_err(|error| failed("read the ledger", error)))
    }

    async fn insert(&mut self, table: &Table, rows: Vec<Vec<Value>>) -> Result<()> {
        let mut insert = QueryBuilder::<Sqlite>::new(table.insert);
        insert.push_values(rows, |mut row, values| {
            for value in values {
                match value {
                    Value::Text(text) => row.push_bind(text),
                    Value::Integer(integer) => row.push_bind(integer),
                };
            }
        });
        let done = insert.build().execute(&mut *self.0).await;
        done.map(drop).map_err(|error| failed("write to the ledger", error))
    }

    /// SQLite remembers the largest number that a table ever had.
    async fn number_on(&mut self, _table: &Table) -> Result<()> {
        Ok(())
    }

    /// Whoever holds the data folder has the file to itself.
    async fn alone(&mut self) -> Result<bool> {
        Ok(true)
    }

    async fn commit(self) -> Result<()> {
        self.0.commit().await.map_err(|error| failed("commit to the ledger", error))
    }
}

fn query(statement: Statement) -> Query<'static, Sqlite, SqliteArguments> {
    statement.values.into_iter().fold(sqlx::query(statement.sql), |query, value| match value {
        Value::Text(text) => query.bind(text),
        Value::Integer(integer) => query.bind(integer),
    })
}

impl Columns for SqliteRow {
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
