//! The one owner of standard output. Results go there, as text or as JSON; everything else goes to standard error.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::error::{Error, Result};

/// Where results go, and in which form.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    pub json: bool,
}

impl Output {
    /// One JSON document, or what `text` writes.
    pub fn result<T: Serialize>(self, value: &T, text: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
        let mut stdout = io::stdout().lock();
        let written = if self.json {
            serde_json::to_writer_pretty(&mut stdout, value).map_err(io::Error::from).and_then(|()| writeln!(stdout))
        } else {
            text(&mut stdout)
        };
        match written.and_then(|()| stdout.flush()) {
            // `quire search ... | head` is no failure.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other.map_err(|error| Error::permanent("cannot write to standard output").with_source(error)),
        }
    }
}

/// Text that appears as it comes, piece by piece. Once nobody reads any more, it goes nowhere.
#[derive(Debug, Default)]
pub struct Pieces {
    closed: bool,
}

impl Pieces {
    /// Writes a piece, at once. False where nobody reads: `quire ask ... | head`.
    pub fn write(&mut self, piece: &str) -> Result<bool> {
        if self.closed {
            return Ok(false);
        }
        let mut stdout = io::stdout().lock();
        match stdout.write_all(piece.as_bytes()).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.closed = true,
            other => {
                other.map_err(|error| Error::permanent("cannot write to standard output").with_source(error))?;
            }
        }
        Ok(!self.closed)
    }
}

/// Whether people look at standard error: progress bars are for them alone.
pub fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
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
    fn numbers_read_well() {
        assert_eq!(count(1, "page"), "1 page");
        assert_eq!(count(0, "page"), "0 pages");
        assert_eq!(bytes(512), "512 B");
        assert_eq!(bytes(3 << 30), "3.0 GiB");
    }
}
