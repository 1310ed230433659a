//! An installation for tests of what happens to filled collections: in a folder, or over the server that the variable [`ADDRESS`] names.
//! Pages are made up and put in as an ingest would: nothing is rendered, and no model is loaded.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::collections::DefinedBuild;
use super::{App, Installation};
use crate::blobs::page_key;
use crate::config::{Config, Environment, Pipeline, Server};
use crate::embed::Embedder;
use crate::embed::double::ModelDouble;
use crate::faults::Faults;
use crate::ledger::{Claim, DocumentRecord, Indexed, Submission, Submitted};
use crate::store::fixtures::Noise;
use crate::types::{
    ContentHash, DocumentId, Generation, Grid, Multivector, NamedVector, PagePayload, PagePoint, PointId, Priority,
    SourceRef, Tenant, TokenLayout, VectorName,
};

pub const COLLECTION: &str = "documents";
/// Dimensions of the double's vectors.
pub const DIM: usize = 128;
const ADDRESS: &str = "QUIRE_TEST_QDRANT_URL";

/// The server that tests may use, under names of their own; None, said aloud, where there is none.
pub fn server() -> Option<Server> {
    let Ok(url) = std::env::var(ADDRESS) else {
        eprintln!("skipped: {ADDRESS} names no Qdrant server, such as http://localhost:6334");
        return None;
    };
    let prefix = format!("test-{}-", Uuid::new_v4().simple());
    Some(Server { prefix, timeout: Duration::from_secs(60), ..Server::at(&url) })
}

pub fn tenant(name: &str) -> Tenant {
    Tenant(name.into())
}

pub async fn opened(folder: &tempfile::TempDir, server: Option<&Server>) -> App {
    let mut config = Config { data_dir: folder.path().join("data"), ..Config::default() };
    config.store.server = server.cloned();
    let app = App::open(config, Installation::of_process_in(Environment::default())).await.unwrap();
    app.models().put("double", Embedder::of(Arc::new(ModelDouble::new(Faults::none()))));
    app
}

/// Ends the installation: its folder is free.
pub async fn close(app: App) {
    app.close().await;
    drop(app);
}

/// Removes what a test left on a server.
pub async fn clear(app: &App) {
    for name in app.store.collections().await.unwrap() {
        app.store.drop_collection(&name).await.unwrap();
    }
}

/// A pipeline of the double that keeps these vectors.
pub fn pipeline(vectors: &[&str]) -> Pipeline {
    let vectors: String = vectors.iter().map(|name| format!("  {name}:\n")).collect();
    let text = format!("version: 1\nname: test\ncollection: {COLLECTION}\nmodel: double\nvectors:\n{vectors}");
    Pipeline::parse(&text, std::path::Path::new("test.yaml"), &Config::default(), &Environment::default()).unwrap()
}

/// As an ingest begins.
pub async fn define(app: &App, vectors: &[&str]) -> (DefinedBuild, u64) {
    let pipeline = pipeline(vectors);
    let defined = app.collections.define(COLLECTION, Some(&pipeline), &pipeline).await.unwrap();
    (defined.build, defined.resubmitted)
}

pub fn submission(tenant: &Tenant, number: u64) -> Submission {
    let uri = format!("/documents/{number}.pdf");
    Submission {
        document: DocumentId::new(tenant, COLLECTION, &uri),
        tenant: tenant.clone(),
        collection: COLLECTION.into(),
        source: SourceRef { uri, name: format!("{number}.pdf") },
        content_hash: ContentHash::of(&number.to_le_bytes()),
        tags: BTreeMap::from([("team".into(), "blue".into())]),
        size_bytes: 1,
        priority: Priority::Normal,
        force: false,
        limits: BTreeMap::new(),
    }
}

/// A document of so many pages, in the store and indexed; its vectors are `patches` and nothing else.
pub async fn index(app: &App, tenant: &Tenant, number: u64, pages: u32) -> DocumentId {
    let submission = submission(tenant, number);
    assert_eq!(app.ledger.submit(&submission).await.unwrap(), Submitted::Queued);
    let lease = Duration::from_secs(60);
    let claim = Claim { collection: None, except: &[], suspects: false, limit: 1, lease };
    let job = app.ledger.claim(&claim).await.unwrap().remove(0);
    let mut points = Vec::new();
    for page in 1..=pages {
        let image = page_key(tenant, job.document, &job.generation, page);
        app.blobs.put(&image, bytes::Bytes::from(format!("image of page {page}"))).await.unwrap();
        let (patches, layout) = patches(number, page);
        let payload = payload(&submission, &job.generation, page, pages, &layout, job.recipe.clone(), image);
        let id = PointId::new(job.document, &job.generation, page);
        let vectors = BTreeMap::from([(VectorName::Patches, NamedVector::Multi(patches))]);
        points.push(PagePoint { id, vectors, payload });
    }
    app.store.upsert(&job.physical, points).await.unwrap();
    app.store.flush(&job.physical).await.unwrap();
    let indexed = Indexed { title: "T".into(), page_count: pages, ..Indexed::default() };
    assert!(app.ledger.complete(&job, &indexed).await.unwrap());
    job.document
}

/// Rows of norm 1, as many as the page's grid has cells: pages differ in their number.
pub fn patches(number: u64, page: u32) -> (Multivector, TokenLayout) {
    let grid = Grid { rows: 3, cols: 2 + page % 3 };
    let mut noise = Noise::new(number * 1000 + u64::from(page));
    let mut values = noise.floats((grid.rows * grid.cols) as usize * DIM);
    for row in values.chunks_exact_mut(DIM) {
        let norm = row.iter().map(|value| value * value).sum::<f32>().sqrt();
        // As half precision keeps them.
        row.iter_mut().for_each(|value| *value = half::f16::from_f32(*value / norm).to_f32());
    }
    (Multivector::new(DIM, values).unwrap(), TokenLayout::full(grid))
}

fn payload(
    submission: &Submission,
    generation: &Generation,
    page: u32,
    page_count: u32,
    layout: &TokenLayout,
    recipe: crate::types::RecipeId,
    image: String,
) -> PagePayload {
    PagePayload {
        tenant: submission.tenant.clone(),
        document_id: submission.document,
        generation: generation.clone(),
        source: submission.source.uri.clone(),
        title: "T".into(),
        author: None,
        created: None,
        section_title: None,
        breadcrumbs: Vec::new(),
        page,
        page_count,
        page_label: None,
        anchor: format!("#page={page}"),
        tags: submission.tags.clone(),
        text_unreadable: false,
        text: format!("page {page}"),
        language: None,
        content_hash: submission.content_hash.clone(),
        recipe,
        model: "double@1".into(),
        layout: layout.into(),
        boxes: None,
        page_size: [595.25, 842.0],
        image_size: [100, 200],
        image,
        ingested_at: "2025-01-02T03:04:05Z".into(),
    }
}

pub async fn document(app: &App, tenant: &Tenant, id: DocumentId) -> DocumentRecord {
    app.ledger.document(tenant, id).await.unwrap().expect("the document is known")
}
