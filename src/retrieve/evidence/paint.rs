//! Marks on a page image, like those of a text marker. On light ground the colour is multiplied in, so that dark letters stay
//! dark; on dark ground it is added, so that light letters stay light. Letters are read as well as before.

use image::RgbImage;

use super::Region;
use crate::types::Rect;

/// On light ground: what is left of red, green and blue.
const ON_LIGHT: [f32; 3] = [1.0, 0.80, 0.22];
/// On dark ground: what is added of the light that is missing.
const ON_DARK: [f32; 3] = [0.48, 0.31, 0.02];
/// Round words, where colour alone would not be seen: on coloured ground.
const EDGE_ON_LIGHT: [u8; 3] = [196, 122, 0];
const EDGE_ON_DARK: [u8; 3] = [255, 190, 60];
/// Ground darker than this is dark.
const DARK_BELOW: u8 = 118;
/// How strongly a region is coloured beside its words.
const REGION: f32 = 0.28;
/// The faintest word; the strongest has all of the colour.
const FAINT_WORD: f32 = 0.55;
/// Pixels of the longer side for one pixel of edge.
const EDGE_PER: u32 = 1_100;

/// What is marked on a page.
#[derive(Debug, Clone, PartialEq)]
pub struct Marks {
    /// Coloured faintly.
    pub regions: Vec<Region>,
    /// Coloured strongly, with an edge.
    pub words: Vec<Region>,
}

/// Lays the marks over a page image, which covers the whole page. Where marks overlap, the strongest counts.
pub fn highlight(marks: &Marks, image: &mut RgbImage) {
    let (width, height) = image.dimensions();
    let mut paint = Paint::new(image);
    for region in &marks.regions {
        paint.fill(&region.rect(), REGION * region.score.max(0.5));
    }
    for word in &marks.words {
        paint.fill(&word.rect(), FAINT_WORD + (1.0 - FAINT_WORD) * word.score);
    }
    let Paint { strengths, dark, .. } = paint;
    for (pixel, (strength, dark)) in image.pixels_mut().zip(strengths.iter().zip(&dark)).filter(|(_, (s, _))| **s > 0.0)
    {
        for (channel, value) in pixel.0.iter_mut().enumerate() {
            let light = f32::from(*value);
            *value = match dark {
                false => light * (1.0 - strength * (1.0 - ON_LIGHT[channel])),
                true => 255.0 - (255.0 - light) * (1.0 - strength * ON_DARK[channel]),
            } as u8;
        }
    }
    let thick = (width.max(height) / EDGE_PER).max(1);
    for word in &marks.words {
        edge(image, &word.rect(), thick, &strengths, &dark);
    }
}

/// What is laid over each pixel.
struct Paint<'a> {
    image: &'a RgbImage,
    /// `[height, width]`, 0 for none.
    strengths: Vec<f32>,
    /// Whether the ground is dark there.
    dark: Vec<bool>,
}

impl<'a> Paint<'a> {
    fn new(image: &'a RgbImage) -> Self {
        let pixels = image.width() as usize * image.height() as usize;
        Self { image, strengths: vec![0.0; pixels], dark: vec![false; pixels] }
    }

    fn fill(&mut self, rect: &Rect, strength: f32) {
        let (width, height) = self.image.dimensions();
        let (columns, rows) = (pixels(rect.left, rect.right, width), pixels(rect.top, rect.bottom, height));
        let dark = ground(self.image, columns.clone(), rows.clone()) < DARK_BELOW;
        for y in rows {
            let at = y as usize * width as usize;
            for pixel in at + columns.start as usize..at + columns.end as usize {
                if self.strengths[pixel] < strength {
                    self.strengths[pixel] = strength;
                    self.dark[pixel] = dark;
                }
            }
        }
    }
}

/// Brightness of what letters stand on: there is more of it than of letters, so it is the middle one of all pixels.
fn ground(image: &RgbImage, columns: std::ops::Range<u32>, rows: std::ops::Range<u32>) -> u8 {
    let mut histogram = [0u32; 256];
    let mut count = 0;
    for y in rows {
        for x in columns.clone() {
            let [r, g, b] = image.get_pixel(x, y).0.map(u32::from);
            histogram[((r * 77 + g * 150 + b * 29) >> 8) as usize] += 1;
            count += 1;
        }
    }
    let mut passed = 0;
    let middle = histogram.iter().position(|pixels| {
        passed += pixels;
        passed * 2 >= count
    });
    middle.unwrap_or(255) as u8
}

/// A line round a mark, outside of it, where no other mark is.
fn edge(image: &mut RgbImage, rect: &Rect, thick: u32, strengths: &[f32], dark: &[bool]) {
    let (width, height) = image.dimensions();
    let (columns, rows) = (pixels(rect.left, rect.right, width), pixels(rect.top, rect.bottom, height));
    if columns.is_empty() || rows.is_empty() {
        return;
    }
    let at = |x: u32, y: u32| y as usize * width as usize + x as usize;
    let colour = if dark[at(columns.start, rows.start)] { EDGE_ON_DARK } else { EDGE_ON_LIGHT };
    let (left, right) = (columns.start.saturating_sub(thick), (columns.end + thick).min(width));
    let (top, bottom) = (rows.start.saturating_sub(thick), (rows.end + thick).min(height));
    for y in top..bottom {
        for x in left..right {
            let inside = columns.contains(&x) && rows.contains(&y);
            if !inside && strengths[at(x, y)] < FAINT_WORD {
                image.put_pixel(x, y, image::Rgb(colour));
            }
        }
    }
}

/// The pixels of one direction that a rectangle touches; its sides in fractions of `length`.
fn pixels(from: f32, to: f32, length: u32) -> std::ops::Range<u32> {
    let end = ((to * length as f32).ceil().max(0.0) as u32).min(length);
    ((from * length as f32).max(0.0) as u32).min(end)..end
}
