//! From patches to words: what a token's strong patches cover becomes strength of the words that lie under them.
//!
//! The grid of a model knows nothing of lines: a patch often lies on two of them. Of the patches above each other, each counts
//! as far as it covers the word; of those beside each other, the best.

use super::{Evidence, Place};
use crate::types::Rect;

/// Words that are lower than so much of a patch can't be what it shows, where the model looks in several sizes.
const LOWEST: f32 = 0.22;
/// Of a patch's width: words that are touched by less of it are not what it shows.
const TOUCHED: f32 = 0.25;
/// Bands of the page that patches are looked up in.
const BANDS: usize = 96;

/// `[tokens][boxes]`, each `0.0..=1.0`: how strongly each box shows each token.
pub(super) fn words(evidence: &Evidence, boxes: &[Rect]) -> Vec<Vec<f32>> {
    let bands = Bands::of(&evidence.places);
    let several = evidence.places.iter().any(|place| place.scale > 0);
    let mut scored = vec![vec![0f32; boxes.len()]; evidence.tokens.len()];
    let mut under: Vec<(usize, f32)> = Vec::new();
    for (at, word) in boxes.iter().enumerate() {
        bands.covering(word, &evidence.places, several, &mut under);
        // patches of one column together
        under.sort_unstable_by_key(|(place, _)| evidence.places[*place].column);
        for column in under.chunk_by(|a, b| evidence.places[a.0].column == evidence.places[b.0].column) {
            let covered: f32 = column.iter().map(|(_, shared)| shared).sum();
            for (token, scored) in evidence.tokens.iter().zip(&mut scored) {
                let shown: f32 = column.iter().map(|&(place, shared)| token.strengths[place] * shared).sum();
                scored[at] = scored[at].max(shown / covered);
            }
        }
    }
    scored
}

/// Patches by the bands of the page that they reach into.
struct Bands(Vec<Vec<usize>>);

impl Bands {
    fn of(places: &[Place]) -> Self {
        let mut bands = vec![Vec::new(); BANDS];
        for (at, place) in places.iter().enumerate() {
            bands[range(&place.rect)].iter_mut().for_each(|band| band.push(at));
        }
        Self(bands)
    }

    /// The patches that lie over a word, each with how much of the word's height it covers.
    fn covering(&self, word: &Rect, places: &[Place], several: bool, into: &mut Vec<(usize, f32)>) {
        into.clear();
        for band in &self.0[range(word)] {
            for &at in band {
                let rect = places[at].rect;
                let across = word.right.min(rect.right) - word.left.max(rect.left);
                let along = word.bottom.min(rect.bottom) - word.top.max(rect.top);
                let width = (rect.right - rect.left).min(word.right - word.left);
                let too_low = several && word.bottom - word.top < LOWEST * (rect.bottom - rect.top);
                if along > 0.0 && across > TOUCHED * width && !too_low {
                    into.push((at, along));
                }
            }
        }
        into.sort_unstable_by_key(|(place, _)| *place);
        into.dedup_by_key(|(place, _)| *place);
    }
}

fn range(rect: &Rect) -> std::ops::RangeInclusive<usize> {
    let band = |side: f32| ((side.clamp(0.0, 1.0) * BANDS as f32) as usize).min(BANDS - 1);
    band(rect.top)..=band(rect.bottom)
}
