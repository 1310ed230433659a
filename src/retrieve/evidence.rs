//! Where on a page a question is answered: one similarity a stored patch and question token, laid back onto the page.

use image::RgbImage;

use crate::error::{Error, Result};
use crate::store::StoredPoint;
use crate::types::{NamedVector, QuestionEmbedding, Rect, VectorName};

/// Colour of the marker laid over a page: the ink below stays readable because the colour is multiplied in.
const MARKER: [f32; 3] = [1.0, 0.86, 0.28];

/// A place that is marked more faintly than this is not marked.
const FAINTEST: f32 = 0.15;

/// Similarity of a question to the places of one page.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// The places: where each stored patch lies on the page. Tokens that are no part of the image have none.
    pub rects: Vec<Rect>,
    /// What each map stands for.
    pub labels: Vec<String>,
    /// `[labels, rects]`: cosine of the token and the patch.
    pub maps: Vec<Vec<f32>>,
}

/// Cosines of the question's own tokens with every stored patch of a page. The model's prompt and augmentation tokens get
/// no map: they resemble something on every page, and nobody asked for them.
///
/// # Errors
/// Permanent, if the point carries no patches or its layout does not fit them.
pub fn similarity_map(point: &StoredPoint, question: &QuestionEmbedding) -> Result<Evidence> {
    let layout = point.payload.layout()?;
    let Some(NamedVector::Multi(patches)) = point.vectors.get(&VectorName::Patches) else {
        return Err(Error::permanent(format!("page {} has no stored patches to show", point.payload.page)));
    };
    if patches.len() != layout.len() || patches.dim() != question.tokens.dim() {
        return Err(Error::permanent(format!(
            "page {} stores {} patches of {} dimensions: {} of {} expected",
            point.payload.page,
            patches.len(),
            patches.dim(),
            layout.len(),
            question.tokens.dim()
        )));
    }
    let (rects, patches): (Vec<Rect>, Vec<&[f32]>) =
        layout.rects().zip(patches.rows()).filter_map(|(rect, patch)| Some((rect?, patch))).unzip();
    let own = |row: &usize| question.from_text.get(*row).copied().unwrap_or(true);
    let shown: Vec<usize> = (0..question.tokens.len()).filter(own).collect();
    let cosine = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum();
    let map = |&row: &usize| patches.iter().map(|patch| cosine(question.tokens.row(row), patch)).collect();
    let maps = shown.iter().map(map).collect();
    let labels = shown.iter().filter_map(|&row| question.labels.get(row).cloned()).collect();
    Ok(Evidence { rects, labels, maps })
}

impl Evidence {
    /// How strongly each place answers the question, `[rects]`, `0.0..=1.0`: the largest over the tokens of its standing
    /// between the token's ordinary similarity on this page and its best one. A token that nothing on the page resembles
    /// marks nothing.
    pub fn strength(&self) -> Vec<f32> {
        let mut strength = vec![0f32; self.rects.len()];
        for map in &self.maps {
            let best = map.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let mean = map.iter().sum::<f32>() / map.len().max(1) as f32;
            if !best.is_finite() || best < 0.35 || best - mean < 1e-3 {
                continue;
            }
            for (into, value) in strength.iter_mut().zip(map) {
                let standing = (value - mean) / (best - mean);
                // The upper part of the range counts: below lies what any page would show.
                *into = into.max(((standing - 0.6) / 0.4).clamp(0.0, 1.0) * (best / 0.7).min(1.0));
            }
        }
        strength
    }

    /// Lays the strengths over a page image like a text marker. `image` covers the whole page. Where places overlap, as
    /// those of several scales do, the strongest counts.
    pub fn highlight(&self, image: &mut RgbImage) {
        let (width, height) = image.dimensions();
        let mut strengths = vec![0f32; width as usize * height as usize];
        let marked = self.rects.iter().zip(self.strength()).filter(|(_, strength)| *strength >= FAINTEST);
        for (rect, strength) in marked {
            let columns = pixels(rect.left, rect.right, width);
            for y in pixels(rect.top, rect.bottom, height) {
                let line = &mut strengths[y * width as usize..][..width as usize];
                line[columns.clone()].iter_mut().for_each(|marked| *marked = marked.max(strength));
            }
        }
        for (pixel, strength) in image.pixels_mut().zip(strengths).filter(|(_, strength)| *strength > 0.0) {
            for (channel, marker) in pixel.0.iter_mut().zip(MARKER) {
                *channel = (f32::from(*channel) * (1.0 - strength * (1.0 - marker))) as u8;
            }
        }
    }
}

