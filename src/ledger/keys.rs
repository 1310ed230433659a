//! What requests are held against: keys, of which the ledger keeps a hash alone; secrets that all processes share; answers to
//! requests that may come twice.
//!
//! A key that was revoked stays in the list: once there are keys, nobody is let in without one any more.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::types::{Groups, Permission, Tenant};

/// What is known of a key. Its secret is not among it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// The part of the key that may be shown.
    pub key_id: String,
    /// What people call it.
    pub name: String,
    pub tenant: Tenant,
    #[serde(rename = "scopes")]
    pub permissions: Vec<Permission>,
    pub groups: Vec<String>,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339; None: it holds until it is revoked.
    pub expires_at: Option<String>,
    pub revoked_at: Option<String>,
}

impl KeyRecord {
    /// Which documents of the tenant are seen with it.
    pub fn sees(&self) -> Groups {
        if self.permissions.contains(&Permission::Admin) { Groups::All } else { Groups::Of(self.groups.clone()) }
    }
}

/// A key that is to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey {
    pub key_id: String,
    pub name: String,
    pub tenant: Tenant,
    pub permissions: Vec<Permission>,
    pub groups: Vec<String>,
    pub secret_hash: String,
    /// Unix milliseconds.
    pub expires_at_ms: Option<i64>,
}

/// A key that holds, with the hash of its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldKey {
    pub record: KeyRecord,
    pub secret_hash: String,
}

/// The answer that a request was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// What was asked for: another request under the same key is another one by mistake.
    pub request: String,
    /// The answer, as JSON.
    pub response: String,
}

/// Keys, secrets, receipts. Every method is one transaction, durable when it returns.
#[async_trait]
pub trait Keys: Send + Sync {
    /// # Errors
    /// A bug: the id is taken.
    async fn put_key(&self, key: &NewKey) -> Result<KeyRecord>;

    /// The key of this id, if it holds: not revoked, not expired.
    async fn valid_key(&self, key_id: &str) -> Result<Option<HeldKey>>;

    /// Every key, also those that hold no more, the oldest first; of a tenant or of all.
    async fn keys(&self, tenant: Option<&Tenant>) -> Result<Vec<KeyRecord>>;

    /// Whether any key was ever made.
    async fn has_keys(&self) -> Result<bool>;

    /// From now on the key does not hold; None if there is none of this id.
    async fn revoke_key(&self, key_id: &str) -> Result<Option<KeyRecord>>;

    /// The secret of this name: `candidate` if there was none.
    async fn secret(&self, name: &str, candidate: &str) -> Result<String>;

    /// What a request under this key of the tenant's was answered with.
    async fn receipt(&self, tenant: &Tenant, request_key: &str) -> Result<Option<Receipt>>;

    /// Keeps an answer for a day; the first one stays.
    async fn put_receipt(&self, tenant: &Tenant, request_key: &str, receipt: &Receipt) -> Result<()>;
}
