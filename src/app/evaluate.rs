//! Retrieval measured on questions whose pages are known: every question through every plan, recall at 1 and at 5.
//!
//! A set is a folder with `documents/` and `questions.jsonl`, a line a question: `question`, `kind`, `document` (file name)
//! and `page`, and optionally `relevant`: file names of all documents that answer it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};

use super::Question;
use super::scope::Scope;
use crate::error::{Error, Result, io_error};
use crate::ledger::DocumentFilter;
use crate::retrieve::Hit;
use crate::store::Filter;

/// Questions under way at once.
const ASKING: usize = 4;
/// Pages looked at for each question.
const DEPTH: usize = 5;

/// What to measure.
#[derive(Debug, Clone)]
pub struct EvalRequest {
    /// Folder of the set; its documents are indexed already.
    pub set: PathBuf,
    pub collection: String,
    pub plans: Vec<String>,
}

/// The figures.
#[derive(Debug, Serialize)]
pub struct EvalReport {
    pub pages: usize,
    /// Questions whose page is not indexed.
    pub left_out: usize,
    pub kinds: Vec<KindReport>,
}

/// Figures of one kind of question.
#[derive(Debug, Serialize)]
pub struct KindReport {
    pub kind: String,
    pub questions: usize,
    /// By plan; `random` is what a random order would reach.
    pub plans: BTreeMap<String, Recall>,
}

/// Shares of questions, `0.0..=1.0`.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Recall {
    pub at_1: f64,
    pub at_5: f64,
}

#[derive(Debug, Deserialize)]
struct Known {
    question: String,
    kind: String,
    document: String,
    page: u32,
    #[serde(default)]
    relevant: BTreeSet<String>,
}

impl Known {
    /// Whether a hit answers the question. Names are compared without their extension, so that scans of the same pages can
    /// take the place of the documents. `relevant` names whole documents: sets of single pages use it.
    fn is_answered_by(&self, hit: &Hit) -> bool {
        let found = stem(&hit.source);
        (found == stem(&self.document) && hit.page == self.page) || self.relevant.iter().any(|name| stem(name) == found)
    }
}

impl Scope<'_> {
    /// Asks every question of a set by every plan.
    ///
    /// # Errors
    /// Configuration, naming file and line, where the set can't be read.
    pub async fn evaluate(&self, request: &EvalRequest) -> Result<EvalReport> {
        let all = read(&request.set.join("questions.jsonl"))?;
        let filter = DocumentFilter { collection: Some(request.collection.clone()), ..DocumentFilter::default() };
        let documents = self.all_documents(&filter).await?;
        let indexed: BTreeSet<_> = documents.iter().filter_map(|record| stem(&record.source.uri)).collect();
        let asked = all.len();
        let questions: Vec<Known> =
            all.into_iter().filter(|known| stem(&known.document).is_some_and(|name| indexed.contains(name))).collect();
        let physical = self.app.collections.active(&request.collection).await?.physical;
        let pages = self.app.store.count(&physical, &Filter::of(&self.tenant)).await?;
        let mut kinds: BTreeMap<&str, KindReport> = BTreeMap::new();
        for known in &questions {
            let report = kinds.entry(&known.kind).or_insert_with(|| KindReport {
                kind: known.kind.clone(),
                questions: 0,
                plans: BTreeMap::new(),
            });
            report.questions += 1;
            let chance = known.relevant.len().max(1) as f64 / pages.max(1) as f64;
            let random = report.plans.entry("random".into()).or_default();
            random.at_1 += chance;
            random.at_5 += 1.0 - (1.0 - chance).powi(DEPTH as i32);
        }
        for plan in &request.plans {
            let ranks: Vec<(&Known, Option<usize>)> = stream::iter(&questions)
                .map(|known| async move { self.rank(request, plan, known).await.map(|rank| (known, rank)) })
                .buffered(ASKING)
                .try_collect()
                .await?;
            for (known, rank) in ranks {
                let Some(report) = kinds.get_mut(known.kind.as_str()) else { continue };
                let recall = report.plans.entry(plan.clone()).or_default();
                recall.at_1 += f64::from(u8::from(rank == Some(0)));
                recall.at_5 += f64::from(u8::from(rank.is_some()));
            }
        }
        let mut kinds: Vec<KindReport> = kinds.into_values().collect();
        for report in &mut kinds {
            for recall in report.plans.values_mut() {
                recall.at_1 /= report.questions as f64;
                recall.at_5 /= report.questions as f64;
            }
        }
        Ok(EvalReport { pages, left_out: asked - questions.len(), kinds })
    }

    /// Rank of the first hit that answers the question, 0 for the best; None where it is not among the first five.
    async fn rank(&self, request: &EvalRequest, plan: &str, known: &Known) -> Result<Option<usize>> {
        let question = Question {
            plan: Some(plan.to_owned()),
            regions: false,
            ..Question::new(&known.question, &request.collection, DEPTH)
        };
        Ok(self.search(&question).await?.hits.iter().position(|hit| known.is_answered_by(hit)))
    }
}

fn stem(name: &str) -> Option<&std::ffi::OsStr> {
    Path::new(name).file_stem()
}

fn read(file: &Path) -> Result<Vec<Known>> {
    let text = std::fs::read_to_string(file).map_err(|error| io_error("read", file, error))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(number, line)| {
            serde_json::from_str(line).map_err(|error| {
                Error::configuration(format!("{}:{} is not a question of a set", file.display(), number + 1))
                    .with_source(error)
            })
        })
        .collect()
}