/// The pixels of one direction that a rectangle touches; its sides in fractions of `length`.
fn pixels(from: f32, to: f32, length: u32) -> std::ops::Range<usize> {
    let end = ((to * length as f32).ceil() as usize).min(length as usize);
    ((from * length as f32) as usize).min(end)..end
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fixtures::Page;
    use crate::types::{Grid, Multivector, Scale, TokenLayout};

    fn quarter(number: usize) -> Rect {
        let (left, top) = ((number % 2) as f32 / 2.0, (number / 2) as f32 / 2.0);
        Rect { left, top, right: left + 0.5, bottom: top + 0.5 }
    }

    fn evidence(maps: Vec<Vec<f32>>) -> Evidence {
        Evidence { rects: (0..3).map(quarter).collect(), labels: vec!["w".into(); maps.len()], maps }
    }

    #[test]
    fn only_what_stands_out_is_marked() {
        let strength = evidence(vec![vec![0.9, 0.1, 0.05]]).strength();
        assert!((strength[0] - 1.0).abs() < 1e-5);
        assert_eq!(&strength[1..], [0.0, 0.0]);
        assert_eq!(evidence(vec![vec![0.2, 0.1, 0.1]]).strength(), [0.0; 3]);
        assert_eq!(Evidence { rects: vec![], labels: vec!["w".into()], maps: vec![vec![]] }.strength(), [0.0; 0]);
    }

    #[test]
    fn a_map_has_a_place_for_each_patch_of_the_image_at_every_scale() {
        let whole = Rect { left: 0.0, top: 0.0, right: 1.0, bottom: 1.0 };
        let fine = Scale { grid: Grid { rows: 2, cols: 2 }, extent: whole };
        let coarse = Scale { grid: Grid { rows: 1, cols: 1 }, extent: whole };
        let layout = TokenLayout::new(vec![fine, coarse], vec![Some(3), None, Some(4)]).unwrap();
        let mut payload = Page::new(1, 1).payload();
        payload.layout = (&layout).into();
        let patches = Multivector::new(2, vec![1.0, 0.0, 0.6, 0.8, 0.0, 1.0]).unwrap();
        let vectors = [(VectorName::Patches, NamedVector::Multi(patches))].into();
        let point = StoredPoint { id: Page::new(1, 1).id(), payload, vectors };
        let question = QuestionEmbedding {
            tokens: Multivector::new(2, vec![1.0, 0.0, 0.0, 1.0]).unwrap(),
            labels: vec!["pump".into(), "<pad>".into()],
            from_text: vec![true, false],
        };
        let evidence = similarity_map(&point, &question).unwrap();
        assert_eq!(evidence.rects, [quarter(3), whole]);
        assert_eq!((evidence.labels, evidence.maps), (vec!["pump".to_owned()], vec![vec![1.0, 0.0]]));

        let fewer = Multivector::new(2, vec![1.0, 0.0]).unwrap();
        let vectors = [(VectorName::Patches, NamedVector::Multi(fewer))].into();
        let error = similarity_map(&StoredPoint { vectors, ..point }, &question).unwrap_err();
        assert!(error.message().contains("stores 1 patches") && error.message().contains("3 of 2 expected"), "{error}");
    }

    #[test]
    fn overlapping_places_are_marked_once() {
        let white = || RgbImage::from_pixel(4, 4, image::Rgb([200; 3]));
        let mut once = white();
        evidence(vec![vec![0.9, 0.1, 0.05]]).highlight(&mut once);
        let marked = [0, 1, 2].map(|channel| (200.0 * MARKER[channel]) as u8);
        for (x, y, pixel) in once.enumerate_pixels() {
            assert_eq!(pixel.0, if x < 2 && y < 2 { marked } else { [200; 3] }, "{x}, {y}");
        }
        let mut twice = white();
        let mut overlapping = evidence(vec![vec![0.9, 0.9, 0.05, 0.05, 0.05]]);
        overlapping.rects = [0, 0, 1, 2, 3].map(quarter).into();
        overlapping.highlight(&mut twice);
        assert_eq!(once, twice);
    }
}
