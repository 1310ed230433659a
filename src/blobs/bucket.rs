//! Blobs as objects of a bucket: S3 and what speaks like it, Google Cloud Storage, Azure. For processes on several machines.
//!
//! A bucket says that an object is written when it is durable, and shows an object whole or not at all.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt;
use object_store::path::Path as Location;
use object_store::signer::Signer;
use object_store::{ObjectStore, ObjectStoreExt};

use super::objects::{self, failed, location, none_such};
use super::{BlobStore, Pieces, key};
use crate::buckets::Client;
use crate::config::Bucket;
use crate::error::{Result, ResultExt};
use crate::types::Tenant;

/// A prefix of a bucket.
pub struct BucketBlobs {
    objects: Arc<dyn ObjectStore>,
    signer: Arc<dyn Signer>,
    /// Before every key.
    prefix: Location,
    url: String,
}

impl BucketBlobs {
    /// The client of the bucket; nothing is asked of it yet.
    ///
    /// # Errors
    /// Configuration: a setting makes no sense.
    pub fn open(bucket: &Bucket) -> Result<Self> {
        Self::of(bucket).context(format!("the bucket {}", bucket.url))
    }

    fn of(bucket: &Bucket) -> Result<Self> {
        let Client { objects, signer, prefix } = Client::new(bucket)?;
        Ok(Self { objects, signer, prefix, url: bucket.url.clone() })
    }

    /// Whether the bucket is there and lets us read and write: a small object is written, read and removed.
    ///
    /// # Errors
    /// As the bucket says.
    pub async fn probe(&self) -> Result<String> {
        let at = self.within(&location("probe/quire-doctor")?);
        let asked = async {
            self.objects.put(&at, Bytes::from_static(b"quire").into()).await?;
            self.objects.get(&at).await?.bytes().await?;
            self.objects.delete(&at).await
        };
        asked.await.map_err(|error| failed("write, read and delete", at.as_ref(), error)).context(&self.url)?;
        Ok(format!("{} takes and gives", self.url))
    }

    fn within(&self, location: &Location) -> Location {
        self.prefix.parts().chain(location.parts()).collect()
    }
}

#[async_trait]
impl BlobStore for BucketBlobs {
    async fn put(&self, key: &str, bytes: Bytes) -> Result<()> {
        let at = self.within(&location(key)?);
        self.objects.put(&at, bytes.into()).await.map_err(|error| failed("write", key, error))?;
        Ok(())
    }

    async fn put_file(&self, key: &str, file: &Path) -> Result<()> {
        let at = self.within(&location(key)?);
        objects::put_file(self.objects.as_ref(), &at, file).await.map_err(|error| failed("write", key, error))
    }

    async fn read(&self, tenant: &Tenant, key: &str, range: Range<u64>) -> Result<Pieces> {
        let at = self.within(&location(key)?);
        if !key::belongs_to(key, tenant) {
            return Err(none_such(key));
        }
        objects::read(self.objects.as_ref(), &at, range, key).await?.ok_or_else(|| none_such(key))
    }

    async fn get(&self, tenant: &Tenant, key: &str) -> Result<Bytes> {
        let at = self.within(&location(key)?);
        if !key::belongs_to(key, tenant) {
            return Err(none_such(key));
        }
        let found = match self.objects.get(&at).await {
            Err(object_store::Error::NotFound { .. }) => return Err(none_such(key)),
            found => found.map_err(|error| failed("read", key, error))?,
        };
        found.bytes().await.map_err(|error| failed("read", key, error))
    }

