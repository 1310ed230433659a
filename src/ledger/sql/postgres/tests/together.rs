//! Many processes do random things to one ledger at the same time, and what the ledger promises holds at every moment.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Mutex;

use super::*;
use crate::error::Result;
use crate::ledger::testing::{HandClock, LEASE, RETRY, submission_of, suspects};
use crate::ledger::{Claim, Fate, Job, Rejection, Submission, Submitted, Task};
use crate::types::{Generation, Tenant};

const PROCESSES: usize = 4;
/// Of each process.
const TASKS: usize = 3;
/// Of each task.
const OPERATIONS: usize = 60;
const COLLECTIONS: [&str; 2] = ["documents", "elsewhere"];

/// What no snapshot of the tables may ever show, each with how often it does.
const AMISS: &str = "
    SELECT 'people see garbage' AS what, COUNT(*) AS times FROM garbage JOIN indexed USING (document_id, generation)
    UNION ALL SELECT 'what is written is garbage', COUNT(*)
        FROM garbage JOIN documents d USING (document_id, generation) WHERE d.state IN ('queued', 'processing')
    UNION ALL SELECT 'a job without work, or work without a job', COUNT(*)
        FROM documents d LEFT JOIN jobs j USING (document_id)
        WHERE (d.state IN ('queued', 'processing')) != (j.id IS NOT NULL)
    UNION ALL SELECT 'a lease and no worker, or a worker and no lease', COUNT(*)
        FROM documents d JOIN jobs j USING (document_id) WHERE (d.state = 'processing') != (j.lease_until_ms IS NOT NULL)
    UNION ALL SELECT 'something stands in a build that is not in use', COUNT(*)
        FROM indexed i LEFT JOIN builds b ON b.physical = i.physical AND b.role != 'retired' WHERE b.physical IS NULL
    UNION ALL SELECT 'work for a build that is not in use', COUNT(*)
        FROM documents d LEFT JOIN builds b ON b.physical = d.physical AND b.role != 'retired'
        WHERE d.state IN ('queued', 'processing') AND b.physical IS NULL
    UNION ALL SELECT 'a document in the build of another collection', COUNT(*)
        FROM documents d JOIN indexed i USING (document_id) JOIN builds b ON b.physical = i.physical
        WHERE b.collection != d.collection
    UNION ALL SELECT 'what is called indexed does not stand', COUNT(*)
        FROM documents d LEFT JOIN indexed i USING (document_id, generation)
        WHERE d.state = 'indexed' AND i.generation IS NULL
    UNION ALL SELECT 'a recipe in the build of another', COUNT(*)
        FROM indexed i JOIN builds b USING (physical) WHERE i.recipe != b.recipe";

/// What the tasks saw, together.
#[derive(Default)]
struct Seen {
    /// Claims, by job and lease: none is handed out twice.
    claims: HashSet<(i64, i64)>,
    /// Which job a generation is written by.
    written_by: HashMap<Generation, i64>,
    completed: HashSet<Generation>,
    collected: HashSet<Generation>,
    builds: u64,
}

struct Random(u64);

impl Random {
    /// Below `limit`.
    fn below(&mut self, limit: usize) -> usize {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }

    fn submission(&mut self) -> Submission {
        let tenant = Tenant(["a", "b"][self.below(2)].into());
        let name = self.below(3);
        let collection = COLLECTIONS[usize::from(name == 0)];
        let mut made = submission_of(&tenant, &name.to_string(), self.below(2) as u32);
        made.collection = collection.into();
        made.force = self.below(10) == 0;
        if self.below(2) == 0 {
            made.tags.insert("seen".into(), "twice".into());
        }
        made
    }
}

struct Worker {
    ledger: Arc<PostgresLedger>,
    clock: HandClock,
    seen: Arc<Mutex<Seen>>,
    random: Random,
    jobs: Vec<Job>,
}

