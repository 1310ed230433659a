//! Runs of configured pipelines that somebody asked for over HTTP: each is what `quire run` does, here, for all to look at.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::{App, IngestRequest};
use crate::config::Pipeline;
use crate::error::{Error, Result};
use crate::server::{AskedPipeline, PipelineRuns, RunPhase, RunState};
use crate::types::Tenant;

/// Runs that are remembered: the oldest that has ended goes first.
const REMEMBERED: usize = 200;

/// Whose pipelines the configuration names.
pub(super) fn tenant() -> Tenant {
    Tenant("default".into())
}

/// The runs of a process.
pub(super) struct Runs {
    app: Arc<App>,
    pipelines: watch::Receiver<Arc<Vec<Pipeline>>>,
    halt: CancellationToken,
    tasks: TaskTracker,
    known: Arc<Mutex<Known>>,
}

#[derive(Default)]
struct Known {
    runs: BTreeMap<String, RunState>,
    order: VecDeque<String>,
}

impl Runs {
    /// Runs that stop with `halt`.
    pub fn new(app: Arc<App>, pipelines: watch::Receiver<Arc<Vec<Pipeline>>>, halt: CancellationToken) -> Self {
        Self { app, pipelines, halt, tasks: TaskTracker::new(), known: Arc::default() }
    }

    /// Waits for `halt`, and then for the runs.
    pub async fn end(&self) {
        self.halt.cancelled().await;
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Known {
    fn under_way(&self, pipeline: &str) -> Option<String> {
        let of_it = |run: &&RunState| run.pipeline == pipeline && run.state == RunPhase::Running;
        self.runs.values().find(of_it).map(|run| run.run_id.clone())
    }

    fn begin(&mut self, pipeline: &str) -> String {
        let id = uuid::Uuid::new_v4().to_string();
        let state = RunPhase::Running;
        let run = RunState { run_id: id.clone(), pipeline: pipeline.to_owned(), state, summary: None, reason: None };
        self.runs.insert(id.clone(), run);
        self.order.push_back(id.clone());
        if self.order.len() > REMEMBERED {
            let ended = |id: &String| self.runs.get(id).is_none_or(|run| run.state != RunPhase::Running);
            if let Some(at) = self.order.iter().position(ended)
                && let Some(id) = self.order.remove(at)
            {
                self.runs.remove(&id);
            }
        }
        id
    }
}

fn lock(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl PipelineRuns for Runs {
    async fn start(&self, of: &Tenant, name: &str) -> Result<Option<RunState>> {
        let pipelines = self.pipelines.borrow().clone();
        let found = pipelines.iter().find(|pipeline| pipeline.name == name && *of == tenant());
        let Some(pipeline) = found else { return Ok(None) };
        let source = pipeline
            .source
            .as_ref()
            .ok_or_else(|| Error::permanent(format!("pipeline '{name}' names no source: there is nothing to run")))?;
        let request = IngestRequest::of_pipeline(pipeline, source);
        let id = {
            let mut known = lock(&self.known);
            if let Some(id) = known.under_way(name) {
                return Ok(known.runs.get(&id).cloned());
            }
            known.begin(name)
        };
        let begun = lock(&self.known).runs.get(&id).cloned();
        let (app, known, halt, run) = (self.app.clone(), self.known.clone(), self.halt.clone(), id.clone());
        self.tasks.spawn(async move {
            let outcome = app.scope(tenant()).ingest(request, &halt).await;
            let mut known = lock(&known);
            let Some(state) = known.runs.get_mut(&run) else { return };
            match outcome {
                Ok(summary) => {
                    state.state = RunPhase::of(&summary);
                    state.summary = serde_json::to_value(&summary).ok();
                }
                Err(error) => {
                    state.state = RunPhase::Failed;
                    state.reason = Some(error.to_string());
                }
            }
        });
        Ok(begun)
    }

    fn asked(&self, of: &Tenant) -> Vec<AskedPipeline> {
        if *of != tenant() {
            return Vec::new();
        }
        self.pipelines.borrow().iter().map(asked).collect()
    }

    async fn run(&self, of: &Tenant, id: &str) -> Option<RunState> {
        lock(&self.known).runs.get(id).filter(|_| *of == tenant()).cloned()
    }
}

fn asked(pipeline: &Pipeline) -> AskedPipeline {
    AskedPipeline {
        name: pipeline.name.clone(),
        collection: pipeline.collection.clone(),
        plan: pipeline.default_plan.clone(),
        tags: pipeline.tags.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_that_have_ended_are_forgotten_first() {
        let mut known = Known::default();
        let first = known.begin("first");
        for number in 0..REMEMBERED * 2 {
            let id = known.begin(&format!("p{number}"));
            known.runs.get_mut(&id).unwrap().state = RunPhase::Done;
        }
        assert_eq!(known.under_way("first"), Some(first), "it still runs");
        assert!(known.runs.len() <= REMEMBERED + 1 && known.runs.len() == known.order.len());
        assert_eq!(known.under_way("p1"), None);
    }
}
