//! The patience of a one-shot run with what it needs before, beside and after its documents: ledger, store, page images, buckets. What is
//! away is waited for, as the engine waits for it while it works; what people must mend is told at once.
//!
//! It must never wait for what no waiting mends, longer than it was told to, or after the word to stop.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::events::{Event, Events};
use crate::error::{Blame, Error, Kind, Result};

/// Between the first two looks; doubles with each further one...
const FIRST: Duration = Duration::from_millis(250);
/// ...up to this: somebody sits there and waits.
const LONGEST: Duration = Duration::from_secs(5);

/// How long a run waits for what is away.
#[derive(Clone, Copy)]
pub struct Patience<'a> {
    longest: Duration,
    /// Between the first two looks.
    first: Duration,
    stop: Option<&'a CancellationToken>,
    told: Option<(&'a Events, &'a str)>,
}

impl<'a> Patience<'a> {
    /// That of who waits for nothing.
    pub fn none() -> Self {
        Self { longest: Duration::ZERO, first: FIRST, stop: None, told: None }
    }

    /// Waits so long from the first failure on, or until `stop`.
    pub fn new(longest: Duration, stop: &'a CancellationToken) -> Self {
        Self { longest, stop: Some(stop), ..Self::none() }
    }

    /// Who follows the collection hears that work on it waits, and that it goes on.
    #[must_use]
    pub fn telling(self, events: &'a Events, collection: &'a str) -> Self {
        Self { told: Some((events, collection)), ..self }
    }

    /// Does a step, again and again while what it needs is away. A step may be cut off anywhere, and done twice.
    ///
    /// # Errors
    /// Those of the step: at once where waiting mends nothing, else when patience has run out or the word to stop came.
    pub async fn with<T, F: Future<Output = Result<T>>>(&self, mut step: impl FnMut() -> F) -> Result<T> {
        let mut waiting: Option<Waiting<'_>> = None;
        let mut pause = self.first;
        loop {
            let error = match self.until_stopped(step()).await {
                Some(Err(error)) if is_away(&error) && !self.longest.is_zero() => error,
                Some(outcome) => {
                    if outcome.is_ok() && waiting.is_some() {
                        tracing::info!("what was away is back, work goes on");
                    }
                    return outcome;
                }
                None => return Err(waiting.map_or_else(|| Error::transient("told to stop"), Waiting::stopped)),
            };
            let waiting = match &mut waiting {
                Some(waiting) => {
                    waiting.reason = error;
                    waiting
                }
                none => none.insert(Waiting::begin(error, self)),
            };
            let left = self.longest.saturating_sub(waiting.since.elapsed());
            if left.is_zero() {
                let seconds = self.longest.as_secs();
                return Err(waiting.reason.duplicate().context(format!("waited for {seconds} s (ingest.patience_s)")));
            }
            let asked = match waiting.reason.kind() {
                Kind::Transient { retry_after: Some(asked) } => asked,
                _ => Duration::ZERO,
            };
            // Where it is to stop, the next look says so.
            let _ = self.until_stopped(sleep(pause.max(asked).min(left))).await;
            pause = (pause * 2).min(LONGEST);
        }
    }

    /// What comes of it; None where the word to stop comes first.
    async fn until_stopped<F: Future>(&self, it: F) -> Option<F::Output> {
        match self.stop {
            Some(stop) => stop.run_until_cancelled(it).await,
            None => Some(it.await),
        }
    }
}

/// Whether it may come back by itself, and every document needs it.
fn is_away(error: &Error) -> bool {
    error.is_transient() && error.blame() == Blame::Dependency
}

/// One wait. However it ends, whoever was told of it hears so.
struct Waiting<'a> {
    since: Instant,
    reason: Error,
    told: Option<(&'a Events, &'a str)>,
}

impl<'a> Waiting<'a> {
    fn begin(reason: Error, patience: &Patience<'a>) -> Self {
        let up_to_s = patience.longest.as_secs();
        let collection = patience.told.map(|(_, collection)| collection);
        tracing::warn!(collection, up_to_s, error = %reason, "waits for what is away");
        if let Some((events, collection)) = patience.told {
            events.send(Event::Paused { collection: Some(collection.to_owned()), reason: reason.to_string() });
        }
        Self { since: Instant::now(), reason, told: patience.told }
    }

