//! Collections of a server: made and compared with what is asked for, found again, given an identity and an alias.
//!
//! A collection's identity lies in its metadata, so that it goes where the collection goes: into snapshots and back.
#![expect(deprecated, reason = "servers before 1.19 know no other word for a payload that lies on disk")]

use std::collections::HashMap;

use qdrant_client::qdrant::{
    AliasDescription, CollectionConfig, CollectionInfo, CreateAlias, CreateCollection, CreateFieldIndexCollection,
    DeleteCollection, OptimizersConfigDiff, PayloadStorageParams, ShardingMethod, UpdateCollection,
};
use serde_json::Value as Json;

use super::connection::Connection;
use super::errors::{exists_already, is_missing, store_error};
use super::quantization::to_tier;
use super::{json, schema};
use crate::config;
use crate::error::{Error, Result};
use crate::types::{MemoryTier, Schema};

/// Metadata: which form of points and metadata this is.
const FORMAT_KEY: &str = "quire_format";
/// The form that this program writes, and the newest that it reads.
const FORMAT: i64 = 1;
/// Metadata: the identity that the collection was given.
const INCARNATION_KEY: &str = "quire_incarnation";

/// What the server says of a collection; None if there is none of exactly this name.
pub(super) async fn find(connection: &Connection, name: &str) -> Result<Option<CollectionInfo>> {
    match connection.try_call(|client| client.collection_info(name.to_owned())).await? {
        Ok(response) => Ok(response.result),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(store_error(connection.url(), "tell of a collection", error)),
    }
}

/// The vectors of a collection that Quire made.
///
/// # Errors
/// Configuration, if somebody else made it, or a newer Quire.
pub(super) fn schema_of(name: &str, info: &CollectionInfo) -> Result<Schema> {
    let config = config_of(name, info)?;
    match metadata(config, FORMAT_KEY).and_then(|format| format.as_i64()) {
        None => Err(foreign(name)),
        Some(format) if format > FORMAT => Err(Error::configuration(format!(
            "collection '{name}' has format {format}, this version of Quire reads up to {FORMAT}: use the newer version that \
             made it"
        ))),
        Some(_) => schema::from_server(name, config.params.clone().unwrap_or_default()),
    }
}

/// Whether Quire made the collection.
pub(super) fn is_ours(name: &str, info: &CollectionInfo) -> Result<bool> {
    Ok(metadata(config_of(name, info)?, FORMAT_KEY).is_some())
}

fn foreign(name: &str) -> Error {
    Error::configuration(format!(
        "the server's collection '{name}' was not made by Quire and is left alone: choose another name, or set store.prefix"
    ))
}

/// The identity that the collection was given.
pub(super) fn incarnation(name: &str, info: &CollectionInfo) -> Result<Option<String>> {
    let id = metadata(config_of(name, info)?, INCARNATION_KEY);
    Ok(id.and_then(|id| id.as_str().map(str::to_owned)))
}

fn config_of<'a>(name: &str, info: &'a CollectionInfo) -> Result<&'a CollectionConfig> {
    info.config.as_ref().ok_or_else(|| Error::transient(format!("the server told nothing of collection '{name}'")))
}

fn metadata(config: &CollectionConfig, key: &str) -> Option<Json> {
    config.metadata.get(key).cloned().map(json::from_value)
}

/// Makes a collection without payload indexes; nothing if another process was faster.
pub(super) async fn create(
    connection: &Connection,
    name: &str,
    schema: &Schema,
    settings: &config::Server,
    indexing_threshold_kb: Option<usize>,
) -> Result<()> {
    let request = request(name, schema, settings, indexing_threshold_kb);
    match connection.try_call(|client| client.create_collection(request)).await? {
        Err(error) if !exists_already(&error) => {
            Err(store_error(connection.url(), &format!("make collection '{name}'"), error))
        }
        _ => Ok(()),
    }
}

fn request(
    name: &str,
    schema: &Schema,
    settings: &config::Server,
    indexing_threshold_kb: Option<usize>,
) -> CreateCollection {
    // A tenant's shards are made with its first page, as many as the settings say.
    let sharding_method = settings.shard_by_tenant.then(|| ShardingMethod::Custom.into());
    let optimizers = indexing_threshold_kb
        .map(|kb| OptimizersConfigDiff { indexing_threshold: Some(kb as u64), ..OptimizersConfigDiff::default() });
    CreateCollection {
        collection_name: name.to_owned(),
        vectors_config: Some(schema::vectors(schema)),
        sparse_vectors_config: Some(schema::sparse_vectors(schema)),
        on_disk_payload: Some(true),
        optimizers_config: optimizers,
        shard_number: settings.shards,
        sharding_method,
        replication_factor: settings.replication_factor,
        write_consistency_factor: settings.write_consistency_factor,
        timeout: Some(settings.timeout.as_secs()),
        // Where it is given, it stands over the older word.
        payload: settings.payload_memory.map(|tier| PayloadStorageParams { memory: Some(to_tier(tier)) }),
        metadata: HashMap::from([(FORMAT_KEY.to_owned(), json::to_value(FORMAT.into()))]),
        ..CreateCollection::default()
    }
}

