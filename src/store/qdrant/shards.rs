//! Shards a tenant: a collection that was made so (`store.shard_by_tenant`) keeps the pages of each tenant in shards of their
//! own, whose key is the tenant. They are made with the tenant's first page. Whoever reads or writes a tenant's pages names the
//! key, so that no other tenant's shards are asked; what looks at every tenant's points (upkeep) names none.
//!
//! How a collection is sharded is what the server says of it, never what the configuration says now: no setting changes it.

use std::collections::{HashMap, HashSet};
use std::sync::{PoisonError, RwLock};

use qdrant_client::QdrantError;
use qdrant_client::qdrant::shard_key::Key;
use qdrant_client::qdrant::{
    CollectionInfo, CreateShardKey, CreateShardKeyRequest, ShardKey, ShardKeySelector, ShardingMethod,
};

use super::connection::Connection;
use super::errors::{exists_already, is_missing, store_error};
use crate::config;
use crate::error::{Error, Result};
use crate::types::Tenant;

/// Which collections are sharded by tenants, and which shards are there.
#[derive(Default)]
pub(super) struct TenantShards {
    /// By names on the server: tenants that are known to have shards.
    known: RwLock<HashMap<String, HashSet<Tenant>>>,
}

impl TenantShards {
    /// Takes note of how a collection is sharded.
    pub fn learn(&self, name: &str, info: &CollectionInfo) {
        if is_by_tenant(info) {
            self.known.write().unwrap_or_else(PoisonError::into_inner).entry(name.to_owned()).or_default();
        }
    }

    pub fn forget(&self, name: &str) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// Whether the collection, which was looked at before, is sharded so.
    pub fn are_in(&self, name: &str) -> bool {
        self.known.read().unwrap_or_else(PoisonError::into_inner).contains_key(name)
    }

    /// The shards of the tenant; None where the collection is not sharded by tenants, whose requests name no shards.
    pub fn of(&self, name: &str, tenant: &Tenant) -> Option<ShardKeySelector> {
        self.are_in(name).then(|| ShardKeySelector { shard_keys: vec![key(tenant)], fallback: None })
    }

    /// Makes the tenant's shards where they are wanted and not there.
    ///
    /// # Errors
    /// As [`store_error`]; configuration, where the server runs without cluster mode.
    pub async fn make(
        &self,
        connection: &Connection,
        settings: &config::Server,
        name: &str,
        tenant: &Tenant,
    ) -> Result<()> {
        let known = |known: &HashMap<String, HashSet<Tenant>>| known.get(name).is_none_or(|made| made.contains(tenant));
        if known(&self.known.read().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(());
        }
        let request = request(settings, name, tenant);
        match connection.try_call(|client| client.create_shard_key(request)).await? {
            // Another process may have been faster.
            Err(error) if !exists_already(&error) => {
                return Err(refused(connection, &format!("make shards of a tenant in '{name}'"), error));
            }
            _ => {}
        }
        if let Some(made) = self.known.write().unwrap_or_else(PoisonError::into_inner).get_mut(name) {
            made.insert(tenant.clone());
        }
        Ok(())
    }
}

/// Whether the server can shard by keys. A server without cluster mode makes such a collection all the same, and then takes no
/// page into it: so it is asked for a key of a collection that is not there yet, which changes nothing.
///
/// # Errors
/// Configuration, where it cannot.
pub(super) async fn check_cluster(connection: &Connection, settings: &config::Server, absent: &str) -> Result<()> {
    let request = request(settings, absent, &Tenant("quire".into()));
    match connection.try_call(|client| client.create_shard_key(request)).await? {
        // There is none of that name, or another process has made it just now: either way the server knows keys.
        Ok(_) => Ok(()),
        Err(error) if is_missing(&error) || exists_already(&error) => Ok(()),
        Err(error) => Err(refused(connection, "tell whether it shards by keys", error)),
    }
}

fn request(settings: &config::Server, name: &str, tenant: &Tenant) -> CreateShardKeyRequest {
    CreateShardKeyRequest {
        collection_name: name.to_owned(),
        request: Some(CreateShardKey {
            shard_key: Some(key(tenant)),
            shards_number: settings.shards,
            replication_factor: settings.replication_factor,
            ..CreateShardKey::default()
        }),
        timeout: Some(settings.timeout.as_secs().max(1)),
    }
}

