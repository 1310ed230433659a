//! The contract, and what concerns this backend alone.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use tempfile::TempDir;

use super::{EdgeStore, Tuning};
use crate::error::{Blame, Kind};
use crate::store::contract::{Place, contract_tests};
use crate::store::fixtures::{self, Page, TENANT, all, by_patches, only, points, query, question};
use crate::store::{Condition, VectorStore};
use crate::types::{BinaryEncoding, PointId, Quantization, SearchParams, Tenant, VectorName};

const DOCS: &str = "documents";

/// Upkeep from a few kilobytes on.
pub(super) fn tiny() -> Tuning {
    Tuning {
        indexing_threshold_kb: 2,
        max_segment_kb: 100,
        segments: 2,
        deleted_ratio: 0.2,
        vacuum_min_points: 10,
        wal_segment_bytes: 32 << 10,
        wal_limit_bytes: 64 << 10,
        holes: true,
    }
}

struct Folder(TempDir, Tuning);

impl Folder {
    fn new(tuning: Tuning) -> Self {
        Self(tempfile::tempdir().unwrap(), tuning)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

#[async_trait]
impl Place for Folder {
    async fn open(&self) -> Arc<dyn VectorStore> {
        Arc::new(EdgeStore::open_with(self.path(), self.1.clone()).unwrap())
    }
}

mod as_shipped {
    super::contract_tests!(Some(super::Folder::new(super::Tuning::default())));
}

mod with_constant_upkeep {
    super::contract_tests!(Some(super::Folder::new(super::tiny())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_store_in_the_folder_is_refused() {
    let folder = Folder::new(Tuning::default());
    let store = folder.open().await;
    store.ensure_collection(DOCS, &fixtures::schema()).await.unwrap();
    let error = EdgeStore::open(folder.path(), Default::default()).err().unwrap();
    assert_eq!(error.kind(), Kind::Configuration);
    assert!(error.to_string().contains("in use by another process"), "{error}");
    drop(store);
    EdgeStore::open(folder.path(), Default::default()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_engines_own_lock_is_explained() {
    let folder = Folder::new(Tuning::default());
    let store = folder.open().await;
    store.ensure_collection(DOCS, &fixtures::schema()).await.unwrap();
    store.count(DOCS, &all()).await.unwrap();
    // A store that got past our own lock.
    fs::remove_file(folder.path().join(".lock")).unwrap();
    let second = folder.open().await;
    let error = second.count(DOCS, &all()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Configuration, "{error}");
    assert!(error.to_string().contains("in use by another process"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_made_collections_are_swept() {
    let folder = Folder::new(Tuning::default());
    fs::create_dir_all(folder.path().join(".documents.new/segments")).unwrap();
    fs::create_dir_all(folder.path().join(".other.removed")).unwrap();
    let store = folder.open().await;
    store.ensure_collection(DOCS, &fixtures::schema()).await.unwrap();
    assert_eq!(store.collections().await.unwrap(), [DOCS]);
    assert!(!folder.path().join(".other.removed").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_stays_short_and_later_changes_count() {
    the_log_stays_short(tiny()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_stays_short_without_holes() {
    the_log_stays_short(Tuning { holes: false, ..tiny() }).await;
}

async fn the_log_stays_short(tuning: Tuning) {
    let folder = Folder::new(tuning);
    let mut store = folder.open().await;
    store.ensure_collection(DOCS, &fixtures::schema()).await.unwrap();
    let pages = fixtures::pages(1, 20);
    for round in 1..=30 {
        if round % 10 == 0 {
            drop(store);
            store = folder.open().await;
        }
        let mut points = points(&pages);
        for point in &mut points {
            point.payload.title = format!("Round {round}");
        }
        store.upsert(DOCS, points).await.unwrap();
        store.flush(DOCS).await.unwrap();
        let title = Condition::Title(format!("Round {round}"));
        assert_eq!(store.count(DOCS, &only(title)).await.unwrap(), 20, "round {round} is the newest");
    }
    let log = super::log::bytes(&folder.path().join(DOCS)).unwrap();
    assert!(log < 400 << 10, "{log} bytes of log");
    assert_eq!(store.count(DOCS, &all()).await.unwrap(), 20);
}

/// Neither segments, however small the part that was deleted, nor the log keep what a purge has met.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_text_leaves_the_disk() {
    const CANARY: &str = "canary in a coal mine";
    for tuning in [Tuning::default(), tiny()] {
        let folder = Folder::new(tuning);
        let store = folder.open().await;
        store.ensure_collection(DOCS, &fixtures::schema()).await.unwrap();
        let mut pages = points(&fixtures::pages(4, 30));
        let (document, generation) = (pages[7].payload.document_id, pages[7].payload.generation.clone());
        for page in pages.iter_mut().filter(|page| page.payload.document_id == document) {
            page.payload.text = format!("{CANARY}, page {}", page.payload.page);
            page.payload.title = CANARY.into();
        }
        store.upsert(DOCS, pages).await.unwrap();
        store.flush(DOCS).await.unwrap();
        store.optimize(DOCS).await.unwrap();
        assert!(holds(folder.path(), CANARY), "text is stored so that it can be found");
        store.delete_generation(DOCS, document, &generation).await.unwrap();
        store.flush(DOCS).await.unwrap();
        assert!(store.purge(DOCS).await.unwrap());
        assert!(!holds(folder.path(), CANARY));
        assert_eq!(store.count(DOCS, &all()).await.unwrap(), 90);
    }
}

fn holds(folder: &Path, text: &str) -> bool {
    walkdir::WalkDir::new(folder).into_iter().map(Result::unwrap).filter(|entry| entry.file_type().is_file()).any(
        |entry| {
            let bytes = fs::read(entry.path()).unwrap();
            bytes.windows(text.len()).any(|window| window == text.as_bytes())
        },
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collection_that_cannot_be_opened_stops_no_other() {
    let folder = Folder::new(Tuning::default());
    let store = folder.open().await;
    for name in ["broken", "garbled", DOCS] {
        store.ensure_collection(name, &fixtures::schema()).await.unwrap();
        store.upsert(name, vec![Page::new(1, 1).point()]).await.unwrap();
    }
    drop(store);
    for entry in walkdir::WalkDir::new(folder.path().join("broken/segments")) {
        let entry = entry.unwrap();
        if entry.file_name() == "segment.json" {
            fs::write(entry.path(), "no JSON").unwrap();
        }
    }
    fs::write(folder.path().join("garbled/schema.json"), "no JSON").unwrap();
    let store = folder.open().await;
    for name in ["broken", "garbled"] {
        let refused = [
            store.count(name, &all()).await.unwrap_err(),
            store.upsert(name, vec![Page::new(2, 1).point()]).await.unwrap_err(),
            store.optimize(name).await.unwrap_err(),
        ];
        for error in refused {
            assert_eq!(error.blame(), Blame::Dependency, "{error}");
            assert!(error.to_string().contains(name), "{error}");
        }
    }
    store.upsert(DOCS, vec![Page::new(2, 1).point()]).await.unwrap();
    store.flush(DOCS).await.unwrap();
    assert_eq!(store.count(DOCS, &all()).await.unwrap(), 2);
    assert_eq!(store.collections().await.unwrap(), ["broken", DOCS, "garbled"]);
    for name in ["broken", "garbled"] {
        store.drop_collection(name).await.unwrap();
        store.ensure_collection(name, &fixtures::schema()).await.unwrap();
        assert!(store.is_empty(name).await.unwrap());
    }
}

/// What a process leaves that dies after points moved out of an optimised segment and before that one knows: two copies.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn older_copies_go_after_a_crash() {
    let folder = Folder::new(tiny());
    let pages = fixtures::pages(2, 40);
    let store = folder.open().await;
    store.ensure_collection(DOCS, &fixtures::schema()).await.unwrap();
    store.upsert(DOCS, points(&pages)).await.unwrap();
    while store.optimize(DOCS).await.unwrap() {}
    store.flush(DOCS).await.unwrap();
    drop(store);
    let kept = tempfile::tempdir().unwrap();
    let segments = folder.path().join(DOCS).join("segments");
    copy(&segments, kept.path());

    let store = folder.open().await;
    let mut newer = points(&pages);
    newer.iter_mut().for_each(|point| point.payload.title = "newer".into());
    store.upsert(DOCS, newer).await.unwrap();
    store.flush(DOCS).await.unwrap();
    let newer = only(Condition::Title("newer".into()));
    assert_eq!(store.count(DOCS, &newer).await.unwrap(), 80);
    drop(store);
    let store = folder.open().await;
    assert_eq!(store.count(DOCS, &newer).await.unwrap(), 80);
    drop(store);
    // Immutable segments as they were before, the appendable one as it is now.
    let appendable = |dir: &Path| dir.join("mutable_id_tracker.mappings").exists();
    for entry in fs::read_dir(kept.path()).unwrap() {
        let entry = entry.unwrap();
        if !appendable(&segments.join(entry.file_name())) {
            copy(&entry.path(), &segments.join(entry.file_name()));
        }
    }
    fs::write(folder.path().join(DOCS).join("running"), []).unwrap();

    let store = folder.open().await;
    assert_eq!(store.count(DOCS, &all()).await.unwrap(), 80);
    let tenant = Tenant(TENANT.into());
    let every: Vec<PointId> = pages.iter().map(Page::id).collect();
    let stored = store.retrieve(DOCS, &tenant, &every, &[]).await.unwrap();
    assert!(stored.len() == 80 && stored.iter().all(|point| point.payload.title == "newer"));
    assert_eq!(store.count(DOCS, &newer).await.unwrap(), 80);
    for page in &pages {
        let found = store.retrieve(DOCS, &tenant, &[page.id()], &[VectorName::Fde]).await.unwrap();
        assert_eq!(found[0].vectors[&VectorName::Fde], page.point().vectors[&VectorName::Fde]);
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in walkdir::WalkDir::new(from) {
        let entry = entry.unwrap();
        let target = to.join(entry.path().strip_prefix(from).unwrap());
        if entry.file_type().is_dir() {
            fs::create_dir_all(target).unwrap();
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Each kind of quantization, before and after the engine has built what it builds late: rescored answers are right.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quantized_patches_rescore_to_exact_scores() {
    use crate::types::{BinaryQueryEncoding, ProductRatio, TurboBits};
    let in_memory = true;
    let kinds = [
        Quantization::Binary { encoding: BinaryEncoding::OneBit, query_encoding: None, in_memory },
        Quantization::Binary {
            encoding: BinaryEncoding::TwoBits,
            query_encoding: Some(BinaryQueryEncoding::Scalar8Bits),
            in_memory: false,
        },
        Quantization::Scalar { quantile: Some(0.99), in_memory },
        Quantization::Product { ratio: ProductRatio::X4, in_memory },
        Quantization::Turbo { bits: TurboBits::Bits4, in_memory },
    ];
    for quantization in kinds {
        let folder = Folder::new(tiny());
        let store = folder.open().await;
        let mut schema = fixtures::schema();
        schema.vectors[0].quantization = Some(quantization);
        store.ensure_collection(DOCS, &schema).await.unwrap();
        let pages = fixtures::pages(2, 150);
        store.upsert(DOCS, points(&pages)).await.unwrap();
        let question = question(2, 4);
        let exact = store.query(DOCS, query(by_patches(&question, 10))).await.unwrap();
        for optimised in [false, true] {
            if optimised {
                while store.optimize(DOCS).await.unwrap() {}
            }
            let mut root = by_patches(&question, 10);
            root.params = SearchParams { rescore: Some(true), oversampling: Some(15.0), ..SearchParams::default() };
            let found = store.query(DOCS, query(root)).await.unwrap();
            let known = |hit: &&crate::store::ScoredPoint| {
                exact.iter().any(|other| other.id == hit.id && (other.score - hit.score).abs() < 1e-3)
            };
            let right = found.iter().filter(known).count();
            assert!(right >= 8, "{quantization:?}, optimised {optimised}: {right} of 10");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_flushes() {
    let folder = Folder::new(Tuning::default());
    let store = EdgeStore::open(folder.path(), Default::default()).unwrap();
    store.ensure_collection(DOCS, &fixtures::schema()).await.unwrap();
    store.upsert(DOCS, vec![Page::new(1, 1).point()]).await.unwrap();
    store.close().await.unwrap();
    let store = folder.open().await;
    assert_eq!(store.count(DOCS, &all()).await.unwrap(), 1);
}
