//! How a service starts and ends.

use crate::common::Quire;
use crate::daemon::{Daemon, until};

#[test]
fn it_says_where_it_is_and_what_to_do_first_and_ends_when_told_to() {
    let quire = Quire::new();
    let mut daemon = Daemon::start(&quire);
    assert!(
        daemon.screen.contains("ok      pdfium") && daemon.screen.contains("quire ingest FOLDER"),
        "{}",
        daemon.screen
    );
    assert_eq!((daemon.get("/livez"), daemon.get("/readyz")), (Some(200), Some(200)));
    daemon.signal(libc::SIGTERM);
    let (status, rest) = daemon.end();
    assert!(status.success() && rest.is_empty(), "{status} {rest}");
    assert!(!quire.data_dir().join("control.sock").exists());
    // The folder is free again.
    quire.json(&["status"]);
}

#[test]
fn a_first_question_is_made_of_a_document() {
    let quire = Quire::new();
    quire.add("invoice-2025-0417.pdf");
    quire.ingest();
    let daemon = Daemon::start(&quire);
    let question = daemon.screen.lines().find_map(|line| line.strip_prefix("Try: quire ask \"")).unwrap();
    let asked = quire.json(&["ask", question.trim_end_matches('"')]);
    assert!(asked["answer"].is_string() || asked["citations"].is_array(), "{asked}");
    daemon.terminate();
}

#[test]
fn a_second_one_is_told_where_the_first_is() {
    let quire = Quire::new();
    let daemon = Daemon::start(&quire);
    let said = quire.fails(&["serve", "--listen", "127.0.0.1:0"], 2);
    assert!(said.contains(&daemon.address) && said.contains(&daemon.id().to_string()), "{said}");
    // Killed, it leaves a socket behind that is no hindrance.
    daemon.signal(libc::SIGKILL);
    drop(daemon);
    assert!(quire.data_dir().join("control.sock").exists());
    quire.json(&["status"]);
    Daemon::start(&quire).terminate();
}

#[test]
fn a_term_in_the_middle_of_an_ingest_gives_back_what_was_begun() {
    let quire = Quire::new();
    for name in ["annual-report-2025.pdf", "instrument-manual.pdf", "product-strategy-deck.pdf"] {
        quire.add(name);
    }
    let mut daemon = Daemon::start(&quire);
    let docs = quire.docs();
    let mut ingest = quire
        .command()
        .args(["ingest", docs.to_str().unwrap(), "--json"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    until("work", || quire.documents().iter().any(|document| document["state"] == "processing").then_some(()));
    daemon.signal(libc::SIGTERM);
    let (status, _) = daemon.end();
    assert!(status.success(), "{status}");
    assert_eq!(ingest.wait().unwrap().code(), Some(1), "what was asked for is not complete");
    let summary: serde_json::Value = serde_json::from_reader(ingest.stdout.take().unwrap()).unwrap();
    assert_eq!(summary["stopped"], true, "{summary}");
    let summary = quire.ingest();
    assert_eq!(summary["documents"]["failed"], 0, "{summary}");
    assert!(
        quire
            .documents()
            .iter()
            .all(|document| document["state"] == "indexed" && document["attempts"].as_u64() <= Some(1))
    );
}

#[test]
fn an_address_that_is_taken_is_named() {
    let quire = Quire::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = quire.fails(&["serve", "--listen", &address], 2);
    assert!(said.contains(&address) && said.contains("--listen"), "{said}");
}

#[test]
fn systemd_is_told_of_start_and_end() {
    let quire = Quire::new();
    let socket = quire.docs().join("notify");
    let supervisor = std::os::unix::net::UnixDatagram::bind(&socket).unwrap();
    let mut command = quire.command();
    let daemon = Daemon::of(command.args(["serve", "--listen", "127.0.0.1:0"]).env("NOTIFY_SOCKET", &socket));
    let heard = || {
        let mut bytes = [0; 64];
        let length = supervisor.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    };
    assert_eq!(heard(), "READY=1");
    daemon.terminate();
    assert_eq!(heard(), "STOPPING=1");
}
