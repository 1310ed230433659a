//! Citations are markers, `[1]`, and a marker counts only if its page was sent to the model. This is the filter between the
//! model and the reader: it takes the answer in whatever pieces it comes, and lets no marker through whose page the model
//! never saw. The pieces may be cut anywhere: the outcome is the same.
//!
//! What a marker is says [`marker`]; each is shown as `[1]`, whatever form it had. Anything else in brackets (`[x]`, `[]`) is
//! text, and so is what stands in [`code`] or in the words of a page that the answer [`quotes`]. An invented marker goes, with
//! the spaces before it. Control characters go too: what a model writes may end up on a terminal.

mod code;
mod marker;
mod quotes;
mod split;

use std::collections::BTreeSet;

pub use split::{MarkerSplit, Part};

use super::characters::{is_hostile, opens};
use code::{Backticks, Beginning, Fence};
use marker::{Bracket, Named, bracket};
use quotes::Quotes;

/// How many different invented markers are remembered; a report of more says nothing more.
const MAX_INVENTED: usize = 20;
/// Bytes of the spaces that go with an invented marker.
const MAX_GAP_BYTES: usize = 64;

/// Checks the markers of one answer.
#[derive(Debug)]
pub struct CitationFilter {
    /// Pages that were sent: markers 1 to `sent` are valid.
    sent: usize,
    /// What the next characters decide about.
    pending: String,
    line: Line,
    /// The block of code that is open.
    fence: Option<Fence>,
    quotes: Quotes,
    /// What was shown since a bracket that could still become a marker, the bracket first.
    open: Option<String>,
    shown: String,
    report: CitationReport,
}

/// Which pages an answer cites, and which it made up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CitationReport {
    /// Numbers of cited pages, 1-based, each in `1..=sent`.
    pub cited: BTreeSet<usize>,
    /// Markers that were removed, as the model wrote their numbers, in order, each once.
    pub invented: Vec<String>,
}

/// Where in its line the answer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Start,
    /// Behind blanks alone.
    Blank,
    Inside,
}

impl CitationFilter {
    /// `pages`: the text layers of the pages that went to the model, numbered from 1.
    pub fn new(pages: &[&str]) -> Self {
        Self {
            sent: pages.len(),
            pending: String::new(),
            line: Line::Start,
            fence: None,
            quotes: Quotes::new(pages),
            open: None,
            shown: String::new(),
            report: CitationReport::default(),
        }
    }

    /// Takes the next piece of the answer, gives what may be shown by now.
    pub fn push(&mut self, piece: &str) -> String {
        self.pending.extend(piece.chars().filter(|char| !is_hostile(*char)));
        self.advance(false)
    }

    /// The rest, once the answer is over.
    pub fn finish(mut self) -> (String, CitationReport) {
        let rest = self.advance(true);
        (rest, self.report)
    }

    /// Decides as much as can be decided. `whole`: nothing follows.
    fn advance(&mut self, whole: bool) -> String {
        let pending = std::mem::take(&mut self.pending);
        let mut rest = pending.as_str();
        while let Some(first) = rest.chars().next() {
            let Some(taken) = self.step(first, rest, whole) else { break };
            rest = &rest[taken..];
        }
        self.pending.push_str(rest);
        std::mem::take(&mut self.shown)
    }

    /// Takes what `rest` begins with; `first` is its first character. Gives the bytes taken, or None where the next
    /// characters decide.
    fn step(&mut self, first: char, rest: &str, whole: bool) -> Option<usize> {
        if let Some(fence) = self.fence {
            return self.code_line(fence, rest, whole);
        }
        if self.line == Line::Start {
            match code::opening(rest, whole) {
                Beginning::Is((fence, bytes)) => {
                    self.fence = Some(fence);
                    return Some(self.show(&rest[..bytes]));
                }
                Beginning::Undecided => return None,
                Beginning::IsNot => {}
            }
        }
        match first {
            '`' => match code::backticks(rest, whole) {
                Backticks::Span(bytes) => Some(self.show(&rest[..bytes])),
                Backticks::Text(bytes) => Some(self.prose(&rest[..bytes])),
                Backticks::Undecided => None,
            },
            _ if opens(first) || is_gap(first) => self.bracket(first, rest, whole),
            _ => Some(self.prose(&rest[..first.len_utf8()])),
        }
    }

    /// What stands in a block of code, line by line.
    fn code_line(&mut self, fence: Fence, rest: &str, whole: bool) -> Option<usize> {
        if self.line == Line::Start {
            match fence.closing(rest, whole) {
                Beginning::Is(bytes) => {
                    self.fence = None;
                    return Some(self.show(&rest[..bytes]));
                }
                Beginning::Undecided => return None,
                Beginning::IsNot => {}
            }
        }
        let line_end = rest.find('\n').map_or(rest.len(), |end| end + 1);
        Some(self.show(&rest[..line_end]))
    }

    /// A bracket, or spaces that may stand before one.
    fn bracket(&mut self, first: char, rest: &str, whole: bool) -> Option<usize> {
        let one = &rest[..first.len_utf8()];
        let gap = rest.len() - rest.trim_start_matches(is_gap).len();
        let behind = &rest[gap..];
        if gap > MAX_GAP_BYTES || behind.chars().next().is_some_and(|next| !opens(next)) {
            return Some(self.prose(one));
        }
        match bracket(behind) {
            Bracket::Marker { bytes, named } => {
                self.marker(&rest[..gap], &rest[gap..gap + bytes], &named);
                Some(gap + bytes)
            }
            Bracket::Open if !whole => None,
            Bracket::Endless if gap == 0 => {
                self.show("?");
                Some(one.len())
            }
            _ => Some(self.prose(one)),
        }
    }

    /// A marker, with the spaces before it.
    fn marker(&mut self, gap: &str, marker: &str, named: &[Named]) {
        if self.quotes.quote(marker) {
            self.prose(gap);
            self.prose(marker);
            return;
        }
        for number in named.iter().flat_map(|named| named.invented(self.sent)) {
            if self.report.invented.len() < MAX_INVENTED && !self.report.invented.contains(&number) {
                self.report.invented.push(number);
            }
        }
        let valid: Vec<usize> = named.iter().flat_map(|named| named.sent(self.sent)).collect();
        if valid.is_empty() && self.open.is_none() {
            return;
        }
        self.show(gap);
        if valid.is_empty() {
            // without anything in its place, what stands around the marker could close up to another one
            self.show("?");
        }
        for page in valid {
            self.show(&format!("[{page}]"));
            self.report.cited.insert(page);
        }
    }

    /// Shows text that is neither code nor a marker.
    fn prose(&mut self, text: &str) -> usize {
        for char in text.chars() {
            self.quotes.take(char, self.line != Line::Inside);
            self.show_char(char);
        }
        text.len()
    }

    fn show(&mut self, text: &str) -> usize {
        text.chars().for_each(|char| self.show_char(char));
        text.len()
    }

    fn show_char(&mut self, char: char) {
        self.line = match char {
            '\n' => Line::Start,
            ' ' | '\t' if self.line != Line::Inside => Line::Blank,
            _ => Line::Inside,
        };
        if opens(char) {
            self.open = Some(char.to_string());
        } else if let Some(open) = &mut self.open {
            open.push(char);
            if bracket(open) != Bracket::Open {
                self.open = None;
            }
        }
        self.shown.push(char);
    }
}

/// Spaces that go with the invented marker behind them.
fn is_gap(char: char) -> bool {
    matches!(char, ' ' | '\u{a0}' | '\u{202f}' | '\u{3000}')
}

#[cfg(test)]
mod tests;
