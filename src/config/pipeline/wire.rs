//! A pipeline as it is written. Comments here are what editors show, and serde never sees a key that is not listed
//! here: the check against the schema has refused it before.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

use crate::config::render::RenderWire;
use crate::config::values::{tier, tier_of_raw};
use crate::types::{Datatype, MemoryTier, Priority, VectorName};

/// A Quire pipeline: which documents, how pages are drawn, which vectors are kept, how pages are found.
///
/// `${VAR}` and `${VAR:-default}` stand for environment variables, in any value.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Quire pipeline")]
pub(super) struct PipelineWire {
    /// Version of this form: 1.
    #[schemars(range(min = 1, max = 1))]
    #[serde(rename = "version")]
    pub _version: u32,
    /// What people call the pipeline.
    pub name: String,
    /// Where its documents go (the pipeline's name). Two pipelines with different vectors need two collections.
    pub collection: Option<String>,
    /// Which documents `quire run` ingests.
    pub source: Option<SourceWire>,
    /// Put on every document; searches can ask for them.
    #[serde(default)]
    pub tags: BTreeMap<String, TagWire>,
    /// Which documents are taken first where several pipelines' wait: `high`, `normal`, or `low`, when nothing else does.
    #[serde(default)]
    pub priority: PriorityWire,
    #[serde(default)]
    pub render: RenderWire,
    /// Page model: the name of its folder, or a path (as in the service configuration).
    #[schemars(length(min = 1))]
    pub model: Option<String>,
    /// Which vectors are kept of a page, and how (patches, pooled, anchors, text).
    pub vectors: Option<VectorsWire>,
    #[serde(default)]
    pub retrieve: RetrieveWire,
}

/// Which documents.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Source")]
pub(super) struct SourceWire {
    /// What is read: `files` (files, folders, buckets), or `urls` (documents from the web, where the service configuration allows
    /// them: `urls.enabled`).
    #[serde(default, rename = "type")]
    pub kind: SourceKind,
    /// Files and folders; folders are walked. Relative paths start at this file's folder, `~/` is your own.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub paths: Vec<String>,
    /// Of `type: urls`: addresses of documents.
    #[serde(default)]
    #[schemars(length(min = 1, max = 10_000))]
    pub urls: Vec<String>,
    /// Of `type: urls`: a text file with more addresses, one a line, `#` before remarks. It is read anew whenever the list is asked.
    pub file: Option<String>,
    /// Glob patterns of what is taken (everything that can be read).
    #[serde(default)]
    pub include: Vec<String>,
    /// Glob patterns of what is left out.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Walk through symbolic links.
    #[serde(default)]
    pub follow_symlinks: bool,
    /// Remove documents whose file is gone.
    #[serde(default)]
    pub prune: bool,
    /// Let `quire serve` keep folders, buckets and lists of URLs in step: what is new, changed, moved or gone.
    #[serde(default)]
    pub watch: bool,
}

/// What goes first.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum PriorityWire {
    High,
    #[default]
    Normal,
    Low,
}

impl From<PriorityWire> for Priority {
    fn from(written: PriorityWire) -> Self {
        match written {
            PriorityWire::High => Self::High,
            PriorityWire::Normal => Self::Normal,
            PriorityWire::Low => Self::Low,
        }
    }
}

/// What a source is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum SourceKind {
    #[default]
    Files,
    Urls,
}

/// A tag's value: text, also where it looks like a number.
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
pub(super) struct TagWire(pub String);

impl JsonSchema for TagWire {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Tag".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number", "boolean"], "minLength": 1, "maxLength": 256 })
    }
}

/// The named vectors of a page. Only those that stand here are kept.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "Vectors")]
pub(super) struct VectorsWire {
    /// Every patch of the page: what pages are ranked by (float16, on disk, binary quantization).
    #[serde(deserialize_with = "present")]
    pub patches: Option<MultiWire>,
    /// Patches that resemble each other, merged (float16, in memory).
    #[serde(deserialize_with = "present")]
    pub pooled: Option<PooledWire>,
    /// The mean of each row of patches (float16, in memory).
    #[serde(deserialize_with = "present")]
    pub rows: Option<MultiWire>,
    /// The mean of each column of patches (float16, in memory).
    #[serde(deserialize_with = "present")]
    pub cols: Option<MultiWire>,
    /// The page as one vector, by MUVERA (float32, in memory, HNSW).
    #[serde(deserialize_with = "present")]
    pub fde: Option<FdeWire>,
    /// Votes of the patches for entries of the model's codebook: an inverted index.
    #[serde(deserialize_with = "present")]
    pub anchors: Option<SparseWire>,
    /// The words of the page's text layer, weighed by BM25: exact terms and part numbers.
    #[serde(deserialize_with = "present")]
    pub text: Option<TextWire>,
}

