//! Our [`Schema`] in the engine's terms: vectors, quantization, payload indexes.

use std::collections::HashMap;

use qdrant_edge::{
    BinaryQuantizationConfig, BinaryQuantizationEncoding, BinaryQuantizationQueryEncoding, CompressionRatio,
    DatetimeIndexParams, Distance, EdgeConfig, EdgeOptimizersConfig, EdgeSparseVectorParams, EdgeVectorParams,
    HnswIndexConfig, IntegerIndexParams, KeywordIndexParams, Modifier, MultiVectorComparator, MultiVectorConfig,
    PayloadFieldSchema, PayloadSchemaParams, ProductQuantizationConfig, QuantizationConfig, ScalarQuantizationConfig,
    ScalarType, UuidIndexParams, VectorStorageDatatype, WalOptions,
};

use super::Tuning;
use crate::error::{Error, Result};
use crate::store::schema::{FULL_SCAN_THRESHOLD_KB, FieldIndex, PAYLOAD_INDEXES};
use crate::types::{
    BinaryEncoding, BinaryQueryEncoding, Datatype, HnswSpec, ProductRatio, Quantization, Schema, TurboBits, VectorKind,
    VectorSpec,
};

/// The engine's configuration for `schema`.
///
/// # Errors
/// Configuration, naming the vector, where the engine has no such vector.
pub(super) fn engine_config(schema: &Schema, tuning: &Tuning) -> Result<EdgeConfig> {
    schema.check()?;
    check_known(schema)?;
    let mut vectors = HashMap::new();
    let mut sparse_vectors = HashMap::new();
    for spec in &schema.vectors {
        let name = spec.name.as_str().to_owned();
        match spec.kind {
            VectorKind::Dense { dim } => {
                vectors.insert(name, vector_params(spec, dim, None)?);
            }
            VectorKind::Multi { dim } => {
                let max_sim = MultiVectorConfig { comparator: MultiVectorComparator::MaxSim };
                vectors.insert(name, vector_params(spec, dim, Some(max_sim))?);
            }
            VectorKind::SparseIdf => {
                sparse_vectors.insert(name, sparse_params(spec));
            }
        }
    }
    Ok(EdgeConfig {
        on_disk_payload: true,
        vectors,
        sparse_vectors,
        hnsw_config: graph(None),
        quantization_config: None,
        optimizers: optimizers(tuning),
        wal_options: Some(WalOptions { segment_capacity: tuning.wal_segment_bytes, ..WalOptions::default() }),
    })
}

/// When the engine rewrites segments.
pub(super) fn optimizers(tuning: &Tuning) -> EdgeOptimizersConfig {
    EdgeOptimizersConfig {
        deleted_threshold: Some(tuning.deleted_ratio),
        vacuum_min_vector_number: Some(tuning.vacuum_min_points),
        default_segment_number: Some(tuning.segments),
        max_segment_size: Some(tuning.max_segment_kb),
        indexing_threshold: Some(tuning.indexing_threshold_kb),
        prevent_unoptimized: None,
    }
}

fn vector_params(spec: &VectorSpec, dim: usize, multivector: Option<MultiVectorConfig>) -> Result<EdgeVectorParams> {
    Ok(EdgeVectorParams {
        size: dim,
        distance: Distance::Dot,
        on_disk: Some(spec.on_disk),
        multivector_config: multivector,
        datatype: Some(datatype(spec.datatype)),
        quantization_config: spec.quantization.as_ref().map(|q| quantization(spec, q)).transpose()?,
        hnsw_config: Some(graph(spec.hnsw)),
    })
}

fn sparse_params(spec: &VectorSpec) -> EdgeSparseVectorParams {
    EdgeSparseVectorParams {
        full_scan_threshold: None,
        // In memory as long as the segment is small; from the indexing threshold on the index is mapped.
        on_disk: Some(true),
        modifier: Some(Modifier::Idf),
        datatype: Some(datatype(spec.datatype)),
    }
}

fn datatype(datatype: Datatype) -> VectorStorageDatatype {
    match datatype {
        Datatype::Float16 => VectorStorageDatatype::Float16,
        // The others were refused before: `check_known`.
        _ => VectorStorageDatatype::Float32,
    }
}

