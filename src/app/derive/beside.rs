//! A build beside the present one, with a vector more or less, filled from the pages of the present one. It is an ordinary next build:
//! every document has a job for it, and what is not done here (a document that changed meanwhile) the next ingest does. Questions
//! are asked of the present build until the other one is complete.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::pages::Derivation;
use super::{Deriver, Done, Standing};
use crate::app::collections::fresh_name;
use crate::app::definition::Definition;
use crate::blobs::page_key;
use crate::error::{Error, Result};
use crate::ledger::{Build, Claim, DocumentRecord, Indexed, Job, Switch, Task};
use crate::store::{Condition, Filter, StoredPoint};
use crate::types::{PagePoint, PointId, VectorName};

/// Documents claimed, and flushed, together.
const CLAIMED: usize = 16;
/// Pages copied together.
const SLICE: u32 = 16;
/// A document is copied in less; between slices the lease is renewed.
const LEASE: Duration = Duration::from_secs(300);

impl Deriver {
    pub(super) async fn build_beside(
        &self,
        collection: &str,
        at: &Standing,
        wanted: &Definition,
        derivation: &Derivation,
        stop: &CancellationToken,
    ) -> Result<Done> {
        let next = self.begin(collection, at, wanted).await?;
        let copy = Copy { deriver: self, at, wanted, derivation, next: &next };
        let mut done = Done::default();
        let mut left: Vec<Job> = Vec::new();
        while !stop.is_cancelled() {
            let claim =
                Claim { collection: Some(collection), except: &[], suspects: false, limit: CLAIMED, lease: LEASE };
            let jobs = self.ledger().claim(&claim).await?;
            if jobs.is_empty() {
                break;
            }
            let outcome = copy.documents(&jobs).await;
            let copied = match outcome {
                Ok(copied) => copied,
                Err(error) => {
                    for job in jobs.iter().chain(&left) {
                        self.ledger().release(job, Duration::ZERO, None).await?;
                    }
                    return Err(error);
                }
            };
            for (job, indexed) in jobs.into_iter().zip(copied) {
                match indexed {
                    Some(indexed) if self.ledger().complete(&job, &indexed).await? => {
                        done.pages += u64::from(indexed.page_count) - indexed.failed_pages.len() as u64;
                    }
                    Some(_) => {}
                    None => left.push(job),
                }
            }
        }
        done.documents_left = left.len() as u64;
        for job in &left {
            self.ledger().release(job, Duration::ZERO, None).await?;
        }
        done.stopped = stop.is_cancelled();
        self.store().optimize(&next.physical).await?;
        if let Switch::Switched = self.ledger().switch(collection, false).await? {
            tracing::info!(collection, build = next.physical, "questions are asked of the new build");
        }
        self.collector.collect().await?;
        Ok(done)
    }

    /// The build that is filled: a new one, or the one that an earlier call began.
    async fn begin(&self, collection: &str, at: &Standing, wanted: &Definition) -> Result<Build> {
        let _defining = self.collections.defining.lock().await;
        let _turn = self.ledger().turn(&format!("define {collection}")).await?;
        if let Some(next) = &at.next {
            if !self.collections.defined(next)?.definition.shares_vectors_with(wanted) {
                return Err(super::being_built(collection));
            }
            self.ledger().rebuild(collection, next).await?;
            self.collections.open(collection, next).await?;
            return Ok(next.clone());
        }
        let mut wanted = wanted.clone();
        wanted.moved_to = None;
        let build = wanted.to_build(fresh_name(collection, &wanted.recipe))?;
        self.store().ensure_collection(&build.physical, &wanted.schema).await?;
        self.ledger().rebuild(collection, &build).await?;
        self.collections.open(collection, &build).await?;
        Ok(build)
    }
}

/// From one build to the other.
struct Copy<'a> {
    deriver: &'a Deriver,
    at: &'a Standing,
    wanted: &'a Definition,
    derivation: &'a Derivation,
    next: &'a Build,
}

