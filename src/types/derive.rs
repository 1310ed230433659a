//! Which vectors are made of a page, and with what parameters: what a pipeline declares under `vectors`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::VectorName;

/// Parameters of a vector that is not in `vectors` mean nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeriveSettings {
    pub vectors: BTreeSet<VectorName>,
    /// `pooled`: at most one vector for so many patches, 1 or more.
    pub pooled_factor: usize,
    pub fde: FdeSettings,
    pub text: TextSettings,
}

impl Default for DeriveSettings {
    fn default() -> Self {
        Self {
            vectors: [VectorName::Patches, VectorName::Pooled, VectorName::Anchors, VectorName::Text].into(),
            pooled_factor: 3,
            fde: FdeSettings::default(),
            text: TextSettings::default(),
        }
    }
}

/// MUVERA, in FastEmbed's terms and with its defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FdeSettings {
    /// Hyperplanes of a repetition: `2^k_sim` clusters.
    pub k_sim: usize,
    /// Dimensions that each cluster keeps.
    pub dim_proj: usize,
    /// Repetitions.
    pub r_reps: usize,
    pub seed: u64,
    /// Dimensions after the paper's final random projection; none where absent, as in FastEmbed.
    pub final_dim: Option<usize>,
}

impl Default for FdeSettings {
    fn default() -> Self {
        Self { k_sim: 5, dim_proj: 16, r_reps: 20, seed: 42, final_dim: None }
    }
}

impl FdeSettings {
    /// Dimensions of the encoding.
    pub fn len(&self) -> usize {
        self.final_dim.unwrap_or(self.r_reps * (1 << self.k_sim) * self.dim_proj)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// BM25 of the text layer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TextSettings {
    /// How soon repetitions of a term stop counting.
    pub k1: f32,
    /// How much long pages are held back, 0 to 1.
    pub b: f32,
    /// Words of an average page. A constant, so that a page's vector does not depend on the others.
    pub average_words: f32,
}

impl Default for TextSettings {
    fn default() -> Self {
        Self { k1: 1.2, b: 0.75, average_words: 256.0 }
    }
}
