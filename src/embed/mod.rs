//! Models: pages and questions become vectors. A model is a folder with a manifest; its graphs run in ONNX Runtime,
//! behind an [`Embedder`] that may be cloned and used from any task. How a family of models turns pages and questions
//! into inputs is code of its own, one file or folder a family (`glyph/`, `colpali/`) and one line in `families.rs`; what
//! varies between its models is in the manifest.
//!
//! Nothing here knows documents, stores or pipelines, and nothing reads the text layer of a page.

mod check;
mod colpali;
#[doc(hidden)]
pub mod double;
mod embedder;
mod families;
mod family;
mod glyph;
mod hashes;
mod joined;
mod luma;
mod manifest;
mod models;
mod options;
mod page_model;
mod picture;
pub mod resize;
pub mod runtime;
mod session;
mod shared;
mod worker;

pub use check::{Check, Report, check};
pub use embedder::{Embedder, read_info};
pub use manifest::ModelInfo;
pub use models::Models;
pub use options::EmbedOptions;
pub use page_model::{InputArray, InputValues, PageInput, PageModel};
pub use picture::read_picture;

#[cfg(test)]
mod tests;
