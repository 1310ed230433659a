//! What is away when a command begins: waited for where somebody has time, told at once where somebody asks.

use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use crate::common::Quire;
use crate::daemon::{Daemon, until};
use crate::postgres::{Database, database};

/// What stands in the line that tells of a wait.
const WAITS: &str = "waits for what is away";

/// A port at which nobody listens.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Where what a command says lies.
fn said_in(quire: &Quire) -> PathBuf {
    quire.docs().with_file_name("said")
}

/// Starts a command whose standard error goes to [`said_in`], and returns when it waits.
fn waiting(quire: &Quire, command: &mut Command) -> Child {
    let file = std::fs::File::create(said_in(quire)).unwrap();
    let mut child = command.stdout(Stdio::piped()).stderr(file).spawn().unwrap();
    until("a line that tells of the wait", || {
        let said = std::fs::read_to_string(said_in(quire)).unwrap();
        assert!(child.try_wait().unwrap().is_none(), "it waited for nothing: {said}");
        said.contains(WAITS).then_some(())
    });
    child
}

fn ingest(quire: &Quire) -> Command {
    let mut command = quire.command();
    command.arg("ingest").arg(quire.docs()).arg("--json");
    command
}

/// From now on whoever connects to the port speaks with the database.
fn lead_to(database: &Database, port: u16) {
    let folder = database.options.get_socket().unwrap().clone();
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            relay(stream.unwrap(), &folder);
        }
    });
}

fn relay(client: TcpStream, folder: &Path) {
    let server = UnixStream::connect(folder.join(".s.PGSQL.5432")).unwrap();
    let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let (mut from_server, mut to_client) = (server, client);
    thread::spawn(move || {
        let _ = io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(std::net::Shutdown::Both);
    });
    thread::spawn(move || {
        let _ = io::copy(&mut from_server, &mut to_client);
        let _ = to_client.flush();
        let _ = to_client.shutdown(std::net::Shutdown::Both);
    });
}

fn at_port(database: &Database, port: u16) -> String {
    format!("postgres://quire@127.0.0.1:{port}/{}?sslmode=disable", database.name)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ingest_waits_for_a_ledger_that_starts_later() {
    let Some(server) = database().await else { return };
    let (quire, port) = (Quire::new(), free_port());
    quire.add("invoice-2025-0417.pdf");
    let url = at_port(&server, port);
    let mut waits = waiting(&quire, ingest(&quire).env("QUIRE__LEDGER__URL", &url));
    lead_to(&server, port);
    assert!(waits.wait().unwrap().success(), "{}", std::fs::read_to_string(said_in(&quire)).unwrap());
    let summary: serde_json::Value = serde_json::from_reader(waits.stdout.take().unwrap()).unwrap();
    assert_eq!(summary["documents"]["indexed"], 1, "{summary:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_waits_for_a_ledger_that_starts_later() {
    let Some(server) = database().await else { return };
    let (quire, port) = (Quire::new(), free_port());
    let url = at_port(&server, port);
    let leading = thread::spawn({
        let data = quire.data_dir();
        move || {
            // It holds the folder, and has nothing else yet.
            until("the service to begin", || data.join("lock").exists().then_some(()));
            lead_to(&server, port);
            server
        }
    });
    let mut command = quire.command();
    let daemon = Daemon::of(command.args(["serve", "--listen", "127.0.0.1:0"]).env("QUIRE__LEDGER__URL", &url));
    assert_eq!(daemon.get("/readyz"), Some(200));
    daemon.terminate();
    drop(leading.join());
}

#[test]
fn who_waits_ends_when_it_is_told_to() {
    let quire = Quire::new();
    quire.add("invoice-2025-0417.pdf");
    let of_store = ("QUIRE__STORE__URL", format!("http://127.0.0.1:{}", free_port()));
    let of_ledger = ("QUIRE__LEDGER__URL", format!("postgres://quire@127.0.0.1:{}/quire", free_port()));
    for (variable, url) in [of_store, of_ledger] {
        let mut waits = waiting(&quire, ingest(&quire).env(variable, &url));
        // SAFETY: the process is our child and has not been waited for.
        assert_eq!(unsafe { libc::kill(waits.id() as i32, libc::SIGTERM) }, 0);
        assert_eq!(waits.wait().unwrap().code(), Some(1), "it was stopped, and nothing failed");
        let told: serde_json::Value = serde_json::from_reader(waits.stdout.take().unwrap()).unwrap();
        assert!(told["stopped"] == true || told["error"]["kind"] == "transient", "{told:#}");
        assert!(told.to_string().contains("Connection refused"), "{told:#}");
    }
}

#[test]
fn patience_is_configured_and_a_question_has_none() {
    let quire = Quire::new();
    quire.add("invoice-2025-0417.pdf");
    quire.ingest();
    let of_store = ("QUIRE__STORE__URL", format!("http://127.0.0.1:{}", free_port()));
    let of_ledger = ("QUIRE__LEDGER__URL", format!("postgres://quire@127.0.0.1:{}/quire", free_port()));
    for (variable, url) in [of_store, of_ledger] {
        let fails = |arguments: &[&str], codes: &[i32]| {
            let mut command = quire.command();
            command.env(variable, &url).env("QUIRE__INGEST__PATIENCE_S", "1").args(arguments);
            let output = command.output().unwrap();
            let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            assert!(codes.contains(&output.status.code().unwrap()), "{arguments:?}: {said}");
            assert!(said.contains("Connection refused"), "{arguments:?}: {said}");
            said
        };
        let said = fails(&["ingest", quire.docs().to_str().unwrap()], &[3]);
        assert!(said.contains(WAITS) && said.contains("ingest.patience_s"), "{said}");
        for arguments in [["search", "invoice"].as_slice(), &["ask", "invoice"], &["store", "info"], &["doctor"]] {
            let said = fails(arguments, &[2, 3]);
            assert!(!said.contains(WAITS), "{arguments:?}: {said}");
        }
    }
}

#[test]
fn what_people_must_mend_is_told_at_once() {
    let quire = Quire::new();
    quire.add("invoice-2025-0417.pdf");
    // Somebody else listens there, and says so in plain words.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
                let _ = io::copy(&mut stream, &mut io::sink());
            });
        }
    });
    let of_store = ("QUIRE__STORE__URL", format!("http://127.0.0.1:{port}"));
    let of_ledger = ("QUIRE__LEDGER__URL", format!("postgres://quire@127.0.0.1:{port}/quire"));
    for (variable, url) in [of_store, of_ledger] {
        let docs = quire.docs();
        for arguments in [["ingest", docs.to_str().unwrap()].as_slice(), &["serve", "--listen", "127.0.0.1:0"]] {
            let output = quire.command().env(variable, &url).args(arguments).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{variable} {arguments:?}: {said}");
            assert!(said.contains("what answers there") && !said.contains(WAITS), "{said}");
        }
    }
}
