//! Several workers over one PostgreSQL, one vector store and one folder of page images: each is an engine with doubles of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use quire::faults::Fault;
use quire::ledger::{Clock, PostgresLedger, PostgresSettings, State};
use quire::retrieve::PageFilter;
use quire::types::Priority;
use tokio::sync::Semaphore;

use super::*;

#[path = "../common/postgres.rs"]
mod postgres;

/// Three leases of the engine, and a little.
const THREE_LEASES_MS: i64 = 3 * 120_000 + 1;
/// How often a worker is stopped and resumed: each moment six times.
const ROUNDS: usize = 30;

/// What the workers share.
struct Shared {
    bench: Bench,
    ledger: Arc<dyn Ledger>,
    database: postgres::Database,
    now_ms: Arc<AtomicI64>,
}

struct Worker {
    faults: Faults,
    collections: Arc<Collections>,
    collector: Arc<Collector>,
    engine: Engine,
    ledger: Arc<dyn Ledger>,
}

impl Shared {
    async fn new() -> Option<Self> {
        let database = postgres::database().await?;
        let now_ms = Arc::new(AtomicI64::new(1_700_000_000_000));
        // Of the bench only folder, models, store and blobs are used.
        let bench = Bench::new().await;
        let ledger = open(&database, &now_ms).await;
        Some(Self { bench, ledger, database, now_ms })
    }

    /// A process of its own, as far as ledger, store and blobs can tell.
    async fn worker(&self, number: usize) -> Worker {
        let (bench, faults) = (&self.bench, Faults::none());
        let ledger: Arc<dyn Ledger> =
            Arc::new(FaultyLedger { inner: open(&self.database, &self.now_ms).await, faults: faults.clone() });
        let store: Arc<dyn VectorStore> = Arc::new(FaultyStore { inner: bench.store.clone(), faults: faults.clone() });
        let blobs: Arc<dyn BlobStore> = Arc::new(FaultyBlobs { inner: bench.blobs.clone(), faults: faults.clone() });
        let collections = Arc::new(Collections::new(store.clone(), ledger.clone(), bench.models.clone()));
        let collector = Arc::new(Collector::new(store.clone(), ledger.clone(), blobs.clone()));
        let data = bench.folder.path().join(format!("worker-{number}"));
        std::fs::create_dir_all(data.join("spool")).unwrap();
        let mut settings = Config::default().ingest;
        (settings.first_retry, settings.longest_retry) = (Duration::ZERO, Duration::ZERO);
        let engine = Engine::new(Parts {
            settings,
            spool: data.join("spool"),
            roots: data.join("roots.json"),
            buckets: Arc::default(),
            disk: DiskGuard::new(Vec::new(), 0),
            spool_budget: SpoolBudget::new(1 << 30),
            renderer: renderer(&bench.limits),
            plans: collections.clone(),
            store,
            ledger: ledger.clone(),
            blobs,
            collector: collector.clone(),
            events: Events::default(),
            questions: Arc::default(),
        });
        Worker { faults, collections, collector, engine, ledger }
    }

    async fn submit(&self, worker: &Worker, tags: &[(&str, &str)], force: bool) -> Comparison {
        let pipeline = self.bench.pipeline("double");
        worker.collections.define(COLLECTION, Some(&pipeline), &pipeline).await.unwrap();
        let submitter = Submitter {
            ledger: worker.ledger.clone(),
            tenant: tenant(),
            collection: COLLECTION.into(),
            tags: tags.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect(),
            force,
            priority: Priority::default(),
            max_document_bytes: self.bench.limits.max_document_bytes,
            limits: self.bench.limits.values(),
            events: Events::default(),
            patience: Duration::ZERO,
        };
        let files = discover(&[self.bench.docs()], &Discover::default()).unwrap().files;
        submitter.submit_all(files, &CancellationToken::new()).await.unwrap()
    }

    fn wait(&self, ms: i64) {
        self.now_ms.fetch_add(ms, Ordering::SeqCst);
    }

    /// Pages that a question finds by this filter.
    async fn found(&self, worker: &Worker, filter: PageFilter) -> Vec<(String, u32)> {
        let build = worker.collections.active(COLLECTION).await.unwrap();
        let model = self.bench.models.get(&build.definition.model).await.unwrap();
        let embedded = model.embed_question("anything").await.unwrap();
        let vector =
            derive_question(&build.definition.derive, VectorName::Patches, &embedded, "anything", None).unwrap();
        let derived: DerivedQuestion = BTreeMap::from([(VectorName::Patches, vector)]);
        let search = Search {
            collection: &build.physical,
            tenant: &tenant(),
            question: "anything",
            derived: &derived,
            plan: build.definition.plan(Some("exact")).unwrap(),
            filter: &filter,
            limit: 1000,
        };
        let hits = Retriever::new(self.bench.store.clone(), self.ledger.clone()).search(&search).await.unwrap();
        let mut pages: Vec<_> = hits.into_iter().map(|hit| (file_name(&hit.source), hit.page)).collect();
        pages.sort();
        pages
    }

    /// What is in the store, seen or not.
    async fn stored(&self, worker: &Worker) -> usize {
        let build = worker.collections.active(COLLECTION).await.unwrap();
        self.bench.store.count(&build.physical, &quire::store::Filter::of(&tenant())).await.unwrap()
    }
}

async fn open(database: &postgres::Database, now_ms: &Arc<AtomicI64>) -> Arc<dyn Ledger> {
    let now_ms = now_ms.clone();
    let clock: Clock = Arc::new(move || now_ms.load(Ordering::SeqCst));
    let settings = PostgresSettings { options: database.options.clone(), connections: 6 };
    Arc::new(PostgresLedger::open_with_clock(&settings, Some(clock)).await.unwrap())
}

