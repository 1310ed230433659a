//! Vectors that a filled collection is given, or loses, where it is: `CreateVectorName` and `DeleteVectorName`, servers from 1.18
//! on. Also for collections that Quire did not make: nothing here looks at what else there is.
#![expect(deprecated, reason = "a server of 1.18 knows no other words for where data lies")]

use std::collections::HashMap;

use qdrant_client::qdrant::condition::ConditionOneOf;
use qdrant_client::qdrant::create_vector_name_request::VectorConfig;
use qdrant_client::qdrant::quantization_config::Quantization as ServerKind;
use qdrant_client::qdrant::quantization_config_diff::Quantization as DiffKind;
use qdrant_client::qdrant::vectors_config::Config as Vectors;
use qdrant_client::qdrant::vectors_config_diff::Config as VectorsDiff;
use qdrant_client::qdrant::{
    Condition, CreateVectorNameRequest, DeleteVectorNameRequest, DenseVectorCreationConfig, Filter, HasVectorCondition,
    QuantizationConfigDiff, SparseVectorConfig, SparseVectorCreationConfig, SparseVectorParams, UpdateCollection,
    VectorParams, VectorParamsDiff, VectorParamsDiffMap, VectorParamsMap, VectorsConfigDiff,
};

use super::connection::Connection;
use super::{newer, schema};
use crate::error::{Error, Result};
use crate::types::{Schema, VectorSpec};

/// Points that have the vector `from` and none called `vector`.
pub(super) fn lacking(vector: &str, from: &str) -> Filter {
    Filter { must: vec![has(from)], must_not: vec![has(vector)], ..Filter::default() }
}

/// Points that have the vector.
pub(super) fn having(vector: &str) -> Filter {
    Filter { must: vec![has(vector)], ..Filter::default() }
}

fn has(vector: &str) -> Condition {
    Condition {
        condition_one_of: Some(ConditionOneOf::HasVector(HasVectorCondition { has_vector: vector.to_owned() })),
    }
}

/// Gives a collection of Quire's the vector; nothing but its settings where it has it.
pub(super) async fn add(connection: &Connection, name: &str, spec: &VectorSpec) -> Result<()> {
    let alone = Schema { vectors: vec![spec.clone()] };
    newer::check(&alone, connection.server().await?)?;
    let vector = spec.name.as_str();
    if let Some(Vectors::ParamsMap(VectorParamsMap { mut map })) = schema::vectors(&alone).config
        && let Some(params) = map.remove(vector)
    {
        return add_dense(connection, name, vector, params).await;
    }
    let params = schema::sparse_vectors(&alone).map.remove(vector).unwrap_or_default();
    add_sparse(connection, name, vector, params).await
}

/// A dense vector or a multivector. The server makes it with its shape alone; how it is kept is said afterwards.
///
/// # Errors
/// Configuration, if the server is too old, or the collection has another vector of that name.
pub(super) async fn add_dense(connection: &Connection, name: &str, vector: &str, params: VectorParams) -> Result<()> {
    let shape = DenseVectorCreationConfig {
        size: params.size,
        distance: params.distance,
        multivector_config: params.multivector_config,
        datatype: params.datatype,
    };
    create(connection, name, vector, VectorConfig::DenseConfig(shape)).await?;
    let kept = VectorParamsDiff {
        hnsw_config: params.hnsw_config,
        quantization_config: params.quantization_config.and_then(|config| config.quantization).map(as_change),
        on_disk: params.on_disk,
        memory: params.memory,
    };
    let map = HashMap::from([(vector.to_owned(), kept)]);
    let vectors = VectorsConfigDiff { config: Some(VectorsDiff::ParamsMap(VectorParamsDiffMap { map })) };
    update(connection, name, UpdateCollection { vectors_config: Some(vectors), ..UpdateCollection::default() }).await
}

async fn add_sparse(connection: &Connection, name: &str, vector: &str, params: SparseVectorParams) -> Result<()> {
    let shape = SparseVectorCreationConfig {
        modifier: params.modifier,
        datatype: params.index.and_then(|index| index.datatype),
    };
    create(connection, name, vector, VectorConfig::SparseConfig(shape)).await?;
    let sparse = SparseVectorConfig { map: HashMap::from([(vector.to_owned(), params)]) };
    update(connection, name, UpdateCollection { sparse_vectors_config: Some(sparse), ..UpdateCollection::default() })
        .await
}

/// # Errors
/// Configuration, if the server is too old.
pub(super) async fn check_version(connection: &Connection) -> Result<()> {
    let server = connection.server().await?;
    if server.version.has_vector_names() {
        return Ok(());
    }
    Err(Error::configuration(format!(
        "the Qdrant server has version {}: a filled collection can be given vectors from 1.18 on",
        server.release
    )))
}

async fn create(connection: &Connection, name: &str, vector: &str, config: VectorConfig) -> Result<()> {
    check_version(connection).await?;
    let request = CreateVectorNameRequest {
        collection_name: name.to_owned(),
        wait: Some(true),
        vector_name: vector.to_owned(),
        vector_config: Some(config),
        ..CreateVectorNameRequest::default()
    };
    let action = format!("give collection '{name}' the vector '{vector}'");
    connection.call(&action, |client| client.create_vector_name(request)).await.map(drop)
}

async fn update(connection: &Connection, name: &str, request: UpdateCollection) -> Result<()> {
    let request = UpdateCollection { collection_name: name.to_owned(), ..request };
    let action = format!("set how collection '{name}' keeps a vector");
    connection.call(&action, |client| client.update_collection(request)).await.map(drop)
}

/// The same in the words of a change.
fn as_change(quantization: ServerKind) -> QuantizationConfigDiff {
    let quantization = match quantization {
        ServerKind::Scalar(scalar) => DiffKind::Scalar(scalar),
        ServerKind::Product(product) => DiffKind::Product(product),
        ServerKind::Binary(binary) => DiffKind::Binary(binary),
        ServerKind::Turboquant(turbo) => DiffKind::Turboquant(turbo),
    };
    QuantizationConfigDiff { quantization: Some(quantization) }
}

/// Takes the vector from the collection and all its points; nothing where there is none of that name.
pub(super) async fn remove(connection: &Connection, name: &str, vector: &str) -> Result<()> {
    let request = DeleteVectorNameRequest {
        collection_name: name.to_owned(),
        wait: Some(true),
        vector_name: vector.to_owned(),
        ..DeleteVectorNameRequest::default()
    };
    let action = format!("take the vector '{vector}' from collection '{name}'");
    connection.call(&action, |client| client.delete_vector_name(request)).await.map(drop)
}
