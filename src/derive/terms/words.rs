//! The words that a question asks about, one by one, and which of them a text holds. `text` vectors rank by them; this
//! says what is missing, which no score does. Never a place for thresholds: what a missing word means is decided by `answer`.

use std::collections::HashSet;
use std::iter;
use std::sync::LazyLock;

use super::compounds::known;
use super::german::German;
use super::irregular::other_forms;
use super::{
    Stems, Text, Word, detect_language, each_page_term, each_term, each_word, is_unspaced, is_word_char, term_hash,
};
use super::{normalized, stemming_algorithm, visit_identifier, visit_trimmed};

/// Function words of the languages that questions come in, folded: they ask, and nothing is asked about them.
static STOP_WORDS: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| include_str!("stopwords.txt").split_whitespace().collect());

/// Small numbers as English texts spell them, from two on.
const SPELLED: [&str; 11] =
    ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"];

/// Share of the pairs of characters of an unspaced run (Chinese, Japanese, Thai) that must be held: the run has the question's
/// particles in it.
const UNSPACED_SHARE: f32 = 0.6;

/// What a word is to the one who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WordKind {
    /// Found by its stem, too.
    Plain,
    /// Capitalised inside a sentence: a proper name. Found by its stem, too.
    Name,
    /// Digits and what joins them: `2024/25`, `3.4.1`. Found as it is, or not at all.
    Number,
    /// Letters with digits, underscores or capitals inside: `E-201`, `max_pixels`, `OpenSM`. Found as it is, or not at all.
    Identifier,
}

impl WordKind {
    /// Whether nothing resembling it will do.
    pub fn is_exact(self) -> bool {
        matches!(self, Self::Number | Self::Identifier)
    }
}

/// A word of a question.
#[derive(Debug, Clone, PartialEq)]
pub struct AskedWord {
    /// Folded: lower case, without accents and without punctuation around it.
    pub text: String,
    pub kind: WordKind,
    /// For each part that must be held, the terms of which one is enough.
    parts: Vec<Vec<u32>>,
    /// The same for what a German compound is made of: `Beiträge zur Krankenversicherung` holds `Krankenversicherungsbeitrag`.
    apart: Vec<Vec<u32>>,
    /// An exact word's letters and digits, and where it may be parted.
    exact: Option<Joined>,
    /// Share of the parts that must be held.
    share: f32,
}

impl AskedWord {
    /// Its terms in the `text` vector, most general last within each part.
    pub fn terms(&self) -> impl Iterator<Item = u32> {
        self.parts.iter().flatten().copied()
    }

    /// A word of one part alone: `Preis-Leistung` is two that must be held.
    fn read_as_german(&mut self) {
        if let [terms] = self.parts.as_mut_slice() {
            terms.extend(German::forms(&self.text));
            self.apart = German::apart(&self.text);
        }
    }

    fn held_by(&self, page: &PageWords) -> bool {
        let stands = |terms: &&Vec<u32>| terms.iter().any(|term| page.terms.contains(term));
        let held = self.parts.iter().filter(stands).count();
        let by_terms = !self.parts.is_empty() && held as f32 >= self.share * self.parts.len() as f32;
        let by_compound = !self.apart.is_empty() && self.apart.iter().filter(stands).count() == self.apart.len();
        by_terms || by_compound || self.exact.as_ref().is_some_and(|joined| joined.stands_in(&page.parts))
    }
}

/// The words that a question asks about, each once, in its order. Empty if it has none but function words.
#[derive(Debug, Clone, PartialEq)]
pub struct AskedWords {
    words: Vec<AskedWord>,
    has_own_stems: bool,
}

impl AskedWords {
    pub fn new(question: &str) -> Self {
        let text = Text::new(question);
        let stems = Stems::of(&text);
        let german = German::of(text.lang).is_some();
        let raw: Vec<&str> = question.split_whitespace().collect();
        let capitals = raw.iter().filter(|raw| begins_with_capital(raw)).count();
        // Where most words are capitalised (a title, German), a capital says nothing.
        let names_known = capitals * 2 <= raw.len();
        let mut words: Vec<AskedWord> = Vec::new();
        for (at, raw) in raw.iter().enumerate() {
            let name = names_known && at > 0 && begins_with_capital(raw);
            let inner_capital = has_inner_capital(raw);
            visit_trimmed(&normalized(raw), &mut |word| {
                let mut asked = asked_word(&word, name, inner_capital, &stems);
                if let Some(asked) = asked.as_mut().filter(|asked| german && !asked.kind.is_exact()) {
                    asked.read_as_german();
                }
                words.extend(asked.filter(|asked| words.iter().all(|known| known.text != asked.text)));
            });
        }
        Self { words, has_own_stems: text.lang.and_then(stemming_algorithm).is_some() }
    }

