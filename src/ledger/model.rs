//! The ledger once more, in memory and as plainly as it can be said, and the comparison of a backend with it over
//! random sequences of operations.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::testing::{Backend, HandClock, LEASE, RETRY, generation, submission};
use super::*;

const MAX_ATTEMPTS: u32 = 2;

#[derive(Debug, Clone)]
enum Operation {
    Submit {
        document: u8,
        version: u32,
        tag: bool,
        force: bool,
    },
    Claim {
        limit: usize,
    },
    /// `job` counts the jobs that were ever handed out.
    Complete {
        job: usize,
    },
    Reject {
        job: usize,
    },
    Fail {
        job: usize,
    },
    Renew {
        job: usize,
    },
    Release {
        job: usize,
    },
    ReleaseAll,
    Delete {
        document: u8,
    },
    Collect {
        garbage: usize,
    },
    Wait {
        seconds: u64,
    },
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    use Operation as O;
    let one = prop_oneof![
        6 => (0u8..3, 0u32..3, any::<bool>(), prop::bool::weighted(0.15))
            .prop_map(|(document, version, tag, force)| O::Submit { document, version, tag, force }),
        6 => (1usize..4).prop_map(|limit| O::Claim { limit }),
        4 => (0usize..6).prop_map(|job| O::Complete { job }),
        2 => (0usize..6).prop_map(|job| O::Reject { job }),
        3 => (0usize..6).prop_map(|job| O::Fail { job }),
        1 => (0usize..6).prop_map(|job| O::Renew { job }),
        1 => (0usize..6).prop_map(|job| O::Release { job }),
        1 => Just(O::ReleaseAll),
        2 => (0u8..3).prop_map(|document| O::Delete { document }),
        5 => (0usize..6).prop_map(|garbage| O::Collect { garbage }),
        2 => (1u64..70).prop_map(|seconds| O::Wait { seconds }),
    ];
    prop::collection::vec(one, 1..40)
}

fn version(document: u8, version: u32, tag: bool, force: bool) -> Submission {
    let mut made = submission(&format!("{document}"), version);
    made.force = force;
    if tag {
        made.tags.insert("seen".into(), "twice".into());
    }
    made
}

/// A job in the model: `holder` is the number of the hand-out that holds it.
#[derive(Debug, Clone)]
struct ModelJob {
    order: usize,
    attempts: u32,
    due: i64,
    held: Option<(usize, i64)>,
}

#[derive(Debug, Clone)]
struct ModelDocument {
    target: Submission,
    state: State,
    visible: Option<Generation>,
    reason: Option<String>,
    job: Option<ModelJob>,
}

#[derive(Debug, Default)]
struct Model {
    documents: BTreeMap<DocumentId, ModelDocument>,
    garbage: BTreeSet<(DocumentId, Generation)>,
    jobs: usize,
    /// Document and generation of every hand-out.
    handed_out: Vec<(DocumentId, Generation)>,
}

impl Model {
    fn submit(&mut self, new: &Submission, now: i64) -> Submitted {
        let wanted = generation(new);
        let mut visible = None;
        if let Some(old) = self.documents.get(&new.document) {
            let same = generation(&old.target) == wanted && !new.force;
            let same_tags = old.target.tags == new.tags;
            match old.state {
                State::Indexed if same && same_tags => return Submitted::Unchanged,
                State::Rejected if same => return Submitted::RejectedBefore(old.reason.clone().unwrap()),
                State::Queued | State::Processing if same && same_tags => return Submitted::Queued,
                _ => {}
            }
            visible = old.visible.clone();
            let earlier = generation(&old.target);
            if old.job.is_some() && earlier != wanted && Some(&earlier) != visible.as_ref() {
                self.garbage.insert((new.document, earlier));
            }
        }
        self.jobs += 1;
        let job = Some(ModelJob { order: self.jobs, attempts: 0, due: now, held: None });
        let document = ModelDocument { target: new.clone(), state: State::Queued, visible, reason: None, job };
        self.documents.insert(new.document, document);
        Submitted::Queued
    }

    /// What a claim hands out: document, generation, attempt.
    fn claim(&mut self, limit: usize, now: i64) -> Vec<(DocumentId, Generation, u32)> {
        let garbage = &self.garbage;
        let mut ready: Vec<(&DocumentId, &mut ModelDocument)> = self
            .documents
            .iter_mut()
            .filter(|(id, document)| {
                let blocked = garbage.contains(&(**id, generation(&document.target)));
                let free = |job: &ModelJob| job.due <= now && job.held.is_none_or(|(_, until)| until <= now);
                !blocked && document.job.as_ref().is_some_and(free)
            })
            .collect();
        ready.sort_by_key(|(_, document)| document.job.as_ref().map(|job| job.order));
        let mut taken = Vec::new();
        for (id, document) in ready.into_iter().take(limit) {
            let job = document.job.as_mut().unwrap();
            job.attempts += 1;
            job.held = Some((self.handed_out.len(), now + LEASE.as_millis() as i64));
            document.state = State::Processing;
            self.handed_out.push((*id, generation(&document.target)));
            taken.push((*id, generation(&document.target), job.attempts));
        }
        taken
    }

