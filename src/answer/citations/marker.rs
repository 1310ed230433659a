//! What a marker is: the forms in which models write `[9]`, and the pages that each names.
//!
//! `[9]`, `[1, 2]`, `[1 and 2]`, a range `[1-9]`, a footnote `[^9]`, `【9†source】`, `[Page 9]`, in whatever brackets and digits
//! look like these, with white space, invisible characters and emphasis anywhere between. `[p. 3]` is none: so people write
//! of the page that is printed in a document.

use crate::answer::characters::{as_digit, closes, is_dash, is_invisible, opens, separates};

/// A bracket that can't be told after this many bytes was made to get through; no marker is as long.
const MAX_BYTES: usize = 1_000;

/// What may stand before a number, in the languages in which models were seen to write it.
const WORDS: [&str; 26] = [
    "page",
    "pages",
    "source",
    "sources",
    "citation",
    "citations",
    "cite",
    "ref",
    "refs",
    "reference",
    "references",
    "doc",
    "docs",
    "document",
    "documents",
    "image",
    "images",
    "seite",
    "seiten",
    "quelle",
    "quellen",
    "página",
    "páginas",
    "pagina",
    "fuente",
    "fonte",
];
/// Between two numbers.
const AND: [&str; 2] = ["and", "und"];

/// What a text is that begins with an opening bracket.
#[derive(Debug, PartialEq)]
pub enum Bracket {
    /// A marker.
    Marker {
        /// Bytes, both brackets included.
        bytes: usize,
        /// What stands in it, in order.
        named: Vec<Named>,
    },
    /// Anything else.
    Text,
    /// The text ends before it can be told.
    Open,
    /// It could still be one, but is longer than any.
    Endless,
}

/// Pages that a marker names: one, or a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    first: Number,
    last: Number,
}

/// A number as it was written, in ASCII digits.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Number {
    digits: String,
    /// The largest there is, where it is larger.
    value: usize,
}

/// Reads the bracket that `text` begins with.
pub fn bracket(text: &str) -> Bracket {
    let mut inner = Inner::default();
    for (at, char) in text.char_indices().skip(1) {
        if closes(char) {
            return match inner.named() {
                Some(named) => Bracket::Marker { bytes: at + char.len_utf8(), named },
                None => Bracket::Text,
            };
        }
        if opens(char) || !inner.take(char) {
            return Bracket::Text;
        }
        if at >= MAX_BYTES {
            return Bracket::Endless;
        }
    }
    Bracket::Open
}

/// What stands between the brackets, as plain as it can be written.
#[derive(Debug, Default)]
struct Inner {
    /// Small letters, ASCII digits, single spaces, `,` between numbers, `-` for any dash.
    plain: String,
    /// Behind `†` anything may follow; what it says is nobody's business.
    dagger: bool,
}

impl Inner {
    /// Takes a character. False where no marker goes on like this.
    fn take(&mut self, char: char) -> bool {
        // emphasis and code marks are not seen once the text is set
        if is_invisible(char) || matches!(char, '*' | '_' | '`') {
            return true;
        }
        if self.dagger {
            return char != '\n';
        }
        match char {
            '†' => self.dagger = true,
            '^' | '#' | '.' | ':' => self.plain.push(char),
            _ if char.is_whitespace() => {
                if !self.plain.ends_with(' ') {
                    self.plain.push(' ');
                }
            }
            _ if separates(char) => self.plain.push(','),
            _ if is_dash(char) => self.plain.push('-'),
            _ => match as_digit(char) {
                Some(digit) => self.plain.push(digit),
                None => {
                    self.plain.extend(char.to_lowercase());
                    return self.ends_in_the_beginning_of_a_word();
                }
            },
        }
        true
    }

    fn ends_in_the_beginning_of_a_word(&self) -> bool {
        let letters = self.plain.trim_end_matches(char::is_alphabetic).len();
        let begun = &self.plain[letters..];
        !begun.is_empty() && WORDS.iter().chain(&AND).any(|word| word.starts_with(begun))
    }

    /// The pages that are named; None where the brackets hold something else.
    fn named(&self) -> Option<Vec<Named>> {
        let mut plain = self.plain.clone();
        for and in AND {
            plain = plain.replace(&format!(", {and} "), ",").replace(&format!(" {and} "), ",");
        }
        plain.split(',').map(|part| self.part(part)).collect()
    }

    fn part(&self, part: &str) -> Option<Named> {
        let part = part.trim_matches(' ');
        let numbers = part.trim_start_matches(char::is_alphabetic);
        let word = &part[..part.len() - numbers.len()];
        let numbers = match word {
            "" => numbers.trim_matches([' ', '^', '#']),
            word if WORDS.contains(&word) => numbers.trim_matches([' ', '^', '#', '.', ':']),
            _ => return None,
        };
        // `【4:0†source】`: behind the colon stands a place within the source
        let numbers = if self.dagger { numbers.split(':').next().unwrap_or_default() } else { numbers };
        let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
        let (first, last) = (Number::read(first)?, Number::read(last)?);
        Some(if first.value <= last.value { Named { first, last } } else { Named { first: last, last: first } })
    }
}

impl Number {
    fn read(text: &str) -> Option<Self> {
        let digits = text.trim_matches(' ');
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| Self { digits: digits.to_owned(), value: digits.parse().unwrap_or(usize::MAX) })
    }
}

