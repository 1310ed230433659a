//! Whether a copy is what it was made of: as many points, equal points, the same answers.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::store::{Filter, QueryNode, QueryVector, ScoredPoint, Scoring, StoreQuery, StoredPoint, VectorStore, Walk};
use crate::types::{Multivector, NamedVector, PointId, Schema, SearchParams, Tenant, VectorName};

/// Points listed together.
const STEP: usize = 1000;
/// Pages whose vectors are asked for, each by each of its vectors.
const ASKED: usize = 8;
/// Rows of a multivector that make a question.
const TOKENS: usize = 16;
/// Hits that are compared.
const TOP: usize = 10;
/// How far apart two scores of a page may be.
const TOLERANCE: f32 = 1e-3;

/// # Errors
/// Transient, if the copy has another number of points.
pub async fn counts(copy: &dyn VectorStore, physical: &str, expected: u64) -> Result<()> {
    let (mut found, mut from) = (0, None);
    loop {
        let Walk { points, next } = copy.walk(physical, from.as_deref(), STEP).await?;
        found += points.len() as u64;
        match next {
            Some(_) => from = next,
            None => break,
        }
    }
    if found == expected {
        return Ok(());
    }
    Err(Error::transient(format!(
        "the copy has {found} points and {expected} were copied: somebody else writes to it; stop them and start again"
    )))
}

/// Points of a sample, read from both and found equal.
///
/// # Errors
/// Transient, naming the first point that differs.
pub async fn points(
    source: &dyn VectorStore,
    copy: &dyn VectorStore,
    physical: &str,
    schema: &Schema,
    sample: &[(Tenant, PointId)],
) -> Result<Vec<StoredPoint>> {
    let names: Vec<VectorName> = schema.vectors.iter().map(|spec| spec.name).collect();
    let mut equal = Vec::with_capacity(sample.len());
    for (tenant, id) in sample {
        let ids = std::slice::from_ref(id);
        let ours = source.retrieve(physical, tenant, ids, &names).await?.pop();
        let theirs = copy.retrieve(physical, tenant, ids, &names).await?.pop();
        match (ours, theirs) {
            (Some(ours), Some(theirs)) if ours.vectors == theirs.vectors && ours.payload == theirs.payload => {
                equal.push(ours);
            }
            (Some(ours), theirs) => {
                let what = if theirs.is_some() { "differs in the copy" } else { "is not in the copy" };
                return Err(Error::transient(format!(
                    "page {} of {} {what}: start again",
                    ours.payload.page, ours.payload.source
                )));
            }
            (None, _) => {
                return Err(Error::transient(format!("point {id} is gone: somebody else changes the collection")));
            }
        }
    }
    Ok(equal)
}

/// How many questions were answered alike by both. Sparse vectors are left out: over whose pages terms are counted is a store's own
/// matter.
///
/// # Errors
/// Transient, where a ranking differs.
pub async fn rankings(
    source: &dyn VectorStore,
    copy: &dyn VectorStore,
    physical: &str,
    sample: &[StoredPoint],
) -> Result<usize> {
    let every = (sample.len() / ASKED).max(1);
    let mut asked = 0;
    for point in sample.iter().step_by(every).take(ASKED) {
        for (name, vector) in questions(&point.vectors)? {
            let query = exact(&point.payload.tenant, name, vector);
            let ours = source.query(physical, query.clone()).await?;
            let theirs = copy.query(physical, query).await?;
            if !same(&ours, &theirs) {
                let told = |hits: &[ScoredPoint]| hits.iter().map(|hit| (hit.id, hit.score)).collect::<Vec<_>>();
                return Err(Error::transient(format!(
                    "a question by '{name}' is answered otherwise by the copy: {:?} and {:?}",
                    told(&ours),
                    told(&theirs)
                )));
            }
            asked += 1;
        }
    }
    Ok(asked)
}

fn questions(vectors: &BTreeMap<VectorName, NamedVector>) -> Result<Vec<(VectorName, QueryVector)>> {
    let mut questions = Vec::new();
    for (name, vector) in vectors {
        match vector {
            NamedVector::Dense(values) => questions.push((*name, QueryVector::Dense(values.clone()))),
            NamedVector::Multi(rows) => {
                let tokens = rows.rows().take(TOKENS).flatten().copied().collect();
                questions.push((*name, QueryVector::Multi(Multivector::new(rows.dim(), tokens)?)));
            }
            NamedVector::Sparse(_) => {}
        }
    }
    Ok(questions)
}

fn exact(tenant: &Tenant, using: VectorName, vector: QueryVector) -> StoreQuery {
    let root = QueryNode {
        scoring: Some(Scoring::Nearest { using, vector }),
        prefetch: Vec::new(),
        conditions: Vec::new(),
        params: SearchParams { exact: true, ..SearchParams::default() },
        score_threshold: None,
        limit: TOP,
    };
    StoreQuery { filter: Filter::of(tenant), root }
}

/// The same scores place by place, of the same pages but where pages score alike.
fn same(ours: &[ScoredPoint], theirs: &[ScoredPoint]) -> bool {
    let near = |a: f32, b: f32| (a - b).abs() <= TOLERANCE * a.abs().max(1.0);
    let last = ours.last().map_or(0.0, |hit| hit.score);
    ours.len() == theirs.len()
        && ours.iter().zip(theirs).all(|(a, b)| {
            let tied = || ours.iter().any(|other| other.id == b.id && near(other.score, a.score));
            near(a.score, b.score) && (a.id == b.id || near(a.score, last) || tied())
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fixtures::Page;

    fn hit(page: u32, score: f32) -> ScoredPoint {
        let page = Page::new(1, page);
        ScoredPoint { id: page.id(), score, payload: page.payload() }
    }

    #[test]
    fn pages_of_one_score_may_change_places_and_others_not() {
        let ours = [hit(1, 9.0), hit(2, 5.0), hit(3, 5.0), hit(4, 1.0)];
        assert!(same(&ours, &ours));
        assert!(same(&ours, &[hit(1, 9.0), hit(3, 5.0), hit(2, 5.0), hit(5, 1.0)]), "and the last may be another");
        assert!(!same(&ours, &[hit(2, 9.0), hit(1, 5.0), hit(3, 5.0), hit(4, 1.0)]));
        assert!(!same(&ours, &[hit(1, 9.0), hit(2, 5.1), hit(3, 5.0), hit(4, 1.0)]));
        assert!(!same(&ours, &ours[..3]));
    }
}
