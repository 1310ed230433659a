//! What a long ingest does to the in-process store: its memory while pages come, and what a question waits for meanwhile.
//! Pages are made up, in the shape that the built-in model gives them, and written as an ingest writes them: in batches,
//! flushed every so often, with somebody who calls `optimize` again and again.
//!
//!     store [PAGES [FOLDER]]
//!
//! Prints a line every thousand pages, then what questions took at rest, during an optimisation, during a flush (which
//! trims the log) and during a purge.

#![allow(clippy::print_stdout, clippy::expect_used, reason = "a measurement is printed, or ends")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use quire::store::{EdgeStore, Filter, QueryNode, QueryVector, Scoring, StoreQuery, VectorStore};
use quire::types::{
    BinaryEncoding, ContentHash, Datatype, DocumentId, Generation, Grid, HnswSpec, Multivector, NamedVector,
    PagePayload, PagePoint, PointId, Quantization, RecipeId, Schema, SearchParams, SparseVector, Tenant, Tiers,
    TokenLayout, VectorKind, VectorName, VectorSpec,
};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const COLLECTION: &str = "pages";
const DIM: usize = 128;
/// Patches of a page of the built-in model, in the middle.
const PATCHES: usize = 455;
const POOLED: usize = PATCHES / 3;
const FDE_DIM: usize = 2_048;
/// Pages of one write, as in `ingest`.
const BATCH: usize = 16;
const PAGES_OF_DOCUMENT: usize = 48;
const QUESTION_ROWS: usize = 16;
/// Between two questions.
const PAUSE: Duration = Duration::from_millis(50);

fn main() -> Result<()> {
    // `cargo bench` adds flags of its own.
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with("--"));
    let pages = words.next().map_or(Ok(10_000), |word| word.parse())?;
    let folder = words
        .next()
        .map_or_else(|| std::env::temp_dir().join(format!("quire-store-{}", std::process::id())), PathBuf::from);
    let outcome = tokio::runtime::Runtime::new()?.block_on(run(&folder, pages));
    std::fs::remove_dir_all(&folder)?;
    outcome
}

