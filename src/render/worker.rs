//! The other end of the pool's pipes: a process that opens documents and draws their pages, one request at a time.
//!
//! It never decides anything about a document's life: it answers, or it dies and the pool works out why.

mod faults;

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use super::board::Drawing;
use super::confine;
use super::pdf::{Library, PdfDocument};
use super::picture;
use super::protocol::{Drawn, Order, Reply, Request, Setup, read_frame, write_frame};
use super::sniff::Format;
use crate::error::{Error, Kind, Result};
use crate::types::{DocumentInfo, RenderSettings};

/// Documents that a worker keeps open, so that the pages of two documents may alternate. The pool counts on it.
pub(super) const OPEN_DOCUMENTS: usize = 2;

/// The whole life of a worker process: the command `render-worker`. Standard input and output are the pool's pipes; the
/// function returns when the pool closes them.
pub fn run() -> Result<()> {
    let broken = |error: io::Error| Error::bug("a render worker lost its pipes").with_source(error);
    let mut pipes = confine::take_pipes().map_err(broken)?;
    confine::die_with_parent(&pipes.input).map_err(broken)?;
    let Some(setup) = read_frame::<Setup>(&mut pipes.input).map_err(broken)? else { return Ok(()) };
    // without it pages go through the pipe
    let drawing = setup.board.as_deref().and_then(|path| Drawing::open(path).ok());
    // what the pool reads belongs to the pool
    let shared = drawing.as_ref().map_or(0, |drawing| drawing.bytes() as u64);
    confine::limit_memory(setup.settings.worker_memory_bytes.saturating_add(shared)).map_err(|error| {
        Error::configuration(format!(
            "a render worker cannot limit its memory to {} bytes (worker_memory_bytes)",
            setup.settings.worker_memory_bytes
        ))
        .with_source(error)
    })?;
    let mut worker = Worker { setup, drawing, library: None, open: VecDeque::new(), requests: 0 };
    while let Some(order) = read_frame::<Order<'_>>(&mut pipes.input).map_err(broken)? {
        if let Some(drawing) = &mut worker.drawing {
            drawing.use_place(order.place);
        }
        let (reply, body) = worker.answer(&order.request);
        write_frame(&mut pipes.output, &reply, &body).map_err(broken)?;
    }
    Ok(())
}

struct Worker {
    setup: Setup,
    drawing: Option<Drawing>,
    /// Loaded for the first PDF: images need none.
    library: Option<&'static Library>,
    /// The most recently used document last, with the pool's number for it.
    open: VecDeque<(u64, PdfDocument)>,
    requests: u32,
}

impl Worker {
    /// Never fails and never panics: whatever goes wrong in Rust code is the document's refusal.
    fn answer(&mut self, request: &Request) -> (Reply, Vec<u8>) {
        faults::act(&self.setup.faults, request, self.requests == 0);
        self.requests += 1;
        let outcome = catch_unwind(AssertUnwindSafe(|| self.serve(request))).unwrap_or_else(|panic| {
            let what = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("no message");
            Err(Error::permanent(format!("its decoder panicked: {what}")))
        });
        outcome.unwrap_or_else(|error| match error.kind() {
            Kind::Configuration => (Reply::Unusable(error.to_string()), Vec::new()),
            _ => (Reply::Refused(error.to_string()), Vec::new()),
        })
    }

    fn serve(&mut self, request: &Request) -> Result<(Reply, Vec<u8>)> {
        match request {
            Request::Open { id, path, format } => Ok((Reply::Opened(self.describe(*id, path, *format)?), Vec::new())),
            Request::Page { id, path, format, number } => {
                let Drawn { header, rgb } = match format {
                    Format::Pdf => {
                        let settings = self.setup.settings.clone();
                        let mut drawing = self.drawing.take();
                        let drawn = self
                            .document(*id, path)
                            .and_then(|document| document.draw(*number, &settings, drawing.as_mut()));
                        self.drawing = drawing;
                        drawn?
                    }
                    _ => picture::draw(path, *format, *number, &self.setup.settings)?,
                };
                Ok((Reply::Page(header), rgb))
            }
        }
    }

    fn describe(&mut self, id: u64, path: &Path, format: Format) -> Result<DocumentInfo> {
        let settings = self.setup.settings.clone();
        let count = match format {
            Format::Pdf => self.document(id, path)?.page_count(),
            _ => picture::page_count(path, format, &settings)?,
        };
        check_page_count(count, &settings)?;
        match format {
            Format::Pdf => Ok(self.document(id, path)?.info()),
            _ => Ok(DocumentInfo { page_count: count, ..DocumentInfo::default() }),
        }
    }

    /// The document, opened now unless it still is.
    fn document(&mut self, id: u64, path: &Path) -> Result<&PdfDocument> {
        let known = self.open.iter().position(|(open, _)| *open == id);
        let entry = match known.and_then(|position| self.open.remove(position)) {
            Some(entry) => entry,
            None => {
                // closed before the next is opened: two documents' memory is enough
                while self.open.len() >= OPEN_DOCUMENTS {
                    self.open.pop_front();
                }
                (id, PdfDocument::open(self.library()?, path)?)
            }
        };
        self.open.push_back(entry);
        self.open
            .back()
            .map(|(_, document)| document)
            .ok_or_else(|| Error::bug("a render worker lost the document that it just opened"))
    }

    fn library(&mut self) -> Result<&'static Library> {
        match self.library {
            Some(library) => Ok(library),
            None => {
                let library = Library::load(&self.setup.pdfium)?;
                self.library = Some(library);
                Ok(library)
            }
        }
    }
}

fn check_page_count(count: u32, settings: &RenderSettings) -> Result<()> {
    if count > settings.max_pages {
        return Err(Error::permanent(format!(
            "has {count} pages, more than the {} allowed (max_pages)",
            settings.max_pages
        )));
    }
    Ok(())
}
