//! `quire migrate --ledger-to`, by the program: documents, jobs and keys in another database, and nothing is made again.

use std::process::Stdio;

use serde_json::Value;
use sqlx::Connection;

use crate::common::{Quire, blank_pdf};
use crate::daemon::{Daemon, until};
use crate::postgres::{Database, database};

/// `quire` whose ledger is in that database, or in the data folder.
fn over(quire: &Quire, server: Option<&Database>, arguments: &[&str]) -> std::process::Command {
    let mut command = quire.command();
    if let Some(server) = server {
        command.env("QUIRE__LEDGER__URL", server.url());
    }
    command.args(arguments).arg("--json");
    command
}

fn json(quire: &Quire, server: Option<&Database>, arguments: &[&str]) -> Value {
    let output = over(quire, server, arguments).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "quire {arguments:?}: {stderr}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What is known is known: nothing is read again, pages and keys are found.
fn check(quire: &Quire, server: Option<&Database>, hits: &Value) {
    let summary = json(quire, server, &["ingest", quire.docs().to_str().unwrap()]);
    assert_eq!(
        (&summary["documents"]["unchanged"], &summary["documents"]["indexed"]),
        (&2.into(), &0.into()),
        "{summary:#}"
    );
    assert_eq!(&json(quire, server, &["search", "invoice 2025-0417"])["hits"], hits);
    assert_eq!(json(quire, server, &["keys", "list"])["keys"].as_array().unwrap().len(), 1);
    assert_eq!(json(quire, server, &["store", "check"])["sound"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_is_moved_and_nothing_is_made_again() {
    let Some(server) = database().await else { return };
    let quire = Quire::new();
    quire.add("invoice-2025-0417.pdf");
    std::fs::write(quire.docs().join("blank.pdf"), blank_pdf(1, 200, 100)).unwrap();
    quire.ingest();
    quire.json(&["keys", "create", "reader", "--scope", "read"]);
    let hits = quire.json(&["search", "invoice 2025-0417"])["hits"].clone();
    let url = server.url();
    let to_server = ["migrate", "--ledger-to", &url];

    // A service works on it.
    let daemon = Daemon::start(&quire);
    let said = quire.fails(&to_server, 2);
    assert!(said.contains("stop it, then migrate"), "{said}");
    daemon.terminate();

    // Killed in the middle: at the first event of the last table.
    let mut gate = sqlx::PgConnection::connect_with(&server.options).await.unwrap();
    json(&quire, Some(&server), &["docs", "list"]);
    let hang = "CREATE FUNCTION quire.hang() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN PERFORM pg_advisory_xact_lock(7); RETURN NEW; END';
        CREATE TRIGGER hang BEFORE INSERT ON quire.history FOR EACH ROW EXECUTE FUNCTION quire.hang();
        SELECT pg_advisory_lock(7)";
    sqlx::raw_sql(hang).execute(&mut gate).await.unwrap();
    let mut moving = over(&quire, None, &to_server).stdout(Stdio::null()).stderr(Stdio::inherit()).spawn().unwrap();
    let waiting = "SELECT COUNT(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 7 AND NOT granted";
    while sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut gate).await.unwrap() == 0 {
        assert!(moving.try_wait().unwrap().is_none(), "it ended before it came as far");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    moving.kill().unwrap();
    moving.wait().unwrap();
    sqlx::raw_sql("SELECT pg_advisory_unlock(7)").execute(&mut gate).await.unwrap();
    // The server goes on with what it was told until it notices that nobody is there.
    until("the end of what was killed", || {
        let outcome = over(&quire, None, &to_server).output().unwrap();
        let said = String::from_utf8_lossy(&outcome.stderr).into_owned();
        assert!(outcome.status.success() || said.contains("another quire works with it"), "{said}");
        outcome.status.success().then_some(())
    });
    check(&quire, Some(&server), &hits);
    let said = quire.fails(&to_server, 2);
    assert!(said.contains("not empty"), "{said}");

    // And back, to a data folder whose file is out of the way.
    let file = quire.data_dir().join("ledger.sqlite");
    std::fs::rename(&file, file.with_extension("old")).unwrap();
    let moved = json(&quire, Some(&server), &["migrate", "--ledger-to", "data-folder"]);
    assert_eq!(moved["is_on_server"], false, "{moved:#}");
    check(&quire, None, &hits);
}
