//! `store`: where vectors are kept, and how the store keeps itself in order. Without an address it is Qdrant's engine in this
//! process; with one, a Qdrant server or cluster. The key of a server is never printed.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::report::Mistakes;
use super::tree::Node;
use super::values::{tier, tier_of_raw};
use super::vlm::ApiKey;
use crate::types::MemoryTier;

/// What the in-process engine takes where nothing is said: 1,100 pages of the built-in model, 455 patches in half precision.
const INDEXING_THRESHOLD_KB: usize = 128_000;
/// Long enough for a write that waits until the server has optimised a segment; the client's own 5 s is not.
const TIMEOUT_S: u64 = 120;
/// Longest prefix: with the longest name of a collection it stays below what a server takes, 255 bytes.
const MAX_PREFIX: usize = 64;

/// Where vectors are kept, and how the store keeps itself in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Store {
    /// A segment whose largest vector takes as much (KB) is indexed and quantized; smaller ones are scanned as they are.
    /// None: 128,000 for the in-process engine, its own for a server.
    pub indexing_threshold_kb: Option<usize>,
    /// The server; None: Qdrant's engine in this process.
    pub server: Option<Server>,
}

impl Store {
    /// What the in-process engine takes.
    pub fn engine_threshold_kb(&self) -> usize {
        self.indexing_threshold_kb.unwrap_or(INDEXING_THRESHOLD_KB)
    }
}

/// A Qdrant server or cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// `http://localhost:6334` or `https://...`: the gRPC port.
    pub url: String,
    pub api_key: Option<ApiKey>,
    /// What the names of collections and aliases on the server begin with, so that several installations share one server.
    pub prefix: String,
    /// For one call, writes until they are applied included.
    pub timeout: Duration,
    /// Of new collections; None: the server's own.
    pub shards: Option<u32>,
    pub replication_factor: Option<u32>,
    pub write_consistency_factor: Option<u32>,
    /// Each tenant's pages in shards of their own, in new collections of a server with cluster mode.
    pub shard_by_tenant: bool,
    /// Where payloads of new collections are kept; None: on disk, as every server understands it.
    pub payload_memory: Option<MemoryTier>,
    /// The same of the indexes of payload fields.
    pub payload_index_memory: Option<MemoryTier>,
}

impl Server {
    /// At this address, all else as it is by default.
    pub fn at(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            api_key: None,
            prefix: String::new(),
            timeout: Duration::from_secs(TIMEOUT_S),
            shards: None,
            replication_factor: None,
            write_consistency_factor: None,
            shard_by_tenant: false,
            payload_memory: None,
            payload_index_memory: None,
        }
    }
}

/// Where vectors are kept, and how the store keeps itself in order.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "Store")]
pub(super) struct StoreWire {
    /// Kilobytes of its largest vector from which a segment is indexed and quantized; smaller ones are scanned as they are,
    /// which is exact and fast (128000; of a server, its own).
    #[schemars(range(min = 1, max = 1_000_000_000))]
    indexing_threshold_kb: Option<usize>,
    /// Address of a Qdrant server's gRPC port: `http://localhost:6334`. Without it vectors are kept in the data folder.
    /// Only from a file that the user chose: pages are sent there.
    #[schemars(length(min = 1, max = 2048))]
    url: Option<String>,
    /// Key of the server: `${QDRANT_API_KEY}`.
    #[schemars(length(min = 1, max = 8192))]
    api_key: Option<String>,
    /// What the names of collections on the server begin with.
    prefix: Option<String>,
    /// Seconds that one call to the server may take (120).
    #[schemars(range(min = 1, max = 3_600))]
    timeout_s: Option<u64>,
    /// Shards of new collections (the server's own).
    #[schemars(range(min = 1, max = 10_000))]
    shards: Option<u32>,
    /// Copies of each shard of new collections (the server's own).
    #[schemars(range(min = 1, max = 100))]
    replication_factor: Option<u32>,
    /// Copies that must have a write before it counts, of new collections (the server's own).
    #[schemars(range(min = 1, max = 100))]
    write_consistency_factor: Option<u32>,
    /// Keep each tenant's pages in shards of their own, `shards` of them, in new collections (no). Needs a server with cluster
    /// mode.
    shard_by_tenant: Option<bool>,
    /// Tier of memory of the payloads of new collections, `cold` or `cached`. Needs a server from 1.19 on.
    #[schemars(schema_with = "tier_of_raw")]
    payload_memory: Option<MemoryTier>,
    /// Tier of memory of their indexes: `cold`, `cached` or `pinned`. Needs a server from 1.19 on.
    #[schemars(schema_with = "tier")]
    payload_index_memory: Option<MemoryTier>,
}

