//! Documents in a bucket: listed below a prefix, known by their address (`s3://BUCKET/KEY`), copied to the spool when they are read.
//!
//! **Versions.** An object's version is its ETag, which the bucket tells without the object being read: so a version's hash is here
//! that of the ETag, not of the bytes. An ETag that changes although the bytes do not costs an ingest, never a document.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use futures::{StreamExt, TryStreamExt};
use object_store::path::Path as Location;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

use super::discover::{Discover, Discovery, SourceFile, has_known_extension, is_hidden};
use super::glob::Glob;
use super::prune::WalkedRoot;
use super::snapshot::{SPOOL_SUFFIX, Snapshot};
use super::uri::is_in_bucket;
use crate::buckets::{self, Client};
use crate::config::{Bucket, Environment};
use crate::error::{Blame, Error, Result, ResultExt};
use crate::types::{ContentHash, SourceRef};

/// Every bucket that documents come from, with the credentials of the environment.
#[derive(Default)]
pub struct Buckets {
    environment: Environment,
    clients: Mutex<HashMap<String, Arc<dyn ObjectStore>>>,
}

impl Buckets {
    pub fn new(environment: Environment) -> Self {
        Self { environment, clients: Mutex::default() }
    }

    /// The objects below an address that a walk of a folder would take; of an object that is named itself, that one.
    ///
    /// # Errors
    /// Configuration: the address is none, a pattern is broken, the bucket refuses us, or there is nothing below the address. Transient:
    /// the bucket is away.
    pub async fn discover(&self, address: &str, options: &Discover) -> Result<Discovery> {
        let include = Glob::parse_all(&options.include).context("include")?;
        let exclude = Glob::parse_all(&options.exclude).context("exclude")?;
        let Place { bucket, location } = Place::of(address.trim_end_matches('/'))?;
        let objects = self.client(&bucket).context(address)?;
        let mut discovery = Discovery::default();
        let mut listed = objects.list(Some(&location));
        let mut seen = 0;
        while let Some(object) = listed.next().await {
            let object = object.map_err(|error| failed("list", address, error))?;
            let below: Location = object.location.prefix_match(&location).into_iter().flatten().collect();
            let below = PathBuf::from(below.as_ref());
            seen += 1;
            let left_out =
                exclude.iter().any(|glob| below.ancestors().any(|part| part != Path::new("") && glob.matches(part)));
            let hidden = !options.hidden && below.components().any(|part| is_hidden(part.as_os_str()));
            let wanted = match include.is_empty() {
                true => has_known_extension(&below),
                false => include.iter().any(|glob| glob.matches(&below)),
            };
            if left_out || hidden || !wanted {
                *discovery.passed_over.entry(super::discover::ending_of(&below)).or_default() += 1;
                discovery.left_out.push(address_of(&bucket, &object.location));
            } else {
                discovery.files.push(file(&bucket, &object));
            }
        }
        if seen == 0 && !location.as_ref().is_empty() {
            let named = named(&*objects, &location).await.context(address)?;
            discovery.files.extend(named.map(|object| file(&bucket, &object)));
            seen = discovery.files.len();
            if seen > 0 {
                return Ok(discovery);
            }
        }
        if seen == 0 {
            return Err(Error::configuration(format!("there is nothing below {address}: check bucket and prefix")));
        }
        discovery.files.sort_unstable_by(|left, right| left.path.cmp(&right.path));
        let uri = address_of(&bucket, &location);
        discovery.roots.push(WalkedRoot { uri, device: 0, files: discovery.files.len(), problems: 0, listed: None });
        Ok(discovery)
    }

    /// A private copy of an object, as it is now. Its hash is `expected` if that is how a listing told this state, which may know less of
    /// it than who reads it.
    ///
    /// # Errors
    /// - Permanent, the document's fault: larger than `max_bytes` (limit `max_document_bytes`).
    /// - Transient, the document's fault: there is no such object any more.
    /// - A dependency's fault: the bucket is away or refuses us, or the spool folder can't be written.
    pub async fn snapshot(
        &self,
        uri: &str,
        expected: &ContentHash,
        spool_folder: &Path,
        max_bytes: u64,
    ) -> Result<Snapshot> {
        let Place { bucket, location } = Place::of(uri)?;
        let objects = self.client(&bucket).context(uri)?;
        let found = match objects.get(&location).await {
            Err(object_store::Error::NotFound { .. }) => {
                return Err(Error::transient(format!("cannot read {uri}: it is gone")).blaming(Blame::Document));
            }
            found => found.map_err(|error| failed("read", uri, error))?,
        };
        let meta = found.meta.clone();
        if meta.size > max_bytes {
            let message =
                format!("{uri} is {} bytes large, more than the {max_bytes} allowed (max_document_bytes)", meta.size);
            return Err(Error::permanent(message).at_limit("max_document_bytes", max_bytes));
        }
        let path = spool_folder.join(format!("{}{SPOOL_SUFFIX}", Uuid::new_v4()));
        // From here on dropping it removes what is there.
        let listed = written_at(&meta);
        let content_hash = if listed == *expected { listed } else { version_of(&meta) };
        let copy = Snapshot { path, content_hash, size_bytes: meta.size };
        let own = |action: &str, error: std::io::Error| {
            Error::transient(format!("cannot {action} the private copy {}", copy.path.display())).with_source(error)
        };
        tokio::fs::create_dir_all(spool_folder).await.map_err(|error| own("create", error))?;
        let mut options = tokio::fs::OpenOptions::new();
        let opened = options.write(true).create_new(true).mode(0o600).open(&copy.path).await;
        let mut file = opened.map_err(|error| own("create", error))?;
        let mut bytes = found.into_stream();
        while let Some(chunk) = bytes.try_next().await.map_err(|error| failed("read", uri, error))? {
            file.write_all(&chunk).await.map_err(|error| own("write", error))?;
        }
        file.flush().await.map_err(|error| own("write", error))?;
        Ok(copy)
    }

