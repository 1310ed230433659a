//! Questions go before pages: while somebody asks, an ingest works on few pages at once and leaves the cores to the answers. The
//! model's own order is another matter: there a question waits for the run that is under way and for no other.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// A question is rarely the last: people read, and ask again.
const AFTER_A_QUESTION: Duration = Duration::from_secs(1);
/// Of the pages that may be in flight, one in so many begins meanwhile.
const SHARE: usize = 8;

/// Knows when a question was asked last. One for all engines of a process.
#[derive(Debug, Default)]
pub struct Questions(Mutex<Option<Instant>>);

impl Questions {
    /// A question is being asked.
    pub fn asked(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn are_asked(&self, now: Instant) -> bool {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_some_and(|last| now.saturating_duration_since(last) < AFTER_A_QUESTION)
    }
}

/// The places of pages that begin while questions are asked.
#[derive(Debug)]
pub struct Guard(Semaphore);

impl Guard {
    pub fn new(pages_in_flight: usize) -> Self {
        Self(Semaphore::new((pages_in_flight / SHARE).max(1)))
    }

    /// Waits until a page may begin: at once where nobody asks. What comes back is held until the page is stored.
    pub async fn page(&self, questions: &Questions) -> Option<SemaphorePermit<'_>> {
        loop {
            if !questions.are_asked(Instant::now()) {
                return None;
            }
            tokio::select! {
                // Nobody closes it.
                place = self.0.acquire() => return place.ok(),
                () = tokio::time::sleep(AFTER_A_QUESTION) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn few_pages_begin_while_questions_are_asked() {
        let (questions, guard) = (Questions::default(), Guard::new(2 * SHARE));
        assert!(guard.page(&questions).await.is_none(), "nobody asks");
        questions.asked();
        let first = guard.page(&questions).await;
        assert!(first.is_some() && guard.0.available_permits() == 1);
        let second = guard.page(&questions).await;
        assert!(second.is_some() && guard.0.available_permits() == 0);
        drop(first);
        questions.asked();
        assert!(guard.page(&questions).await.is_some(), "a page that is stored makes room");
    }

    #[tokio::test]
    async fn a_question_of_long_ago_holds_nobody_up() {
        let questions = Questions::default();
        questions.asked();
        let now = Instant::now();
        assert!(questions.are_asked(now) && !questions.are_asked(now + AFTER_A_QUESTION));
    }
}
