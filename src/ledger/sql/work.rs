//! Submissions, jobs and what becomes of them; deletes; garbage that was collected.

use std::time::Duration;

use super::database::{Lock, Statement, Transaction};
use super::rows::{Known, after, to_integer, to_json};
use super::statements as sql;
use super::writing::Writing;
use crate::error::{Error, Result};
use crate::ledger::transitions::{OnSubmit, on_fail, on_submit};
use crate::ledger::{Build, Chapter, Fate, Garbage, Indexed, Job, Rejection, State, Submission, Submitted, Task};
use crate::types::{DocumentId, Generation, KEPT, Tenant};

impl<T: Transaction> Writing<T> {
    pub async fn submit(mut self, submission: &Submission) -> Result<Submitted> {
        self.lock_document(&submission.collection, submission.document).await?;
        let collection = self.defined(&submission.collection).await?;
        let known = self.known(submission.document).await?;
        let same_owner =
            |tenant: &Tenant, collection: &str| *tenant == submission.tenant && collection == submission.collection;
        if known.as_ref().is_some_and(|known| !same_owner(&known.tenant, &known.collection)) {
            return Err(Error::bug(format!(
                "document {} was submitted for another tenant or collection: ids are made of both",
                submission.document
            )));
        }
        let standing = known.map(|known| known.standing);
        let (task, generation) = match on_submit(standing.as_ref(), submission, &collection) {
            // It waits already, and the last word counts of how soon it is wanted.
            OnSubmit::Answer(Submitted::Queued) => {
                self.hurry(submission).await?;
                return Ok(Submitted::Queued);
            }
            OnSubmit::Answer(answer) => return self.answer(answer).await,
            OnSubmit::Index { garbage } => {
                if let (Some(abandoned), Some(standing)) = (garbage, &standing) {
                    let statement = Statement::new(sql::ADD_GARBAGE)
                        .with(submission.document.to_string())
                        .with(submission.tenant.0.as_str())
                        .with(standing.physical.as_str())
                        .with(abandoned.0);
                    self.run(statement).await?;
                }
                (Task::Index, Generation::fresh())
            }
            OnSubmit::Retag => {
                let standing = standing.ok_or_else(|| Error::bug("only what stands can be tagged anew"))?;
                (Task::Retag, standing.generation)
            }
        };
        self.put_target(submission, collection.target(), &generation).await?;
        self.grant(submission.document, &submission.tags).await?;
        self.note_submitted(submission.document, task, &submission.content_hash.0, submission.size_bytes).await?;
        self.put_job(submission.document, task).await?;
        self.commit().await?;
        Ok(Submitted::Queued)
    }

    async fn hurry(mut self, submission: &Submission) -> Result<()> {
        let (id, rank) = (submission.document.to_string(), i64::from(submission.priority.rank()));
        if self.run(Statement::new(sql::HURRY).with(id.as_str()).with(rank)).await? > 0 {
            self.run(Statement::new(sql::HURRY_JOB).with(id).with(rank)).await?;
        }
        self.commit().await
    }

    async fn put_target(&mut self, submission: &Submission, build: &Build, generation: &Generation) -> Result<()> {
        let statement = Statement::new(sql::PUT_TARGET)
            .with(submission.document.to_string())
            .with(submission.tenant.0.as_str())
            .with(submission.collection.as_str())
            .with(submission.source.uri.as_str())
            .with(submission.source.name.as_str())
            .with(build.physical.as_str())
            .with(submission.content_hash.0.as_str())
            .with(build.recipe.0.as_str())
            .with(generation.0.as_str())
            .with(to_json(&submission.tags)?)
            .with(to_integer(submission.size_bytes))
            .with(self.now_ms)
            .with(i64::from(submission.priority.rank()));
        self.run(statement).await.map(drop)
    }

    pub async fn renew(mut self, job: &Job, lease: Duration) -> Result<bool> {
        let until_ms = after(self.now_ms, lease);
        let renew = Statement::new(sql::RENEW).with(job.id).with(job.lease).with(until_ms);
        let renewed = self.run(renew).await? == 1;
        self.commit().await?;
        Ok(renewed)
    }

    pub async fn complete(self, job: &Job, indexed: &Indexed) -> Result<bool> {
        let Some((mut writing, _)) = self.held(job).await? else { return Ok(false) };
        let id = job.document.to_string();
        match job.task {
            Task::Index => {
                writing.run(Statement::new(sql::DISCARD_EARLIER).with(id.as_str())).await?;
                let stand = Statement::new(sql::STAND)
                    .with(id.as_str())
                    .with(indexed.title.as_str())
                    .with(indexed.page_count)
                    .with(to_json(&indexed.failed_pages)?)
                    .with(to_json(&indexed.notes)?);
                writing.run(stand).await?;
                let detail = described(indexed);
                writing.note(job.document, Chapter::Indexed, Some(&detail)).await?;
            }
            Task::Retag => {
                let retag = Statement::new(sql::RETAG).with(id.as_str()).with(job.generation.0.as_str());
                writing.run(retag).await?;
                writing.note(job.document, Chapter::Retagged, None).await?;
            }
        }
        let now_ms = writing.now_ms;
        writing.run(Statement::new(sql::SET_INDEXED).with(id).with(now_ms)).await?;
        writing.delete_job(job.document).await?;
        writing.commit().await?;
        Ok(true)
    }

