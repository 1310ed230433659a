//! What a database error means for the caller.

use std::error::Error as _;

use sqlx::error::DatabaseError;

use crate::error::{Blame, Error};

/// An error met while doing `action`: what may pass (a full disk, a lock, a failed read) is transient, a damaged file is
/// permanent, one that cannot be used is configuration, a statement that the database refuses is a bug. Whichever it is, no
/// document pays for it.
pub fn failed(action: &str, error: sqlx::Error) -> Error {
    let message = format!("cannot {action}");
    let wrapped = match &error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => {
            Error::transient(message)
        }
        sqlx::Error::Database(database) => {
            match primary_code(database.as_ref()) {
                // BUSY, LOCKED, NOMEM, IOERR, FULL
                5 | 6 | 7 | 10 | 13 => Error::transient(message),
                // CORRUPT
                11 => Error::permanent(format!("{message}: the file is damaged, restore a backup")),
                // PERM, READONLY, CANTOPEN, NOTADB
                3 | 8 | 14 | 26 => Error::configuration(message),
                _ => Error::bug(message),
            }
        }
        _ => Error::bug(message),
    };
    wrapped.blaming(Blame::Dependency).with_source(error)
}

/// Whether somebody else has the file for a moment.
pub fn is_busy(error: &Error) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref::<sqlx::Error>());
    let Some(sqlx::Error::Database(database)) = source else {
        return false;
    };
    // BUSY
    primary_code(database.as_ref()) == 5
}

/// The primary result code, <https://www.sqlite.org/rescode.html>; 0 where there is none.
fn primary_code(database: &dyn DatabaseError) -> u32 {
    let code: u32 = database.code().and_then(|code| code.parse().ok()).unwrap_or_default();
    code & 0xff
}
