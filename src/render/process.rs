//! One worker process as the pool sees it: started, asked, stopped, and mourned with the reason of its death.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::board::{Board, Place};
use super::confine::OUT_OF_MEMORY;
use super::protocol::{Fault, Order, Reply, Request, Setup, receive, send};
use super::slots::Opens;
use super::worker::OPEN_DOCUMENTS;
use crate::error::{Error, Result};
use crate::types::RenderSettings;

/// How long a worker may take to end after its pipe is closed, before it is killed.
const GRACE: Duration = Duration::from_secs(2);
/// What is kept of a worker's standard error, to explain its death.
const TAIL_BYTES: usize = 4 << 10;
/// What is logged of it: a library that complains about every object must not fill the disk.
const LOGGED_BYTES: usize = 64 << 10;

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

/// How a worker ended while it was asked something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Death {
    TimedOut,
    OutOfMemory,
    /// "signal 11 (SIGSEGV)", "exit code 3: ..."
    Crashed(String),
}

pub(super) struct Worker {
    child: Child,
    /// `None` only while it is being stopped.
    input: Option<ChildStdin>,
    output: ChildStdout,
    board: Option<Arc<Board>>,
    tail: Arc<Mutex<Vec<u8>>>,
    pump: JoinHandle<()>,
    /// Numbers of the documents that it has open, the most recent last.
    open: VecDeque<u64>,
    requests: u32,
    pages: u32,
    max_body: u64,
}

