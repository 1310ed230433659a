//! Processes that work for us, and all that they start: begun with nothing of ours, in a group of their own, which ends when its
//! handle is gone.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};

use tokio::net::UnixStream;
use tokio::process::{Child, Command};

use super::protocol::Fault;
use crate::error::{Error, Result};

/// How to start a worker.
#[derive(Debug, Clone)]
pub struct WorkerCommand {
    pub program: PathBuf,
    pub args: Vec<OsString>,
    /// Full path of PDFium's shared library.
    pub pdfium: PathBuf,
    /// Failures that a test asks for.
    #[doc(hidden)]
    pub faults: Vec<Fault>,
}

impl WorkerCommand {
    /// This same program with its hidden command `render-worker`.
    pub fn this_program(pdfium: PathBuf) -> Result<Self> {
        // the link, not the path behind it: it stays right when the file is replaced by an upgrade while we run
        let program = if cfg!(target_os = "linux") {
            PathBuf::from("/proc/self/exe")
        } else {
            std::env::current_exe()
                .map_err(|error| Error::configuration("cannot find the path of this program").with_source(error))?
        };
        Ok(Self { program, args: vec!["render-worker".into()], pdfium, faults: Vec::new() })
    }
}

/// A process and what it started. All of it is killed when this is dropped.
pub(super) struct ProcessGroup {
    pub child: Child,
}

impl ProcessGroup {
    /// Kills all of it, and waits for the process that was started.
    pub async fn kill(&mut self) -> Option<ExitStatus> {
        self.kill_group();
        // fails only if it has ended already
        let _ = self.child.start_kill();
        self.child.wait().await.ok()
    }

    /// As long as the process is not reaped: its number cannot be another's.
    fn kill_group(&self) {
        if let Some(group) = self.child.id().and_then(|id| libc::pid_t::try_from(id).ok()) {
            // SAFETY: an integer. Fails only if the whole group has ended.
            unsafe { libc::kill(-group, libc::SIGKILL) };
        }
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        self.kill_group();
    }
}

/// Starts the process with nothing of ours: an empty environment, its socket and two pipes, a process group of its own.
pub(super) fn spawn(command: &WorkerCommand) -> io::Result<(UnixStream, ProcessGroup)> {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let mut process = Command::new(&command.program);
    process
        .args(&command.args)
        .env_clear()
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    // SAFETY: between fork and exec, only system calls are made.
    unsafe { process.pre_exec(inherit_nothing) };
    Ok((UnixStream::from_std(ours)?, ProcessGroup { child: process.spawn()? }))
}

/// Has every descriptor but the first three closed when the program starts. (Not at once: one of them tells the parent
/// whether it did.) What Rust opens closes itself; what libraries open may not.
fn inherit_nothing() -> io::Result<()> {
    const FIRST: libc::c_uint = 3;
    #[cfg(target_os = "linux")]
    // SAFETY: integers only.
    if unsafe { libc::syscall(libc::SYS_close_range, FIRST, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) } == 0 {
        return Ok(());
    }
    // SAFETY: integers only; a number that is no descriptor is an error that does not matter.
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        // More than a million descriptors nobody has, and infinity cannot be counted to.
        for descriptor in FIRST as libc::c_int..limit.rlim_cur.min(1 << 20) as libc::c_int {
            libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC);
        }
    }
    Ok(())
}