impl Copy<'_> {
    /// What stands of each document then; None where its pages can't be taken from the present build. Durable when it returns.
    async fn documents(&self, jobs: &[Job]) -> Result<Vec<Option<Indexed>>> {
        let mut copied = Vec::with_capacity(jobs.len());
        for job in jobs {
            copied.push(self.document(job).await?);
        }
        self.deriver.store().flush(&self.next.physical).await?;
        for (job, indexed) in jobs.iter().zip(&copied) {
            if let Some(indexed) = indexed {
                self.check_count(job, indexed).await?;
            }
        }
        Ok(copied)
    }

    async fn document(&self, job: &Job) -> Result<Option<Indexed>> {
        if job.task != Task::Index || job.physical != self.next.physical {
            return Ok(None);
        }
        let Some(record) = self.deriver.ledger().document(&job.tenant, job.document).await? else { return Ok(None) };
        if record.visible.is_none() {
            return Ok(None);
        }
        let mut first = 1;
        while first <= record.page_count {
            let last = record.page_count.min(first + SLICE - 1);
            if !self.slice(job, &record, first..=last).await? || !self.deriver.ledger().renew(job, LEASE).await? {
                return Ok(None);
            }
            first = last + 1;
        }
        let DocumentRecord { title, page_count, failed_pages, notes, .. } = record;
        Ok(Some(Indexed { title, page_count, failed_pages, notes }))
    }

    /// False where the pages are not those of the version that is asked for, or one is missing.
    async fn slice(&self, job: &Job, record: &DocumentRecord, pages: std::ops::RangeInclusive<u32>) -> Result<bool> {
        let Some(visible) = &record.visible else { return Ok(false) };
        let failed = |page: &u32| record.failed_pages.iter().any(|failure| failure.page == *page);
        let ids: Vec<PointId> =
            pages.filter(|page| !failed(page)).map(|page| PointId::new(job.document, visible, page)).collect();
        let names: Vec<VectorName> = self.at.definition.schema.vectors.iter().map(|spec| spec.name).collect();
        let stored = self.deriver.store().retrieve(&self.at.active.physical, &job.tenant, &ids, &names).await?;
        let is_wanted = |point: &StoredPoint| point.payload.content_hash == job.content_hash;
        if stored.len() != ids.len() || !stored.iter().all(is_wanted) {
            return Ok(false);
        }
        let made = self.derivation.of(stored.clone()).await?;
        let mut points = Vec::with_capacity(stored.len());
        for (point, more) in stored.into_iter().zip(made) {
            let mut vectors = point.vectors;
            vectors.retain(|name, _| self.wanted.derive.vectors.contains(name));
            vectors.extend(more.vectors);
            points.push(self.point(job, StoredPoint { vectors, ..point }).await?);
        }
        self.deriver.store().upsert(&self.next.physical, points).await?;
        Ok(true)
    }

    /// The page as one of the job's generation, its image included: the older one's goes with the older generation.
    async fn point(&self, job: &Job, point: StoredPoint) -> Result<PagePoint> {
        let StoredPoint { mut payload, vectors, .. } = point;
        let key = page_key(&job.tenant, job.document, &job.generation, payload.page);
        let image = self.deriver.blobs.get(&job.tenant, &payload.image).await?;
        self.deriver.blobs.put(&key, image).await?;
        payload.generation.clone_from(&job.generation);
        payload.recipe.clone_from(&job.recipe);
        payload.tags.clone_from(&job.tags);
        payload.image = key;
        payload.ingested_at = jiff::Timestamp::now().to_string();
        let id = PointId::new(job.document, &job.generation, payload.page);
        Ok(PagePoint { id, vectors: vectors.into_iter().collect::<BTreeMap<_, _>>(), payload })
    }

    async fn check_count(&self, job: &Job, indexed: &Indexed) -> Result<()> {
        let conditions = [Condition::Document(job.document), Condition::Generation(job.generation.clone())];
        let filter = Filter::of(&job.tenant).with(conditions);
        let found = self.deriver.store().count(&self.next.physical, &filter).await?;
        let expected = (indexed.page_count as usize).saturating_sub(indexed.failed_pages.len());
        if found == expected {
            return Ok(());
        }
        let source = &job.source.uri;
        Err(Error::transient(format!("the store holds {found} pages of {source} where {expected} were written")))
    }
}
