//! Pages that were found.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::app::SearchResponse;
use crate::retrieve::{Explanation, Hit, Region, SearchTimings};
use crate::server::links::Links;
use crate::types::DocumentId;

/// A page that answers a question: what `quire search --json` prints, with links in place of paths.
#[derive(Debug, Serialize, ToSchema)]
pub struct HitBody {
    #[schema(value_type = uuid::Uuid)]
    pub document_id: DocumentId,
    /// Path or URL.
    pub source: String,
    pub title: String,
    /// Counted from 1.
    pub page: u32,
    /// The printed number ("iv"), where it is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page_label: Option<String>,
    pub page_count: u32,
    /// As the plan counts: comparable within one answer.
    pub score: f32,
    /// How much of the question the page answers, 0 to 1, whatever the plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relevance: Option<f32>,
    /// Where on the page, best first.
    pub regions: Vec<RegionBody>,
    pub section_title: Option<String>,
    pub breadcrumbs: Vec<String>,
    /// The part of the page's text nearest to the question; empty for scans.
    pub snippet: String,
    pub tags: BTreeMap<String, String>,
    /// `#page=N`.
    pub anchor: String,
    /// Signed link to the page's image, from the server's root on.
    pub image: String,
    /// Signed link that opens the original at this page, from the server's root on.
    pub original: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub text_unreadable: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub source_gone: bool,
}

/// A part of a page, in fractions of it, from the upper left corner.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct RegionBody {
    pub left: f32,
    pub top: f32,
    pub right: f32,
    pub bottom: f32,
    /// How much of the question is answered there, 0 to 1.
    pub score: f32,
}

impl From<Region> for RegionBody {
    fn from(region: Region) -> Self {
        let Region { left, top, right, bottom, score } = region;
        Self { left, top, right, bottom, score }
    }
}

impl HitBody {
    pub fn of(hit: Hit, links: &Links) -> Self {
        Self {
            image: links.image(hit.document_id, hit.page),
            original: format!("{}{}", links.original(hit.document_id), hit.anchor),
            document_id: hit.document_id,
            source: hit.source,
            title: hit.title,
            page: hit.page,
            page_label: hit.page_label,
            page_count: hit.page_count,
            score: hit.score,
            relevance: hit.relevance,
            regions: hit.regions.into_iter().map(RegionBody::from).collect(),
            section_title: hit.section_title,
            breadcrumbs: hit.breadcrumbs,
            snippet: hit.snippet,
            tags: hit.tags,
            anchor: hit.anchor,
            text_unreadable: hit.text_unreadable,
            source_gone: hit.source_gone,
        }
    }
}

/// Milliseconds of each stage.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct TimingsBody {
    pub embed: f64,
    pub query: f64,
    /// Where on the pages the question is answered.
    pub evidence: f64,
    pub total: f64,
}

impl From<SearchTimings> for TimingsBody {
    fn from(timings: SearchTimings) -> Self {
        let SearchTimings { embed, query, evidence, total } = timings;
        Self { embed, query, evidence, total }
    }
}

/// What a search found.
#[derive(Debug, Serialize, ToSchema)]
pub struct SearchBody {
    /// Best first.
    pub hits: Vec<HitBody>,
    pub plan: String,
    pub timings_ms: TimingsBody,
    /// Stages of the search, and which of them found each page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub explain: Option<Explanation>,
}

impl SearchBody {
    pub fn of(response: SearchResponse, links: &Links) -> Self {
        Self {
            hits: response.hits.into_iter().map(|hit| HitBody::of(hit, links)).collect(),
            plan: response.plan,
            timings_ms: response.timings_ms.into(),
            explain: response.explain,
        }
    }
}
