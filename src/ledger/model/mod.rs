//! The comparison of a backend with the ledger as plainly as it can be said ([`plain`]), over random sequences of operations,
//! and the promises that hold after each of them, whatever the model says.

mod operations;
mod plain;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use proptest::test_runner::{Config, TestRunner};

use self::operations::{Operation, operations, tenants};
use self::plain::{HandedOut, MAX_ATTEMPTS, Model};
use super::testing::{Backend, HandClock, LEASE, OwnedLedger, RETRY, build, ordinary};
use super::*;
use crate::types::RecipeId;

/// The collection that everything happens in.
const COLLECTION: &str = "documents";

/// Runs random sequences against fresh ledgers and the model, comparing answers and everything visible after each step.
pub(super) fn random_operations_agree(backend: &dyn Backend) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let cases = backend.random_cases();
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let ran = runner.run(&operations(), |operations| {
        runtime.block_on(async {
            let clock = HandClock::new();
            let Some(ledger) = backend.empty(clock.clock()).await else { return };
            ledger.define(COLLECTION, &build("build 0")).await.unwrap();
            let model = Model::new("build 0");
            let mut both = Both {
                ledger,
                model,
                clock,
                builds: 0,
                jobs: Vec::new(),
                names: Names::default(),
                amended: HashMap::new(),
            };
            for operation in &operations {
                both.step(operation).await;
                both.compare().await;
            }
        });
        Ok(())
    });
    if let Err(failure) = ran {
        panic!("{failure}");
    }
}

/// What the ledger calls the model's generations, and which recipe a job wrote them under.
#[derive(Default)]
struct Names {
    names: BTreeMap<usize, Generation>,
    recipes: HashMap<Generation, RecipeId>,
}

impl Names {
    /// One name a generation, one generation a name.
    fn learn(&mut self, generation: usize, name: &Generation) {
        match self.names.get(&generation) {
            Some(known) => assert_eq!(known, name),
            None => {
                assert!(!self.names.values().any(|known| known == name), "generation {name} is used again");
                self.names.insert(generation, name.clone());
            }
        }
    }
}

struct Both {
    ledger: std::sync::Arc<dyn OwnedLedger>,
    model: Model,
    clock: HandClock,
    /// How many builds were made beside the first.
    builds: usize,
    jobs: Vec<Job>,
    names: Names,
    /// How often the vectors of a build were changed in place.
    amended: HashMap<String, u32>,
}

impl Both {
    /// The build of that name as it is now.
    fn build(&self, physical: &str) -> Build {
        let plain = build(physical);
        match self.amended.get(physical) {
            None => plain,
            Some(times) => Build { recipe: RecipeId(format!("{}, amended {times}", plain.recipe)), ..plain },
        }
    }

    /// The number of the job that is so many before the last one.
    fn pick(&self, job: usize) -> Option<usize> {
        self.jobs.len().checked_sub(1 + job % self.jobs.len().max(1))
    }

    async fn step(&mut self, operation: &Operation) {
        let now = self.clock.now();
        self.model.now = now;
        let ledger = std::sync::Arc::clone(&self.ledger);
        match operation {
            Operation::Submit(new) => {
                assert_eq!(ledger.submit(new).await.unwrap(), self.model.submit(new, now));
            }
            Operation::Claim { suspects, limit } => self.claim(*suspects, *limit, now).await,
            Operation::ProcessDies => assert_eq!(ledger.process_died().await, self.model.process_dies()),
            Operation::Delete { tenant, of } => {
                let deleted = ledger.delete(tenant, of.document).await.unwrap();
                assert_eq!(deleted, self.model.delete(tenant, of.document));
            }
            Operation::Collect { garbage } => self.collect(*garbage).await,
            Operation::Wait { seconds } => self.clock.advance(Duration::from_secs(*seconds)),
            Operation::Rebuild { .. }
            | Operation::Switch { .. }
            | Operation::Abandon
            | Operation::Lose { .. }
            | Operation::Drop
            | Operation::Amend { .. }
            | Operation::DropCollection => self.step_of_builds(operation, now).await,
            Operation::Complete { job, .. }
            | Operation::Reject { job, .. }
            | Operation::Fail { job }
            | Operation::Renew { job }
            | Operation::Release { job, .. } => {
                if let Some(number) = self.pick(*job) {
                    self.step_of_job(operation, number, now).await;
                }
            }
        }
    }