impl Worker {
    /// Starts a process and tells it its limits. It is killed if this handle is dropped.
    pub(super) async fn start(command: &WorkerCommand, settings: &RenderSettings, tasks: &TaskTracker) -> Result<Self> {
        let failed = |error: std::io::Error| {
            let message = format!("cannot start the render worker {}", command.program.display());
            match error.kind() {
                std::io::ErrorKind::NotFound | std::io::ErrorKind::PermissionDenied => Error::configuration(message),
                _ => Error::transient(message),
            }
            .with_source(error)
        };
        let mut child = Command::new(&command.program)
            .args(&command.args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let (Some(mut input), Some(output), Some(errors)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(Error::bug("a render worker was started without its pipes"));
        };
        let tail = Arc::new(Mutex::new(Vec::new()));
        let pump = tasks.spawn(pump(errors, tail.clone(), child.id()));
        let max_body = settings.max_page_pixels.saturating_mul(3);
        let board = Board::new(max_body);
        let setup = Setup {
            settings: settings.clone(),
            pdfium: command.pdfium.clone(),
            board: board.as_ref().map(|board| board.path()),
            faults: command.faults.clone(),
        };
        // a worker that died at once is found out by its first request
        let _ = send(&mut input, &setup).await;
        Ok(Self {
            child,
            input: Some(input),
            output,
            board,
            tail,
            pump,
            open: VecDeque::new(),
            requests: 0,
            pages: 0,
            max_body,
        })
    }

    /// Whether it has done nothing yet, so that nothing earlier can be to blame for its death.
    pub(super) fn is_fresh(&self) -> bool {
        self.requests == 0
    }

    pub(super) fn pages(&self) -> u32 {
        self.pages
    }

    /// One request, one reply. After an `Err` the process is dead and reaped.
    pub(super) async fn ask(&mut self, request: &Request, limit: Duration) -> Result<(Reply, Bytes), Death> {
        self.requests += 1;
        let id = match request {
            Request::Open { id, .. } => *id,
            Request::Page { id, .. } => {
                self.pages += 1;
                *id
            }
        };
        self.open.retain(|open| *open != id);
        self.open.push_back(id);
        if self.open.len() > OPEN_DOCUMENTS {
            self.open.pop_front();
        }
        match timeout(limit, self.exchange(request)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(self.autopsy(&error).await),
            Err(_) => {
                self.kill().await;
                Err(Death::TimedOut)
            }
        }
    }

    async fn exchange(&mut self, request: &Request) -> std::io::Result<(Reply, Bytes)> {
        let input = self.input.as_mut().ok_or(std::io::ErrorKind::BrokenPipe)?;
        let place = match request {
            Request::Page { .. } => self.board.as_ref().and_then(Board::place),
            Request::Open { .. } => None,
        };
        send(input, &Order { request: Cow::Borrowed(request), place: place.as_ref().map(Place::number) }).await?;
        let (reply, body) = receive(&mut self.output, self.max_body).await?;
        let Reply::Page(header) = &reply else { return Ok((reply, body.into())) };
        if !header.shared {
            return Ok((reply, body.into()));
        }
        let bytes = u64::from(header.width) * u64::from(header.height) * 3;
        let broken = || std::io::Error::new(std::io::ErrorKind::InvalidData, "pixels where there is no room for them");
        let place = place.filter(|_| bytes <= self.max_body).ok_or_else(broken)?;
        let pixels = place.pixels(bytes as usize)?;
        Ok((reply, pixels))
    }

    async fn kill(&mut self) -> Option<ExitStatus> {
        // fails only where it has ended already
        let _ = self.child.start_kill();
        self.child.wait().await.ok()
    }

    /// Why the pipe broke. `error` is what the pipe said; how the process ended says more.
    async fn autopsy(&mut self, error: &std::io::Error) -> Death {
        // closing its input makes it end in any case, crash or not
        self.input = None;
        let status = match timeout(GRACE, self.child.wait()).await {
            Ok(status) => status.ok(),
            Err(_) => self.kill().await,
        };
        // its standard error ends with the process; a grandchild that kept it open must not keep us
        let _ = timeout(GRACE, &mut self.pump).await;
        let tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        verdict(status, &String::from_utf8_lossy(&tail), error)
    }

    /// Lets the process end by itself, and kills it if it does not.
    pub(super) async fn stop(mut self) {
        self.input = None;
        if timeout(GRACE, self.child.wait()).await.is_err() {
            self.kill().await;
        }
    }
}

impl Opens for Worker {
    fn has_open(&self, document: u64) -> bool {
        self.open.contains(&document)
    }
}

/// What `status` and the last words of a worker say about its death.
fn verdict(status: Option<ExitStatus>, tail: &str, error: &std::io::Error) -> Death {
    // Rust's own allocator says this before it aborts
    if tail.contains(OUT_OF_MEMORY) || tail.contains("memory allocation of") {
        return Death::OutOfMemory;
    }
    let last = tail.lines().rev().map(str::trim).find(|line| !line.is_empty());
    Death::Crashed(match status {
        Some(status) => match (status.signal(), status.code()) {
            (Some(libc::SIGKILL), _) => {
                "signal 9 (SIGKILL): somebody killed it, the kernel does for lack of memory".into()
            }
            (Some(signal), _) => format!("signal {signal}{}", signal_name(signal)),
            (_, Some(0)) => format!("an unreadable answer: {error}"),
            (_, code) => {
                let code = code.map_or_else(|| "unknown".to_owned(), |code| code.to_string());
                format!("exit code {code}{}", last.map(|line| format!(": {line}")).unwrap_or_default())
            }
        },
        None => format!("an unknown end: {error}"),
    })
}

fn signal_name(signal: i32) -> &'static str {
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

/// Drains a worker's standard error until the process ends: a bounded part to the log, the last part for the autopsy.
async fn pump(mut errors: ChildStderr, tail: Arc<Mutex<Vec<u8>>>, pid: Option<u32>) {
    let mut buffer = [0; 1024];
    let mut logged = 0;
    // a read error means the same as the end: nothing more comes
    while let Ok(read @ 1..) = errors.read(&mut buffer).await {
        let said = &buffer[..read];
        if logged < LOGGED_BYTES {
            for line in String::from_utf8_lossy(said).lines().filter(|line| !line.trim().is_empty()) {
                tracing::debug!(pid, line, "render worker says");
            }
        }
        logged += read;
        let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        tail.extend_from_slice(said);
        let excess = tail.len().saturating_sub(TAIL_BYTES);
        tail.drain(..excess);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_death_is_told_by_its_signal_and_its_last_words() {
        let pipe = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
        let by_signal = |signal| Some(ExitStatus::from_raw(signal));
        assert_eq!(verdict(by_signal(11), "noise", &pipe), Death::Crashed("signal 11 (SIGSEGV)".into()));
        assert_eq!(verdict(by_signal(6), "memory allocation of 99 bytes failed", &pipe), Death::OutOfMemory);
        let exited = Some(ExitStatus::from_raw(3 << 8));
        assert_eq!(verdict(exited, "first\nlast\n", &pipe), Death::Crashed("exit code 3: last".into()));
    }
}
