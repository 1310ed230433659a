//! What pages and questions share: the session of a model that has one graph for both. It is handed out in the order in which it
//! was asked for, so that a question waits for the run that is under way and for no other, however many pages wait behind it. A
//! lock that whoever is quickest gets must never take its place: the thread of the next batch would be quicker, again and again.

use futures::executor::block_on;
use tokio::sync::{Mutex, MutexGuard};

pub(super) struct Shared<T>(Mutex<T>);

impl<T> Shared<T> {
    pub fn new(it: T) -> Self {
        Self(Mutex::new(it))
    }

    /// Waits in line, from the first poll on.
    pub async fn turn(&self) -> MutexGuard<'_, T> {
        self.0.lock().await
    }

    /// Blocks: for threads of a model, which are nobody else's.
    pub fn take(&self) -> MutexGuard<'_, T> {
        block_on(self.turn())
    }
}
