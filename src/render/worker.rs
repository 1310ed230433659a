//! The other end of the pool's socket: a process that opens documents and draws their pages, one request at a time.
//!
//! It never decides anything about a document's life: it answers, or it dies and the pool works out why. It never opens a
//! file either: documents come as open descriptors, and by then it has locked itself in (see `confine`).

mod faults;
mod probe;

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};

#[doc(hidden)]
use super::confine::{self, PartReport, limits, pipes};
use super::document_file::{DocumentFile, ReadFailure};
use super::pdf::{Library, PdfDocument};
use super::picture;
use super::protocol::{
    AtMost, DocumentHeader, Drawn, MAX_REASON_CHARS, Order, Reply, Request, Setup, read_frame, write_frame,
};
use super::shared_pages::SlotWriter;
use super::sniff::Format;
use crate::error::{Error, Kind, Result};
use crate::types::{DocumentInfo, RenderLimits, RenderSettings};

/// Documents that a worker keeps open, so that the pages of two documents may alternate. The pool counts on it.
pub(super) const OPEN_DOCUMENTS: usize = 2;

/// The whole life of a worker process: the command `render-worker`. Standard input is a Unix socket from the pool, standard
/// output a pipe to it; the function returns when the pool closes them.
pub fn run() -> Result<()> {
    let broken = |error: io::Error| Error::bug("a render worker lost its pipes").with_source(error);
    let mut pool = pipes::take_connection().map_err(broken)?;
    let Some(setup) = read_frame::<Setup>(&mut pool.input).map_err(broken)? else { return Ok(()) };
    // without it pages go through the pipe
    let slots = pool.input.take_descriptor().and_then(|descriptor| SlotWriter::new(descriptor).ok());
    // what the pool reads belongs to the pool
    let shared = slots.as_ref().map_or(0, |slots| slots.bytes() as u64);
    let memory = setup.limits.worker_memory_bytes;
    limits::limit_memory(memory.saturating_add(shared)).map_err(|error| {
        Error::configuration(format!("a render worker cannot limit its memory to {memory} bytes (worker_memory_bytes)"))
            .with_source(error)
    })?;
    // Afterwards no file can be opened. Images need no library: that one is missing is told when a PDF comes.
    let library = Library::load(&setup.pdfium);
    let probed_early = faults::before_lock_in(&setup.faults);
    let confinement = confine::lock_in(pool.input.socket())
        .map_err(|error| Error::bug("a render worker cannot lock itself in").with_source(error))?;
    let mut worker = Worker {
        setup,
        confinement,
        probed_early,
        slots,
        library,
        failure: ReadFailure::default(),
        open: VecDeque::new(),
        requests: 0,
    };
    while let Some(order) = read_frame::<Order<'_>>(&mut pool.input).map_err(broken)? {
        if let Some(slots) = &mut worker.slots {
            slots.use_slot(order.slot);
        }
        let (reply, body) = worker.answer(&order.request, pool.input.take_descriptor());
        write_frame(&mut pool.output, &reply, &body).map_err(broken)?;
    }
    Ok(())
}

struct Worker {
    setup: Setup,
    confinement: Vec<PartReport>,
    /// What a test's probe found before this process locked itself in.
    probed_early: Option<String>,
    slots: Option<SlotWriter>,
    library: Result<&'static Library>,
    /// Why reading a document failed in the request at hand.
    failure: ReadFailure,
    /// The most recently used document last, with the pool's number for it.
    open: VecDeque<(u64, PdfDocument)>,
    requests: u32,
}

