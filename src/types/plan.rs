//! A retrieval plan: a tree of prefetch stages under one final stage, as pipelines declare it. `retrieve` turns it into one
//! Qdrant query.

use serde::{Deserialize, Serialize};

use super::VectorName;

/// A named way of finding pages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub name: String,
    /// Candidates: each stage runs on its own, their union goes on. Empty: the rerank scores every page (exact search).
    pub prefetch: Vec<Stage>,
    /// How candidates of several stages merge where no rerank follows, or before it.
    #[serde(default)]
    pub fusion: Option<Fusion>,
    /// The last stage. None: the order of the fusion (or of the only prefetch stage) stands.
    #[serde(default)]
    pub rerank: Option<Rerank>,
}

/// One prefetch stage; stages may nest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    pub using: VectorName,
    /// Candidates that this stage passes on.
    pub limit: usize,
    #[serde(default)]
    pub params: SearchParams,
    #[serde(default)]
    pub score_threshold: Option<f32>,
    #[serde(default)]
    pub prefetch: Vec<Stage>,
}

/// The final scoring, usually MaxSim over `patches`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rerank {
    pub using: VectorName,
    #[serde(default)]
    pub params: SearchParams,
    /// How many of the fused candidates are scored, where a fusion stands before the rerank.
    #[serde(default)]
    pub candidates: Option<usize>,
}

/// Merging ranked lists.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "type")]
pub enum Fusion {
    /// Reciprocal rank fusion; Qdrant's own default for `k` is 2. One weight a prefetch stage, or none.
    Rrf {
        #[serde(default)]
        k: Option<usize>,
        #[serde(default)]
        weights: Vec<f32>,
    },
    /// Distribution-based score fusion.
    Dbsf,
    /// The weighted sum of the stages' own scores; 0 where a stage does not know the page. One weight a prefetch stage.
    ///
    /// In a plan, a weight is meant for a question of one word: multivector and `text` scores grow with the question and are
    /// divided by its length. Numbers and identifiers of the question count beyond that, see `retrieve::plan`.
    Sum {
        weights: Vec<f32>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lacking: Option<Lacking>,
    },
}

/// Of pages that lack a vector, one stage's score counts more in a sum: the stages that read the vector say nothing of them, which
/// is not the same as no match.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Lacking {
    pub vector: VectorName,
    /// The stage, counted from 0.
    pub stage: usize,
    /// By what share more.
    pub more: f32,
}

/// How one stage searches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct SearchParams {
    /// Score the original vectors and leave quantized ones aside.
    #[serde(default)]
    pub ignore_quantization: bool,
    /// Score again with the original vectors; None leaves it to the engine's default for the kind of quantization.
    #[serde(default)]
    pub rescore: Option<bool>,
    /// At least 1.0.
    #[serde(default)]
    pub oversampling: Option<f64>,
    #[serde(default)]
    pub hnsw_ef: Option<usize>,
    /// Scan instead of walking the graph; disables quantization too.
    #[serde(default)]
    pub exact: bool,
}

/// Qdrant nests prefetches at most this deep.
pub const MAX_PREFETCH_DEPTH: usize = 64;

impl Plan {
    /// Every vector that the plan reads.
    pub fn vectors(&self) -> Vec<VectorName> {
        fn walk(stages: &[Stage], into: &mut Vec<VectorName>) {
            for stage in stages {
                into.push(stage.using);
                walk(&stage.prefetch, into);
            }
        }
        let mut names = Vec::new();
        walk(&self.prefetch, &mut names);
        names.extend(self.rerank.as_ref().map(|rerank| rerank.using));
        names.sort_unstable();
        names.dedup();
        names
    }
}
