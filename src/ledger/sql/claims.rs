//! Claims: which jobs are handed out next. Tenants take turns, so that nobody waits behind another one's million documents; so
//! do the collections of a tenant; within a collection the oldest job goes first. What is wanted sooner goes before all of that within
//! a tenant, and never before another tenant's.
//!
//! Whose turn it is, the ledger remembers: each queue (a tenant's jobs in a collection) knows when it was served last. Workers
//! that claim at the same moment may serve the same queue, and never hand out the same job.

use super::database::{Lock, Statement, Transaction};
use super::rows::{self, Next, Queue, after};
use super::statements as sql;
use super::writing::Writing;
use crate::error::Result;
use crate::ledger::{Chapter, Claim, Job, State};

impl<T: Transaction> Writing<T> {
    pub async fn claim(mut self, claim: &Claim<'_>) -> Result<Vec<Job>> {
        let queues =
            Statement::new(sql::QUEUES).with(self.now_ms).with(i64::from(claim.suspects)).with(claim.collection);
        let queues = self.rows(queues, rows::queue).await?;
        let mut turn = queues.first().map_or(0, |queue| queue.last_turn);
        let wanted = |queue: &Queue| queue.next.is_some() && !claim.except.contains(&queue.collection);
        let mut queues: Vec<Queue> = queues.into_iter().filter(wanted).collect();
        let mut jobs = Vec::new();
        let mut served = Vec::new();
        while jobs.len() < claim.limit
            && let Some(next) = next_in_turn(&queues)
        {
            let Some(job) = self.lease_next(&queues[next], claim).await? else {
                queues.swap_remove(next);
                continue;
            };
            turn += 1;
            let (tenant, collection) = (queues[next].tenant.clone(), queues[next].collection.clone());
            queues[next].turn = turn;
            for queue in queues.iter_mut().filter(|queue| queue.tenant == tenant) {
                queue.tenant_turn = turn;
            }
            let others = queues.iter().filter(|queue| queue.tenant == tenant).count() > 1;
            if others {
                // Its next job may be wanted less than theirs.
                queues[next].next = self.next_in_queue(&queues[next], claim).await?;
            }
            served.push((tenant.0, collection, turn));
            jobs.push(job);
            queues.retain(|queue| queue.next.is_some());
        }
        // Everybody in the same order, so that no two claims wait for each other.
        served.sort();
        for (tenant, collection, turn) in served {
            self.run(Statement::new(sql::SERVED).with(tenant).with(collection).with(turn)).await?;
        }
        self.commit().await?;
        Ok(jobs)
    }

    async fn next_in_queue(&mut self, queue: &Queue, claim: &Claim<'_>) -> Result<Option<Next>> {
        let next = Statement::new(sql::NEXT_IN_QUEUE)
            .with(self.now_ms)
            .with(i64::from(claim.suspects))
            .with(queue.tenant.0.as_str())
            .with(queue.collection.as_str());
        self.row(next, rows::next).await
    }

    /// The next job of a queue, leased; None where there is none that nobody else is about to take or replace.
    async fn lease_next(&mut self, queue: &Queue, claim: &Claim<'_>) -> Result<Option<Job>> {
        // Whoever builds the collection anew replaces all of its jobs: others are served meanwhile.
        if !self.transaction.try_lock(Lock::Builds(&queue.collection)).await? {
            return Ok(None);
        }
        let next = Statement::new(T::NEXT_JOB)
            .with(self.now_ms)
            .with(i64::from(claim.suspects))
            .with(queue.tenant.0.as_str())
            .with(queue.collection.as_str());
        let Some((job, before)) = self.row(next, rows::claimed_job).await? else { return Ok(None) };
        if let Some(before) = before {
            tracing::warn!(source = job.source.uri, worker = before, "its lease ran out: the document is taken over");
        }
        let lease = Statement::new(sql::LEASE_JOB)
            .with(job.id)
            .with(job.attempt)
            .with(job.lease)
            .with(job.crashes)
            .with(after(self.now_ms, claim.lease))
            .with(self.worker.as_str());
        self.run(lease).await?;
        self.set_state(job.document, State::Processing, None, job.attempt).await?;
        let detail = format!("attempt {} by {}", job.attempt, self.worker);
        self.note(job.document, Chapter::Claimed, Some(&detail)).await?;
        Ok(Some(job))
    }
}

/// The queue to be served next: of the tenant that has waited longest the collection with what is wanted soonest; of equals the one
/// that has waited longest, or that has the oldest job.
fn next_in_turn(queues: &[Queue]) -> Option<usize> {
    let id = |queue: &Queue| queue.next.map(|next| next.id);
    let tenant = &queues.iter().min_by_key(|queue| (queue.tenant_turn, queue.turn, id(queue)))?.tenant;
    let theirs = queues.iter().enumerate().filter(|(_, queue)| queue.tenant == *tenant);
    let soonest = |(_, queue): &(usize, &Queue)| (queue.next.map(|next| next.priority), queue.turn, id(queue));
    theirs.min_by_key(soonest).map(|(number, _)| number)
}