/// `anchors:` with nothing behind it means the vector with its defaults, not its absence.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<Option<T>, D::Error> {
    Option::<T>::deserialize(from).map(|value| Some(value.unwrap_or_default()))
}

/// A multivector.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "Multivector")]
pub(super) struct MultiWire {
    #[serde(flatten)]
    pub storage: StorageWire,
}

/// Hierarchical pooling.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "Pooled")]
pub(super) struct PooledWire {
    /// One vector for so many patches (3).
    #[schemars(range(min = 1, max = 1024))]
    pub factor: Option<usize>,
    #[serde(flatten)]
    pub storage: StorageWire,
}

/// MUVERA, in FastEmbed's terms.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "Fde")]
pub(super) struct FdeWire {
    /// Hyperplanes of a repetition: 2^k_sim clusters (5).
    #[schemars(range(min = 1, max = 16))]
    pub k_sim: Option<usize>,
    /// Dimensions that each cluster keeps; at most those of the model (16).
    #[schemars(range(min = 1, max = 4096))]
    pub dim_proj: Option<usize>,
    /// Repetitions (20).
    #[schemars(range(min = 1, max = 4096))]
    pub r_reps: Option<usize>,
    /// Seed of the random planes and projections (42).
    #[schemars(range(min = 0))]
    pub seed: Option<u64>,
    /// Dimensions after a final random projection, as in the paper (none).
    #[schemars(range(min = 1, max = 65_536))]
    pub final_dim: Option<usize>,
    #[serde(flatten)]
    pub storage: StorageWire,
}

/// A sparse vector.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "Sparse")]
pub(super) struct SparseWire {
    /// Keep the inverted index on disk.
    pub on_disk: bool,
    /// A tier of memory, instead: servers from 1.19 on.
    pub memory: IndexMemoryWire,
}

/// BM25 of the text layer.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "Text")]
pub(super) struct TextWire {
    /// How soon repetitions of a term stop counting (1.2).
    #[schemars(range(min = 0, max = 10))]
    pub k1: Option<f32>,
    /// How much long pages are held back (0.75).
    #[schemars(range(min = 0, max = 1))]
    pub b: Option<f32>,
    /// Words of an average page (256).
    #[schemars(range(min = 1, max = 100_000))]
    pub average_words: Option<f32>,
    /// Keep the inverted index on disk.
    #[serde(default)]
    pub on_disk: bool,
    /// A tier of memory, instead: servers from 1.19 on.
    #[serde(default)]
    pub memory: IndexMemoryWire,
}

/// How a vector is kept.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "Storage")]
pub(super) struct StorageWire {
    /// Type of a stored component. `turbo4` is of servers from 1.19 on, `turbo8` and `turbo16` from 1.20 on; no copy of full
    /// precision is kept.
    #[schemars(schema_with = "datatype")]
    #[serde(default)]
    pub datatype: Option<Datatype>,
    /// Read from disk when needed, instead of kept in memory.
    pub on_disk: Option<bool>,
    /// A graph over the vectors. Multivectors have none by default: they only rank what a prefetch found.
    pub hnsw: Option<HnswWire>,
    /// Compressed copies that a query scores first.
    pub quantization: Option<QuantizationWire>,
    /// Tiers of memory, instead of `on_disk` and `in_memory`: servers from 1.19 on.
    #[serde(default)]
    pub memory: MemoryWire,
}

/// How much of a vector is held in memory: `cold` (read when needed), `cached` (read at the start, goes where memory is short) or
/// `pinned` (never goes).
#[derive(Debug, Default, Clone, Copy, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "Memory")]
pub(super) struct MemoryWire {
    /// The vectors as they were written: a server pins none.
    #[schemars(schema_with = "tier_of_raw")]
    pub vectors: Option<MemoryTier>,
    /// The graph.
    #[schemars(schema_with = "tier")]
    pub index: Option<MemoryTier>,
    /// The compressed copies.
    #[schemars(schema_with = "tier")]
    pub quantized: Option<MemoryTier>,
}

/// How much of a sparse vector is held in memory.
#[derive(Debug, Default, Clone, Copy, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "IndexMemory")]
pub(super) struct IndexMemoryWire {
    /// The inverted index.
    #[schemars(schema_with = "tier")]
    pub index: Option<MemoryTier>,
}

/// Parameters of a graph; `m: 0` builds none.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "Hnsw")]
pub(super) struct HnswWire {
    /// Edges of a node.
    #[schemars(range(min = 0, max = 512))]
    pub m: usize,
    /// Neighbours considered while the graph is built.
    #[schemars(range(min = 4, max = 10_000))]
    pub ef_construct: usize,
}

impl Default for HnswWire {
    fn default() -> Self {
        Self { m: 16, ef_construct: 100 }
    }
}