impl Worker {
    async fn drain(&self) -> Report {
        self.engine.drain(Some(COLLECTION), &CancellationToken::new()).await.unwrap()
    }

    /// As SIGSTOP does it: a call waits, and so does everything else that would show life, claims and renewals. Two permits let the
    /// worker go on.
    fn sleep_at(&self, call: &'static str) -> Arc<Semaphore> {
        let held = Arc::new(Semaphore::new(0));
        self.faults.on(call, 1, Fault::Hold(held.clone()));
        // The first claim of a drain asks for suspects, the second one takes the jobs.
        self.faults.on("ledger.claim", 3, Fault::Hold(held.clone()));
        self.faults.clear("ledger.renew");
        self.faults.always("ledger.renew", Fault::Hold(Arc::new(Semaphore::new(0))));
        held
    }

    async fn until_called(&self, call: &'static str, times: u64) {
        let deadline = std::time::Instant::now() + Duration::from_secs(120);
        while self.faults.calls(call) < times {
            assert!(std::time::Instant::now() < deadline, "{call} did not come {times} times");
            tokio::task::yield_now().await;
        }
    }
}

/// A worker is stopped at some moment of its work for three leases, as by SIGSTOP; another one does the work; the first wakes up
/// and goes on as if nothing had happened.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_sleeps_through_its_lease_changes_nothing() {
    const MOMENTS: [&str; 5] = ["blobs.put", "store.upsert", "store.flush", "store.count", "ledger.complete"];
    let Some(shared) = Shared::new().await else { return };
    shared.bench.add("a.pdf", 2);
    shared.bench.add("b.pdf", 1);
    let every_page = [("a.pdf".to_owned(), 1), ("a.pdf".to_owned(), 2), ("b.pdf".to_owned(), 1)];
    let (sleeper, awake) = (shared.worker(1).await, shared.worker(2).await);
    for round in 0..ROUNDS {
        let moment = MOMENTS[round % MOMENTS.len()];
        assert_eq!(shared.submit(&awake, &[], true).await.queued.len(), 2);
        let before = sleeper.faults.calls(moment);
        let held = sleeper.sleep_at(moment);
        let (slept, ()) = tokio::join!(sleeper.drain(), async {
            sleeper.until_called(moment, before + 1).await;
            shared.wait(THREE_LEASES_MS);
            let report = awake.drain().await;
            assert!(report.indexed >= 1, "round {round}: the other one takes over what was held at {moment}");
            assert_eq!(shared.found(&awake, PageFilter::default()).await, every_page);
            held.add_permits(2);
        });
        assert!(slept.failures.is_empty() && slept.failed_pages.is_empty(), "{slept:?}");
        assert_eq!(shared.found(&awake, PageFilter::default()).await, every_page, "round {round}, {moment}");
        awake.collector.collect().await.unwrap();
        assert_eq!(shared.stored(&awake).await, 3, "round {round}, {moment}: nothing is left, nothing is there twice");
        assert_eq!(shared.bench.images().await, 3, "round {round}, {moment}");
        assert_eq!(shared.ledger.counts(&tenant(), None).await.unwrap(), BTreeMap::from([(State::Indexed, 2)]));
        assert!(shared.ledger.garbage(10).await.unwrap().is_empty());
    }
    sleeper.engine.shutdown().await;
    awake.engine.shutdown().await;
    shared.bench.engine.shutdown().await;
}

/// Tags are written in place: who wakes up with those of yesterday overwrites today's, and they are written again.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_sleeps_over_tags_does_not_leave_old_ones() {
    let Some(shared) = Shared::new().await else { return };
    shared.bench.add("a.pdf", 1);
    let (sleeper, awake) = (shared.worker(1).await, shared.worker(2).await);
    shared.submit(&awake, &[("year", "2024")], false).await;
    awake.drain().await;
    shared.submit(&awake, &[("year", "2025")], false).await;
    let held = sleeper.sleep_at("store.set_tags");
    let tagged = |year: &str| PageFilter { tags: [("year".into(), year.into())].into(), ..PageFilter::default() };
    tokio::join!(sleeper.drain(), async {
        sleeper.until_called("store.set_tags", 1).await;
        shared.wait(THREE_LEASES_MS);
        assert_eq!(awake.drain().await.retagged, 1);
        shared.submit(&awake, &[("year", "2026")], false).await;
        assert_eq!(awake.drain().await.retagged, 1);
        assert_eq!(shared.found(&awake, tagged("2026")).await.len(), 1);
        held.add_permits(2);
    });
    awake.drain().await;
    assert_eq!(shared.found(&awake, tagged("2026")).await.len(), 1);
    assert_eq!(shared.found(&awake, tagged("2025")).await.len(), 0);
    for engine in [&sleeper.engine, &awake.engine, &shared.bench.engine] {
        engine.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_share_the_work_and_define_a_collection_once() {
    let Some(shared) = Shared::new().await else { return };
    for number in 0..8 {
        shared.bench.add(&format!("{number}.pdf"), 1);
    }
    let workers = [shared.worker(1).await, shared.worker(2).await, shared.worker(3).await];
    futures::future::join_all(workers.iter().map(|worker| shared.submit(worker, &[], false))).await;
    let reports = futures::future::join_all(workers.iter().map(Worker::drain)).await;
    assert_eq!(reports.iter().map(|report| report.indexed).sum::<u64>(), 8, "each document is indexed once");
    assert_eq!(shared.found(&workers[0], PageFilter::default()).await.len(), 8);
    assert_eq!(shared.stored(&workers[0]).await, 8);
    for worker in &workers {
        worker.engine.shutdown().await;
    }
    shared.bench.engine.shutdown().await;
}
