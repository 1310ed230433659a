//! How a model is run.

use std::path::PathBuf;

use crate::types::Device;

/// How a model is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbedOptions {
    /// Threads that the page model computes with on the CPU. How they are used is the family's choice: on a page each, or
    /// all on one.
    pub threads: usize,
    /// The most pages in one run, of whichever documents; None: one on the CPU, several on a device.
    pub batch_pages: Option<usize>,
    pub device: Device,
    /// Folder in which the hashes of large model files are kept, so that gigabytes are hashed again only when they changed.
    /// None: they are hashed at every start.
    pub hash_cache: Option<PathBuf>,
}

impl Default for EmbedOptions {
    /// All cores.
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self { threads, batch_pages: None, device: Device::Auto, hash_cache: None }
    }
}
