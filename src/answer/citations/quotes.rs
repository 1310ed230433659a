//! Words that an answer quotes from a page, word for word: a `[12]` among them is the document's own, and no citation of ours.

use std::collections::VecDeque;

use crate::answer::characters::is_invisible;

/// Characters before a bracket that have to stand before it on the page too.
const MOST_BEFORE: usize = 40;
/// Letters and digits among them: fewer prove nothing.
const LEAST_BEFORE: usize = 8;

/// Follows an answer through its quotations.
#[derive(Debug)]
pub struct Quotes {
    /// The text layers of the pages that were sent, without white space.
    pages: Vec<String>,
    /// The quotation that is open.
    open: Option<Quotation>,
}

#[derive(Debug)]
struct Quotation {
    /// What closes it, beside the end of the line.
    closed_by: &'static [char],
    /// Its last characters, without white space.
    last: VecDeque<char>,
}

impl Quotes {
    /// `pages`: text layers.
    pub fn new(pages: &[&str]) -> Self {
        Self { pages: pages.iter().map(|page| plain(page).collect()).collect(), open: None }
    }

    /// Takes the next character of the answer. `first_of_line`: nothing but blanks stands before it.
    pub fn take(&mut self, char: char, first_of_line: bool) {
        match &mut self.open {
            _ if char == '\n' => self.open = None,
            Some(quotation) if quotation.closed_by.contains(&char) => self.open = None,
            Some(quotation) => {
                quotation.last.extend(plain(char.encode_utf8(&mut [0; 4])));
                let surplus = quotation.last.len().saturating_sub(MOST_BEFORE);
                quotation.last.drain(..surplus);
            }
            None => {
                let opened = closed_by(char, first_of_line);
                self.open = opened.map(|closed_by| Quotation { closed_by, last: VecDeque::new() });
            }
        }
    }

    /// Whether `marker`, which comes next, stands on a page behind the same words.
    pub fn quote(&self, marker: &str) -> bool {
        let Some(quotation) = &self.open else { return false };
        if quotation.last.iter().filter(|char| char.is_alphanumeric()).count() < LEAST_BEFORE {
            return false;
        }
        let words: String = quotation.last.iter().copied().chain(plain(marker)).collect();
        self.pages.iter().any(|page| page.contains(&words))
    }
}

/// What closes the quotation that a character opens.
fn closed_by(char: char, first_of_line: bool) -> Option<&'static [char]> {
    Some(match char {
        '"' => &['"'],
        '“' => &['”'],
        '„' => &['“', '”'],
        '«' => &['»'],
        '»' => &['«'],
        '「' => &['」'],
        '『' => &['』'],
        // a quoted line of Markdown
        '>' if first_of_line => &[],
        _ => return None,
    })
}

fn plain(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars().filter(|char| !char.is_whitespace() && !is_invisible(*char))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quotes(answer: &str, marker: &str) -> bool {
        let mut quotes = Quotes::new(&["The torque values\n[12] were measured in Kiel [9].", ""]);
        for (index, char) in answer.chars().enumerate() {
            quotes.take(char, index == 0);
        }
        quotes.quote(marker)
    }

    #[test]
    fn only_what_stands_on_a_page_in_the_same_words_is_quoted() {
        for answer in [
            "It says \"The torque values ",
            "“torque values",
            "„torque val\u{ad}ues ",
            "> The torque values ",
            "\"x\" and \"torque values ",
        ] {
            assert!(quotes(answer, "[12]"), "{answer}");
        }
        for answer in [
            "The torque values ",
            "\"torque values\" ",
            "\"values ",
            "\"",
            "\"The torque value ",
            "\"torque values\nThe torque values ",
            "1 > The torque values ",
        ] {
            assert!(!quotes(answer, "[12]"), "{answer}");
        }
        assert!(!quotes("\"torque values ", "[9]"));
        assert!(quotes("\"The torque values [12] were measured in Kiel ", "[9]"));
    }
}
