//! Blobs as files in a folder.

use std::ffi::OsStr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt;
use object_store::local::LocalFileSystem;
use object_store::{ObjectStore, ObjectStoreExt};
use walkdir::WalkDir;

use super::objects::{self, failed, location, none_such};
use super::{BlobStore, Pieces, key};
use crate::durable::durable_folder;
use crate::error::{Error, Result, ResultExt, io_error};
use crate::types::Tenant;

/// A folder of blobs. Writes go to a file beside the target, which is synced and renamed; then the folder is synced.
#[derive(Debug)]
pub struct LocalBlobs {
    files: LocalFileSystem,
    folder: PathBuf,
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
        Ok(Self { files, folder: folder.to_owned() })
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

    async fn sweep_unfinished(&self, older_than: Duration) -> Result<usize> {
        let folder = self.folder.clone();
        tokio::task::spawn_blocking(move || sweep(&folder, older_than))
            .await
            .map_err(|error| Error::bug("looking for files that are left over panicked").with_source(error))?
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

/// Blocks.
fn sweep(folder: &Path, older_than: Duration) -> Result<usize> {
    let mut removed = 0;
    for entry in WalkDir::new(folder).into_iter().filter_map(std::result::Result::ok) {
        if !entry.file_type().is_file() || !is_unfinished(entry.file_name()) {
            continue;
        }
        // One that is gone was finished just now.
        let written = entry.metadata().ok().and_then(|metadata| metadata.modified().ok());
        let is_old = written.and_then(|written| written.elapsed().ok()).is_some_and(|age| age >= older_than);
        if is_old {
            std::fs::remove_file(entry.path()).map_err(|error| io_error("remove", entry.path(), error))?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// How the local file system of `object_store` calls what it has not finished: `NAME#1`. No blob's key holds a `#`.
fn is_unfinished(name: &OsStr) -> bool {
    let number = name.to_str().and_then(|name| name.rsplit_once('#')).map_or("", |(_, number)| number);
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
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

    #[tokio::test]
    async fn what_a_killed_writer_left_goes_when_it_is_old() {
        use std::fs::File;
        use std::time::SystemTime;

        let folder = TempDir::new().unwrap();
        let blobs = LocalBlobs::open(folder.path()).unwrap();
        let tenant = Tenant("acme".into());
        let key = page_key(&tenant, DocumentId::new(&tenant, "documents", "/a.pdf"), &Generation("g1".into()), 1);
        blobs.put(&key, Bytes::from_static(b"pixels")).await.unwrap();
        let hour = Duration::from_secs(3_600);
        let blob = folder.path().join(&key);
        let beside = |ending: &str| PathBuf::from(format!("{}{ending}", blob.display()));
        for (file, age) in
            [(beside("#1"), 2 * hour), (beside("#12"), hour / 2), (beside("#x"), 2 * hour), (beside("#"), 2 * hour)]
        {
            File::create(&file).unwrap().set_modified(SystemTime::now() - age).unwrap();
        }
        File::open(&blob).unwrap().set_modified(SystemTime::now() - 2 * hour).unwrap();
        assert_eq!(blobs.sweep_unfinished(hour).await.unwrap(), 1);
        let left = ["", "#12", "#x", "#"].map(|ending| beside(ending).exists());
        assert_eq!((left, beside("#1").exists()), ([true; 4], false));
        assert_eq!(blobs.get(&tenant, &key).await.unwrap(), "pixels");
    }

    #[test]
    fn a_file_is_no_blob_folder() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = LocalBlobs::open(file.path()).unwrap_err();
        assert!(error.to_string().contains(&file.path().display().to_string()), "{error}");
    }
}
