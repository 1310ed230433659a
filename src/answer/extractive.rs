//! The answer of an installation without an answer model: passages of the pages that hold what is asked about, quoted; or that
//! nothing was found, and which pages are nearest.

use super::{Answer, Basis, Citation, Matching, Mode};
use crate::derive::terms::AskedWords;
use crate::retrieve::{Hit, Passage, passages};

/// Passages of one page.
const MAX_PER_PAGE: usize = 2;
/// A passage must hold at least this share of the question's weight to be quoted.
const MIN_SCORE: f32 = 0.25;
/// A further passage must hold at least this share of what is asked about and not yet quoted.
const LEAST_GAIN: f32 = 0.12;
/// What is far weaker than the best passage would only dilute the answer.
const LEAST_OF_BEST: f32 = 0.6;
/// What a page's standing among the hits is worth beside the words of the passage: the score at rank r is multiplied by
/// `1 / (1 + RANK_WEIGHT * r)`.
const RANK_WEIGHT: f32 = 0.15;
/// Pages that are named where nothing was found.
const NEAREST: usize = 3;

/// Builds the answer from hits in order of rank and what they hold of the question: at most `max_passages` passages.
pub fn extract(question: &str, hits: Vec<Hit>, matching: &Matching, max_passages: usize) -> Answer {
    if hits.is_empty() {
        let text = "No page was found. Is anything indexed that this question could be about?";
        return Answer::new(Mode::Extractive, text.into(), Vec::new());
    }
    let Some(first) = matching.pages.iter().position(|page| page.supports) else {
        return nothing(hits, matching);
    };
    let mut quoted = Quoted::default();
    if matching.pages[first].basis != Basis::Text {
        // A page that can only be looked at is evidence that no quotation of another page can replace.
        quoted.add(first, only_to_look_at(&hits[first], matching.pages[first].basis));
    } else {
        for (page, text) in choose(question, &hits, matching, max_passages) {
            quoted.add(page, as_quotation(text));
        }
        if quoted.sentences.is_empty() {
            let Hit { page, title, .. } = &hits[first];
            quoted.add(
                first,
                format!("The words of the question stand on page {page} of {title}, but not in one passage."),
            );
        }
    }
    let passed_over = &hits[..first];
    let unreadable = passed_over.iter().zip(&matching.pages).filter(|(_, page)| page.basis == Basis::Unreadable);
    let notes = unreadable
        .map(|(hit, _)| format!("page {} of {} comes before it, and its text layer can't be read", hit.page, hit.title))
        .collect();
    Answer { notes, ..quoted.into_answer(hits) }
}

/// What was looked for and not found, and the nearest pages, which support nothing.
fn nothing(hits: Vec<Hit>, matching: &Matching) -> Answer {
    let missing: Vec<String> = matching.missing().map(|word| format!("'{word}'")).collect();
    let why = match (matching.words.is_empty(), missing.as_slice()) {
        (true, _) => "the question names nothing to look for".to_owned(),
        (false, []) => "no page holds enough of its words together".to_owned(),
        (false, missing) => format!("no page found says {}", missing.join(" or ")),
    };
    let nearest: Vec<Hit> = hits.into_iter().take(NEAREST).collect();
    let pages: Vec<String> = nearest.iter().zip(&matching.pages).map(|(hit, page)| named(hit, page.basis)).collect();
    let text = format!("Nothing was found that answers this: {why}. Nearest: {}.", pages.join("; "));
    let mut answer = Answer::new(Mode::Extractive, text, Vec::new());
    answer.nearest = nearest;
    answer
}

fn named(hit: &Hit, basis: Basis) -> String {
    let mark = match basis {
        Basis::Text => "",
        Basis::Image => " (without a text layer)",
        Basis::Unreadable => " (its text layer can't be read)",
    };
    format!("page {} of {}{mark}", hit.page, hit.title)
}

fn only_to_look_at(hit: &Hit, basis: Basis) -> String {
    let why = match basis {
        Basis::Unreadable => "whose text layer can't be read",
        Basis::Text | Basis::Image => "which has no text layer to quote",
    };
    format!("The best match is page {} of {}, {why}: look at its image.", hit.page, hit.title)
}

