//! One worker process as the pool sees it: started, asked, stopped, and mourned with the reason of its death.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::process::{ChildStderr, ChildStdout};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::answers;
use super::confine::Confinement;
use super::death::Death;
use super::group::{ProcessGroup, WorkerCommand, spawn};
use super::protocol::{
    MAX_ATTACHMENT_BYTES, Order, PageHeader, Reply, Request, Setup, receive_body, receive_header, send,
};
use super::queue::KeepsDocumentsOpen;
use super::shared_pages::{PageSlot, SLOT_BYTES, SharedPages};
use super::worker::OPEN_DOCUMENTS;
use crate::error::{Blame, Error, Limit, Result};
use crate::types::{DocumentInfo, RenderLimits};

/// How long a worker may take to end after its pipe is closed, before it is killed.
const GRACE: Duration = Duration::from_secs(2);
/// What is kept of a worker's standard error, to explain its death.
const LAST_WORDS_BYTES: usize = 4 << 10;
/// What is logged of it: a library that complains about every object must not fill the disk.
const LOGGED_BYTES: usize = 64 << 10;

/// What a worker answered, checked.
pub(super) enum Answer {
    Confinement(Vec<Confinement>),
    Opened(DocumentInfo),
    Attachment(Bytes),
    /// A page and its pixels, RGB8 `[height, width, 3]`.
    Page(PageHeader, Bytes),
    Refused {
        reason: String,
        limit: Option<Limit>,
    },
    Unreadable(String),
    Unusable(String),
}

pub(super) struct Worker {
    group: ProcessGroup,
    /// `None` only while it is being stopped.
    input: Option<UnixStream>,
    output: ChildStdout,
    shared: Option<Arc<SharedPages>>,
    last_words: Arc<Mutex<Vec<u8>>>,
    pump: JoinHandle<()>,
    limits: RenderLimits,
    /// Numbers of the documents that it has open, the most recent last.
    open: VecDeque<u64>,
    requests: u32,
    pages: u32,
}

impl Worker {
    /// What it was told at its start.
    pub(super) fn limits(&self) -> &RenderLimits {
        &self.limits
    }

