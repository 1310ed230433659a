//! Answers, whole and piece by piece.

use serde::Serialize;
use utoipa::ToSchema;

use super::hits::{HitBody, TimingsBody};
use crate::answer::{Citation, Matching, Mode, Usage};
use crate::app::{AskResponse, AskTimings, Found};
use crate::retrieve::Explanation;
use crate::server::links::Links;

/// An answer: what `quire ask --json` prints, with links in place of paths.
#[derive(Debug, Serialize, ToSchema)]
pub struct AnswerBody {
    pub answer: String,
    /// `extractive`: quoted from the pages; `vlm`: composed by a vision language model.
    #[schema(value_type = String)]
    pub mode: Mode,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Whether it cites any page. Without one, nothing of it can be checked.
    pub supported: bool,
    /// False where it broke off or was cut.
    pub complete: bool,
    /// Pages whose marker stands in the answer.
    pub citations: Vec<CitationBody>,
    /// Where nothing was found: the pages that come nearest. They support nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nearest: Vec<HitBody>,
    /// What a reader must know beside it.
    pub notes: Vec<String>,
    #[schema(value_type = Option<Object>)]
    pub usage: Option<Usage>,
    /// The question that was looked for, where it was made to stand without what was said before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rewritten: Option<String>,
    pub plan: String,
    #[schema(value_type = AskTimingsBody)]
    pub timings_ms: AskTimings,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub explain: Option<Explanation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub matching: Option<Matching>,
}

/// Milliseconds of each stage.
#[derive(ToSchema)]
#[allow(dead_code, reason = "a schema")]
pub struct AskTimingsBody {
    embed: f64,
    query: f64,
    answer: f64,
    total: f64,
}

/// A cited page.
#[derive(Debug, Serialize, ToSchema)]
pub struct CitationBody {
    /// `[1]`, as it stands in the answer.
    pub marker: String,
    #[serde(flatten)]
    pub hit: HitBody,
}

impl CitationBody {
    pub fn of(citation: Citation, links: &Links) -> Self {
        Self { marker: citation.marker, hit: HitBody::of(citation.hit, links) }
    }
}

impl AnswerBody {
    pub fn of(response: AskResponse, links: &Links) -> Self {
        let AskResponse { answer, rewritten, plan, timings_ms, explain, matching, .. } = response;
        Self {
            answer: answer.answer,
            mode: answer.mode,
            model: answer.model,
            supported: answer.supported,
            complete: answer.complete,
            citations: answer.citations.into_iter().map(|citation| CitationBody::of(citation, links)).collect(),
            nearest: answer.nearest.into_iter().map(|hit| HitBody::of(hit, links)).collect(),
            notes: answer.notes,
            usage: answer.usage,
            rewritten,
            plan,
            timings_ms,
            explain,
            matching,
        }
    }
}

/// The event `retrieval`: the pages that the answer will be made from.
#[derive(Debug, Serialize, ToSchema)]
pub struct FoundBody {
    pub hits: Vec<HitBody>,
    pub plan: String,
    pub timings_ms: TimingsBody,
}

impl FoundBody {
    pub fn of(found: Found, links: &Links) -> Self {
        Self {
            hits: found.hits.into_iter().map(|hit| HitBody::of(hit, links)).collect(),
            plan: found.plan,
            timings_ms: found.timings_ms.into(),
        }
    }
}

/// The event `delta`: the next piece of the answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeltaBody {
    pub text: String,
}

/// The event `citation`.
pub type CitedBody = CitationBody;
