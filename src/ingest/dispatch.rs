//! Which jobs are worked on, and when: claims them as there is room, one suspect at a time after a crash, none of what waits
//! for something that is away, none after the word to stop.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::flow::Flow;
use super::{Parts, Until, attempt};
use crate::error::{Error, Result};
use crate::ledger::{Claim, Job, Switch};
use crate::types::SourceRef;

/// Without news, an engine that waits for jobs looks again after so long: leases run out, pauses end, and news may be lost.
const IDLE: Duration = Duration::from_secs(1);

/// Documents under way.
type Running = JoinSet<Result<()>>;

/// Claims jobs and keeps as many documents going as there are slots, until the run's end.
///
/// # Errors
/// As [`super::Engine::drain`].
pub async fn dispatch(flow: &Arc<Flow>, until: Until<'_>, stop: &CancellationToken, submitted: &Notify) -> Result<()> {
    let mut running = Running::new();
    let worked = claim_all(flow, until, stop, submitted, &mut running).await;
    let ended = end(flow, stop, &mut running).await;
    if stop.is_cancelled() {
        flow.tally.add(|report| report.stopped = true);
    }
    worked.and(ended)
}

/// Documents that a process died over are tried alone, before anything else: so the one that is to blame is known, and the
/// others are not taken for it.
async fn try_suspects(flow: &Arc<Flow>, until: Until<'_>, stop: &CancellationToken) -> Result<()> {
    while !stop.is_cancelled() && !flow.halt.is_cancelled() {
        let Some(job) = claim(flow, until, true, 1).await?.into_iter().next() else { return Ok(()) };
        tracing::info!(source = %job.source.uri, deaths = job.crashes, "a process died over it: tried alone");
        let slot = flow.documents.take().await?;
        let mut alone = Running::new();
        let flow_of_job = flow.clone();
        alone.spawn(async move { attempt::run(&flow_of_job, job, slot).await });
        end(flow, stop, &mut alone).await?;
    }
    Ok(())
}

async fn claim_all(
    flow: &Arc<Flow>,
    until: Until<'_>,
    stop: &CancellationToken,
    submitted: &Notify,
    running: &mut Running,
) -> Result<()> {
    let mut news = flow.parts.ledger.news();
    while !stop.is_cancelled() && !flow.halt.is_cancelled() {
        if let Until::Drained(_) = until
            && let Some(error) = flow.pauses.out_of_patience(None, flow.parts.settings.patience, Instant::now())
        {
            return Err(error);
        }
        // What is submitted from here on is news, also while the claim is under way.
        news.mark_unchanged();
        let free = flow.documents.free();
        let claimed = match claim_next(flow, until, stop, free, running.is_empty()).await {
            Ok(claimed) => claimed,
            Err(error) if error.is_transient() => {
                flow.pause(None, &error);
                Vec::new()
            }
            Err(error) => return Err(error),
        };
        let nothing_claimed = claimed.is_empty();
        for job in claimed {
            let slot = flow.documents.take().await?;
            let flow = flow.clone();
            running.spawn(async move { attempt::run(&flow, job, slot).await });
        }
        if free > 0 && !nothing_claimed {
            continue;
        }
        let mut look_again = Instant::now() + IDLE;
        if free > 0 && running.is_empty() {
            match next_look(flow, until).await? {
                Some(moment) => look_again = moment,
                None => return Ok(()),
            }
        }
        // A job may come free when one ends (its document has a newer version), and there is room when one needs no more work.
        tokio::select! {
            Some(ended) = running.join_next() => match (of_task(ended), until) {
                // What became of a document could not be written down: when its lease ends, it is done again.
                (Err(error), Until::Stopped) if error.is_transient() => {
                    flow.pause(None, &error);
                }
                (ended, _) => ended?,
            },
            slot = flow.documents.take(), if free == 0 => drop(slot?),
            () = sleep_until(look_again), if free > 0 => {}
            () = submitted.notified() => {}
            Ok(()) = news.changed(), if free > 0 => {}
            () = stop.cancelled() => {}
            () = flow.halt.cancelled() => {}
        }
    }
    Ok(())
}