    pub fn as_slice(&self) -> &[AskedWord] {
        &self.words
    }

    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// `[words]`: whether the text holds each.
    pub fn held_by(&self, text: &str) -> Vec<bool> {
        let lang = if self.has_own_stems { detect_language(text) } else { None };
        let page = PageWords::new(&Text { text, lang });
        self.words.iter().map(|word| word.held_by(&page)).collect()
    }
}

/// A text, ready to be compared.
struct PageWords {
    terms: HashSet<u32>,
    /// Runs of letters and digits, folded, in order.
    parts: Vec<String>,
}

impl PageWords {
    fn new(text: &Text<'_>) -> Self {
        let stems = Stems::of(text);
        let (mut terms, mut parts) = (HashSet::new(), Vec::new());
        each_word(text.text, &mut |word| {
            each_page_term(&word, &stems, &mut |term| {
                terms.insert(term);
            });
            terms.extend(parts_of(&word.text).filter_map(known).map(term_hash));
            parts.extend(parts_of(&word.text).map(str::to_owned));
        });
        Self { terms, parts }
    }
}

/// An exact word without what joins it, and the places where a page may part it in another way: `AB-4711` is `AB 4711` and
/// `AB4711`, and never `AB-47 11`.
#[derive(Debug, Clone, PartialEq)]
struct Joined {
    letters: String,
    /// Byte offsets.
    breaks: Vec<usize>,
}

impl Joined {
    fn new(text: &str) -> Self {
        let mut letters = String::new();
        let mut breaks = Vec::new();
        for part in parts_of(text) {
            let mut last: Option<char> = None;
            for c in part.chars() {
                if last.is_none_or(|last| last.is_numeric() != c.is_numeric()) {
                    breaks.push(letters.len());
                }
                letters.push(c);
                last = Some(c);
            }
        }
        Self { letters, breaks }
    }

    fn stands_in(&self, parts: &[String]) -> bool {
        (0..parts.len()).any(|start| self.begins_at(&parts[start..]))
    }

    fn begins_at(&self, parts: &[String]) -> bool {
        let mut at = 0;
        for part in parts {
            if !self.letters[at..].starts_with(part.as_str()) || !(at == 0 || self.breaks.contains(&at)) {
                return false;
            }
            at += part.len();
            if at == self.letters.len() {
                return true;
            }
        }
        false
    }
}

/// None for function words, single letters, and what an apostrophe leaves over.
fn asked_word(word: &Word, name: bool, inner_capital: bool, stems: &Stems) -> Option<AskedWord> {
    let apostrophe = word.text.contains('\'');
    let parts: Vec<&str> = parts_of(&word.text).filter(|part| !(apostrophe && part.chars().count() == 1)).collect();
    let text = if apostrophe { parts.join("'") } else { word.text.clone() };
    let lone = |part: &str| part.chars().count() == 1 && !part.chars().all(|c| c.is_numeric() || is_unspaced(c));
    if parts.is_empty() || parts.iter().all(|part| STOP_WORDS.contains(part) || lone(part)) {
        // `c++` is asked about, `a` is not
        if !word.text.ends_with(['+', '#']) {
            return None;
        }
    }
    let digits = text.chars().any(char::is_numeric);
    let letters = text.chars().any(char::is_alphabetic);
    let kind = match (digits, letters) {
        (true, false) => WordKind::Number,
        (true, true) => WordKind::Identifier,
        _ if inner_capital || text.contains('_') => WordKind::Identifier,
        _ if name => WordKind::Name,
        _ => WordKind::Plain,
    };
    let mut asked = AskedWord { text, kind, parts: Vec::new(), apart: Vec::new(), exact: None, share: 1.0 };
    if kind.is_exact() {
        asked.parts.push(exact_terms(&asked.text, &parts));
        asked.exact = Some(Joined::new(&asked.text));
    } else if parts.iter().any(|part| part.chars().any(is_unspaced)) {
        each_term(word, stems, &mut |term| asked.parts.push(vec![term]));
        asked.share = UNSPACED_SHARE;
    } else {
        let accented: Vec<&str> = parts_of(&word.accented).collect();
        let parts = parts.into_iter().filter(|part| !lone(part) || word.text.ends_with(['+', '#']));
        for part in parts {
            let accented = accented.iter().find(|accented| super::fold_accents(accented) == part).unwrap_or(&part);
            let part = if word.text.ends_with(['+', '#']) { &word.text } else { part };
            let mut terms = Vec::new();
            for (text, accented) in iter::once((part, *accented)).chain(other_forms(part).map(|form| (form, form))) {
                let one = Word { text: text.to_owned(), accented: accented.to_owned(), plain: false };
                each_term(&one, stems, &mut |term| terms.push(term));
            }
            asked.parts.push(terms);
        }
    }
    (!asked.parts.is_empty()).then_some(asked)
}

