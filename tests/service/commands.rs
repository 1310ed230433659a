//! Every command says the same whether a service holds the data folder or nobody does.

use std::process::Stdio;

use serde_json::Value;

use crate::common::Quire;
use crate::daemon::{Daemon, until};

/// What a command says, without what differs from run to run: times, and how much room things take.
fn said(quire: &Quire, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = quire.run(arguments);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let stdout = match serde_json::from_slice::<Value>(&output.stdout) {
        Ok(mut json) => {
            still(&mut json);
            json.to_string()
        }
        Err(_) => text(&output.stdout).lines().map(still_line).collect::<Vec<_>>().join("\n"),
    };
    (output.status.code(), stdout, text(&output.stderr))
}

fn still(json: &mut Value) {
    match json {
        Value::Object(entries) => {
            for name in ["timings_ms", "seconds", "pages_per_second", "disk_bytes", "updated_at", "message"] {
                // `message`: of the checks of doctor, which tell of free space
                if name != "message" || entries.contains_key("ok") {
                    entries.remove(name);
                }
            }
            entries.values_mut().for_each(still);
        }
        Value::Array(items) => items.iter_mut().for_each(still),
        _ => {}
    }
}

fn still_line(line: &str) -> String {
    let size = ["  blobs", "  ledger", "  vectors "].iter().any(|part| line.starts_with(part));
    if size || line.contains("free") {
        return String::new();
    }
    // `in 1.2 s (3.4 pages/s)`
    let words =
        line.split(' ').map(|word| if word.trim_start_matches('(').parse::<f64>().is_ok() { "#" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn commands_say_the_same_at_rest_and_while_a_service_runs() {
    let quire = Quire::new();
    quire.add("invoice-2025-0417.pdf");
    quire.add("site-notice.png");
    std::fs::write(quire.docs().join("broken.pdf"), "%PDF-1.4 nothing").unwrap();
    let docs = quire.docs().display().to_string();
    quire.json_with_code(&["ingest", &docs], 1);
    let commands: &[&[&str]] = &[
        &["status"],
        &["status", "--json"],
        &["docs", "list"],
        &["docs", "list", "--json"],
        &["docs", "show", "invoice-2025-0417.pdf", "--json"],
        &["docs", "show", "nothing.pdf"],
        &["docs", "show", "nothing.pdf", "--json"],
        &["search", "invoice"],
        &["search", "invoice", "--json", "--limit", "1"],
        &["search", "invoice", "--plan", "nope"],
        &["search", "invoice", "--evidence", "marked", "--json"],
        &["search", ""],
        &["ask", "what is the invoice number"],
        &["ask", "what is the invoice number", "--json"],
        &["ask", "-20 degrees, is that allowed?"],
        &["collections", "list"],
        &["collections", "list", "--json"],
        &["collections", "switch", "documents"],
        &["store", "info", "--json"],
        &["store", "check", "--json"],
        &["store", "check"],
        &["vectors", "invoice-2025-0417.pdf", "1", "--out", "page.npz", "--json"],
        &["ingest", "docs"],
        &["ingest", "docs", "--json"],
        &["ingest", "docs", "--json", "--tag", "team=finance"],
        &["ingest", "no-such-folder"],
        &["doctor", "--json"],
        &["validate", "no-such-file.yaml"],
        &["frobnicate"],
    ];
    let at_rest: Vec<_> = commands.iter().map(|command| said(&quire, command)).collect();
    // As they were before the last ingest of the list.
    quire.json_with_code(&["ingest", &docs, "--tag", "team=none"], 1);
    quire.json_with_code(&["ingest", &docs], 1);
    std::fs::remove_dir_all(quire.docs().join("../marked")).unwrap();
    std::fs::remove_file(quire.docs().join("../page.npz")).unwrap();

    let daemon = Daemon::start(&quire);
    for (command, at_rest) in commands.iter().zip(&at_rest) {
        let (code, stdout, stderr) = said(&quire, command);
        assert_eq!((code, &stdout), (at_rest.0, &at_rest.1), "quire {command:?}: {stderr}");
        // Paths of a failure are absolute in the service.
        if !command.contains(&"no-such-folder") {
            assert_eq!(stderr, at_rest.2, "quire {command:?}");
        }
    }
    assert!(quire.docs().join("../marked").exists() && quire.docs().join("../page.npz").exists());
    daemon.terminate();
}

#[test]
fn an_ingest_in_the_service_counts_what_a_drain_counts() {
    let quire = Quire::new();
    quire.add("invoice-2025-0417.pdf");
    let daemon = Daemon::start(&quire);
    let summary = quire.ingest();
    assert_eq!((&summary["documents"]["indexed"], &summary["pages"]), (&1.into(), &1.into()), "{summary}");
    let again = quire.ingest();
    assert_eq!((&again["documents"]["indexed"], &again["documents"]["unchanged"]), (&0.into(), &1.into()), "{again}");
    let docs = quire.docs().display().to_string();
    let tagged = quire.json(&["ingest", &docs, "--tag", "team=finance"]);
    assert_eq!((&tagged["documents"]["retagged"], &tagged["pages"]), (&1.into(), &0.into()), "{tagged}");
    std::fs::write(quire.docs().join("broken.pdf"), "%PDF-1.4 nothing").unwrap();
    let broken = quire.json_with_code(&["ingest", &docs, "--tag", "team=finance"], 1);
    assert_eq!(broken["failures"].as_array().unwrap().len(), 1, "{broken}");
    std::fs::remove_file(quire.docs().join("broken.pdf")).unwrap();
    let pruned = quire.json(&["ingest", &docs, "--tag", "team=finance", "--prune"]);
    assert_eq!(pruned["documents"]["pruned"], 1, "{pruned}");
    daemon.terminate();
}

#[test]
fn a_first_signal_stops_the_waiting_and_not_the_work() {
    let quire = Quire::new();
    quire.add("annual-report-2025.pdf");
    let daemon = Daemon::start(&quire);
    let docs = quire.docs().display().to_string();
    let mut ingest = quire.command().args(["ingest", &docs, "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    until("work", || quire.documents().iter().any(|document| document["state"] == "processing").then_some(()));
    // SAFETY: the process is our child and has not been waited for.
    assert_eq!(unsafe { libc::kill(ingest.id() as i32, libc::SIGINT) }, 0);
    assert_eq!(ingest.wait().unwrap().code(), Some(1));
    let summary: Value = serde_json::from_reader(ingest.stdout.take().unwrap()).unwrap();
    assert_eq!(summary["stopped"], true);
    crate::daemon::until_indexed(&quire, &["annual-report-2025.pdf"]);
    daemon.terminate();
}

#[test]
fn a_client_that_is_killed_or_reads_nothing_disturbs_nobody() {
    let quire = Quire::new();
    quire.add("invoice-2025-0417.pdf");
    quire.ingest();
    let daemon = Daemon::start(&quire);
    for _ in 0..3 {
        let mut asking = quire.command().args(["search", "invoice"]).stdout(Stdio::piped()).spawn().unwrap();
        asking.kill().unwrap();
        asking.wait().unwrap();
    }
    let mut closed = quire.command().args(["ask", "invoice"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(closed.stdout.take());
    assert!(closed.wait().unwrap().success(), "as at rest");
    quire.json(&["search", "invoice"]);
    daemon.terminate();
}

#[test]
fn other_settings_than_the_services_are_refused_by_name() {
    let quire = Quire::new();
    let daemon = Daemon::start(&quire);
    let refused = |name: &str, value: &str| {
        let output = quire.command().args(["status"]).env(name, value).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = refused("QUIRE__COLLECTION", "papers");
    assert!(code == Some(2) && said.contains("collection differ") && said.contains(&daemon.id().to_string()), "{said}");
    // How fast it works is the service's own matter.
    assert_eq!(refused("QUIRE__WORKERS", "1").0, Some(0));
    daemon.terminate();
}

#[test]
fn top_tells_what_goes_on() {
    let quire = Quire::new();
    assert!(quire.fails(&["top"], 2).contains("quire serve"));
    quire.add("invoice-2025-0417.pdf");
    let daemon = Daemon::start(&quire);
    quire.ingest();
    let told = quire.json(&["top"]);
    assert_eq!((&told["process"], &told["address"]), (&daemon.id().into(), &daemon.address.clone().into()), "{told}");
    assert!(told["ended"][0].as_str().unwrap().contains("invoice-2025-0417.pdf: indexed, 1 pages"), "{told}");
    daemon.terminate();
}

#[test]
fn a_command_given_while_the_service_starts_waits_for_it() {
    let quire = Quire::new();
    let mut command = quire.command();
    command.args(["serve", "--listen", "127.0.0.1:0"]).stdout(Stdio::null());
    let mut service = command.spawn().unwrap();
    // It holds the folder from now on, and listens later.
    let lock = quire.data_dir().join("lock");
    until("the service to begin", || std::fs::read_to_string(&lock).ok().filter(|text| text.ends_with("service")));
    quire.json(&["docs", "list"]);
    assert!(quire.data_dir().join("control.sock").exists(), "the service answered");
    service.kill().unwrap();
    service.wait().unwrap();
    // The next one finds nobody alive there, and does it by itself.
    quire.json(&["docs", "list"]);
}
