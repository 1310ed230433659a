//! What surrounds this process: its environment, and where libraries and models lie. Read once, handed down.

use std::path::PathBuf;

use crate::config::{Config, Environment, Library, Pipeline, Places};
use crate::error::Result;
use crate::render::{OfficePlaces, WorkerCommand};

/// The surroundings of a process.
#[derive(Debug, Clone)]
pub struct Installation {
    environment: Environment,
    places: Places,
    /// The program that draws documents; None: this one.
    render_program: Option<PathBuf>,
}

impl Installation {
    /// Those of this process.
    pub fn of_process() -> Self {
        Self::of_process_in(Environment::read())
    }

    /// Those of this process, with other variables.
    pub fn of_process_in(environment: Environment) -> Self {
        Self { environment, places: Places::of_process(), render_program: None }
    }

    /// Documents are drawn by another program than this one, started with the word `render-worker`: for tests, which are no
    /// Quire themselves.
    #[doc(hidden)]
    #[must_use]
    pub fn drawing_with(mut self, program: PathBuf) -> Self {
        self.render_program = Some(program);
        self
    }

    /// How render workers are started.
    ///
    /// # Errors
    /// Configuration: PDFium is not found.
    pub fn worker_command(&self, config: &Config) -> Result<WorkerCommand> {
        let command = WorkerCommand::this_program(self.pdfium(config)?)?;
        Ok(match &self.render_program {
            Some(program) => WorkerCommand { program: program.clone(), ..command },
            None => command,
        })
    }

    /// Where LibreOffice is looked for.
    pub fn office_places(&self, config: &Config) -> OfficePlaces {
        OfficePlaces { named: config.libreoffice.clone(), usual: Places::office(&self.environment) }
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
