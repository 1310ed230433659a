//! Passages of a page's text layer: cutting it into sentences and lines, and choosing those nearest to a question.
//!
//! A text layer knows lines, not sentences: running text is wrapped, tables and headings are not. Lines are joined where a
//! sentence evidently goes on, so that a passage is something a person would quote.

use unicode_segmentation::UnicodeSegmentation;

use crate::derive::terms::QuestionTerms;

/// Longest passage, in characters; longer ones are cut at a word.
const MAX_PASSAGE_CHARS: usize = 360;

/// A quotable piece of a page.
#[derive(Debug, Clone, PartialEq)]
pub struct Passage {
    pub text: String,
    /// Position among the page's passages.
    pub index: usize,
    /// How well it answers; only comparable within one call.
    pub score: f32,
}

/// Cuts a text layer into sentences, table rows and headings, in reading order.
fn cut(text: &str) -> Vec<String> {
    let lines: Vec<String> = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let full_width = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
    let mut paragraphs: Vec<String> = Vec::new();
    let mut open = String::new();
    for (index, line) in lines.iter().enumerate().filter(|(_, line)| !line.is_empty()) {
        if !open.is_empty() {
            open.push(' ');
        }
        open.push_str(line);
        if !runs_on(line, lines.get(index + 1).map_or("", String::as_str), full_width) {
            paragraphs.push(std::mem::take(&mut open));
        }
    }
    paragraphs.extend((!open.is_empty()).then_some(open));
    let mut sentences: Vec<String> = Vec::new();
    for paragraph in &paragraphs {
        for sentence in paragraph.unicode_sentences().map(str::trim).filter(|sentence| !sentence.is_empty()) {
            match sentences.last_mut() {
                // "No. 12", "e.g. this": a fragment is no sentence.
                Some(last) if last.chars().count() < 12 && !last.is_empty() => {
                    last.push(' ');
                    last.push_str(sentence);
                }
                _ => sentences.push(sentence.to_owned()),
            }
        }
    }
    sentences.into_iter().map(|sentence| shorten(&sentence, MAX_PASSAGE_CHARS)).collect()
}

/// Whether the sentence of `line` goes on in `next`: a small letter says so, a capital or a digit only where the line was
/// filled. Rows of tables, headings and list items end where they end.
fn runs_on(line: &str, next: &str, full_width: usize) -> bool {
    if ends_sentence(line) || next.is_empty() || begins_anew(next) {
        return false;
    }
    let length = line.chars().count();
    if next.chars().next().is_some_and(char::is_lowercase) {
        length * 10 >= full_width * 4 || line.ends_with([',', '-'])
    } else {
        length * 100 >= full_width * 88
    }
}

fn ends_sentence(line: &str) -> bool {
    line.ends_with(['.', '!', '?', ':', ';'])
}

/// Bullets and numbered items start a passage of their own.
fn begins_anew(line: &str) -> bool {
    let mut characters = line.chars();
    match characters.next() {
        Some('•' | '–' | '▪' | '◦' | '*' | '‣' | '■' | '●') => true,
        Some(first) if first.is_ascii_digit() => {
            let rest = line.trim_start_matches(|character: char| character.is_ascii_digit() || character == '.');
            rest.len() < line.len() && line[..line.len() - rest.len()].ends_with('.')
        }
        _ => false,
    }
}

/// Cuts at the last word that fits, with an ellipsis.
fn shorten(text: &str, max_chars: usize) -> String {
    if text.chars().count() <= max_chars {
        return text.to_owned();
    }
    let end = text.char_indices().nth(max_chars).map_or(text.len(), |(at, _)| at);
    let cut = text[..end].rfind(' ').unwrap_or(end);
    format!("{} …", text[..cut].trim_end())
}

