//! What a pipeline says about vectors, and what holds where it says nothing.

use std::collections::BTreeMap;

use super::wire::{
    BinaryQueryWire, BinaryWire, BitsWire, HnswWire, IndexMemoryWire, MemoryWire, QuantizationWire, RatioWire,
    SparseWire, StorageWire, VectorsWire,
};
use crate::error::{Error, Result};
use crate::types::{
    BinaryEncoding, BinaryQueryEncoding, Datatype, DeriveSettings, FdeSettings, HnswSpec, MemoryTier, ProductRatio,
    Quantization, Schema, TextSettings, Tiers, TurboBits, VectorKind, VectorName, VectorSpec,
};

/// How one vector is kept; its dimensions come from the model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Storage {
    pub datatype: Datatype,
    pub on_disk: bool,
    pub hnsw: Option<HnswSpec>,
    pub quantization: Option<Quantization>,
    pub memory: Tiers,
}

impl Storage {
    /// What holds for a vector about which nothing is written.
    pub fn default_of(name: VectorName) -> Self {
        let memory = Tiers::default();
        let plain = Self { datatype: Datatype::Float16, on_disk: false, hnsw: None, quantization: None, memory };
        match name {
            VectorName::Patches => Self {
                on_disk: true,
                quantization: Some(Quantization::Binary {
                    encoding: BinaryEncoding::OneBit,
                    query_encoding: None,
                    in_memory: true,
                }),
                ..plain
            },
            VectorName::Pooled | VectorName::Rows | VectorName::Cols => plain,
            VectorName::Fde => {
                Self { datatype: Datatype::Float32, hnsw: Some(HnswSpec { m: 16, ef_construct: 100 }), ..plain }
            }
            VectorName::Anchors | VectorName::Text => Self { datatype: Datatype::Float32, ..plain },
        }
    }
}

/// Storage of every vector of `derive`, by name.
pub(super) fn default_storage(derive: &DeriveSettings) -> BTreeMap<VectorName, Storage> {
    derive.vectors.iter().map(|&name| (name, Storage::default_of(name))).collect()
}

/// The validated form of `vectors`.
pub(super) fn from_wire(wire: &VectorsWire) -> (DeriveSettings, BTreeMap<VectorName, Storage>) {
    let multi = |name, wire: Option<&StorageWire>| wire.map(|wire| (name, stored(name, wire)));
    let sparse = |name, wire: Option<(bool, IndexMemoryWire)>| {
        wire.map(|(on_disk, IndexMemoryWire { index })| {
            let memory = Tiers { index, ..Tiers::default() };
            (name, Storage { on_disk, memory, ..Storage::default_of(name) })
        })
    };
    let storage: BTreeMap<VectorName, Storage> = [
        multi(VectorName::Patches, wire.patches.as_ref().map(|patches| &patches.storage)),
        multi(VectorName::Rows, wire.rows.as_ref().map(|rows| &rows.storage)),
        multi(VectorName::Cols, wire.cols.as_ref().map(|cols| &cols.storage)),
        multi(VectorName::Pooled, wire.pooled.as_ref().map(|pooled| &pooled.storage)),
        multi(VectorName::Fde, wire.fde.as_ref().map(|fde| &fde.storage)),
        sparse(VectorName::Anchors, wire.anchors.as_ref().map(|SparseWire { on_disk, memory }| (*on_disk, *memory))),
        sparse(VectorName::Text, wire.text.as_ref().map(|text| (text.on_disk, text.memory))),
    ]
    .into_iter()
    .flatten()
    .collect();
    let base = DeriveSettings::default();
    let fde = wire.fde.as_ref().map_or(base.fde, |fde| FdeSettings {
        k_sim: fde.k_sim.unwrap_or(base.fde.k_sim),
        dim_proj: fde.dim_proj.unwrap_or(base.fde.dim_proj),
        r_reps: fde.r_reps.unwrap_or(base.fde.r_reps),
        seed: fde.seed.unwrap_or(base.fde.seed),
        final_dim: fde.final_dim,
    });
    let text = wire.text.as_ref().map_or(base.text, |text| TextSettings {
        k1: text.k1.unwrap_or(base.text.k1),
        b: text.b.unwrap_or(base.text.b),
        average_words: text.average_words.unwrap_or(base.text.average_words),
    });
    let derive = DeriveSettings {
        vectors: storage.keys().copied().collect(),
        pooled_factor: wire.pooled.as_ref().and_then(|pooled| pooled.factor).unwrap_or(base.pooled_factor),
        fde,
        text,
    };
    (derive, storage)
}

