//! From a question to pages: plan -> one query -> hits that people may see.
//!
//! What is visible is the ledger's word, not the store's: every hit is held against the visible generation of its document,
//! so that a half-written version, a replaced one and a deleted document never show, whatever points still exist.

mod evidence;
mod explain;
mod filter;
mod grammar;
mod plan;
mod snippet;
mod words;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

pub use evidence::{Evidence, Heatmap, Marks, Region, TokenHeat, highlight, similarity_map};
pub use explain::{Explanation, FoundBy, HitReport, StageReport};
pub use filter::PageFilter;
pub use grammar::{FilterText, PageRange, from_date, parse_pages, to_date};
pub use snippet::{Passage, passages, snippet};
pub use words::{WordEvidence, WordSearch};

use crate::derive::terms::AskedWords;
use crate::error::{Error, Result};
use crate::ledger::Ledger;
use crate::store::{ScoredPoint, StoreQuery, StoredPoint, VectorStore};
use crate::telemetry::StoreTimer;
use crate::types::{ContentHash, DocumentId, Generation, Groups, NamedVector, Plan, PointId, Tenant, VectorName};

/// How many times a query may be repeated with a larger limit because hits were hidden.
const MAX_ROUNDS: usize = 4;
/// Characters of a hit's snippet.
const SNIPPET_CHARS: usize = 240;

/// What a question is compared with under each name.
pub type DerivedQuestion = BTreeMap<VectorName, NamedVector>;

/// A page that answers a question.
#[derive(Debug, Clone, Serialize)]
pub struct Hit {
    pub document_id: DocumentId,
    /// Path or URL.
    pub source: String,
    pub title: String,
    /// 1-based.
    pub page: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page_label: Option<String>,
    pub page_count: u32,
    pub score: f32,
    /// How much of the question the page answers, `0.0..=1.0`, whatever plan found it: MaxSim of the question's own tokens over
    /// their number. None where the collection keeps no patches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relevance: Option<f32>,
    /// Where on the page it is answered, best first; empty where nothing stands out.
    pub regions: Vec<Region>,
    pub section_title: Option<String>,
    pub breadcrumbs: Vec<String>,
    /// The part of the text layer nearest to the question; empty for scans.
    pub snippet: String,
    pub tags: BTreeMap<String, String>,
    /// `#page=N`.
    pub anchor: String,
    /// Where the page image lies: a path where blobs are local files, else the blob key.
    pub image: String,
    /// The text layer is not what stands on the page: it is not shown, and not to be quoted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub text_unreadable: bool,
    /// The file that the page is of is no longer there.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub source_gone: bool,
    #[serde(skip)]
    pub detail: HitDetail,
}

/// What further steps need of a hit and no reader wants to see.
#[derive(Debug, Clone)]
pub struct HitDetail {
    pub point: PointId,
    pub generation: Generation,
    pub text: String,
    pub image_key: String,
    pub content_hash: ContentHash,
    /// Width and height in points (pictures: pixels).
    pub page_size: [f32; 2],
    /// Height of the words in the hit's regions, as a fraction of the page's; None where there are none.
    pub word_height: Option<f32>,
    /// See [`Evidence::nearest`]; None where the page's patches were not looked at yet.
    pub nearest: Option<Vec<f32>>,
}

/// A search that is ready to run: question vectors, plan, filter.
pub struct Search<'a> {
    /// The store's name of it, which may be another than the user's.
    pub collection: &'a str,
    pub tenant: &'a Tenant,
    pub question: &'a str,
    pub derived: &'a DerivedQuestion,
    pub plan: &'a Plan,
    pub filter: &'a PageFilter,
    pub limit: usize,
}

impl Search<'_> {
    /// The query that the store is asked first.
    ///
    /// # Errors
    /// Configuration, where the plan asks for a vector that the question could not be turned into.
    pub fn query(&self) -> Result<StoreQuery> {
        plan::translate(self, self.limit)
    }
}