/// # Errors
/// Configuration, naming the vector, where only a server can do what it asks for.
fn check_known(schema: &Schema) -> Result<()> {
    let unknown = |spec: &VectorSpec| match spec {
        VectorSpec { datatype: Datatype::Turbo4 | Datatype::Turbo8 | Datatype::Turbo16, .. } => {
            Some(format!("the datatype {}: use float16", spec.datatype.as_str()))
        }
        VectorSpec { quantization: Some(Quantization::Turbo { bits: TurboBits::Bits8, .. }), .. } => {
            Some("TurboQuant of 8 bits: use scalar".to_owned())
        }
        VectorSpec { memory, .. } if !memory.say_nothing() => {
            Some("tiers of memory: use on_disk, and in_memory of the quantization".to_owned())
        }
        _ => None,
    };
    match schema.vectors.iter().find_map(|spec| Some((spec.name, unknown(spec)?))) {
        None => Ok(()),
        Some((name, what)) => Err(Error::configuration(format!(
            "vector '{name}': the engine in process does not know {what}, or keep the vectors on a Qdrant server (store.url)"
        ))),
    }
}

/// No graph is a graph without edges; `payload_m` is named so that it does not inherit anything else.
fn graph(spec: Option<HnswSpec>) -> HnswIndexConfig {
    let HnswSpec { m, ef_construct } = spec.unwrap_or(HnswSpec { m: 0, ef_construct: 100 });
    HnswIndexConfig {
        m,
        ef_construct,
        full_scan_threshold: FULL_SCAN_THRESHOLD_KB,
        // One: questions go on meanwhile.
        max_indexing_threads: 1,
        on_disk: Some(true),
        payload_m: Some(m),
        inline_storage: None,
    }
}