/// Only what the state of a collection forbids may fail; never a deadlock.
fn allowed<T>(outcome: Result<T>) -> Option<T> {
    match outcome {
        Ok(value) => Some(value),
        Err(error) if error.kind() == Kind::Configuration => None,
        Err(error) if error.to_string().contains("to be dropped from the store first") => None,
        Err(error) => panic!("{error:?}"),
    }
}

impl Worker {
    async fn step(&mut self) {
        match self.random.below(40) {
            0..10 => {
                let submission = self.random.submission();
                let submitted = self.ledger.submit(&submission).await.unwrap();
                assert!(!matches!(submitted, Submitted::RejectedBefore(reason) if reason != "broken"));
            }
            10..18 => self.claim().await,
            18..30 => self.end_job().await,
            30 => {
                let submission = self.random.submission();
                self.ledger.delete(&submission.tenant, submission.document).await.unwrap();
            }
            31..35 => self.collect().await,
            35 => self.clock.advance(LEASE / 2),
            _ => self.change_builds().await,
        }
    }

    async fn claim(&mut self) {
        let limit = 1 + self.random.below(3);
        let claim = if self.random.below(6) == 0 { suspects(limit) } else { ordinary(limit) };
        let collection = [None, None, Some(COLLECTIONS[0])][self.random.below(3)];
        let jobs = self.ledger.claim(&Claim { collection, ..claim }).await.unwrap();
        let mut seen = self.seen.lock().unwrap();
        for job in &jobs {
            assert!(seen.claims.insert((job.id, job.lease)), "a job is handed out twice");
            if job.task == Task::Index {
                let writer = *seen.written_by.entry(job.generation.clone()).or_insert(job.id);
                assert_eq!(writer, job.id, "a generation is used twice");
            }
        }
        drop(seen);
        self.jobs.extend(jobs);
    }

    async fn end_job(&mut self) {
        if self.jobs.is_empty() {
            return;
        }
        let number = self.random.below(self.jobs.len());
        let job = self.jobs[number].clone();
        match self.random.below(12) {
            0 => {
                let rejection = Rejection { reason: "broken".into(), limit: None };
                self.ledger.reject(&job, &rejection).await.unwrap();
            }
            1 => {
                let fate = self.ledger.fail(&job, "bad luck", 2, RETRY).await.unwrap();
                assert!(fate != Fate::DeadLettered || job.attempt >= 2);
            }
            2 => self.ledger.release(&job, Duration::ZERO, None).await.unwrap(),
            3 => {
                self.ledger.renew(&job, LEASE).await.unwrap();
                return;
            }
            // It sleeps on, and comes back to the job at the end.
            4 => return,
            _ => {
                if self.ledger.complete(&job, &Indexed::default()).await.unwrap() && job.task == Task::Index {
                    assert!(self.seen.lock().unwrap().completed.insert(job.generation.clone()), "completed twice");
                }
            }
        }
        self.jobs.swap_remove(number);
    }

    async fn collect(&mut self) {
        for garbage in self.ledger.garbage(4).await.unwrap() {
            // Before the ledger is told: what is written down as collected must have been garbage then.
            self.seen.lock().unwrap().collected.insert(garbage.generation.clone());
            self.ledger.collected(&garbage).await.unwrap();
        }
    }

    async fn change_builds(&mut self) {
        let collection = COLLECTIONS[self.random.below(2)];
        match self.random.below(8) {
            0 | 1 => {
                let number = {
                    let mut seen = self.seen.lock().unwrap();
                    seen.builds += u64::from(self.random.below(2) == 0);
                    seen.builds
                };
                allowed(self.ledger.rebuild(collection, &build(&format!("{collection} {number}"))).await);
            }
            2..4 => drop(self.ledger.switch(collection, self.random.below(3) == 0).await.unwrap()),
            4 => drop(self.ledger.abandon(collection).await.unwrap()),
            5 => {
                let record = self.ledger.collection(collection).await.unwrap().unwrap();
                let lost = record.builds().last().unwrap().physical.clone();
                self.ledger.resubmit_all(collection, &lost).await.unwrap();
            }
            6 => allowed(self.ledger.define(collection, &build(&format!("{collection} 0"))).await).unwrap_or_default(),
            _ => {
                for physical in self.ledger.retired().await.unwrap() {
                    self.ledger.dropped(&physical).await.unwrap();
                }
            }
        }
    }
}

