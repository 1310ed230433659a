//! Passages of a page's text layer: cutting it into sentences and lines, and choosing those nearest to a question.
//!
//! A text layer knows lines, not sentences: running text is wrapped, tables and headings are not. Lines are joined if a
//! sentence evidently goes on, so that a passage is something a person would quote: a row of a table stays a row, and what is
//! neither row nor sentence (figures at the axis of a chart) is no passage.

use unicode_segmentation::UnicodeSegmentation;

use crate::derive::terms::AskedWords;

/// What is left of the dots between an entry and its number.
const LEADER: &str = " … ";
/// An entry of a list of contents says where something stands, not what.
const CONTENTS_WORTH: f32 = 0.5;

/// Characters of a filled line of running text; a page of shorter lines is a table, a label or a form.
const NARROWEST: usize = 32;

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
    let lines: Vec<String> = text.lines().map(tidy).collect();
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
        if is_row(paragraph) {
            sentences.push(paragraph.clone());
            continue;
        }
        for sentence in paragraph.unicode_sentences().map(str::trim).filter(|sentence| !sentence.is_empty()) {
            match sentences.last_mut() {
                // "No. 12", "e.g. this": a fragment is no sentence.
                Some(last) if last.chars().count() < 12 && !last.is_empty() && !is_row(last) => {
                    last.push(' ');
                    last.push_str(sentence);
                }
                _ => sentences.push(sentence.to_owned()),
            }
        }
    }
    sentences.into_iter().map(|sentence| shorten(&sentence, MAX_PASSAGE_CHARS)).collect()
}

/// A line with single spaces and short leaders; empty if it is no part of a sentence or row: a lone figure or two.
fn tidy(line: &str) -> String {
    let mut words: Vec<&str> = Vec::new();
    for word in line.split_whitespace() {
        let dots = word.chars().all(|c| matches!(c, '.' | '·' | '…' | '_'));
        match (dots, words.last()) {
            (true, Some(&LEADER)) => {}
            (true, Some(&".")) => *words.last_mut().unwrap_or(&mut "") = LEADER,
            (true, _) if word.chars().count() > 3 => words.push(LEADER),
            _ => words.push(word),
        }
    }
    let joined = words.join(" ").replace(&format!(" {LEADER} "), LEADER);
    let speaks = words.len() > 2 || joined.ends_with('.') || words.iter().any(|word| letters(word) > 1);
    if speaks { joined.trim().to_owned() } else { String::new() }
}

fn letters(word: &str) -> usize {
    word.chars().filter(|c| c.is_alphabetic()).count()
}

/// Cells with figures: at least two, and two in five.
fn is_row(line: &str) -> bool {
    let words = line.split_whitespace().count();
    let figures = line.split_whitespace().filter(|word| word.chars().any(|c| c.is_ascii_digit())).count();
    figures >= 2 && figures * 5 >= words * 2
}

/// A first cell that names its row: `E-201`, `30013`.
fn begins_with_code(line: &str) -> bool {
    let first = line.split_whitespace().next().unwrap_or_default();
    let digits = first.chars().filter(char::is_ascii_digit).count();
    digits >= 3 || (digits > 0 && first.contains(['-', '_', '/']))
}

