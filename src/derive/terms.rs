//! BM25 terms of a text layer. Tokens are made here and only here, so that every store backend, and page and question,
//! have the same ones. The engine multiplies by the inverse document frequency; stop words need no list.
//!
//! Nothing is known about a question's language, so surface forms are always terms; stems are terms of their own beside
//! them, marked by language. What people look up literally (part numbers, error codes, file names, versions) is a term
//! as a whole, without its punctuation, and in parts. Numbers and dates are terms in their plain forms too, German compounds
//! the words that they are made of.

mod compounds;
mod dates;
mod german;
mod irregular;
mod numbers;
mod words;

use std::collections::BTreeMap;

use rust_stemmers::{Algorithm, Stemmer};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use whatlang::Lang;

pub use self::words::{AskedWord, AskedWords, WordKind};

use self::compounds::Compound;
use self::dates::Dates;
use self::german::German;
use self::numbers::Groups;
use super::murmur3::murmur3_32;
use crate::types::{SparseVector, TextSettings};

/// Characters that may stand inside an identifier.
const JOINERS: &[char] = &['-', '_', '.', ',', '/', ':', '@', '#', '+', '&', '\\', '=', '~', '*'];
/// A whole identifier beyond this is not looked up by anyone; its parts still are.
const MAX_TERM_CHARS: usize = 64;
/// Language is told from the beginning of the text; more does not change the verdict.
const LANGUAGE_SAMPLE_CHARS: usize = 2_000;
/// Below this a verdict about language is a guess.
const LANGUAGE_MIN_CHARS: usize = 40;

/// A text and what it says of its language.
pub struct Text<'a> {
    text: &'a str,
    lang: Option<Lang>,
}

impl<'a> Text<'a> {
    /// Tells the language, which takes a good part of a millisecond.
    pub fn new(text: &'a str) -> Self {
        Self { text, lang: detect_language(text) }
    }

    /// ISO 639-3 code of the text's language, if the text says it clearly.
    pub fn language(&self) -> Option<&'static str> {
        self.lang.map(|lang| lang.code())
    }
}

/// Sparse vector of a page: BM25's saturated term frequencies. Empty if the text has no words.
pub fn page(text: &Text<'_>, settings: &TextSettings) -> SparseVector {
    let stemmer = Stems::of(text);
    let mut words = 0u32;
    let mut frequencies = BTreeMap::<u32, u32>::new();
    each_word(text.text, &mut |word| {
        words += 1;
        each_page_term(&word, &stemmer, &mut |term| *frequencies.entry(term).or_default() += 1);
    });
    let long = 1.0 - settings.b + settings.b * words as f32 / settings.average_words;
    let weight = |count: u32| count as f32 * (settings.k1 + 1.0) / (count as f32 + settings.k1 * long);
    let (indices, values) = frequencies.into_iter().map(|(term, count)| (term, weight(count))).unzip();
    SparseVector { indices, values }
}

/// The terms of a question, for the `text` vector.
pub struct QuestionTerms {
    /// Ascending, none twice.
    terms: Vec<u32>,
    /// `[terms]`: what each counts.
    weights: Vec<f32>,
}

impl QuestionTerms {
    /// Tells the language of a question that is long enough, which takes about a tenth of a millisecond.
    pub fn new(question: &str) -> Self {
        let text = Text::new(question);
        let stems = Stems::of(&text);
        let german = German::of(text.lang);
        let mut weighted = BTreeMap::new();
        let mut heaviest = |term: u32, weight: f32| {
            let known = weighted.entry(term).or_insert(weight);
            *known = known.max(weight);
        };
        each_word(text.text, &mut |word| {
            each_term(&word, &stems, &mut |term| heaviest(term, 1.0));
            if let Some(german) = &german {
                german.each_term(&word, &mut heaviest);
            }
        });
        let (terms, weights) = weighted.into_iter().unzip();
        Self { terms, weights }
    }

    /// Sparse vector of the question: a word weighs 1, however often it is said, and the parts of a compound as much together.
    pub fn vector(&self) -> SparseVector {
        SparseVector { indices: self.terms.clone(), values: self.weights.clone() }
    }
}

