//! Citations are markers, `[1]`, and a marker counts only where its page was sent to the model. This is the filter
//! between the model and the reader: it takes the answer in whatever pieces it comes, and lets no marker through whose
//! page the model never saw. The pieces may be cut anywhere: the outcome is the same.
//!
//! A marker is `[`, numbers with commas between them, `]`; white space may stand around the numbers. Anything else in brackets
//! (`[p. 3]`, `[x]`, `[]`) is text. An invented marker goes, with the spaces before it. Control characters go too: what a
//! model writes may end up on a terminal.

use std::collections::BTreeSet;

/// How many different invented markers are remembered; a report of more says nothing more.
const MAX_INVENTED: usize = 20;

/// Checks the markers of one answer.
#[derive(Debug)]
pub struct CitationFilter {
    /// Pages that were sent: markers 1 to `sent` are valid.
    sent: usize,
    /// What may still become a marker: spaces, then `[`, then digits, commas and spaces.
    held: String,
    /// What was let through ends inside an open bracket that the next characters could make a marker of.
    open: bool,
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

impl CitationFilter {
    /// `sent` pages went to the model, numbered from 1.
    pub fn new(sent: usize) -> Self {
        Self { sent, held: String::new(), open: false, report: CitationReport::default() }
    }

    /// Takes the next piece of the answer, gives what may be shown by now.
    pub fn push(&mut self, piece: &str) -> String {
        let mut shown = String::with_capacity(self.held.len() + piece.len());
        for char in piece.chars().filter(|char| !is_hostile(*char)) {
            self.take(char, &mut shown);
        }
        shown
    }

    /// The rest, once the answer is over.
    pub fn finish(mut self) -> (String, CitationReport) {
        let mut shown = String::new();
        self.release(&mut shown);
        (shown, self.report)
    }

    fn take(&mut self, char: char, shown: &mut String) {
        let in_bracket = self.held.contains('[');
        match char {
            '[' => {
                if in_bracket {
                    self.release(shown);
                }
                self.held.push('[');
            }
            ']' if in_bracket => {
                self.held.push(']');
                self.close(shown);
            }
            ' ' => self.held.push(' '),
            '0'..='9' | ',' | '\n' | '\t' if in_bracket => self.held.push(char),
            other => {
                self.release(shown);
                self.show(other, shown);
            }
        }
    }

    /// `held` ends in a whole bracket: a marker, or text after all.
    fn close(&mut self, shown: &mut String) {
        let Some((before, inner)) = self.held.trim_end_matches(']').split_once('[') else { return };
        let Some(numbers) = numbers(inner) else { return self.release(shown) };
        let mut valid: Vec<usize> = Vec::new();
        for number in numbers {
            match number.parse().ok().filter(|page| (1..=self.sent).contains(page)) {
                Some(page) => valid.push(page),
                None => {
                    let number = number.to_owned();
                    if self.report.invented.len() < MAX_INVENTED && !self.report.invented.contains(&number) {
                        self.report.invented.push(number);
                    }
                }
            }
        }
        let mut text = String::new();
        if !valid.is_empty() {
            text.push_str(before);
        } else if self.open {
            // without anything in its place, what stands around the marker could close up to another one
            text.push('?');
        }
        for page in valid {
            text.push_str(&format!("[{page}]"));
            self.report.cited.insert(page);
        }
        self.held.clear();
        text.chars().for_each(|char| self.show(char, shown));
    }

    /// What was held is no marker.
    fn release(&mut self, shown: &mut String) {
        for char in std::mem::take(&mut self.held).chars() {
            self.show(char, shown);
        }
    }

