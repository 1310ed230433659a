//! The program as a user runs it: the real binary, a data folder of its own, JSON out.

#![allow(dead_code, reason = "each test file uses its share of it")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// The repository, for models, libraries and the demo's documents.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The demo's documents.
pub fn demo(name: &str) -> PathBuf {
    repository().join("demo/documents").join(name)
}

/// `quire` with a data folder that goes with the value, and a folder for documents beside it.
pub struct Quire {
    folder: tempfile::TempDir,
}

impl Quire {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("docs")).unwrap();
        Self { folder }
    }

    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn docs(&self) -> PathBuf {
        self.folder.path().join("docs")
    }

    /// Copies a document of the demo into the folder.
    pub fn add(&self, name: &str) -> PathBuf {
        self.add_as(name, name)
    }

    pub fn add_as(&self, name: &str, target: &str) -> PathBuf {
        let path = self.docs().join(target);
        std::fs::copy(demo(name), &path).unwrap();
        path
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quire"));
        command
            .env_remove("QUIRE_CONFIG")
            .env("QUIRE_DATA_DIR", self.data_dir())
            // Libraries and models of this repository, wherever the binary was built.
            .current_dir(self.folder.path());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).output().unwrap()
    }

    /// Runs with `--json`, expects exit code 0, returns what was printed.
    pub fn json(&self, arguments: &[&str]) -> Value {
        self.json_with_code(arguments, 0)
    }

    pub fn json_with_code(&self, arguments: &[&str], code: i32) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "quire {arguments:?}: {stderr}");
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("quire {arguments:?} printed no JSON ({error}): {stderr}"))
    }

    /// Expects failure with this code, returns standard error.
    pub fn fails(&self, arguments: &[&str], code: i32) -> String {
        let output = self.run(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "quire {arguments:?}: {stderr}");
        stderr
    }

    pub fn ingest(&self) -> Value {
        self.json(&["ingest", self.docs().to_str().unwrap()])
    }

    pub fn documents(&self) -> Vec<Value> {
        self.json(&["docs", "list"])["documents"].as_array().unwrap().clone()
    }
}

/// File name of a hit's or document's source.
pub fn source_name(value: &Value) -> String {
    Path::new(value["source"].as_str().unwrap()).file_name().unwrap().to_string_lossy().into_owned()
}
