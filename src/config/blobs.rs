//! `blobs`: where page images are kept.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::env::Environment;
use super::report::Mistakes;
use super::tree::Node;

/// Kinds of buckets, and how the variables of each begin.
const BUCKETS: [(&str, &str); 4] = [("s3", "AWS_"), ("gs", "GOOGLE_"), ("az", "AZURE_"), ("azure", "AZURE_")];

/// Where page images are kept.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Blobs {
    /// In the data folder.
    #[default]
    DataFolder,
    /// In another folder, such as one that several machines share.
    Folder(PathBuf),
    Bucket(Bucket),
}

/// A bucket, and how to reach it.
#[derive(Clone)]
pub struct Bucket {
    /// `s3://BUCKET/PREFIX`, `gs://...`, `az://CONTAINER/...`.
    pub url: String,
    /// Settings of the object store's client by name, such as `aws_endpoint`; some are secret.
    options: BTreeMap<String, SecretString>,
}

impl Bucket {
    pub fn new(url: impl Into<String>, options: BTreeMap<String, String>) -> Self {
        let options = options.into_iter().map(|(name, value)| (name, SecretString::from(value))).collect();
        Self { url: url.into(), options }
    }

    /// A bucket that credentials and settings of the environment lead to, as the provider's own tools read them. None where the address
    /// is that of no bucket.
    pub fn of_environment(url: &str, environment: &Environment) -> Option<Self> {
        let prefix = variables_of(url)?;
        let mut options = options_of(prefix, environment);
        let endpoints = ["aws_endpoint", "aws_endpoint_url", "aws_endpoint_url_s3"];
        let is_plain = endpoints.iter().any(|name| options.get(*name).is_some_and(|url| url.starts_with("http://")));
        if is_plain {
            options.insert("allow_http".into(), "true".into());
        }
        Some(Self::new(url, options))
    }

    /// Whether an address is that of a bucket: `s3://BUCKET/...`.
    pub fn is_address(text: &str) -> bool {
        variables_of(text).is_some()
            && text.split_once("://").is_some_and(|(_, rest)| !rest.starts_with('/') && !rest.is_empty())
    }

    /// Name and value of each setting, for the client.
    pub fn options(&self) -> impl Iterator<Item = (&str, &str)> {
        self.options.iter().map(|(name, value)| (name.as_str(), value.expose_secret()))
    }
}

/// How the variables begin that concern a bucket of this address.
fn variables_of(url: &str) -> Option<&'static str> {
    let scheme = url.split_once("://").map(|(scheme, _)| scheme);
    BUCKETS.iter().find(|(kind, _)| scheme == Some(kind)).map(|(_, prefix)| *prefix)
}

fn options_of(prefix: &str, environment: &Environment) -> BTreeMap<String, String> {
    environment.beginning_with(prefix).map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect()
}

impl fmt::Debug for Bucket {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket").field("url", &self.url).field("options", &self.options.keys()).finish()
    }
}

impl PartialEq for Bucket {
    fn eq(&self, other: &Self) -> bool {
        self.url == other.url && self.options().eq(other.options())
    }
}

/// Where page images are kept. Only from a file that the user chose.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "Blobs")]
pub(super) struct BlobsWire {
    /// A bucket (`s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX`, `az://CONTAINER/PREFIX`) or another folder. Without it page images are
    /// in the data folder.
    #[schemars(length(min = 1, max = 2048))]
    url: Option<String>,
    /// Server of the bucket, where it is not the provider's own: `http://localhost:9000`.
    #[schemars(length(min = 1, max = 2048))]
    endpoint: Option<String>,
    /// Region of the bucket.
    #[schemars(length(min = 1, max = 256))]
    region: Option<String>,
}

impl BlobsWire {
    /// What the schema can't say.
    pub(super) fn check(&self, root: &Node, mistakes: &mut Mistakes) {
        const PATH: &str = "blobs.url";
        let Some((scheme, rest)) = self.url.as_deref().and_then(|url| url.split_once("://")) else { return };
        let is_bucket = BUCKETS.iter().any(|(kind, _)| *kind == scheme);
        if !is_bucket || rest.split('/').next().is_none_or(str::is_empty) {
            let expected =
                "a folder or a bucket is expected: s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX";
            mistakes.add(root.locate(PATH), PATH, format!("found an address of the kind {scheme}://, {expected}"));
        }
    }

    /// The validated form; `path` makes a path of what is written at a key. Credentials, and whatever else the provider's own
    /// tools read, come from the environment.
    pub(super) fn into_blobs(self, environment: &Environment, path: impl Fn(&str, &str) -> PathBuf) -> Blobs {
        let Some(url) = self.url else { return Blobs::DataFolder };
        let Some(prefix) = variables_of(&url) else {
            return Blobs::Folder(path("blobs.url", &url));
        };
        let mut options = options_of(prefix, environment);
        let is_plain = self.endpoint.as_deref().is_some_and(|endpoint| endpoint.starts_with("http://"));
        let prefix = prefix.to_lowercase();
        let said = [("endpoint", self.endpoint), ("region", self.region)];
        options.extend(said.into_iter().filter_map(|(name, value)| Some((format!("{prefix}{name}"), value?))));
        if is_plain {
            options.insert("allow_http".into(), "true".into());
        }
        Blobs::Bucket(Bucket::new(url, options))
    }
}

#[cfg(test)]
mod tests {
    use super::super::flags::Flags;
    use super::super::service::Config;
    use super::*;

    fn load(text: &str, variables: &[(&str, &str)]) -> crate::error::Result<Config> {
        Config::from_text("etc/quire.yaml", text, &Flags::default(), &variables.iter().copied().collect())
    }

    #[test]
    fn credentials_come_from_the_environment_and_are_never_printed() {
        let text = "blobs: {url: 's3://pages/here', endpoint: 'http://localhost:9000', region: eu}\n";
        let variables = [("AWS_SECRET_ACCESS_KEY", "s3cret"), ("AWS_REGION", "us"), ("GOOGLE_X", "y")];
        let config = load(text, &variables).unwrap();
        assert!(!format!("{config:?}").contains("s3cret"));
        let Blobs::Bucket(bucket) = config.blobs else { panic!("{:?}", config.blobs) };
        let options: Vec<_> = bucket.options().collect();
        let expected = [
            ("allow_http", "true"),
            ("aws_endpoint", "http://localhost:9000"),
            ("aws_region", "eu"),
            ("aws_secret_access_key", "s3cret"),
        ];
        assert_eq!((bucket.url.as_str(), options), ("s3://pages/here", expected.to_vec()));
    }

    #[test]
    fn a_folder_starts_at_the_file_where_it_stands() {
        assert_eq!(load("", &[]).unwrap().blobs, Blobs::DataFolder);
        let config = load("blobs: {url: ./shared}\n", &[]).unwrap();
        assert_eq!(config.blobs, Blobs::Folder("etc/shared".into()));
        assert_eq!(load("blobs: {url: /mnt/pages}\n", &[]).unwrap().blobs, Blobs::Folder("/mnt/pages".into()));
    }

    #[test]
    fn what_is_no_bucket_is_refused() {
        for url in ["ftp://host/x", "s3:///prefix", "https://host/x"] {
            let error = load(&format!("blobs: {{url: '{url}'}}\n"), &[]).unwrap_err().to_string();
            assert!(
                error.contains("etc/quire.yaml:1:14: blobs.url: found ") && error.contains("s3://BUCKET"),
                "{error}"
            );
        }
    }
}
