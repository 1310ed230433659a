//! What the command line may say about the configuration.

use std::path::PathBuf;

/// What the command line says about the configuration.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--data-dir`.
    pub data_dir: Option<PathBuf>,
    /// Every other flag that stands for a key.
    pub settings: Vec<Flag>,
}

/// A flag that stands for a key of the configuration.
#[derive(Debug, Clone)]
pub struct Flag {
    /// As the user wrote it: `--workers`.
    pub name: &'static str,
    /// The key it sets: `render.dpi`.
    pub key: &'static str,
    pub value: String,
}