    async fn delete(&self, key: &str) -> Result<()> {
        match self.objects.delete(&self.within(&location(key)?)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed("delete", key, error)),
        }
    }

    fn local_path(&self, _tenant: &Tenant, _key: &str) -> Option<PathBuf> {
        None
    }

    async fn link(&self, tenant: &Tenant, key: &str, valid: Duration) -> Result<Option<String>> {
        let at = self.within(&location(key)?);
        if !key::belongs_to(key, tenant) {
            return Ok(None);
        }
        let signed = self.signer.signed_url(reqwest::Method::GET, &at, valid).await;
        signed.map(|url| Some(url.to_string())).map_err(|error| failed("sign a link to", key, error))
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>> {
        let folder = match prefix.trim_end_matches('/') {
            "" => self.prefix.clone(),
            folder => self.within(&location(folder)?),
        };
        let found = self.objects.list(Some(&folder)).map_ok(|meta| meta.location);
        let found: Vec<Location> = found.try_collect().await.map_err(|error| failed("list", prefix, error))?;
        let ours = |location: &Location| {
            location.prefix_match(&self.prefix).map(|parts| parts.collect::<Location>().to_string())
        };
        let mut keys: Vec<String> = found.iter().filter_map(ours).collect();
        keys.sort_unstable();
        Ok(keys)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::blobs::{contract, page_key};
    use crate::buckets::testing::S3;
    use crate::error::{Blame, Kind};
    use crate::types::{DocumentId, Generation};

    impl S3 {
        fn bucket(&self, url: &str, changed: &[(&str, &str)]) -> BucketBlobs {
            let options = [
                ("aws_endpoint", self.endpoint.as_str()),
                ("aws_region", "us-east-1"),
                ("aws_access_key_id", "someone"),
                ("aws_secret_access_key", "s3cret"),
                ("aws_of_another_program", "x"),
                ("allow_http", "true"),
            ];
            let options: BTreeMap<_, _> =
                options.iter().chain(changed).map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
            BucketBlobs::open(&Bucket::new(url, options)).unwrap()
        }
    }

    fn page() -> (Tenant, String) {
        let acme = Tenant("acme".into());
        let key = page_key(&acme, DocumentId::new(&acme, "documents", "/a.pdf"), &Generation("g1".into()), 1);
        (acme, key)
    }

    #[tokio::test]
    async fn the_contract_holds() {
        let server = S3::start("pages").await;
        contract::holds(&server.bucket("s3://pages", &[])).await;
    }

    #[tokio::test]
    async fn the_contract_holds_under_a_prefix_and_beside_others() {
        let server = S3::start("pages").await;
        let (whole, blobs) = (server.bucket("s3://pages", &[]), server.bucket("s3://pages/a/b/", &[]));
        whole.put("a/bc/x", Bytes::from_static(b"somebody else's")).await.unwrap();
        contract::holds(&blobs).await;
        let (acme, key) = page();
        blobs.put(&key, Bytes::from_static(b"pixels")).await.unwrap();
        assert_eq!(whole.list("").await.unwrap(), [format!("a/b/{key}"), "a/bc/x".to_owned()]);
        assert_eq!(blobs.list("").await.unwrap(), [key.as_str()]);
        assert_eq!(blobs.get(&acme, &key).await.unwrap(), "pixels");
    }

    #[tokio::test]
    async fn a_link_gives_its_blob_and_no_other() {
        let server = S3::start("pages").await;
        let blobs = server.bucket("s3://pages/here", &[]);
        let (acme, key) = page();
        blobs.put(&key, Bytes::from_static(b"pixels")).await.unwrap();
        let valid = Duration::from_secs(60);
        assert_eq!(blobs.link(&Tenant("globex".into()), &key, valid).await.unwrap(), None);
        let link = blobs.link(&acme, &key, valid).await.unwrap().unwrap();
        assert!(!link.contains("s3cret"));
        assert_eq!(reqwest::get(&link).await.unwrap().bytes().await.unwrap(), "pixels");
        let other = link.replace("00001.jpg", "00002.jpg");
        assert_eq!(reqwest::get(&other).await.unwrap().status().as_u16(), 403);
    }

    #[tokio::test]
    async fn a_bucket_that_refuses_us_is_no_documents_fault() {
        let server = S3::start("pages").await;
        assert!(server.bucket("s3://pages", &[]).probe().await.unwrap().contains("s3://pages"));
        let (_, key) = page();
        let stranger = server.bucket("s3://pages", &[("aws_secret_access_key", "guessed")]);
        let error = stranger.put(&key, Bytes::new()).await.unwrap_err();
        assert_eq!((error.kind(), error.blame()), (Kind::Configuration, Blame::Dependency), "{error}");
        assert!(!error.to_string().contains("guessed"));
        let blobs = server.bucket("s3://pages", &[]);
        drop(server);
        let error = blobs.get(&Tenant("acme".into()), &key).await.unwrap_err();
        assert_eq!((error.is_transient(), error.blame()), (true, Blame::Dependency), "{error}");
    }
}
