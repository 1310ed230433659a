//! How workers end, and whom that blames.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use super::confine::limits::OUT_OF_MEMORY;
use crate::error::{Blame, Error};
use crate::types::RenderLimits;

/// How a worker ended while it was asked something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Death {
    TimedOut,
    OutOfMemory,
    /// By SIGKILL, from outside: the kernel for lack of memory, or a person.
    Killed,
    /// "signal 11 (SIGSEGV)", "exit code 3: ..."
    Crashed(String),
    /// It was ended for an answer that cannot be true; what is wrong with it.
    BadAnswer(String),
}

impl Death {
    /// What `status` and the last words of a worker say. `error` is what the pipe said.
    pub(super) fn told_by(status: Option<ExitStatus>, last_words: &str, error: &std::io::Error) -> Self {
        // Rust's own allocator says this before it aborts
        if last_words.contains(OUT_OF_MEMORY) || last_words.contains("memory allocation of") {
            return Self::OutOfMemory;
        }
        let Some(status) = status else { return Self::Crashed(format!("an unknown end: {error}")) };
        let last = last_words.lines().rev().map(str::trim).find(|line| !line.is_empty());
        match (status.signal(), status.code()) {
            (Some(libc::SIGKILL), _) => Self::Killed,
            (Some(signal), _) => Self::Crashed(format!("signal {signal}{}", signal_name(signal))),
            (_, Some(0)) => Self::Crashed(format!("no answer: {error}")),
            (_, code) => {
                let code = code.map_or_else(|| "unknown".to_owned(), |code| code.to_string());
                Self::Crashed(format!("exit code {code}{}", last.map(|line| format!(": {line}")).unwrap_or_default()))
            }
        }
    }

    /// The error for the `work` that the worker was at. The machine's state may be to blame as well as the document: it is
    /// worth another attempt, which the document pays for.
    pub(super) fn into_error(self, work: &str, limits: &RenderLimits) -> Error {
        let &RenderLimits { page_timeout_s, worker_memory_bytes, .. } = limits;
        let blamed = |message: String| Error::transient(message).blaming(Blame::Document);
        match self {
            Self::TimedOut => blamed(format!("{work} took longer than {page_timeout_s} s (page_timeout_s)"))
                .at_limit(RenderLimits::PAGE_TIMEOUT_S, page_timeout_s),
            Self::OutOfMemory => {
                let gib = worker_memory_bytes as f64 / f64::from(1 << 30);
                let gib = (gib * 100.0).round() / 100.0;
                blamed(format!("{work} needed more than {gib} GiB of memory (worker_memory_bytes)"))
                    .at_limit(RenderLimits::WORKER_MEMORY_BYTES, worker_memory_bytes)
            }
            Self::Killed => blamed(format!(
                "{work} was interrupted: the render worker was killed (SIGKILL), by the kernel for lack of memory or by a \
                 person"
            )),
            Self::Crashed(how) => blamed(format!("{work} crashed the renderer with {how}")),
            Self::BadAnswer(what) => {
                blamed(format!("{work} made the render worker give an answer that cannot be true: {what}"))
            }
        }
    }
}

pub(super) fn signal_name(signal: i32) -> &'static str {
    match signal {
        libc::SIGSEGV => " (SIGSEGV)",
        libc::SIGABRT => " (SIGABRT)",
        libc::SIGILL => " (SIGILL)",
        libc::SIGTRAP => " (SIGTRAP)",
        libc::SIGBUS => " (SIGBUS)",
        libc::SIGFPE => " (SIGFPE)",
        libc::SIGTERM => " (SIGTERM)",
        libc::SIGSYS => " (SIGSYS)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_death_is_told_by_its_signal_and_its_last_words() {
        let pipe = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
        let by_signal = |signal| Some(ExitStatus::from_raw(signal));
        assert_eq!(Death::told_by(by_signal(11), "noise", &pipe), Death::Crashed("signal 11 (SIGSEGV)".into()));
        assert_eq!(Death::told_by(by_signal(9), "noise", &pipe), Death::Killed);
        assert_eq!(Death::told_by(by_signal(6), "memory allocation of 99 bytes failed", &pipe), Death::OutOfMemory);
        let exited = Some(ExitStatus::from_raw(3 << 8));
        assert_eq!(Death::told_by(exited, "first\nlast\n", &pipe), Death::Crashed("exit code 3: last".into()));
    }
}