    async fn step_of_job(&mut self, operation: &Operation, number: usize, now: i64) {
        let (ledger, model, job) = (&self.ledger, &mut self.model, &self.jobs[number]);
        match operation {
            Operation::Complete { failed_pages, .. } => {
                let indexed = Indexed { failed_pages: failed_pages.clone(), ..Indexed::default() };
                assert_eq!(ledger.complete(job, &indexed).await.unwrap(), model.complete(number, failed_pages));
            }
            Operation::Reject { limit, .. } => {
                let rejection = Rejection { reason: "broken".into(), limit: limit.clone() };
                let done = ledger.reject(job, &rejection).await.unwrap();
                assert_eq!(done, model.give_up(number, State::Rejected, "broken", limit.clone()));
            }
            Operation::Fail { .. } => {
                let fate = ledger.fail(job, "bad luck", MAX_ATTEMPTS, RETRY).await.unwrap();
                assert_eq!(fate, model.fail(number, "bad luck", now));
            }
            Operation::Renew { .. } => {
                assert_eq!(ledger.renew(job, LEASE).await.unwrap(), model.renew(number, now));
            }
            Operation::Release { wait, .. } => {
                let (retry_after, reason) = if *wait { (RETRY, Some("away")) } else { (Duration::ZERO, None) };
                ledger.release(job, retry_after, reason).await.unwrap();
                model.release(number, *wait, now);
            }
            other => unreachable!("{other:?} is not about a job"),
        }
    }

    async fn step_of_builds(&mut self, operation: &Operation, now: i64) {
        if let Operation::Amend { next } = operation {
            return self.amend(*next, now).await;
        }
        let (ledger, model) = (&self.ledger, &mut self.model);
        match operation {
            Operation::Rebuild { anew } => {
                let next = match &model.next {
                    Some(next) if !anew => next.clone(),
                    _ => {
                        self.builds += 1;
                        format!("build {}", self.builds)
                    }
                };
                let submitted = self.ledger.rebuild(COLLECTION, &self.build(&next)).await.unwrap();
                assert_eq!(submitted, self.model.rebuild(&next, now));
            }
            Operation::DropCollection => {
                self.builds += 1;
                let first = format!("build {}", self.builds);
                let hidden = ledger.drop_collection(COLLECTION).await.unwrap();
                assert_eq!(ledger.collection(COLLECTION).await.unwrap(), None);
                ledger.define(COLLECTION, &build(&first)).await.unwrap();
                assert_eq!(hidden, Some(model.drop_collection(&first)));
            }
            Operation::Switch { force } => {
                assert_eq!(ledger.switch(COLLECTION, *force).await.unwrap(), model.switch(*force));
            }
            Operation::Abandon => assert_eq!(ledger.abandon(COLLECTION).await.unwrap(), model.abandon(now)),
            Operation::Lose { next } => {
                let lost = model.next.clone().filter(|_| *next).unwrap_or_else(|| model.active.clone());
                let submitted = ledger.resubmit_all(COLLECTION, &lost).await.unwrap();
                assert_eq!(submitted, model.lose(&lost, now));
            }
            Operation::Drop => {
                for physical in ledger.retired().await.unwrap() {
                    ledger.dropped(&physical).await.unwrap();
                    assert!(model.retired.remove(&physical));
                }
            }
            other => unreachable!("{other:?} is not about builds"),
        }
    }

    async fn amend(&mut self, next: bool, now: i64) {
        let physical = self.model.next.clone().filter(|_| next).unwrap_or_else(|| self.model.active.clone());
        let before = self.build(&physical).recipe;
        *self.amended.entry(physical.clone()).or_default() += 1;
        let amended = self.build(&physical);
        let submitted = self.ledger.amend(COLLECTION, &amended).await.unwrap();
        assert_eq!(submitted, self.model.amend(&physical, now));
        for recipe in self.names.recipes.values_mut().filter(|recipe| **recipe == before) {
            recipe.clone_from(&amended.recipe);
        }
    }

    async fn claim(&mut self, suspects: bool, limit: usize, now: i64) {
        let claimed = self.ledger.claim(&Claim { suspects, ..ordinary(limit) }).await.unwrap();
        let expected = self.model.claim(suspects, limit, now);
        assert_eq!(claimed.len(), expected.len());
        let garbage = self.ledger.garbage(1000).await.unwrap();
        for (job, expected) in claimed.iter().zip(expected) {
            let told = HandedOut {
                document: job.document,
                build: job.physical.clone(),
                generation: expected.generation,
                task: job.task,
                attempt: job.attempt,
                crashes: job.crashes,
            };
            assert_eq!(told, expected);
            self.names.learn(expected.generation, &job.generation);
            assert_eq!(job.recipe, self.build(&job.physical).recipe);
            let recipe = self.names.recipes.entry(job.generation.clone()).or_insert_with(|| job.recipe.clone());
            assert_eq!(*recipe, job.recipe, "one generation, one recipe");
            assert!(!garbage.iter().any(|garbage| garbage.generation == job.generation), "what is written is garbage");
        }
        self.jobs.extend(claimed);
    }

