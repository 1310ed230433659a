//! The contract, and what concerns servers alone, against a real one: its address is in the variable [`ADDRESS`]. Without it
//! each test says that it was skipped.
//!
//! Every test has a prefix of its own, so that they run beside each other and beside whatever else the server holds.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::QdrantStore;
use super::collection::set_incarnation;
use crate::config;
use crate::error::Kind;
use crate::store::contract::{Place, contract_tests};
use crate::store::fixtures::{self, Page, all, points};
use crate::store::ranking::compare;
use crate::store::{Filter, Optimizer, StoreQuery, VectorStore};
use crate::types::Tenant;

const ADDRESS: &str = "QUIRE_TEST_QDRANT_URL";
/// A server with cluster mode, be it one node: shards by keys are made there alone.
const CLUSTER: &str = "QUIRE_TEST_QDRANT_CLUSTER_URL";
const DOCS: &str = "documents";

/// A part of a server that nobody else uses.
pub(crate) struct Server {
    settings: config::Server,
    indexing_threshold_kb: Option<usize>,
}

impl Server {
    /// None, said aloud, if no server was named.
    pub fn new(indexing_threshold_kb: Option<usize>) -> Option<Self> {
        Self::at(ADDRESS, indexing_threshold_kb)
    }

    /// One that keeps each tenant's pages in shards of their own; None, said aloud, if no server with cluster mode was named.
    pub fn by_tenant(indexing_threshold_kb: Option<usize>) -> Option<Self> {
        let mut server = Self::at(CLUSTER, indexing_threshold_kb)?;
        server.settings.shard_by_tenant = true;
        Some(server)
    }

    fn at(variable: &str, indexing_threshold_kb: Option<usize>) -> Option<Self> {
        let Ok(url) = std::env::var(variable) else {
            eprintln!("skipped: {variable} names no such Qdrant server, as in http://localhost:6334");
            return None;
        };
        let prefix = format!("test-{}-", Uuid::new_v4().simple());
        let settings = config::Server { prefix, timeout: Duration::from_secs(60), ..config::Server::at(&url) };
        Some(Self { settings, indexing_threshold_kb })
    }

    fn store(&self) -> QdrantStore {
        QdrantStore::new(&self.settings, self.indexing_threshold_kb).unwrap()
    }
}

#[async_trait]
impl Place for Server {
    async fn open(&self) -> Arc<dyn VectorStore> {
        Arc::new(self.store())
    }

    async fn clear(&self) {
        let store = self.store();
        for name in store.collections().await.unwrap() {
            store.drop_collection(&name).await.unwrap();
        }
    }
}

mod as_shipped {
    super::contract_tests!(super::Server::new(None));
}

/// The server indexes and merges from a few kilobytes on.
mod with_constant_upkeep {
    super::contract_tests!(super::Server::new(Some(2)));
}

