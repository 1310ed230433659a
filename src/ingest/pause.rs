//! Waiting for a dependency that is away: what is paused, since when, and for how long. The pause doubles with every
//! failure in a row and ends with the first success.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Error, Kind};

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);

/// Failures in a row of one thing.
#[derive(Debug)]
pub struct Pause {
    pub since: Instant,
    pub until: Instant,
    length: Duration,
    pub reason: Error,
}

impl Pause {
    /// The pause after a failure, `earlier` being the one before.
    fn after(earlier: Option<&Pause>, error: &Error, now: Instant) -> Self {
        // Many documents fail at the same moment for the same reason: that is one failure.
        let length = match earlier {
            None => FIRST,
            Some(earlier) if earlier.until > now => earlier.length,
            Some(earlier) => (earlier.length * 2).min(LONGEST),
        };
        let asked = match error.kind() {
            Kind::Transient { retry_after: Some(asked) } => asked,
            _ => Duration::ZERO,
        };
        let since = earlier.map_or(now, |earlier| earlier.since);
        Self { since, until: now + length.max(asked), length, reason: error.duplicate() }
    }
}

/// What waits. Collections wait on their own; the key `None` is for what all of them need.
#[derive(Debug, Default)]
pub struct Pauses(Mutex<HashMap<Option<String>, Pause>>);

impl Pauses {
    /// Something that the collection needs is away. Returns how long work on it waits, and whether that is news.
    pub fn begin(&self, collection: Option<&str>, error: &Error, now: Instant) -> (Duration, bool) {
        let mut pauses = self.lock();
        let key = collection.map(str::to_owned);
        let pause = Pause::after(pauses.get(&key), error, now);
        let length = pause.until.saturating_duration_since(now);
        (length, pauses.insert(key, pause).is_none())
    }

    /// It is back; true where it was away.
    pub fn end(&self, collection: Option<&str>) -> bool {
        let mut pauses = self.lock();
        !pauses.is_empty() && pauses.remove(&collection.map(str::to_owned)).is_some()
    }

    /// Whether no job is claimed of any collection now.
    pub fn all_wait(&self, now: Instant) -> bool {
        self.lock().get(&None).is_some_and(|pause| pause.until > now)
    }

    /// Collections that no job is claimed of now.
    pub fn waiting(&self, now: Instant) -> Vec<String> {
        self.lock().iter().filter(|(_, pause)| pause.until > now).filter_map(|(name, _)| name.clone()).collect()
    }

    /// When the next of the pauses ends, of those that are not over.
    pub fn next_end(&self, now: Instant) -> Option<Instant> {
        self.lock().values().map(|pause| pause.until).filter(|until| *until > now).min()
    }

    /// Why something has been away for longer than `patience`, if it has. For people to set their configuration right nobody
    /// waits.
    /// Of what this collection needs; None: of what any does.
    pub fn out_of_patience(&self, collection: Option<&str>, patience: Duration, now: Instant) -> Option<Error> {
        let hopeless = |pause: &Pause| now > pause.since + patience || pause.reason.kind() == Kind::Configuration;
        let concerned = |of: &Option<String>| collection.is_none_or(|name| of.as_ref().is_none_or(|of| of == name));
        let pauses = self.lock();
        let found = pauses.iter().find(|(of, pause)| concerned(of) && hopeless(pause));
        found.map(|(_, pause)| pause.reason.duplicate())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Option<String>, Pause>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_doubles_with_each_failure_and_is_forgotten_with_a_success() {
        let (pauses, start) = (Pauses::default(), Instant::now());
        let away = Error::transient("the store is away");
        assert_eq!(pauses.begin(Some("a"), &away, start), (FIRST, true));
        // At the same moment: the same failure.
        assert_eq!(pauses.begin(Some("a"), &away, start), (FIRST, false));
        assert_eq!(pauses.waiting(start), ["a"]);
        let later = start + FIRST * 2;
        assert!(pauses.waiting(later).is_empty());
        assert_eq!(pauses.begin(Some("a"), &away, later), (FIRST * 2, false));
        assert!(pauses.out_of_patience(None, Duration::from_secs(50), later).is_none());
        assert!(pauses.out_of_patience(None, Duration::from_secs(50), start + Duration::from_secs(60)).is_some());
        assert!(pauses.out_of_patience(Some("b"), Duration::ZERO, later).is_none(), "another collection's pause");
        assert!(pauses.end(Some("a")));
        assert_eq!(pauses.begin(Some("a"), &away, later), (FIRST, true));
    }

    #[test]
    fn who_asks_for_more_time_gets_it() {
        let asked = Duration::from_secs(7);
        let busy = Error::transient_after("too many requests", Some(asked));
        assert_eq!(Pauses::default().begin(None, &busy, Instant::now()).0, asked);
    }

    #[test]
    fn nobody_waits_for_people_to_mend_their_configuration() {
        let (pauses, now) = (Pauses::default(), Instant::now());
        pauses.begin(Some("a"), &Error::configuration("there is no such model"), now);
        assert!(pauses.out_of_patience(None, Duration::from_secs(1000), now).is_some());
    }
}
