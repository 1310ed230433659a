//! The heat of a page as a picture to lay over it: amber, the more opaque the hotter, without the model's squares to be seen.

use image::{Rgba, RgbaImage};

use super::{Evidence, Place};

/// Longest side in pixels: the picture is soft, and whoever shows it scales it up.
pub const LONGEST_SIDE: u32 = 1_024;
const AMBER: [u8; 3] = [255, 176, 0];
/// Opacity of the hottest place: what stands below is still read.
const MOST_OPAQUE: f32 = 0.62;
/// A single hot cell keeps 4/9 of its heat when it is smoothed; so much brings it back.
const GAIN: f32 = 9.0 / 4.0;

/// The heat of all tokens together, or of one (a position among those that have a map), on a picture of the page's shape.
/// `page`: width and height in any unit.
pub(super) fn overlay(evidence: &Evidence, token: Option<usize>, page: [f32; 2]) -> RgbaImage {
    let (width, height) = size(page);
    let strengths = match token {
        Some(token) => evidence.tokens[token].strengths.clone(),
        None => evidence.together(),
    };
    let mut heat = vec![0f32; width as usize * height as usize];
    let scales = evidence.places.iter().map(|place| place.scale + 1).max().unwrap_or(0);
    for scale in 0..scales {
        let places = evidence.places.iter().zip(&strengths);
        let hot: Vec<(&Place, f32)> = places
            .filter(|(place, heat)| place.scale == scale && **heat > 0.01)
            .map(|(place, heat)| (place, *heat))
            .collect();
        if hot.is_empty() {
            continue;
        }
        let mut layer = vec![0f32; heat.len()];
        hot.iter().for_each(|(place, heat)| spread(place, *heat, &mut layer, width, height));
        heat.iter_mut().zip(layer).for_each(|(heat, layer)| *heat = heat.max((layer * GAIN).min(1.0)));
    }
    let mut picture = RgbaImage::new(width, height);
    for (pixel, heat) in picture.pixels_mut().zip(heat) {
        let [r, g, b] = AMBER;
        *pixel = Rgba([r, g, b, (heat * MOST_OPAQUE * 255.0).round() as u8]);
    }
    picture
}

/// Quadratic B-splines: those of neighbouring cells add up to their heat.
fn spread(place: &Place, heat: f32, layer: &mut [f32], width: u32, height: u32) {
    let rect = &place.rect;
    let span = |from: f32, to: f32, length: u32| {
        let (from, to) = (from * length as f32, to * length as f32);
        ((from + to) / 2.0, (to - from).max(1.0))
    };
    let (x, wide) = span(rect.left, rect.right, width);
    let (y, high) = span(rect.top, rect.bottom, height);
    let reach = |middle: f32, side: f32, length: u32| {
        let from = (middle - 1.5 * side).max(0.0) as u32;
        from..((middle + 1.5 * side).ceil().max(0.0) as u32).min(length)
    };
    for row in reach(y, high, height) {
        let down = spline((row as f32 + 0.5 - y) / high);
        let line = &mut layer[row as usize * width as usize..][..width as usize];
        for column in reach(x, wide, width) {
            line[column as usize] += heat * down * spline((column as f32 + 0.5 - x) / wide);
        }
    }
}

/// The quadratic B-spline, `distance` in cells.
fn spline(distance: f32) -> f32 {
    match distance.abs() {
        near if near <= 0.5 => 0.75 - near * near,
        far if far < 1.5 => 0.5 * (1.5 - far).powi(2),
        _ => 0.0,
    }
}

/// A size of the page's shape.
fn size([width, height]: [f32; 2]) -> (u32, u32) {
    let usable = |side: f32| if side.is_finite() && side > 0.0 { side } else { 1.0 };
    let (width, height) = (usable(width), usable(height));
    let scale = LONGEST_SIDE as f32 / width.max(height);
    let side = |side: f32| ((side * scale).round() as u32).clamp(1, LONGEST_SIDE);
    (side(width), side(height))
}
