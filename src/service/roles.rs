//! Roles side by side: all of them run, or none does.

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use tokio::task::{Id, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result, ResultExt};

/// After the word to stop, the roles get so long to end; then they are cut off, which loses nothing that was acknowledged.
/// What is left of half a minute is for the models and the store.
const DRAIN: Duration = Duration::from_secs(22);

/// What a process of the service does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Answers requests.
    Api,
    /// Turns what was submitted into pages.
    Worker,
    /// Keeps watched folders in step.
    Watcher,
}

impl Role {
    pub const ALL: [Self; 3] = [Self::Api, Self::Worker, Self::Watcher];
}

/// Tasks that end together.
pub(super) struct Roles {
    tasks: JoinSet<Result<()>>,
    names: HashMap<Id, &'static str>,
    stop: CancellationToken,
    halt: CancellationToken,
    /// How many end after all others, and what tells them to.
    last: (usize, CancellationToken),
    drain: Duration,
}

impl Roles {
    /// Roles that run until `stop`.
    pub fn new(stop: CancellationToken) -> Self {
        let halt = stop.child_token();
        let last = (0, CancellationToken::new());
        Self { tasks: JoinSet::new(), names: HashMap::new(), stop, halt, last, drain: DRAIN }
    }

    /// Cancelled when the roles are to end.
    pub fn halt(&self) -> CancellationToken {
        self.halt.clone()
    }

    pub fn start(&mut self, name: &'static str, role: impl Future<Output = Result<()>> + Send + 'static) {
        let task = self.tasks.spawn(role);
        self.names.insert(task.id(), name);
    }

    /// Starts a role that ends when no other is left: who asks whether the service is ready hears until then that it is not.
    pub fn start_last<F>(&mut self, name: &'static str, role: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        self.last.0 += 1;
        self.start(name, role(self.last.1.clone()));
    }

    /// Waits until they have ended; `draining` is called at the moment when they are told to.
    ///
    /// # Errors
    /// That of the role that ended first without having been told to.
    pub async fn run(mut self, draining: impl FnOnce()) -> Result<()> {
        let mut outcome = Ok(());
        tokio::select! {
            biased;
            () = self.stop.cancelled() => {}
            ended = self.tasks.join_next_with_id() => outcome = self.fault(ended),
        }
        self.halt.cancel();
        draining();
        let drain = self.drain;
        let all = async {
            let mut outcome = Ok(());
            loop {
                let (lasting, last) = &self.last;
                if self.tasks.len() <= *lasting {
                    last.cancel();
                }
                let Some(ended) = self.tasks.join_next().await else { break };
                let ended = ended.map_err(|error| Error::bug("a role of the service failed").with_source(error));
                outcome = outcome.and(ended.and_then(|ended| ended));
            }
            outcome
        };
        match timeout(drain, all).await {
            Ok(ended) => outcome = outcome.and(ended),
            Err(_) => {
                tracing::warn!("what was under way did not end within {} s: it is cut off", drain.as_secs());
                self.tasks.shutdown().await;
            }
        }
        outcome
    }

    fn fault(&self, ended: Option<std::result::Result<(Id, Result<()>), tokio::task::JoinError>>) -> Result<()> {
        let name = |id| self.names.get(&id).copied().unwrap_or("a role");
        match ended {
            None => Ok(()),
            Some(Ok((id, Ok(())))) => Err(Error::bug(format!("the {} ended although nobody told it to", name(id)))),
            Some(Ok((id, outcome))) => outcome.context(format!("the {} ended", name(id))),
            Some(Err(error)) => Err(Error::bug(format!("the {} failed", name(error.id()))).with_source(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn roles_run_until_they_are_told_to_stop() {
        let stop = CancellationToken::new();
        let mut roles = Roles::new(stop.clone());
        for name in ["one", "other"] {
            let halt = roles.halt();
            roles.start(name, async move {
                halt.cancelled().await;
                Ok(())
            });
        }
        let mut drained = false;
        stop.cancel();
        roles.run(|| drained = true).await.unwrap();
        assert!(drained);
    }

    #[tokio::test]
    async fn a_role_that_ends_by_itself_ends_the_others_and_is_named() {
        let mut roles = Roles::new(CancellationToken::new());
        let halt = roles.halt();
        roles.start("watcher", async move {
            halt.cancelled().await;
            Ok(())
        });
        roles.start("worker", async { Err(Error::bug("a stage ended")) });
        let error = roles.run(|| {}).await.unwrap_err().to_string();
        assert!(error.contains("the worker ended") && error.contains("a stage ended"), "{error}");
        let mut roles = Roles::new(CancellationToken::new());
        roles.start("api", async { panic!("oh") });
        assert!(roles.run(|| {}).await.unwrap_err().to_string().contains("the api failed"));
    }

    #[tokio::test]
    async fn who_answers_ends_last() {
        let stop = CancellationToken::new();
        let mut roles = Roles::new(stop.clone());
        let (done, worked) = tokio::sync::oneshot::channel::<()>();
        let halt = roles.halt();
        roles.start("worker", async move {
            halt.cancelled().await;
            tokio::task::yield_now().await;
            drop(done);
            Ok(())
        });
        roles.start_last("api", |end| async move {
            end.cancelled().await;
            assert!(worked.now_or_never().is_some(), "the worker still works");
            Ok(())
        });
        stop.cancel();
        roles.run(|| {}).await.unwrap();
    }

    #[tokio::test]
    async fn a_role_that_does_not_end_is_cut_off() {
        let stop = CancellationToken::new();
        let mut roles = Roles::new(stop.clone());
        roles.drain = Duration::ZERO;
        roles.start("worker", std::future::pending());
        stop.cancel();
        roles.run(|| {}).await.unwrap();
    }
}