    /// The document of a hand-out that still holds its job. Otherwise its pages are strays.
    fn held(&mut self, number: usize) -> Option<(DocumentId, &mut ModelDocument)> {
        let (id, written) = self.handed_out[number].clone();
        let holds = |document: &ModelDocument| {
            document.job.as_ref().and_then(|job| job.held).is_some_and(|(holder, _)| holder == number)
        };
        if !self.documents.get(&id).is_some_and(holds) {
            let wanted = self.documents.get(&id).is_some_and(|document| {
                document.visible.as_ref() == Some(&written)
                    || document.job.is_some() && generation(&document.target) == written
            });
            if !wanted {
                self.garbage.insert((id, written));
            }
            return None;
        }
        self.documents.get_mut(&id).map(|document| (id, document))
    }

    fn complete(&mut self, number: usize) -> bool {
        let Some((id, document)) = self.held(number) else { return false };
        let earlier = document.visible.replace(generation(&document.target));
        let earlier = earlier.filter(|earlier| document.visible.as_ref() != Some(earlier));
        (document.job, document.state, document.reason) = (None, State::Indexed, None);
        self.garbage.extend(earlier.map(|earlier| (id, earlier)));
        true
    }

    fn give_up(&mut self, number: usize, state: State, reason: &str) -> bool {
        let Some((id, document)) = self.held(number) else { return false };
        (document.job, document.state, document.reason) = (None, state, Some(reason.into()));
        let written = Some(generation(&document.target)).filter(|written| document.visible.as_ref() != Some(written));
        self.garbage.extend(written.map(|written| (id, written)));
        true
    }

    fn fail(&mut self, number: usize, reason: &str, now: i64) -> Fate {
        let Some((_, document)) = self.held(number) else { return Fate::Superseded };
        let job = document.job.as_mut().unwrap();
        if job.attempts >= MAX_ATTEMPTS {
            self.give_up(number, State::Dead, reason);
            return Fate::DeadLettered;
        }
        (job.held, job.due) = (None, now + RETRY.as_millis() as i64);
        (document.state, document.reason) = (State::Queued, Some(reason.into()));
        Fate::Retry
    }

    fn renew(&mut self, number: usize, now: i64) -> bool {
        let id = self.handed_out[number].0;
        let job = self.documents.get_mut(&id).and_then(|document| document.job.as_mut());
        let Some(held) = job.and_then(|job| job.held.as_mut()).filter(|held| held.0 == number) else { return false };
        held.1 = now + LEASE.as_millis() as i64;
        true
    }

    fn release(&mut self, number: usize, now: i64) {
        if let Some((_, document)) = self.held(number) {
            let job = document.job.as_mut().unwrap();
            (job.held, job.due, job.attempts) = (None, now, job.attempts - 1);
            document.state = State::Queued;
        }
    }

    fn release_all(&mut self) -> usize {
        let mut freed = 0;
        for document in self.documents.values_mut() {
            if document.job.as_mut().is_some_and(|job| job.held.take().is_some()) {
                document.state = State::Queued;
                freed += 1;
            }
        }
        freed
    }

    fn delete(&mut self, id: DocumentId) -> bool {
        let Some(document) = self.documents.get_mut(&id) else { return false };
        self.garbage.extend(document.visible.take().map(|visible| (id, visible)));
        if document.job.take().is_some() {
            self.garbage.insert((id, generation(&document.target)));
        }
        (document.state, document.reason) = (State::Deleting, None);
        self.forget(id);
        true
    }

    fn collected(&mut self, garbage: &Garbage) {
        self.garbage.remove(&(garbage.document, garbage.generation.clone()));
        self.forget(garbage.document);
    }

    fn forget(&mut self, id: DocumentId) {
        let left = self.garbage.iter().any(|(document, _)| *document == id);
        let deleting = self.documents.get(&id).is_some_and(|document| document.state == State::Deleting);
        if deleting && !left {
            self.documents.remove(&id);
        }
    }
}

/// Runs random sequences against fresh ledgers and the model, comparing answers and everything visible after each step.
pub(super) fn random_operations_agree(backend: &dyn Backend) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut runner = TestRunner::new(Config { cases: 128, failure_persistence: None, ..Config::default() });
    let ran = runner.run(&operations(), |operations| {
        runtime.block_on(async {
            let clock = HandClock::new();
            let ledger = backend.empty(clock.clock()).await;
            let mut model = Model::default();
            let mut jobs = Vec::new();
            for operation in &operations {
                step(&*ledger, &mut model, &clock, &mut jobs, operation).await;
                compare(&*ledger, &model, &clock).await;
            }
        });
        Ok(())
    });
    if let Err(failure) = ran {
        panic!("{failure}");
    }
}

