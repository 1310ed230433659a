//! The answer of an installation without an answer model: the best passages of the best pages, quoted.

use super::{Answer, Citation, Mode};
use crate::derive::terms::QuestionTerms;
use crate::retrieve::{Hit, Passage, passages};

/// Sentences of one page.
const MAX_PER_PAGE: usize = 2;
/// A passage must hold at least this share of the question's weight to be quoted.
const MIN_SCORE: f32 = 0.25;
/// Beside a best page without text, only a passage that holds at least this share says more than noise.
const MIN_SCORE_BESIDE_SCAN: f32 = 0.6;
/// What a page's standing among the hits is worth beside the words of the passage: the score at rank r is multiplied by
/// `1 / (1 + RANK_WEIGHT * r)`.
const RANK_WEIGHT: f32 = 0.15;

/// Builds the answer from hits in order of rank: at most `max_passages` sentences.
pub fn extract(question: &str, hits: Vec<Hit>, max_passages: usize) -> Answer {
    if hits.is_empty() {
        let text = "No page was found. Is anything indexed that this question could be about?";
        return Answer::new(Mode::Extractive, text.into(), Vec::new());
    }
    let texts: Vec<&str> = hits.iter().map(|hit| hit.detail.text.as_str()).collect();
    // A best page without a text layer is evidence that no quotation can replace.
    let silent_best = texts[0].trim().is_empty();
    let min_score = if silent_best { MIN_SCORE_BESIDE_SCAN } else { MIN_SCORE };
    let chosen = choose(passages(&texts, &QuestionTerms::new(question)), min_score, max_passages);

    let mut cited: Vec<usize> = Vec::new();
    let mut sentences: Vec<String> = Vec::new();
    if silent_best {
        cited.push(0);
        sentences.push(format!(
            "The best match is page {} of {}, which has no text layer to quote: look at its image [1].",
            hits[0].page, hits[0].title
        ));
    }
    for (page, text) in chosen {
        let number = match cited.iter().position(|&known| known == page) {
            Some(position) => position + 1,
            None => {
                cited.push(page);
                cited.len()
            }
        };
        sentences.push(format!("{} [{number}]", text.trim_end()));
    }
    if sentences.is_empty() {
        cited.push(0);
        sentences.push(format!(
            "No passage repeats the words of the question. The page that looks most like it is page {} of {} [1].",
            hits[0].page, hits[0].title
        ));
    }
    let mut hits: Vec<Option<Hit>> = hits.into_iter().map(Some).collect();
    let citations = cited
        .iter()
        .enumerate()
        .filter_map(|(position, &page)| {
            hits[page].take().map(|hit| Citation { marker: format!("[{}]", position + 1), hit })
        })
        .collect();
    Answer::new(Mode::Extractive, sentences.join(" "), citations)
}

/// The best passages over all pages, best first, none twice.
fn choose(pages: Vec<Vec<Passage>>, min_score: f32, max_passages: usize) -> Vec<(usize, String)> {
    let mut ranked: Vec<(f32, usize, Passage)> = pages
        .into_iter()
        .enumerate()
        .flat_map(|(rank, page)| {
            let worth = 1.0 / (1.0 + RANK_WEIGHT * rank as f32);
            page.into_iter().map(move |passage| (passage.score * worth, rank, passage))
        })
        .collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)).then(a.2.index.cmp(&b.2.index)));
    let best = ranked.first().map_or(0.0, |first| first.0);
    let mut chosen: Vec<(usize, String)> = Vec::new();
    for (score, page, passage) in ranked {
        let of_this_page = chosen.iter().filter(|(known, _)| *known == page).count();
        let repeated = chosen.iter().any(|(_, text)| *text == passage.text);
        // Far weaker than the best: it would only dilute the answer.
        if score < min_score || score < best * 0.6 || chosen.len() == max_passages {
            break;
        }
        if of_this_page < MAX_PER_PAGE && !repeated {
            chosen.push((page, passage.text));
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::testing::hit;

    #[test]
    fn every_sentence_carries_the_marker_of_its_page_and_every_marker_has_a_citation() {
        let answer = extract(
            "torque of the rotor bolts",
            vec![
                hit("manual.pdf", 4, "The rotor bolts are tightened to a torque of 24 Nm. Paint is blue."),
                hit("letter.pdf", 1, "We thank you for your order."),
                hit("sheet.pdf", 2, "Check the torque of the rotor bolts every month."),
            ],
            4,
        );
        assert!(answer.answer.contains("24 Nm. [1]"), "{}", answer.answer);
        assert!(answer.answer.contains("[2]"), "{}", answer.answer);
        let cited: Vec<_> = answer.citations.iter().map(|citation| citation.hit.source.as_str()).collect();
        assert_eq!(cited, ["manual.pdf", "sheet.pdf"]);
    }

    #[test]
    fn a_scan_is_given_as_evidence_and_said_to_be_one() {
        let answer = extract("harbour dues", vec![hit("scan.tiff", 2, "")], 4);
        assert!(answer.answer.contains("no text layer"));
        assert_eq!(answer.citations[0].marker, "[1]");
        assert_eq!(answer.citations[0].hit.page, 2);
    }

    #[test]
    fn no_more_sentences_than_asked_for() {
        let text = "The rotor bolts need 24 Nm. Tighten rotor bolts twice.";
        let pages = || vec![hit("a.pdf", 1, text), hit("b.pdf", 1, "Rotor bolts are steel.")];
        let sentences = |most| extract("rotor bolts", pages(), most).answer.matches("] ").count() + 1;
        assert_eq!((sentences(1), sentences(2)), (1, 2));
    }

    #[test]
    fn nothing_found_cites_nothing() {
        assert!(extract("anything", vec![], 4).citations.is_empty());
    }
}
