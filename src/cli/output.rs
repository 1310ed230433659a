//! The one owner of standard output. Results go there, as text or as JSON; everything else goes to standard error.
//!
//! All text passes [`visible`] on its way out: no character of a file name or of a document moves the cursor of a terminal. In
//! JSON such characters are escaped, so that a program reads exactly what there is.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::sync::Arc;

use serde::Serialize;

use super::console::Console;
use crate::error::{Error, Kind, Limit, Result};
use crate::telemetry::{is_unsafe, visible};

/// Where results go, and in which form.
#[derive(Debug, Clone)]
pub struct Output {
    pub json: bool,
    /// Where the command runs.
    pub console: Arc<Console>,
}

/// Why a command failed, as programs read it.
#[derive(Debug, Serialize)]
struct Failure<'a> {
    error: Reason<'a>,
}

#[derive(Debug, Serialize)]
struct Reason<'a> {
    /// `usage`, `configuration`, `permanent`, `transient` or `bug`.
    kind: &'static str,
    message: String,
    /// The limit that a document ran into.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<&'a Limit>,
}

impl Output {
    /// To the streams of this process.
    pub fn of_process(json: bool) -> Self {
        Self { json, console: Arc::default() }
    }

    /// What the arguments ask for, read without the help of the parser, which refused them.
    pub fn asked_for<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Self {
        let mut options = arguments.into_iter().take_while(|argument| argument.as_ref() != "--");
        Self::of_process(options.any(|argument| argument.as_ref() == "--json"))
    }

    /// One JSON document, or what `text` writes.
    pub fn result<T: Serialize>(&self, value: &T, text: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
        let written = if self.json {
            json(value).and_then(|json| self.console.print(&json))
        } else {
            let mut bytes = Vec::new();
            text(&mut bytes).and_then(|()| self.console.print(&visible(&String::from_utf8_lossy(&bytes))))
        };
        printed(written).map(|_| ())
    }

    /// Why the command failed: for people on standard error, and for programs, with `--json`, on standard output.
    pub fn failure(&self, error: &Error) {
        let kind = match error.kind() {
            Kind::Transient { .. } => "transient",
            Kind::Permanent => "permanent",
            Kind::Configuration => "configuration",
            Kind::Bug => "bug",
        };
        let message = error.to_string();
        self.say(&format!("error: {message}\n"));
        self.reason(Reason { kind, message, limit: error.limit() });
    }

    /// What is wrong with the arguments, or the help that they ask for. True where they are wrong.
    pub fn usage(&self, error: &clap::Error) -> bool {
        if !error.use_stderr() {
            // help has the parser's colours and nobody else's words
            let _ = error.print();
            return false;
        }
        let message = error.render().to_string();
        self.say(&message);
        self.reason(Reason { kind: "usage", message: message.trim_end().to_owned(), limit: None });
        true
    }

    /// Text that appears as it comes.
    pub fn pieces(&self) -> Pieces {
        Pieces { console: self.console.clone(), closed: false }
    }

    /// Tells people something, on standard error.
    pub fn say(&self, text: &str) {
        self.console.say(&visible(text));
    }

    /// Nothing more can be done about a failure that can't be printed.
    fn reason(&self, error: Reason) {
        if self.json {
            let _ = json(&Failure { error }).and_then(|json| self.console.print(&json));
        }
    }
}

/// One document and a line end. What a terminal would obey is escaped, which changes no value: outside of strings JSON
/// has no such characters.
fn json<T: Serialize>(value: &T) -> io::Result<String> {
    let mut text = String::new();
    for char in serde_json::to_string_pretty(value)?.chars() {
        if is_unsafe(char) {
            text.push_str(&format!("\\u{:04x}", u32::from(char)));
        } else {
            text.push(char);
        }
    }
    text.push('\n');
    Ok(text)
}

/// Whether somebody still reads: `quire search ... | head` is no failure.
fn printed(outcome: io::Result<()>) -> Result<bool> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Error::permanent("cannot write to standard output").with_source(error)),
        Ok(()) => Ok(true),
    }
}

/// Text that appears as it comes, piece by piece. Once nobody reads any more, it goes nowhere.
#[derive(Debug)]
pub struct Pieces {
    console: Arc<Console>,
    closed: bool,
}

impl Pieces {
    /// Writes a piece, at once. False where nobody reads: `quire ask ... | head`.
    pub fn write(&mut self, piece: &str) -> Result<bool> {
        self.closed = self.closed || !printed(self.console.print(&visible(piece)))?;
        Ok(!self.closed)
    }
}

/// `1 page`, `2 pages`.
pub fn count(number: u64, singular: &str) -> String {
    if number == 1 { format!("1 {singular}") } else { format!("{number} {singular}s") }
}

/// Bytes for people: `1.5 GiB`.
pub fn bytes(number: u64) -> String {
    let mut value = number as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1024.0 {
            return if unit == "B" { format!("{number} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1024.0;
    }
    format!("{value:.1} TiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_its_limit() {
        let error = Error::permanent("3 pages, at most 2").at_limit("max_pages", 2);
        let failure = Failure { error: Reason { kind: "permanent", message: error.to_string(), limit: error.limit() } };
        let read: serde_json::Value = serde_json::from_str(&json(&failure).unwrap()).unwrap();
        let limit = serde_json::json!({ "name": "max_pages", "value": 2 });
        assert_eq!(
            read,
            serde_json::json!({ "error": { "kind": "permanent", "message": "3 pages, at most 2", "limit": limit } })
        );
    }

    #[test]
    fn json_is_exact_and_safe_for_a_terminal() {
        let name = "evil\u{1b}[31m\u{9b}\u{7f}\u{202e}\n.pdf";
        let text = json(&name).unwrap();
        assert!(!text.trim_end().contains(|char: char| is_unsafe(char) || char == '\n'), "{text}");
        assert_eq!(serde_json::from_str::<String>(&text).unwrap(), name);
    }

    #[test]
    fn json_is_asked_for_before_the_end_of_options() {
        assert!(Output::asked_for(["docs", "--json", "--", "x"]).json);
        assert!(!Output::asked_for(["docs", "--", "--json"]).json);
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(count(1, "page"), "1 page");
        assert_eq!(count(0, "page"), "0 pages");
        assert_eq!(bytes(512), "512 B");
        assert_eq!(bytes(3 << 30), "3.0 GiB");
    }
}
