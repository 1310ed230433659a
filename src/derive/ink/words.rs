//! Letters become words: what stands close together on one line, with its dots and accents.

use std::ops::Range;

use super::components::{Component, united};

/// Letters that are no farther apart than so much of their height belong to one word: spaces are wider.
const GAP: f32 = 0.17;
/// How much of the lower one's height two letters of one line share.
const ONE_LINE: f32 = 0.5;
/// A dot or accent is lower than so much of its letter, and no farther from it than so much of the letter's height.
const DOT: f32 = 0.6;
const DOT_GAP: f32 = 0.4;
/// Of the page's longer side: what stands alone and is smaller is dirt.
const SPECK: f32 = 0.0035;
/// Lines of pixels that are looked through together.
const BAND: u32 = 16;

/// The words that letters make, from top to bottom. `side`: the longer one of the page, in pixels.
pub(super) fn join(letters: Vec<Component>, side: usize) -> Vec<Component> {
    let dotted = united(&letters, neighbours(&letters, above));
    let mut words = united(&dotted, neighbours(&dotted, beside));
    let speck = (SPECK * side as f32) as u32;
    words.retain(|word| word.height() >= 3 && word.width().max(word.height()) > speck);
    words
}

/// Whether two letters stand in one word of a line.
fn beside(a: &Component, b: &Component) -> bool {
    let shared = overlap(a.top..a.bottom, b.top..b.bottom);
    let (low, high) = (a.height().min(b.height()) as f32, a.height().max(b.height()) as f32);
    let gap = distance(a.left..a.right, b.left..b.right);
    // Another size is another word; a full stop is not.
    let one_size = low > 0.1 * high;
    shared as f32 >= ONE_LINE * low && gap as f32 <= (GAP * high).max(1.0) && one_size
}

/// Whether one is the dot or accent of the other.
fn above(a: &Component, b: &Component) -> bool {
    let (dot, letter) = if a.height() < b.height() { (a, b) } else { (b, a) };
    let shared = overlap(a.left..a.right, b.left..b.right);
    let gap = distance(a.top..a.bottom, b.top..b.bottom);
    dot.height() as f32 <= DOT * letter.height() as f32
        && dot.width() as f32 <= 1.5 * letter.height() as f32
        && shared as f32 >= 0.5 * dot.width().min(letter.width()) as f32
        && gap as f32 <= DOT_GAP * letter.height() as f32
}

fn overlap(a: Range<u32>, b: Range<u32>) -> u32 {
    a.end.min(b.end).saturating_sub(a.start.max(b.start))
}

fn distance(a: Range<u32>, b: Range<u32>) -> u32 {
    a.start.max(b.start).saturating_sub(a.end.min(b.end))
}

/// Pairs for which `joined` holds, among those that lie near each other.
fn neighbours(letters: &[Component], joined: impl Fn(&Component, &Component) -> bool) -> Vec<(usize, usize)> {
    let highest = letters.iter().map(Component::height).max().unwrap_or(0);
    let lowest = letters.iter().map(|letter| letter.bottom).max().unwrap_or(0);
    let mut bands: Vec<Vec<usize>> = vec![Vec::new(); (lowest / BAND) as usize + 1];
    let mut order: Vec<usize> = (0..letters.len()).collect();
    order.sort_by_key(|index| letters[*index].left);
    let mut pairs = Vec::new();
    for index in order {
        let letter = &letters[index];
        let reach = (GAP * highest as f32) as u32 + 1;
        // dots lie above and below
        let near = (DOT_GAP * letter.height() as f32) as u32 + BAND;
        let first = letter.top.saturating_sub(near) / BAND;
        let last = ((letter.bottom + near) / BAND).min(bands.len() as u32 - 1);
        for band in first..=last {
            let band = &mut bands[band as usize];
            // those that end far to the left meet nobody who is still to come
            band.retain(|other| letters[*other].right + reach >= letter.left);
            pairs.extend(band.iter().filter(|other| joined(&letters[**other], letter)).map(|other| (*other, index)));
        }
        for band in letter.top / BAND..=(letter.bottom - 1) / BAND {
            bands[band as usize].push(index);
        }
    }
    pairs
}
