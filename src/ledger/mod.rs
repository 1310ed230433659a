//! The ledger: which documents there are, what people may see of them, and the work that is owed.
//!
//! The ledger decides visibility. A page is shown only if its generation is the one that *stands indexed* in the active build
//! of its collection. So replacing a document, deleting it, and putting a collection's next build in the place of the active
//! one are one transaction each, however long the vectors take to follow.
//!
//! It must never show two generations of one document, never call a generation garbage that people see, never use a
//! generation twice, and never show a document to another tenant.
//!
//! `transitions` holds the decisions, `sql` the transactions; `contract` the suite that every backend passes, `model` the
//! comparison with the ledger as plainly as it can be said.

#[cfg(test)]
mod contract;
mod cursor;
mod faulty;
mod keys;
#[cfg(test)]
mod model;
mod records;
mod sql;
mod stories;
#[cfg(test)]
mod testing;
mod transitions;

#[doc(hidden)]
pub use faulty::FaultyLedger;
pub use keys::{HeldKey, KeyRecord, Keys, NewKey, Receipt};
pub use records::{
    Build, Claim, CollectionRecord, DocumentFilter, DocumentRecord, Fate, Garbage, Indexed, Job, Listing,
    MAX_FILTER_TAGS, PageFailure, Queue, Rejection, SameContent, State, Submission, Submitted, Switch, Task,
};
pub use sql::{Place, PostgresLedger, PostgresSettings, SqliteLedger, Transferred, transfer};
pub use stories::{Chapter, KEPT_EVENTS, Progress, Retried, Stories, StoryEvent};

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::error::Result;
use crate::types::{DocumentId, Generation, Groups, Tenant};