/// Sentences run on; a row of a table or a heading is set apart.
fn as_quotation(text: String) -> String {
    if text.trim_end().ends_with(['.', '!', '?', ':', ';', '…']) {
        text
    } else {
        format!("“{}”", text.trim_end())
    }
}

/// Passages with the pages they stand on, in the order in which they are said.
#[derive(Default)]
struct Quoted {
    /// Positions among the hits; a page's marker is its place here, from 1.
    cited: Vec<usize>,
    sentences: Vec<String>,
}

impl Quoted {
    fn add(&mut self, page: usize, text: String) {
        let place = self.cited.iter().position(|&known| known == page).unwrap_or_else(|| {
            self.cited.push(page);
            self.cited.len() - 1
        });
        self.sentences.push(format!("{} [{}]", text.trim_end(), place + 1));
    }

    fn into_answer(self, hits: Vec<Hit>) -> Answer {
        let mut hits: Vec<Option<Hit>> = hits.into_iter().map(Some).collect();
        let cited = self.cited.iter().enumerate();
        let citations = cited
            .filter_map(|(place, &page)| {
                hits[page].take().map(|hit| Citation { marker: format!("[{}]", place + 1), hit })
            })
            .collect();
        Answer::new(Mode::Extractive, self.sentences.join(" "), citations)
    }
}

/// The best passages over the pages that support an answer and can be read, best first, none twice; then those with the words that
/// none of them has.
fn choose(question: &str, hits: &[Hit], matching: &Matching, max_passages: usize) -> Vec<(usize, String)> {
    let readable = |at: usize| matching.pages[at].supports && matching.pages[at].basis == Basis::Text;
    let texts: Vec<&str> =
        hits.iter().enumerate().map(|(at, hit)| if readable(at) { hit.detail.text.as_str() } else { "" }).collect();
    let asked = AskedWords::new(question);
    let mut ranked: Vec<(f32, usize, Passage)> = passages(&texts, &asked, Some(&matching.weights))
        .into_iter()
        .enumerate()
        .flat_map(|(rank, page)| {
            let worth = 1.0 / (1.0 + RANK_WEIGHT * rank as f32);
            page.into_iter().map(move |passage| (passage.score * worth, rank, passage))
        })
        .collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)).then(a.2.index.cmp(&b.2.index)));
    let best = ranked.first().map_or(0.0, |first| first.0);
    let mut chosen: Vec<(usize, &str)> = Vec::new();
    for (score, page, passage) in &ranked {
        if *score < MIN_SCORE || *score < best * LEAST_OF_BEST || chosen.len() == max_passages {
            break;
        }
        let of_this_page = chosen.iter().filter(|(known, _)| known == page).count();
        if of_this_page < MAX_PER_PAGE && !repeats(&chosen, &passage.text) {
            chosen.push((*page, &passage.text));
        }
    }
    add_missing(&asked, &matching.weights, &ranked, &mut chosen, max_passages);
    chosen.into_iter().map(|(page, text)| (page, text.to_owned())).collect()
}

fn repeats(chosen: &[(usize, &str)], text: &str) -> bool {
    chosen.iter().any(|(_, known)| known.contains(text) || text.contains(*known))
}

