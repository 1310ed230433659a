//! What store and model know of each word of a question: how rare it is, and how much each page found shows something that looks
//! like it. Scores tell neither.

use futures::future::try_join_all;

use super::{Hit, Retriever, similarity_map};
use crate::derive::terms::{AskedWord, AskedWords};
use crate::error::Result;
use crate::store::{Filter, QueryNode, QueryVector, Scoring, StoreQuery};
use crate::types::{NamedVector, PointId, QuestionEmbedding, Schema, SearchParams, SparseVector, Tenant, VectorName};

/// A smaller collection is taken for one of this many pages: in a folder of three documents, a word that stands on one page is not
/// a common word.
const MANY: f32 = 1_000.0;

/// Of the words of a question, in their order.
#[derive(Debug, Clone, Default)]
pub struct WordEvidence {
    /// `[words]`: how rare each is, as inverse document frequency. Empty where nothing is known: all count alike.
    pub rarity: Vec<f32>,
    /// `[hits]`, each `[words]`: cosine of the word with the page's nearest patch; None where the page has no stored patches, or
    /// the model has no vector for the word.
    pub cosines: Vec<Option<Vec<Option<f32>>>>,
    /// Cosine from which on a word can be read on the page, as the model's manifest says; None where cosines say nothing about
    /// single words.
    pub seen_from: Option<f32>,
}

impl WordEvidence {
    /// 1 where nothing is known.
    pub fn rarity(&self, word: usize) -> f32 {
        self.rarity.get(word).copied().unwrap_or(1.0)
    }

    /// `[words]` of one hit.
    pub fn cosines(&self, hit: usize, words: usize) -> Vec<Option<f32>> {
        self.cosines.get(hit).cloned().flatten().unwrap_or_else(|| vec![None; words])
    }
}

/// Where to look, and what the collection keeps.
pub struct WordSearch<'a> {
    /// The store's name of it.
    pub collection: &'a str,
    pub tenant: &'a Tenant,
    pub schema: &'a Schema,
    pub asked: &'a AskedWords,
    pub question: &'a QuestionEmbedding,
    /// See [`WordEvidence::seen_from`].
    pub seen_from: Option<f32>,
}

impl Retriever {
    /// Looks every word up, and compares each with the stored patches of the hits.
    ///
    /// # Errors
    /// What the store says.
    pub async fn word_evidence(&self, search: &WordSearch<'_>, hits: &[Hit]) -> Result<WordEvidence> {
        let rarity = match search.schema.get(VectorName::Text) {
            Some(_) => self.rarity(search).await?,
            None => Vec::new(),
        };
        let compared = search.seen_from.is_some() && search.schema.get(VectorName::Patches).is_some();
        let cosines = if compared { self.cosines(search, hits).await? } else { Vec::new() };
        Ok(WordEvidence { rarity, cosines, seen_from: search.seen_from })
    }

    /// Rarity of each word: that of its commonest term. The store multiplies with the inverse document frequency, so the score of
    /// the best page for one term, over what that page stores for it, is just that.
    async fn rarity(&self, search: &WordSearch<'_>) -> Result<Vec<f32>> {
        let pages = self.store.count(search.collection, &Filter::of(search.tenant)).await? as f32;
        let words = search.asked.as_slice().iter().map(|word| async {
            let terms = try_join_all(word.terms().map(|term| self.idf_of(search, term))).await?;
            let holding = terms.into_iter().flatten().map(|idf| pages_holding(idf, pages)).fold(0.0, f32::max);
            Ok(idf(holding, pages.max(MANY)))
        });
        try_join_all(words).await
    }

    /// Inverse document frequency; None if no page has the term.
    async fn idf_of(&self, search: &WordSearch<'_>, term: u32) -> Result<Option<f32>> {
        let vector = QueryVector::Sparse(SparseVector { indices: vec![term], values: vec![1.0] });
        let root = QueryNode {
            scoring: Some(Scoring::Nearest { using: VectorName::Text, vector }),
            prefetch: Vec::new(),
            conditions: Vec::new(),
            params: SearchParams::default(),
            score_threshold: None,
            limit: 1,
        };
        let query = StoreQuery { filter: Filter::of(search.tenant), root };
        let Some(best) = self.store.query(search.collection, query).await?.into_iter().next() else { return Ok(None) };
        let stored = self.store.retrieve(search.collection, search.tenant, &[best.id], &[VectorName::Text]).await?;
        let kept = stored.first().and_then(|point| match point.vectors.get(&VectorName::Text) {
            Some(NamedVector::Sparse(sparse)) => {
                sparse.indices.iter().position(|index| *index == term).map(|at| sparse.values[at])
            }
            _ => None,
        });
        Ok(kept.filter(|kept| *kept > 0.0).map(|kept| best.score / kept))
    }

