//! Failures at named points. A *fault double* stands before a real store, ledger, blob store or model, passes every call on,
//! and first asks its [`Faults`] what is to happen at the call of that name: nothing, an error, a panic, a wait. With it tests
//! prove what happens when a dependency fails at a certain moment, without sleeping and without killing by the clock.
//!
//! Production never builds a double.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::error::{Error, Result};

/// What happens to a call.
#[derive(Clone)]
pub enum Fault {
    /// It fails, with an error made anew each time.
    Fail(fn() -> Error),
    /// It panics.
    Panic,
    /// It takes so much longer.
    Slow(Duration),
    /// It waits for a permit: a test adds one when the call may go on.
    Hold(Arc<Semaphore>),
}

/// Which calls.
#[derive(Clone, Copy)]
enum When {
    /// The call that is so many calls away, 1 for the next.
    At(u64),
    Always,
}

#[derive(Default)]
struct State {
    calls: HashMap<&'static str, u64>,
    planned: Vec<(&'static str, When, Fault)>,
}

/// The plan of faults of one double. Clones share it.
#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<State>>);

impl Faults {
    pub fn none() -> Self {
        Self::default()
    }

    /// The `nth` call of that name from now on (1: the next one) meets `fault`, once.
    pub fn on(&self, call: &'static str, nth: u64, fault: Fault) {
        let mut state = self.state();
        let at = state.calls.get(call).copied().unwrap_or_default() + nth;
        state.planned.push((call, When::At(at), fault));
    }

    /// Every call of that name meets `fault`, until [`Self::clear`].
    pub fn always(&self, call: &'static str, fault: Fault) {
        self.state().planned.push((call, When::Always, fault));
    }

    /// Nothing more happens to calls of that name.
    pub fn clear(&self, call: &'static str) {
        self.state().planned.retain(|(planned, ..)| *planned != call);
    }

    /// How many calls of that name came so far.
    pub fn calls(&self, call: &'static str) -> u64 {
        self.state().calls.get(call).copied().unwrap_or_default()
    }

    /// What a double does first in each call.
    ///
    /// # Errors
    /// The planned one.
    pub async fn meet(&self, call: &'static str) -> Result<()> {
        let fault = {
            let mut state = self.state();
            let count = state.calls.entry(call).or_default();
            *count += 1;
            let count = *count;
            let due = |when: When| match when {
                When::Always => true,
                When::At(at) => at == count,
            };
            let mut planned = state.planned.iter();
            planned.find(|(name, when, _)| *name == call && due(*when)).map(|(.., fault)| fault.clone())
        };
        match fault {
            None => Ok(()),
            Some(Fault::Fail(error)) => Err(error()),
            Some(Fault::Panic) => panic!("{call} was told to panic"),
            Some(Fault::Slow(by)) => {
                tokio::time::sleep(by).await;
                Ok(())
            }
            Some(Fault::Hold(permits)) => {
                let permit = permits.acquire().await;
                permit.map_err(|_| Error::transient(format!("{call} was held until the test ended")))?.forget();
                Ok(())
            }
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn away() -> Error {
        Error::transient("away")
    }

    #[tokio::test]
    async fn the_nth_call_fails_and_the_others_pass() {
        let faults = Faults::none();
        faults.meet("write").await.unwrap();
        faults.on("write", 2, Fault::Fail(away));
        faults.meet("write").await.unwrap();
        faults.meet("read").await.unwrap();
        assert!(faults.meet("write").await.is_err());
        faults.meet("write").await.unwrap();
        assert_eq!((faults.calls("write"), faults.calls("read")), (4, 1));
    }

    #[tokio::test]
    async fn a_dependency_stays_away_until_it_is_back() {
        let faults = Faults::none();
        faults.always("write", Fault::Fail(away));
        for _ in 0..3 {
            assert!(faults.meet("write").await.is_err());
        }
        faults.clear("write");
        faults.meet("write").await.unwrap();
    }
}