fn detect_language(text: &str) -> Option<Lang> {
    let sample: String = text.chars().take(LANGUAGE_SAMPLE_CHARS).collect();
    if sample.chars().count() < LANGUAGE_MIN_CHARS {
        return None;
    }
    whatlang::detect(&sample).filter(whatlang::Info::is_reliable).map(|info| info.lang())
}

/// The stemmers of a text: English, which is always tried since most technical terms are, and the text's own language.
struct Stems(Vec<(&'static str, Stemmer)>);

impl Stems {
    fn of(text: &Text<'_>) -> Self {
        let mut stems = vec![("eng", Stemmer::create(Algorithm::English))];
        if let Some(lang) = text.lang
            && let Some(algorithm) = stemming_algorithm(lang)
        {
            stems.push((lang.code(), Stemmer::create(algorithm)));
        }
        Self(stems)
    }
}

/// Snowball's algorithm for a language other than English.
fn stemming_algorithm(lang: Lang) -> Option<Algorithm> {
    Some(match lang {
        Lang::Ara => Algorithm::Arabic,
        Lang::Dan => Algorithm::Danish,
        Lang::Nld => Algorithm::Dutch,
        Lang::Fin => Algorithm::Finnish,
        Lang::Fra => Algorithm::French,
        Lang::Deu => Algorithm::German,
        Lang::Ell => Algorithm::Greek,
        Lang::Hun => Algorithm::Hungarian,
        Lang::Ita => Algorithm::Italian,
        Lang::Nob => Algorithm::Norwegian,
        Lang::Por => Algorithm::Portuguese,
        Lang::Ron => Algorithm::Romanian,
        Lang::Rus => Algorithm::Russian,
        Lang::Spa => Algorithm::Spanish,
        Lang::Swe => Algorithm::Swedish,
        Lang::Tam => Algorithm::Tamil,
        Lang::Tur => Algorithm::Turkish,
        _ => return None,
    })
}

/// One stretch of text between white space.
struct Word {
    /// Folded, without punctuation around it.
    text: String,
    /// Its letters before accents were folded, which stemmers want.
    accented: String,
    /// It is the plain form of words that are visited too: a term as a whole, and nothing else.
    plain: bool,
}

impl Word {
    fn plain(text: String) -> Self {
        Self { accented: text.clone(), text, plain: true }
    }

    /// Runs of letters and digits.
    fn parts(&self) -> impl Iterator<Item = &str> {
        self.text.split(|c| !is_word_char(c)).filter(|part| !part.is_empty())
    }
}

/// Lower case, compatibility forms resolved (ligatures, full-width letters), all dashes and apostrophes alike.
fn normalized(text: &str) -> String {
    let mut lower = String::with_capacity(text.len());
    for c in text.nfkc().flat_map(char::to_lowercase) {
        match c {
            '\u{2010}'..='\u{2015}' | '\u{2212}' => lower.push('-'),
            '\u{2018}' | '\u{2019}' | '\u{02bc}' => lower.push('\''),
            // Invisible: soft hyphen, zero-width characters, byte order mark, and PDFium's mark of a hyphenated line
            // end.
            '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{2}' => {}
            _ => lower.push(c),
        }
    }
    lower
}

/// Without the accents of Latin, Greek and Cyrillic letters and the vowel points of Hebrew and Arabic. The signs of
/// other scripts are vowels that belong to the word.
fn fold_accents(text: &str) -> String {
    let accent =
        |c: &char| matches!(c, '\u{300}'..='\u{36f}' | '\u{591}'..='\u{5c7}' | '\u{64b}'..='\u{65f}' | '\u{670}');
    // Composed again, so that Hangul syllables stay whole.
    text.nfd().filter(|c| !accent(c)).flat_map(fold_letter).nfc().collect()
}

/// Letters, digits, and the signs that belong to letters.
fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() || is_combining_mark(c)
}

/// Letters that people type in another way and that have no decomposition.
fn fold_letter(c: char) -> impl Iterator<Item = char> {
    let (first, second) = match c {
        'ß' => ('s', Some('s')),
        'æ' => ('a', Some('e')),
        'œ' => ('o', Some('e')),
        'ø' => ('o', None),
        'ł' => ('l', None),
        'đ' => ('d', None),
        'ı' => ('i', None),
        other => (other, None),
    };
    [Some(first), second].into_iter().flatten()
}

/// Calls `visit` with every stretch that has a letter or digit. A word that is hyphenated at the end of a line is
/// visited joined, as well as in its two parts.
fn each_word(text: &str, visit: &mut impl FnMut(Word)) {
    let mut carried: Option<String> = None;
    let (mut dates, mut groups) = (Dates::default(), Groups::default());
    for (number, line) in text.lines().enumerate() {
        for (at, raw) in line.split_whitespace().enumerate() {
            let word = normalized(raw);
            if at == 0
                && number > 0
                && let Some(head) = carried.take()
                && word.starts_with(char::is_alphabetic)
            {
                visit_trimmed(&format!("{head}{word}"), visit);
            }
            visit_trimmed(&word, visit);
            let trimmed = word.trim_matches(|c| !is_word_char(c));
            let plain_dates = dates.push(&fold_accents(trimmed));
            let number = groups.push(trimmed, !word.ends_with(trimmed));
            let plain = plain_dates.into_iter().filter(|date| date != trimmed).chain(number);
            plain.for_each(|plain| visit(Word::plain(plain)));
        }
        let last = line.split_whitespace().next_back();
        carried = last.and_then(|last| {
            let head = last.strip_suffix(['-', '\u{ad}', '\u{2}', '\u{2010}'])?;
            head.ends_with(char::is_alphabetic).then(|| normalized(head))
        });
    }
    if let Some(number) = groups.finish() {
        visit(Word::plain(number));
    }
}

fn visit_trimmed(word: &str, visit: &mut impl FnMut(Word)) {
    let trimmed = word.trim_matches(|c| !is_word_char(c));
    if trimmed.is_empty() {
        return;
    }
    // `c++` and `c#` are names; `word#` is not.
    let start = word.find(trimmed).unwrap_or_default();
    let tail = &word[start + trimmed.len()..];
    let short_name = trimmed.chars().count() == 1 && (tail.starts_with("++") || tail.starts_with('#'));
    let suffix = if short_name { tail.trim_end_matches(|c| !matches!(c, '+' | '#')) } else { "" };
    let accented = format!("{trimmed}{suffix}");
    visit(Word { text: fold_accents(&accented), accented, plain: false });
}

/// Calls `visit` with the hash of each term of a word.
fn each_term(word: &Word, stems: &Stems, visit: &mut impl FnMut(u32)) {
    if word.plain {
        return visit(term_hash(&word.text));
    }
    let parts: Vec<&str> = word.parts().collect();
    if parts.len() > 1 {
        visit_identifier(&word.text, visit);
        if number_without_parts(&word.text) {
            return;
        }
    }
    let accented: Vec<&str> = word.accented.split(|c| !is_word_char(c)).filter(|part| !part.is_empty()).collect();
    let short_name = parts.len() == 1 && word.text.ends_with(['+', '#']);
    if short_name {
        visit(term_hash(&word.text));
    }
    for (at, part) in parts.iter().enumerate() {
        // What an apostrophe leaves over (`l'avion`, `it's`) is no word.
        let elided = word.text.contains('\'') && part.chars().count() == 1;
        if elided {
            continue;
        }
        if part.chars().any(is_unspaced) {
            each_bigram(part, visit);
            continue;
        }
        if part.chars().count() <= MAX_TERM_CHARS {
            visit(term_hash(part));
        }
        if part.chars().all(|c| !c.is_numeric()) {
            let letters = if accented.len() == parts.len() { accented[at] } else { part };
            for (language, stemmer) in &stems.0 {
                let stem = fold_accents(&stemmer.stem(letters));
                visit(term_hash(&format!("{language}\u{1f}{stem}")));
            }
        }
    }
}

/// Calls `visit` with the hash of each term of a word that stands on a page: what it is made of, too.
fn each_page_term(word: &Word, stems: &Stems, visit: &mut impl FnMut(u32)) {
    each_term(word, stems, visit);
    if word.plain {
        return;
    }
    for compound in word.parts().filter_map(Compound::of) {
        compound.parts().flatten().for_each(|part| visit(term_hash(part)));
        compound.runs().for_each(|run| visit(term_hash(&run)));
    }
}

/// An identifier as it stands, and without its punctuation where letters and digits mix: `AB-1234.5` is also `AB12345`.
fn visit_identifier(text: &str, visit: &mut impl FnMut(u32)) {
    if text.chars().count() > MAX_TERM_CHARS {
        return;
    }
    if let Some(plain) = numbers::plain(text) {
        visit(term_hash(&plain));
    }
    if text.contains('\'') {
        return;
    }
    if !text.chars().all(|c| is_word_char(c) || JOINERS.contains(&c)) {
        return;
    }
    visit(term_hash(text));
    let compact: String = text.chars().filter(|&c| is_word_char(c)).collect();
    let mixed = compact.chars().any(char::is_numeric) && compact.chars().any(char::is_alphabetic);
    if mixed {
        visit(term_hash(&compact));
    }
}

/// `3.14`, `1.2.3`, `1,234.56`: the digits between the points are nothing by themselves.
fn number_without_parts(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | ','))
}