    fn client(&self, bucket: &str) -> Result<Arc<dyn ObjectStore>> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(bucket) {
            return Ok(client.clone());
        }
        let settings = Bucket::of_environment(bucket, &self.environment).ok_or_else(|| no_address(bucket))?;
        let client = Client::new(&settings)?.objects;
        clients.insert(bucket.to_owned(), client.clone());
        Ok(client)
    }
}

/// Where a source lies: `s3://BUCKET`, and the key in it.
struct Place {
    bucket: String,
    location: Location,
}

impl Place {
    fn of(uri: &str) -> Result<Self> {
        let (scheme, rest) = uri.split_once("://").filter(|_| is_in_bucket(uri)).ok_or_else(|| no_address(uri))?;
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        let location = Location::parse(key)
            .map_err(|error| Error::permanent(format!("'{key}' can't be the key of an object")).with_source(error))?;
        Ok(Self { bucket: format!("{scheme}://{bucket}"), location })
    }
}

fn no_address(text: &str) -> Error {
    Error::configuration(format!(
        "'{text}' is no address in a bucket: s3://BUCKET/PREFIX, gs://... or az://... is expected"
    ))
}

fn address_of(bucket: &str, location: &Location) -> String {
    match location.as_ref() {
        "" => bucket.to_owned(),
        key => format!("{bucket}/{key}"),
    }
}

