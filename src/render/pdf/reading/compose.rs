//! Pieces in reading order become one text, with the place of every word in it.

use std::collections::HashSet;

use super::hyphens::{Joint, joint};
use super::order::pieces;
use super::piece::Piece;
use super::{Gap, Part, on_one_line};
use crate::types::{TextLayer, Word};

/// The text of a page, from its parts in the order of the file.
pub(in crate::render::pdf) fn compose(parts: Vec<Part>) -> TextLayer {
    let whole = parts.iter().filter(|part| !part.hyphen).map(|part| bare(&part.text)).collect();
    let mut composed = Composed { whole, ..Composed::default() };
    for piece in pieces(parts) {
        composed.piece(piece);
    }
    composed.finish()
}

/// A word as others would write it: small, without punctuation around it.
fn bare(word: &str) -> String {
    word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase()
}

#[derive(Default)]
struct Composed {
    /// Words that the page has unbroken.
    whole: HashSet<String>,
    text: String,
    words: Vec<Word>,
    last: Option<Part>,
}

impl Composed {
    fn piece(&mut self, piece: Piece) {
        for (number, part) in piece.parts.into_iter().enumerate() {
            let gap = match (&self.last, number) {
                (None, _) => Gap::None,
                (Some(last), 0) if on_one_line(last.rect, part.rect) && !last.turned => Gap::Space,
                (Some(_), 0) => Gap::Line,
                // inside a piece there are no ends of lines
                (Some(_), _) if part.gap == Gap::None => Gap::None,
                (Some(_), _) => Gap::Space,
            };
            self.part(part, gap);
        }
    }

    fn part(&mut self, part: Part, gap: Gap) {
        if let Some(head) = self.last.take_if(|last| last.hyphen) {
            let joint = match gap {
                Gap::Line => joint(self.last_word(&head.text), &part.text, &self.whole),
                Gap::Space | Gap::None => Joint::End,
            };
            if joint != Joint::Plain {
                self.text.push('-');
            }
            if joint != Joint::End
                && let Some(word) = self.words.last_mut()
            {
                self.text.push_str(&part.text);
                word.end = self.text.len() as u32;
                self.last = Some(part);
                return;
            }
            if let Some(word) = self.words.last_mut() {
                word.end = self.text.len() as u32;
            }
        }
        match gap {
            Gap::None => {}
            Gap::Space => self.text.push(' '),
            Gap::Line => self.text.push('\n'),
        }
        let start = self.text.len() as u32;
        self.text.push_str(&part.text);
        self.words.push(Word { start, end: self.text.len() as u32, rect: part.rect });
        self.last = Some(part);
    }

    /// The word at hand, with what was joined to it.
    fn last_word<'a>(&'a self, part: &'a str) -> &'a str {
        let word = self.words.last().and_then(|word| self.text.get(word.start as usize..word.end as usize));
        word.unwrap_or(part)
    }

    fn finish(mut self) -> TextLayer {
        if self.last.is_some_and(|last| last.hyphen) {
            self.text.push('-');
            if let Some(word) = self.words.last_mut() {
                word.end = self.text.len() as u32;
            }
        }
        TextLayer { text: self.text, words: self.words, unreadable: false }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::line;
    use super::*;

    #[test]
    fn lines_words_and_what_a_hyphen_joins() {
        let parts = [
            line("Quotations of the self-", 0.1, 0.1),
            line("employed are con-", 0.1, 0.12),
            line("figured pre-", 0.1, 0.14),
            line("and post-war in state-of-the-", 0.1, 0.16),
            line("art", 0.1, 0.18),
        ];
        let layer = compose(parts.concat());
        assert_eq!(layer.text, "Quotations of the self-employed are configured pre-\nand post-war in state-of-the-art");
        let words: Vec<&str> =
            layer.words.iter().map(|word| &layer.text[word.start as usize..word.end as usize]).collect();
        assert_eq!(words[3..7], ["self-employed", "are", "configured", "pre-"]);
        assert!((layer.words[3].rect.top - 0.1).abs() < 1e-6, "a word lies where it begins");
    }

    #[test]
    fn a_page_may_end_in_a_hyphen() {
        assert_eq!(compose(line("to be contin-", 0.1, 0.1)).text, "to be contin-");
        assert_eq!(compose(Vec::new()).text, "");
    }
}
