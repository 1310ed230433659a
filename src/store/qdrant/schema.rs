//! Our [`Schema`] in the server's terms, and back: what a server says of a collection is compared with what was asked for.
//!
//! Where data lies is said by `on_disk` and `always_ram`, which every server understands; servers from 1.19 on may answer with
//! a tier of memory instead.
#![expect(deprecated, reason = "servers before 1.19 know no other words for where data lies")]

use std::collections::HashMap;

use qdrant_client::qdrant::payload_index_params::IndexParams;
use qdrant_client::qdrant::vectors_config::Config as Vectors;
use qdrant_client::qdrant::{
    CollectionParams, Datatype as ServerDatatype, DatetimeIndexParams, Distance, FieldType, HnswConfigDiff,
    IntegerIndexParams, KeywordIndexParams, Memory, Modifier, MultiVectorComparator, MultiVectorConfig,
    PayloadIndexParams, SparseIndexConfig, SparseVectorConfig, SparseVectorParams, UuidIndexParams, VectorParams,
    VectorParamsMap, VectorsConfig,
};

use super::quantization::{self, from_tier, to_tier};
use crate::error::{Error, Result};
use crate::store::schema::{FULL_SCAN_THRESHOLD_KB, FieldIndex, PAYLOAD_INDEXES};
use crate::types::{Datatype, HnswSpec, MemoryTier, Schema, Tiers, VectorKind, VectorName, VectorSpec};

/// What a graph without edges is built with; it has no effect.
const NO_GRAPH: HnswSpec = HnswSpec { m: 0, ef_construct: 100 };

/// Dense vectors and multivectors of a collection.
pub(super) fn vectors(schema: &Schema) -> VectorsConfig {
    let params = |spec: &VectorSpec| {
        let (dim, max_sim) = match spec.kind {
            VectorKind::Dense { dim } => (dim, None),
            VectorKind::Multi { dim } => {
                (dim, Some(MultiVectorConfig { comparator: MultiVectorComparator::MaxSim.into() }))
            }
            VectorKind::SparseIdf => return None,
        };
        let params = VectorParams {
            size: dim as u64,
            distance: Distance::Dot.into(),
            hnsw_config: Some(graph(spec.hnsw, spec.memory.index)),
            quantization_config: spec.quantization.map(|copies| quantization::to_server(copies, spec.memory.quantized)),
            on_disk: spec.memory.vectors.is_none().then_some(spec.on_disk),
            memory: spec.memory.vectors.map(to_tier),
            datatype: Some(datatype(spec.datatype).into()),
            multivector_config: max_sim,
        };
        Some((spec.name.as_str().to_owned(), params))
    };
    let map = schema.vectors.iter().filter_map(params).collect();
    VectorsConfig { config: Some(Vectors::ParamsMap(VectorParamsMap { map })) }
}

/// Sparse vectors of a collection.
pub(super) fn sparse_vectors(schema: &Schema) -> SparseVectorConfig {
    let params = |spec: &VectorSpec| {
        let index = SparseIndexConfig {
            // In memory as long as the segment is small, as in the in-process engine.
            on_disk: spec.memory.index.is_none().then_some(true),
            memory: spec.memory.index.map(to_tier),
            datatype: Some(datatype(spec.datatype).into()),
            ..SparseIndexConfig::default()
        };
        let params = SparseVectorParams { index: Some(index), modifier: Some(Modifier::Idf.into()) };
        (spec.name.as_str().to_owned(), params)
    };
    let sparse = schema.vectors.iter().filter(|spec| spec.kind == VectorKind::SparseIdf);
    SparseVectorConfig { map: sparse.map(params).collect() }
}

/// No graph is a graph without edges; `payload_m` is named so that it does not inherit anything else.
fn graph(spec: Option<HnswSpec>, tier: Option<MemoryTier>) -> HnswConfigDiff {
    let HnswSpec { m, ef_construct } = spec.unwrap_or(NO_GRAPH);
    HnswConfigDiff {
        m: Some(m as u64),
        ef_construct: Some(ef_construct as u64),
        full_scan_threshold: Some(FULL_SCAN_THRESHOLD_KB as u64),
        on_disk: tier.is_none().then_some(true),
        memory: tier.map(to_tier),
        payload_m: Some(m as u64),
        ..HnswConfigDiff::default()
    }
}