    pub async fn reject(self, job: &Job, rejection: &Rejection) -> Result<bool> {
        let Some((mut writing, attempts)) = self.held(job).await? else { return Ok(false) };
        writing.give_up(job, attempts, State::Rejected, &rejection.reason).await?;
        let limit = rejection.limit.as_ref().map(to_json).transpose()?;
        writing.run(Statement::new(sql::SET_MET_LIMIT).with(job.document.to_string()).with(limit)).await?;
        writing.commit().await?;
        Ok(true)
    }

    pub async fn fail(self, job: &Job, reason: &str, max_attempts: u32, retry_after: Duration) -> Result<Fate> {
        let Some((mut writing, attempts)) = self.held(job).await? else { return Ok(Fate::Superseded) };
        let fate = on_fail(attempts, max_attempts);
        if fate == Fate::DeadLettered {
            writing.give_up(job, attempts, State::Dead, reason).await?;
        } else {
            let detail = format!("attempt {attempts}, another follows after {} s: {reason}", retry_after.as_secs());
            writing.note(job.document, Chapter::Failed, Some(&detail)).await?;
            writing.free(job, attempts, retry_after, Some(reason)).await?;
        }
        writing.commit().await?;
        Ok(fate)
    }

    pub async fn release(self, job: &Job, retry_after: Duration, reason: Option<&str>) -> Result<()> {
        let Some((mut writing, attempts)) = self.held(job).await? else { return Ok(()) };
        writing.note(job.document, Chapter::GivenBack, reason).await?;
        writing.free(job, attempts.saturating_sub(1), retry_after, reason).await?;
        writing.commit().await
    }

    /// The job waits again.
    async fn free(&mut self, job: &Job, attempts: u32, retry_after: Duration, reason: Option<&str>) -> Result<()> {
        let due_at_ms = after(self.now_ms, retry_after);
        self.run(Statement::new(sql::FREE_JOB).with(job.id).with(attempts).with(due_at_ms)).await?;
        self.is_news = true;
        self.set_state(job.document, State::Queued, reason, attempts).await
    }

    /// Frees all leases; see [`SqliteLedger::free_abandoned`](super::SqliteLedger::free_abandoned).
    pub async fn free_abandoned(mut self) -> Result<usize> {
        self.run(Statement::new(sql::NOTE_ABANDONED).with(self.now_ms)).await?;
        self.run(Statement::new(sql::FREE_ABANDONED_DOCUMENTS).with(self.now_ms)).await?;
        let freed = self.run(Statement::new(sql::FREE_ABANDONED_JOBS)).await?;
        self.commit().await?;
        Ok(usize::try_from(freed).unwrap_or(usize::MAX))
    }

    pub async fn collected(mut self, garbage: &Garbage) -> Result<()> {
        let id = garbage.document.to_string();
        self.lock(Lock::Document(garbage.document)).await?;
        self.run(Statement::new(sql::DELETE_GARBAGE).with(id.as_str()).with(garbage.generation.0.as_str())).await?;
        self.run(Statement::new(sql::FORGET).with(id)).await?;
        self.commit().await
    }

    pub async fn delete(mut self, tenant: &Tenant, document: DocumentId) -> Result<bool> {
        let id = document.to_string();
        let theirs = |known: &Known| known.tenant == *tenant;
        // The collection of a document never changes.
        let Some(Known { collection, .. }) = self.known(document).await?.filter(theirs) else {
            return self.answer(false).await;
        };
        self.lock_document(&collection, document).await?;
        if self.known(document).await?.is_none() {
            return self.answer(false).await;
        }
        self.run(Statement::new(sql::DISCARD_TARGET).with(id.as_str())).await?;
        for begin in KEPT {
            self.run(Statement::new(sql::DISCARD_KEPT).with(id.as_str()).with(begin)).await?;
        }
        self.run(Statement::new(sql::DISCARD_DOCUMENT).with(id.as_str())).await?;
        self.run(Statement::new(sql::CLEAR_DOCUMENT).with(id.as_str())).await?;
        self.delete_job(document).await?;
        self.note(document, Chapter::Deleted, None).await?;
        self.run(Statement::new(sql::HIDE).with(id.as_str()).with(self.now_ms)).await?;
        self.run(Statement::new(sql::FORGET).with(id)).await?;
        self.commit().await?;
        Ok(true)
    }
}

/// What was indexed, in words.
fn described(indexed: &Indexed) -> String {
    let mut words = format!("{} pages", indexed.page_count);
    if let Some(first) = indexed.failed_pages.first() {
        let others = match indexed.failed_pages.len() - 1 {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        words.push_str(&format!(", without page {}{others}: {}", first.page, first.reason));
    }
    words
}
