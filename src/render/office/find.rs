//! Where LibreOffice is, and which parts of it are there. Looked for at every turn, so that it counts as soon as it is installed.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use super::kind::Program;
use crate::error::{Error, Result};

/// The limit that a document ran into which needs LibreOffice, or a part of it, that is not there. Its value says what was there.
pub(super) const LIMIT: &str = "libreoffice";

/// How long it may take to tell its version.
const VERSION_TIMEOUT: Duration = Duration::from_secs(20);

/// Parts of LibreOffice, with the libraries that they consist of and their weight in the value of the limit.
const PARTS: [(Program, &str, u64); 3] =
    [(Program::Writer, "libswlo.so", 2), (Program::Calc, "libsclo.so", 4), (Program::Impress, "libsdlo.so", 8)];

/// A LibreOffice that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// What is started.
    pub program: PathBuf,
    /// As it was named or found.
    pub path: PathBuf,
    /// Parts that are missing.
    missing: Vec<Program>,
}

impl Found {
    /// The LibreOffice whose `soffice` is at `path`; None: there is none.
    pub(super) fn at(path: &Path) -> Option<Self> {
        let real = path.canonicalize().ok().filter(|real| real.is_file())?;
        let folder = real.parent()?;
        // `soffice` is a script around it, which looks for Java and puts a socket into /tmp.
        let inner = folder.join("soffice.bin");
        let program = if inner.is_file() { inner } else { real.clone() };
        let there = |library: &str| folder.join(library).is_file();
        // An installation that is laid out another way is taken to be whole.
        let known = PARTS.iter().any(|(_, library, _)| there(library));
        let missing = PARTS.iter().filter(|(_, library, _)| known && !there(library)).map(|(part, ..)| *part).collect();
        Some(Self { program, path: path.to_owned(), missing })
    }

    pub(super) fn has(&self, program: Program) -> bool {
        !self.missing.contains(&program)
    }

    /// The names of what is missing, for people.
    pub(super) fn missing(&self) -> impl Iterator<Item = &'static str> {
        self.missing.iter().map(|program| program.title())
    }

    /// Tells what is there from what was there.
    pub(super) fn value(&self) -> u64 {
        1 + PARTS.iter().filter(|(program, ..)| self.has(*program)).map(|(.., weight)| weight).sum::<u64>()
    }
}

/// Where LibreOffice is looked for.
#[derive(Debug, Clone, Default)]
pub struct OfficePlaces {
    /// What the configuration names: then nothing else counts.
    pub named: Option<PathBuf>,
    /// Else the first of these that is there.
    pub usual: Vec<PathBuf>,
}

impl OfficePlaces {
    /// None: it is not installed.
    ///
    /// # Errors
    /// Configuration: what was named is not there.
    pub(super) fn find(&self) -> Result<Option<Found>> {
        let Some(named) = &self.named else { return Ok(self.usual.iter().find_map(|path| Found::at(path))) };
        Found::at(named).map(Some).ok_or_else(|| {
            Error::configuration(format!(
                "native.libreoffice is {}, which is not a file: the path of LibreOffice's soffice is expected",
                named.display()
            ))
        })
    }

    /// What is there of LibreOffice now, as the value of a limit: documents that were rejected for the lack of it are tried again
    /// once it is another.
    pub fn limit(&self) -> (String, u64) {
        let value = self.find().ok().flatten().map_or(0, |found| found.value());
        (LIMIT.to_owned(), value)
    }

    /// Which LibreOffice is there, for people.
    ///
    /// # Errors
    /// Configuration: one was named and is not there, or does not start.
    pub async fn describe(&self) -> Result<String> {
        let Some(found) = self.find()? else {
            return Ok("LibreOffice was not found: office files (docx, pptx, xlsx, odt, odp) are rejected".into());
        };
        let path = found.path.display();
        let unusable =
            |why: String| Error::configuration(format!("LibreOffice at {path} does not tell its version: {why}"));
        let asking = tokio::process::Command::new(&found.program)
            .arg("--version")
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let answer = tokio::time::timeout(VERSION_TIMEOUT, asking).await;
        let answer = answer
            .map_err(|_| unusable(format!("no answer within {} s", VERSION_TIMEOUT.as_secs())))?
            .map_err(|error| unusable(error.to_string()))?;
        let said = String::from_utf8_lossy(&answer.stdout);
        let version: Vec<&str> = said.split_whitespace().take(2).collect();
        if !answer.status.success() || version.is_empty() {
            return Err(unusable(answer.status.to_string()));
        }
        let missing: Vec<&str> = found.missing().collect();
        let without = if missing.is_empty() { String::new() } else { format!(", without {}", missing.join(" and ")) };
        Ok(format!("{} at {path}{without}", version.join(" ")))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_there_decides_the_value() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().canonicalize().unwrap().join(name);
        let places = OfficePlaces { named: None, usual: vec![at("nowhere"), at("soffice")] };
        assert_eq!(places.find().unwrap(), None);
        let named = OfficePlaces { named: Some(at("soffice")), usual: Vec::new() };
        assert!(named.find().unwrap_err().to_string().contains("native.libreoffice"));

        fs::write(at("soffice"), "").unwrap();
        let bare = places.find().unwrap().unwrap();
        assert_eq!((bare.value(), bare.program.clone()), (15, at("soffice")), "nothing is known of its parts");
        fs::write(at("libswlo.so"), "").unwrap();
        fs::write(at("soffice.bin"), "").unwrap();
        let writer = named.find().unwrap().unwrap();
        assert_eq!((writer.value(), writer.program.clone()), (3, at("soffice.bin")));
        assert!(writer.has(Program::Writer) && !writer.has(Program::Impress));
        assert_eq!(writer.missing().collect::<Vec<_>>(), ["Calc", "Impress"]);
    }
}