fn datatype(datatype: Datatype) -> ServerDatatype {
    match datatype {
        Datatype::Float32 => ServerDatatype::Float32,
        Datatype::Float16 => ServerDatatype::Float16,
        Datatype::Turbo4 => ServerDatatype::Turbo4,
        Datatype::Turbo8 => ServerDatatype::Turbo8,
        Datatype::Turbo16 => ServerDatatype::Turbo16,
    }
}

/// The indexes of [`PAYLOAD_INDEXES`] in the server's terms.
pub(super) fn payload_indexes(
    tier: Option<MemoryTier>,
) -> impl Iterator<Item = (&'static str, FieldType, PayloadIndexParams)> {
    PAYLOAD_INDEXES.into_iter().map(move |(name, index)| {
        let (field_type, params) = index_params(index, tier);
        (name, field_type, PayloadIndexParams { index_params: Some(params) })
    })
}

/// A tier of memory stands over the older word, which is sent beside it.
fn index_params(index: FieldIndex, tier: Option<MemoryTier>) -> (FieldType, IndexParams) {
    let (on_disk, memory) = (Some(true), tier.map(to_tier));
    let keyword = KeywordIndexParams { on_disk, memory, ..Default::default() };
    match index {
        FieldIndex::Keyword => (FieldType::Keyword, IndexParams::KeywordIndexParams(keyword)),
        FieldIndex::Tenant => {
            let tenant = KeywordIndexParams { is_tenant: Some(true), ..keyword };
            (FieldType::Keyword, IndexParams::KeywordIndexParams(tenant))
        }
        FieldIndex::Uuid => {
            (FieldType::Uuid, IndexParams::UuidIndexParams(UuidIndexParams { on_disk, memory, ..Default::default() }))
        }
        FieldIndex::Integer => {
            let both =
                IntegerIndexParams { lookup: Some(true), range: Some(true), on_disk, memory, ..Default::default() };
            (FieldType::Integer, IndexParams::IntegerIndexParams(both))
        }
        FieldIndex::Datetime => {
            let params = DatetimeIndexParams { on_disk, memory, ..Default::default() };
            (FieldType::Datetime, IndexParams::DatetimeIndexParams(params))
        }
    }
}

/// What a server says of a collection's vectors, in our terms.
///
/// # Errors
/// Configuration, naming the vector, if it is none that Quire makes.
pub(super) fn from_server(collection: &str, params: CollectionParams) -> Result<Schema> {
    let foreign = |what: String| {
        Error::configuration(format!(
            "collection '{collection}' was not made by Quire: {what}; choose another name, or set store.prefix"
        ))
    };
    let mut vectors = Vec::new();
    let map = match params.vectors_config.and_then(|vectors| vectors.config) {
        Some(Vectors::ParamsMap(VectorParamsMap { map })) => map,
        Some(Vectors::Params(_)) => return Err(foreign("it has a vector without a name".into())),
        None => HashMap::new(),
    };
    for (name, params) in map {
        let known = name.parse::<VectorName>().ok();
        let spec = known.and_then(|known| dense(known, &params));
        vectors.push(spec.ok_or_else(|| foreign(format!("its vector '{name}' is {params:?}")))?);
    }
    for (name, params) in params.sparse_vectors_config.unwrap_or_default().map {
        let known = name.parse::<VectorName>().ok();
        let spec = known.and_then(|known| sparse(known, &params));
        vectors.push(spec.ok_or_else(|| foreign(format!("its sparse vector '{name}' is {params:?}")))?);
    }
    vectors.sort_unstable_by_key(|spec| spec.name);
    Ok(Schema { vectors })
}