    fn show(&mut self, char: char, shown: &mut String) {
        self.open = match char {
            '[' => true,
            '0'..='9' | ',' | ' ' | '\n' | '\t' => self.open,
            _ => false,
        };
        shown.push(char);
    }
}

/// Control characters other than line end and tab, and those that turn the direction of writing around.
pub(super) fn is_hostile(char: char) -> bool {
    (char.is_control() && !matches!(char, '\n' | '\t'))
        || matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The numbers of a marker as they are written; None where the brackets hold something else.
fn numbers(inner: &str) -> Option<Vec<&str>> {
    let parts: Vec<&str> = inner.split(',').map(|part| part.trim_matches([' ', '\n', '\t'])).collect();
    let all_digits = parts.iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    all_digits.then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filter<'p>(sent: usize, pieces: impl IntoIterator<Item = &'p str>) -> (String, CitationReport) {
        let mut filter = CitationFilter::new(sent);
        let mut text: String = pieces.into_iter().map(|piece| filter.push(piece)).collect();
        let (rest, report) = filter.finish();
        text.push_str(&rest);
        (text, report)
    }

    /// Input, pages sent, what is shown, what is cited, what was invented.
    type Case<'c> = (&'c str, usize, &'c str, &'c [usize], &'c [&'c str]);

    #[test]
    fn markers_of_pages_that_were_sent_stay_and_the_others_go() {
        let cases: [Case; 17] = [
            ("24 Nm [1].", 2, "24 Nm [1].", &[1], &[]),
            ("24 Nm [3].", 2, "24 Nm.", &[], &["3"]),
            ("a [1, 2] b", 2, "a [1][2] b", &[1, 2], &[]),
            ("a [1,9, 2] b", 2, "a [1][2] b", &[1, 2], &["9"]),
            ("a [1][3] b", 3, "a [1][3] b", &[1, 3], &[]),
            ("a[9][1] b [9]", 1, "a[1] b", &[1], &["9"]),
            ("see [p. 3] and [x] and []", 5, "see [p. 3] and [x] and []", &[], &[]),
            ("[ 2 ]", 2, "[2]", &[2], &[]),
            ("[0] [01] [99999999999999999999999]", 1, " [1]", &[1], &["0", "99999999999999999999999"]),
            ("[1", 1, "[1", &[], &[]),
            ("[1,] [,] [1 2]", 2, "[1,] [,] [1 2]", &[], &[]),
            ("let x = a[[0]]; b[i[1]]", 1, "let x = a[?]; b[i[1]]", &[1], &["0"]),
            ("[[9]2]", 1, "[?2]", &[], &["9"]),
            ("[1 [9]2]", 1, "[1 ?2]", &[], &["9"]),
            ("[1\n] [\t2,\n9]", 2, "[1] [2]", &[1, 2], &["9"]),
            ("red \u{1b}[31m [1]\u{7}\u{202e}", 1, "red [31m [1]", &[1], &[]),
            ("\n[7] ende – ünï", 1, "\n ende – ünï", &[], &["7"]),
        ];
        for (text, sent, shown, cited, invented) in cases {
            let (found, report) = filter(sent, [text]);
            assert_eq!(found, shown, "{text}");
            assert_eq!(report.cited.iter().copied().collect::<Vec<_>>(), cited, "{text}");
            assert_eq!(report.invented, invented, "{text}");
        }
    }

    #[test]
    fn text_is_not_held_back_longer_than_it_must_be() {
        let mut filter = CitationFilter::new(1);
        assert_eq!(filter.push("The pump"), "The pump");
        assert_eq!(filter.push(" ["), "");
        assert_eq!(filter.push("1"), "");
        assert_eq!(filter.push("] runs [p"), " [1] runs [p");
    }

    /// Markers in a text, by the definition rather than by the filter.
    fn markers(text: &str) -> Vec<&str> {
        let ends = text.match_indices(']').map(|(end, _)| end);
        let inner = ends.filter_map(|end| text[..end].rfind('[').map(|start| &text[start + 1..end]));
        inner.filter_map(numbers).flatten().collect()
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_and_no_invented_marker_comes_through(
            pieces in proptest::collection::vec("[\\[\\]0-9, a\nü]{0,6}", 0..12),
            sent in 0usize..4,
        ) {
            let whole: String = pieces.concat();
            let (shown, report) = filter(sent, [whole.as_str()]);
            prop_assert_eq!(&filter(sent, pieces.iter().map(String::as_str)), &(shown.clone(), report.clone()));
            let letters: Vec<String> = whole.chars().map(String::from).collect();
            prop_assert_eq!(&filter(sent, letters.iter().map(String::as_str)), &(shown.clone(), report.clone()));
            for marker in markers(&shown) {
                let page: usize = marker.parse().unwrap();
                prop_assert!(report.cited.contains(&page) && page >= 1 && page <= sent, "{} in {:?}", page, shown);
            }
        }
    }
}