/// Compressed copies of the vectors.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
#[schemars(rename = "Quantization")]
pub(super) enum QuantizationWire {
    /// No compressed copies.
    None {},
    /// One byte a component.
    Scalar {
        /// Share of values inside the range; the rest is cut.
        #[schemars(range(min = 0.5, max = 1.0))]
        quantile: Option<f32>,
        #[serde(default = "yes")]
        in_memory: bool,
    },
    /// One to two bits a component.
    Binary {
        #[serde(default)]
        encoding: BinaryWire,
        query_encoding: Option<BinaryQueryWire>,
        #[serde(default = "yes")]
        in_memory: bool,
    },
    /// One byte for several components; built when the store optimizes.
    Product {
        #[serde(default)]
        ratio: RatioWire,
        #[serde(default = "yes")]
        in_memory: bool,
    },
    /// TurboQuant: one to eight bits a component, rotated first. A server has it from 1.18 on, eight bits from 1.20 on.
    Turbo {
        #[serde(default)]
        bits: BitsWire,
        #[serde(default = "yes")]
        in_memory: bool,
    },
}

fn yes() -> bool {
    true
}

#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(super) enum BinaryWire {
    #[default]
    OneBit,
    OneAndHalfBits,
    TwoBits,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(super) enum BinaryQueryWire {
    Binary,
    Scalar4Bits,
    Scalar8Bits,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(super) enum RatioWire {
    X4,
    X8,
    #[default]
    X16,
    X32,
    X64,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(super) enum BitsWire {
    Bits1,
    Bits1_5,
    Bits2,
    #[default]
    Bits4,
    Bits8,
}

/// How pages are found.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "Retrieve")]
pub(super) struct RetrieveWire {
    /// The plan of a search that names none (the model's own).
    pub default_plan: Option<String>,
    /// Plans by name, beside those that Quire brings: exact, pooled, anchors, hybrid, frugal, muvera, rows_cols.
    pub plans: BTreeMap<String, PlanWire>,
}

/// Stages that gather candidates, and what orders them.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Plan")]
pub(super) struct PlanWire {
    /// Stages that gather candidates; none: the rerank scores every page.
    #[serde(default)]
    pub prefetch: Vec<StageWire>,
    /// How candidates of several stages merge.
    pub fusion: Option<FusionWire>,
    /// The last ordering.
    pub rerank: Option<RerankWire>,
}

/// A stage that gathers candidates.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Stage")]
pub(super) struct StageWire {
    /// Vector it searches.
    #[schemars(schema_with = "vector_name")]
    pub using: VectorName,
    /// Candidates it passes on.
    #[serde(default = "hundred")]
    #[schemars(range(min = 1, max = 100_000))]
    pub limit: usize,
    #[serde(default)]
    pub params: ParamsWire,
    /// Candidates with a lower score are dropped.
    pub score_threshold: Option<f32>,
    /// Stages whose candidates this one chooses from.
    #[serde(default)]
    pub prefetch: Vec<StageWire>,
}

fn hundred() -> usize {
    100
}

/// Merging ranked lists.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
#[schemars(rename = "Fusion")]
pub(super) enum FusionWire {
    /// Reciprocal rank fusion.
    Rrf {
        /// How much less a lower rank counts (2).
        #[schemars(range(min = 1, max = 10_000))]
        k: Option<usize>,
        /// One weight a prefetch stage.
        #[serde(default)]
        weights: Vec<f32>,
    },
    /// Distribution-based score fusion.
    Dbsf {},
    /// The weighted sum of the stages' own scores, each per word of the question; pages with the question's numbers and
    /// identifiers first.
    Sum {
        /// One weight a prefetch stage.
        weights: Vec<f32>,
    },
}

/// The last ordering.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Rerank")]
pub(super) struct RerankWire {
    /// Vector it scores with.
    #[schemars(schema_with = "vector_name")]
    pub using: VectorName,
    #[serde(default)]
    pub params: ParamsWire,
    /// How many of the fused candidates are scored (all).
    #[schemars(range(min = 1, max = 100_000))]
    pub candidates: Option<usize>,
}

/// How a stage searches.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "Params")]
pub(super) struct ParamsWire {
    /// Score the original vectors only.
    pub ignore_quantization: bool,
    /// Score the best again with the original vectors (the engine's choice).
    pub rescore: Option<bool>,
    /// How many times more candidates are rescored than asked for.
    #[schemars(range(min = 1, max = 100))]
    pub oversampling: Option<f64>,
    /// Width of the walk through the graph.
    #[schemars(range(min = 1, max = 100_000))]
    pub hnsw_ef: Option<usize>,
    /// Scan every vector, originals only.
    pub exact: bool,
}

fn datatype(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "enum": ["float32", "float16", "turbo4", "turbo8", "turbo16"] })
}

fn vector_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "enum": VectorName::ALL.map(VectorName::as_str) })
}