/// The terms of which any says that the whole stands there.
fn exact_terms(text: &str, parts: &[&str]) -> Vec<u32> {
    let mut terms = Vec::new();
    match parts {
        [one] => {
            terms.push(term_hash(one));
            let spelled = one.parse::<usize>().ok().and_then(|number| SPELLED.get(number.wrapping_sub(2)));
            terms.extend(spelled.map(|spelled| term_hash(spelled)));
        }
        _ => visit_identifier(text, &mut |term| terms.push(term)),
    }
    terms
}

fn parts_of(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c| !is_word_char(c)).filter(|part| !part.is_empty())
}

fn begins_with_capital(raw: &str) -> bool {
    raw.chars().find(|c| c.is_alphabetic()).is_some_and(char::is_uppercase)
}

/// A capital behind a small letter.
fn has_inner_capital(raw: &str) -> bool {
    raw.chars().zip(raw.chars().skip(1)).any(|(before, c)| before.is_lowercase() && c.is_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(question: &str) -> Vec<(String, WordKind)> {
        AskedWords::new(question).words.into_iter().map(|word| (word.text, word.kind)).collect()
    }

    fn held(question: &str, text: &str) -> bool {
        let asked = AskedWords::new(question);
        assert!(!asked.is_empty(), "{question}");
        asked.held_by(text).into_iter().all(|held| held)
    }

    #[test]
    fn function_words_are_not_asked_about() {
        use WordKind::{Identifier, Name, Number, Plain};
        let expect = |question: &str, expected: &[(&str, WordKind)]| {
            let expected: Vec<_> = expected.iter().map(|(text, kind)| ((*text).to_owned(), *kind)).collect();
            assert_eq!(words(question), expected, "{question}");
        };
        expect("What is the capital of Australia?", &[("capital", Plain), ("australia", Name)]);
        expect("What does E-207 mean in 2024/25?", &[("e-207", Identifier), ("2024/25", Number)]);
        expect(
            "How do I compute the gauge's hash, isn't it?",
            &[("compute", Plain), ("gauge", Plain), ("hash", Plain)],
        );
        expect("Which commands has MrBayes?", &[("commands", Plain), ("mrbayes", Identifier)]);
        expect("Welche Temperatur hat die Sonne?", &[("temperatur", Plain), ("sonne", Plain)]);
        expect("How is it?", &[]);
    }

    #[test]
    fn numbers_and_identifiers_are_held_as_they_are_or_not_at_all() {
        for (asked, text) in [
            ("AB-4711", "part AB 4711, each"),
            ("AB-4711", "part ab4711."),
            ("AB 4711", "part AB-4711"),
            ("E201", "the code E-201"),
            ("2024/25", "season 2024-25"),
            ("400V", "a socket of 400 V"),
            ("1234567", "it costs 1,234,567 francs"),
            ("3 years", "for three years"),
            ("max_pixels", "(see max_pixels)"),
        ] {
            assert!(held(asked, text), "{asked} in {text}");
        }
        for (asked, text) in [
            ("AB-4711", "part AB-4712 and part CD-4711"),
            ("AB-4711", "part AB-47 11"),
            ("2017", "in 2018"),
            ("11", "rows 1 1"),
            ("3.4.1", "version 3.4.10"),
        ] {
            assert!(!held(asked, text), "{asked} in {text}");
        }
    }

    #[test]
    fn german_compounds_are_held_whole_or_by_all_their_parts() {
        for (asked, text) in [
            ("Krankenversicherung", "Der Krankenversicherungsbeitrag beträgt 14,6 %."),
            ("Beitrag", "Krankenversicherungsbeiträge 2024"),
            ("Krankenversicherungsbeitrag", "Beiträge zur Krankenversicherung"),
            ("Krankenversicherungsbeiträge", "Der Krankenversicherungsbeitrag"),
            ("Rechnungsnummer", "Nummer der Rechnung"),
        ] {
            assert!(held(asked, text), "{asked} in {text}");
        }
        for (asked, text) in [
            ("Krankenversicherungsbeitrag", "Beiträge zur Unfallversicherung"),
            ("Rechnungsnummer", "Die Rechnung vom Mai"),
            ("Versicherungsvertrag", "Der Krankenversicherungsbeitrag"),
            ("Kündigung", "Der Krankenversicherungsbeitrag"),
        ] {
            assert!(!held(asked, text), "{asked} in {text}");
        }
    }

    #[test]
    fn plain_words_are_held_by_their_stem() {
        assert!(held("configured pumps", "configuring a pump"));
        assert!(held("read-write variables", "variables to read and to write"));
        assert!(
            held("loaves of bread", "Bread: loaf, rye")
                && held("who chose it, and when was it paid?", "chosen, and to pay")
        );
        assert!(!held("heavy gauge", "the weight of the gauge"));
    }
}