fn dense(name: VectorName, params: &VectorParams) -> Option<VectorSpec> {
    if params.distance != i32::from(Distance::Dot) {
        return None;
    }
    let dim = usize::try_from(params.size).ok()?;
    let kind = if params.multivector_config.is_some() { VectorKind::Multi { dim } } else { VectorKind::Dense { dim } };
    let hnsw = params.hnsw_config.unwrap_or_default();
    let hnsw_memory = hnsw.memory;
    let hnsw = match (hnsw.m, hnsw.ef_construct) {
        (Some(0), _) | (None, _) => None,
        (Some(m), ef) => Some(HnswSpec { m: usize::try_from(m).ok()?, ef_construct: usize::try_from(ef?).ok()? }),
    };
    Some(VectorSpec {
        name,
        kind,
        datatype: from_datatype(params.datatype)?,
        on_disk: lies_on_disk(params.on_disk, params.memory),
        hnsw,
        quantization: match params.quantization_config {
            Some(config) => Some(quantization::from_server(config)?),
            None => None,
        },
        memory: Tiers {
            vectors: from_tier(params.memory),
            index: from_tier(hnsw_memory),
            quantized: params.quantization_config.as_ref().and_then(quantization::tier_of),
        },
    })
}

/// Where a sparse vector lies is the backend's matter: [`VectorSpec::on_disk`] says nothing of it.
fn sparse(name: VectorName, params: &SparseVectorParams) -> Option<VectorSpec> {
    if params.modifier != Some(Modifier::Idf.into()) {
        return None;
    }
    let datatype = from_datatype(params.index.and_then(|index| index.datatype))?;
    let index = from_tier(params.index.and_then(|index| index.memory));
    Some(VectorSpec {
        name,
        kind: VectorKind::SparseIdf,
        datatype,
        on_disk: false,
        hnsw: None,
        quantization: None,
        memory: Tiers { index, ..Tiers::default() },
    })
}

/// Read from disk when it is needed.
fn lies_on_disk(on_disk: Option<bool>, memory: Option<i32>) -> bool {
    on_disk.unwrap_or(memory == Some(Memory::Cold.into()))
}

fn from_datatype(number: Option<i32>) -> Option<Datatype> {
    match number.map_or(Ok(ServerDatatype::Default), ServerDatatype::try_from).ok()? {
        ServerDatatype::Default | ServerDatatype::Float32 => Some(Datatype::Float32),
        ServerDatatype::Float16 => Some(Datatype::Float16),
        ServerDatatype::Turbo4 => Some(Datatype::Turbo4),
        ServerDatatype::Turbo8 => Some(Datatype::Turbo8),
        ServerDatatype::Turbo16 => Some(Datatype::Turbo16),
        ServerDatatype::Uint8 => None,
    }
}

/// `schema` as a server would tell it, so that two are compared by what a server keeps of them.
///
/// # Errors
/// As [`from_server`].
pub(super) fn as_kept(collection: &str, schema: &Schema) -> Result<Schema> {
    let params = CollectionParams {
        vectors_config: Some(vectors(schema)),
        sparse_vectors_config: Some(sparse_vectors(schema)),
        ..CollectionParams::default()
    };
    from_server(collection, params)
}

#[cfg(test)]
mod tests {
    use qdrant_client::qdrant::quantization_config::Quantization as ServerKind;
    use qdrant_client::qdrant::{QuantizationConfig, TurboQuantization};

    use super::*;
    use crate::store::fixtures;
    use crate::types::{Quantization, TurboBits};

    #[test]
    fn a_schema_comes_back_as_it_was_asked_for() {
        let mut schema = fixtures::schema();
        for quantization in quantization::every() {
            schema.vectors[0].quantization = Some(quantization);
            let kept = as_kept("documents", &schema).unwrap();
            assert_eq!(kept.vectors.len(), 4);
            for spec in &schema.vectors {
                assert_eq!(kept.get(spec.name), Some(spec));
            }
        }
    }

    #[test]
    fn tiers_of_memory_are_read_too() {
        let cold = VectorParams {
            size: 8,
            distance: Distance::Dot.into(),
            memory: Some(Memory::Cold.into()),
            quantization_config: Some(QuantizationConfig {
                quantization: Some(ServerKind::Turboquant(TurboQuantization {
                    memory: Some(Memory::Pinned.into()),
                    ..TurboQuantization::default()
                })),
            }),
            ..VectorParams::default()
        };
        let spec = dense(VectorName::Patches, &cold).unwrap();
        assert!(spec.on_disk);
        let expected = Quantization::Turbo { bits: TurboBits::Bits4, in_memory: true };
        assert_eq!(spec.quantization, Some(expected));
        assert!(!dense(VectorName::Patches, &VectorParams { memory: None, ..cold }).unwrap().on_disk);
    }

