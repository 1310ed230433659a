//! The ledger from SQLite to PostgreSQL, back, or to another PostgreSQL. Vectors and page images stay where they are: the new ledger
//! knows them by the same names and identities, so that nothing is made again.
//!
//! It must never change the ledger that is moved, nor repeat an address, which may hold a password.

use std::time::Instant;

use serde::Serialize;

use crate::app::backends;
use crate::app::data_dir::DataDir;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::ledger::{Place, PostgresSettings, Transferred, transfer};

/// What the file of the data folder is called as a target.
const DATA_FOLDER: &str = "data-folder";
/// Connections to the new server: one that writes, one that migrates its tables.
const CONNECTIONS: u32 = 2;

/// A ledger that was moved.
#[derive(Debug, Serialize)]
pub struct LedgerMigrated {
    /// Where it was and still is.
    pub from: String,
    pub to: String,
    /// Whether the configuration has to name a server now.
    pub is_on_server: bool,
    /// Every table: as many rows were written, read back and found equal.
    pub tables: Vec<Transferred>,
    pub seconds: f64,
}

/// Moves the ledger of this configuration to `postgres://...`, or to `data-folder`.
///
/// # Errors
/// Configuration: a process has the data folder or a ledger open, there is nothing to move, or the new ledger is not empty. Transient: a
/// database is away.
pub async fn migrate_ledger(config: &Config, to: &str) -> Result<LedgerMigrated> {
    let started = Instant::now();
    let data = DataDir::open(&config.data_dir)?;
    let file = Place::File(data.ledger());
    let from = backends::postgres(config)?.map_or_else(|| file.clone(), |settings| Place::Server(Box::new(settings)));
    let to = match to {
        DATA_FOLDER => file,
        url if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
            Place::Server(Box::new(PostgresSettings::of_url(url, CONNECTIONS)?))
        }
        _ => {
            return Err(Error::configuration(format!(
                "--ledger-to is no place for a ledger: postgres://USER@HOST/DATABASE or '{DATA_FOLDER}' is expected"
            )));
        }
    };
    if matches!(from, Place::File(_)) && !data.ledger().exists() {
        return Err(Error::configuration(format!("there is no ledger in {}", data.root().display())));
    }
    let tables = transfer(&from, &to).await?;
    Ok(LedgerMigrated {
        from: from.name(),
        to: to.name(),
        is_on_server: matches!(to, Place::Server(_)),
        tables,
        seconds: started.elapsed().as_secs_f64(),
    })
}