impl Named {
    /// Those of the pages 1 to `sent` that are named.
    pub fn sent(&self, sent: usize) -> std::ops::RangeInclusive<usize> {
        self.first.value.max(1)..=self.last.value.min(sent)
    }

    /// What is named beside the pages 1 to `sent`, as `7` or `4-9`.
    pub fn invented(&self, sent: usize) -> Vec<String> {
        let mut invented = Vec::new();
        if self.first.value == 0 {
            invented.push("0".to_owned());
        }
        if self.last.value > sent && self.last.value > 0 {
            let from = if self.first.value > sent { self.first.digits.clone() } else { (sent + 1).to_string() };
            let to = &self.last.digits;
            invented.push(if self.first.value == self.last.value || from == *to {
                to.clone()
            } else {
                format!("{from}-{to}")
            });
        }
        invented
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pages of 1 to 3 that a whole marker names, and what it names beside them; None where it is no marker.
    fn read(text: &str) -> Option<(Vec<usize>, Vec<String>)> {
        match bracket(text) {
            Bracket::Marker { bytes, named } => {
                assert_eq!(bytes, text.len(), "{text}");
                let sent = named.iter().flat_map(|named| named.sent(3)).collect();
                Some((sent, named.iter().flat_map(|named| named.invented(3)).collect()))
            }
            _ => None,
        }
    }

    #[test]
    fn the_forms_in_which_models_cite() {
        let cases: [(&str, &[usize], &[&str]); 34] = [
            ("[2]", &[2], &[]),
            ("[9]", &[], &["9"]),
            ("[ 1 , 9 ]", &[1], &["9"]),
            ("[1; 2]", &[1, 2], &[]),
            ("[1 and 9]", &[1], &["9"]),
            ("[1, 2, and 3]", &[1, 2, 3], &[]),
            ("[1-9]", &[1, 2, 3], &["4-9"]),
            ("[3–1]", &[1, 2, 3], &[]),
            ("[0-4]", &[1, 2, 3], &["0", "4"]),
            ("[7-9]", &[], &["7-9"]),
            ("[1-99999999999999999999999999]", &[1, 2, 3], &["4-99999999999999999999999999"]),
            ("[^9]", &[], &["9"]),
            ("[^2^]", &[2], &[]),
            ("【9】", &[], &["9"]),
            ("［９］", &[], &["9"]),
            ("[９]", &[], &["9"]),
            ("[²]", &[2], &[]),
            ("[٩]", &[], &["9"]),
            ("【9†source】", &[], &["9"]),
            ("[9†source]", &[], &["9"]),
            ("【2:0†manual.pdf】", &[2], &[]),
            ("[9†L1-L3]", &[], &["9"]),
            ("[Page 9]", &[], &["9"]),
            ("[page\u{a0}2]", &[2], &[]),
            ("[PAGES 1–2]", &[1, 2], &[]),
            ("[Page 1, Page 9]", &[1], &["9"]),
            ("[Source: 9]", &[], &["9"]),
            ("[citation:1]", &[1], &[]),
            ("[Ref. #9]", &[], &["9"]),
            ("[Quelle 9]", &[], &["9"]),
            ("[**9**]", &[], &["9"]),
            ("[`9`]", &[], &["9"]),
            ("[9】", &[], &["9"]),
            ("[\n9\t]", &[], &["9"]),
        ];
        for (text, sent, invented) in cases {
            let invented: Vec<String> = invented.iter().map(|text| (*text).to_owned()).collect();
            assert_eq!(read(text), Some((sent.to_vec(), invented)), "{text}");
        }
    }

    #[test]
    fn nothing_invisible_hides_a_marker() {
        for hidden in [
            '\u{200b}',
            '\u{200c}',
            '\u{200d}',
            '\u{2060}',
            '\u{ad}',
            '\u{fe0f}',
            '\u{e0100}',
            '\u{feff}',
            '\u{34f}',
            '\u{180e}',
            '\u{200e}',
            '\u{61c}',
            '\u{3164}',
            '\u{e0041}',
        ] {
            let text = format!("[{hidden}9{hidden}{hidden}]");
            assert_eq!(read(&text), Some((vec![], vec!["9".to_owned()])), "{hidden:?}");
            assert_eq!(read(&format!("[{hidden}P{hidden}age 9]")), Some((vec![], vec!["9".to_owned()])), "{hidden:?}");
        }
    }

    #[test]
    fn other_things_in_brackets_are_text() {
        for text in [
            "[]",
            "[x]",
            "[p. 3]",
            "[1,]",
            "[,]",
            "[1 2]",
            "[i]",
            "[-1]",
            "[1-]",
            "[.5]",
            "[1.5]",
            "[10:30]",
            "[page]",
            "[and]",
            "[1 and]",
            "[page of 3]",
            "[†]",
            "[9a]",
            "[a9]",
            "[1/2]",
            "[[9]",
            "[9\u{301}]",
        ] {
            assert_eq!(read(text), None, "{text}");
            assert_eq!(bracket(text), Bracket::Text, "{text}");
        }
    }

    #[test]
    fn what_goes_on_is_told_from_what_never_ends() {
        for open in ["[", "[1", "[pag", "[1 an", "[1†anything", "【９"] {
            assert_eq!(bracket(open), Bracket::Open, "{open}");
        }
        assert_eq!(bracket(&format!("[{}9]", "\u{200b}".repeat(2_000))), Bracket::Endless);
        assert_eq!(bracket(&format!("[{}", " ".repeat(2_000))), Bracket::Endless);
    }
}