/// The present moment in Unix milliseconds: the system's clock in service, the test's own in tests.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Something that one process at a time does: others wait until this is dropped.
pub struct Turn(#[allow(dead_code, reason = "held, not used")] Option<Mutex<Box<dyn Send>>>);

impl Turn {
    /// Where one process owns the ledger: nobody else is there to wait.
    fn nothing() -> Self {
        Self(None)
    }

    fn holding(lock: impl Send + 'static) -> Self {
        Self(Some(Mutex::new(Box::new(lock))))
    }
}

/// Documents and jobs. Every method is one transaction, durable when it returns.
///
/// Whatever is read of a document is read in the name of a tenant: there is no way to leave it out.
///
/// Errors of the ledger itself (disk, lock, damaged file) blame a dependency: no document pays for them.
#[async_trait]
pub trait Ledger: Keys + Stories {
    // ---- collections -----------------------------------------------------------------------------------------------

    async fn collection(&self, name: &str) -> Result<Option<CollectionRecord>>;

    /// By name.
    async fn collections(&self) -> Result<Vec<CollectionRecord>>;

    /// Creates the collection with `build` as what questions are asked of. Where it exists and its active or next build has
    /// the same `physical` name, replaces the definition of that build (plans may change without new vectors); recipe and
    /// incarnations stay.
    ///
    /// # Errors
    /// Configuration, where the collection exists and neither build is of that name, the recipe is another, or the physical
    /// collection belongs to somebody else. Transient, while the store has still to drop one of that name.
    async fn define(&self, collection: &str, build: &Build) -> Result<()>;

    /// A changed recipe or schema: `next` is filled beside the active build, which goes on answering questions. Every
    /// document that is not being deleted gets a new submission (new generation, job) for `next`. An earlier unfinished next
    /// build (another `physical`) is given up: its generations become garbage and its physical collection is retired. Returns
    /// how many documents were submitted.
    ///
    /// With `next` already the collection's next build (same `physical`): submits only what has no target in it.
    ///
    /// # Errors
    /// As [`Self::define`]; configuration also where there is no such collection, or `next` is its active build.
    async fn rebuild(&self, collection: &str, next: &Build) -> Result<u64>;

    /// Makes the next build the active one if it is complete: no job of the collection is left, and no document that people
    /// see now would be lost. One transaction: what people see of every document is now the generation built in `next`, the
    /// old generations are garbage, the old physical collection is retired. `force`: also where documents would be lost (the
    /// ledger goes on naming them as rejected or dead), and even if jobs are left.
    ///
    /// # Errors
    /// Configuration, where there is no such collection.
    async fn switch(&self, collection: &str, force: bool) -> Result<Switch>;

    /// Gives up the next build: its generations are garbage, its physical collection is retired. A document whose target was
    /// in it is indexed as before if people see that very version under the active recipe; where only its tags differ they
    /// are written again ([`Task::Retag`]), else it is submitted for the active build. False where there is no next build.
    ///
    /// # Errors
    /// Configuration, where there is no such collection.
    async fn abandon(&self, collection: &str) -> Result<bool>;

    /// The vectors of a build were changed where they are, all of them alike: its recipe and definition are `build`'s from now on
    /// (incarnations stay). What stands in it, and what is to be written to it, counts as made under the new recipe. Documents
    /// that are just being written under the old one get a new submission; returns how many. Where the recipe is the same, as
    /// [`Self::define`].
    ///
    /// # Errors
    /// Configuration, where there is no such collection, or neither build has the `physical` name.
    async fn amend(&self, collection: &str, build: &Build) -> Result<u64>;

    /// Removes the collection, whosever its documents are: all are hidden at once, what stands of them is garbage, its physical
    /// collections are retired, its name is free. Rows of documents go when their garbage has been collected. Returns how many
    /// documents were hidden; None where there is no such collection.
    async fn drop_collection(&self, collection: &str) -> Result<Option<u64>>;

    /// The identities under which the vectors of a physical collection are known (one, or two while it is being changed).
    ///
    /// # Errors
    /// Configuration, where no build is kept in that physical collection.
    async fn put_incarnations(&self, physical: &str, accepted: &[String]) -> Result<()>;

    /// The vectors of a build are gone, or not ours. Nothing stands indexed in it any more (if it was the active build, nothing
    /// is visible any more), and what did is garbage. Each of those documents, and each that was just being written there, gets
    /// a new submission, unless its target waits or stands in the other build. Returns how many were submitted; 0 where the
    /// collection has no such build (any more).
    ///
    /// # Errors
    /// Configuration, where there is no such collection.
    async fn resubmit_all(&self, collection: &str, physical: &str) -> Result<u64>;

    /// Physical collections that no build uses any more, to be dropped from the store.
    async fn retired(&self) -> Result<Vec<String>>;

    /// The store has confirmed the drop.
    async fn dropped(&self, physical: &str) -> Result<()>;

    // ---- work ------------------------------------------------------------------------------------------------------

    /// Says that a version of a document is to be indexed, under the recipe that the collection is being filled with (next's,
    /// else the active one's). Every submission that leads to work has a generation of its own, one never used before: nothing
    /// that people see is overwritten in place, and what an earlier attempt left can be removed at any time. (So there is no
    /// job that has to wait until points of its own generation are removed.)
    ///
    /// A version that waits already, or is being worked on, is left alone unless forced. Where nothing but the tags of a
    /// version that people see is new, the job is a [`Task::Retag`] of the visible generation, unless a next build is being
    /// filled or such a job is in work just now (two would race for the payloads).
    ///
    /// Tried again although this very version is known: if it is dead; if it was rejected at a limit whose value in
    /// `submission.limits` is another; if pages failed that are to be tried `again` or met such a limit.
    ///
    /// # Errors
    /// Configuration, where the collection is not defined. Bug, where the document's id is known for another tenant or
    /// collection.
    async fn submit(&self, submission: &Submission) -> Result<Submitted>;

    /// Takes jobs whose time has come and which nobody holds (or whose lease ran out) and leases them. Tenants take turns, and
    /// so do the collections of a tenant; of a tenant's jobs in a collection the oldest goes first.
    ///
    /// Adds one to the attempts of each, but for those whose lease ran out: that attempt was cut off and does not count, and a
    /// crash is counted instead.
    async fn claim(&self, claim: &Claim<'_>) -> Result<Vec<Job>>;

    /// Other documents of the job's tenant that hold the very content the job is about: indexed with every page, in the job's
    /// build and under its recipe. At most `limit`, by source. None where the job's own document stands there with this
    /// content: then it is to be indexed again, and not to be taken from somewhere.
    async fn same_content(&self, job: &Job, limit: usize) -> Result<Vec<SameContent>>;

    /// Prolongs the lease; false where the job is no longer ours (replaced, deleted, taken over). Whoever wrote pages
    /// then stops and calls [`Self::release`]: any other answer about a lost job makes its generation garbage again, unless
    /// it stands indexed or another job is about to write it, because pages may have come after the removal.
    async fn renew(&self, job: &Job, lease: Duration) -> Result<bool>;

    /// The store has confirmed every page: the job's generation stands indexed in its build, the earlier one of that build is
    /// garbage, the job is gone. For [`Task::Retag`] only tags and state change. False (and nothing visible changes) where
    /// the job is no longer ours.
    async fn complete(&self, job: &Job, indexed: &Indexed) -> Result<bool>;

    /// The document can't be indexed as it is. Pages of the attempt become garbage; an earlier visible generation
    /// stays.
    async fn reject(&self, job: &Job, rejection: &Rejection) -> Result<bool>;

    /// The attempt failed by the document's own fault. Tries again after `retry_after`, or dead-letters if `max_attempts` are
    /// used up; then the pages of the attempt become garbage as they do for [`Self::reject`].
    async fn fail(&self, job: &Job, reason: &str, max_attempts: u32, retry_after: Duration) -> Result<Fate>;

    /// Gives a claimed job back: its attempt does not count. Not handed out again before `retry_after` has passed. `reason`:
    /// why it waits (a dependency that is away), shown in listings; None at shutdown, and then an earlier reason stays.
    async fn release(&self, job: &Job, retry_after: Duration, reason: Option<&str>) -> Result<()>;

    /// Earliest moment at which a waiting job (suspect or not) may be claimed, in milliseconds from now; None where no job
    /// waits. Jobs whose lease still holds do not wait.
    async fn next_due_ms(&self, collection: Option<&str>) -> Result<Option<u64>>;

    // ---- many processes --------------------------------------------------------------------------------------------

    /// Changes whenever there may be work that was not there before, of this process or another one. A hint: after an
    /// interruption some news may be missing, and there may be news of nothing.
    fn news(&self) -> watch::Receiver<u64>;

    /// Waits until no other process does what is called so, and keeps them from it until the turn is dropped. What a process
    /// does at once by itself it orders by itself.
    async fn turn(&self, what: &str) -> Result<Turn>;

    /// As [`Self::turn`], without waiting: None where another process does it.
    async fn try_turn(&self, what: &str) -> Result<Option<Turn>>;

    // ---- garbage ---------------------------------------------------------------------------------------------------

    /// Generations whose points are to be removed from the store, oldest first.
    async fn garbage(&self, limit: usize) -> Result<Vec<Garbage>>;

    /// The store has confirmed the removal.
    async fn collected(&self, garbage: &Garbage) -> Result<()>;
    /// Makes deleted text leave the disk.
    async fn trim(&self) -> Result<()>;

    // ---- reads and deletes, in the name of a tenant ------------------------------------------------------------------

    /// Hides the document at once and makes its generations garbage; false where there is none. The row goes when the
    /// garbage has been collected.
    async fn delete(&self, tenant: &Tenant, document: DocumentId) -> Result<bool>;

    /// Visible generation (in the active build) of each of these documents; hidden, unknown and other tenants' ones are left
    /// out.
    async fn visible(&self, tenant: &Tenant, documents: &[DocumentId]) -> Result<HashMap<DocumentId, Generation>> {
        self.visible_to(tenant, &Groups::All, documents).await
    }

    /// The same, for somebody of these groups: documents that are kept for others are left out.
    async fn visible_to(
        &self,
        tenant: &Tenant,
        groups: &Groups,
        documents: &[DocumentId],
    ) -> Result<HashMap<DocumentId, Generation>>;

    async fn document(&self, tenant: &Tenant, document: DocumentId) -> Result<Option<DocumentRecord>>;

    /// By source, then id, ascending; at most `filter.limit`, and where there are more a cursor for the rest.
    ///
    /// # Errors
    /// Configuration, where `filter.after` is no cursor of such a list.
    async fn documents(&self, tenant: &Tenant, filter: &DocumentFilter) -> Result<Listing>;

    /// Documents by state, of one collection or all.
    async fn counts(&self, tenant: &Tenant, collection: Option<&str>) -> Result<BTreeMap<State, u64>> {
        let collection = collection.map(str::to_owned);
        self.count_documents(tenant, &DocumentFilter { collection, ..DocumentFilter::default() }).await
    }

    /// Documents that a filter means, by state; its limit and cursor don't matter.
    async fn count_documents(&self, tenant: &Tenant, filter: &DocumentFilter) -> Result<BTreeMap<State, u64>>;

    /// Whose document this is, for whoever holds a proof that its reader was let see it: a signed link.
    async fn owner(&self, document: DocumentId) -> Result<Option<Tenant>>;

    /// What waits and what is in work, of all tenants.
    async fn queue(&self) -> Result<Queue>;
}