fn key(tenant: &Tenant) -> ShardKey {
    ShardKey { key: Some(Key::Keyword(tenant.0.clone())) }
}

fn is_by_tenant(info: &CollectionInfo) -> bool {
    let params = info.config.as_ref().and_then(|config| config.params.as_ref());
    params.and_then(|params| params.sharding_method) == Some(ShardingMethod::Custom.into())
}

fn refused(connection: &Connection, action: &str, error: QdrantError) -> Error {
    if said(&error).contains("Distributed mode disabled") {
        return Error::configuration(format!(
            "the Qdrant server at {} runs without cluster mode, which shards by tenants need: start it with \
             QDRANT__CLUSTER__ENABLED=true, or leave out store.shard_by_tenant",
            connection.url()
        ))
        .with_source(error);
    }
    store_error(connection.url(), action, error)
}

/// What a read found; nothing where the tenant has no shards, since it has no page.
///
/// # Errors
/// As [`store_error`].
pub(super) fn or_nothing<T: Default>(
    connection: &Connection,
    action: &str,
    found: std::result::Result<T, QdrantError>,
) -> Result<T> {
    match found {
        Err(error) if lacks_shards(&error) => Ok(T::default()),
        found => found.map_err(|error| store_error(connection.url(), action, error)),
    }
}

/// `Shard key "acme" not found`, with words before it that differ.
fn lacks_shards(error: &QdrantError) -> bool {
    let said = said(error);
    said.contains("Shard key \"") && said.ends_with("\" not found")
}

fn said(error: &QdrantError) -> &str {
    match error {
        QdrantError::ResponseError { status } => status.message(),
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use qdrant_client::qdrant::{CollectionConfig, CollectionParams};
    use tonic::{Code, Status};

    use super::*;
    use crate::error::Kind;

    fn info(method: Option<ShardingMethod>) -> CollectionInfo {
        let params = CollectionParams { sharding_method: method.map(Into::into), ..CollectionParams::default() };
        let config = CollectionConfig { params: Some(params), ..CollectionConfig::default() };
        CollectionInfo { config: Some(config), ..CollectionInfo::default() }
    }

    #[test]
    fn shards_are_named_only_where_the_server_says_that_there_are_any() {
        let shards = TenantShards::default();
        let acme = Tenant("acme".into());
        for (name, method) in
            [("old", None), ("plain", Some(ShardingMethod::Auto)), ("own", Some(ShardingMethod::Custom))]
        {
            shards.learn(name, &info(method));
        }
        assert!(shards.of("old", &acme).is_none() && shards.of("plain", &acme).is_none());
        assert_eq!(shards.of("own", &acme).unwrap().shard_keys, [key(&acme)]);
        assert!(shards.of("own", &acme).unwrap().fallback.is_none(), "another tenant's shards are never asked");
        shards.forget("own");
        assert!(shards.of("own", &acme).is_none());
    }

    #[test]
    fn a_tenant_without_shards_has_nothing_and_other_failures_stay_failures() {
        let connection = Connection::new(&config::Server::at("http://localhost:6334")).unwrap();
        let of = |message: &str| -> Result<Vec<u8>> {
            or_nothing(&connection, "read points", Err(Status::new(Code::InvalidArgument, message).into()))
        };
        assert_eq!(of("Bad request: Shard key \"acme\" not found").unwrap(), [0_u8; 0]);
        assert!(of("Wrong input: Shard key not specified").is_err());
        assert!(of("Wrong input: Vector dimension error").is_err());
    }

    #[test]
    fn a_server_without_cluster_mode_is_told_what_to_do() {
        let connection = Connection::new(&config::Server::at("http://localhost:6334")).unwrap();
        let status = Status::new(Code::InvalidArgument, "Bad request: Distributed mode disabled");
        let error = refused(&connection, "make shards", status.into());
        assert_eq!(error.kind(), Kind::Configuration);
        for part in ["QDRANT__CLUSTER__ENABLED", "store.shard_by_tenant"] {
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