/// Each tenant's pages in shards of their own.
mod with_shards_a_tenant {
    super::contract_tests!(super::Server::by_tenant(None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_tenant_has_shards_of_its_own_and_others_are_not_asked() {
    let Some(server) = Server::by_tenant(None) else { return };
    let store = server.store();
    store.ensure_collection(DOCS, &fixtures::schema()).await.unwrap();
    let tenants = ["acme", "beta"].map(|name| Tenant(name.into()));
    let pages = |tenant| [(1, 1), (1, 2), (2, 1)].map(|(document, page)| Page::new(document, page).tenant(tenant));
    let written = [pages("acme"), pages("beta")].concat();
    // In one call: each page goes to its tenant's shards.
    store.upsert(DOCS, points(&written)).await.unwrap();
    let name = store.full(DOCS).unwrap();
    let listed =
        store.connection.call("list", |client| client.list_shard_keys(name.as_str())).await.unwrap().shard_keys;
    assert_eq!(listed.len(), 2, "{listed:?}");
    for tenant in &tenants {
        assert_eq!(store.count(DOCS, &Filter::of(tenant)).await.unwrap(), 3);
    }
    // A tenant that never wrote has nothing, and no shards are made for the question.
    let nobody = Tenant("nobody".into());
    assert_eq!(store.count(DOCS, &Filter::of(&nobody)).await.unwrap(), 0);
    let ids = pages("acme").map(|page| page.id());
    assert!(store.retrieve(DOCS, &nobody, &ids, &[]).await.unwrap().is_empty());
    let asked = StoreQuery { filter: Filter::of(&nobody), root: fixtures::by_patches(&fixtures::question(1, 4), 5) };
    assert!(store.query(DOCS, asked).await.unwrap().is_empty());
    assert_eq!(store.retrieve(DOCS, &tenants[0], &ids, &[]).await.unwrap().len(), 3);
    // A process that has the setting off uses the collection as it is.
    let plain = QdrantStore::new(&config::Server { shard_by_tenant: false, ..server.settings.clone() }, None).unwrap();
    plain.ensure_collection(DOCS, &fixtures::schema()).await.unwrap();
    let gone = &written[0];
    plain.delete_generation(DOCS, gone.document_id(), &gone.generation()).await.unwrap();
    assert_eq!(plain.walk(DOCS, None, 100).await.unwrap().points.len(), 4, "both pages of one document");
    server.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shards_by_tenants_need_cluster_mode_and_nothing_is_left_behind_without() {
    let Some(server) = Server::new(None) else { return };
    let store = QdrantStore::new(&config::Server { shard_by_tenant: true, ..server.settings.clone() }, None).unwrap();
    match store.ensure_collection(DOCS, &fixtures::schema()).await {
        Ok(()) => eprintln!("skipped: the server of {ADDRESS} has cluster mode"),
        Err(error) => {
            assert_eq!(error.kind(), Kind::Configuration, "{error}");
            assert!(error.to_string().contains("QDRANT__CLUSTER__ENABLED"), "{error}");
            assert!(store.collections().await.unwrap().is_empty());
        }
    }
    server.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_backends_rank_alike() {
    let Some(server) = Server::new(None) else { return };
    compare(server.open().await).await;
    server.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_backends_rank_alike_once_the_server_has_indexed() {
    let Some(server) = Server::new(Some(2)) else { return };
    compare(server.open().await).await;
    server.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alias_answers_for_the_build_that_it_was_published_for() {
    let Some(server) = Server::new(None) else { return };
    let store = server.store();
    for (build, page) in [("named--1", 1), ("named--2", 2)] {
        store.ensure_collection(build, &fixtures::schema()).await.unwrap();
        store.upsert(build, vec![Page::new(1, page).point()]).await.unwrap();
        store.publish("named", build).await.unwrap();
        // Asked as anybody would who knows nothing of builds.
        let found = store.walk("named", None, 10).await.unwrap().points;
        assert_eq!(found.iter().map(|point| point.page.as_ref().unwrap().page).collect::<Vec<_>>(), [page]);
    }
    // A collection that has the name itself stands in the way, and stays.
    store.ensure_collection("taken", &fixtures::schema()).await.unwrap();
    let error = store.publish("taken", "named--1").await.unwrap_err();
    assert_eq!(error.kind(), Kind::Configuration, "{error}");
    assert!(error.to_string().contains("taken") && error.to_string().contains("store.prefix"), "{error}");
    server.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_else_made_is_neither_used_nor_dropped() {
    let Some(server) = Server::new(None) else { return };
    let store = server.store();
    let name = store.full(DOCS).unwrap();
    let theirs = qdrant_client::qdrant::CreateCollection {
        collection_name: name.clone(),
        vectors_config: Some(super::schema::vectors(&fixtures::schema())),
        ..Default::default()
    };
    store.connection.call("make it", |client| client.create_collection(theirs)).await.unwrap();
    let refused = [
        store.ensure_collection(DOCS, &fixtures::schema()).await.unwrap_err(),
        store.drop_collection(DOCS).await.unwrap_err(),
        store.count(DOCS, &all()).await.unwrap_err(),
    ];
    for error in refused {
        assert_eq!(error.kind(), Kind::Configuration, "{error}");
        assert!(error.to_string().contains("not made by Quire"), "{error}");
    }
    assert_eq!(store.collections().await.unwrap(), [DOCS], "it is still there");
    store.connection.call("drop it", |client| client.delete_collection(name)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_creation_is_finished() {
    let Some(server) = Server::new(None) else { return };
    let store = server.store();
    let name = store.full(DOCS).unwrap();
    super::collection::create(&store.connection, &name, &fixtures::schema(), &server.settings, None).await.unwrap();
    let before = super::collection::find(&store.connection, &name).await.unwrap().unwrap();
    assert!(before.payload_schema.is_empty());
    store.ensure_collection(DOCS, &fixtures::schema()).await.unwrap();
    let after = super::collection::find(&store.connection, &name).await.unwrap().unwrap();
    assert_eq!(after.payload_schema.len(), crate::store::schema::PAYLOAD_INDEXES.len());
    server.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_identity_goes_with_the_collection_and_leaves_other_metadata_alone() {
    let Some(server) = Server::new(None) else { return };
    let store = server.store();
    store.ensure_collection(DOCS, &fixtures::schema()).await.unwrap();
    let name = store.full(DOCS).unwrap();
    set_incarnation(&store.connection, &name, "one").await.unwrap();
    store.ensure_collection(DOCS, &fixtures::schema()).await.unwrap();
    assert_eq!(store.incarnation(DOCS).await.unwrap().as_deref(), Some("one"));
    let info = super::collection::find(&store.connection, &name).await.unwrap().unwrap();
    let keys: Vec<String> = info.config.unwrap().metadata.into_keys().collect();
    assert_eq!(keys.len(), 2, "{keys:?}");
    server.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collection_that_another_process_dropped_is_missed_by_name() {
    let Some(server) = Server::new(None) else { return };
    let (here, elsewhere) = (server.store(), server.store());
    here.ensure_collection(DOCS, &fixtures::schema()).await.unwrap();
    here.upsert(DOCS, points(&fixtures::pages(1, 2))).await.unwrap();
    elsewhere.drop_collection(DOCS).await.unwrap();
    let error = here.count(DOCS, &all()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Configuration, "{error}");
    assert!(error.to_string().contains(DOCS), "{error}");
    server.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_tells_when_it_is_done() {
    let Some(server) = Server::new(Some(2)) else { return };
    let store = server.store();
    store.ensure_collection(DOCS, &fixtures::schema()).await.unwrap();
    store.upsert(DOCS, points(&fixtures::pages(4, 30))).await.unwrap();
    let info = loop {
        let info = store.collection_info(DOCS).await.unwrap();
        match info.optimizer {
            Optimizer::Working => tokio::task::yield_now().await,
            _ => break info,
        }
    };
    assert_eq!((info.optimizer, info.points), (Optimizer::Idle, 120));
    server.clear().await;
}
