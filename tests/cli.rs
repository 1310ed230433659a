//! The command line: help, exit codes, what goes where.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where something is wrong")]

mod common;

use std::io::Read;
use std::process::Stdio;

use common::{Quire, demo};

#[test]
fn help_speaks_to_newcomers() {
    let quire = Quire::new();
    let output = quire.run(&["--help"]);
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    for word in
        ["ingest", "search", "ask", "run", "validate", "docs", "status", "embed", "model", "doctor", "Exit codes"]
    {
        assert!(text.contains(word), "{word} is not in the help");
    }
    assert!(!text.contains("render-worker"), "the worker is nobody's business");
}

#[test]
fn wrong_usage_is_code_2_and_says_why() {
    let quire = Quire::new();
    assert!(quire.fails(&["ingest"], 2).contains("PATH"));
    assert!(quire.fails(&["ingest", "/no/such/folder"], 2).contains("/no/such/folder"));
    assert!(quire.fails(&["search", "pump"], 2).contains("quire ingest"), "nothing is ingested: say how to begin");
    assert!(quire.fails(&["ingest", ".", "--priority", "urgent"], 2).contains("high, normal, low"));
    assert!(quire.fails(&["frobnicate"], 2).contains("frobnicate"));
}

/// Runs with `--json`, expects failure with this code; the error that was printed, which people are told too.
fn json_error(quire: &Quire, arguments: &[&str], code: i32) -> serde_json::Value {
    let output = quire.run(arguments);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
    let printed: serde_json::Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {stderr}"));
    assert_eq!(printed.as_object().unwrap().len(), 1, "{printed}");
    let message = printed["error"]["message"].as_str().unwrap();
    assert!(!message.is_empty() && stderr.contains(message.lines().next().unwrap()), "{message} in {stderr}");
    printed["error"].clone()
}

#[test]
fn failures_are_json_where_json_is_asked_for() {
    let quire = Quire::new();
    let error = json_error(&quire, &["search", "pump", "--json"], 2);
    assert!(error["message"].as_str().unwrap().contains("quire ingest"), "{error}");
    assert_eq!(error["kind"], "configuration");
    let error = json_error(&quire, &["--json", "status", "--config", "/no/such/quire.yaml"], 2);
    assert!(error["message"].as_str().unwrap().contains("/no/such/quire.yaml"), "{error}");
    let error = json_error(&quire, &["ingest", "/no/such/folder", "--json"], 2);
    assert!(error["message"].as_str().unwrap().contains("/no/such/folder"), "{error}");
    for arguments in [&["frobnicate", "--json"][..], &["ingest", "--json"], &["--json", "docs", "list", "--nope"]] {
        assert_eq!(json_error(&quire, arguments, 2)["kind"], "usage");
    }
    // what is no failure stays what it is, and what is not asked for does not come
    assert!(quire.run(&["--help", "--json"]).status.success());
    assert!(quire.run(&["frobnicate", "--", "--json"]).stdout.is_empty());
    assert!(quire.run(&["search", "pump"]).stdout.is_empty());
}

/// ONNX Runtime's builds keep an identity and reports of their use in the user's cache until they are sent.
#[test]
fn nothing_is_kept_for_the_maker_of_onnx_runtime() {
    let quire = Quire::new();
    let home = tempfile::tempdir().unwrap();
    let document = demo("invoice-2025-0417.pdf");
    let output = quire
        .command()
        .args(["ingest", document.to_str().unwrap()])
        .env_remove("ORT_DISABLE_TELEMETRY")
        .env_remove("XDG_CACHE_HOME")
        .env("HOME", home.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let kept: Vec<_> = std::fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(kept.is_empty(), "{kept:?}");
}

#[test]
fn questions_that_ask_nothing_or_everything_are_refused() {
    let quire = Quire::new();
    quire.add("invoice-2025-0417.pdf");
    quire.ingest();
    assert!(quire.fails(&["search", ""], 2).contains("empty"));
    assert!(quire.fails(&["search", "  "], 2).contains("empty"));
    assert!(quire.fails(&["ask", "?!"], 2).contains("?!"));
    assert!(quire.fails(&["ask", &"x".repeat(10_000)], 2).contains("10000"));
    assert!(quire.fails(&["search", "invoice", "--limit", "0"], 2).contains("at least 1"));
    assert!(quire.fails(&["search", "invoice", "--plan", "nope"], 2).contains("exact"));
    quire.json(&["search", "x"]);
}

#[test]
fn a_second_process_on_one_data_folder_is_told_who_holds_it() {
    let quire = Quire::new();
    // A worker pool that waits for a document on a pipe would be contrived: an ingest that is under way holds the lock.
    let mut first = quire
        .command()
        .args([
            "ingest",
            demo("scanned-letter.pdf").to_str().unwrap(),
            demo("annual-report-2025.pdf").to_str().unwrap(),
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lock = quire.data_dir().join("lock");
    let holder = loop {
        match std::fs::read_to_string(&lock) {
            Ok(text) if !text.is_empty() => break text,
            _ if first.try_wait().unwrap().is_some() => panic!("the ingest ended before it could be looked at"),
            _ => std::thread::yield_now(),
        }
    };
    let error = quire.fails(&["status"], 2);
    assert!(error.contains("another quire") && error.contains(&holder), "{error}");
    let mut printed = String::new();
    first.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
    assert!(first.wait().unwrap().success());
    quire.json(&["status"]);
}

#[test]
fn doctor_names_what_is_there() {
    let quire = Quire::new();
    let report = quire.json(&["doctor"]);
    let checks = report["checks"].as_array().unwrap();
    for name in ["onnxruntime", "pdfium", "sandbox", "model", "data folder", "store", "disk", "cpu"] {
        let check = checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no check of {name}"));
        assert_eq!(check["ok"], true, "{check}");
    }
}

#[test]
fn doctor_names_what_is_missing() {
    let quire = Quire::new();
    let output =
        quire.command().args(["doctor", "--json"]).env("QUIRE_PDFIUM", "/no/such/libpdfium.so").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let pdfium = report["checks"].as_array().unwrap().iter().find(|check| check["name"] == "pdfium").unwrap().clone();
    assert_eq!(pdfium["ok"], false);
    assert!(pdfium["message"].as_str().unwrap().contains("/no/such/libpdfium.so"));
}

#[test]
fn a_data_folder_of_a_newer_version_is_left_alone() {
    let quire = Quire::new();
    std::fs::create_dir(quire.data_dir()).unwrap();
    std::fs::write(quire.data_dir().join("format"), "99\n").unwrap();
    assert!(quire.fails(&["status"], 2).contains("newer"));
    assert!(!quire.data_dir().join("ledger.sqlite").exists());
}
