//! German compounds taken apart: `Krankenversicherungsbeitrag` is found by `Beitrag`, `Versicherung` and `Krankenversicherung`. Only
//! what known words fill from end to end is a compound. What a word is made of never depends on the text around it, so that page,
//! passage and question agree.

use std::collections::HashSet;
use std::sync::LazyLock;

/// Words that compounds are made of, folded, and English ones that look like compounds. Made by scripts/german_parts.py from the word
/// lists of Tesseract (Apache-2.0).
static PARTS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| include_str!("german.txt").lines().collect());

/// What stands between two parts, and what each costs: the cheapest way to take a word apart is taken.
const LINKS: &[(&str, u32)] = &[("", 0), ("s", 1), ("n", 1), ("en", 2), ("es", 2), ("er", 4), ("e", 4)];
/// What stands behind the last.
const ENDINGS: &[(&str, u32)] =
    &[("", 0), ("s", 1), ("n", 1), ("en", 2), ("es", 2), ("ern", 2), ("nen", 2), ("er", 4), ("e", 4)];
/// `Schulbuch`: the first part has lost an `e`.
const DROPPED_E: u32 = 3;
const PART: u32 = 10;
const MIN_WORD: usize = 7;
/// Beyond this nothing is a word of German, and taking it apart would take long.
const MAX_WORD: usize = 64;
const MIN_PART: usize = 3;
/// The longest known part with the longest ending.
const MAX_PART: usize = 13 + 3;
/// Shorter words are inflected like those of too many other languages.
const MIN_INFLECTED: usize = 5;

/// A word and the parts that fill it.
pub(super) struct Compound<'a> {
    word: &'a str,
    /// Two or more.
    pieces: Vec<Piece>,
}

struct Piece {
    /// Byte offset in the word.
    start: usize,
    /// What the part is called where it stands alone; the likeliest first, never empty.
    bases: Vec<&'static str>,
}

impl<'a> Compound<'a> {
    /// None for what is a known word itself, or is not made of such alone. `word`: folded, letters only.
    pub fn of(word: &'a str) -> Option<Self> {
        let plain = (MIN_WORD..=MAX_WORD).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_lowercase());
        if !plain || !bases(word, true).is_empty() {
            return None;
        }
        // For each end that parts reach: the cheapest way there, as cost and the start of its last part.
        let mut reached = vec![None; word.len() + 1];
        reached[0] = Some((0u32, 0usize));
        for end in MIN_PART..=word.len() {
            for start in end.saturating_sub(MAX_PART)..=end - MIN_PART {
                let Some((before, _)) = reached[start] else { continue };
                let Some(&(_, cost)) = bases(&word[start..end], end == word.len()).first() else { continue };
                let cost = before + PART + cost;
                if reached[end].is_none_or(|(known, _)| cost < known) {
                    reached[end] = Some((cost, start));
                }
            }
        }
        let mut pieces = Vec::new();
        let mut end = word.len();
        while end > 0 {
            let (_, start) = reached[end]?;
            let bases = bases(&word[start..end], end == word.len()).into_iter().map(|(base, _)| base).collect();
            pieces.push(Piece { start, bases });
            end = start;
        }
        pieces.reverse();
        (pieces.len() > 1).then_some(Self { word, pieces })
    }

    /// For each part, what it is called where it stands alone.
    pub fn parts(&self) -> impl Iterator<Item = &[&'static str]> {
        self.pieces.iter().map(|piece| piece.bases.as_slice())
    }

    /// Neighbouring parts as one word without its ending, `krankenversicherung` and `versicherungsbeitrag`; and the whole, where it
    /// has an ending.
    pub fn runs(&self) -> impl Iterator<Item = String> {
        let starts = self.pieces.iter().enumerate();
        let all = starts.flat_map(|(at, first)| self.pieces[at + 1..].iter().map(move |last| (first.start, last)));
        all.map(|(start, last)| self.run(start, last)).filter(|run| run != self.word)
    }

    /// The whole without its ending.
    pub fn whole(&self) -> Option<String> {
        self.pieces.last().map(|last| self.run(0, last))
    }

    fn run(&self, start: usize, last: &Piece) -> String {
        format!("{}{}", &self.word[start..last.start], last.bases[0])
    }
}

/// What a known word is called without its ending: `beitrag` for `beitrage`. `word`: folded.
pub(super) fn known(word: &str) -> Option<&'static str> {
    let base = bases(word, true).into_iter().map(|(base, _)| base).find(|base| base.len() >= MIN_INFLECTED)?;
    word.bytes().all(|b| b.is_ascii_lowercase()).then_some(base)
}

/// Known words that the text is a form of, the cheapest first. `last`: nothing stands behind it.
fn bases(text: &str, last: bool) -> Vec<(&'static str, u32)> {
    let mut found: Vec<(&'static str, u32)> = Vec::new();
    for (ending, cost) in if last { ENDINGS } else { LINKS } {
        let base = text.strip_suffix(ending).filter(|base| base.len() >= MIN_PART);
        found.extend(base.and_then(|base| PARTS.get(base)).map(|base| (*base, *cost)));
    }
    if !last && text.len() > MIN_PART {
        found.extend(PARTS.get(format!("{text}e").as_str()).map(|base| (*base, DROPPED_E)));
    }
    found.sort_by_key(|(_, cost)| *cost);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(word: &str) -> Vec<&'static str> {
        Compound::of(word).map_or(Vec::new(), |compound| compound.parts().map(|bases| bases[0]).collect())
    }

    #[test]
    fn compounds_are_taken_apart_where_a_reader_would() {
        for (word, expected) in [
            ("krankenversicherungsbeitrag", "kranken versicherung beitrag"),
            ("donaudampfschifffahrt", "donau dampf schiff fahrt"),
            ("arbeitsvertragskundigungsfrist", "arbeit vertrag kundigung frist"),
            ("rechnungsnummern", "rechnung nummer"),
            ("luftfeuchtemessung", "luft feuchte messung"),
            ("pumpengehause", "pumpen gehause"),
            ("steuererklarungen", "steuer erklarung"),
            ("staubecken", "stau becken"),
            ("haustur", "haus tur"),
        ] {
            assert_eq!(parts(word).join(" "), expected, "{word}");
        }
        let runs: Vec<String> = Compound::of("krankenversicherungsbeitrage").unwrap().runs().collect();
        assert_eq!(runs, ["krankenversicherung", "krankenversicherungsbeitrag", "versicherungsbeitrag"]);
    }

    #[test]
    fn other_words_stay_whole() {
        let words = "information configuration notebooks handwritten classroom understanding understand performance \
                     international developpement administrations beitrage versicherung konfiguration wochenende x86 \
                     \u{f6}lpumpe part donau transformation screenshot requirements instructions";
        for word in words.split_whitespace() {
            assert!(Compound::of(word).is_none(), "{word}: {:?}", parts(word));
        }
    }

    #[test]
    fn known_words_lose_their_endings() {
        assert_eq!(known("beitrage"), Some("beitrag"));
        assert_eq!(known("versicherungen"), Some("versicherung"));
        assert_eq!(known("krankenversicherungsbeitrag"), None);
        assert_eq!(known("unbeitrage"), None);
    }

    #[test]
    fn the_list_is_folded_and_small() {
        assert!(PARTS.iter().all(|part| part.bytes().all(|b| b.is_ascii_lowercase())));
        assert!(PARTS.iter().all(|part| (MIN_PART..=13).contains(&part.len())));
        assert!(PARTS.len() > 10_000 && include_str!("german.txt").len() < 200_000);
    }
}
