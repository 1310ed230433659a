//! Answers from a vision language model, through the program: what is sent, what is checked, and what happens when the
//! other side fails. The server is a double of the protocol; tests/answer_server.rs asks a real one.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where something is wrong")]

#[path = "../common/mod.rs"]
mod common;
mod failures;
mod library;
mod sent;
mod server;
mod shown;

use std::process::{Command, Output};

use common::Quire;
use serde_json::Value;
use server::Server;

/// The key of all tests: whatever is printed, it is not this.
pub const KEY: &str = "sk-test-d41d8cd98f00b204";
pub const MODEL: &str = "some/model";
/// A question that all three invoices have words of.
pub const QUESTION: &str = "what is the total of the invoice for mutton pies and cheese scones";

/// An index of three documents of one page each, and a model to ask.
pub(crate) struct Bench {
    pub quire: Quire,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let quire = Quire::new();
        for name in ["invoice-2025-0417.pdf", "invoice-HC-88231.pdf", "invoice-bakery-93.pdf"] {
            quire.add(name);
        }
        quire.ingest();
        Self { quire }
    }

    /// `quire ...` with the model at `base_url`; failures are tried again at once.
    pub fn command(&self, base_url: &str, settings: &[(&str, &str)], arguments: &[&str]) -> Command {
        let mut command = self.quire.command();
        command
            .args(arguments)
            .env("NO_PROXY", "127.0.0.1")
            .env("OPENAI_API_KEY", KEY)
            .env("QUIRE__ANSWER__VLM__BASE_URL", base_url)
            .env("QUIRE__ANSWER__VLM__MODEL", MODEL)
            .env("QUIRE__ANSWER__VLM__FIRST_RETRY_MS", "1");
        for (key, value) in settings {
            command.env(format!("QUIRE__ANSWER__{key}"), value);
        }
        command
    }

    pub fn run(&self, base_url: &str, settings: &[(&str, &str)], arguments: &[&str]) -> Output {
        let output = self.command(base_url, settings, arguments).output().unwrap();
        for printed in [&output.stdout, &output.stderr] {
            assert!(!String::from_utf8_lossy(printed).contains(KEY), "the key was printed");
        }
        output
    }

    /// Asks with `--json`, expects an answer.
    pub fn ask(&self, server: &Server, settings: &[(&str, &str)]) -> Value {
        self.ask_at(&server.base_url(), settings)
    }

    pub fn ask_at(&self, base_url: &str, settings: &[(&str, &str)]) -> Value {
        let output = self.run(base_url, settings, &["ask", QUESTION, "--json", "-vvv"]);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Asks, expects that it fails with exit code 2 and nothing on standard output; what was said.
    pub fn refused(&self, server: &Server, settings: &[(&str, &str)]) -> String {
        let output = self.run(&server.base_url(), settings, &["ask", QUESTION, "-vvv"]);
        assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stdout.is_empty());
        String::from_utf8(output.stderr).unwrap()
    }
}

/// The notes of an answer, one a line.
pub fn notes(answer: &Value) -> String {
    answer["notes"].as_array().unwrap().iter().map(|note| note.as_str().unwrap()).collect::<Vec<_>>().join("\n")
}
