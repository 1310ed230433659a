//! A ledger moved to another database: every row of every table, read at one moment and written in one transaction, which is committed
//! only after it was read back and found equal. Whoever is interrupted leaves nothing behind.
//!
//! It must never change the ledger that is copied, nor add to one that is not empty.

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use futures::{StreamExt, TryStreamExt};
use serde::Serialize;

use super::database::{Columns, Database, NUL, Statement, Transaction, Value};
use super::tables::{Kind, TABLES, Table};
use super::{PostgresLedger, PostgresSettings, SqliteLedger};
use crate::error::{Error, Result, ResultExt};

/// Rows written by one statement: at most 16 columns each, of the 32,766 parameters that SQLite takes.
const SLICE: usize = 500;
/// Rows between two lines of progress.
const TOLD: u64 = 100_000;

/// Where a ledger is kept.
#[derive(Debug, Clone)]
pub enum Place {
    /// SQLite. Whoever names it holds the data folder that it lies in.
    File(PathBuf),
    Server(Box<PostgresSettings>),
}

impl Place {
    /// For people: without a password.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Server(settings) => settings.place(),
        }
    }
}

/// A table that was copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Transferred {
    pub table: &'static str,
    pub rows: u64,
}

/// Copies a ledger to an empty one. Jobs that somebody holds come along as waiting, and that attempt does not count.
///
/// # Errors
/// Configuration: there is nothing to copy, the other ledger is not empty, or another process has one of them open; nothing was changed
/// then. Transient: a database is away, or what was written is not what was read.
pub async fn transfer(from: &Place, to: &Place) -> Result<Vec<Transferred>> {
    if from.name() == to.name() {
        return Err(Error::configuration(format!("the ledger is in {} already: name another place", from.name())));
    }
    match from {
        Place::File(path) => {
            let source = SqliteLedger::open(path).await?;
            let copied = transfer_to(&source.database, to).await;
            source.close().await;
            copied
        }
        Place::Server(settings) => transfer_to(&PostgresLedger::open_aside(settings).await?.database, to).await,
    }
}

async fn transfer_to(from: &impl Database, to: &Place) -> Result<Vec<Transferred>> {
    match to {
        Place::File(path) => {
            let target = SqliteLedger::open(path).await?;
            let copied = copy(from, &target.database).await;
            target.close().await;
            copied
        }
        Place::Server(settings) => copy(from, &PostgresLedger::open_aside(settings).await?.database).await,
    }
}

async fn copy(from: &impl Database, to: &impl Database) -> Result<Vec<Transferred>> {
    let mut source = from.snapshot().await?;
    let mut target = to.begin().await?;
    be_alone(&mut source).await.context("the ledger that is copied")?;
    be_alone(&mut target).await.context("the new ledger")?;
    be_empty(&mut target).await.context("the new ledger")?;
    let mut read = Vec::with_capacity(TABLES.len());
    for table in &TABLES {
        read.push(fill(table, &mut source, &mut target).await.context(table.name)?);
    }
    if read.iter().all(|content| content.rows == 0) {
        return Err(Error::configuration("the ledger is empty: there is nothing to move"));
    }
    for (table, read) in TABLES.iter().zip(&read) {
        let written = content(table, &mut target).await.context(table.name)?;
        if written != *read {
            return Err(Error::transient(format!(
                "{}: {} rows were read, and {} are there which are not the same: nothing was kept, start again",
                table.name, read.rows, written.rows
            )));
        }
    }
    target.commit().await?;
    Ok(TABLES.iter().zip(read).map(|(table, read)| Transferred { table: table.name, rows: read.rows }).collect())
}

async fn be_alone(transaction: &mut impl Transaction) -> Result<()> {
    if transaction.alone().await? {
        return Ok(());
    }
    Err(Error::configuration(
        "another quire works with it: stop every service and command that does (PostgreSQL lists them in pg_stat_activity), then start \
         again",
    ))
}

async fn be_empty(target: &mut impl Transaction) -> Result<()> {
    for table in &TABLES {
        let counted = target.rows(Statement::new(table.count)).await?;
        let rows = counted.first().map_or(Ok(0), |row| row.integer("counted"))?;
        if rows > 0 {
            return Err(Error::configuration(format!(
                "it is not empty ({} has {rows} rows), and two ledgers can't become one: name an empty database, or remove the schema \
                 'quire' or the file ledger.sqlite if nobody needs what it holds",
                table.name
            )));
        }
    }
    Ok(())
}

/// How many rows, and which.
#[derive(PartialEq, Eq)]
struct Content {
    rows: u64,
    hash: blake3::Hash,
}

/// Copies the rows of a table.
async fn fill(table: &Table, source: &mut impl Transaction, target: &mut impl Transaction) -> Result<Content> {
    let mut digest = Digest::default();
    let mut slices = source.stream(Statement::new(table.rows)).map(|row| values(table, &row?)).chunks(SLICE);
    let mut told = 0;
    while let Some(slice) = slices.next().await {
        let slice = slice.into_iter().collect::<Result<Vec<_>>>()?;
        slice.iter().for_each(|row| digest.add(row));
        target.insert(table, slice).await?;
        if digest.rows >= told + TOLD {
            told = digest.rows;
            tracing::info!(table = table.name, rows = told, "copying");
        }
    }
    if table.is_numbered {
        target.number_on(table).await?;
    }
    Ok(digest.content())
}

async fn content(table: &Table, ledger: &mut impl Transaction) -> Result<Content> {
    let mut digest = Digest::default();
    let mut rows = ledger.stream(Statement::new(table.rows));
    while let Some(row) = rows.try_next().await? {
        digest.add(&values(table, &row)?);
    }
    Ok(digest.content())
}

fn values(table: &Table, row: &impl Columns) -> Result<Vec<Value>> {
    let value = |&(name, kind): &(&str, Kind)| {
        Ok(match kind {
            Kind::Text => row.optional_text(name)?.into(),
            Kind::Integer => row.optional_integer(name)?.into(),
        })
    };
    table.columns.iter().map(value).collect()
}

/// What rows say, in their order.
#[derive(Default)]
struct Digest {
    rows: u64,
    hasher: blake3::Hasher,
}

impl Digest {
    fn add(&mut self, row: &[Value]) {
        self.rows += 1;
        for value in row {
            match value {
                Value::Text(None) | Value::Integer(None) => self.bytes(b'-', &[]),
                Value::Integer(Some(integer)) => self.bytes(b'i', &integer.to_le_bytes()),
                // As it is in the database that can hold less.
                Value::Text(Some(text)) if text.contains('\0') => self.bytes(b't', text.replace('\0', NUL).as_bytes()),
                Value::Text(Some(text)) => self.bytes(b't', text.as_bytes()),
            }
        }
    }

    fn bytes(&mut self, kind: u8, bytes: &[u8]) {
        self.hasher.update(&[kind]).update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
    }

    fn content(self) -> Content {
        Content { rows: self.rows, hash: self.hasher.finalize() }
    }
}
