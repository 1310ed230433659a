//! A ledger that fails at named points: the fault double. Before it passes a call on it meets the fault planned for
//! `ledger.METHOD`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use super::{
    Build, Claim, CollectionRecord, DocumentFilter, DocumentRecord, Fate, Garbage, HeldKey, Indexed, Job, KeyRecord,
    Keys, Ledger, Listing, NewKey, Progress, Queue, Receipt, Rejection, Retried, SameContent, State, Stories,
    StoryEvent, Submission, Submitted, Switch, Turn,
};
use crate::error::Result;
use crate::faults::Faults;
use crate::types::{DocumentId, Generation, Groups, Tenant};

/// A ledger before which faults are planned, for tests.
#[doc(hidden)]
pub struct FaultyLedger {
    pub inner: Arc<dyn Ledger>,
    pub faults: Faults,
}

#[async_trait]
impl Ledger for FaultyLedger {
    async fn collection(&self, name: &str) -> Result<Option<CollectionRecord>> {
        self.faults.meet("ledger.collection").await?;
        self.inner.collection(name).await
    }

    async fn collections(&self) -> Result<Vec<CollectionRecord>> {
        self.faults.meet("ledger.collections").await?;
        self.inner.collections().await
    }

    async fn define(&self, collection: &str, build: &Build) -> Result<()> {
        self.faults.meet("ledger.define").await?;
        self.inner.define(collection, build).await
    }

    async fn rebuild(&self, collection: &str, next: &Build) -> Result<u64> {
        self.faults.meet("ledger.rebuild").await?;
        self.inner.rebuild(collection, next).await
    }

    async fn switch(&self, collection: &str, force: bool) -> Result<Switch> {
        self.faults.meet("ledger.switch").await?;
        self.inner.switch(collection, force).await
    }

    async fn abandon(&self, collection: &str) -> Result<bool> {
        self.faults.meet("ledger.abandon").await?;
        self.inner.abandon(collection).await
    }

    async fn amend(&self, collection: &str, build: &Build) -> Result<u64> {
        self.faults.meet("ledger.amend").await?;
        self.inner.amend(collection, build).await
    }

    async fn drop_collection(&self, collection: &str) -> Result<Option<u64>> {
        self.faults.meet("ledger.drop_collection").await?;
        self.inner.drop_collection(collection).await
    }

    async fn put_incarnations(&self, physical: &str, accepted: &[String]) -> Result<()> {
        self.faults.meet("ledger.put_incarnations").await?;
        self.inner.put_incarnations(physical, accepted).await
    }

    async fn resubmit_all(&self, collection: &str, physical: &str) -> Result<u64> {
        self.faults.meet("ledger.resubmit_all").await?;
        self.inner.resubmit_all(collection, physical).await
    }

    async fn retired(&self) -> Result<Vec<String>> {
        self.faults.meet("ledger.retired").await?;
        self.inner.retired().await
    }

    async fn dropped(&self, physical: &str) -> Result<()> {
        self.faults.meet("ledger.dropped").await?;
        self.inner.dropped(physical).await
    }

    async fn submit(&self, submission: &Submission) -> Result<Submitted> {
        self.faults.meet("ledger.submit").await?;
        self.inner.submit(submission).await
    }

    async fn claim(&self, claim: &Claim<'_>) -> Result<Vec<Job>> {
        self.faults.meet("ledger.claim").await?;
        self.inner.claim(claim).await
    }

    async fn same_content(&self, job: &Job, limit: usize) -> Result<Vec<SameContent>> {
        self.faults.meet("ledger.same_content").await?;
        self.inner.same_content(job, limit).await
    }

    async fn renew(&self, job: &Job, lease: Duration) -> Result<bool> {
        self.faults.meet("ledger.renew").await?;
        self.inner.renew(job, lease).await
    }

    async fn complete(&self, job: &Job, indexed: &Indexed) -> Result<bool> {
        self.faults.meet("ledger.complete").await?;
        self.inner.complete(job, indexed).await
    }

    async fn reject(&self, job: &Job, rejection: &Rejection) -> Result<bool> {
        self.faults.meet("ledger.reject").await?;
        self.inner.reject(job, rejection).await
    }

    async fn fail(&self, job: &Job, reason: &str, max_attempts: u32, retry_after: Duration) -> Result<Fate> {
        self.faults.meet("ledger.fail").await?;
        self.inner.fail(job, reason, max_attempts, retry_after).await
    }

    async fn release(&self, job: &Job, retry_after: Duration, reason: Option<&str>) -> Result<()> {
        self.faults.meet("ledger.release").await?;
        self.inner.release(job, retry_after, reason).await
    }

    async fn next_due_ms(&self, collection: Option<&str>) -> Result<Option<u64>> {
        self.faults.meet("ledger.next_due_ms").await?;
        self.inner.next_due_ms(collection).await
    }

    fn news(&self) -> watch::Receiver<u64> {
        self.inner.news()
    }

    async fn turn(&self, what: &str) -> Result<Turn> {
        self.faults.meet("ledger.turn").await?;
        self.inner.turn(what).await
    }

    async fn try_turn(&self, what: &str) -> Result<Option<Turn>> {
        self.faults.meet("ledger.try_turn").await?;
        self.inner.try_turn(what).await
    }

    async fn garbage(&self, limit: usize) -> Result<Vec<Garbage>> {
        self.faults.meet("ledger.garbage").await?;
        self.inner.garbage(limit).await
    }

    async fn collected(&self, garbage: &Garbage) -> Result<()> {
        self.faults.meet("ledger.collected").await?;
        self.inner.collected(garbage).await
    }

