//! Page images, each under a key of its tenant, document, generation and page; and the bytes of uploads.
//!
//! A key is written by one attempt at one generation, so writing twice is harmless. A blob must be on disk before anything
//! that points to it is acknowledged: [`BlobStore::put`] returns when it is. Who reads says for which tenant.

mod bucket;
#[cfg(test)]
mod contract;
mod faulty;
mod key;
mod local;
mod objects;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use crate::error::Result;
use crate::types::Tenant;

pub use bucket::BucketBlobs;
#[doc(hidden)]
pub use faulty::FaultyBlobs;
pub use key::{
    UPLOADS, document_of_upload, generation_prefix, generation_prefixes, page_key, upload_key, upload_prefix,
};
pub use local::LocalBlobs;

/// The bytes of a blob, piece by piece.
pub type Pieces = BoxStream<'static, Result<Bytes>>;

/// A store of blobs. Keys are relative paths with `/` between their parts: letters, digits, `.`, `-`, `_`; those of page
/// images come from [`page_key`].
///
/// Writing, deleting and listing are the engine's, which knows what it is about; every read is somebody's.
#[async_trait]
pub trait BlobStore: Send + Sync {
    /// Writes a blob, whole or not at all; it survives the loss of power once this returns. Replaces what was there.
    async fn put(&self, key: &str, bytes: Bytes) -> Result<()>;

    /// The same with the bytes of a file, which are never in memory as a whole.
    async fn put_file(&self, key: &str, file: &Path) -> Result<()>;

    /// The bytes from `range.start` to before `range.end`, piece by piece.
    ///
    /// # Errors
    /// As [`Self::get`]; permanent also where the blob is shorter.
    async fn read(&self, tenant: &Tenant, key: &str, range: Range<u64>) -> Result<Pieces>;

    /// # Errors
    /// Permanent when there is no such blob; another tenant's is as if there were none.
    async fn get(&self, tenant: &Tenant, key: &str) -> Result<Bytes>;

    /// Not an error when there is none.
    async fn delete(&self, key: &str) -> Result<()>;

    /// The file in which the blob lies (or would lie); None when blobs are no local files, or it is not this tenant's.
    fn local_path(&self, tenant: &Tenant, key: &str) -> Option<PathBuf>;

    /// An address at which anybody can read the blob for so long; None when the backend has no such thing, or it is not this
    /// tenant's.
    async fn link(&self, _tenant: &Tenant, _key: &str, _valid: Duration) -> Result<Option<String>> {
        Ok(None)
    }

    /// Removes what writers left behind that were killed, and that nobody has written to for so long; how many there were.
    async fn sweep_unfinished(&self, _older_than: Duration) -> Result<usize> {
        Ok(0)
    }

    /// Keys in the folder `prefix` (the empty one: all) and the folders in it, sorted.
    async fn list(&self, prefix: &str) -> Result<Vec<String>>;
}