fn stored(name: VectorName, wire: &StorageWire) -> Storage {
    let base = Storage::default_of(name);
    let MemoryWire { vectors, index, quantized } = wire.memory;
    let on_disk = vectors.map(|tier| tier == MemoryTier::Cold).or(wire.on_disk);
    Storage {
        datatype: wire.datatype.unwrap_or(base.datatype),
        on_disk: on_disk.unwrap_or(base.on_disk),
        memory: Tiers { vectors, index, quantized },
        hnsw: wire
            .hnsw
            .map_or(base.hnsw, |HnswWire { m, ef_construct }| (m > 0).then_some(HnswSpec { m, ef_construct })),
        quantization: wire.quantization.map_or(base.quantization, quantization),
    }
}

fn quantization(wire: QuantizationWire) -> Option<Quantization> {
    Some(match wire {
        QuantizationWire::None {} => return None,
        QuantizationWire::Scalar { quantile, in_memory } => Quantization::Scalar { quantile, in_memory },
        QuantizationWire::Binary { encoding, query_encoding, in_memory } => Quantization::Binary {
            encoding: match encoding {
                BinaryWire::OneBit => BinaryEncoding::OneBit,
                BinaryWire::OneAndHalfBits => BinaryEncoding::OneAndHalfBits,
                BinaryWire::TwoBits => BinaryEncoding::TwoBits,
            },
            query_encoding: query_encoding.map(|encoding| match encoding {
                BinaryQueryWire::Binary => BinaryQueryEncoding::Binary,
                BinaryQueryWire::Scalar4Bits => BinaryQueryEncoding::Scalar4Bits,
                BinaryQueryWire::Scalar8Bits => BinaryQueryEncoding::Scalar8Bits,
            }),
            in_memory,
        },
        QuantizationWire::Product { ratio, in_memory } => Quantization::Product {
            ratio: match ratio {
                RatioWire::X4 => ProductRatio::X4,
                RatioWire::X8 => ProductRatio::X8,
                RatioWire::X16 => ProductRatio::X16,
                RatioWire::X32 => ProductRatio::X32,
                RatioWire::X64 => ProductRatio::X64,
            },
            in_memory,
        },
        QuantizationWire::Turbo { bits, in_memory } => Quantization::Turbo {
            bits: match bits {
                BitsWire::Bits1 => TurboBits::Bits1,
                BitsWire::Bits1_5 => TurboBits::Bits1_5,
                BitsWire::Bits2 => TurboBits::Bits2,
                BitsWire::Bits4 => TurboBits::Bits4,
                BitsWire::Bits8 => TurboBits::Bits8,
            },
            in_memory,
        },
    })
}

/// The store's schema of these vectors, for a model whose vectors have `dim` dimensions.
///
/// # Errors
/// Configuration, where a vector does not fit the model or is larger than Qdrant takes.
pub(super) fn schema(derive: &DeriveSettings, storage: &BTreeMap<VectorName, Storage>, dim: usize) -> Result<Schema> {
    if storage.contains_key(&VectorName::Fde) && derive.fde.dim_proj > dim {
        return Err(Error::configuration(format!(
            "vectors.fde.dim_proj is {}, and the model's vectors have {dim} dimensions: at most {dim} is expected",
            derive.fde.dim_proj
        )));
    }
    let kind = |name| match name {
        VectorName::Patches | VectorName::Rows | VectorName::Cols | VectorName::Pooled => VectorKind::Multi { dim },
        VectorName::Fde => VectorKind::Dense { dim: derive.fde.len() },
        VectorName::Anchors | VectorName::Text => VectorKind::SparseIdf,
    };
    let vectors = storage
        .iter()
        .map(|(&name, &Storage { datatype, on_disk, hnsw, quantization, memory })| VectorSpec {
            name,
            kind: kind(name),
            datatype,
            on_disk,
            hnsw,
            quantization,
            memory,
        })
        .collect();
    let schema = Schema { vectors };
    schema.check()?;
    Ok(schema)
}
