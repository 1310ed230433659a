//! Page images (and originals, where a source can't be read again) by content hash.
//!
//! A key names its content, so writing twice is harmless and nothing is ever changed in place. A blob must be on disk
//! before anything that points to it is acknowledged: [`BlobStore::put`] returns when it is.

#[cfg(test)]
mod contract;
mod local;

use std::path::PathBuf;

use async_trait::async_trait;
use bytes::Bytes;

use crate::error::Result;
use crate::types::{DocumentId, Generation};

pub use local::LocalBlobs;

/// A store of blobs. Keys are relative paths with `/` between their parts: letters, digits, `.`, `-`, `_`.
#[async_trait]
pub trait BlobStore: Send + Sync {
    /// Writes a blob, whole or not at all; it survives the loss of power once this returns. Replaces what was there.
    async fn put(&self, key: &str, bytes: Bytes) -> Result<()>;

    /// # Errors
    /// Permanent where there is no such blob.
    async fn get(&self, key: &str) -> Result<Bytes>;

    async fn exists(&self, key: &str) -> Result<bool>;

    /// Not an error where there is none.
    async fn delete(&self, key: &str) -> Result<()>;

    /// Where the blob lies (or would lie) as a file; None where blobs are no local files.
    fn local_path(&self, key: &str) -> Option<PathBuf>;

    /// Keys in the folder `prefix` (the empty one: all) and the folders in it, sorted.
    async fn list(&self, prefix: &str) -> Result<Vec<String>>;
}

/// The folder of a generation's page images. They lie together so that they can go together:
/// `pages/DOCUMENT/GENERATION`.
pub fn generation_prefix(document: DocumentId, generation: &Generation) -> String {
    format!("pages/{document}/{generation}")
}

/// The key of a page image; the same page of the same generation overwrites itself. `page` is 1-based.
pub fn page_key(document: DocumentId, generation: &Generation, page: u32) -> String {
    format!("{}/{page:05}.jpg", generation_prefix(document, generation))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Tenant;

    #[test]
    fn pages_lie_in_the_folder_of_their_generation() {
        let document = DocumentId::new(&Tenant::default(), "documents", "/a.pdf");
        let generation = Generation("g1".into());
        let key = page_key(document, &generation, 7);
        assert!(key.starts_with(&generation_prefix(document, &generation)));
        assert!(key.ends_with("/00007.jpg"));
    }
}