/// Whether the sentence of `line` goes on in `next`: a small letter says so, a capital or a digit only where the line was
/// filled. Rows of tables, headings and list items end where they end.
fn runs_on(line: &str, next: &str, full_width: usize) -> bool {
    if ends_sentence(line) || next.is_empty() || begins_anew(next) {
        return false;
    }
    // one row under another
    if (is_row(line) && is_row(next)) || (begins_with_code(line) && begins_with_code(next)) {
        return false;
    }
    let length = line.chars().count();
    if next.chars().next().is_some_and(char::is_lowercase) {
        length * 10 >= full_width * 4 || line.ends_with([',', '-'])
    } else {
        full_width >= NARROWEST && length * 100 >= full_width * 88
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

/// Passages of several pages, each with its score for the question: the share of the words asked about that it holds. `weights`:
/// what each word counts; without them rare words count more (inverse document frequency over all these passages).
pub fn passages(pages: &[&str], asked: &AskedWords, weights: Option<&[f32]>) -> Vec<Vec<Passage>> {
    let cut_pages: Vec<Vec<String>> = pages.iter().map(|text| cut(text)).collect();
    // `[pages, passages, words of the question]`.
    let held: Vec<Vec<Vec<bool>>> =
        cut_pages.iter().map(|page| page.iter().map(|text| asked.held_by(text)).collect()).collect();
    let total = held.iter().map(Vec::len).sum::<usize>() as f32;
    let mut holding = vec![0u32; asked.as_slice().len()];
    for passage in held.iter().flatten() {
        holding.iter_mut().zip(passage).for_each(|(count, &held)| *count += u32::from(held));
    }
    let rarity = |&holding: &u32| ((total - holding as f32 + 0.5) / (holding as f32 + 0.5) + 1.0).ln();
    let weights = weights.map_or_else(|| holding.iter().map(rarity).collect(), <[f32]>::to_vec);
    // What no passage holds can't be gained.
    let gainable = holding.iter().zip(&weights).filter(|(holding, _)| **holding > 0).map(|(_, weight)| weight);
    let best = gainable.sum::<f32>().max(f32::MIN_POSITIVE);
    let score = |text: &str, held: &[bool]| {
        let gained: f32 = held.iter().zip(&weights).filter(|(held, _)| **held).map(|(_, weight)| weight).sum();
        // A long passage holds more words by chance; a heading of one word answers nothing.
        let words = text.split_whitespace().count() as f32;
        let brevity = 1.0 / (1.0 + (words / 40.0).powi(2));
        let substance = (words / 6.0).min(1.0);
        let worth = if is_contents(text) { CONTENTS_WORTH } else { 1.0 };
        worth * gained / best * (0.7 + 0.15 * brevity + 0.15 * substance)
    };
    let scored = |(page, held): (Vec<String>, Vec<Vec<bool>>)| {
        let passage = |(index, (text, held)): (usize, (&String, Vec<bool>))| Passage {
            text: with_what_it_announces(text, page.get(index + 1)),
            index,
            score: score(text, &held),
        };
        page.iter().zip(held).enumerate().map(passage).collect()
    };
    cut_pages.iter().cloned().zip(held).map(scored).collect()
}

/// A question or the beginning of a list says nothing without what follows it.
fn with_what_it_announces(text: &str, next: Option<&String>) -> String {
    match next.filter(|_| text.ends_with(['?', ':'])) {
        Some(next) => shorten(&format!("{text} {next}"), MAX_PASSAGE_CHARS),
        None => text.to_owned(),
    }
}

/// `Traffic … 3`, as opposed to a price behind its leader.
fn is_contents(text: &str) -> bool {
    let Some((_, last)) = text.rsplit_once(LEADER) else { return false };
    !last.trim().is_empty() && last.trim().chars().all(|c| c.is_ascii_digit() || matches!(c, 'i' | 'v' | 'x'))
}

/// The best passage of a page for a question, at most `max_chars` long; the page's beginning if no word matches.
pub fn snippet(text: &str, asked: &AskedWords, max_chars: usize) -> String {
    let page = passages(&[text], asked, None).pop().unwrap_or_default();
    let best = page.iter().max_by(|a, b| a.score.total_cmp(&b.score).then(b.index.cmp(&a.index)));
    let Some(best) = best else { return String::new() };
    let mut joined = best.text.clone();
    for next in page.iter().skip(best.index + 1).filter(|next| !best.text.contains(&next.text)) {
        // what follows a sentence is read on with it, what follows a row or a heading is another cell
        if !ends_sentence(&joined) || !ends_sentence(&next.text) {
            break;
        }
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
    fn rows_stay_rows_and_figures_at_an_axis_are_no_passages() {
        let table = "Skerrin – Aldersay 412,300 431,870 +4.7%\nPort Tarrow 74,900 81,315 +8.6%\n0\n100\n2020/21\n\
            E-203 Two strong echoes Record a new echo map at low water; move the gauge away from the\npile\n\
            E-204 Level out of range Check the height";
        assert_eq!(
            cut(table),
            [
                "Skerrin – Aldersay 412,300 431,870 +4.7%",
                "Port Tarrow 74,900 81,315 +8.6%",
                "E-203 Two strong echoes Record a new echo map at low water; move the gauge away from the pile",
                "E-204 Level out of range Check the height",
            ]
        );
    }

    #[test]
    fn leaders_are_short_and_contents_count_less_than_what_they_point_at() {
        let page = "Traffic . . . . . . . . 3\nLoaf, rye .................. 126 3.20\nTraffic grew on every route.";
        let passages = passages(&[page], &AskedWords::new("traffic"), None).pop().unwrap();
        let texts: Vec<_> = passages.iter().map(|passage| passage.text.as_str()).collect();
        assert_eq!(texts, ["Traffic … 3", "Loaf, rye … 126 3.20", "Traffic grew on every route."]);
        assert!(passages[2].score > passages[0].score);
    }

    #[test]
    fn a_question_of_the_page_is_quoted_with_its_answer() {
        let page = "Why does it not use my values?\nValues are reset if the partitions change.\nOther things.";
        let best = passages(&[page], &AskedWords::new("why are my values not used"), None).pop().unwrap().remove(0);
        assert_eq!(best.text, "Why does it not use my values? Values are reset if the partitions change.");
    }

    #[test]
    fn a_snippet_goes_on_with_sentences_only() {
        let text = "Paint does not hurt the horn.\nFill in the form before.\nhighest water lowest water";
        assert_eq!(
            snippet(text, &AskedWords::new("paint"), 240),
            "Paint does not hurt the horn. Fill in the form before."
        );
        assert_eq!(snippet("Weight 4.3 kg\nFlange DN 80", &AskedWords::new("weight"), 240), "Weight 4.3 kg");
    }

    #[test]
    fn the_passage_that_holds_the_rare_words_wins() {
        let page = passages(&[PAGE], &AskedWords::new("when is the filter cartridge removed"), None).pop().unwrap();
        let best = page.iter().max_by(|a, b| a.score.total_cmp(&b.score)).unwrap();
        assert!(best.text.contains("cartridge"));
    }

    #[test]
    fn a_snippet_is_never_longer_than_asked() {
        let long = "word ".repeat(500);
        let word = AskedWords::new("word");
        assert!(snippet(&long, &word, 100).chars().count() <= 102);
        assert_eq!(snippet("", &word, 100), "");
    }
}
