//! The one error type of the crate. It knows its *kind* and whom it *blames*, and these two alone decide what happens next:
//! whether a job is tried again and who pays for it, which exit code a command ends with, which HTTP problem a caller sees.
//!
//! A message names the thing, the value found, the value expected and what to do next.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What may be done about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The same call may succeed later; `retry_after` is the earliest moment worth trying, where the other side named one.
    Transient { retry_after: Option<Duration> },
    /// The same input will fail again: a broken file, a missing document.
    Permanent,
    /// The user's configuration, arguments or set-up must change first.
    Configuration,
    /// Quire is wrong. Nothing the user does can mend it.
    Bug,
}

/// Who pays for an error that ends an attempt at a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The document: it uses up one of its attempts, or it is rejected.
    Document,
    /// What every document needs: store, ledger, blobs, model, disk, source folder, configuration. Work waits until it is
    /// back, and no document uses up an attempt.
    Dependency,
}

/// A limit that a document ran into. Kept with the rejection: once the limit is another, the document is worth another try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// The key in the configuration, such as `max_pages`.
    pub name: String,
    /// Its value then.
    pub value: u64,
}

/// An error with its [`Kind`], whom it blames, a message for people, and the cause where there is one.
pub struct Error(Box<Inner>);

struct Inner {
    kind: Kind,
    blame: Blame,
    limit: Option<Limit>,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// What fails the same way every time is the document's own fault, and so is what no line of Quire foresaw; what may pass,
    /// and what people must set right, is not. [`Self::blaming`] says otherwise.
    fn new(kind: Kind, message: impl Into<String>) -> Self {
        let blame = match kind {
            Kind::Permanent | Kind::Bug => Blame::Document,
            Kind::Transient { .. } | Kind::Configuration => Blame::Dependency,
        };
        Self(Box::new(Inner { kind, blame, limit: None, message: message.into(), source: None }))
    }

    /// A dependency's fault, unless said otherwise by [`Self::blaming`].
    pub fn transient(message: impl Into<String>) -> Self {
        Self::new(Kind::Transient { retry_after: None }, message)
    }

    /// Transient, and not worth trying again before `retry_after` has passed.
    pub fn transient_after(message: impl Into<String>, retry_after: Option<Duration>) -> Self {
        Self::new(Kind::Transient { retry_after }, message)
    }

    pub fn permanent(message: impl Into<String>) -> Self {
        Self::new(Kind::Permanent, message)
    }

    pub fn configuration(message: impl Into<String>) -> Self {
        Self::new(Kind::Configuration, message)
    }

    pub fn bug(message: impl Into<String>) -> Self {
        Self::new(Kind::Bug, message)
    }

    /// Says whose fault it is, where the kind alone says it wrong.
    #[must_use]
    pub fn blaming(mut self, blame: Blame) -> Self {
        self.0.blame = blame;
        self
    }

    /// Names the limit that the document ran into.
    #[must_use]
    pub fn at_limit(mut self, name: &str, value: u64) -> Self {
        self.0.limit = Some(Limit { name: name.to_owned(), value });
        self
    }

    /// Keeps `source` as the cause; it is printed behind the message.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Puts `context` before the message: `context: message`.
    #[must_use]
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.0.message = format!("{context}: {}", self.0.message);
        self
    }

    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    pub fn blame(&self) -> Blame {
        self.0.blame
    }

    /// The limit that the document ran into, where that is what happened.
    pub fn limit(&self) -> Option<&Limit> {
        self.0.limit.as_ref()
    }

    /// Whether trying again may help. Retrying is a property of the error, not of the caller.
    pub fn is_transient(&self) -> bool {
        matches!(self.0.kind, Kind::Transient { .. })
    }

    /// The message alone, without its causes.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The same error once more, for several callers that wait for one operation. The cause becomes text.
    pub fn duplicate(&self) -> Self {
        Self(Box::new(Inner {
            kind: self.0.kind,
            blame: self.0.blame,
            limit: self.0.limit.clone(),
            message: self.to_string(),
            source: None,
        }))
    }
}

impl fmt::Display for Error {
    /// The message and every cause that says something the message does not.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        let mut said = self.0.message.clone();
        let mut cause = self.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !said.contains(&text) {
                write!(f, ": {text}")?;
                said.push_str(&text);
            }
            cause = error.source();
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, {:?}: {self}", self.0.kind, self.0.blame)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

/// Adds a sentence to the error of a `Result`, keeping its kind.
pub trait ResultExt<T> {
    fn context(self, context: impl fmt::Display) -> Result<T>;
}

impl<T> ResultExt<T> for Result<T> {
    fn context(self, context: impl fmt::Display) -> Result<T> {
        self.map_err(|error| error.context(context))
    }
}

/// Whether an error or one of its causes says that there is no host of that name.
pub fn is_of_unknown_host(error: &(dyn StdError + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |&error| error.source());
    causes.any(|error| says_unknown_host(&error.to_string()))
}

/// The same of what somebody made of such an error. That a name can't be looked up for the moment is another thing.
pub fn says_unknown_host(text: &str) -> bool {
    // getaddrinfo of glibc, musl and macOS; no number of theirs comes through.
    let unknown = [
        "Name or service not known",
        "No address associated with hostname",
        "Name does not resolve",
        "nodename nor servname provided",
    ];
    unknown.iter().any(|said| text.contains(said))
}

/// An I/O error about a path of ours: missing files and refused access stay as they are however often one tries, the rest may
/// pass. Never a document's fault: what reads documents says so itself.
pub fn io_error(action: &str, path: &std::path::Path, error: std::io::Error) -> Error {
    use std::io::ErrorKind as E;
    let message = format!("cannot {action} {}", path.display());
    match error.kind() {
        E::NotFound | E::PermissionDenied | E::InvalidInput | E::IsADirectory | E::NotADirectory => {
            Error::permanent(message).blaming(Blame::Dependency).with_source(error)
        }
        _ => Error::transient(message).with_source(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_names_each_cause_once() {
        let inner = std::io::Error::other("disk on fire");
        let error = Error::transient("cannot write page 3").with_source(inner).context("report.pdf");
        assert_eq!(error.to_string(), "report.pdf: cannot write page 3: disk on fire");
        assert!(error.is_transient());
    }

    #[test]
    fn an_unknown_host_is_told_from_one_that_is_away() {
        let lookup = |said: &str| {
            let cause = std::io::Error::other(format!("failed to lookup address information: {said}"));
            Error::transient("cannot connect").with_source(cause)
        };
        assert!(is_of_unknown_host(&lookup("Name or service not known")));
        assert!(!is_of_unknown_host(&lookup("Temporary failure in name resolution")));
        assert!(!is_of_unknown_host(&Error::transient("connection refused")));
    }

    #[test]
    fn a_copy_keeps_whom_it_blames_and_which_limit_was_met() {
        let error =
            Error::transient("page 3 took longer than 30 s").blaming(Blame::Document).at_limit("page_timeout_s", 30);
        let copy = error.duplicate();
        assert_eq!((copy.kind(), copy.blame()), (error.kind(), Blame::Document));
        assert_eq!(copy.limit(), Some(&Limit { name: "page_timeout_s".into(), value: 30 }));
        assert_eq!(Error::transient("the store is away").blame(), Blame::Dependency);
        assert_eq!(Error::permanent("no PDF").blame(), Blame::Document);
    }
}
