//! How a collection keeps its vectors: the schema that configuration asks for and a store creates.

use serde::{Deserialize, Serialize};

use super::VectorName;
use crate::error::{Error, Result};

/// Vectors of one collection. Two schemas that differ need two collections.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Schema {
    pub vectors: Vec<VectorSpec>,
}

/// One named vector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VectorSpec {
    pub name: VectorName,
    pub kind: VectorKind,
    #[serde(default)]
    pub datatype: Datatype,
    #[serde(default)]
    pub on_disk: bool,
    /// None: no graph (m = 0), every query is a scan. Sparse vectors have an inverted index of their own.
    #[serde(default)]
    pub hnsw: Option<HnswSpec>,
    #[serde(default)]
    pub quantization: Option<Quantization>,
    /// Tiers of memory, where they are asked for by name.
    #[serde(default, skip_serializing_if = "Tiers::say_nothing")]
    pub memory: Tiers,
}

/// Shape and comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "type")]
pub enum VectorKind {
    /// Dot product.
    Dense { dim: usize },
    /// Dot product, compared by MaxSim.
    Multi { dim: usize },
    /// Dot product over an inverted index, weighted by inverse document frequency.
    SparseIdf,
}

/// Storage type of a component.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Datatype {
    #[default]
    Float32,
    Float16,
    /// About four bits a component, and no copy of full precision: servers from 1.19 on.
    Turbo4,
    /// Servers from 1.20 on.
    Turbo8,
    /// Servers from 1.20 on.
    Turbo16,
}

impl Datatype {
    /// Of one stored component.
    pub fn bits(self) -> usize {
        match self {
            Self::Float32 => 32,
            Self::Float16 | Self::Turbo16 => 16,
            Self::Turbo8 => 8,
            Self::Turbo4 => 4,
        }
    }

    /// As configuration writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Float16 => "float16",
            Self::Turbo4 => "turbo4",
            Self::Turbo8 => "turbo8",
            Self::Turbo16 => "turbo16",
        }
    }
}

/// How much of what lies on disk is held in memory: servers from 1.19 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MemoryTier {
    /// Read when needed.
    Cold,
    /// Read when the server starts; it goes where memory is short.
    Cached,
    /// Never evicted.
    Pinned,
}

/// Tiers of the parts of a vector; None: as `on_disk` and `in_memory` say, which every server understands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tiers {
    /// The vectors as they were written. Never pinned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vectors: Option<MemoryTier>,
    /// The graph, or the inverted index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<MemoryTier>,
    /// The compressed copies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantized: Option<MemoryTier>,
}

impl Tiers {
    pub fn say_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// The parameters of an HNSW graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HnswSpec {
    pub m: usize,
    pub ef_construct: usize,
}

/// Compressed copies of the vectors, which a query scores first.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "type")]
pub enum Quantization {
    /// int8; `quantile` in 0.5..=1.0.
    Scalar {
        quantile: Option<f32>,
        in_memory: bool,
    },
    Binary {
        encoding: BinaryEncoding,
        query_encoding: Option<BinaryQueryEncoding>,
        in_memory: bool,
    },
    Product {
        ratio: ProductRatio,
        in_memory: bool,
    },
    Turbo {
        bits: TurboBits,
        in_memory: bool,
    },
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BinaryEncoding {
    #[default]
    OneBit,
    OneAndHalfBits,
    TwoBits,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BinaryQueryEncoding {
    Binary,
    Scalar4Bits,
    Scalar8Bits,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProductRatio {
    X4,
    X8,
    X16,
    X32,
    X64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TurboBits {
    Bits1,
    Bits1_5,
    Bits2,
    Bits4,
    /// Servers from 1.20 on.
    Bits8,
}

/// Qdrant's own limits, which the in-process engine does not check.
pub const MAX_DENSE_DIM: usize = 65_536;
/// Rows x dim of a multivector must stay below this.
pub const MAX_MULTIVECTOR_FLOATS: usize = 1_048_576;

impl Schema {
    pub fn get(&self, name: VectorName) -> Option<&VectorSpec> {
        self.vectors.iter().find(|spec| spec.name == name)
    }

    /// # Errors
    /// Configuration, where two vectors share a name or a size is beyond what Qdrant takes.
    pub fn check(&self) -> Result<()> {
        for (index, spec) in self.vectors.iter().enumerate() {
            if self.vectors[..index].iter().any(|other| other.name == spec.name) {
                return Err(Error::configuration(format!("vector '{}' is declared twice", spec.name)));
            }
            if let VectorKind::Dense { dim } | VectorKind::Multi { dim } = spec.kind
                && (dim == 0 || dim > MAX_DENSE_DIM)
            {
                return Err(Error::configuration(format!(
                    "vector '{}' has {dim} dimensions: Qdrant takes 1 to {MAX_DENSE_DIM}",
                    spec.name
                )));
            }
            let needless = match spec.memory {
                Tiers { quantized: Some(_), .. } if spec.quantization.is_none() => Some("quantized"),
                Tiers { index: Some(_), .. } if spec.hnsw.is_none() && spec.kind != VectorKind::SparseIdf => {
                    Some("index")
                }
                _ => None,
            };
            if let Some(part) = needless {
                return Err(Error::configuration(format!(
                    "vector '{}' has a tier of memory for '{part}' and no such part: leave out memory.{part}",
                    spec.name
                )));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoding_too_large_for_qdrant_is_refused() {
        let schema = Schema {
            vectors: vec![VectorSpec {
                name: VectorName::Fde,
                kind: VectorKind::Dense { dim: 70_000 },
                datatype: Datatype::Float32,
                on_disk: false,
                hnsw: None,
                quantization: None,
                memory: Tiers::default(),
            }],
        };
        assert!(schema.check().unwrap_err().to_string().contains("70000"));
    }

    #[test]
    fn a_tier_of_a_part_that_is_not_there_is_refused() {
        let spec = VectorSpec {
            name: VectorName::Fde,
            kind: VectorKind::Dense { dim: 8 },
            datatype: Datatype::Float32,
            on_disk: false,
            hnsw: None,
            quantization: None,
            memory: Tiers { index: Some(MemoryTier::Pinned), ..Tiers::default() },
        };
        let with = |spec: VectorSpec| Schema { vectors: vec![spec] }.check();
        assert!(with(spec.clone()).unwrap_err().to_string().contains("memory.index"));
        with(VectorSpec { hnsw: Some(HnswSpec { m: 16, ef_construct: 100 }), ..spec.clone() }).unwrap();
        let memory = Tiers { quantized: Some(MemoryTier::Cached), ..Tiers::default() };
        assert!(with(VectorSpec { memory, ..spec }).unwrap_err().to_string().contains("memory.quantized"));
    }

    #[test]
    fn a_spec_without_tiers_is_written_as_it_always_was() {
        let old = r#"{"name":"fde","kind":{"type":"dense","dim":8},"datatype":"float32","on_disk":false,"hnsw":null,"quantization":null}"#;
        let spec: VectorSpec = serde_json::from_str(old).unwrap();
        assert!(spec.memory.say_nothing());
        assert_eq!(serde_json::to_string(&spec).unwrap(), old);
    }
}
