//! Page images (and originals, where a source can't be read again) by content hash.
//!
//! A key names its content, so writing twice is harmless and nothing is ever changed in place. A blob must be on disk before
//! anything that points to it is acknowledged: [`BlobStore::put`] returns when it is.

#[cfg(test)]
mod contract;
mod local;

use std::path::PathBuf;

use async_trait::async_trait;
use bytes::Bytes;

use crate::error::Result;

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

/// The key of an image: `images/ab/abcdef….jpg` by the BLAKE3 of its bytes. `extension` without a dot.
pub fn image_key(bytes: &[u8], extension: &str) -> String {
    let hash = blake3::hash(bytes).to_hex();
    format!("images/{}/{hash}.{extension}", &hash[..2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_its_content() {
        let key = image_key(b"", "jpg");
        assert_eq!(key, "images/af/af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262.jpg");
        assert_ne!(image_key(b"x", "jpg"), image_key(b"y", "jpg"));
    }
}
