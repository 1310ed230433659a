//! The ledger once more, in memory and as plainly as it can be said. Generations are numbers here: what they are called is the
//! ledger's business.

use std::collections::{BTreeMap, BTreeSet};

use super::super::testing::{LEASE, RETRY};
use super::super::*;
use crate::error::Limit;
use crate::types::Priority;

pub const MAX_ATTEMPTS: u32 = 2;

/// A job; `holder` is the number of the hand-out that holds it.
#[derive(Debug, Clone)]
pub struct ModelJob {
    order: usize,
    task: Task,
    pub attempts: u32,
    crashes: u32,
    pub due: i64,
    pub held: Option<(usize, i64)>,
}

/// What stands in a build.
#[derive(Debug, Clone)]
pub struct Stood {
    pub generation: usize,
    pub submission: Submission,
    pub failed_pages: Vec<PageFailure>,
}

#[derive(Debug, Clone)]
pub struct ModelDocument {
    pub target: Submission,
    pub generation: usize,
    /// Of the target.
    pub build: String,
    pub state: State,
    pub reason: Option<String>,
    limit: Option<Limit>,
    pub job: Option<ModelJob>,
    /// By build.
    pub stands: BTreeMap<String, Stood>,
}

impl ModelDocument {
    /// The target's generation, if it stands.
    fn stood(&self) -> Option<&Stood> {
        self.stands.get(&self.build).filter(|stood| stood.generation == self.generation)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandedOut {
    pub document: DocumentId,
    pub build: String,
    pub generation: usize,
    pub task: Task,
    pub attempt: u32,
    pub crashes: u32,
}

#[derive(Debug, Default)]
pub struct Model {
    pub documents: BTreeMap<DocumentId, ModelDocument>,
    /// Document, build, generation.
    pub garbage: BTreeSet<(DocumentId, String, usize)>,
    pub active: String,
    pub next: Option<String>,
    pub retired: BTreeSet<String>,
    /// When the queue of a tenant was served last.
    turns: BTreeMap<String, usize>,
    pub now: i64,
    jobs: usize,
    generations: usize,
    pub handed_out: Vec<HandedOut>,
}

fn differs(limit: Option<&Limit>, under: &Submission) -> bool {
    limit.is_some_and(|limit| under.limits[&limit.name] != limit.value)
}

impl Model {
    /// Nothing but a collection that is kept in `active`.
    pub fn new(active: &str) -> Self {
        Self { active: active.into(), ..Self::default() }
    }

    pub fn target(&self) -> String {
        self.next.clone().unwrap_or_else(|| self.active.clone())
    }

    fn fresh(&mut self) -> usize {
        self.generations += 1;
        self.generations
    }

    fn new_job(&mut self, task: Task, now: i64) -> Option<ModelJob> {
        self.jobs += 1;
        Some(ModelJob { order: self.jobs, task, attempts: 0, crashes: 0, due: now, held: None })
    }

    /// The target will never be needed, if it is unfinished and does not stand.
    fn discard_target(&mut self, id: DocumentId) {
        let document = &self.documents[&id];
        if document.job.is_some() && document.stood().is_none() {
            self.garbage.insert((id, document.build.clone(), document.generation));
        }
    }

    pub fn submit(&mut self, new: &Submission, now: i64) -> Submitted {
        let build = self.target();
        let mut retag = None;
        if let Some(old) = self.documents.get(&new.document)
            && old.target.content_hash == new.content_hash
            && old.build == build
            && !new.force
            && old.state != State::Deleting
        {
            let same_tags = old.target.tags == new.tags;
            let pages_to_try = old.stood().is_some_and(|stood| {
                stood.failed_pages.iter().any(|page| page.again || differs(page.limit.as_ref(), new))
            });
            if old.state == State::Rejected && !differs(old.limit.as_ref(), new) {
                return Submitted::RejectedBefore(old.reason.clone().unwrap());
            }
            if old.job.is_some() && same_tags && !pages_to_try {
                self.documents.get_mut(&new.document).unwrap().target.priority = new.priority;
                return Submitted::Queued;
            }
            if old.state == State::Indexed && same_tags && !pages_to_try {
                return Submitted::Unchanged(old.stood().unwrap().failed_pages.clone());
            }
            let in_work = matches!(old.state, State::Processing | State::Rejected);
            if old.stood().is_some() && !pages_to_try && !in_work && self.next.is_none() {
                retag = Some(old.generation);
            }
        }
        let mut stands = BTreeMap::new();
        if self.documents.contains_key(&new.document) {
            if retag.is_none() {
                self.discard_target(new.document);
            }
            stands = self.documents[&new.document].stands.clone();
        }
        let task = if retag.is_some() { Task::Retag } else { Task::Index };
        let generation = retag.unwrap_or_else(|| self.fresh());
        let job = self.new_job(task, now);
        let (target, state) = (new.clone(), State::Queued);
        let document = ModelDocument { target, generation, build, state, reason: None, limit: None, job, stands };
        self.documents.insert(new.document, document);
        Submitted::Queued
    }

    pub fn claim(&mut self, suspects: bool, limit: usize, now: i64) -> Vec<HandedOut> {
        let before = self.handed_out.len();
        while self.handed_out.len() - before < limit {
            let ready = self.documents.iter().filter(|(_, document)| {
                document.job.as_ref().is_some_and(|job| {
                    let free = job.due <= now && job.held.is_none_or(|(_, until)| until <= now);
                    let suspect = if job.held.is_some() { job.crashes > 2 } else { job.crashes > 0 };
                    free && suspect == suspects
                })
            });
            // Tenants take turns; of each the oldest job of those that are wanted soonest.
            let mut first: BTreeMap<&str, (Priority, usize, DocumentId)> = BTreeMap::new();
            for (id, document) in ready {
                let this = (document.target.priority, document.job.as_ref().unwrap().order, *id);
                let tenant = first.entry(&document.target.tenant.0).or_insert(this);
                *tenant = this.min(*tenant);
            }
            let in_turn = first
                .into_iter()
                .min_by_key(|(tenant, (_, order, _))| (self.turns.get(*tenant).copied().unwrap_or_default(), *order));
            let Some(id) = in_turn.map(|(_, (.., id))| id) else { break };
            let turn = self.turns.values().max().map_or(1, |last| last + 1);
            let document = self.documents.get_mut(&id).unwrap();
            self.turns.insert(document.target.tenant.0.clone(), turn);
            let job = document.job.as_mut().unwrap();
            match job.held {
                None => job.attempts += 1,
                Some(_) => job.crashes += 1,
            }
            job.held = Some((self.handed_out.len(), now + LEASE.as_millis() as i64));
            document.state = State::Processing;
            self.handed_out.push(HandedOut {
                document: id,
                build: document.build.clone(),
                generation: document.generation,
                task: job.task,
                attempt: job.attempts,
                crashes: job.crashes,
            });
        }
        self.handed_out[before..].to_vec()
    }

    /// The document of a hand-out that still holds its job. Otherwise its pages are strays, and its tags are not to be trusted.
    fn held(&mut self, number: usize) -> Option<(DocumentId, &mut ModelDocument)> {
        let HandedOut { document: id, build, generation, task, .. } = self.handed_out[number].clone();
        let holds = |document: &ModelDocument| {
            document.job.as_ref().and_then(|job| job.held).is_some_and(|(holder, _)| holder == number)
        };
        if !self.documents.get(&id).is_some_and(holds) {
            let wanted = self.documents.get(&id).is_some_and(|document| {
                document.stands.values().any(|stood| stood.generation == generation)
                    || document.job.is_some() && document.generation == generation
            });
            if !wanted {
                self.garbage.insert((id, build, generation));
            }
            let in_doubt = self.documents.get(&id).is_some_and(|document| {
                document.stood().is_some_and(|stood| stood.generation == generation)
                    && matches!(document.state, State::Indexed | State::Processing)
            });
            if task == Task::Retag && in_doubt {
                let job = self.new_job(Task::Retag, self.now);
                let document = self.documents.get_mut(&id).unwrap();
                (document.state, document.job) = (State::Queued, job);
            }
            return None;
        }
        self.documents.get_mut(&id).map(|document| (id, document))
    }

    pub fn complete(&mut self, number: usize, failed_pages: &[PageFailure]) -> bool {
        let Some((id, document)) = self.held(number) else { return false };
        let (generation, submission, build) = (document.generation, document.target.clone(), document.build.clone());
        let task = document.job.as_ref().unwrap().task;
        (document.job, document.state, document.reason, document.limit) = (None, State::Indexed, None, None);
        if task == Task::Retag {
            document.stands.get_mut(&build).unwrap().submission.tags = submission.tags;
            return true;
        }
        let stood = Stood { generation, submission, failed_pages: failed_pages.to_vec() };
        if let Some(earlier) = document.stands.insert(build.clone(), stood) {
            self.garbage.insert((id, build, earlier.generation));
        }
        true
    }

    pub fn give_up(&mut self, number: usize, state: State, reason: &str, limit: Option<Limit>) -> bool {
        let Some((id, document)) = self.held(number) else { return false };
        (document.state, document.reason, document.limit) = (state, Some(reason.into()), limit);
        self.discard_target(id);
        self.documents.get_mut(&id).unwrap().job = None;
        true
    }

    pub fn fail(&mut self, number: usize, reason: &str, now: i64) -> Fate {
        let Some((_, document)) = self.held(number) else { return Fate::Superseded };
        let job = document.job.as_mut().unwrap();
        if job.attempts >= MAX_ATTEMPTS {
            self.give_up(number, State::Dead, reason, None);
            return Fate::DeadLettered;
        }
        (job.held, job.due, job.crashes) = (None, now + RETRY.as_millis() as i64, 0);
        (document.state, document.reason) = (State::Queued, Some(reason.into()));
        Fate::Retry
    }

    pub fn renew(&mut self, number: usize, now: i64) -> bool {
        let id = self.handed_out[number].document;
        let job = self.documents.get_mut(&id).and_then(|document| document.job.as_mut());
        let Some(held) = job.and_then(|job| job.held.as_mut()).filter(|held| held.0 == number) else { return false };
        held.1 = now + LEASE.as_millis() as i64;
        true
    }

    pub fn release(&mut self, number: usize, wait: bool, now: i64) {
        if let Some((_, document)) = self.held(number) {
            let job = document.job.as_mut().unwrap();
            let due = if wait { now + RETRY.as_millis() as i64 } else { now };
            (job.held, job.due, job.attempts, job.crashes) = (None, due, job.attempts - 1, 0);
            document.state = State::Queued;
            if wait {
                document.reason = Some("away".into());
            }
        }
    }

    pub fn process_dies(&mut self) -> usize {
        let mut freed = 0;
        for document in self.documents.values_mut() {
            let Some(job) = document.job.as_mut().filter(|job| job.held.is_some()) else { continue };
            (job.held, job.attempts, job.crashes) = (None, job.attempts - 1, job.crashes + 1);
            document.state = State::Queued;
            freed += 1;
        }
        freed
    }

    pub fn delete(&mut self, tenant: &Tenant, id: DocumentId) -> bool {
        if self.documents.get(&id).is_none_or(|document| document.target.tenant != *tenant) {
            return false;
        }
        self.discard_target(id);
        let document = self.documents.get_mut(&id).unwrap();
        for (build, stood) in std::mem::take(&mut document.stands) {
            self.garbage.insert((id, build, stood.generation));
        }
        (document.job, document.state, document.reason, document.limit) = (None, State::Deleting, None, None);
        self.forget(id);
        true
    }

    pub fn collected(&mut self, garbage: &(DocumentId, String, usize)) {
        self.garbage.remove(garbage);
        self.forget(garbage.0);
    }

    fn forget(&mut self, id: DocumentId) {
        let left = self.garbage.iter().any(|(document, ..)| *document == id);
        let deleting = self.documents.get(&id).is_some_and(|document| document.state == State::Deleting);
        if deleting && !left {
            self.documents.remove(&id);
        }
    }

    /// Documents that are not being deleted and of which this holds, by source.
    fn those(&self, holds: impl Fn(&ModelDocument) -> bool) -> Vec<DocumentId> {
        let chosen = self.documents.iter().filter(|(_, document)| document.state != State::Deleting && holds(document));
        let mut found: Vec<_> =
            chosen.map(|(id, document)| (document.target.source.uri.clone(), id.to_string(), *id)).collect();
        found.sort();
        found.into_iter().map(|(.., id)| id).collect()
    }

    fn submit_again(&mut self, ids: &[DocumentId], build: &str, now: i64) -> u64 {
        for id in ids {
            self.discard_target(*id);
            let (generation, job) = (self.fresh(), self.new_job(Task::Index, now));
            let document = self.documents.get_mut(id).unwrap();
            (document.generation, document.build, document.job) = (generation, build.to_owned(), job);
            (document.state, document.reason, document.limit) = (State::Queued, None, None);
        }
        ids.len() as u64
    }

    fn clear(&mut self, build: &str) {
        for (id, document) in &mut self.documents {
            if let Some(stood) = document.stands.remove(build) {
                self.garbage.insert((*id, build.to_owned(), stood.generation));
            }
        }
    }

    pub fn rebuild(&mut self, build: &str, now: i64) -> u64 {
        let going_on = self.next.as_deref() == Some(build);
        if !going_on && let Some(earlier) = self.next.replace(build.to_owned()) {
            self.clear(&earlier);
            self.retired.insert(earlier);
        }
        let ids = self.those(|document| !going_on || document.build != build);
        self.submit_again(&ids, build, now)
    }

    pub fn switch(&mut self, force: bool) -> Switch {
        let Some(next) = self.next.clone() else { return Switch::Nothing };
        let waiting = self.documents.values().filter(|document| document.job.is_some()).count() as u64;
        let lost =
            self.those(|document| document.stands.contains_key(&self.active) && !document.stands.contains_key(&next));
        if !force && waiting > 0 {
            return Switch::Waiting(waiting);
        }
        if !force && !lost.is_empty() {
            let told = lost.iter().map(|id| &self.documents[id]);
            let reason = |document: &ModelDocument| document.reason.clone().unwrap();
            return Switch::WouldLose(
                told.map(|document| (document.target.source.clone(), reason(document))).collect(),
            );
        }
        let old = std::mem::replace(&mut self.active, next);
        self.next = None;
        self.clear(&old);
        self.retired.insert(old);
        Switch::Switched
    }

    pub fn abandon(&mut self, now: i64) -> bool {
        let Some(next) = self.next.take() else { return false };
        self.clear(&next);
        for id in self.those(|document| document.build == next) {
            let document = &self.documents[&id];
            let seen = document.stands.get(&self.active).cloned();
            let same = seen.filter(|seen| seen.submission.content_hash == document.target.content_hash);
            let Some(seen) = same else {
                let active = self.active.clone();
                self.submit_again(&[id], &active, now);
                continue;
            };
            self.discard_target(id);
            let retag = seen.submission.tags != self.documents[&id].target.tags;
            let job = if retag { self.new_job(Task::Retag, now) } else { None };
            let document = self.documents.get_mut(&id).unwrap();
            document.state = if retag { State::Queued } else { State::Indexed };
            (document.generation, document.build, document.job) = (seen.generation, self.active.clone(), job);
            (document.reason, document.limit) = (None, None);
        }
        self.retired.insert(next);
        true
    }

    /// All vectors of the build were changed in place: who writes some now begins again.
    pub fn amend(&mut self, build: &str, now: i64) -> u64 {
        let ids = self.those(|document| {
            let writes = document.job.as_ref().is_some_and(|job| job.task == Task::Index);
            document.build == build && document.state == State::Processing && writes
        });
        self.submit_again(&ids, build, now)
    }

    /// Everything is hidden, nothing is owed, and a collection of that name begins with `build`.
    pub fn drop_collection(&mut self, build: &str) -> u64 {
        let hidden: Vec<DocumentId> = self.those(|_| true);
        for id in &hidden {
            self.discard_target(*id);
        }
        for old in [Some(std::mem::replace(&mut self.active, build.to_owned())), self.next.take()].into_iter().flatten()
        {
            self.clear(&old);
            self.retired.insert(old);
        }
        for id in &hidden {
            let document = self.documents.get_mut(id).unwrap();
            (document.job, document.state, document.reason, document.limit) = (None, State::Deleting, None, None);
            self.forget(*id);
        }
        self.turns.clear();
        hidden.len() as u64
    }

    pub fn lose(&mut self, build: &str, now: i64) -> u64 {
        let ids = self.those(|document| {
            let concerned =
                document.stands.contains_key(build) || document.build == build && document.state == State::Processing;
            let safe = document.build != build && (document.job.is_some() || document.stood().is_some());
            concerned && !safe
        });
        self.clear(build);
        let target = self.target();
        self.submit_again(&ids, &target, now)
    }
}
