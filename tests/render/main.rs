//! The rendering room through real worker processes and a real PDFium.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where something is wrong")]
#![allow(clippy::disallowed_methods, reason = "tests take the library's path from the environment")]
#![allow(clippy::new_without_default, reason = "a bench of a test has no sensible default")]

#[cfg(target_os = "linux")]
mod confinement;
mod documents;
mod hostile;
mod office;
mod pdf;
mod recovery;

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use quire::error::{Blame, Kind};
use quire::render::{Fault, FaultKind, OpenDocument, Renderer, WorkerCommand};
use quire::types::{RenderLimits, RenderSettings};

/// Remembers the largest allocation of this process.
struct Watched;

static LARGEST: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Watched = Watched;

/// In bytes, since the tests began.
pub fn largest_allocation() -> usize {
    LARGEST.load(Ordering::Relaxed)
}

// SAFETY: everything is the system's.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        LARGEST.fetch_max(bytes, Ordering::Relaxed);
        unsafe { System.realloc(memory, layout, bytes) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        unsafe { System.dealloc(memory, layout) }
    }
}

/// A renderer over the real binary, with a document that lives as long as it.
pub struct Bench {
    pub renderer: Renderer,
    pub settings: RenderSettings,
    folder: tempfile::TempDir,
}

impl Bench {
    pub fn new() -> Self {
        Self::with(RenderLimits::default(), 2, &[])
    }

    pub fn with(limits: RenderLimits, workers: usize, faults: &[(u32, FaultKind)]) -> Self {
        let command = WorkerCommand {
            program: env!("CARGO_BIN_EXE_quire").into(),
            args: vec!["render-worker".into()],
            pdfium: pdfium(),
            faults: faults.iter().map(|(page, kind)| Fault { page: *page, kind: kind.clone() }).collect(),
        };
        let renderer = Renderer::new(limits, workers, command).unwrap();
        Self { renderer, settings: RenderSettings::default(), folder: tempfile::tempdir().unwrap() }
    }

    /// Writes `bytes` as a file called `name` and opens it.
    pub async fn open(&self, name: &str, bytes: &[u8]) -> quire::error::Result<OpenDocument> {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        self.renderer.open(&path, name, &self.settings).await
    }

    /// The reason why a document is rejected.
    pub async fn rejection(&self, name: &str, bytes: &[u8]) -> String {
        let error = self.open(name, bytes).await.unwrap_err();
        assert_eq!((error.kind(), error.blame()), (Kind::Permanent, Blame::Document), "{error}");
        error.to_string()
    }

    /// The reason why a page fails.
    pub async fn page_failure(&self, document: &OpenDocument, number: u32) -> String {
        self.renderer.page(document, number).await.unwrap_err().to_string()
    }
}

/// PDFium's library as `make setup` leaves it, or where the environment says.
fn pdfium() -> PathBuf {
    let path = std::env::var_os("QUIRE_PDFIUM").map_or_else(
        || {
            let name = if cfg!(target_os = "macos") { "libpdfium.dylib" } else { "libpdfium.so" };
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("native").join(name)
        },
        PathBuf::from,
    );
    assert!(path.is_file(), "PDFium is not at {}: run `make setup` first", path.display());
    path
}
