//! `native`: paths of the native libraries, where they are not to be looked for in the usual places (`places.rs`).

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::env;

/// A shared library that Quire loads at run time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Library {
    OnnxRuntime,
    Pdfium,
}

impl Library {
    /// What people call it.
    pub fn title(self) -> &'static str {
        match self {
            Self::OnnxRuntime => "ONNX Runtime",
            Self::Pdfium => "PDFium",
        }
    }

    /// The variable that names its path.
    pub fn variable(self) -> &'static str {
        match self {
            Self::OnnxRuntime => env::ONNXRUNTIME,
            Self::Pdfium => env::PDFIUM,
        }
    }

    /// Its key under `native` in the service configuration.
    pub fn key(self) -> &'static str {
        match self {
            Self::OnnxRuntime => "onnxruntime",
            Self::Pdfium => "pdfium",
        }
    }

    /// Its file name on this platform, as `scripts/native.py` unpacks it.
    pub fn file_name(self) -> &'static str {
        match (self, cfg!(target_os = "macos")) {
            (Self::OnnxRuntime, false) => "libonnxruntime.so",
            (Self::OnnxRuntime, true) => "libonnxruntime.dylib",
            (Self::Pdfium, false) => "libpdfium.so",
            (Self::Pdfium, true) => "libpdfium.dylib",
        }
    }
}

/// Paths of the native libraries and of LibreOffice, where they are not to be looked for. Only from a file that the user chose: what they
/// name is code that is run.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "Native")]
pub(super) struct NativeWire {
    #[schemars(length(min = 1))]
    onnxruntime: Option<String>,
    #[schemars(length(min = 1))]
    pdfium: Option<String>,
    /// Path of LibreOffice's `soffice`, where it is not to be looked for.
    #[schemars(length(min = 1))]
    libreoffice: Option<String>,
}

/// What is written here.
pub(super) struct NativePaths {
    pub onnxruntime: Option<PathBuf>,
    pub pdfium: Option<PathBuf>,
    pub libreoffice: Option<PathBuf>,
}

impl NativeWire {
    /// `path` makes a path of what is written at a key.
    pub(super) fn into_paths(self, path: impl Fn(&str, &str) -> PathBuf) -> NativePaths {
        NativePaths {
            onnxruntime: self.onnxruntime.map(|value| path("native.onnxruntime", &value)),
            pdfium: self.pdfium.map(|value| path("native.pdfium", &value)),
            libreoffice: self.libreoffice.map(|value| path("native.libreoffice", &value)),
        }
    }
}