/// Makes the payload indexes that the collection lacks: all of a new one, the rest of one whose making was interrupted.
pub(super) async fn index_payload(
    connection: &Connection,
    name: &str,
    info: &CollectionInfo,
    tier: Option<MemoryTier>,
) -> Result<()> {
    for (field, field_type, params) in schema::payload_indexes(tier) {
        if info.payload_schema.contains_key(field) {
            continue;
        }
        let request = CreateFieldIndexCollection {
            collection_name: name.to_owned(),
            wait: Some(true),
            field_name: field.to_owned(),
            field_type: Some(field_type.into()),
            field_index_params: Some(params),
            ..CreateFieldIndexCollection::default()
        };
        connection.call(&format!("index '{field}' of '{name}'"), |client| client.create_field_index(request)).await?;
    }
    Ok(())
}

/// Durable when it returns: the server writes the file of a collection's configuration as a whole, and syncs it.
pub(super) async fn set_incarnation(connection: &Connection, name: &str, id: &str) -> Result<()> {
    let request = UpdateCollection {
        collection_name: name.to_owned(),
        metadata: HashMap::from([(INCARNATION_KEY.to_owned(), json::to_value(id.into()))]),
        ..UpdateCollection::default()
    };
    let action = format!("give collection '{name}' its identity");
    connection.call(&action, |client| client.update_collection(request)).await.map(drop)
}

/// Not an error if there is none.
///
/// # Errors
/// Configuration, if somebody else made it.
pub(super) async fn remove(connection: &Connection, name: &str, settings: &config::Server) -> Result<()> {
    let Some(info) = find(connection, name).await? else { return Ok(()) };
    if metadata(config_of(name, &info)?, FORMAT_KEY).is_none() {
        return Err(foreign(name));
    }
    let request = DeleteCollection { collection_name: name.to_owned(), timeout: Some(settings.timeout.as_secs()) };
    match connection.try_call(|client| client.delete_collection(request)).await? {
        Err(error) if !is_missing(&error) => {
            Err(store_error(connection.url(), &format!("drop collection '{name}'"), error))
        }
        _ => Ok(()),
    }
}

/// Moves an alias to a collection, or makes it: one step for whoever asks by the alias, since the server replaces what an
/// alias of that name meant before.
///
/// # Errors
/// Configuration, if a collection itself has the alias's name.
pub(super) async fn publish(connection: &Connection, alias: &str, name: &str) -> Result<()> {
    let aliases = connection.call("list its aliases", |client| client.list_aliases()).await?.aliases;
    let known = |entry: &&AliasDescription| entry.alias_name == alias;
    let before = aliases.iter().find(known).map(|entry| entry.collection_name.as_str());
    if before == Some(name) {
        return Ok(());
    }
    let request = CreateAlias { collection_name: name.to_owned(), alias_name: alias.to_owned() };
    match connection.try_call(|client| client.create_alias(request)).await? {
        Ok(_) => {
            tracing::info!(alias, collection = name, before, "the alias leads to this collection from now on");
            Ok(())
        }
        Err(error) if exists_already(&error) => Err(Error::configuration(format!(
            "the server has a collection '{alias}', so that no alias of that name can lead to Quire's '{name}': choose another \
             name for the collection, or set store.prefix"
        ))
        .with_source(error)),
        Err(error) => Err(store_error(connection.url(), &format!("name collection '{name}' '{alias}'"), error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fixtures;

    #[test]
    fn a_collection_is_made_as_the_configuration_says() {
        let settings = config::Server {
            shards: Some(6),
            replication_factor: Some(2),
            write_consistency_factor: Some(2),
            ..config::Server::at("http://localhost:6334")
        };
        let request = request("documents--1", &fixtures::schema(), &settings, Some(50_000));
        assert_eq!(request.shard_number, Some(6));
        assert_eq!((request.replication_factor, request.write_consistency_factor), (Some(2), Some(2)));
        assert_eq!(request.optimizers_config.unwrap().indexing_threshold, Some(50_000));
        assert_eq!(request.on_disk_payload, Some(true));
        let plain = config::Server::at("http://localhost:6334");
        let request = self::request("documents--1", &fixtures::schema(), &plain, None);
        assert!(request.shard_number.is_none() && request.optimizers_config.is_none(), "the server's own");
        assert!(request.sharding_method.is_none() && request.payload.is_none());
        let cold = config::Server { payload_memory: Some(MemoryTier::Cold), ..plain.clone() };
        let request = self::request("documents--1", &fixtures::schema(), &cold, None);
        assert_eq!(request.payload.unwrap().memory, Some(to_tier(MemoryTier::Cold)));
        let by_tenant = config::Server { shard_by_tenant: true, ..plain };
        let request = self::request("documents--1", &fixtures::schema(), &by_tenant, None);
        assert_eq!(request.sharding_method, Some(ShardingMethod::Custom.into()));
    }

    #[test]
    fn the_identity_is_read_from_the_metadata() {
        let mut config = CollectionConfig::default();
        let info = |config: &CollectionConfig| CollectionInfo { config: Some(config.clone()), ..Default::default() };
        assert_eq!(incarnation("d", &info(&config)).unwrap(), None);
        config.metadata.insert(INCARNATION_KEY.into(), json::to_value("one".into()));
        assert_eq!(incarnation("d", &info(&config)).unwrap().as_deref(), Some("one"));
        let error = schema_of("d", &info(&config)).unwrap_err();
        assert!(error.to_string().contains("not made by Quire"), "{error}");
        config.metadata.insert(FORMAT_KEY.into(), json::to_value(7.into()));
        let error = schema_of("d", &info(&config)).unwrap_err();
        assert!(error.to_string().contains("format 7"), "{error}");
    }
}
