//! Blobs as files in a folder.

use std::ops::Range;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt;
use object_store::local::LocalFileSystem;
use object_store::{ObjectStore, ObjectStoreExt};

use super::objects::{self, failed, location, none_such};
use super::{BlobStore, Pieces, key};
use crate::durable::durable_folder;
use crate::error::{Result, ResultExt};
use crate::types::Tenant;

/// A folder of blobs. Writes go to a file beside the target, which is synced and renamed; then the folder is synced.
#[derive(Debug)]
pub struct LocalBlobs {
    files: LocalFileSystem,
}

impl LocalBlobs {
    /// Opens the folder, creating it with those above it.
    ///
    /// # Errors
    /// When it can't be created or is no folder.
    pub fn open(folder: &Path) -> Result<Self> {
        durable_folder(folder).context("the blob folder")?;
        let files = LocalFileSystem::new_with_prefix(folder)
            .map_err(|error| failed("open the blob folder", &folder.display().to_string(), error))?
            .with_fsync(true)
            .with_automatic_cleanup(true);
        Ok(Self { files })
    }
}

#[async_trait]
impl BlobStore for LocalBlobs {
    async fn put(&self, key: &str, bytes: Bytes) -> Result<()> {
        self.files.put(&location(key)?, bytes.into()).await.map_err(|error| failed("write", key, error))?;
        Ok(())
    }

    async fn put_file(&self, key: &str, file: &Path) -> Result<()> {
        let at = location(key)?;
        objects::put_file(&self.files, &at, file).await.map_err(|error| failed("write", key, error))
    }

    async fn read(&self, tenant: &Tenant, key: &str, range: Range<u64>) -> Result<Pieces> {
        let at = location(key)?;
        if !key::belongs_to(key, tenant) {
            return Err(none_such(key));
        }
        objects::read(&self.files, &at, range, key).await?.ok_or_else(|| none_such(key))
    }

    async fn get(&self, tenant: &Tenant, key: &str) -> Result<Bytes> {
        let location = location(key)?;
        if !key::belongs_to(key, tenant) {
            return Err(none_such(key));
        }
        let found = match self.files.get(&location).await {
            Err(object_store::Error::NotFound { .. }) => return Err(none_such(key)),
            found => found.map_err(|error| failed("read", key, error))?,
        };
        found.bytes().await.map_err(|error| failed("read", key, error))
    }

    async fn delete(&self, key: &str) -> Result<()> {
        match self.files.delete(&location(key)?).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed("delete", key, error)),
        }
    }

    fn local_path(&self, tenant: &Tenant, key: &str) -> Option<PathBuf> {
        let location = location(key).ok().filter(|_| key::belongs_to(key, tenant))?;
        self.files.path_to_filesystem(&location).ok()
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>> {
        let folder = if prefix.is_empty() { None } else { Some(location(prefix.trim_end_matches('/'))?) };
        let found: Vec<_> =
            self.files.list(folder.as_ref()).try_collect().await.map_err(|error| failed("list", prefix, error))?;
        let mut keys: Vec<String> = found.into_iter().map(|meta| meta.location.to_string()).collect();
        keys.sort_unstable();
        Ok(keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blobs::{contract, page_key};
    use crate::types::{DocumentId, Generation};
    use tempfile::TempDir;

    #[tokio::test]
    async fn the_contract_holds() {
        let folder = TempDir::new().unwrap();
        contract::holds(&LocalBlobs::open(&folder.path().join("a/b")).unwrap()).await;
    }

    #[tokio::test]
    async fn a_blob_is_a_file_and_nothing_else_is_left() {
        let folder = TempDir::new().unwrap();
        let blobs = LocalBlobs::open(folder.path()).unwrap();
        let tenant = Tenant("acme".into());
        let key = page_key(&tenant, DocumentId::new(&tenant, "documents", "/a.pdf"), &Generation("g1".into()), 1);
        blobs.put(&key, Bytes::from_static(b"pixels")).await.unwrap();
        let path = blobs.local_path(&tenant, &key).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"pixels");
        assert_eq!(path, folder.path().canonicalize().unwrap().join(key));
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_is_no_blob_folder() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = LocalBlobs::open(file.path()).unwrap_err();
        assert!(error.to_string().contains(&file.path().display().to_string()), "{error}");
    }
}