    #[test]
    fn tiers_and_datatypes_of_newer_servers_are_asked_for_and_come_back() {
        let mut schema = fixtures::schema();
        let at = |name: &str| schema.vectors.iter().position(|spec| spec.name.as_str() == name).unwrap();
        let (patches, fde, text) = (at("patches"), at("fde"), at("text"));
        schema.vectors[patches].datatype = Datatype::Turbo4;
        schema.vectors[patches].quantization = Some(Quantization::Turbo { bits: TurboBits::Bits1, in_memory: true });
        schema.vectors[patches].memory =
            Tiers { vectors: Some(MemoryTier::Cold), quantized: Some(MemoryTier::Pinned), index: None };
        schema.vectors[fde].memory.index = Some(MemoryTier::Cached);
        schema.vectors[text].memory.index = Some(MemoryTier::Pinned);
        let Some(Vectors::ParamsMap(VectorParamsMap { map })) = vectors(&schema).config else { panic!("named") };
        let asked = &map["patches"];
        assert_eq!((asked.datatype, asked.memory), (Some(ServerDatatype::Turbo4.into()), Some(Memory::Cold.into())));
        assert_eq!(asked.on_disk, None, "the older word would contradict");
        let Some(ServerKind::Turboquant(copies)) = asked.quantization_config.unwrap().quantization else {
            panic!("turbo")
        };
        assert_eq!((copies.always_ram, copies.memory), (None, Some(Memory::Pinned.into())));
        let graph = map["fde"].hnsw_config.unwrap();
        assert_eq!((graph.on_disk, graph.memory), (None, Some(Memory::Cached.into())));
        let index = sparse_vectors(&schema).map["text"].index.unwrap();
        assert_eq!((index.on_disk, index.memory), (None, Some(Memory::Pinned.into())));
        let kept = as_kept("documents", &schema).unwrap();
        for spec in [patches, fde, text].map(|at| &schema.vectors[at]) {
            assert_eq!(kept.get(spec.name).unwrap().memory, spec.memory);
            assert_eq!(kept.get(spec.name).unwrap().datatype, spec.datatype);
        }
    }

    #[test]
    fn a_multivector_has_no_graph_and_inherits_none() {
        let Some(Vectors::ParamsMap(VectorParamsMap { map })) = vectors(&fixtures::schema()).config else {
            panic!("vectors have names")
        };
        let (patches, fde) = (&map["patches"], &map["fde"]);
        let graph = patches.hnsw_config.unwrap();
        assert_eq!((graph.m, graph.payload_m), (Some(0), Some(0)));
        assert!(patches.multivector_config.is_some() && fde.multivector_config.is_none());
        assert_eq!(fde.hnsw_config.unwrap().m, Some(8));
        assert_eq!(patches.datatype, Some(ServerDatatype::Float16.into()));
    }

    #[test]
    fn somebody_elses_vectors_are_told() {
        let mut config = vectors(&fixtures::schema());
        let Some(Vectors::ParamsMap(VectorParamsMap { map })) = &mut config.config else {
            panic!("vectors have names")
        };
        map.get_mut("patches").unwrap().distance = Distance::Cosine.into();
        let params = CollectionParams { vectors_config: Some(config), ..CollectionParams::default() };
        let error = from_server("documents", params).unwrap_err().to_string();
        assert!(error.contains("documents") && error.contains("patches"), "{error}");
    }

    #[test]
    fn tenants_are_kept_together() {
        let (_, _, params) = payload_indexes(None).find(|(name, ..)| *name == "tenant").unwrap();
        let Some(IndexParams::KeywordIndexParams(keyword)) = params.index_params else { panic!("a keyword") };
        assert_eq!((keyword.is_tenant, keyword.memory), (Some(true), None));
        for (field, _, params) in payload_indexes(Some(MemoryTier::Pinned)) {
            let memory = match params.index_params.unwrap() {
                IndexParams::KeywordIndexParams(params) => params.memory,
                IndexParams::UuidIndexParams(params) => params.memory,
                IndexParams::IntegerIndexParams(params) => params.memory,
                IndexParams::DatetimeIndexParams(params) => params.memory,
                other => panic!("{field}: {other:?}"),
            };
            assert_eq!(memory, Some(to_tier(MemoryTier::Pinned)), "{field}");
        }
    }
}
