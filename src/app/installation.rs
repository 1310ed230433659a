//! What surrounds this process: its environment, and where libraries and models lie. Read once, handed down.

use std::path::PathBuf;

use crate::config::{Config, Environment, Library, Pipeline, Places};
use crate::error::Result;

/// The surroundings of a process.
#[derive(Debug, Clone)]
pub struct Installation {
    environment: Environment,
    places: Places,
}

impl Installation {
    /// Those of this process.
    pub fn of_process() -> Self {
        Self { environment: Environment::read(), places: Places::of_process() }
    }

    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Path of ONNX Runtime's library.
    pub fn onnxruntime(&self, config: &Config) -> Result<PathBuf> {
        self.places.library(Library::OnnxRuntime, config.onnxruntime.as_deref(), &self.environment)
    }

    /// Path of PDFium's library.
    pub fn pdfium(&self, config: &Config) -> Result<PathBuf> {
        self.places.library(Library::Pdfium, config.pdfium.as_deref(), &self.environment)
    }

    /// Folder of the model of that name or path.
    pub fn model(&self, name: &str) -> Result<PathBuf> {
        self.places.model(name, &self.environment)
    }

    /// Every model that can be named, with its folder.
    pub fn models(&self) -> Vec<(String, PathBuf)> {
        self.places.models(&self.environment)
    }

    /// Reads and validates a pipeline file.
    pub fn pipeline(&self, file: &std::path::Path, config: &Config) -> Result<Pipeline> {
        Pipeline::load(file, config, &self.environment)
    }
}
