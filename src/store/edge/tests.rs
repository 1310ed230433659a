//! The contract, and what concerns this backend alone.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use tempfile::TempDir;

use super::{EdgeStore, Tuning};
use crate::error::Kind;
use crate::store::contract::{Place, contract_tests};
use crate::store::fixtures::{self, Page, by_patches, points, query, question};
use crate::store::{Condition, Filter, VectorStore};
use crate::types::{BinaryEncoding, Quantization, SearchParams, VectorName};

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
    super::contract_tests!(super::Folder::new(super::Tuning::default()));
}

mod with_constant_upkeep {
    super::contract_tests!(super::Folder::new(super::tiny()));
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
    store.count(DOCS, &Filter::default()).await.unwrap();
    // A store that got past our own lock.
    fs::remove_file(folder.path().join(".lock")).unwrap();
    let second = folder.open().await;
    let error = second.count(DOCS, &Filter::default()).await.unwrap_err();
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
    let folder = Folder::new(tiny());
    let store = folder.open().await;
    store.ensure_collection(DOCS, &fixtures::schema()).await.unwrap();
    let pages = fixtures::pages(1, 20);
    for round in 1..=30 {
        let mut points = points(&pages);
        for point in &mut points {
            point.payload.title = format!("Round {round}");
        }
        store.upsert(DOCS, points).await.unwrap();
        store.flush(DOCS).await.unwrap();
        let title = Condition::Title(format!("Round {round}"));
        assert_eq!(store.count(DOCS, &Filter { must: vec![title], must_not: vec![] }).await.unwrap(), 20);
    }
    let log: u64 = fs::read_dir(folder.path().join(DOCS).join("wal"))
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    assert!(log < 400 << 10, "{log} bytes of log");
    assert_eq!(store.count(DOCS, &Filter::default()).await.unwrap(), 20);
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
    let newer = Filter { must: vec![Condition::Title("newer".into())], must_not: vec![] };
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
    assert_eq!(store.count(DOCS, &Filter::default()).await.unwrap(), 80);
    let titles: std::collections::BTreeSet<String> =
        store.scroll(DOCS, &Filter::default(), 100).await.unwrap().into_iter().map(|p| p.payload.title).collect();
    assert_eq!(titles.into_iter().collect::<Vec<_>>(), ["newer"]);
    assert_eq!(store.count(DOCS, &newer).await.unwrap(), 80);
    for page in &pages {
        let found = store.retrieve(DOCS, &[page.id()], &[VectorName::Fde]).await.unwrap();
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
    assert_eq!(store.count(DOCS, &Filter::default()).await.unwrap(), 1);
}