    /// Starts a process and tells it its limits. It is killed if this handle is dropped.
    ///
    /// # Errors
    /// A dependency's fault: the program cannot be started.
    pub(super) async fn start(command: &WorkerCommand, limits: &RenderLimits, tasks: &TaskTracker) -> Result<Self> {
        let failed = |error: io::Error| {
            let message = format!("cannot start the render worker {}", command.program.display());
            match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => Error::configuration(message),
                _ => Error::transient(message),
            }
            .blaming(Blame::Dependency)
            .with_source(error)
        };
        let (input, mut group) = spawn(command).map_err(failed)?;
        let (Some(output), Some(errors)) = (group.child.stdout.take(), group.child.stderr.take()) else {
            return Err(Error::bug("a render worker was started without its pipes"));
        };
        let last_words = Arc::new(Mutex::new(Vec::new()));
        let pump = tasks.spawn(pump(errors, last_words.clone(), group.child.id()));
        let shared = SharedPages::new(SLOT_BYTES);
        let setup = Setup { limits: limits.clone(), pdfium: command.pdfium.clone(), faults: command.faults.clone() };
        // a worker that died at once is found out by its first request
        let _ = send(&input, &setup, shared.as_ref().map(|shared| shared.descriptor())).await;
        Ok(Self {
            group,
            input: Some(input),
            output,
            shared,
            last_words,
            pump,
            limits: limits.clone(),
            open: VecDeque::new(),
            requests: 0,
            pages: 0,
        })
    }

    /// Whether it has done nothing yet, so that nothing earlier can be to blame for its death.
    pub(super) fn is_fresh(&self) -> bool {
        self.requests == 0
    }

    pub(super) fn pages(&self) -> u32 {
        self.pages
    }

    /// One request, with the document that it is about; one answer. After an `Err` the process is dead and reaped.
    pub(super) async fn ask(
        &mut self,
        request: &Request,
        document: Option<&File>,
        limit: Duration,
    ) -> Result<Answer, Death> {
        self.requests += 1;
        self.note(request);
        let error = match timeout(limit, self.exchange(request, document)).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => error,
            Err(_) => {
                self.group.kill().await;
                return Err(Death::TimedOut);
            }
        };
        Err(match error.kind() {
            io::ErrorKind::InvalidData => {
                self.group.kill().await;
                Death::BadAnswer(error.to_string())
            }
            _ => self.autopsy(&error).await,
        })
    }

    /// Follows which documents it has open, and counts its pages.
    fn note(&mut self, request: &Request) {
        let id = match request {
            Request::Confinement => return,
            Request::Open { id, .. } | Request::Attachment { id, .. } => *id,
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
    }

    /// An answer that cannot be true is an error of the kind `InvalidData`.
    async fn exchange(&mut self, request: &Request, document: Option<&File>) -> io::Result<Answer> {
        let input = self.input.as_ref().ok_or(io::ErrorKind::BrokenPipe)?;
        let (slot, max_body) = match request {
            Request::Page { settings, .. } => {
                (self.shared.as_ref().and_then(SharedPages::slot), settings.max_page_pixels.saturating_mul(3))
            }
            Request::Attachment { .. } => (None, MAX_ATTACHMENT_BYTES),
            Request::Open { .. } | Request::Confinement => (None, 0),
        };
        let order = Order { request: Cow::Borrowed(request), slot: slot.as_ref().map(PageSlot::number) };
        send(input, &order, document.map(AsFd::as_fd)).await?;
        let (reply, body) = receive_header(&mut self.output, max_body).await?;
        let untrue = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
        Ok(match (reply, request) {
            (Reply::Page(mut header), Request::Page { settings, number, .. }) => {
                let bytes = answers::page(&header, body, settings).map_err(untrue)?;
                header.notes.0 = answers::checked_notes(header.notes.0, Some(*number)).map_err(untrue)?;
                let pixels = match header.shared {
                    false => receive_body(&mut self.output, body).await?.into(),
                    true => slot.ok_or_else(|| untrue("a page in no slot".into()))?.pixels(bytes)?,
                };
                Answer::Page(header, pixels)
            }
            (Reply::Attachment, Request::Attachment { .. }) => {
                Answer::Attachment(receive_body(&mut self.output, body).await?.into())
            }
            (_, _) if body > 0 => return Err(untrue(format!("{body} bytes behind an answer that has none"))),
            (Reply::Opened(header), Request::Open { .. }) => {
                Answer::Opened(answers::document(header, &self.limits).map_err(untrue)?)
            }
            (Reply::Confinement(parts), Request::Confinement) => {
                Answer::Confinement(parts.0.into_iter().map(Confinement::from).collect())
            }
            (Reply::Refused { reason, limit }, _) => Answer::Refused { reason: answers::reason(reason), limit },
            (Reply::Unreadable(reason), _) => Answer::Unreadable(answers::reason(reason)),
            (Reply::Unusable(reason), _) => Answer::Unusable(answers::reason(reason)),
            (Reply::Page(_) | Reply::Attachment | Reply::Opened(_) | Reply::Confinement(_), _) => {
                return Err(untrue("the answer to another question".into()));
            }
        })
    }

    /// Why the pipe broke. `error` is what the pipe said; how the process ended says more.
    async fn autopsy(&mut self, error: &io::Error) -> Death {
        // closing its input makes it end in any case, crash or not
        self.input = None;
        let status = match timeout(GRACE, self.group.child.wait()).await {
            Ok(status) => status.ok(),
            Err(_) => {
                self.group.kill().await;
                return Death::Crashed(format!("no answer, and it did not end by itself: {error}"));
            }
        };
        // its standard error ends with the process; a grandchild that kept it open must not keep us
        let _ = timeout(GRACE, &mut self.pump).await;
        let last_words = self.last_words.lock().unwrap_or_else(PoisonError::into_inner);
        Death::told_by(status, &String::from_utf8_lossy(&last_words), error)
    }

    /// Lets the process end by itself, and kills it if it does not.
    pub(super) async fn stop(mut self) {
        self.input = None;
        if timeout(GRACE, self.group.child.wait()).await.is_err() {
            self.group.kill().await;
        }
    }
}

impl KeepsDocumentsOpen for Worker {
    fn has_open(&self, document: u64) -> bool {
        self.open.contains(&document)
    }
}

/// Drains a worker's standard error until the process ends: a bounded part to the log, the last part for the autopsy.
async fn pump(mut errors: ChildStderr, last_words: Arc<Mutex<Vec<u8>>>, pid: Option<u32>) {
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
        let mut last_words = last_words.lock().unwrap_or_else(PoisonError::into_inner);
        last_words.extend_from_slice(said);
        let excess = last_words.len().saturating_sub(LAST_WORDS_BYTES);
        last_words.drain(..excess);
    }
}
