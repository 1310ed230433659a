//! One attempt at one job, and what it leads to. Whose fault a failure is decides: the document's own uses up an attempt; a
//! dependency that is away, a stop and a lost lease use up none.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures::FutureExt;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::document::{self, Outcome};
use super::events::Happening;
use super::flow::Flow;
use super::plan::CollectionPlan;
use super::report::DocumentRef;
use super::slots::DocumentSlot;
use crate::config;
use crate::error::{Blame, Error, Kind, Result};
use crate::ledger::{Fate, Indexed, Job, Ledger, PageFailure, Rejection, Task};
use crate::telemetry;
use crate::types::Note;

/// How long a claimed job is ours without a sign of life.
pub const LEASE: Duration = Duration::from_secs(120);

/// So many processes may die over a document that was tried alone before it is given up: more than anybody kills by hand in
/// a row, few enough that a document which kills the process each time does not do so for ever.
const DEATHS_ALONE: u32 = 16;

/// How an attempt ended.
enum Ended {
    Indexed {
        pages: u32,
        failed_pages: Vec<PageFailure>,
        notes: Vec<Note>,
        seconds: f64,
    },
    Retagged,
    /// Another version took its place, and may be worked on by now.
    Replaced,
    /// The engine stops, or the lease is lost.
    Halted,
    Failed(Error),
}

/// One attempt; what it led to is in the ledger when this returns.
///
/// # Errors
/// The ledger can't be written; the job's lease then runs out by itself.
pub async fn run(flow: &Flow, job: Job, slot: DocumentSlot) -> Result<()> {
    flow.parts.events.of_job(&job, Happening::Started);
    let halt = flow.halt.child_token();
    let lease = Lease::keep(flow.parts.ledger.clone(), job.clone(), halt.clone());
    let ended = match AssertUnwindSafe(attempt(flow, &job, slot, &halt)).catch_unwind().await {
        Ok(Ok(ended)) => ended,
        Ok(Err(error)) => Ended::Failed(error),
        Err(_) => Ended::Failed(Error::bug("working on it panicked")),
    };
    let lost = lease.is_lost();
    drop(lease);
    if lost {
        // What it wrote may be nobody's by now: the ledger decides whether it is garbage.
        flow.parts.events.of_job(&job, Happening::GivenBack { reason: None });
        return flow.insist(|| flow.parts.ledger.release(&job, Duration::ZERO, None)).await;
    }
    match ended {
        Ended::Indexed { pages, failed_pages, notes, seconds } => {
            indexed(flow, &job, pages, failed_pages, notes, seconds);
            Ok(())
        }
        Ended::Retagged => {
            flow.tally.add(|report| report.retagged += 1);
            flow.parts.events.of_job(&job, Happening::Retagged);
            Ok(())
        }
        Ended::Replaced => {
            flow.parts.events.of_job(&job, Happening::GivenBack { reason: None });
            flow.insist(|| flow.parts.ledger.release(&job, Duration::ZERO, None)).await
        }
        Ended::Halted => give_back(flow, &job, Duration::ZERO, None).await,
        Ended::Failed(error) => failed(flow, &job, &error).await,
    }
}

/// Pages into the store, then the acknowledgement.
async fn attempt(flow: &Flow, job: &Job, slot: DocumentSlot, halt: &CancellationToken) -> Result<Ended> {
    let started = Instant::now();
    if job.crashes > DEATHS_ALONE {
        return Err(Error::permanent(format!(
            "the process died {} times in a row while it worked on this document alone",
            job.crashes
        )));
    }
    let plan = flow.parts.plans.plan(job).await?.ok_or_else(|| {
        // It was given another recipe just now, and every document is submitted anew.
        Error::transient(format!("collection '{}' is no longer filled under recipe {}", job.collection, job.recipe))
    })?;
    if job.task == Task::Retag {
        return retag(flow, job, &plan).await;
    }
    let stored = match document::store(flow, job, &plan, halt).await? {
        Outcome::Stored(stored) => stored,
        Outcome::Changed => return Ok(Ended::Replaced),
        Outcome::Halted => return Ok(Ended::Halted),
    };
    let (pages, failed_pages, notes) = (stored.page_count, stored.failed_pages.clone(), stored.notes.clone());
    drop(slot);
    // Returns when the store has confirmed and the ledger has committed.
    let ours = flow.acknowledger.acknowledge(&plan.physical, job.clone(), stored).await?;
    let seconds = started.elapsed().as_secs_f64();
    Ok(if ours { Ended::Indexed { pages, failed_pages, notes, seconds } } else { Ended::Replaced })
}