/// An answer about E-207 shows where E-207 stands; one about the amount due to Halden shows the amount, if the name stands above it.
fn add_missing<'a>(
    asked: &AskedWords,
    weights: &[f32],
    ranked: &'a [(f32, usize, Passage)],
    chosen: &mut Vec<(usize, &'a str)>,
    max_passages: usize,
) {
    let all: f32 = weights.iter().sum();
    while chosen.len() < max_passages {
        let shown: Vec<Vec<bool>> = chosen.iter().map(|(_, text)| asked.held_by(text)).collect();
        let missing = |at: usize| shown.iter().all(|held| !held[at]);
        let gain = |text: &str| -> f32 {
            let held = asked.held_by(text);
            (0..held.len()).filter(|&at| held[at] && missing(at)).map(|at| weights[at]).sum()
        };
        let mut best: Option<(f32, usize, &'a str)> = None;
        for (_, page, passage) in ranked.iter().filter(|(score, ..)| *score > 0.0) {
            let gained = gain(&passage.text);
            if best.is_none_or(|(most, ..)| gained > most) {
                best = Some((gained, *page, &passage.text));
            }
        }
        match best {
            Some((gained, page, text)) if gained >= LEAST_GAIN * all && !repeats(chosen, text) => {
                chosen.push((page, text))
            }
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::testing::hit;
    use crate::retrieve::WordEvidence;

    fn answer(question: &str, hits: Vec<Hit>, most: usize) -> Answer {
        seen(question, hits, most, WordEvidence::default())
    }

    fn seen(question: &str, hits: Vec<Hit>, most: usize, evidence: WordEvidence) -> Answer {
        let matching = Matching::new(&AskedWords::new(question), &hits, &evidence);
        extract(question, hits, &matching, most)
    }

    #[test]
    fn every_sentence_carries_the_marker_of_its_page_and_every_marker_has_a_citation() {
        let answer = answer(
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
        assert!(answer.supported);
    }

    #[test]
    fn a_scan_that_shows_every_word_is_given_as_evidence_and_said_to_be_one() {
        let evidence = WordEvidence {
            cosines: vec![Some(vec![Some(0.9), Some(0.9)])],
            seen_from: Some(0.8),
            ..WordEvidence::default()
        };
        let answer = seen("harbour dues", vec![hit("scan.tiff", 2, "")], 4, evidence);
        assert!(answer.answer.contains("no text layer"));
        assert_eq!((answer.citations[0].marker.as_str(), answer.citations[0].hit.page), ("[1]", 2));
        assert!(answer.supported);
    }

    #[test]
    fn a_garbled_page_that_comes_first_is_neither_quoted_nor_replaced_by_another() {
        let garbled = "Qeb a^fpv bi_lt _bpfab qeb clppfi t^p fkpmb`qba fk pmofkd. Fqp ibkdqe fp 1962 jfiifjbqobp";
        let hits = vec![hit("a.pdf", 1, garbled), hit("b.pdf", 7, "The daisy elbow is described elsewhere.")];
        let evidence = WordEvidence {
            cosines: vec![Some(vec![Some(0.9), Some(0.9)]), Some(vec![Some(0.7), Some(0.7)])],
            seen_from: Some(0.8),
            ..WordEvidence::default()
        };
        let answer = seen("daisy elbow", hits, 4, evidence);
        assert!(
            answer.answer.contains("text layer can't be read") && !answer.answer.contains("bpfab"),
            "{}",
            answer.answer
        );
        assert_eq!(answer.citations.len(), 1);
        assert_eq!(answer.citations[0].hit.source, "a.pdf");
    }

    #[test]
    fn what_no_page_holds_is_not_answered_from_what_looks_like_it() {
        let page = || hit("parts.pdf", 10, "BW-1192 Seal for the door £22.50\nBW-1207 Fuse 2 A slow £6.80");
        for question in ["What does part BW-7781 cost?", "Who is the president of Brazil?", "How is it?"] {
            let answer = answer(question, vec![page()], 4);
            assert!(!answer.supported && answer.citations.is_empty(), "{question}: {}", answer.answer);
            assert_eq!(answer.nearest[0].page, 10);
            assert!(answer.answer.contains("page 10 of parts.pdf"), "{}", answer.answer);
        }
        let found = answer("What is part BW-1207?", vec![page()], 4);
        assert!(
            found.supported && found.answer.contains("Fuse 2 A") && !found.answer.contains("BW-1192"),
            "{}",
            found.answer
        );
    }

    #[test]
    fn the_passage_with_the_number_is_among_those_quoted() {
        let text = "The surplus of the year pays for the second berth and its surplus year after year.\nNotes follow.\n\
            All figures are those of 2025.";
        let answer = answer("surplus of the year 2025", vec![hit("report.pdf", 10, text)], 4);
        assert!(answer.answer.contains("2025"), "{}", answer.answer);
    }

    #[test]
    fn no_more_sentences_than_asked_for() {
        let text = "The rotor bolts need 24 Nm. Tighten rotor bolts twice.";
        let pages = || vec![hit("a.pdf", 1, text), hit("b.pdf", 1, "Rotor bolts are steel.")];
        let sentences = |most| answer("rotor bolts", pages(), most).answer.matches("] ").count() + 1;
        assert_eq!((sentences(1), sentences(2)), (1, 2));
    }

    #[test]
    fn nothing_found_cites_nothing() {
        assert!(answer("anything", vec![], 4).citations.is_empty());
    }
}
