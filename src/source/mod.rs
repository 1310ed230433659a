//! Where documents come from: folders, files and file lists become items with provenance, and an item becomes bytes
//! that stand still. Nothing here looks into a document; nothing but regular files is ever opened, and
//! no symbolic link is followed that nobody asked for.
//!
//! Everything but [`Buckets`], [`Web`], [`snapshot()`], [`receive`] and [`hash_file`] blocks: call it off the async runtime's threads.

mod bucket;
mod discover;
mod glob;
mod open;
pub mod prune;
mod snapshot;
mod uri;
pub mod watch;
mod web;

pub use bucket::Buckets;
pub use discover::{Discover, Discovery, EXTENSIONS, LINKS, SourceFile, discover};
pub use prune::{Roots, WalkedRoot};
pub use snapshot::{Snapshot, clear_spool, hash_file, open_again, open_as_indexed, receive, snapshot, spool};
pub use uri::{attachment_of, attachment_uri, is_in_bucket, is_remote, outermost, same_name, source_path, source_uri};
pub use web::{AT_ONCE as FETCHES_AT_ONCE, Fetched, ListName, Web, url_name};