/// The object of exactly this key.
async fn named(objects: &dyn ObjectStore, location: &Location) -> Result<Option<ObjectMeta>> {
    match objects.head(location).await {
        Ok(meta) => Ok(Some(meta)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(failed("look at", location.as_ref(), error)),
    }
}

fn file(bucket: &str, object: &ObjectMeta) -> SourceFile {
    let uri = address_of(bucket, &object.location);
    let name = object.location.filename().unwrap_or_default().to_owned();
    SourceFile {
        path: PathBuf::from(&uri),
        real: PathBuf::from(&uri),
        source: SourceRef { uri, name },
        size_bytes: object.size,
        version: Some(version_of(object)),
    }
}

/// What tells two states of an object apart: its ETag, or, where a bucket tells none, when it was written and its size.
fn version_of(object: &ObjectMeta) -> ContentHash {
    object.e_tag.as_ref().map_or_else(|| written_at(object), |tag| ContentHash::of(tag.as_bytes()))
}

/// To the second: who is asked for the object itself tells no more.
fn written_at(object: &ObjectMeta) -> ContentHash {
    ContentHash::of(format!("{} {}", object.last_modified.timestamp(), object.size).as_bytes())
}

fn failed(action: &str, what: &str, error: object_store::Error) -> Error {
    buckets::failed(format!("cannot {action} {what}"), error)
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::buckets::testing::S3;
    use crate::error::Kind;

    /// A bucket "inbox" with files that hold their own names.
    struct Inbox(S3);

    impl Inbox {
        async fn start(files: &[&str]) -> Self {
            let server = Self(S3::start("inbox").await);
            for file in files {
                server.put(file, file).await;
            }
            server
        }

        fn buckets(&self, secret: &str) -> Buckets {
            Buckets::new(
                [
                    ("AWS_ENDPOINT_URL", self.0.endpoint.as_str()),
                    ("AWS_REGION", "us-east-1"),
                    ("AWS_ACCESS_KEY_ID", "someone"),
                    ("AWS_SECRET_ACCESS_KEY", secret),
                ]
                .into_iter()
                .collect(),
            )
        }

        async fn put(&self, key: &str, content: &str) {
            let client = self.buckets("s3cret").client("s3://inbox").unwrap();
            let content = bytes::Bytes::from(content.to_owned());
            client.put(&Location::parse(key).unwrap(), content.into()).await.unwrap();
        }

        async fn found(&self, address: &str, options: &Discover) -> Vec<String> {
            let found = self.buckets("s3cret").discover(address, options).await.unwrap();
            found.files.into_iter().map(|file| file.source.uri).collect()
        }
    }

    const KEYS: [&str; 6] = [
        "reports/a.pdf",
        "reports/2025/b.PDF",
        "reports/.hidden/c.pdf",
        "reports/notes.txt",
        "reports2/d.pdf",
        "scan.tiff",
    ];

    #[tokio::test]
    async fn what_a_walk_would_take_is_listed_below_its_prefix() {
        let server = Inbox::start(&KEYS).await;
        let all = Discover::default();
        let reports = ["s3://inbox/reports/2025/b.PDF", "s3://inbox/reports/a.pdf"];
        for address in ["s3://inbox/reports", "s3://inbox/reports/"] {
            assert_eq!(server.found(address, &all).await, reports);
        }
        let whole = server.found("s3://inbox", &all).await;
        assert_eq!(whole.len(), 4, "{whole:?}");
        assert_eq!(server.found("s3://inbox/scan.tiff", &all).await, ["s3://inbox/scan.tiff"], "an object by itself");
        let narrow = Discover { exclude: vec!["2025".into()], ..Discover::default() };
        assert_eq!(server.found("s3://inbox/reports", &narrow).await, ["s3://inbox/reports/a.pdf"]);
        let text = Discover { include: vec!["*.txt".into()], ..Discover::default() };
        assert_eq!(server.found("s3://inbox/reports", &text).await, ["s3://inbox/reports/notes.txt"]);
        let root = &server.buckets("s3cret").discover("s3://inbox/reports/", &all).await.unwrap().roots[0];
        assert_eq!((root.uri.as_str(), root.files), ("s3://inbox/reports", 2));
    }

    #[tokio::test]
    async fn a_version_is_known_without_reading_and_copied_as_it_is() {
        let server = Inbox::start(&KEYS).await;
        let spool = server.0.folder.path().join("spool");
        let buckets = server.buckets("s3cret");
        let version =
            async || buckets.discover("s3://inbox/scan.tiff", &Discover::default()).await.unwrap().files.remove(0);
        let before = version().await;
        let known = before.version.as_ref().unwrap();
        let copy = buckets.snapshot(&before.source.uri, known, &spool, 100).await.unwrap();
        assert_eq!(std::fs::read_to_string(&copy.path).unwrap(), "scan.tiff");
        assert_eq!((Some(&copy.content_hash), copy.size_bytes), (Some(known), before.size_bytes));
        // A listing without ETags tells of the same object by its time.
        let place = Place::of("s3://inbox/scan.tiff").unwrap();
        let mut meta = buckets.client(&place.bucket).unwrap().head(&place.location).await.unwrap();
        meta.e_tag = None;
        let listed = version_of(&meta);
        let again = buckets.snapshot(&before.source.uri, &listed, &spool, 100).await.unwrap();
        assert!(again.content_hash == listed && listed != *known);
        drop(again);
        server.put("scan.tiff", "another").await;
        assert_ne!(version().await.version, before.version);
        drop(copy);
        assert_eq!(std::fs::read_dir(&spool).unwrap().count(), 0, "the copy goes with the value");
    }

    #[tokio::test]
    async fn whose_fault_it_is_is_told() {
        let server = Inbox::start(&KEYS).await;
        let spool = server.0.folder.path().join("spool");
        let (buckets, any) = (server.buckets("s3cret"), ContentHash::of(b""));
        let large = buckets.snapshot("s3://inbox/reports/a.pdf", &any, &spool, 3).await.unwrap_err();
        assert_eq!((large.kind(), large.limit().map(|limit| limit.value)), (Kind::Permanent, Some(3)));
        let gone = buckets.snapshot("s3://inbox/none.pdf", &any, &spool, 100).await.unwrap_err();
        assert!(gone.is_transient() && gone.blame() == Blame::Document, "{gone:?}");
        let nothing = buckets.discover("s3://inbox/none", &Discover::default()).await.unwrap_err();
        assert!(nothing.kind() == Kind::Configuration && nothing.to_string().contains("nothing below"), "{nothing}");
        let refused = server.buckets("guessed").discover("s3://inbox", &Discover::default()).await.unwrap_err();
        assert_eq!((refused.kind(), refused.blame()), (Kind::Configuration, Blame::Dependency), "{refused}");
        // One without a connection that is still open.
        let buckets = server.buckets("s3cret");
        drop(server);
        let away = buckets.snapshot("s3://inbox/scan.tiff", &any, &spool, 100).await.unwrap_err();
        assert!(away.is_transient() && away.blame() == Blame::Dependency, "{away:?}");
    }

    #[test]
    fn addresses_of_buckets_are_told_from_paths() {
        for address in ["s3://b", "gs://b/x", "az://c/x.pdf"] {
            assert!(is_in_bucket(address), "{address}");
        }
        for path in ["/s3://b", "s3:/b", "s3:///x", "s3://", "https://b/x", "inbox/a.pdf"] {
            assert!(!is_in_bucket(path), "{path}");
        }
    }
}
