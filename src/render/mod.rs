//! Documents become pages: pixels, text layer, outline.
//!
//! PDFium and the image decoders read bytes that strangers wrote, so they run in *worker processes* of this same
//! program ([`worker::run`], the hidden command `render-worker`) and never in the daemon. [`Renderer`] is the pool of
//! them. A worker that crashes, hangs or outgrows its memory costs itself and one page; the page's error says why and
//! the rest goes on. PDFium is not thread-safe: pages are drawn in parallel by several workers, each of which opens the
//! document for itself.
//!
//! Office files become PDFs first ([`office`]), by LibreOffice in a process of its own.
//!
//! Read `pool` for the life of a request, `protocol` for what passes over the pipes, [`worker`] for the other end.

mod answers;
mod confine;
mod death;
mod descriptors;
mod document_file;
mod fax_lines;
mod fit;
mod group;
mod jpeg_scan;
pub mod office;
mod pdf;
mod picture;
mod pool;
mod process;
mod protocol;
mod queue;
mod shared_pages;
mod sniff;
pub mod worker;

pub use confine::Confinement;
pub use group::WorkerCommand;
pub use office::{Office, OfficePlaces};
pub use pool::{OpenDocument, Renderer};
#[doc(hidden)]
pub use protocol::{Fault, FaultKind, ProbeTargets};
pub use sniff::{Format, HEAD_BYTES, sniff};
