//! Takes a checked answer apart: text, and the markers in it. For whoever shows a marker as something else, such as a link. It
//! decides nothing about what is cited; that was done before ([`super::CitationFilter`]).
//!
//! The pieces of the answer may be cut anywhere: the outcome is the same. Nothing in code is a marker.

use super::code::{self, Backticks, Beginning, Fence};

/// Digits of a number that can be a marker's: no answer is made from a thousand pages.
const MAX_DIGITS: usize = 3;

/// A part of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    Text(String),
    /// `[1]`, by its number.
    Marker(usize),
}

/// Splits one answer.
#[derive(Debug)]
pub struct MarkerSplit {
    /// What the next characters decide about.
    pending: String,
    line_start: bool,
    /// The block of code that is open.
    fence: Option<Fence>,
    parts: Vec<Part>,
}

impl Default for MarkerSplit {
    fn default() -> Self {
        Self { pending: String::new(), line_start: true, fence: None, parts: Vec::new() }
    }
}

impl MarkerSplit {
    /// Takes the next piece of the answer, gives what can be told by now. No two texts come behind each other.
    pub fn push(&mut self, piece: &str) -> Vec<Part> {
        self.pending.push_str(piece);
        self.advance(false)
    }

    /// The rest, once the answer is over.
    pub fn finish(mut self) -> Vec<Part> {
        self.advance(true)
    }

    fn advance(&mut self, whole: bool) -> Vec<Part> {
        let pending = std::mem::take(&mut self.pending);
        let mut rest = pending.as_str();
        while !rest.is_empty() {
            let Some(taken) = self.step(rest, whole) else { break };
            rest = &rest[taken..];
        }
        self.pending.push_str(rest);
        std::mem::take(&mut self.parts)
    }

    /// Takes what `rest` begins with. Gives the bytes taken, or None where the next characters decide.
    fn step(&mut self, rest: &str, whole: bool) -> Option<usize> {
        if self.line_start {
            let line = match self.fence {
                Some(fence) => fence.closing(rest, whole).map(|bytes| (None, bytes)),
                None => code::opening(rest, whole).map(|(fence, bytes)| (Some(fence), bytes)),
            };
            match line {
                Beginning::Is((fence, bytes)) => {
                    self.fence = fence;
                    return Some(self.text(&rest[..bytes]));
                }
                Beginning::Undecided => return None,
                Beginning::IsNot => {}
            }
        }
        if self.fence.is_some() {
            let line_end = rest.find('\n').map_or(rest.len(), |end| end + 1);
            return Some(self.text(&rest[..line_end]));
        }
        match rest.as_bytes()[0] {
            b'`' => match code::backticks(rest, whole) {
                Backticks::Span(bytes) | Backticks::Text(bytes) => Some(self.text(&rest[..bytes])),
                Backticks::Undecided => None,
            },
            b'[' => self.bracket(rest, whole),
            _ => {
                let line_end = rest.find('\n').map_or(rest.len(), |end| end + 1);
                let plain = rest[..line_end].find(['[', '`']).unwrap_or(line_end);
                Some(self.text(&rest[..plain]))
            }
        }
    }

    fn bracket(&mut self, rest: &str, whole: bool) -> Option<usize> {
        let digits = rest[1..].bytes().take_while(u8::is_ascii_digit).take(MAX_DIGITS + 1).count();
        let behind = rest.as_bytes().get(1 + digits);
        match (behind, rest[1..1 + digits].parse()) {
            (None, _) if !whole => None,
            (Some(b']'), Ok(number)) if digits <= MAX_DIGITS => {
                self.parts.push(Part::Marker(number));
                self.line_start = false;
                Some(digits + 2)
            }
            _ => Some(self.text(&rest[..1])),
        }
    }

    fn text(&mut self, text: &str) -> usize {
        self.line_start = text.ends_with('\n');
        match self.parts.last_mut() {
            Some(Part::Text(last)) => last.push_str(text),
            _ => self.parts.push(Part::Text(text.to_owned())),
        }
        text.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Parts of an answer that comes in these pieces, texts put together, markers as `<1>`.
    fn split(pieces: &[&str]) -> String {
        let mut split = MarkerSplit::default();
        let mut parts: Vec<Part> = pieces.iter().flat_map(|piece| split.push(piece)).collect();
        parts.extend(split.finish());
        let shown = parts.into_iter().map(|part| match part {
            Part::Text(text) => text,
            Part::Marker(number) => format!("<{number}>"),
        });
        shown.collect()
    }

    #[test]
    fn markers_are_told_from_text_and_code() {
        for (answer, expected) in [
            ("Red [1], blue [2][12].", "Red <1>, blue <2><12>."),
            ("[1", "[1"),
            ("[x] [] [1a] [[1]]", "[x] [] [1a] [<1>]"),
            ("`a[1]` and [1]", "`a[1]` and <1>"),
            ("```\nb[2]\n```\n[2]", "```\nb[2]\n```\n<2>"),
            ("an open ` [1]", "an open ` <1>"),
            ("[1234]", "[1234]"),
        ] {
            assert_eq!(split(&[answer]), expected, "{answer}");
        }
    }

    proptest! {
        #[test]
        fn it_does_not_matter_where_the_answer_is_cut(answer in "[\\[\\]`~0-9a\n é]{0,60}", cuts in prop::collection::vec(0usize..60, 0..6)) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| answer.floor_char_boundary(cut)).collect();
            cuts.extend([0, answer.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&str> = cuts.windows(2).map(|ends| &answer[ends[0]..ends[1]]).collect();
            prop_assert_eq!(split(&pieces), split(&[&answer]));
        }

        #[test]
        fn nothing_of_the_answer_is_lost(answer in "[\\[\\]`~0-9a\n é]{0,60}") {
            let mut split = MarkerSplit::default();
            let mut parts = split.push(&answer);
            parts.extend(split.finish());
            let again: String = parts.into_iter().map(|part| match part {
                Part::Text(text) => text,
                Part::Marker(number) => format!("[{number}]"),
            }).collect();
            // leading zeros are no part of a number
            prop_assert_eq!(again.replace('0', ""), answer.replace('0', ""));
        }
    }
}