    /// The patches of a page are fetched only where nobody has looked at them yet.
    async fn cosines(&self, search: &WordSearch<'_>, hits: &[Hit]) -> Result<Vec<Option<Vec<Option<f32>>>>> {
        let unknown: Vec<PointId> =
            hits.iter().filter(|hit| hit.detail.nearest.is_none()).map(|hit| hit.detail.point).collect();
        let stored = match unknown.is_empty() {
            true => Vec::new(),
            false => self.with_patches(search.collection, search.tenant, &unknown).await?,
        };
        let fetched = |hit: &Hit| {
            let point = stored.iter().find(|point| point.id == hit.detail.point)?;
            similarity_map(point, search.question, search.seen_from).ok().map(|evidence| evidence.nearest().to_vec())
        };
        let of_page = |hit: &Hit| {
            let nearest = hit.detail.nearest.clone().or_else(|| fetched(hit))?;
            let words = search.asked.as_slice().iter();
            Some(words.map(|word| cosine(word, &search.question.labels, &nearest)).collect())
        };
        Ok(hits.iter().map(of_page).collect())
    }
}

/// Inverse document frequency as Qdrant multiplies with it.
fn idf(holding: f32, pages: f32) -> f32 {
    (1.0 + (pages - holding + 0.5) / (holding + 0.5)).ln()
}

/// [`idf`] solved for the pages that hold the term.
fn pages_holding(idf: f32, pages: f32) -> f32 {
    let ratio = idf.exp() - 1.0;
    ((pages + 0.5 - 0.5 * ratio) / (ratio + 1.0)).clamp(0.0, pages)
}

/// The least over the vectors that stand for the word, `E-201` having two. `nearest`: see [`super::Evidence::nearest`].
fn cosine(word: &AskedWord, labels: &[String], nearest: &[f32]) -> Option<f32> {
    let own = labels.iter().zip(nearest).filter(|(label, _)| word.text.contains(label.as_str()));
    own.map(|(_, nearest)| *nearest).filter(|nearest| nearest.is_finite()).min_by(f32::total_cmp)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config;
    use crate::error::Error;
    use crate::faults::{Fault, Faults};
    use crate::ledger::SqliteLedger;
    use crate::store::faulty::FaultyStore;
    use crate::store::{EdgeStore, ScoredPoint, fixtures};
    use crate::types::Multivector;

    #[test]
    fn counts_come_back_from_frequencies() {
        for (pages, holding) in [(433.0, 1.0), (433.0, 200.0), (43.0, 10.0), (1.0, 1.0)] {
            assert!((pages_holding(idf(holding, pages), pages) - holding).abs() < 1e-2, "{holding} of {pages}");
        }
    }

    #[test]
    fn rarer_words_weigh_more_and_absent_ones_most() {
        let rarity: Vec<f32> = [0.0, 1.0, 100.0, 1_000.0].into_iter().map(|holding| idf(holding, MANY)).collect();
        assert!(rarity.windows(2).all(|pair| pair[0] > pair[1]) && rarity[3] > 0.0, "{rarity:?}");
    }

    #[test]
    fn a_word_of_two_vectors_is_seen_as_well_as_the_fainter_one() {
        let asked = AskedWords::new("E-201");
        let labels = ["e".to_owned(), "201".to_owned(), "other".to_owned()];
        let word = &asked.as_slice()[0];
        assert_eq!(cosine(word, &labels, &[0.9, 0.8, 0.1]), Some(0.8));
        assert_eq!(
            cosine(word, &labels, &[f32::NEG_INFINITY, 0.8, 0.1]),
            Some(0.8),
            "the model's own token counts for nothing"
        );
        assert_eq!(cosine(word, &["other".to_owned()], &[0.1]), None);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn patches_that_were_looked_at_are_not_fetched_again() {
        let folder = tempfile::tempdir().unwrap();
        let inner = EdgeStore::open(&folder.path().join("vectors"), config::Store::default()).unwrap();
        let faults = Faults::none();
        faults.always("store.retrieve", Fault::Fail(|| Error::transient("away")));
        let store = Arc::new(FaultyStore { inner: Arc::new(inner), faults: faults.clone() });
        let ledger = SqliteLedger::open(&folder.path().join("ledger.sqlite")).await.unwrap();
        let retriever = Retriever::new(store, Arc::new(ledger));

        let (asked, tenant) = (AskedWords::new("torque"), Tenant("acme".into()));
        let question = QuestionEmbedding {
            tokens: Multivector::new(2, vec![1.0, 0.0]).unwrap(),
            labels: vec!["torque".into()],
            from_text: vec![true],
        };
        let mut schema = fixtures::schema();
        schema.vectors.retain(|spec| spec.name == VectorName::Patches);
        let search = WordSearch {
            collection: "documents",
            tenant: &tenant,
            schema: &schema,
            asked: &asked,
            question: &question,
            seen_from: Some(0.8),
        };
        let page = fixtures::Page::new(1, 1);
        let point = ScoredPoint { id: page.id(), score: 1.0, payload: page.payload() };
        let mut hits = vec![super::super::hit(point, &asked)];
        assert!(retriever.word_evidence(&search, &hits).await.is_err(), "what nobody has looked at is fetched");
        assert_eq!(faults.calls("store.retrieve"), 1);
        hits[0].detail.nearest = Some(vec![0.9]);
        let evidence = retriever.word_evidence(&search, &hits).await.unwrap();
        assert_eq!(evidence.cosines, [Some(vec![Some(0.9)])]);
        assert_eq!(faults.calls("store.retrieve"), 1);
    }
}