/// Scripts that set no spaces between words, or glue particles to them.
fn is_unspaced(c: char) -> bool {
    matches!(c,
        '\u{0e00}'..='\u{0eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' // Thai, Lao, Burmese, Khmer
        | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' // kana, Han
        | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3134f}') // Hangul, more Han
}

/// Pairs of neighbouring characters; a lone one by itself.
fn each_bigram(part: &str, visit: &mut impl FnMut(u32)) {
    let chars: Vec<char> = part.chars().collect();
    if chars.len() == 1 {
        visit(term_hash(part));
    }
    for pair in chars.windows(2) {
        visit(term_hash(&pair.iter().collect::<String>()));
    }
}

fn term_hash(term: &str) -> u32 {
    murmur3_32(term.as_bytes(), 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(text: &str, term: &str) -> bool {
        page(&Text::new(text), &TextSettings::default()).indices.contains(&term_hash(term))
    }

    /// Terms of the question that the page has too.
    fn common(text: &str, asked: &str) -> usize {
        let page = page(&Text::new(text), &TextSettings::default());
        QuestionTerms::new(asked).terms.iter().filter(|term| page.indices.contains(term)).count()
    }

    #[test]
    fn identifiers_are_found_however_they_are_typed() {
        let text = "Replace part AB-1234.5 when error E\u{2011}201 (see max_page_pixels) appears.";
        for asked in ["AB-1234.5", "ab-1234.5", "AB12345", "1234", "E-201", "e201", "max_page_pixels", "pixels"] {
            assert!(common(text, asked) > 0, "{asked}");
        }
        assert_eq!(common(text, "AB-1234.6 xyz"), 3, "the parts of another number: ab, its stem, 1234");
    }

    #[test]
    fn numbers_and_dates_are_found_by_their_plain_forms() {
        let text = "A total of 1.234.567 units, 7,654,321 in stock, 9 876 543 sold on 5 March 2024 for 18,6 kEUR; see 03.02.2023.";
        for asked in ["1234567", "7654321", "9876543", "2024-03-05", "18.6", "2023-02-03", "1,234,567", "March 5, 2024"]
        {
            assert!(common(text, asked) > 0, "{asked}");
        }
        assert!(common(text, "2024-03-05") > common(text, "2024-03-06"), "the parts of a date are in other dates too");
    }

    #[test]
    fn accents_case_and_ligatures_do_not_matter() {
        let text = "The e\u{301}valuation of Größe, Œuvre and con\u{fb01}guration";
        for asked in ["évaluation", "GROSSE", "oeuvre", "configuration", "CONFIGURATION"] {
            assert!(common(text, asked) > 0, "{asked}");
        }
    }

    #[test]
    fn inflected_words_meet_in_their_stem() {
        assert!(common("The pumps were configured twice", "configuring a pump") >= 2);
        let german =
            "Die Häuser in der Stadt wurden im letzten Jahr von der Verwaltung sorgfältig geprüft und bewertet.";
        assert!(common(german, "Welche Kosten hatte das Haus, das im letzten Jahr von uns geprüft worden ist?") >= 3);
    }

    #[test]
    fn german_compounds_are_found_by_their_parts() {
        let page = "Der Krankenversicherungsbeitrag beträgt 14,6 %.";
        for asked in
            ["Versicherung", "Beiträge", "Krankenversicherung", "Versicherungsbeitrag", "KRANKENVERSICHERUNGSBEITRÄGE"]
        {
            assert!(common(page, asked) > 0, "{asked}");
        }
        assert!(common("Die Beiträge zur Krankenversicherung steigen.", "Krankenversicherungsbeitrag") > 0);
        assert!(common("Nummer der Rechnung: 47", "Rechnungsnummer") >= 2);
        assert!(common("Rechnungs-\nnummer: 47", "Nummer") > 0, "joined at the line's end");
        assert_eq!(common("The scratch stays in the notebook", "note"), 0);
    }

    /// A compound in a question counts as much as a few words, however many parts it has.
    #[test]
    fn parts_of_a_compound_share_its_weight() {
        let weight = |asked: &str| QuestionTerms::new(asked).vector().values.iter().sum::<f32>();
        assert!(weight("Donaudampfschifffahrt") < 4.0 * weight("Donau"));
        assert_eq!(weight("English questions are never read as if they were German, are they?").fract(), 0.0);
    }

    #[test]
    fn words_hyphenated_at_a_line_end_are_joined() {
        for text in ["the config-\nuration file", "the config\u{2}\nuration file", "the config\u{ad}\nuration file"] {
            assert!(has(text, "configuration"), "{text:?}");
        }
        assert!(has("state-of-the-\nart", "art"));
    }

    #[test]
    fn numbers_dates_and_elisions() {
        assert!(has("a total of 1,234,567.50 EUR", "1234567.50"));
        assert!(has("a total of 1,234 EUR", "1234"));
        assert!(!has("a total of 3.14 EUR", "14"));
        assert!(has("on 2024-05-01", "2024"));
        assert!(has("l'avion de l’école", "avion") && has("l'avion de l’école", "ecole"));
        assert!(!has("l'avion", "l"));
        assert!(has("written in C++.", "c++") && has("or C#,", "c#"));
    }

    #[test]
    fn scripts_without_spaces_are_found_by_pairs() {
        assert!(common("東京都の人口は多い", "人口") > 0);
        assert!(common("서울특별시의 인구", "인구는") > 0);
    }

    #[test]
    fn repetition_saturates_and_length_holds_back() {
        let settings = TextSettings::default();
        let weight = |text: &str| {
            let page = page(&Text::new(text), &settings);
            let at = page.indices.iter().position(|&term| term == term_hash("pump")).unwrap();
            page.values[at]
        };
        assert!(weight("pump pump") > weight("pump"));
        assert!(weight("pump pump") < 2.0 * weight("pump"));
        assert!(weight(&format!("pump {}", "word ".repeat(600))) < weight("pump"));
        let page = page(&Text::new("to be or not to be"), &settings);
        assert!(page.indices.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn no_words_no_terms() {
        assert!(page(&Text::new(" \n -- ... ** \u{2}"), &TextSettings::default()).is_empty());
        assert!(QuestionTerms::new("?!").vector().is_empty());
    }

    #[test]
    fn language_is_told_only_if_it_is_clear() {
        let text = "Le chat est assis sur la chaise et regarde les oiseaux qui chantent dans le jardin de la voisine.";
        assert_eq!(Text::new(text).language(), Some("fra"));
        assert_eq!(Text::new("ok").language(), None);
    }
}
