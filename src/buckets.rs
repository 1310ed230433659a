//! Clients of buckets: S3 and what speaks like it, Google Cloud Storage, Azure. Who reads documents from one and who keeps page images
//! in one open it alike.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path as Location;
use object_store::signer::Signer;
use object_store::{ObjectStore, RetryConfig};

use crate::config::Bucket;
use crate::error::{Error, Result, is_of_unknown_host};

/// How long one call tries by itself: then the engine knows that the bucket is away, and waits for it.
const PATIENCE: Duration = Duration::from_secs(20);
const RETRIES: usize = 4;

/// A bucket's client.
pub struct Client {
    pub objects: Arc<dyn ObjectStore>,
    pub signer: Arc<dyn Signer>,
    /// What the bucket's address names behind the bucket.
    pub prefix: Location,
}

impl Client {
    /// Nothing is asked of the bucket yet.
    ///
    /// # Errors
    /// Configuration: a setting makes no sense.
    pub fn new(bucket: &Bucket) -> Result<Self> {
        let (scheme, rest) = bucket.url.split_once("://").unwrap_or_default();
        let retry = RetryConfig { max_retries: RETRIES, retry_timeout: PATIENCE, ..RetryConfig::default() };
        let (objects, signer): (Arc<dyn ObjectStore>, Arc<dyn Signer>) = match scheme {
            "s3" => {
                let begun = AmazonS3Builder::new().with_url(&bucket.url).with_retry(retry);
                both(with_options(bucket, begun, AmazonS3Builder::with_config).build())?
            }
            "gs" => {
                let begun = GoogleCloudStorageBuilder::new().with_url(&bucket.url).with_retry(retry);
                both(with_options(bucket, begun, GoogleCloudStorageBuilder::with_config).build())?
            }
            "az" | "azure" => {
                let begun = MicrosoftAzureBuilder::new().with_url(&bucket.url).with_retry(retry);
                both(with_options(bucket, begun, MicrosoftAzureBuilder::with_config).build())?
            }
            _ => {
                return Err(Error::configuration(format!("'{scheme}' is no kind of bucket: s3, gs or az is expected")));
            }
        };
        let folder = rest.split_once('/').map_or("", |(_, folder)| folder.trim_end_matches('/'));
        let prefix = Location::parse(folder)
            .map_err(|error| Error::configuration(format!("'{folder}' can't be a prefix")).with_source(error))?;
        Ok(Self { objects, signer, prefix })
    }
}

/// One client in both of its roles.
fn both<S: ObjectStore + Signer>(built: object_store::Result<S>) -> Result<(Arc<dyn ObjectStore>, Arc<dyn Signer>)> {
    let client =
        Arc::new(built.map_err(|error| Error::configuration("its settings make no sense").with_source(error))?);
    Ok((client.clone(), client))
}

/// What a failure means that `message` tells of: who refuses us, or is not there under this name, is for people to set right; the rest may
/// pass. Whoever asks for one object handles [`object_store::Error::NotFound`] before.
pub fn failed(message: String, error: object_store::Error) -> Error {
    use object_store::Error as E;
    // The client tells a refused listing from a failed one in words alone.
    let told = error.to_string();
    let is_refused = ["403 Forbidden", "401 Unauthorized"].iter().any(|status| told.contains(status));
    match &error {
        E::PermissionDenied { .. } | E::Unauthenticated { .. } | E::NotFound { .. } => {
            Error::configuration(message).with_source(error)
        }
        E::InvalidPath { .. } | E::NotImplemented { .. } | E::NotSupported { .. } => {
            Error::bug(message).with_source(error)
        }
        _ if is_refused || is_of_unknown_host(&error) => Error::configuration(message).with_source(error),
        _ => Error::transient(message).with_source(error),
    }
}

/// Settings that this kind of client doesn't know are other programs' variables.
fn with_options<B, K: FromStr>(bucket: &Bucket, begun: B, with: fn(B, K, String) -> B) -> B {
    let mut builder = begun;
    for (name, value) in bucket.options() {
        match name.parse() {
            Ok(key) => builder = with(builder, key, value.to_owned()),
            Err(_) => tracing::debug!(name, "the bucket's client knows no such setting"),
        }
    }
    builder
}

#[cfg(test)]
pub mod testing;
