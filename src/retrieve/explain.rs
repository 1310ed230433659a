//! Why these pages: every stage of the query run once more on its own, and which of them knew each hit.

use std::collections::HashMap;
use std::time::Instant;

use serde::Serialize;

use super::{Hit, Retriever, Search, elapsed_ms};
use crate::error::Result;
use crate::store::{QueryNode, Scoring, StoreQuery};
use crate::types::{DocumentId, Fusion, PointId, SearchParams};

/// A query taken apart.
#[derive(Debug, Clone, Serialize)]
pub struct Explanation {
    /// In the order in which they run: a stage stands behind those that feed it, the last one ranks the hits.
    pub stages: Vec<StageReport>,
    /// One entry a hit, in order of rank.
    pub hits: Vec<HitReport>,
}

/// One stage of the query, measured alone with all that feeds it.
#[derive(Debug, Clone, Serialize)]
pub struct StageReport {
    /// Where it stands in the plan: `1`, `2.1`; the last stage is `final`.
    pub stage: String,
    /// The vector that it compares, or `rrf`, `dbsf`, `sum`.
    pub using: String,
    pub limit: usize,
    /// Pages that it passed on; hidden generations count.
    pub candidates: usize,
    /// Milliseconds of the stage and of those that feed it, run on their own.
    pub ms: f64,
    /// Milliseconds less those of the stages that feed it: what the stage itself costs, as far as that can be said.
    pub own_ms: f64,
    #[serde(skip_serializing_if = "is_default")]
    pub params: SearchParams,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score_threshold: Option<f32>,
}

/// How a hit was found.
#[derive(Debug, Clone, Serialize)]
pub struct HitReport {
    pub document_id: DocumentId,
    pub page: u32,
    /// The stages that knew the page, in the order of [`Explanation::stages`].
    pub found_by: Vec<FoundBy>,
}

#[derive(Debug, Clone, Serialize)]
pub struct FoundBy {
    pub stage: String,
    pub using: String,
    /// 1 for the best.
    pub rank: usize,
    pub score: f32,
}

fn is_default(params: &SearchParams) -> bool {
    *params == SearchParams::default()
}

impl Retriever {
    /// Runs every stage of the search on its own and holds the hits against them.
    ///
    /// # Errors
    /// As [`Retriever::search`].
    pub async fn explain(&self, search: &Search<'_>, hits: &[Hit]) -> Result<Explanation> {
        let query = search.query()?;
        // Once beforehand, unmeasured: whoever comes first also pays for what is read from disk.
        self.store.query(search.collection, query.clone()).await?;
        let mut stages = Vec::new();
        list(&query.root, String::new(), &mut stages);
        let mut reports: Vec<StageReport> = Vec::with_capacity(stages.len());
        let mut ranks: Vec<HashMap<PointId, (usize, f32)>> = Vec::with_capacity(stages.len());
        for Listed { name, node, feeders } in stages {
            let started = Instant::now();
            let alone = StoreQuery { filter: query.filter.clone(), root: node.clone() };
            let found = self.store.query(search.collection, alone).await?;
            let ms = elapsed_ms(started);
            let fed: f64 = feeders.iter().map(|&feeder| reports[feeder].ms).sum();
            reports.push(StageReport {
                stage: name,
                using: using(node),
                limit: node.limit,
                candidates: found.len(),
                ms,
                own_ms: (ms - fed).max(0.0),
                params: node.params,
                score_threshold: node.score_threshold,
            });
            ranks.push(found.iter().enumerate().map(|(index, point)| (point.id, (index + 1, point.score))).collect());
        }
        let hits = hits
            .iter()
            .map(|hit| HitReport {
                document_id: hit.document_id,
                page: hit.page,
                found_by: reports
                    .iter()
                    .zip(&ranks)
                    .filter_map(|(report, ranks)| {
                        ranks.get(&hit.detail.point).map(|&(rank, score)| FoundBy {
                            stage: report.stage.clone(),
                            using: report.using.clone(),
                            rank,
                            score,
                        })
                    })
                    .collect(),
            })
            .collect();
        Ok(Explanation { stages: reports, hits })
    }
}

/// A stage with the indexes of those that feed it directly.
struct Listed<'a> {
    name: String,
    node: &'a QueryNode,
    feeders: Vec<usize>,
}

/// Children before their parent; returns the index of `node`.
fn list<'a>(node: &'a QueryNode, name: String, into: &mut Vec<Listed<'a>>) -> usize {
    let feeders = node
        .prefetch
        .iter()
        .enumerate()
        .map(|(index, child)| {
            let place = if name.is_empty() { format!("{}", index + 1) } else { format!("{name}.{}", index + 1) };
            list(child, place, into)
        })
        .collect();
    into.push(Listed { name: if name.is_empty() { "final".into() } else { name }, node, feeders });
    into.len() - 1
}

fn using(node: &QueryNode) -> String {
    match &node.scoring {
        Some(Scoring::Nearest { using, .. }) => using.to_string(),
        Some(Scoring::Fusion(Fusion::Rrf { .. })) => "rrf".into(),
        Some(Scoring::Fusion(Fusion::Dbsf)) => "dbsf".into(),
        Some(Scoring::Fusion(Fusion::Sum { .. })) => "sum".into(),
        None => "as it stands".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(prefetch: Vec<QueryNode>) -> QueryNode {
        QueryNode {
            scoring: Some(Scoring::Fusion(Fusion::Dbsf)),
            prefetch,
            conditions: vec![],
            params: SearchParams::default(),
            score_threshold: None,
            limit: 3,
        }
    }

    #[test]
    fn stages_stand_behind_those_that_feed_them_and_are_named_by_their_place() {
        let tree = node(vec![node(vec![node(vec![]), node(vec![])]), node(vec![])]);
        let mut stages = Vec::new();
        list(&tree, String::new(), &mut stages);
        let names: Vec<_> = stages.iter().map(|stage| stage.name.as_str()).collect();
        assert_eq!(names, ["1.1", "1.2", "1", "2", "final"]);
        assert_eq!(stages[2].feeders, [0, 1]);
        assert_eq!(stages[4].feeders, [2, 3]);
    }
}
