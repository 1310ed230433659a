//! What an error of PostgreSQL means for the caller.

use crate::error::{Blame, Error, is_of_unknown_host};

/// Why there is no connection at the start: what no waiting mends is told from a server that is away.
pub fn not_connected(error: sqlx::Error) -> Error {
    match &error {
        sqlx::Error::Io(_) if is_of_unknown_host(&error) => {
            Error::configuration("cannot connect: there is no such host").with_source(error)
        }
        sqlx::Error::Protocol(_) => {
            Error::configuration("cannot connect: what answers there is no PostgreSQL").with_source(error)
        }
        _ => failed("connect", error),
    }
}

/// An error met while doing `action`: a server that is away, full, busy or restarting is transient, one that refuses us is
/// configuration, damaged data is permanent, a statement that it doesn't understand is a bug. Whichever it is, no document pays
/// for it.
///
/// Error codes: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
pub fn failed(action: &str, error: sqlx::Error) -> Error {
    let message = format!("cannot {action}");
    let wrapped = match &error {
        sqlx::Error::Io(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => Error::transient(message),
        sqlx::Error::Tls(_) | sqlx::Error::Configuration(_) | sqlx::Error::InvalidArgument(_) => {
            Error::configuration(message)
        }
        sqlx::Error::Database(database) => of_code(&database.code().unwrap_or_default(), message),
        _ => Error::bug(message),
    };
    wrapped.blaming(Blame::Dependency).with_source(error)
}

fn of_code(code: &str, message: String) -> Error {
    match code {
        // Somebody else did the same just now; the server was made read-only (it was a primary before).
        "23505" | "25006" => Error::transient(message),
        // No such database; we may not do this; its schema is another program's.
        "3D000" | "42501" | "42P07" => Error::configuration(message),
        "XX001" | "XX002" => Error::permanent(format!("{message}: the database is damaged, restore a backup")),
        _ => match code.get(..2).unwrap_or_default() {
            // Connection, transaction state, rollback (deadlock, serialization), resources (disk, memory, connections), object
            // in use (locks), operator (shutdown, cancelled), system (input and output).
            "08" | "25" | "40" | "53" | "55" | "57" | "58" => Error::transient(message),
            // Authorization.
            "28" => Error::configuration(message),
            _ => Error::bug(message),
        },
    }
}