async fn step(ledger: &dyn Ledger, model: &mut Model, clock: &HandClock, jobs: &mut Vec<Job>, operation: &Operation) {
    let now = clock.now();
    let pick = |job: &usize, jobs: &[Job]| jobs.len().checked_sub(1 + job % jobs.len().max(1));
    match operation {
        Operation::Submit { document, version: number, tag, force } => {
            let new = version(*document, *number, *tag, *force);
            assert_eq!(ledger.submit(&new).await.unwrap(), model.submit(&new, now));
        }
        Operation::Claim { limit } => {
            let claimed = ledger.claim(None, *limit, LEASE).await.unwrap();
            let said: Vec<_> = claimed.iter().map(|job| (job.document, job.generation.clone(), job.attempt)).collect();
            assert_eq!(said, model.claim(*limit, now));
            jobs.extend(claimed);
        }
        Operation::Complete { job } => {
            if let Some(number) = pick(job, jobs) {
                let done = ledger.complete(&jobs[number], &Indexed::default()).await.unwrap();
                assert_eq!(done, model.complete(number));
            }
        }
        Operation::Reject { job } => {
            if let Some(number) = pick(job, jobs) {
                let done = ledger.reject(&jobs[number], "broken").await.unwrap();
                assert_eq!(done, model.give_up(number, State::Rejected, "broken"));
            }
        }
        Operation::Fail { job } => {
            if let Some(number) = pick(job, jobs) {
                let fate = ledger.fail(&jobs[number], "bad luck", MAX_ATTEMPTS, RETRY).await.unwrap();
                assert_eq!(fate, model.fail(number, "bad luck", now));
            }
        }
        Operation::Renew { job } => {
            if let Some(number) = pick(job, jobs) {
                assert_eq!(ledger.renew(&jobs[number], LEASE).await.unwrap(), model.renew(number, now));
            }
        }
        Operation::Release { job } => {
            if let Some(number) = pick(job, jobs) {
                ledger.release(&jobs[number]).await.unwrap();
                model.release(number, now);
            }
        }
        Operation::ReleaseAll => assert_eq!(ledger.release_all().await.unwrap(), model.release_all()),
        Operation::Delete { document } => {
            let id = version(*document, 0, false, false).document;
            assert_eq!(ledger.delete(id).await.unwrap(), model.delete(id));
        }
        Operation::Collect { garbage } => {
            let waiting = ledger.garbage(100).await.unwrap();
            if let Some(garbage) = waiting.get(garbage % waiting.len().max(1)) {
                ledger.collected(garbage).await.unwrap();
                model.collected(garbage);
            }
        }
        Operation::Wait { seconds } => clock.advance(Duration::from_secs(*seconds)),
    }
}

async fn compare(ledger: &dyn Ledger, model: &Model, clock: &HandClock) {
    let garbage = ledger.garbage(100).await.unwrap();
    let garbage: BTreeSet<_> = garbage.into_iter().map(|garbage| (garbage.document, garbage.generation)).collect();
    assert_eq!(garbage, model.garbage);

    let records = ledger.documents(&DocumentFilter::default()).await.unwrap();
    assert_eq!(records.len(), model.documents.len());
    let ids: Vec<DocumentId> = records.iter().map(|record| record.document_id).collect();
    let visible = ledger.visible(&ids).await.unwrap();
    let mut counts = BTreeMap::new();
    for record in &records {
        let expected = &model.documents[&record.document_id];
        assert_eq!(record.state, expected.state);
        assert_eq!(record.reason, expected.reason);
        assert_eq!(record.visible, expected.visible);
        assert_eq!(record.visible.as_ref(), visible.get(&record.document_id));
        assert_eq!(record.content_hash, expected.target.content_hash);
        assert_eq!(record.tags, expected.target.tags);
        if let Some(job) = &expected.job {
            assert_eq!(record.attempts, job.attempts);
        }
        if let Some(seen) = &record.visible {
            assert!(!garbage.contains(&(record.document_id, seen.clone())), "people see garbage");
        }
        *counts.entry(record.state).or_insert(0) += 1;
    }
    assert_eq!(ledger.counts(None).await.unwrap(), counts);

    let waiting = model.documents.values().filter_map(|document| document.job.as_ref());
    let waiting = waiting.filter(|job| job.held.is_none_or(|(_, until)| until <= clock.now()));
    let due = waiting.map(|job| (job.due - clock.now()).max(0) as u64).min();
    assert_eq!(ledger.next_due_ms(None).await.unwrap(), due);
}
