//! The rendering room through real worker processes and a real PDFium.

#![allow(clippy::disallowed_methods, reason = "tests take the library's path from the environment")]
#![allow(clippy::new_without_default, reason = "a bench of a test has no sensible default")]

mod documents;
mod pdf;
mod recovery;

use std::path::PathBuf;

use quire::render::{Fault, FaultKind, OpenDocument, Renderer, WorkerCommand};
use quire::types::RenderSettings;

/// A renderer over the real binary, with a document that lives as long as it.
pub struct Bench {
    pub renderer: Renderer,
    folder: tempfile::TempDir,
}

impl Bench {
    pub fn new() -> Self {
        Self::with(RenderSettings::default(), 2, &[])
    }

    pub fn with(settings: RenderSettings, workers: usize, faults: &[(u32, FaultKind)]) -> Self {
        let command = WorkerCommand {
            program: env!("CARGO_BIN_EXE_quire").into(),
            args: vec!["render-worker".into()],
            pdfium: pdfium(),
            faults: faults.iter().map(|&(page, kind)| Fault { page, kind }).collect(),
        };
        let renderer = Renderer::new(settings, workers, command).unwrap();
        Self { renderer, folder: tempfile::tempdir().unwrap() }
    }

    /// Writes `bytes` as a file called `name` and opens it.
    pub async fn open(&self, name: &str, bytes: &[u8]) -> quire::error::Result<OpenDocument> {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        self.renderer.open(&path, name).await
    }

    /// The reason why a document is rejected.
    pub async fn rejection(&self, name: &str, bytes: &[u8]) -> String {
        let error = self.open(name, bytes).await.unwrap_err();
        assert!(!error.is_transient(), "{error}");
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
