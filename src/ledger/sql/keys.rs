//! Keys, secrets and receipts.

use std::time::Duration;

use async_trait::async_trait;

use super::SqlLedger;
use super::database::{Database, Statement};
use super::rows::{self, to_json};
use super::statements as sql;
use crate::error::{Error, Result};
use crate::ledger::{HeldKey, KeyRecord, Keys, NewKey, Receipt};
use crate::types::Tenant;

/// How long the answer to a request is kept.
const RECEIPTS_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

#[async_trait]
impl<D: Database> Keys for SqlLedger<D> {
    async fn put_key(&self, key: &NewKey) -> Result<KeyRecord> {
        let mut writing = self.begin().await?;
        let now_ms = writing.now_ms;
        let taken = writing.row(Statement::new(sql::KEY).with(key.key_id.as_str()), rows::key).await?;
        if taken.is_some() {
            return Err(Error::bug(format!("there is a key {} already", key.key_id)));
        }
        let insert = Statement::new(sql::INSERT_KEY)
            .with(key.key_id.as_str())
            .with(key.name.as_str())
            .with(key.tenant.0.as_str())
            .with(to_json(&key.permissions)?)
            .with(to_json(&key.groups)?)
            .with(key.secret_hash.as_str())
            .with(now_ms)
            .with(key.expires_at_ms.unwrap_or_default());
        writing.run(insert).await?;
        let record = writing.row(Statement::new(sql::KEY).with(key.key_id.as_str()), rows::key).await?;
        writing.commit().await?;
        record.ok_or_else(|| Error::bug("a key that was just written is not there"))
    }

    async fn valid_key(&self, key_id: &str) -> Result<Option<HeldKey>> {
        let now_ms = self.database.now_ms().await?;
        self.read_one(Statement::new(sql::VALID_KEY).with(key_id).with(now_ms), rows::held_key).await
    }

    async fn keys(&self, tenant: Option<&Tenant>) -> Result<Vec<KeyRecord>> {
        self.read(Statement::new(sql::KEYS).with(tenant.map(|tenant| tenant.0.as_str())), rows::key).await
    }

    async fn has_keys(&self) -> Result<bool> {
        Ok(!self.database.read(Statement::new(sql::ANY_KEY)).await?.is_empty())
    }

    async fn revoke_key(&self, key_id: &str) -> Result<Option<KeyRecord>> {
        let mut writing = self.begin().await?;
        let now_ms = writing.now_ms;
        writing.run(Statement::new(sql::REVOKE_KEY).with(key_id).with(now_ms)).await?;
        let record = writing.row(Statement::new(sql::KEY).with(key_id), rows::key).await?;
        writing.commit().await?;
        Ok(record)
    }

    async fn secret(&self, name: &str, candidate: &str) -> Result<String> {
        if let Some(kept) = self.read_one(Statement::new(sql::SECRET).with(name), rows::value).await? {
            return Ok(kept);
        }
        let mut writing = self.begin().await?;
        writing.run(Statement::new(sql::KEEP_SECRET).with(name).with(candidate)).await?;
        let kept = writing.row(Statement::new(sql::SECRET).with(name), rows::value).await?;
        writing.commit().await?;
        kept.ok_or_else(|| Error::bug("a secret that was just written is not there"))
    }

    async fn receipt(&self, tenant: &Tenant, request_key: &str) -> Result<Option<Receipt>> {
        let since_ms = self.database.now_ms().await? - kept_ms();
        let statement = Statement::new(sql::RECEIPT).with(tenant.0.as_str()).with(request_key).with(since_ms);
        self.read_one(statement, rows::receipt).await
    }

    async fn put_receipt(&self, tenant: &Tenant, request_key: &str, receipt: &Receipt) -> Result<()> {
        let mut writing = self.begin().await?;
        let now_ms = writing.now_ms;
        writing.run(Statement::new(sql::OLD_RECEIPTS).with(now_ms - kept_ms())).await?;
        let keep = Statement::new(sql::KEEP_RECEIPT)
            .with(tenant.0.as_str())
            .with(request_key)
            .with(receipt.request.as_str())
            .with(receipt.response.as_str())
            .with(now_ms);
        writing.run(keep).await?;
        writing.commit().await
    }
}

fn kept_ms() -> i64 {
    i64::try_from(RECEIPTS_KEPT.as_millis()).unwrap_or(i64::MAX)
}