    async fn trim(&self) -> Result<()> {
        self.faults.meet("ledger.trim").await?;
        self.inner.trim().await
    }

    async fn delete(&self, tenant: &Tenant, document: DocumentId) -> Result<bool> {
        self.faults.meet("ledger.delete").await?;
        self.inner.delete(tenant, document).await
    }

    async fn visible_to(
        &self,
        tenant: &Tenant,
        groups: &Groups,
        documents: &[DocumentId],
    ) -> Result<HashMap<DocumentId, Generation>> {
        self.faults.meet("ledger.visible").await?;
        self.inner.visible_to(tenant, groups, documents).await
    }

    async fn document(&self, tenant: &Tenant, document: DocumentId) -> Result<Option<DocumentRecord>> {
        self.faults.meet("ledger.document").await?;
        self.inner.document(tenant, document).await
    }

    async fn documents(&self, tenant: &Tenant, filter: &DocumentFilter) -> Result<Listing> {
        self.faults.meet("ledger.documents").await?;
        self.inner.documents(tenant, filter).await
    }

    async fn count_documents(&self, tenant: &Tenant, filter: &DocumentFilter) -> Result<BTreeMap<State, u64>> {
        self.faults.meet("ledger.count_documents").await?;
        self.inner.count_documents(tenant, filter).await
    }

    async fn owner(&self, document: DocumentId) -> Result<Option<Tenant>> {
        self.faults.meet("ledger.owner").await?;
        self.inner.owner(document).await
    }

    async fn queue(&self) -> Result<Queue> {
        self.faults.meet("ledger.queue").await?;
        self.inner.queue().await
    }
}

#[async_trait]
impl Keys for FaultyLedger {
    async fn put_key(&self, key: &NewKey) -> Result<KeyRecord> {
        self.faults.meet("ledger.put_key").await?;
        self.inner.put_key(key).await
    }

    async fn valid_key(&self, key_id: &str) -> Result<Option<HeldKey>> {
        self.faults.meet("ledger.valid_key").await?;
        self.inner.valid_key(key_id).await
    }

    async fn keys(&self, tenant: Option<&Tenant>) -> Result<Vec<KeyRecord>> {
        self.faults.meet("ledger.keys").await?;
        self.inner.keys(tenant).await
    }

    async fn has_keys(&self) -> Result<bool> {
        self.faults.meet("ledger.has_keys").await?;
        self.inner.has_keys().await
    }

    async fn revoke_key(&self, key_id: &str) -> Result<Option<KeyRecord>> {
        self.faults.meet("ledger.revoke_key").await?;
        self.inner.revoke_key(key_id).await
    }

    async fn secret(&self, name: &str, candidate: &str) -> Result<String> {
        self.faults.meet("ledger.secret").await?;
        self.inner.secret(name, candidate).await
    }

    async fn receipt(&self, tenant: &Tenant, request_key: &str) -> Result<Option<Receipt>> {
        self.faults.meet("ledger.receipt").await?;
        self.inner.receipt(tenant, request_key).await
    }

    async fn put_receipt(&self, tenant: &Tenant, request_key: &str, receipt: &Receipt) -> Result<()> {
        self.faults.meet("ledger.put_receipt").await?;
        self.inner.put_receipt(tenant, request_key, receipt).await
    }
}

#[async_trait]
impl Stories for FaultyLedger {
    async fn story(&self, tenant: &Tenant, document: DocumentId) -> Result<Vec<StoryEvent>> {
        self.faults.meet("ledger.story").await?;
        self.inner.story(tenant, document).await
    }

    async fn progress(&self, job: &Job, progress: Progress) -> Result<()> {
        self.faults.meet("ledger.progress").await?;
        self.inner.progress(job, progress).await
    }

    async fn retry(&self, tenant: &Tenant, document: DocumentId) -> Result<Option<Retried>> {
        self.faults.meet("ledger.retry").await?;
        self.inner.retry(tenant, document).await
    }

    async fn cancel(&self, tenant: &Tenant, document: DocumentId) -> Result<Option<bool>> {
        self.faults.meet("ledger.cancel").await?;
        self.inner.cancel(tenant, document).await
    }

    async fn forget(&self, age: Duration, most: usize) -> Result<u64> {
        self.faults.meet("ledger.forget").await?;
        self.inner.forget(age, most).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::faults::Fault;
    use crate::ledger::SqliteLedger;
    use crate::ledger::testing::{build, ordinary, submission};

    #[tokio::test]
    async fn a_ledger_fails_when_told_and_passes_the_rest_on() {
        let folder = tempfile::TempDir::new().unwrap();
        let inner: Arc<dyn Ledger> = Arc::new(SqliteLedger::open(&folder.path().join("ledger")).await.unwrap());
        let faults = Faults::none();
        let ledger = FaultyLedger { inner: Arc::clone(&inner), faults: faults.clone() };
        ledger.define("documents", &build("documents")).await.unwrap();
        ledger.submit(&submission("a", 1)).await.unwrap();
        let job = ledger.claim(&ordinary(1)).await.unwrap().remove(0);

        faults.on("ledger.complete", 1, Fault::Fail(|| Error::transient("the disk is full")));
        let error = ledger.complete(&job, &Indexed::default()).await.unwrap_err();
        assert_eq!(error.to_string(), "the disk is full");
        assert!(ledger.visible(&job.tenant, &[job.document]).await.unwrap().is_empty(), "the call did not arrive");
        assert!(ledger.complete(&job, &Indexed::default()).await.unwrap());
        assert_eq!(inner.visible(&job.tenant, &[job.document]).await.unwrap().len(), 1);
        assert_eq!(faults.calls("ledger.complete"), 2);
    }
}