async fn check(ledger: &PostgresLedger) {
    let amiss: Vec<(String, i64)> = sqlx::query_as(AMISS).fetch_all(&ledger.database.pool).await.unwrap();
    let amiss: Vec<_> = amiss.into_iter().filter(|(_, times)| *times > 0).collect();
    assert!(amiss.is_empty(), "{amiss:?}");
}

async fn texts(ledger: &PostgresLedger, statement: &'static str) -> HashSet<Generation> {
    let rows: Vec<(String,)> = sqlx::query_as(statement).fetch_all(&ledger.database.pool).await.unwrap();
    rows.into_iter().map(|(text,)| Generation(text)).collect()
}

/// Works on its own: every operation is checked, by the tables as a whole, while the others go on.
async fn work(mut worker: Worker) -> Vec<Job> {
    for _ in 0..OPERATIONS {
        worker.step().await;
        check(&worker.ledger).await;
    }
    worker.jobs
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_processes_keep_every_promise() {
    let Some(database) = server::database().await else { return };
    for round in 1..=3 {
        let clock = HandClock::new();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let mut processes = Vec::new();
        for _ in 0..PROCESSES {
            let few = PostgresSettings { connections: 5, ..settings(&database) };
            processes.push(Arc::new(PostgresLedger::open_with_clock(&few, Some(clock.clock())).await.unwrap()));
        }
        for name in COLLECTIONS {
            processes[0].define(name, &build(&format!("{name} 0"))).await.unwrap();
        }
        let mut tasks = Vec::new();
        for number in 0..PROCESSES * TASKS {
            let (ledger, clock, seen) = (processes[number % PROCESSES].clone(), clock.clone(), seen.clone());
            let random = Random(1 + round * 1000 + number as u64);
            tasks.push(tokio::spawn(work(Worker { ledger, clock, seen, random, jobs: Vec::new() })));
        }
        let mut asleep = Vec::new();
        for task in tasks {
            asleep.extend(task.await.unwrap());
        }
        end(&processes[0], &clock, &seen, asleep).await;
        drop(processes);
        run(&database, "DROP SCHEMA quire CASCADE").await;
    }
}

/// Everybody wakes up, and everything that is owed is done.
async fn end(ledger: &PostgresLedger, clock: &HandClock, seen: &Mutex<Seen>, asleep: Vec<Job>) {
    clock.advance(LEASE * 2);
    for job in asleep {
        ledger.release(&job, Duration::ZERO, None).await.unwrap();
        check(ledger).await;
    }
    clock.advance(RETRY);
    for claim in [suspects(1000), ordinary(1000)] {
        for job in ledger.claim(&claim).await.unwrap() {
            assert!(ledger.complete(&job, &Indexed::default()).await.unwrap());
            seen.lock().unwrap().completed.insert(job.generation);
        }
    }
    check(ledger).await;
    assert_eq!(ledger.next_due_ms(None).await.unwrap(), None, "work is left");
    let stands = texts(ledger, "SELECT generation FROM indexed").await;
    let garbage = texts(ledger, "SELECT generation FROM garbage").await;
    {
        let seen = seen.lock().unwrap();
        assert!(stands.is_subset(&seen.completed), "something stands that nobody completed");
        for generation in seen.written_by.keys() {
            let known =
                stands.contains(generation) || garbage.contains(generation) || seen.collected.contains(generation);
            assert!(known, "pages of generation {generation} are nobody's");
        }
    }
    let states = ["a", "b"].map(|name| Tenant(name.into()));
    let mut counts = BTreeMap::new();
    for tenant in &states {
        for (state, documents) in ledger.counts(tenant, None).await.unwrap() {
            *counts.entry(state).or_insert(0) += documents;
        }
    }
    assert!(counts[&State::Indexed] > 0 && !counts.contains_key(&State::Queued), "{counts:?}");
}
