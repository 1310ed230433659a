//! A question's words read as German: the stems, base forms and parts of compounds by which pages may call them. A question is
//! mostly too short to tell its language, so this is tried unless it is clearly in another; words that are not known stay as
//! they are. For questions only.

use rust_stemmers::{Algorithm, Stemmer};
use whatlang::Lang;

use super::compounds::{Compound, known};
use super::{Word, fold_accents, term_hash};

pub(super) struct German(Stemmer);

impl German {
    /// None if the question is clearly in another language.
    pub fn of(lang: Option<Lang>) -> Option<Self> {
        matches!(lang, None | Some(Lang::Deu)).then(|| Self(Stemmer::create(Algorithm::German)))
    }

    /// Calls `visit` with the terms of a word that stand for it beside its own, and what each counts: all parts of a compound
    /// together as much as a word, and its neighbouring parts as much again.
    pub fn each_term(&self, word: &Word, visit: &mut impl FnMut(u32, f32)) {
        for part in word.parts() {
            if let Some(base) = known(part) {
                visit(term_hash(base), 1.0);
                visit(self.stem(base), 1.0);
            }
            let Some(compound) = Compound::of(part) else { continue };
            let share = 1.0 / compound.parts().count() as f32;
            for base in compound.parts().flatten() {
                visit(term_hash(base), share);
                visit(self.stem(base), share);
            }
            compound.runs().for_each(|run| visit(term_hash(&run), share));
        }
    }

    /// Terms that stand for the word beside its own, each for the whole of it.
    pub fn forms(part: &str) -> Vec<u32> {
        let whole = Compound::of(part).and_then(|compound| compound.whole());
        known(part).map(term_hash).into_iter().chain(whole.as_deref().map(term_hash)).collect()
    }

    /// For each part of a compound, the terms of which one is enough; empty for other words.
    pub fn apart(part: &str) -> Vec<Vec<u32>> {
        let Some(compound) = Compound::of(part) else { return Vec::new() };
        compound.parts().map(|bases| bases.iter().map(|base| term_hash(base)).collect()).collect()
    }

    /// As pages in German have it.
    fn stem(&self, base: &str) -> u32 {
        term_hash(&format!("{}\u{1f}{}", Lang::Deu.code(), fold_accents(&self.0.stem(base))))
    }
}
