//! What a worker does to itself before it sees the first byte of a document. Documents are written by strangers, and the code
//! that reads them is large: whatever a document makes of its worker must not get out of it.
//!
//! The order matters. First what needs files and threads: PDFium is loaded, the pool's memory is mapped. Then [`lock_in`]:
//! files, network and signals (Landlock), a watch over the pool, limits, and last the system calls (seccomp), for both
//! threads. A kernel that lacks a part goes without it, and [`Confinement`] says so.
//!
//! What stays allowed: reading the folders of fonts that PDFium looks in for fonts that a document does not bring
//! ([`FONT_FOLDERS`]), asking for the size of a file by its name (not its content), the pool's socket and pipes.

#[cfg(target_os = "linux")]
mod files;
pub(super) mod limits;
pub(super) mod pipes;
#[cfg(target_os = "linux")]
mod programs;
#[cfg(target_os = "linux")]
mod system_calls;

use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Where PDFium looks for fonts on Linux. The list is its own (`CLinuxPlatform`).
#[cfg(target_os = "linux")]
const FONT_FOLDERS: [&str; 4] =
    ["/usr/share/fonts", "/usr/share/X11/fonts/Type1", "/usr/share/X11/fonts/TTF", "/usr/local/share/fonts"];

/// A part of a worker's confinement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confinement {
    /// What it keeps from the worker, and by which means.
    pub part: &'static str,
    /// Why the worker goes without it; None: it is in force.
    pub missing: Option<String>,
}

/// The parts, as they pass over the pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Part {
    Files,
    Network,
    Signals,
    SystemCalls,
    Memory,
}

impl Part {
    fn describe(self) -> &'static str {
        match self {
            Self::Files => "files (Landlock)",
            Self::Network => "network (Landlock)",
            Self::Signals => "signals and abstract sockets (Landlock)",
            Self::SystemCalls => "system calls (seccomp)",
            Self::Memory => "memory (RLIMIT_AS)",
        }
    }
}

/// One part as a worker reports it: why it is missing, or None.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct PartReport {
    part: Part,
    missing: Option<String>,
}

impl From<PartReport> for Confinement {
    fn from(report: PartReport) -> Self {
        Self { part: report.part.describe(), missing: report.missing }
    }
}

/// Locks this process in. `socket` is the one that the pool's orders come from; when the pool closes it, this process ends.
///
/// # Errors
/// Where a part fails that every Unix has.
pub(super) fn lock_in(socket: BorrowedFd<'_>) -> io::Result<Vec<PartReport>> {
    let mut reports = vec![PartReport {
        part: Part::Memory,
        missing: (!cfg!(target_os = "linux")).then(|| "this system does not bound a process's memory".into()),
    }];
    forget_environment();
    not_dumpable()?;
    limits::no_files()?;
    // Before the second thread exists: Landlock holds for the thread that asks for it, and for those it starts.
    #[cfg(target_os = "linux")]
    reports.extend(files::restrict(&FONT_FOLDERS));
    pipes::die_with_pool(socket, pipes::Life::Process)?;
    limits::no_processes()?;
    #[cfg(target_os = "linux")]
    reports.push(PartReport { part: Part::SystemCalls, missing: system_calls::restrict().err() });
    #[cfg(not(target_os = "linux"))]
    for part in [Part::Files, Part::Network, Part::Signals, Part::SystemCalls] {
        reports.push(PartReport { part, missing: Some("only Linux has it".into()) });
    }
    Ok(reports)
}

/// Locks this process in as far as an office program can bear: it and what it starts may read and run what lies in `runnable` and in
/// `installation` (links there are followed), write in
/// `own`, and reach no network, no socket of others and no namespace. They end when the pool closes `socket`.
///
/// # Errors
/// Where a part fails that every Unix has.
pub(super) fn lock_in_programs(
    socket: BorrowedFd<'_>,
    runnable: &[PathBuf],
    installation: &Path,
    own: &[PathBuf],
) -> io::Result<()> {
    forget_environment();
    not_dumpable()?;
    #[cfg(target_os = "linux")]
    files::restrict_programs(runnable, installation, own);
    #[cfg(not(target_os = "linux"))]
    let _ = (runnable, installation, own);
    pipes::die_with_pool(socket, pipes::Life::Group)?;
    #[cfg(target_os = "linux")]
    // As with a worker that draws: what a kernel lacks `quire doctor` says.
    let _ = programs::restrict();
    Ok(())
}

/// The pool starts workers without variables; what this program has set for itself since goes too.
fn forget_environment() {
    for (name, _) in std::env::vars_os() {
        // SAFETY: this process has no second thread yet.
        unsafe { std::env::remove_var(name) };
    }
}

/// Nobody but the administrator may look into this process, and it leaves no core.
#[cfg(target_os = "linux")]
fn not_dumpable() -> io::Result<()> {
    // SAFETY: constants only.
    let results =
        unsafe { [libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0), libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)] };
    match results {
        [0, 0] => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(not(target_os = "linux"))]
fn not_dumpable() -> io::Result<()> {
    Ok(())
}
