//! Keys: made here, shown once, known again by their hash.
//!
//! A key is `qk_ID_SECRET`. The id finds its row; of the secret only a hash is kept, and it is compared in constant time, so that
//! neither the ledger nor a clock tells it. The secret is drawn, long and never reused: a fast hash is enough.

use serde::Serialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::App;
use crate::error::{Error, Result};
use crate::ledger::{KeyRecord, NewKey};
use crate::types::{Permission, Tenant, check_group};

/// How keys begin: people and scanners of repositories know them by it.
const PREFIX: &str = "qk_";
/// Hexadecimal digits of an id.
const ID_DIGITS: usize = 12;
/// Longest name of a key or a tenant, in characters.
const MAX_NAME: usize = 128;

/// A key that is to be made.
#[derive(Debug, Clone)]
pub struct KeyRequest {
    /// What people call it.
    pub name: String,
    pub tenant: Tenant,
    pub permissions: Vec<Permission>,
    pub groups: Vec<String>,
    /// RFC 3339; None: it holds until it is revoked.
    pub expires: Option<jiff::Timestamp>,
}

/// A key that was just made: the only time that it is seen.
#[derive(Serialize)]
pub struct CreatedKey {
    pub key: String,
    #[serde(flatten)]
    pub record: KeyRecord,
}

impl App {
    /// Makes a key.
    ///
    /// # Errors
    /// Configuration: a name is empty or too long, no scope is named, or the key would have expired already.
    pub async fn create_key(&self, request: &KeyRequest) -> Result<CreatedKey> {
        check(request)?;
        let id = Uuid::new_v4().simple().to_string()[..ID_DIGITS].to_owned();
        let secret = random_secret();
        let mut permissions = request.permissions.clone();
        permissions.sort();
        permissions.dedup();
        let new = NewKey {
            key_id: id.clone(),
            name: request.name.clone(),
            tenant: request.tenant.clone(),
            permissions,
            groups: request.groups.clone(),
            secret_hash: hash(&secret),
            expires_at_ms: request.expires.map(|moment| moment.as_millisecond()),
        };
        let record = self.ledger.put_key(&new).await?;
        Ok(CreatedKey { key: format!("{PREFIX}{id}_{secret}"), record })
    }

    /// Every key, also those that hold no more; of a tenant or of all.
    pub async fn keys(&self, tenant: Option<&Tenant>) -> Result<Vec<KeyRecord>> {
        self.ledger.keys(tenant).await
    }

    /// From now on the key of this id does not hold.
    ///
    /// # Errors
    /// Permanent: there is none.
    pub async fn revoke_key(&self, id: &str) -> Result<KeyRecord> {
        let revoked = self.ledger.revoke_key(id).await?;
        revoked
            .ok_or_else(|| Error::permanent(format!("there is no key '{id}': `quire keys list` shows what there is")))
    }

    /// Whether whoever asks must show who they are.
    pub async fn has_keys(&self) -> Result<bool> {
        self.ledger.has_keys().await
    }

    /// Whose key this is; None: nobody's, or it holds no more.
    pub async fn authenticate(&self, key: &str) -> Result<Option<KeyRecord>> {
        let Some((id, secret)) = key.strip_prefix(PREFIX).and_then(|rest| rest.split_once('_')) else {
            return Ok(None);
        };
        let held = self.ledger.valid_key(id).await?;
        // compared also where there is no such key: the time taken tells nothing
        let expected = held.as_ref().map_or_else(|| hash(""), |held| held.secret_hash.clone());
        let same: bool = hash(secret).as_bytes().ct_eq(expected.as_bytes()).into();
        Ok(held.filter(|_| same).map(|held| held.record))
    }

    /// A secret that all processes of this installation share, made when it is first needed.
    pub async fn shared_secret(&self, name: &str) -> Result<String> {
        self.ledger.secret(name, &random_secret()).await
    }
}

fn check(request: &KeyRequest) -> Result<()> {
    for (what, name) in [("a key", &request.name), ("a tenant", &request.tenant.0)] {
        if name.trim().is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
            return Err(Error::configuration(format!(
                "'{name}' can't be the name of {what}: 1 to {MAX_NAME} characters are expected"
            )));
        }
    }
    request.groups.iter().try_for_each(|group| check_group(group))?;
    if request.permissions.is_empty() {
        return Err(Error::configuration(
            "a key without a scope is good for nothing: read, write or admin is expected",
        ));
    }
    match request.expires {
        Some(expires) if expires <= jiff::Timestamp::now() => Err(Error::configuration(format!(
            "a key that expires at {expires} holds no more: a later moment is expected"
        ))),
        _ => Ok(()),
    }
}

/// 244 drawn bits, as 64 hexadecimal digits.
fn random_secret() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

fn hash(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}