fn quantization(spec: &VectorSpec, quantization: &Quantization) -> Result<QuantizationConfig> {
    Ok(match *quantization {
        Quantization::Scalar { quantile, in_memory } => {
            ScalarQuantizationConfig { r#type: ScalarType::Int8, quantile, always_ram: Some(in_memory) }.into()
        }
        Quantization::Product { ratio, in_memory } => {
            let compression = match ratio {
                ProductRatio::X4 => CompressionRatio::X4,
                ProductRatio::X8 => CompressionRatio::X8,
                ProductRatio::X16 => CompressionRatio::X16,
                ProductRatio::X32 => CompressionRatio::X32,
                ProductRatio::X64 => CompressionRatio::X64,
            };
            ProductQuantizationConfig { compression, always_ram: Some(in_memory) }.into()
        }
        Quantization::Binary { encoding, query_encoding, in_memory } => BinaryQuantizationConfig {
            always_ram: Some(in_memory),
            encoding: Some(match encoding {
                BinaryEncoding::OneBit => BinaryQuantizationEncoding::OneBit,
                BinaryEncoding::OneAndHalfBits => BinaryQuantizationEncoding::OneAndHalfBits,
                BinaryEncoding::TwoBits => BinaryQuantizationEncoding::TwoBits,
            }),
            query_encoding: query_encoding.map(|encoding| match encoding {
                BinaryQueryEncoding::Binary => BinaryQuantizationQueryEncoding::Binary,
                BinaryQueryEncoding::Scalar4Bits => BinaryQuantizationQueryEncoding::Scalar4Bits,
                BinaryQueryEncoding::Scalar8Bits => BinaryQuantizationQueryEncoding::Scalar8Bits,
            }),
        }
        .into(),
        Quantization::Turbo { bits, in_memory } => turbo(spec, bits, in_memory)?,
    })
}

/// The engine has TurboQuant but does not export its types; their wire form is public.
fn turbo(spec: &VectorSpec, bits: TurboBits, in_memory: bool) -> Result<QuantizationConfig> {
    let bits = match bits {
        TurboBits::Bits1 => "bits1",
        TurboBits::Bits1_5 => "bits1_5",
        TurboBits::Bits2 => "bits2",
        TurboBits::Bits4 => "bits4",
        TurboBits::Bits8 => "bits8",
    };
    serde_json::from_value(serde_json::json!({ "turbo": { "always_ram": in_memory, "bits": bits } })).map_err(|error| {
        Error::configuration(format!("vector '{}': this engine takes no turbo quantization of {bits}", spec.name))
            .with_source(error)
    })
}

/// The indexes of [`PAYLOAD_INDEXES`] in the engine's terms.
pub(super) fn payload_indexes() -> impl Iterator<Item = (&'static str, PayloadFieldSchema)> {
    PAYLOAD_INDEXES.into_iter().map(|(name, index)| (name, PayloadFieldSchema::FieldParams(index_params(index))))
}

fn index_params(index: FieldIndex) -> PayloadSchemaParams {
    let on_disk = Some(true);
    match index {
        FieldIndex::Keyword => PayloadSchemaParams::Keyword(KeywordIndexParams { on_disk, ..Default::default() }),
        FieldIndex::Tenant => {
            PayloadSchemaParams::Keyword(KeywordIndexParams { is_tenant: Some(true), on_disk, ..Default::default() })
        }
        FieldIndex::Uuid => PayloadSchemaParams::Uuid(UuidIndexParams { on_disk, ..Default::default() }),
        FieldIndex::Integer => PayloadSchemaParams::Integer(IntegerIndexParams {
            lookup: Some(true),
            range: Some(true),
            on_disk,
            ..Default::default()
        }),
        FieldIndex::Datetime => PayloadSchemaParams::Datetime(DatetimeIndexParams { on_disk, ..Default::default() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::VectorName;

    fn patches(quantization: Option<Quantization>) -> Schema {
        Schema {
            vectors: vec![VectorSpec {
                name: VectorName::Patches,
                kind: VectorKind::Multi { dim: 128 },
                datatype: Datatype::Float16,
                on_disk: true,
                hnsw: None,
                quantization,
                memory: crate::types::Tiers::default(),
            }],
        }
    }

    #[test]
    fn every_quantization_is_known_to_the_engine() {
        let in_memory = true;
        for quantization in [
            Quantization::Scalar { quantile: Some(0.99), in_memory },
            Quantization::Product { ratio: ProductRatio::X16, in_memory },
            Quantization::Binary {
                encoding: BinaryEncoding::TwoBits,
                query_encoding: Some(BinaryQueryEncoding::Scalar8Bits),
                in_memory,
            },
            Quantization::Turbo { bits: TurboBits::Bits1, in_memory },
            Quantization::Turbo { bits: TurboBits::Bits1_5, in_memory },
            Quantization::Turbo { bits: TurboBits::Bits2, in_memory },
            Quantization::Turbo { bits: TurboBits::Bits4, in_memory },
        ] {
            let config = engine_config(&patches(Some(quantization)), &Tuning::default()).unwrap();
            let stored = config.vectors["patches"].quantization_config.clone().unwrap();
            let same_kind = matches!(
                (quantization, &stored),
                (Quantization::Scalar { .. }, QuantizationConfig::Scalar(_))
                    | (Quantization::Product { .. }, QuantizationConfig::Product(_))
                    | (Quantization::Binary { .. }, QuantizationConfig::Binary(_))
                    | (Quantization::Turbo { .. }, QuantizationConfig::Turbo(_))
            );
            assert!(same_kind, "{quantization:?} became {stored:?}");
            assert!(stored.always_ram());
        }
    }

    #[test]
    fn what_only_a_server_can_is_refused_with_the_vectors_name() {
        let known = crate::store::fixtures::schema();
        check_known(&known).unwrap();
        let with = |change: &dyn Fn(&mut VectorSpec)| {
            let mut schema = known.clone();
            change(&mut schema.vectors[0]);
            check_known(&schema).unwrap_err().to_string()
        };
        let messages = [
            with(&|spec| spec.datatype = Datatype::Turbo4),
            with(&|spec| spec.quantization = Some(Quantization::Turbo { bits: TurboBits::Bits8, in_memory: true })),
            with(&|spec| spec.memory.vectors = Some(crate::types::MemoryTier::Cold)),
        ];
        for (message, part) in messages.iter().zip(["turbo4", "8 bits", "tiers"]) {
            assert!(
                message.contains("patches") && message.contains("store.url") && message.contains(part),
                "{message}"
            );
        }
    }
}