impl Worker {
    /// Never fails and never panics: whatever goes wrong in Rust code is the document's refusal.
    fn answer(&mut self, request: &Request, descriptor: Option<OwnedFd>) -> (Reply, Vec<u8>) {
        if let Some(report) = faults::act(&self.setup.faults, request, self.requests == 0, self.probed_early.as_ref()) {
            return (Reply::Refused { reason: report, limit: None }, Vec::new());
        }
        self.requests += 1;
        self.failure.take();
        let outcome = catch_unwind(AssertUnwindSafe(|| self.serve(request, descriptor))).unwrap_or_else(|panic| {
            let what = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("no message");
            Err(Error::permanent(format!("its decoder panicked: {what}")))
        });
        if let Some(failure) = self.failure.take() {
            return (Reply::Unreadable(failure), Vec::new());
        }
        outcome.unwrap_or_else(|error| {
            let reason: String = error.to_string().chars().take(MAX_REASON_CHARS).collect();
            let reply = match error.kind() {
                Kind::Configuration => Reply::Unusable(reason),
                _ => Reply::Refused { reason, limit: error.limit().cloned() },
            };
            (reply, Vec::new())
        })
    }

    fn serve(&mut self, request: &Request, descriptor: Option<OwnedFd>) -> Result<(Reply, Vec<u8>)> {
        match request {
            Request::Confinement => Ok((Reply::Confinement(AtMost(self.confinement.clone())), Vec::new())),
            Request::Open { id, format } => {
                let info = self.describe(*id, self.file(descriptor)?, *format)?;
                Ok((Reply::Opened(DocumentHeader::from(info)), Vec::new()))
            }
            Request::Attachment { id, index } => {
                let file = self.file(descriptor)?;
                Ok((Reply::Attachment, self.document(*id, file)?.attachment(*index)?))
            }
            Request::Page { id, format, number, settings } => {
                let file = self.file(descriptor)?;
                let Drawn { header, rgb } = match format {
                    Format::Pdf => self.draw_pdf(*id, file, *number, settings)?,
                    _ => picture::draw(&file, *format, *number, settings, &self.setup.limits)?,
                };
                Ok((Reply::Page(header), rgb))
            }
        }
    }

    fn file(&self, descriptor: Option<OwnedFd>) -> Result<DocumentFile> {
        let descriptor = descriptor.ok_or_else(|| Error::bug("a render worker was handed no document"))?;
        DocumentFile::new(descriptor, &self.failure)
            .map_err(|error| Error::bug("a render worker was handed a document without a size").with_source(error))
    }

    fn describe(&mut self, id: u64, file: DocumentFile, format: Format) -> Result<DocumentInfo> {
        let count = match format {
            Format::Pdf => self.document(id, file.clone())?.page_count(),
            _ => picture::page_count(&file, format, &self.setup.limits)?,
        };
        check_page_count(count, &self.setup.limits)?;
        match format {
            Format::Pdf => Ok(self.document(id, file)?.info()),
            _ => Ok(DocumentInfo { page_count: count, ..DocumentInfo::default() }),
        }
    }

    fn draw_pdf(&mut self, id: u64, file: DocumentFile, number: u32, settings: &RenderSettings) -> Result<Drawn> {
        let mut slots = self.slots.take();
        let drawn = self.document(id, file).and_then(|document| document.draw(number, settings, slots.as_mut()));
        self.slots = slots;
        drawn
    }

    /// The document, opened now unless it still is.
    fn document(&mut self, id: u64, file: DocumentFile) -> Result<&PdfDocument> {
        let known = self.open.iter().position(|(open, _)| *open == id);
        let entry = match known.and_then(|position| self.open.remove(position)) {
            Some(entry) => entry,
            None => {
                // closed before the next is opened: two documents' memory is enough
                while self.open.len() >= OPEN_DOCUMENTS {
                    self.open.pop_front();
                }
                let library = *self.library.as_ref().map_err(Error::duplicate)?;
                (id, PdfDocument::open(library, file)?)
            }
        };
        self.open.push_back(entry);
        self.open
            .back()
            .map(|(_, document)| document)
            .ok_or_else(|| Error::bug("a render worker lost the document that it just opened"))
    }
}

fn check_page_count(count: u32, limits: &RenderLimits) -> Result<()> {
    if count > limits.max_pages {
        let message = format!("has {count} pages, more than the {} allowed (max_pages)", limits.max_pages);
        return Err(Error::permanent(message).at_limit(RenderLimits::MAX_PAGES, u64::from(limits.max_pages)));
    }
    Ok(())
}
