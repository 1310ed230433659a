//! What the doors of other services share: a search that ends in pages to cite.

use super::cited::{Addresses, CitedPage};
use super::conditions::Condition;
use super::{Caller, Problem, Server};
use crate::app::Question;
use crate::retrieve::PageFilter;

/// What is looked for.
pub struct Wanted<'a> {
    pub query: &'a str,
    pub collection: &'a str,
    /// Most pages that come back.
    pub limit: usize,
    /// Pages below it are left out, `0.0..=1.0`.
    pub least_score: Option<f32>,
    pub condition: Option<&'a Condition>,
}

/// The pages that answer best, of those that the condition holds of.
pub async fn search(
    server: &Server,
    caller: &Caller,
    addresses: &Addresses,
    wanted: Wanted<'_>,
) -> Result<Vec<CitedPage>, Problem> {
    let mut filter = PageFilter::default();
    let ask = wanted.condition.map_or(wanted.limit, |condition| condition.narrow(&mut filter, wanted.limit));
    let question = Question { filter, ..Question::new(wanted.query, wanted.collection, ask) };
    let _turn = server.question_turn().await?;
    let found = caller.scope(server).search(&question).await?;
    let mut hits = found.hits;
    hits.retain(|hit| wanted.condition.is_none_or(|condition| condition.holds(hit)));
    let mut pages: Vec<CitedPage> = hits.into_iter().map(|hit| CitedPage::of(addresses, hit)).collect();
    pages.retain(|page| wanted.least_score.is_none_or(|least| page.score >= least));
    pages.truncate(wanted.limit);
    Ok(pages)
}