    async fn collect(&mut self, garbage: usize) {
        let waiting = self.ledger.garbage(1000).await.unwrap();
        if let Some(garbage) = waiting.get(garbage % waiting.len().max(1)) {
            self.ledger.collected(garbage).await.unwrap();
            let (generation, _) =
                self.names.names.iter().find(|(_, name)| **name == garbage.generation).expect("it is known");
            self.model.collected(&(garbage.document, garbage.collection.clone(), *generation));
        }
    }

    async fn compare(&mut self) {
        let record = self.ledger.collection(COLLECTION).await.unwrap().unwrap();
        assert_eq!(record.active, self.build(&self.model.active));
        assert_eq!(record.next, self.model.next.as_deref().map(|next| self.build(next)));
        assert_eq!(self.ledger.retired().await.unwrap().into_iter().collect::<BTreeSet<_>>(), self.model.retired);
        let garbage = self.compare_garbage().await;
        for tenant in tenants() {
            self.compare_tenant(&tenant, &record.active.recipe, &garbage).await;
        }
        let waiting = self.model.documents.values().filter_map(|document| document.job.as_ref());
        let waiting = waiting.filter(|job| job.held.is_none_or(|(_, until)| until <= self.clock.now()));
        let due = waiting.map(|job| (job.due - self.clock.now()).max(0) as u64).min();
        assert_eq!(self.ledger.next_due_ms(None).await.unwrap(), due);
    }

    /// What is garbage, and the names of generations that nobody heard of before: one a document at most.
    async fn compare_garbage(&mut self) -> BTreeSet<Generation> {
        let garbage = self.ledger.garbage(1000).await.unwrap();
        let all: BTreeSet<_> = garbage.iter().map(|garbage| garbage.generation.clone()).collect();
        let mut left: BTreeSet<(DocumentId, String, Generation)> =
            garbage.into_iter().map(|garbage| (garbage.document, garbage.collection, garbage.generation)).collect();
        let (known, new): (Vec<_>, Vec<_>) =
            self.model.garbage.iter().partition(|(.., generation)| self.names.names.contains_key(generation));
        for (document, physical, generation) in known {
            let told = (*document, physical.clone(), self.names.names[generation].clone());
            assert!(left.remove(&told), "{told:?} is garbage, and the ledger does not know");
        }
        for (document, physical, generation) in new {
            let found = left.iter().find(|(of, at, _)| of == document && at == physical).cloned();
            let found =
                found.unwrap_or_else(|| panic!("generation {generation} of {document} in {physical} is no garbage"));
            self.names.learn(*generation, &found.2);
            left.remove(&found);
        }
        assert!(left.is_empty(), "{left:?} is no garbage");
        all
    }

    async fn compare_tenant(&self, tenant: &Tenant, active: &RecipeId, garbage: &BTreeSet<Generation>) {
        let listing = self.ledger.documents(tenant, &DocumentFilter::default()).await.unwrap();
        let expected = self.model.documents.values().filter(|document| document.target.tenant == *tenant);
        assert_eq!(listing.documents.len(), expected.count());
        let everybodys: Vec<DocumentId> = self.model.documents.keys().copied().collect();
        let mut visible = self.ledger.visible(tenant, &everybodys).await.unwrap();
        let mut counts = BTreeMap::new();
        for record in &listing.documents {
            assert_eq!(record.tenant, *tenant, "another tenant's document");
            let expected = &self.model.documents[&record.document_id];
            assert_eq!((record.state, &record.reason), (expected.state, &expected.reason));
            assert_eq!(record.content_hash, expected.target.content_hash);
            assert_eq!(record.tags, expected.target.tags);
            assert_eq!(record.recipe, self.build(&expected.build).recipe);
            if let Some(job) = &expected.job {
                assert_eq!(record.attempts, job.attempts);
            }
            let stood = expected.stands.get(&self.model.active);
            assert_eq!(record.visible.as_ref(), stood.map(|stood| &self.names.names[&stood.generation]));
            assert_eq!(record.failed_pages, stood.map(|stood| stood.failed_pages.clone()).unwrap_or_default());
            assert_eq!(record.visible, visible.remove(&record.document_id));
            if let Some(seen) = &record.visible {
                assert!(!garbage.contains(seen), "people see garbage");
                assert_eq!(&self.names.recipes[seen], active, "people see vectors of another recipe");
            }
            *counts.entry(record.state).or_insert(0) += 1;
        }
        assert!(visible.is_empty(), "documents that the tenant's list does not have");
        assert_eq!(self.ledger.counts(tenant, None).await.unwrap(), counts);
    }
}
