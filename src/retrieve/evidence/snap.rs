//! From patches to words: what a token's strong patches cover becomes strength of the words that lie under them.
//!
//! The grid of a model knows nothing of lines: a patch often lies on two of them. Of the patches above each other, each counts
//! as far as it covers the word; of those beside each other, the best.

use super::{Evidence, Place, TokenMap};
use crate::types::Rect;

/// Words that are lower than so much of a patch can't be what it shows, where the model looks in several sizes.
const LOWEST: f32 = 0.22;
/// Of a patch's width: words that are touched by less of it are not what it shows.
const TOUCHED: f32 = 0.25;
/// Bands of the page that patches are looked up in.
const BANDS: usize = 96;

/// A patch that lies on two words is the stronger one's: another keeps it if it is at least so strong beside it.
const RIVAL: f32 = 0.75;

/// `[tokens][boxes]`, each `0.0..=1.0`: how strongly each box shows each token.
pub(super) fn words(evidence: &Evidence, boxes: &[Rect]) -> Vec<Vec<f32>> {
    let places = &evidence.places;
    let bands = Bands::of(places);
    let several = places.iter().any(|place| place.scale > 0);
    let under: Vec<Vec<(usize, f32)>> = boxes.iter().map(|word| bands.covering(word, places, several)).collect();
    let of_token = |token: &TokenMap| {
        let whole: Vec<f32> = under.iter().map(|under| score(under, places, |place| token.strengths[place])).collect();
        let mut owners = vec![0f32; places.len()];
        for (under, score) in under.iter().zip(&whole) {
            under.iter().for_each(|&(place, _)| owners[place] = owners[place].max(*score));
        }
        let own = |(under, whole): (&Vec<(usize, f32)>, &f32)| {
            score(under, places, |place| if *whole >= RIVAL * owners[place] { token.strengths[place] } else { 0.0 })
        };
        under.iter().zip(&whole).map(own).collect()
    };
    evidence.tokens.iter().map(of_token).collect()
}

/// Of the patches over a word, those of one column by how much of it they cover; of the columns the best.
fn score(under: &[(usize, f32)], places: &[Place], strength: impl Fn(usize) -> f32) -> f32 {
    let column = |column: &[(usize, f32)]| {
        let covered: f32 = column.iter().map(|(_, shared)| shared).sum();
        column.iter().map(|&(place, shared)| strength(place) * shared).sum::<f32>() / covered
    };
    under.chunk_by(|a, b| places[a.0].column == places[b.0].column).map(column).fold(0.0, f32::max)
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

    /// The patches that lie over a word, column by column, each with how much of the word's height it covers.
    fn covering(&self, word: &Rect, places: &[Place], several: bool) -> Vec<(usize, f32)> {
        let mut over = Vec::new();
        for band in &self.0[range(word)] {
            for &at in band {
                let rect = places[at].rect;
                let across = word.right.min(rect.right) - word.left.max(rect.left);
                let along = word.bottom.min(rect.bottom) - word.top.max(rect.top);
                let width = (rect.right - rect.left).min(word.right - word.left);
                let too_low = several && word.bottom - word.top < LOWEST * (rect.bottom - rect.top);
                if along > 0.0 && across > TOUCHED * width && !too_low {
                    over.push((at, along));
                }
            }
        }
        over.sort_unstable_by_key(|(place, _)| (places[*place].column, *place));
        over.dedup_by_key(|(place, _)| *place);
        over
    }
}

fn range(rect: &Rect) -> std::ops::RangeInclusive<usize> {
    let band = |side: f32| ((side.clamp(0.0, 1.0) * BANDS as f32) as usize).min(BANDS - 1);
    band(rect.top)..=band(rect.bottom)
}