    fn stopped(self) -> Error {
        self.reason.duplicate().context("stopped while it was waited for")
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some((events, collection)) = self.told {
            events.send(Event::Resumed { collection: Some(collection.to_owned()) });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const LONG: Duration = Duration::from_secs(120);

    /// A step that fails so often before it succeeds.
    struct Step {
        calls: AtomicUsize,
        failures: usize,
        error: fn() -> Error,
    }

    impl Step {
        fn failing(failures: usize, error: fn() -> Error) -> Self {
            Self { calls: AtomicUsize::new(0), failures, error }
        }

        async fn run(&self) -> Result<usize> {
            let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
            if call > self.failures { Ok(call) } else { Err((self.error)()) }
        }
    }

    /// Looks again after a moment.
    fn quick(longest: Duration, stop: &CancellationToken) -> Patience<'_> {
        Patience { first: Duration::from_millis(1), ..Patience::new(longest, stop) }
    }

    fn away() -> Error {
        Error::transient("the store is away")
    }

    #[tokio::test]
    async fn what_is_away_is_waited_for_and_told_once() {
        let (events, stop, step) = (Events::default(), CancellationToken::new(), Step::failing(4, away));
        let mut heard = events.subscribe();
        let patience = quick(LONG, &stop).telling(&events, "documents");
        assert_eq!(patience.with(|| step.run()).await.unwrap(), 5);
        let Ok(Event::Paused { collection, reason }) = heard.try_recv() else { panic!("nobody was told") };
        assert_eq!((collection.as_deref(), reason.as_str()), (Some("documents"), "the store is away"));
        assert!(matches!(heard.try_recv(), Ok(Event::Resumed { collection: Some(_) })));
        assert!(heard.try_recv().is_err());
    }

    #[tokio::test]
    async fn patience_ends() {
        let (stop, step, began) = (CancellationToken::new(), Step::failing(usize::MAX, away), Instant::now());
        let longest = Duration::from_millis(1000);
        let error = quick(longest, &stop).with(|| step.run()).await.unwrap_err();
        assert!(began.elapsed() >= longest);
        let said = error.to_string();
        assert!(said.contains("1 s (ingest.patience_s)") && said.contains("the store is away"), "{said}");
        assert!(error.is_transient());
    }

    #[tokio::test]
    async fn who_has_none_and_what_people_must_mend_waits_for_nothing() {
        let (stop, mine) = (CancellationToken::new(), || Error::transient("a file").blaming(Blame::Document));
        let step = Step::failing(1, away);
        assert_eq!(Patience::none().with(|| step.run()).await.unwrap_err().to_string(), "the store is away");
        for error in [|| Error::configuration("the key is refused"), || Error::bug("a stage ended"), mine] {
            let step = Step::failing(1, error);
            let told = Patience::new(LONG, &stop).with(|| step.run()).await.unwrap_err();
            assert_eq!((told.to_string(), step.calls.load(Ordering::SeqCst)), (error().to_string(), 1));
        }
    }

    #[tokio::test]
    async fn who_asks_for_more_time_gets_it() {
        const ASKED: Duration = Duration::from_millis(50);
        let (stop, began) = (CancellationToken::new(), Instant::now());
        let step = Step::failing(1, || Error::transient_after("too many requests", Some(ASKED)));
        quick(LONG, &stop).with(|| step.run()).await.unwrap();
        assert!(began.elapsed() >= ASKED);
    }

    #[tokio::test]
    async fn the_word_to_stop_ends_a_wait_and_a_step_that_hangs() {
        let (events, stop) = (Events::default(), CancellationToken::new());
        let mut heard = events.subscribe();
        // The next look would come after minutes.
        let patience = Patience { first: LONG, ..Patience::new(LONG, &stop) }.telling(&events, "documents");
        let (outcome, ()) = tokio::join!(patience.with(|| async { Err::<(), _>(away()) }), async { stop.cancel() });
        let said = outcome.unwrap_err().to_string();
        assert!(said.contains("stopped") && said.contains("the store is away"), "{said}");
        assert!(matches!(heard.try_recv(), Ok(Event::Paused { .. })));
        assert!(matches!(heard.try_recv(), Ok(Event::Resumed { .. })), "nobody goes on thinking that it waits");

        let stop = CancellationToken::new();
        let patience = Patience::new(LONG, &stop);
        let (outcome, ()) = tokio::join!(patience.with(std::future::pending::<Result<()>>), async { stop.cancel() });
        assert!(outcome.unwrap_err().is_transient());
    }
}
