//! A plan and a question become one query tree. The store holds its filter in every branch, so that no stage fills its
//! candidates with pages that the filter would take away.

use super::DerivedQuestion;
use crate::error::{Error, Result};
use crate::store::{Filter, QueryNode, QueryVector, Scoring, StoreQuery};
use crate::types::{NamedVector, Plan, SearchParams, Stage, VectorName};

/// `limit`: hits of the whole query. A stage's own limit is raised to it where it is lower.
pub fn translate(plan: &Plan, derived: &DerivedQuestion, filter: Filter, limit: usize) -> Result<StoreQuery> {
    let build = Build { plan, derived };
    let candidates = plan.prefetch.iter().map(|stage| build.stage(stage, limit)).collect::<Result<Vec<_>>>()?;
    Ok(StoreQuery { filter, root: build.root(candidates, limit)? })
}

struct Build<'a> {
    plan: &'a Plan,
    derived: &'a DerivedQuestion,
}

impl Build<'_> {
    fn root(&self, mut candidates: Vec<QueryNode>, limit: usize) -> Result<QueryNode> {
        if let Some(fusion) = &self.plan.fusion {
            let pool = self.plan.rerank.as_ref().map_or(limit, |rerank| {
                rerank.candidates.unwrap_or_else(|| candidates.iter().map(|node| node.limit).max().unwrap_or(limit))
            });
            let fused = node(Some(Scoring::Fusion(fusion.clone())), candidates, SearchParams::default(), pool);
            candidates = vec![fused];
        }
        match &self.plan.rerank {
            Some(rerank) => {
                let scoring = self.nearest(rerank.using)?;
                Ok(node(Some(scoring), candidates, rerank.params, limit))
            }
            None if candidates.len() == 1 => {
                let mut only = candidates.remove(0);
                only.limit = limit;
                Ok(only)
            }
            None => Err(Error::configuration(format!(
                "plan '{}' has {} stages and neither fusion nor rerank: nothing says how to order their candidates",
                self.plan.name,
                candidates.len()
            ))),
        }
    }

    fn stage(&self, stage: &Stage, limit: usize) -> Result<QueryNode> {
        let limit = stage.limit.max(limit);
        let nested = stage.prefetch.iter().map(|inner| self.stage(inner, limit)).collect::<Result<Vec<_>>>()?;
        let scoring = Some(self.nearest(stage.using)?);
        Ok(QueryNode { score_threshold: stage.score_threshold, ..node(scoring, nested, stage.params, limit) })
    }

    fn nearest(&self, using: VectorName) -> Result<Scoring> {
        let vector = match self.derived.get(&using) {
            Some(NamedVector::Dense(values)) => QueryVector::Dense(values.clone()),
            Some(NamedVector::Multi(rows)) => QueryVector::Multi(rows.clone()),
            Some(NamedVector::Sparse(sparse)) => QueryVector::Sparse(sparse.clone()),
            None => {
                return Err(Error::configuration(format!(
                    "plan '{}' searches '{using}', which this collection does not have",
                    self.plan.name
                )));
            }
        };
        Ok(Scoring::Nearest { using, vector })
    }
}

fn node(scoring: Option<Scoring>, prefetch: Vec<QueryNode>, params: SearchParams, limit: usize) -> QueryNode {
    QueryNode { scoring, prefetch, conditions: Vec::new(), params, score_threshold: None, limit }
}
