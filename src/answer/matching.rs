//! Which pages hold what a question asks about: its content words, by the text layer where that can be read, by the page's
//! looks where it can't. A pure function of what was found; it quotes nothing.
//!
//! What it knows is words, not meanings: a page that says it all in other words is taken for one that does not say it.

use serde::Serialize;

use super::legible::is_legible;
use crate::derive::terms::{AskedWord, AskedWords, WordKind};
use crate::retrieve::{Hit, WordEvidence};

/// A page answers if it holds this share of the question's words, rare words counting more. `benches/answers/evaluate.py
/// --calibrate` prints the distributions: of 90 questions about nothing, the best page's text held 0.56 at most when this was
/// chosen.
const LEAST_COVERAGE: f32 = 0.6;
/// A page that is only looked at must show this share: letters that are nearly the same look nearly the same. One word of five is lost in
/// letters that are hard to read; two of three are what a page about something else looks like.
const LEAST_SEEN: f32 = 0.75;
/// Numbers stand on many pages by chance.
const NUMBER_WEIGHT: f32 = 0.5;
/// Who asks about a name, or a part by its number, asks about nothing else.
const NAME_WEIGHT: f32 = 1.5;
const IDENTIFIER_WEIGHT: f32 = 2.0;

/// How a page's words are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Basis {
    /// Its text layer.
    Text,
    /// It has no text layer: what it looks like.
    Image,
    /// Its text layer can't be read: what it looks like.
    Unreadable,
}

/// What a page holds of a question.
#[derive(Debug, Clone, Serialize)]
pub struct PageMatch {
    pub basis: Basis,
    /// `[words]`: whether the page holds each.
    pub held: Vec<bool>,
    /// `[words]`: how much its best patch resembles each; None where the model compares no words.
    pub cosines: Vec<Option<f32>>,
    /// Share of the question's words that it holds, rare ones counting more.
    pub coverage: f32,
    /// Whether that is enough to answer from it.
    pub supports: bool,
}

/// What the pages hold of a question, in the order of the hits.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Matching {
    /// The words that the question asks about.
    pub words: Vec<String>,
    /// `[words]`: what each counts.
    pub weights: Vec<f32>,
    pub pages: Vec<PageMatch>,
}

impl Matching {
    /// Holds every hit against the question. `evidence`: what store and model know of its words.
    pub fn new(asked: &AskedWords, hits: &[Hit], evidence: &WordEvidence) -> Self {
        let weights: Vec<f32> =
            asked.as_slice().iter().enumerate().map(|(at, word)| weight(word, evidence.rarity(at))).collect();
        let pages = hits.iter().enumerate().map(|(at, hit)| page_match(asked, &weights, hit, evidence, at)).collect();
        Self { words: asked.as_slice().iter().map(|word| word.text.clone()).collect(), weights, pages }
    }

    /// Words that no page of the hits holds.
    pub fn missing(&self) -> impl Iterator<Item = &str> {
        let held = |at: usize| self.pages.iter().any(|page| page.held[at]);
        self.words.iter().enumerate().filter(move |(at, _)| !held(*at)).map(|(_, word)| word.as_str())
    }
}

fn weight(word: &AskedWord, rarity: f32) -> f32 {
    rarity
        * match word.kind {
            WordKind::Number => NUMBER_WEIGHT,
            WordKind::Name => NAME_WEIGHT,
            WordKind::Identifier => IDENTIFIER_WEIGHT,
            WordKind::Plain => 1.0,
        }
}

fn page_match(asked: &AskedWords, weights: &[f32], hit: &Hit, evidence: &WordEvidence, at: usize) -> PageMatch {
    let text = hit.detail.text.as_str();
    let basis = match () {
        () if text.trim().is_empty() => Basis::Image,
        () if !is_legible(text) => Basis::Unreadable,
        () => Basis::Text,
    };
    let about = about(hit);
    let said = if basis == Basis::Text { format!("{about}\n{text}") } else { about };
    let mut held = asked.held_by(&said);
    let cosines = evidence.cosines(at, asked.as_slice().len());
    if basis != Basis::Text
        && let Some(seen_from) = evidence.seen_from
    {
        held.iter_mut()
            .zip(&cosines)
            .for_each(|(held, cosine)| *held |= cosine.is_some_and(|cosine| cosine >= seen_from));
    }
    let all: f32 = weights.iter().sum();
    let gained: f32 = held.iter().zip(weights).filter(|(held, _)| **held).map(|(_, weight)| weight).sum();
    let coverage = if all > 0.0 { gained / all } else { 0.0 };
    let exact = asked.as_slice().iter().zip(&held).all(|(word, held)| *held || !word.kind.is_exact());
    let least = if basis == Basis::Text { LEAST_COVERAGE } else { LEAST_SEEN };
    PageMatch { basis, supports: exact && coverage >= least, held, cosines, coverage }
}