/// Jobs to begin now, at most `free`; none while what every collection needs is away. With nothing under way, suspects come
/// first.
async fn claim_next(
    flow: &Arc<Flow>,
    until: Until<'_>,
    stop: &CancellationToken,
    free: usize,
    alone: bool,
) -> Result<Vec<Job>> {
    if free == 0 || flow.pauses.all_wait(Instant::now()) {
        return Ok(Vec::new());
    }
    flow.parts.disk.check()?;
    if alone {
        try_suspects(flow, until, stop).await?;
    }
    let claimed = claim(flow, until, false, free).await?;
    flow.all_there();
    Ok(claimed)
}

async fn claim(flow: &Flow, until: Until<'_>, suspects: bool, limit: usize) -> Result<Vec<Job>> {
    let collection = match until {
        Until::Drained(collection) => collection,
        Until::Stopped => None,
    };
    let except = flow.pauses.waiting(Instant::now());
    flow.parts.ledger.claim(&Claim { collection, except: &except, suspects, limit, lease: attempt::LEASE }).await
}

/// When to look for jobs again; None where a drain has reached its end. What is built beside the old then takes its place.
async fn next_look(flow: &Flow, until: Until<'_>) -> Result<Option<Instant>> {
    let now = Instant::now();
    if let Some(end) = flow.pauses.next_end(now) {
        return Ok(Some(end));
    }
    let collection = match until {
        Until::Drained(collection) => collection,
        Until::Stopped => None,
    };
    match flow.parts.ledger.next_due_ms(collection).await {
        Ok(Some(due)) => Ok(Some(now + Duration::from_millis(due).clamp(Duration::from_millis(1), IDLE))),
        Ok(None) => {
            let Switching { switched, would_lose, .. } = match switch_complete(&flow.parts, collection).await {
                Err(error) if error.is_transient() => return Ok(Some(now + flow.pause(None, &error))),
                outcome => outcome?,
            };
            if !would_lose.is_empty() {
                flow.tally.add(|report| report.not_switched = would_lose);
            }
            match until {
                Until::Drained(_) => Ok(None),
                Until::Stopped if switched => Ok(Some(now)),
                Until::Stopped => Ok(Some(now + IDLE)),
            }
        }
        Err(error) if error.is_transient() => Ok(Some(now + flow.pause(None, &error))),
        Err(error) => Err(error),
    }
}

/// What became of new builds.
#[derive(Debug, Default)]
pub struct Switching {
    /// One took its collection's place.
    pub switched: bool,
    /// Documents that people find now and that a new build lacks, with the reason.
    pub would_lose: Vec<(SourceRef, String)>,
    /// One has still work to be done.
    pub waiting: bool,
}

/// Collections whose new build is complete ask it from now on.
pub async fn switch_complete(parts: &Parts, collection: Option<&str>) -> Result<Switching> {
    let mut outcome = Switching::default();
    for record in parts.ledger.collections().await? {
        let Some(next) = record.next.filter(|_| collection.is_none_or(|name| name == record.name)) else { continue };
        match parts.ledger.switch(&record.name, false).await? {
            Switch::Switched => {
                tracing::info!(collection = record.name, "questions are asked of the new build from now on");
                // The collector does it again before it drops the old build.
                if let Err(error) = parts.store.publish(&record.name, &next.physical).await {
                    tracing::warn!(collection = record.name, %error, "the collection's name leads to its old build for now");
                }
                outcome.switched = true;
            }
            Switch::WouldLose(documents) => {
                for (source, reason) in &documents {
                    tracing::warn!(collection = record.name, source = source.uri, reason, "missing in the new build");
                }
                outcome.would_lose = documents;
            }
            Switch::Waiting(_) => outcome.waiting = true,
            Switch::Nothing => {}
        }
    }
    Ok(outcome)
}

/// Waits for what is under way: as long as it takes, or, after the word to stop, for a while, and then only until nothing of
/// it is left half done.
async fn end(flow: &Flow, stop: &CancellationToken, running: &mut Running) -> Result<()> {
    let mut outcome = Ok(());
    let stopped = async {
        stop.cancelled().await;
        tokio::time::sleep(flow.parts.settings.stop_grace).await;
    };
    let mut stopped = std::pin::pin!(stopped);
    loop {
        tokio::select! {
            ended = running.join_next() => match ended {
                Some(ended) => outcome = outcome.and(of_task(ended)),
                None => return outcome,
            },
            () = &mut stopped, if !flow.halt.is_cancelled() => flow.halt.cancel(),
        }
    }
}

fn of_task(ended: std::result::Result<Result<()>, tokio::task::JoinError>) -> Result<()> {
    ended.map_err(|error| Error::bug("the task of a document panicked").with_source(error))?
}
