//! Where documents come from: folders, files and file lists become items with provenance, and an item becomes bytes
//! that stand still. Nothing here looks into a document; nothing but regular files is ever opened.
//!
//! Everything but [`snapshot()`] and [`hash_file`] blocks: call it off the async runtime's threads.

mod discover;
mod glob;
mod snapshot;
mod uri;

pub use discover::{Discover, Discovery, EXTENSIONS, SourceFile, discover};
pub use snapshot::{Snapshot, clear_spool, hash_file, snapshot};
pub use uri::{source_path, source_uri};
