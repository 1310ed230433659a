//! `pipelines` and `watch`: which pipelines the service runs, and how it keeps their folders in step.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

/// How watched folders are kept in step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    /// A file is taken when it has not changed for so long.
    pub settle: Duration,
    /// Folders are walked after so long, whatever the system told of them; buckets are listed.
    pub rescan: Duration,
}

/// How the folders of pipelines with `source.watch: true` are kept in step.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "Watch")]
pub(super) struct WatchWire {
    /// Seconds for which a file must not have changed before it is taken.
    #[schemars(range(min = 0, max = 3_600))]
    settle_s: u64,
    /// Seconds after which folders are walked, whatever the system told of them (network shares tell nothing), and buckets listed.
    #[schemars(range(min = 1, max = 86_400))]
    rescan_s: u64,
}

impl Default for WatchWire {
    fn default() -> Self {
        Self { settle_s: 2, rescan_s: 300 }
    }
}

impl WatchWire {
    pub(super) fn into_watch(self) -> Watch {
        Watch { settle: Duration::from_secs(self.settle_s), rescan: Duration::from_secs(self.rescan_s) }
    }
}

/// The files that `pipelines` names; `path` makes a path of what is written there.
pub(super) fn into_paths(written: Vec<String>, path: impl Fn(&str, &str) -> PathBuf) -> Vec<PathBuf> {
    written.iter().map(|file| path("pipelines", file)).collect()
}