/// Other tags on the pages that people see: their payloads are rewritten, their vectors stay.
async fn retag(flow: &Flow, job: &Job, plan: &Arc<CollectionPlan>) -> Result<Ended> {
    flow.parts.store.set_tags(&plan.physical, job.document, &job.generation, &job.tags).await?;
    let ours = flow.acknowledger.acknowledge(&plan.physical, job.clone(), Indexed::default()).await?;
    Ok(if ours { Ended::Retagged } else { Ended::Replaced })
}

fn indexed(flow: &Flow, job: &Job, pages: u32, failed_pages: Vec<PageFailure>, notes: Vec<Note>, seconds: f64) {
    flow.working_again(&job.collection);
    telemetry::document(telemetry::Outcome::Indexed);
    flow.tally.add(|report| {
        report.indexed += 1;
        report.pages += u64::from(pages).saturating_sub(failed_pages.len() as u64);
        report.notes.extend(notes.into_iter().map(|note| (DocumentRef::of(job), note)));
        report.failed_pages.extend(failed_pages.iter().map(|page| (DocumentRef::of(job), page.clone())));
    });
    flow.parts.events.of_job(job, Happening::Indexed { pages, failed_pages, seconds });
}

/// Writes down what a failure leads to.
async fn failed(flow: &Flow, job: &Job, error: &Error) -> Result<()> {
    let ledger = &flow.parts.ledger;
    let reason = error.to_string();
    if error.blame() == Blame::Dependency {
        let pause = flow.pause(Some(&job.collection), error);
        return give_back(flow, job, pause, Some(&reason)).await;
    }
    let what = match error.kind() {
        Kind::Permanent => {
            let rejection = Rejection { reason: reason.clone(), limit: error.limit().cloned() };
            if !flow.insist(|| ledger.reject(job, &rejection)).await? {
                return Ok(());
            }
            telemetry::document(telemetry::Outcome::Rejected);
            Happening::Rejected { reason: reason.clone() }
        }
        _ => {
            let (attempts, pause) =
                (flow.parts.settings.max_attempts, retry_pause(&flow.parts.settings, job.attempt, error.kind()));
            match flow.insist(|| ledger.fail(job, &reason, attempts, pause)).await? {
                Fate::Retry => {
                    telemetry::retry();
                    flow.parts.events.of_job(job, Happening::Retrying { reason });
                    return Ok(());
                }
                Fate::Superseded => return Ok(()),
                Fate::DeadLettered => {
                    telemetry::document(telemetry::Outcome::Dead);
                    Happening::Dead { reason: reason.clone() }
                }
            }
        }
    };
    flow.tally.add(|report| report.failures.push((DocumentRef::of(job), reason)));
    flow.parts.events.of_job(job, what);
    Ok(())
}

/// The job as it was before the attempt.
async fn give_back(flow: &Flow, job: &Job, after: Duration, reason: Option<&str>) -> Result<()> {
    flow.insist(|| flow.parts.ledger.release(job, after, reason)).await?;
    flow.tally.add(|report| report.given_back += 1);
    flow.parts.events.of_job(job, Happening::GivenBack { reason: reason.map(str::to_owned) });
    Ok(())
}

/// Doubles with each attempt, up to the configured longest; never earlier than the other side asked.
fn retry_pause(settings: &config::Ingest, attempt: u32, kind: Kind) -> Duration {
    let doubled = settings.first_retry.saturating_mul(2u32.saturating_pow(attempt.saturating_sub(1)));
    let pause = doubled.min(settings.longest_retry);
    match kind {
        Kind::Transient { retry_after: Some(asked) } => pause.max(asked),
        _ => pause,
    }
}

/// The lease of a running job, renewed until this is dropped. Where it is lost, the attempt is halted at once: somebody else
/// may be writing the same document.
struct Lease {
    lost: Arc<AtomicBool>,
    _renewal: AbortOnDropHandle<()>,
}

impl Lease {
    fn keep(ledger: Arc<dyn Ledger>, job: Job, halt: CancellationToken) -> Self {
        let lost = Arc::new(AtomicBool::new(false));
        let noticed = lost.clone();
        let renewal = tokio::spawn(async move {
            loop {
                tokio::time::sleep(LEASE / 3).await;
                match ledger.renew(&job, LEASE).await {
                    Ok(true) => {}
                    Ok(false) => {
                        tracing::warn!(document = %job.document, "the lease is lost, the attempt ends");
                        noticed.store(true, Ordering::SeqCst);
                        return halt.cancel();
                    }
                    Err(error) => tracing::warn!(%error, document = %job.document, "the lease could not be renewed"),
                }
            }
        });
        Self { lost, _renewal: AbortOnDropHandle::new(renewal) }
    }

    fn is_lost(&self) -> bool {
        self.lost.load(Ordering::SeqCst)
    }
}