/// Milliseconds of each stage.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct SearchTimings {
    pub embed: f64,
    pub query: f64,
    /// Where on the pages the question is answered.
    pub evidence: f64,
    pub total: f64,
}

/// Finds pages in a store, shows what a ledger allows.
#[derive(Clone)]
pub struct Retriever {
    store: Arc<dyn VectorStore>,
    ledger: Arc<dyn Ledger>,
}

impl Retriever {
    pub fn new(store: Arc<dyn VectorStore>, ledger: Arc<dyn Ledger>) -> Self {
        Self { store, ledger }
    }

    /// Best pages first, at most `search.limit`. `image` of each hit is still the blob key, and no region is known yet.
    ///
    /// # Errors
    /// Configuration, where the plan asks for a vector that the question could not be turned into; else what the store says.
    pub async fn search(&self, search: &Search<'_>) -> Result<Vec<Hit>> {
        if search.limit == 0 {
            return Err(Error::configuration("a search for 0 pages: the limit must be at least 1"));
        }
        let mut fetch = search.limit;
        let mut round = 1;
        loop {
            let query = plan::translate(search, fetch)?;
            let timer = StoreTimer::start("query");
            let found = self.store.query(search.collection, query).await?;
            drop(timer);
            let exhausted = found.len() < fetch;
            let mut shown = self.visible(search.tenant, &search.filter.groups, found).await?;
            if shown.len() >= search.limit || exhausted || round == MAX_ROUNDS {
                shown.truncate(search.limit);
                let question = AskedWords::new(search.question);
                return Ok(shown.into_iter().map(|point| hit(point, &question)).collect());
            }
            tracing::debug!(fetch, shown = shown.len(), "hidden generations among the hits, asking for more");
            fetch = fetch.saturating_mul(4);
            round += 1;
        }
    }

    /// Keeps the hits that belong to their document's visible generation, if the document is not kept for others.
    async fn visible(&self, tenant: &Tenant, groups: &Groups, points: Vec<ScoredPoint>) -> Result<Vec<ScoredPoint>> {
        let mut documents: Vec<DocumentId> = points.iter().map(|point| point.payload.document_id).collect();
        documents.sort_unstable();
        documents.dedup();
        let visible = self.ledger.visible_to(tenant, groups, &documents).await?;
        Ok(points
            .into_iter()
            .filter(|point| visible.get(&point.payload.document_id) == Some(&point.payload.generation))
            .collect())
    }

    /// Points of these pages with their stored patches; those that are gone are left out.
    ///
    /// # Errors
    /// What the store says.
    pub async fn with_patches(
        &self,
        collection: &str,
        tenant: &Tenant,
        points: &[PointId],
    ) -> Result<Vec<StoredPoint>> {
        self.store.retrieve(collection, tenant, points, &[VectorName::Patches]).await
    }
}

/// Milliseconds since `start`.
pub fn elapsed_ms(start: Instant) -> f64 {
    (start.elapsed().as_secs_f64() * 1e6).round() / 1e3
}

fn hit(point: ScoredPoint, question: &AskedWords) -> Hit {
    let ScoredPoint { id, score, mut payload } = point;
    if payload.text_unreadable {
        payload.text.clear();
    }
    Hit {
        snippet: snippet(&payload.text, question, SNIPPET_CHARS),
        detail: HitDetail {
            point: id,
            generation: payload.generation,
            text: payload.text,
            image_key: payload.image.clone(),
            content_hash: payload.content_hash,
            page_size: payload.page_size,
            word_height: None,
            nearest: None,
        },
        relevance: None,
        regions: Vec::new(),
        document_id: payload.document_id,
        source: payload.source,
        title: payload.title,
        page: payload.page,
        page_label: payload.page_label,
        page_count: payload.page_count,
        score,
        section_title: payload.section_title,
        breadcrumbs: payload.breadcrumbs,
        tags: payload.tags,
        anchor: payload.anchor,
        image: payload.image,
        text_unreadable: payload.text_unreadable,
        source_gone: false,
    }
}
