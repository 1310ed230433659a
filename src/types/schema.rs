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
            }],
        };
        assert!(schema.check().unwrap_err().to_string().contains("70000"));
    }
}
