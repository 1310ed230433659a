//! `store`: how the vector store keeps itself in order.

use schemars::JsonSchema;
use serde::Deserialize;

/// How the vector store keeps itself in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Store {
    /// A segment whose largest vector takes as much (KB) is indexed and quantized; smaller ones are scanned as they are.
    pub indexing_threshold_kb: usize,
}

impl Default for Store {
    fn default() -> Self {
        StoreWire::default().into_store()
    }
}

/// How the vector store keeps itself in order.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "Store")]
pub(super) struct StoreWire {
    /// Kilobytes of its largest vector from which a segment is indexed and quantized; smaller ones are scanned as they
    /// are, which is exact and fast.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    indexing_threshold_kb: usize,
}

impl Default for StoreWire {
    /// 1,100 pages of the built-in model: 455 patches in half precision.
    fn default() -> Self {
        Self { indexing_threshold_kb: 128_000 }
    }
}

impl StoreWire {
    pub(super) fn into_store(self) -> Store {
        Store { indexing_threshold_kb: self.indexing_threshold_kb }
    }
}
