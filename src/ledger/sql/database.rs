//! What the ledger needs of a database: statements with values, rows with columns, transactions.

use async_trait::async_trait;
use futures::stream::BoxStream;

use super::tables::Table;
use crate::error::Result;
use crate::ledger::Turn;
use crate::types::DocumentId;

/// What stands for the character NUL, which PostgreSQL's text can't hold.
pub const NUL: &str = "\u{fffd}";

/// A parameter of a statement.
#[derive(Debug, Clone)]
pub enum Value {
    Text(Option<String>),
    Integer(Option<i64>),
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(Some(text))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(Some(text.to_owned()))
    }
}

impl From<Option<String>> for Value {
    fn from(text: Option<String>) -> Self {
        Value::Text(text)
    }
}

impl From<Option<&str>> for Value {
    fn from(text: Option<&str>) -> Self {
        Value::Text(text.map(str::to_owned))
    }
}

impl From<i64> for Value {
    fn from(integer: i64) -> Self {
        Value::Integer(Some(integer))
    }
}

impl From<Option<i64>> for Value {
    fn from(integer: Option<i64>) -> Self {
        Value::Integer(integer)
    }
}

impl From<u32> for Value {
    fn from(integer: u32) -> Self {
        Value::Integer(Some(i64::from(integer)))
    }
}

/// A statement with its parameters, `$1` first.
#[derive(Debug)]
pub struct Statement {
    pub sql: &'static str,
    pub values: Vec<Value>,
}

impl Statement {
    pub fn new(sql: &'static str) -> Self {
        Self { sql, values: Vec::new() }
    }

    /// The next parameter.
    #[must_use]
    pub fn with(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }
}

/// A row, read by the names of its columns.
pub trait Columns: Send + Sync {
    fn text(&self, column: &str) -> Result<String>;
    fn optional_text(&self, column: &str) -> Result<Option<String>>;
    fn integer(&self, column: &str) -> Result<i64>;
    fn optional_integer(&self, column: &str) -> Result<Option<i64>>;
}

/// What nobody else changes until the transaction that locked it ends. Taken in this order, from the whole to the part, so that
/// no two transactions wait for each other.
#[derive(Debug, Clone, Copy)]
pub enum Lock<'a> {
    /// A collection with its builds and all its documents: nobody else writes any of them.
    Collection(&'a str),
    /// The builds of a collection: others may write its documents too.
    Builds(&'a str),
    /// A document with its job, known or not.
    Document(DocumentId),
}

/// A database that keeps a ledger.
#[async_trait]
pub trait Database: Send + Sync + 'static {
    type Row: Columns;
    type Transaction: Transaction<Row = Self::Row>;

    /// `document_id` and visible `generation` of the documents of tenant `$1` among those whose ids are in the JSON array `$2`,
    /// as far as the groups `$3` (null: everybody) may see them.
    const VISIBLE: &'static str;

    /// The present moment in Unix milliseconds, the same for everybody who uses the database.
    async fn now_ms(&self) -> Result<i64>;
    /// Begins a transaction that writes. What it decides on it locks first ([`Transaction::lock`]).
    async fn begin(&self) -> Result<Self::Transaction>;
    /// Begins a transaction that reads: everything as it is at the moment of its first statement.
    async fn snapshot(&self) -> Result<Self::Transaction>;
    /// As [`Ledger::turn`](crate::ledger::Ledger::turn).
    async fn turn(&self, what: &str) -> Result<Turn>;
    /// As [`Ledger::try_turn`](crate::ledger::Ledger::try_turn).
    async fn try_turn(&self, what: &str) -> Result<Option<Turn>>;
    /// Reads outside of transactions.
    async fn read(&self, statement: Statement) -> Result<Vec<Self::Row>>;

    /// Makes what was deleted leave the disk.
    ///
    /// # Errors
    /// Transient: another program reads the database for long, or it can't be written.
    async fn trim(&self) -> Result<()>;
}

/// A transaction; rolled back if it is dropped.
#[async_trait]
pub trait Transaction: Send {
    type Row: Columns;

    /// The oldest job of a queue that may be handed out, made by [`next_job`](super::statements::next_job). Where others write
    /// at the same time it locks job and document, and passes over those that somebody else has locked.
    const NEXT_JOB: &'static str;
    /// Tells other processes, once the transaction is committed, that there is work; None where there are none.
    const ANNOUNCE: Option<&'static str>;

    /// Waits until nobody else has locked what this would lock. Statements after it see what the others wrote.
    async fn lock(&mut self, lock: Lock<'_>) -> Result<()>;
    /// Locks without waiting; false where somebody else is in the way.
    async fn try_lock(&mut self, lock: Lock<'_>) -> Result<bool>;

    /// Runs a statement and returns how many rows it changed.
    async fn run(&mut self, statement: Statement) -> Result<u64>;
    async fn rows(&mut self, statement: Statement) -> Result<Vec<Self::Row>>;
    /// Rows one after another, as they come: for statements that answer with more than memory should hold.
    fn stream(&mut self, statement: Statement) -> BoxStream<'_, Result<Self::Row>>;
    /// Adds rows to a table, each with a value for each of its columns; at least one row, and no more than a statement has
    /// parameters for (32,766).
    async fn insert(&mut self, table: &Table, rows: Vec<Vec<Value>>) -> Result<()>;
    /// Rows to come in a table of numbered rows get numbers above those that are there.
    async fn number_on(&mut self, table: &Table) -> Result<()>;
    /// Whether no other process has the ledger open. Where none has, those that come wait until the transaction ends.
    async fn alone(&mut self) -> Result<bool>;
    /// Durable when it returns.
    async fn commit(self) -> Result<()>;
}
