//! From words to regions: the lines in which most of the question stands together, with those above and below that add to it.

use super::closed::{closed, is_closed, rounded, union};
#[cfg(test)]
use super::closed::{core, cuts};
use super::lines::Line;
use super::{FAINTEST, Region};
use crate::types::Rect;

/// Regions of a page, at most.
const MOST: usize = 5;
/// A region that answers less than so much of what the best one does is none.
const LEAST_OF_BEST: f32 = 0.55;
/// Lines of a region, at most.
const MOST_LINES: usize = 6;
/// Another line joins if it adds so much of the question.
const WORTH_A_LINE: f32 = 0.12;
/// Empty space between two lines of one passage, of their height.
const LEADING: f32 = 1.1;
/// A token stands in a line where it is at least so strong.
const STANDS: f32 = 0.5;

/// The parts of the page that answer most, best first. `scored`: `[tokens][boxes]`.
pub(super) fn regions(scored: &[Vec<f32>], boxes: &[Rect], lines: &[Line]) -> Vec<Region> {
    // `[lines][tokens]`
    let shown: Vec<Vec<f32>> = lines
        .iter()
        .map(|line| scored.iter().map(|token| line.words.iter().map(|&word| token[word]).fold(0.0, f32::max)).collect())
        .collect();
    let weights = weights(&shown, scored.len());
    let worth = |shown: &[f32]| shown.iter().zip(&weights).map(|(shown, weight)| shown * weight).sum::<f32>();
    let mut taken = vec![false; lines.len()];
    let mut found: Vec<(f32, Vec<usize>)> = Vec::new();
    for _ in 0..MOST {
        let open = (0..lines.len()).filter(|line| !taken[*line]);
        let Some(seed) = open.max_by(|a, b| worth(&shown[*a]).total_cmp(&worth(&shown[*b])).then(b.cmp(a))) else {
            break;
        };
        let (together, passage) = grown(seed, lines, &shown, &taken, worth);
        let score = worth(&together);
        let best = found.iter().map(|(score, _)| *score).fold(score, f32::max);
        if score < FAINTEST || score < LEAST_OF_BEST * best {
            break;
        }
        passage.iter().for_each(|line| taken[*line] = true);
        found.push((score, passage));
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    found.iter().flat_map(|(score, passage)| cover(passage, lines, boxes, *score)).collect()
}

/// A line and those around it that add to it, with what all of them show together.
fn grown(
    seed: usize,
    lines: &[Line],
    shown: &[Vec<f32>],
    taken: &[bool],
    worth: impl Fn(&[f32]) -> f32,
) -> (Vec<f32>, Vec<usize>) {
    let mut passage = vec![seed];
    let mut together = shown[seed].clone();
    while passage.len() < MOST_LINES {
        let near = |line: &usize| {
            !taken[*line] && !passage.contains(line) && passage.iter().any(|own| follow(&lines[*own], &lines[*line]))
        };
        let with = |line: usize| -> Vec<f32> { together.iter().zip(&shown[line]).map(|(a, b)| a.max(*b)).collect() };
        let gain = |line: usize| worth(&with(line)) - worth(&together);
        let best = (0..lines.len()).filter(near).map(|line| (gain(line), line)).max_by(|a, b| a.0.total_cmp(&b.0));
        let Some((_, line)) = best.filter(|(gain, _)| *gain >= WORTH_A_LINE) else { break };
        together = with(line);
        passage.push(line);
    }
    (together, passage)
}

/// What each token counts, together 1: one that stands in many lines of the page tells little of where the answer is.
fn weights(shown: &[Vec<f32>], tokens: usize) -> Vec<f32> {
    let lines = shown.len().max(1) as f32;
    let rarity = |token: usize| {
        let best = shown.iter().map(|line| line[token]).fold(0.0, f32::max);
        let standing = shown.iter().filter(|line| line[token] >= STANDS * best.max(FAINTEST)).count().max(1) as f32;
        (1.0 + lines / standing).ln() / (1.0 + lines).ln()
    };
    let rarities: Vec<f32> = (0..tokens).map(rarity).collect();
    let sum = rarities.iter().sum::<f32>().max(f32::MIN_POSITIVE);
    rarities.into_iter().map(|rarity| rarity / sum).collect()
}

/// Whether two lines stand above each other in one passage.
fn follow(a: &Line, b: &Line) -> bool {
    let (upper, lower) = if a.rect.top <= b.rect.top { (a, b) } else { (b, a) };
    let (low, high) = (a.height().min(b.height()), a.height().max(b.height()));
    let shared = a.rect.right.min(b.rect.right) - a.rect.left.max(b.rect.left);
    lower.rect.top - upper.rect.bottom <= LEADING * low && shared > 0.3 * a.width().min(b.width()) && high <= 1.8 * low
}

/// One rectangle over the lines of a passage where it cuts no word beside them, else one a line, else one a word.
fn cover(passage: &[usize], lines: &[Line], boxes: &[Rect], score: f32) -> Vec<Region> {
    let Some(whole) = passage.iter().map(|line| lines[*line].rect).reduce(|a, b| union(&a, &b)) else { return vec![] };
    let whole = rounded(&whole);
    if is_closed(&whole, boxes) {
        return vec![Region::new(whole, score)];
    }
    let mut sorted = passage.to_vec();
    sorted.sort_unstable();
    let of_line = |line: &usize| {
        let words: Vec<Rect> = lines[*line].words.iter().map(|word| boxes[*word]).collect();
        joined(words, boxes).into_iter().map(move |rect| Region::new(rect, score)).collect::<Vec<_>>()
    };
    sorted.iter().flat_map(of_line).collect()
}

/// The words that are marked, `strengths` being one a box: neighbours on a line share a mark.
pub(super) fn marked(strengths: &[f32], boxes: &[Rect], lines: &[Line]) -> Vec<Region> {
    let mut marks = Vec::new();
    for line in lines {
        let strong = |word: &&usize| strengths[**word] >= FAINTEST;
        for run in line.words.chunk_by(|a, b| strong(&a) == strong(&b)) {
            if !run.first().is_some_and(|word| strong(&word)) {
                continue;
            }
            let score = run.iter().map(|word| strengths[*word]).fold(0.0, f32::max);
            let words = run.iter().map(|word| boxes[*word]).collect();
            marks.extend(joined(words, boxes).into_iter().map(|rect| Region::new(rect, score)));
        }
    }
    marks.sort_by(|a, b| b.score.total_cmp(&a.score));
    marks
}

/// Words of a line under as few marks as cut no word.
fn joined(words: Vec<Rect>, boxes: &[Rect]) -> Vec<Rect> {
    let mut marks: Vec<Rect> = Vec::new();
    for word in words {
        let grown = closed(&word, boxes);
        match marks.last_mut() {
            Some(last) if close(last, &grown) && is_closed(&union(last, &grown), boxes) => *last = union(last, &grown),
            _ => marks.push(grown),
        }
    }
    marks
}

/// Words with no more than a space between them.
fn close(a: &Rect, b: &Rect) -> bool {
    b.left - a.right <= 2.0 * (a.bottom - a.top).max(b.bottom - b.top)
}

/// Whether a set of marks leaves every word whole: each is covered by one of them or touched by none.
#[cfg(test)]
pub(super) fn leaves_words_whole(marks: &[Rect], boxes: &[Rect]) -> bool {
    boxes.iter().all(|word| {
        let covered = marks.iter().any(|mark| {
            let core = core(word);
            mark.left <= core.left && core.right <= mark.right && mark.top <= core.top && core.bottom <= mark.bottom
        });
        covered || !marks.iter().any(|mark| cuts(mark, word))
    })
}