async fn run(folder: &Path, pages: usize) -> Result<()> {
    let store: Arc<dyn VectorStore> = Arc::new(EdgeStore::open(folder, Default::default())?);
    store.ensure_collection(COLLECTION, &schema()).await?;
    let asked = Asked::start(Arc::clone(&store));
    let done = Arc::new(AtomicBool::new(false));
    let upkeep = tokio::spawn(keep_up(Arc::clone(&store), Arc::clone(&asked.spans), Arc::clone(&done)));
    println!("pages   seconds  resident MB  anonymous MB   slowest write ms");
    let started = Instant::now();
    let (mut slowest, mut writing_all) = (Duration::ZERO, Duration::ZERO);
    let mut written = 0;
    while written < pages {
        let batch = (written..pages.min(written + BATCH)).map(page).collect();
        let writing = Instant::now();
        store.upsert(COLLECTION, batch).await?;
        slowest = slowest.max(writing.elapsed());
        writing_all += writing.elapsed();
        written += BATCH;
        if written.is_multiple_of(PAGES_OF_DOCUMENT) {
            let _span = Span::start(&asked.spans, "flush");
            store.flush(COLLECTION).await?;
        }
        if written % 1_000 < BATCH || written >= pages {
            let memory = Memory::now()?;
            println!(
                "{written:>6} {:>8.1} {:>12} {:>13} {:>18.0}",
                started.elapsed().as_secs_f64(),
                memory.resident_mb,
                memory.anonymous_mb,
                slowest.as_secs_f64() * 1e3
            );
            slowest = Duration::ZERO;
        }
    }
    done.store(true, Ordering::Release);
    upkeep.await??;
    let took = started.elapsed().as_secs_f64();
    println!("{pages} pages in {took:.1} s, {:.1} ms a page, optimised to the end", took * 1e3 / pages as f64);
    let batches = pages.div_ceil(BATCH);
    println!("writing {BATCH} pages took {:.1} ms in the middle", writing_all.as_secs_f64() * 1e3 / batches as f64);
    // What a write does first of all: see whether one of its points exists.
    let unknown: Vec<PointId> = (pages..pages + BATCH).map(|number| page(number).id).collect();
    let looking = Instant::now();
    for _ in 0..batches {
        store.retrieve(COLLECTION, &Tenant("tenant".into()), &unknown, &[]).await?;
    }
    let looked = looking.elapsed().as_secs_f64() * 1e3 / batches as f64;
    println!("looking up {BATCH} points that do not exist took {looked:.3} ms");
    {
        let _span = Span::start(&asked.spans, "rest");
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    let tenant = Tenant("tenant".into());
    for document in 0..pages.div_ceil(PAGES_OF_DOCUMENT).div_ceil(10) {
        store.delete_generation(COLLECTION, document_id(&tenant, document), &generation()).await?;
    }
    {
        let _span = Span::start(&asked.spans, "purge");
        let purging = Instant::now();
        store.purge(COLLECTION).await?;
        println!("purged a tenth in {:.1} s", purging.elapsed().as_secs_f64());
    }
    let memory = Memory::now()?;
    println!("{} MB resident, {} MB anonymous", memory.resident_mb, memory.anonymous_mb);
    asked.report().await
}

/// Optimises whenever it pays, until the ingest is done and nothing is left.
async fn keep_up(store: Arc<dyn VectorStore>, spans: Spans, done: Arc<AtomicBool>) -> Result<()> {
    loop {
        let last = done.load(Ordering::Acquire);
        let started = Instant::now();
        if store.optimize(COLLECTION).await? {
            Span { spans: Arc::clone(&spans), what: "optimise", started };
        } else if last {
            return Ok(());
        } else {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}

/// What was done when.
type Spans = Arc<Mutex<Vec<(&'static str, Instant, Instant)>>>;

/// Noted when it ends.
struct Span {
    spans: Spans,
    what: &'static str,
    started: Instant,
}

impl Span {
    fn start(spans: &Spans, what: &'static str) -> Self {
        Self { spans: Arc::clone(spans), what, started: Instant::now() }
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if let Ok(mut spans) = self.spans.lock() {
            spans.push((self.what, self.started, Instant::now()));
        }
    }
}

/// Somebody who asks, one question after another.
struct Asked {
    spans: Spans,
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<Result<Vec<(Instant, Instant)>>>,
}

impl Asked {
    fn start(store: Arc<dyn VectorStore>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn({
            let stop = Arc::clone(&stop);
            async move {
                let mut times = Vec::new();
                for number in 0.. {
                    if stop.load(Ordering::Acquire) {
                        break;
                    }
                    let query = question(number);
                    let started = Instant::now();
                    store.query(COLLECTION, query).await?;
                    times.push((started, Instant::now()));
                    tokio::time::sleep(PAUSE).await;
                }
                Ok(times)
            }
        });
        Self { spans: Spans::default(), stop, task }
    }

    /// Milliseconds of the questions that something else overlapped with, and of those that nothing did.
    async fn report(self) -> Result<()> {
        self.stop.store(true, Ordering::Release);
        let times = self.task.await??;
        let spans = self.spans.lock().map_err(|_| "a measurement panicked")?;
        println!("questions       number      p50 ms      p95 ms      max ms");
        for what in ["rest", "optimise", "flush", "purge"] {
            let during = |&&(start, end): &&(Instant, Instant)| {
                spans.iter().any(|&(name, from, to)| name == what && start < to && from < end)
            };
            let mut ms: Vec<f64> =
                times.iter().filter(during).map(|(start, end)| (*end - *start).as_secs_f64() * 1e3).collect();
            ms.sort_by(f64::total_cmp);
            let at = |share: f64| ms.get((ms.len() as f64 * share) as usize).copied().unwrap_or(f64::NAN);
            let max = ms.last().copied().unwrap_or(f64::NAN);
            println!("{what:<12} {:>9} {:>11.1} {:>11.1} {max:>11.1}", ms.len(), at(0.5), at(0.95));
        }
        Ok(())
    }
}

/// Of this process, mapped files included in `resident_mb`.
struct Memory {
    resident_mb: u64,
    anonymous_mb: u64,
}

impl Memory {
    fn now() -> Result<Self> {
        let text = std::fs::read_to_string("/proc/self/smaps_rollup")?;
        let mb = |key: &str| -> Result<u64> {
            let line =
                text.lines().find_map(|line| line.strip_prefix(key)).ok_or("the system says nothing of memory")?;
            Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? >> 10)
        };
        Ok(Self { resident_mb: mb("Rss:")?, anonymous_mb: mb("Anonymous:")? })
    }
}

fn schema() -> Schema {
    let quantization =
        Some(Quantization::Binary { encoding: BinaryEncoding::OneBit, query_encoding: None, in_memory: true });
    let spec = |name, kind, datatype| VectorSpec {
        name,
        kind,
        datatype,
        on_disk: false,
        hnsw: None,
        quantization: None,
        memory: Tiers::default(),
    };
    let multi = VectorKind::Multi { dim: DIM };
    Schema {
        vectors: vec![
            VectorSpec { on_disk: true, quantization, ..spec(VectorName::Patches, multi, Datatype::Float16) },
            VectorSpec { on_disk: true, ..spec(VectorName::Pooled, multi, Datatype::Float16) },
            VectorSpec {
                hnsw: Some(HnswSpec { m: 16, ef_construct: 100 }),
                quantization,
                ..spec(VectorName::Fde, VectorKind::Dense { dim: FDE_DIM }, Datatype::Float32)
            },
            spec(VectorName::Anchors, VectorKind::SparseIdf, Datatype::Float32),
            spec(VectorName::Text, VectorKind::SparseIdf, Datatype::Float32),
        ],
    }
}

/// splitmix64.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn floats(&mut self, count: usize, largest: f32) -> Vec<f32> {
        (0..count).map(|_| ((self.next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0) * largest).collect()
    }

    /// Of a norm of about 1.
    fn rows(&mut self, rows: usize) -> Multivector {
        Multivector::new(DIM, self.floats(rows * DIM, 0.153)).expect("whole rows")
    }

    /// Low indices are more frequent, as words are.
    fn sparse(&mut self, count: usize, end: f64) -> SparseVector {
        let mut entry = || {
            let share = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
            ((end.powf(share) - 1.0) as u32, share as f32 + 0.1)
        };
        SparseVector::from_maxima((0..count).map(|_| entry()).collect())
    }
}

fn generation() -> Generation {
    Generation("0123456789abcdef0123456789abcdef".into())
}

fn document_id(tenant: &Tenant, document: usize) -> DocumentId {
    DocumentId::new(tenant, COLLECTION, &format!("/documents/{document}.pdf"))
}

fn page(number: usize) -> PagePoint {
    let mut noise = Noise(number as u64);
    let (document, page) = (number / PAGES_OF_DOCUMENT, (number % PAGES_OF_DOCUMENT + 1) as u32);
    let tenant = Tenant("tenant".into());
    let document_id = document_id(&tenant, document);
    let rows = |noise: &mut Noise, count| NamedVector::Multi(noise.rows(count));
    let vectors = BTreeMap::from([
        (VectorName::Patches, rows(&mut noise, PATCHES)),
        (VectorName::Pooled, rows(&mut noise, POOLED)),
        (VectorName::Fde, NamedVector::Dense(noise.floats(FDE_DIM, 1.0))),
        (VectorName::Anchors, NamedVector::Sparse(noise.sparse(600, 4_096.0))),
        (VectorName::Text, NamedVector::Sparse(noise.sparse(150, 30_000.0))),
    ]);
    let payload = PagePayload {
        tenant,
        document_id,
        generation: generation(),
        source: format!("/documents/{document}.pdf"),
        title: format!("Document {document}"),
        author: None,
        created: None,
        section_title: None,
        breadcrumbs: vec![],
        page,
        page_count: PAGES_OF_DOCUMENT as u32,
        page_label: None,
        anchor: format!("#page={page}"),
        tags: BTreeMap::new(),
        text_unreadable: false,
        text: "Two kilobytes of words that say nothing. ".repeat(50),
        language: None,
        content_hash: ContentHash::of(&document.to_le_bytes()),
        recipe: RecipeId("recipe".into()),
        model: "model@1".into(),
        layout: (&TokenLayout::full(Grid { rows: 1, cols: PATCHES as u32 })).into(),
        page_size: [595.0, 842.0],
        image_size: [1240, 1754],
        image: format!("images/{document}/{page}.jpg"),
        boxes: None,
        ingested_at: "2025-01-02T03:04:05Z".into(),
    };
    PagePoint { id: PointId::new(document_id, &payload.generation, page), vectors, payload }
}

/// The plan `hybrid`: pages by anchors and by words, the best of both compared patch by patch.
fn question(number: u64) -> StoreQuery {
    let mut noise = Noise(number ^ 0x5eed_0000);
    let stage = |using, vector, prefetch, limit| QueryNode {
        scoring: Some(Scoring::Nearest { using, vector }),
        prefetch,
        conditions: vec![],
        params: SearchParams::default(),
        score_threshold: None,
        limit,
    };
    let anchors = stage(VectorName::Anchors, QueryVector::Sparse(noise.sparse(64, 4_096.0)), vec![], 100);
    let text = stage(VectorName::Text, QueryVector::Sparse(noise.sparse(6, 30_000.0)), vec![], 100);
    let rows = QueryVector::Multi(noise.rows(QUESTION_ROWS));
    StoreQuery {
        filter: Filter::of(&Tenant("tenant".into())),
        root: stage(VectorName::Patches, rows, vec![anchors, text], 10),
    }
}
