//! What a database error means for the caller.

use std::error::Error as _;

use crate::error::Error;

/// An error met while doing `action`: what may pass (a full disk, a lock, a failed read) is transient, a file that
/// cannot be used is configuration, a statement that the database refuses is a bug.
pub fn failed(action: &str, error: sqlx::Error) -> Error {
    let message = format!("cannot {action}");
    let wrapped = match &error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => {
            Error::transient(message)
        }
        sqlx::Error::Database(database) => {
            let code: u32 = database.code().and_then(|code| code.parse().ok()).unwrap_or_default();
            // Primary result codes, https://www.sqlite.org/rescode.html
            match code & 0xff {
                // BUSY, LOCKED, NOMEM, IOERR, FULL
                5 | 6 | 7 | 10 | 13 => Error::transient(message),
                // PERM, READONLY, CORRUPT, CANTOPEN, NOTADB
                3 | 8 | 11 | 14 | 26 => Error::configuration(message),
                _ => Error::bug(message),
            }
        }
        _ => Error::bug(message),
    };
    wrapped.with_source(error)
}

/// Whether somebody else has the file for a moment.
pub fn is_busy(error: &Error) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref::<sqlx::Error>());
    let Some(sqlx::Error::Database(database)) = source else {
        return false;
    };
    let code = database.code().and_then(|code| code.parse::<u32>().ok());
    // SQLITE_BUSY with its extended codes
    code.is_some_and(|code| code & 0xff == 5)
}