/// What is known of a page beside its text: a chapter's name is said once, for all of its pages.
fn about(hit: &Hit) -> String {
    let file = std::path::Path::new(&hit.source).file_stem().map(|name| name.to_string_lossy().into_owned());
    let mut about = vec![hit.title.clone()];
    about.extend(file);
    about.extend(hit.breadcrumbs.iter().cloned());
    about.extend(hit.section_title.clone());
    about.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::testing::hit;

    fn matching(question: &str, hits: &[Hit], evidence: &WordEvidence) -> Matching {
        Matching::new(&AskedWords::new(question), hits, evidence)
    }

    #[test]
    fn a_page_that_lacks_the_number_supports_nothing_whatever_else_it_holds() {
        let hits = [hit("m.pdf", 1, "Error E-201: echo lost."), hit("m.pdf", 2, "Error E-299: echo is back.")];
        let found = matching("What does the echo error E-299 mean?", &hits, &WordEvidence::default());
        assert_eq!(found.pages.iter().map(|page| page.supports).collect::<Vec<_>>(), [false, true]);
    }

    #[test]
    fn rare_words_decide() {
        let hits = [hit("m.pdf", 1, "5 Capital commitments of the year")];
        let rarity = vec![1.0, 4.0];
        let evidence = WordEvidence { rarity, ..WordEvidence::default() };
        let found = matching("What is the capital of Australia?", &hits, &evidence);
        assert!(!found.pages[0].supports && found.pages[0].held[0], "{found:?}");
        assert_eq!(found.missing().collect::<Vec<_>>(), ["australia"]);
    }

    #[test]
    fn a_scan_is_judged_by_its_looks_and_only_where_the_model_says_from_where_on() {
        let hits = [hit("scan.tiff", 1, "")];
        let seen = |cosines: [f32; 2], seen_from| {
            let cosines = vec![Some(cosines.map(Some).to_vec())];
            let evidence = WordEvidence { cosines, seen_from, ..WordEvidence::default() };
            matching("harbour dues", &hits, &evidence).pages[0].supports
        };
        assert!(seen([0.9, 0.85], Some(0.8)));
        assert!(!seen([0.9, 0.6], Some(0.8)));
        assert!(!seen([0.9, 0.9], None));
    }

    #[test]
    fn a_scan_may_hide_one_word_of_five_and_not_one_of_three() {
        let hits = [hit("notice.png", 1, "")];
        let supports = |question: &str, cosines: &[f32]| {
            let cosines = vec![Some(cosines.iter().copied().map(Some).collect())];
            let evidence = WordEvidence { cosines, seen_from: Some(0.8), ..WordEvidence::default() };
            matching(question, &hits, &evidence).pages[0].supports
        };
        assert!(supports("pier closed cars vans lorries", &[0.87, 0.71, 0.94, 0.93, 0.86]));
        assert!(!supports("wrote war peace", &[0.73, 0.9, 0.9]));
    }

    #[test]
    fn a_garbled_text_layer_holds_nothing() {
        let garbled = "Qeb a^fpv bi_lt _bpfab qeb clppfi t^p fkpmb`qba fk pmofkd. Fqp ibkdqe fp 1962 jfiifjbqobp";
        let found = matching("length 1962", &[hit("a.pdf", 1, garbled)], &WordEvidence::default());
        assert_eq!((found.pages[0].basis, found.pages[0].supports), (Basis::Unreadable, false));
    }

    #[test]
    fn titles_and_chapters_count_for_their_pages() {
        let found = matching("MrBayes help", &[hit("MrBayes.pdf", 3, "type help")], &WordEvidence::default());
        assert!(found.pages[0].supports);
    }
}