impl StoreWire {
    /// What the schema can't say.
    pub(super) fn check(&self, root: &Node, mistakes: &mut Mistakes) {
        let mut add = |key: &str, message: String| {
            let path = format!("store.{key}");
            mistakes.add(root.locate(&path), path, message);
        };
        let Some(url) = &self.url else {
            for (key, given) in self.of_server() {
                if given {
                    add(key, "this is of a Qdrant server: set store.url to its address too".into());
                }
            }
            return;
        };
        if let Err(message) = check_url(url, root.written("store.url")) {
            add("url", message);
        }
        // The values are not shown: a key must not get into a log.
        if self.api_key.as_ref().is_some_and(|key| !key.chars().all(|char| char.is_ascii_graphic())) {
            add("api_key", "it holds characters that no key has".into());
        }
        let allowed = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || matches!(char, '-' | '_');
        if let Some(prefix) = &self.prefix
            && (prefix.len() > MAX_PREFIX || !prefix.chars().all(allowed))
        {
            add(
                "prefix",
                format!("found '{prefix}', at most {MAX_PREFIX} of the characters a-z, 0-9, _ and - are expected"),
            );
        }
    }

    /// The keys that mean nothing without an address, and whether they are given.
    fn of_server(&self) -> [(&'static str, bool); 9] {
        [
            ("api_key", self.api_key.is_some()),
            ("prefix", self.prefix.is_some()),
            ("timeout_s", self.timeout_s.is_some()),
            ("shards", self.shards.is_some()),
            ("replication_factor", self.replication_factor.is_some()),
            ("write_consistency_factor", self.write_consistency_factor.is_some()),
            ("shard_by_tenant", self.shard_by_tenant.is_some()),
            ("payload_memory", self.payload_memory.is_some()),
            ("payload_index_memory", self.payload_index_memory.is_some()),
        ]
    }

    /// The validated form.
    pub(super) fn into_store(self) -> Store {
        let server = self.url.map(|url| Server {
            api_key: self.api_key.map(ApiKey::new),
            prefix: self.prefix.unwrap_or_default(),
            timeout: Duration::from_secs(self.timeout_s.unwrap_or(TIMEOUT_S)),
            shards: self.shards,
            replication_factor: self.replication_factor,
            write_consistency_factor: self.write_consistency_factor,
            shard_by_tenant: self.shard_by_tenant.unwrap_or_default(),
            payload_memory: self.payload_memory,
            payload_index_memory: self.payload_index_memory,
            ..Server::at(url.trim_end_matches('/'))
        });
        Store { indexing_threshold_kb: self.indexing_threshold_kb, server }
    }
}

/// What is wrong with an address; `written` is how it was written, where that is not what came out of it.
fn check_url(url: &str, written: Option<&str>) -> Result<(), String> {
    // Before an @ stands a password.
    let shown = if url.contains('@') { "..." } else { written.unwrap_or(url) };
    let parsed = reqwest::Url::parse(url)
        .map_err(|error| format!("'{shown}' is not an address ({error}): http://localhost:6334 is expected"))?;
    if !matches!(parsed.scheme(), "http" | "https") || parsed.host_str().is_none() {
        return Err(format!("'{shown}' is not an address: http://localhost:6334 or https://HOST:6334 is expected"));
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err("a name or key in the address is sent nowhere: set store.api_key instead".into());
    }
    if parsed.port().is_none() {
        return Err(format!("'{shown}' names no port: Qdrant listens for gRPC at 6334"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Environment, Flags};
    use super::*;

    fn load(text: &str, variables: &[(&str, &str)]) -> crate::error::Result<Config> {
        let environment: Environment = variables.iter().copied().collect();
        Config::from_text("quire.yaml", text, &Flags::default(), &environment)
    }

    #[test]
    fn without_an_address_everything_stays_in_process() {
        let config = load("version: 1", &[]).unwrap();
        assert_eq!(config.store, Store::default());
        assert_eq!(config.store.engine_threshold_kb(), INDEXING_THRESHOLD_KB);
    }

    #[test]
    fn an_address_makes_a_server_and_its_key_comes_from_the_environment() {
        let text = "store:\n  url: https://qdrant.example:6334/\n  api_key: ${QDRANT_API_KEY}\n  shards: 6\n  \
                    replication_factor: 2\n  timeout_s: 30\n  prefix: test_";
        let config = load(text, &[("QDRANT_API_KEY", "secret-key")]).unwrap();
        let server = config.store.server.clone().unwrap();
        assert_eq!(server.url, "https://qdrant.example:6334");
        assert_eq!(server.api_key.as_ref().unwrap().expose(), "secret-key");
        assert_eq!((server.shards, server.replication_factor), (Some(6), Some(2)));
        assert_eq!((server.timeout.as_secs(), server.prefix.as_str()), (30, "test_"));
        assert!(!format!("{config:?}").contains("secret-key"));
    }

    #[test]
    fn tiers_are_of_new_collections_and_no_payload_is_pinned() {
        let text = "store:\n  url: http://localhost:6334\n  payload_memory: cached\n  payload_index_memory: pinned";
        let server = load(text, &[]).unwrap().store.server.unwrap();
        assert_eq!(server.payload_memory, Some(MemoryTier::Cached));
        assert_eq!(server.payload_index_memory, Some(MemoryTier::Pinned));
        let error =
            load("store:\n  url: http://localhost:6334\n  payload_memory: pinned", &[]).unwrap_err().to_string();
        assert!(
            error.contains("quire.yaml:3") && error.contains("payload_memory") && error.contains("cached"),
            "{error}"
        );
        let error = load("store:\n  payload_index_memory: cold", &[]).unwrap_err().to_string();
        assert!(error.contains("store.url"), "{error}");
    }

    #[test]
    fn a_variable_is_enough() {
        let config = load("version: 1", &[("QUIRE__STORE__URL", "http://localhost:6334")]).unwrap();
        assert_eq!(config.store.server.unwrap(), Server::at("http://localhost:6334"));
    }

    #[test]
    fn what_makes_no_sense_is_said_at_its_line_and_shows_no_key() {
        let text = "store:\n  url: ftp://qdrant\n  api_key: \"two words\"\n  prefix: Über";
        let error = load(text, &[]).unwrap_err().to_string();
        for part in ["quire.yaml:2", "store.url", "store.api_key", "store.prefix"] {
            assert!(error.contains(part), "{part}: {error}");
        }
        assert!(!error.contains("two words"), "{error}");
        let error = load("store:\n  url: http://qdrant", &[]).unwrap_err().to_string();
        assert!(error.contains("6334"), "{error}");
        let error = load("store:\n  url: http://me:key@qdrant:6334", &[]).unwrap_err().to_string();
        assert!(error.contains("store.api_key") && !error.contains("me:key"), "{error}");
        let error = load("store:\n  api_key: abc", &[]).unwrap_err().to_string();
        assert!(error.contains("store.url"), "{error}");
    }
}
