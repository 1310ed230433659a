//! A blob store that fails when it is told to.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::{BlobStore, Pieces};
use crate::error::Result;
use crate::faults::Faults;
use crate::types::Tenant;

/// Passes every call on to `inner`, after it met what `faults` plans for `blobs.put`, `blobs.get`, `blobs.delete` and
/// `blobs.list`.
pub struct FaultyBlobs {
    pub inner: Arc<dyn BlobStore>,
    pub faults: Faults,
}

#[async_trait]
impl BlobStore for FaultyBlobs {
    async fn put(&self, key: &str, bytes: Bytes) -> Result<()> {
        self.faults.meet("blobs.put").await?;
        self.inner.put(key, bytes).await
    }

    async fn put_file(&self, key: &str, file: &Path) -> Result<()> {
        self.faults.meet("blobs.put").await?;
        self.inner.put_file(key, file).await
    }

    async fn read(&self, tenant: &Tenant, key: &str, range: Range<u64>) -> Result<Pieces> {
        self.faults.meet("blobs.get").await?;
        self.inner.read(tenant, key, range).await
    }

    async fn get(&self, tenant: &Tenant, key: &str) -> Result<Bytes> {
        self.faults.meet("blobs.get").await?;
        self.inner.get(tenant, key).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.faults.meet("blobs.delete").await?;
        self.inner.delete(key).await
    }

    /// Asks nobody, so that nothing can fail.
    fn local_path(&self, tenant: &Tenant, key: &str) -> Option<PathBuf> {
        self.inner.local_path(tenant, key)
    }

    async fn link(&self, tenant: &Tenant, key: &str, valid: Duration) -> Result<Option<String>> {
        self.faults.meet("blobs.link").await?;
        self.inner.link(tenant, key, valid).await
    }

    async fn sweep_unfinished(&self, older_than: Duration) -> Result<usize> {
        self.inner.sweep_unfinished(older_than).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>> {
        self.faults.meet("blobs.list").await?;
        self.inner.list(prefix).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blobs::{LocalBlobs, contract, page_key};
    use crate::error::Error;
    use crate::faults::Fault;
    use crate::types::{DocumentId, Generation};

    fn away() -> Error {
        Error::transient("the blobs are away")
    }

    #[tokio::test]
    async fn without_faults_it_is_the_store_behind_it() {
        let folder = tempfile::TempDir::new().unwrap();
        let inner = Arc::new(LocalBlobs::open(folder.path()).unwrap());
        contract::holds(&FaultyBlobs { inner, faults: Faults::none() }).await;
    }

    #[tokio::test]
    async fn every_call_can_fail() {
        let folder = tempfile::TempDir::new().unwrap();
        let inner = Arc::new(LocalBlobs::open(folder.path()).unwrap());
        let blobs = FaultyBlobs { inner, faults: Faults::none() };
        for call in ["blobs.put", "blobs.get", "blobs.delete", "blobs.list"] {
            blobs.faults.on(call, 1, Fault::Fail(away));
        }
        let tenant = Tenant("acme".into());
        let key = page_key(&tenant, DocumentId::new(&tenant, "c", "/a.pdf"), &Generation("g".into()), 1);
        assert!(blobs.put(&key, Bytes::from_static(b"x")).await.is_err());
        assert!(!blobs.local_path(&tenant, &key).unwrap().exists(), "a call that fails reaches nothing");
        blobs.put(&key, Bytes::from_static(b"x")).await.unwrap();
        assert!(blobs.get(&tenant, &key).await.is_err());
        assert!(blobs.list("").await.is_err());
        assert!(blobs.delete(&key).await.is_err());
        assert_eq!(blobs.get(&tenant, &key).await.unwrap(), "x");
    }
}
