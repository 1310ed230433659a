//! The program as a user runs it: the real binary, a data folder of its own, JSON out.

#![allow(dead_code, reason = "each test file uses its share of it")]

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use quire::config::Library;
use serde_json::Value;

/// The repository, for models, libraries and the demo's documents.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The demo's documents.
pub fn demo(name: &str) -> PathBuf {
    repository().join("demo/documents").join(name)
}

/// Variables with which a program finds the libraries and models of this repository, wherever cargo put the program;
/// those that are set already stay. The configuration of whoever runs the tests is not read.
pub fn variables() -> BTreeMap<OsString, OsString> {
    let library = |library: Library| (library.variable(), repository().join("native").join(library.file_name()));
    let here = [library(Library::OnnxRuntime), library(Library::Pdfium), ("QUIRE_MODELS", repository().join("models"))];
    let mut variables: BTreeMap<OsString, OsString> =
        here.into_iter().map(|(name, path)| (name.into(), path.into())).chain(std::env::vars_os()).collect();
    variables.remove(OsStr::new("QUIRE_CONFIG"));
    variables.insert("XDG_CONFIG_HOME".into(), repository().join("tests/common").into());
    variables
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
            .envs(variables())
            .env("QUIRE_DATA_DIR", self.data_dir())
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

/// A PDF of these objects (numbered from 1, the first one the catalogue), with a correct cross-reference table.
pub fn pdf(objects: &[String]) -> Vec<u8> {
    let mut file = b"%PDF-1.7\n".to_vec();
    let mut offsets = Vec::new();
    for (index, object) in objects.iter().enumerate() {
        offsets.push(file.len());
        writeln!(file, "{} 0 obj\n{object}\nendobj", index + 1).unwrap();
    }
    let start = file.len();
    writeln!(file, "xref\n0 {}\n0000000000 65535 f ", objects.len() + 1).unwrap();
    for offset in offsets {
        writeln!(file, "{offset:010} 00000 n ").unwrap();
    }
    writeln!(file, "trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF", objects.len() + 1).unwrap();
    file
}

/// Empty pages of these sizes (width, height) in points.
pub fn blank_pdf_of(sizes: impl IntoIterator<Item = (u32, u32)>) -> Vec<u8> {
    let sizes: Vec<_> = sizes.into_iter().collect();
    let kids: String = (0..sizes.len()).map(|page| format!("{} 0 R ", page + 3)).collect();
    let count = sizes.len();
    let mut objects =
        vec!["<< /Type /Catalog /Pages 2 0 R >>".into(), format!("<< /Type /Pages /Kids [{kids}] /Count {count} >>")];
    objects.extend(sizes.into_iter().map(|(width, height)| {
        format!("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {width} {height}] /Resources << >> >>")
    }));
    pdf(&objects)
}

/// `pages` empty pages of that size in points.
pub fn blank_pdf(pages: usize, width: u32, height: u32) -> Vec<u8> {
    blank_pdf_of(std::iter::repeat_n((width, height), pages))
}
