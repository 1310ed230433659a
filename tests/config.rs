//! Whose word counts: configuration, models and libraries of a folder that somebody happens to be in, and of the machine
//! that the program was built on.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where something is wrong")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Quire, repository};
use serde_json::Value;

/// `quire doctor --json` of a program, with these variables and no others.
fn doctor(program: &Path, current: &Path, variables: &[(&str, &Path)]) -> Value {
    let output = Command::new(program)
        .args(["doctor", "--json"])
        .current_dir(current)
        .env_clear()
        .env("QUIRE_DATA_DIR", program.with_file_name("data"))
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("no report ({error}): {stderr}"))
}

fn check<'a>(report: &'a Value, name: &str) -> (bool, &'a str) {
    let mut checks = report["checks"].as_array().unwrap().iter();
    let check = checks.find(|check| check["name"] == name).unwrap_or_else(|| panic!("no check of {name}: {report:#}"));
    (check["ok"].as_bool().unwrap(), check["message"].as_str().unwrap())
}

/// The program under test, copied to `path` below `folder`.
fn program_at(folder: &Path, path: &str) -> PathBuf {
    let program = folder.canonicalize().unwrap().join(path);
    fs::create_dir_all(program.parent().unwrap()).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_quire"), &program).unwrap();
    program
}

/// As on a machine where the program was not built, but somebody has made a folder of the same name.
#[test]
fn a_program_that_was_moved_takes_nothing_from_where_it_was_built() {
    let folder = tempfile::tempdir().unwrap();
    let program = program_at(folder.path(), "bin/quire");
    // The current folder is the clone: neither there is anything taken from.
    let report = doctor(&program, repository(), &[]);
    for (name, words) in [("onnxruntime", "was not found"), ("pdfium", "was not found"), ("model", "none was found")] {
        let (ok, message) = check(&report, name);
        assert!(!ok && message.contains(words), "{name}: {message}");
        assert!(!message.contains(&*repository().to_string_lossy()), "{name}: {message}");
    }
}

#[test]
fn a_program_in_a_clones_target_folder_takes_what_lies_in_the_clone() {
    let folder = tempfile::tempdir().unwrap();
    let program = program_at(folder.path(), "clone/target/release/quire");
    for name in ["native", "models"] {
        std::os::unix::fs::symlink(repository().join(name), folder.path().join("clone").join(name)).unwrap();
    }
    let report = doctor(&program, folder.path(), &[]);
    for name in ["onnxruntime", "pdfium", "model"] {
        let (ok, message) = check(&report, name);
        assert!(ok, "{name}: {message}");
        assert!(message.contains("clone/"), "{name}: {message}");
    }
}

#[test]
fn a_model_in_the_current_folder_is_taken_only_by_its_path() {
    let quire = Quire::new();
    let models = quire.docs().join("../models");
    let mine = models.join("mine");
    fs::create_dir_all(&mine).unwrap();
    for entry in fs::read_dir(repository().join("models/quire-glyph")).unwrap().flatten() {
        fs::copy(entry.path(), mine.join(entry.file_name())).unwrap();
    }
    // A model of the same name as the built-in one must not take its place either.
    std::os::unix::fs::symlink(&mine, models.join("quire-glyph")).unwrap();
    assert!(quire.fails(&["model", "show", "mine"], 2).contains("there is no model 'mine'"));
    assert_eq!(quire.json(&["model", "show", "./models/mine"])["dim"], 128);
    let shown = quire.json(&["model", "show"])["folder"].as_str().unwrap().to_owned();
    assert!(Path::new(&shown).starts_with(repository()), "{shown}");
    let listed = quire.json(&["model", "list"]);
    assert!(listed["models"].as_array().unwrap().iter().all(|model| model["name"] != "mine"), "{listed}");

    fs::write(quire.docs().join("../quire.yaml"), "model: ./models/mine\n").unwrap();
    let error = quire.fails(&["model", "show"], 2);
    assert!(error.contains("quire.yaml:1:8: model: './models/mine'"), "{error}");
    let by_flag = quire.json(&["--config", "quire.yaml", "model", "show"]);
    assert!(by_flag["folder"].as_str().unwrap().ends_with("models/mine"), "{by_flag}");
}

#[test]
fn a_file_that_lies_in_the_current_folder_loads_no_code_and_asks_no_stranger() {
    let quire = Quire::new();
    let text =
        "native:\n  pdfium: ./evil.so\nanswer:\n  pages: 3\n  vlm: {base_url: 'http://192.0.2.1/v1', model: m}\n";
    fs::write(quire.docs().join("../quire.yaml"), text).unwrap();
    let error = quire.fails(&["status"], 2);
    assert!(error.contains("quire.yaml:1:1: native: ") && error.contains("quire.yaml:5:3: answer.vlm: "), "{error}");
    assert!(error.contains("--config") && error.contains("QUIRE_CONFIG"), "{error}");
    assert!(!quire.data_dir().exists(), "nothing was opened");

    // The same words, in a file that somebody chose, are believed.
    fs::write(quire.docs().join("../quire.yaml"), "native:\n  pdfium: ./evil.so\n").unwrap();
    let report = quire.json_with_code(&["doctor", "--config", "quire.yaml"], 2);
    assert_eq!(check(&report, "configuration"), (true, "valid"));
    assert!(check(&report, "pdfium").1.contains("evil.so"));
}

#[test]
fn the_users_own_file_counts_under_the_one_in_the_current_folder() {
    let quire = Quire::new();
    let own = quire.docs().join("../config/quire");
    fs::create_dir_all(&own).unwrap();
    fs::write(own.join("quire.yaml"), "native: {pdfium: ./mine.so}\nmodel: none-such\n").unwrap();
    fs::write(quire.docs().join("../quire.yaml"), "model: quire-glyph\n").unwrap();
    let mut command = quire.command();
    let output = command.args(["doctor", "--json"]).env("XDG_CONFIG_HOME", own.parent().unwrap()).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let (ok, message) = check(&report, "pdfium");
    assert!(!ok && message.contains("config/quire/mine.so"), "{message}");
    assert!(check(&report, "model").0, "{report:#}");
}