/// Passages of several pages, each with its score for the question: the share of the question's words that it holds, rare
/// words counting more (inverse document frequency over all these passages).
pub fn passages(pages: &[&str], question: &QuestionTerms) -> Vec<Vec<Passage>> {
    let cut_pages: Vec<Vec<String>> = pages.iter().map(|text| cut(text)).collect();
    // `[pages, passages, terms of the question]`.
    let held: Vec<Vec<Vec<bool>>> =
        cut_pages.iter().map(|page| page.iter().map(|text| question.held_by(text)).collect()).collect();
    let total = held.iter().map(Vec::len).sum::<usize>() as f32;
    let mut holding = vec![0u32; question.as_slice().len()];
    for passage in held.iter().flatten() {
        holding.iter_mut().zip(passage).for_each(|(count, &held)| *count += u32::from(held));
    }
    let weight = |&holding: &u32| ((total - holding as f32 + 0.5) / (holding as f32 + 0.5) + 1.0).ln();
    let weights: Vec<f32> = holding.iter().map(weight).collect();
    // What no passage holds can't be gained.
    let gainable = holding.iter().zip(&weights).filter(|(holding, _)| **holding > 0).map(|(_, weight)| weight);
    let best = gainable.sum::<f32>().max(f32::MIN_POSITIVE);
    let scored = |(index, (text, held)): (usize, (String, Vec<bool>))| {
        let gained: f32 = held.iter().zip(&weights).filter(|(held, _)| **held).map(|(_, weight)| weight).sum();
        // A long passage holds more words by chance; a heading of one word answers nothing.
        let words = text.split_whitespace().count() as f32;
        let brevity = 1.0 / (1.0 + (words / 40.0).powi(2));
        let substance = (words / 6.0).min(1.0);
        Passage { text, index, score: gained / best * (0.7 + 0.15 * brevity + 0.15 * substance) }
    };
    cut_pages
        .into_iter()
        .zip(held)
        .map(|(page, held)| page.into_iter().zip(held).enumerate().map(scored).collect())
        .collect()
}

/// The best passage of a page for a question, at most `max_chars` long; the page's beginning if no word matches.
pub fn snippet(text: &str, question: &QuestionTerms, max_chars: usize) -> String {
    let page = passages(&[text], question).pop().unwrap_or_default();
    let best = page.iter().max_by(|a, b| a.score.total_cmp(&b.score).then(b.index.cmp(&a.index)));
    let Some(best) = best else { return String::new() };
    let mut joined = best.text.clone();
    for next in page.iter().skip(best.index + 1) {
        if joined.chars().count() + next.text.chars().count() >= max_chars {
            break;
        }
        joined.push(' ');
        joined.push_str(&next.text);
    }
    shorten(&joined, max_chars)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "3 Maintenance\nThe pump must be drained before the filter cartridge is\n\
        removed. Close valve V-12 first.\nE-201 Overheating\nE-305 Sensor lost\n• Wear gloves\n• Wear goggles";

    #[test]
    fn wrapped_lines_are_joined_and_table_rows_are_not() {
        assert_eq!(
            cut(PAGE),
            [
                "3 Maintenance",
                "The pump must be drained before the filter cartridge is removed.",
                "Close valve V-12 first.",
                "E-201 Overheating",
                "E-305 Sensor lost",
                "• Wear gloves",
                "• Wear goggles",
            ]
        );
    }

    #[test]
    fn the_passage_that_holds_the_rare_words_wins() {
        let page = passages(&[PAGE], &QuestionTerms::new("when is the filter cartridge removed")).pop().unwrap();
        let best = page.iter().max_by(|a, b| a.score.total_cmp(&b.score)).unwrap();
        assert!(best.text.contains("cartridge"));
    }

    #[test]
    fn a_snippet_is_never_longer_than_asked() {
        let long = "word ".repeat(500);
        let word = QuestionTerms::new("word");
        assert!(snippet(&long, &word, 100).chars().count() <= 102);
        assert_eq!(snippet("", &word, 100), "");
    }
}
