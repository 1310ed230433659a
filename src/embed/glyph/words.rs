//! How a question becomes words and a word n-gram ids: the same as the training code's `words.py`, for every string.

use std::collections::HashSet;

use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};

use super::manifest::{NgramsSpec, QuestionSpec};

/// The rules of one model.
#[derive(Debug, Clone)]
pub(in crate::embed) struct WordRules {
    spec: QuestionSpec,
    stop_words: HashSet<String>,
}

impl WordRules {
    /// `stop_words`: one a line.
    pub fn new(spec: QuestionSpec, stop_words: &str) -> Self {
        let stop_words = stop_words.lines().map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect();
        Self { spec, stop_words }
    }

    /// Words that a question is scored by: each once, without stop words and single letters, unless nothing else is
    /// left.
    pub fn question_words(&self, text: &str) -> Vec<String> {
        let mut seen = HashSet::new();
        let mut words = self.words(text);
        words.retain(|word| seen.insert(word.clone()));
        let counts = |word: &String| {
            let mut chars = word.chars();
            let single = chars.next().filter(|_| chars.next().is_none());
            !self.stop_words.contains(word) && single.is_none_or(is_decimal)
        };
        let kept: Vec<String> = words.iter().filter(|word| counts(word)).cloned().collect();
        if kept.is_empty() { words } else { kept }
    }

    /// Folded words, `,` inside a number written as `.`, cut to the model's length.
    fn words(&self, text: &str) -> Vec<String> {
        let folded: Vec<char> = self.fold(text).chars().collect();
        let mut words = Vec::new();
        let mut at = 0;
        while at < folded.len() {
            let end = word_end(&folded, at);
            if end == at {
                at += 1;
                continue;
            }
            let written = folded[at..end].iter().map(|&c| if c == ',' { '.' } else { c });
            words.push(written.take(self.spec.words.max_chars).collect());
            at = end;
        }
        words
    }

    /// NFKD, lower case, non-spacing marks dropped, letters without a decomposition replaced.
    fn fold(&self, text: &str) -> String {
        let mut folded = String::with_capacity(text.len());
        for c in text.nfkd().flat_map(char::to_lowercase) {
            match self.spec.fold.replace.get(&c) {
                _ if c.general_category() == GeneralCategory::NonspacingMark => {}
                Some(replacement) => folded.push_str(replacement),
                None => folded.push(c),
            }
        }
        folded
    }

    /// Rows of the n-gram table that a word stands for, in the order of the training code.
    pub fn ids(&self, word: &str) -> Vec<u32> {
        let mask = self.spec.ngrams.buckets - 1;
        ngrams(word, &self.spec.ngrams).iter().map(|gram| fnv1a(gram.as_bytes()) & mask).collect()
    }
}

/// End of the word that begins at `start`, or `start` if none does: letters and numbers, and one `.` or `,` between
/// digits.
fn word_end(text: &[char], start: usize) -> usize {
    let mut end = start;
    while end < text.len() {
        let joins = matches!(text[end], '.' | ',')
            && end > start
            && is_decimal(text[end - 1])
            && text.get(end + 1).copied().is_some_and(is_decimal);
        match () {
            () if is_word_char(text[end]) => end += 1,
            () if joins => end += 2,
            () => break,
        }
    }
    end
}

fn is_word_char(c: char) -> bool {
    matches!(c.general_category_group(), GeneralCategoryGroup::Letter | GeneralCategoryGroup::Number)
}

fn is_decimal(c: char) -> bool {
    c.general_category() == GeneralCategory::DecimalNumber
}

/// The strings whose hashes stand for a word.
fn ngrams(word: &str, spec: &NgramsSpec) -> Vec<String> {
    let plain: Vec<char> = word.chars().collect();
    let framed: Vec<char> = format!("{}{word}{}", spec.frame[0], spec.frame[1]).chars().collect();
    let mut grams = Vec::new();
    for &size in &spec.bag_sizes {
        let text = if size < spec.framed_from_size { &plain } else { &framed };
        grams.extend(text.windows(size).map(|gram| format!("{}{}", spec.bag_prefix, gram.iter().collect::<String>())));
    }
    for &size in &spec.place_sizes {
        for (at, gram) in plain.windows(size).enumerate() {
            let gram: String = gram.iter().collect();
            grams.push(format!("{}{at}:{gram}", spec.start_prefix));
            grams.push(format!("{}{}:{gram}", spec.end_prefix, plain.len() - size - at));
        }
    }
    grams.push(format!("{}{word}", spec.word_prefix));
    grams
}

/// FNV-1a, 32 bits.
fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::glyph::manifest::test_manifest;

    fn rules() -> WordRules {
        WordRules::new(test_manifest().question, "the\nof\na\n")
    }

    #[test]
    fn words_of_a_question() {
        let asked = |text: &str| rules().question_words(text);
        assert_eq!(asked("The Größe of THE Œuvre, x y 7?"), ["grosse", "oeuvre", "7"]);
        assert_eq!(
            asked("1,234.56 3.14. foo_bar AB-1234 l'homme .5 v2.x"),
            ["1.234.56", "3.14", "foo", "bar", "ab", "1234", "homme", "5", "v2"]
        );
        assert_eq!(asked("of the"), ["of", "the"], "stop words count if nothing else is left");
        assert_eq!(asked("ﬁle ｆｕｌｌ İstanbul ΣΊΣΥΦΟΣ"), ["file", "full", "istanbul", "σισυφοσ"]);
        assert_eq!(asked(&"x".repeat(40)), ["x".repeat(24)]);
        assert!(asked(" ?! -- ").is_empty());
    }

    #[test]
    fn ngrams_in_the_order_of_the_training_code() {
        let spec = test_manifest().question.ngrams;
        assert_eq!(
            ngrams("ab", &spec),
            [
                "g:a", "g:b", "g:^a", "g:ab", "g:b$", "g:^ab", "g:ab$", "g:^ab$", "s0:a", "e1:a", "s1:b", "e0:b",
                "s0:ab", "e0:ab", "w:ab"
            ]
        );
        assert_eq!(ngrams("7", &spec), ["g:7", "g:^7", "g:7$", "g:^7$", "s0:7", "e0:7", "w:7"]);
    }

    #[test]
    fn published_hashes() {
        assert_eq!(fnv1a(b""), 0x811c_9dc5);
        assert_eq!(fnv1a(b"a"), 0xe40c_292c);
        assert_eq!(fnv1a(b"foobar"), 0xbf9c_f968);
    }
}
