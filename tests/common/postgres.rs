//! A PostgreSQL for tests: one throwaway cluster for the whole test process, a database of its own for each test.
//!
//! It listens on a socket in a folder of its own, and on no port. A shell stands between: it starts the server and stops it, and
//! removes the folder, when the test process is gone, however that ended.
//!
//! Where PostgreSQL is not installed (`make postgres` installs it), tests say so and are skipped, unless
//! `QUIRE_TEST_POSTGRES=required`.

#![allow(
    clippy::disallowed_methods,
    reason = "whether PostgreSQL must be there, and where it is, the environment says"
)]

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection};

/// Makes a cluster, starts it, says so, and waits for the end of the process at the other end of its standard input.
const SCRIPT: &str = r#"
set -e
cd "$2"
trap 'rm -rf "$2"' EXIT
"$1/initdb" -D data -U quire --auth=trust --encoding=UTF8 --locale=C --no-sync > log 2>&1 || { cat log; exit 1; }
"$1/pg_ctl" -D data -l log -w -t 120 -o "-k $2 -c listen_addresses= -c fsync=off -c full_page_writes=off \
  -c max_connections=500 -c shared_buffers=64MB -c max_wal_size=256MB" start > start 2>&1 || { cat start log; exit 1; }
echo ready
cat > /dev/null
"$1/pg_ctl" -D data -m immediate stop > /dev/null 2>&1
"#;

struct Server {
    folder: PathBuf,
    /// Its standard input ends when this process does.
    _shell: Child,
}

/// A database with nothing in it; it goes with this value.
pub struct Database {
    pub name: String,
    pub options: PgConnectOptions,
}

/// A new database; None where PostgreSQL is not installed, which is said.
pub async fn database() -> Option<Database> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    static DATABASES: AtomicU32 = AtomicU32::new(1);
    let Some(server) = SERVER.get_or_init(start) else {
        eprintln!("skipped: PostgreSQL is not installed (`make postgres` installs it)");
        return None;
    };
    let name = format!("test_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
    execute(server.options("postgres"), format!("CREATE DATABASE {name}")).await;
    Some(Database { options: server.options(&name), name })
}

impl Database {
    /// Of the database, for a program that is told by its environment: `postgres://...`.
    #[allow(dead_code, reason = "not every test runs the program")]
    pub fn url(&self) -> String {
        let folder = self.options.get_socket().expect("it listens on a socket").display().to_string();
        format!("postgres://quire@localhost/{}?host={}", self.name, folder.replace('/', "%2F"))
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (options, drop) = (self.options.clone(), format!("DROP DATABASE {} WITH (FORCE)", self.name));
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(execute(options.database("postgres"), drop));
        });
        let _ = dropping.join();
    }
}

impl Server {
    fn options(&self, database: &str) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass().socket(&self.folder).port(5432).username("quire").database(database)
    }
}

async fn execute(options: PgConnectOptions, statement: String) {
    let mut connection = options.connect().await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[allow(clippy::zombie_processes, reason = "it ends after this process, and whoever takes it over waits for it")]
fn start() -> Option<Server> {
    let Some(programs) = programs() else {
        let required = std::env::var("QUIRE_TEST_POSTGRES").is_ok_and(|value| value == "required");
        assert!(!required, "QUIRE_TEST_POSTGRES=required, and PostgreSQL is not installed: `make postgres`");
        return None;
    };
    // A socket's path is short.
    let folder = tempfile::Builder::new().prefix("quire-pg-").tempdir_in("/tmp").unwrap().keep();
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(SCRIPT).arg("sh").arg(programs).arg(&folder);
    // Ctrl-C is for the tests; their end is what the shell waits for.
    shell.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
    if rustix::process::geteuid().is_root() {
        // PostgreSQL does not run as root.
        let (user, group) = (id("-u"), id("-g"));
        std::os::unix::fs::chown(&folder, Some(user), Some(group)).unwrap();
        shell.uid(user).gid(group);
    }
    let mut shell = shell.spawn().unwrap();
    let mut told = Vec::new();
    for line in BufReader::new(shell.stdout.take().unwrap()).lines() {
        told.push(line.unwrap());
        if told.last().is_some_and(|line| line == "ready") {
            return Some(Server { folder, _shell: shell });
        }
    }
    panic!("PostgreSQL does not start: {}", told.join("\n"));
}

/// Where Debian keeps the newest version's programs, or the folder of `initdb` in PATH.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = versions
        .filter_map(|version| Some((version.file_name().to_str()?.parse().ok()?, version.path().join("bin"))))
        .collect();
    versions.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let newest_first = versions.into_iter().rev().map(|(_, folder)| folder);
    newest_first.chain(in_path).find(|folder| is_there(folder, "initdb") && is_there(folder, "pg_ctl"))
}

fn is_there(folder: &Path, program: &str) -> bool {
    folder.join(program).is_file()
}

/// Number of the user or group that the package made.
fn id(which: &str) -> u32 {
    let output = Command::new("id").args([which, "postgres"]).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("the package makes a user 'postgres'")
}
