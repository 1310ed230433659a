//! Pillow's `Image.resize` on 8-bit pixels, bit for bit: the models were trained on its output, and an approximate
//! resize moves embeddings. Source of the arithmetic: Pillow, `src/libImaging/Resample.c`.
//!
//! Two separable passes; weights are integers of 22 fraction bits, and the image between the passes is rounded to `u8`,
//! so neither order nor precision may change. A pass is skipped if its axis keeps its size. Pillow 13 goes
//! horizontally first unless the height shrinks by more than twice what the width does (found by comparing 8,000 sizes;
//! earlier releases always went horizontally first).

#[cfg(target_arch = "x86_64")]
mod avx2;
mod passes;
mod pixels;
mod plain;
mod planes;
mod weights;

pub use pixels::Pixels;
pub use planes::to_planes;
pub use weights::Filter;

use crate::error::{Error, Result};
use weights::AxisWeights;

/// Resizes to `[height, width, channels]`; the aspect ratio is the caller's business.
///
/// # Errors
/// Permanent, if a side is 0; a bug, if `data` does not have the size that the sides say, or `channels` is not 1
/// or 3.
pub fn resize(image: Pixels<'_>, width: usize, height: usize, filter: Filter) -> Result<Vec<u8>> {
    if image.width == 0 || image.height == 0 || width == 0 || height == 0 {
        return Err(Error::permanent(format!(
            "cannot resize a {}x{} image to {width}x{height}: no side may be 0",
            image.width, image.height
        )));
    }
    let expected = image.width * image.height * image.channels;
    if !matches!(image.channels, 1 | 3) || image.data.len() != expected {
        return Err(Error::bug(format!(
            "{} bytes are not a {}x{} image of {} channels (1 or 3 are known)",
            image.data.len(),
            image.width,
            image.height,
            image.channels
        )));
    }
    let row = |width: usize| width * image.channels;
    let down = |data: &[u8], width: usize| {
        let weights = AxisWeights::new(image.height, height, filter);
        passes::vertical(data, row(width), &weights)
    };
    let across = |data: &[u8], height: usize| {
        let weights = AxisWeights::new(image.width, width, filter);
        passes::horizontal(Pixels { height, data, ..image }, &weights)
    };
    Ok(match (width != image.width, height != image.height) {
        (false, false) => image.data.to_vec(),
        (true, false) => across(image.data, height),
        (false, true) => down(image.data, width),
        (true, true) if vertical_first(image, width, height) => across(&down(image.data, image.width), height),
        (true, true) => down(&across(image.data, image.height), width),
    })
}

/// Pillow 13's choice.
fn vertical_first(image: Pixels<'_>, width: usize, height: usize) -> bool {
    let lost = |from: usize, to: usize| from as i64 - to as i64;
    height < image.height && lost(image.height, height) > 2 * lost(image.width, width)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// One case of tests/fixtures/resize/cases.json, written by the make.py beside it with Pillow itself.
    #[derive(serde::Deserialize)]
    struct Case {
        kind: String,
        seed: u64,
        channels: usize,
        from: [usize; 2],
        to: [usize; 2],
        filter: String,
        sha256: String,
        head: Vec<u8>,
    }

    /// The same stream as `pixels` in make.py: a 64-bit linear congruential generator, its top byte each.
    fn noise(seed: u64, bytes: usize) -> Vec<u8> {
        let mut state = seed;
        (0..bytes)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            })
            .collect()
    }

    /// Like a page: white, with black strokes every few pixels; made the same way in make.py.
    fn strokes(width: usize, height: usize, channels: usize) -> Vec<u8> {
        let mut data = Vec::with_capacity(width * height * channels);
        for y in 0..height {
            for x in 0..width {
                for c in 0..channels {
                    let ink = (x * 7 + y * 3 + c) % 29 < 4 || (x + y * 5) % 31 < 3;
                    data.push(if ink { (c * 40) as u8 } else { 255 });
                }
            }
        }
        data
    }

    #[test]
    fn lines_that_repeat_give_what_they_would_alone() {
        for channels in [1, 3] {
            let (width, height, row) = (61, 75, 61 * channels);
            let mut data = strokes(width, height, channels);
            // Paper from line 8 on, one mark in it, and again paper to the end.
            data[8 * row..].fill(255);
            data[41 * row + 7] = 0;
            let image = Pixels { width, height, channels, data: &data };
            let axis = AxisWeights::new(width, 40, Filter::Bicubic);
            assert_eq!(passes::horizontal(image, &axis), plain::horizontal(image, &axis));
        }
    }

    #[test]
    fn every_case_equals_pillow() {
        use sha2::Digest as _;
        let cases: Vec<Case> = serde_json::from_str(include_str!("../../../tests/fixtures/resize/cases.json")).unwrap();
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for case in &cases {
            let [width, height] = case.from;
            let data = match case.kind.as_str() {
                "noise" => noise(case.seed, width * height * case.channels),
                "strokes" => strokes(width, height, case.channels),
                other => panic!("unknown kind of image {other}"),
            };
            let filter = match case.filter.as_str() {
                "box" => Filter::Box,
                "bilinear" => Filter::Bilinear,
                "bicubic" => Filter::Bicubic,
                "lanczos" => Filter::Lanczos,
                other => panic!("unknown filter {other}"),
            };
            let image = Pixels { width, height, channels: case.channels, data: &data };
            let made = resize(image, case.to[0], case.to[1], filter).unwrap();
            let name = format!("{} {:?} -> {:?} x{} {}", case.kind, case.from, case.to, case.channels, case.filter);
            assert_eq!(made[..case.head.len()], case.head[..], "{name}");
            assert_eq!(hex::encode(sha2::Sha256::digest(&made)), case.sha256, "{name}");
            *seen.entry(case.filter.clone()).or_default() += 1;
        }
        assert_eq!(seen.len(), 4, "every filter has cases");
    }

    #[test]
    fn the_vector_code_and_the_plain_code_agree() {
        for (channels, from, to) in [(3, (301, 97), (64, 33)), (1, (640, 50), (333, 50)), (1, (40, 9), (95, 31))] {
            let data = noise(11, from.0 * from.1 * channels);
            let image = Pixels { width: from.0, height: from.1, channels, data: &data };
            let weights = AxisWeights::new(from.0, to.0, Filter::Bicubic);
            assert_eq!(passes::horizontal(image, &weights), plain::horizontal(image, &weights));
            let weights = AxisWeights::new(from.1, to.1, Filter::Bicubic);
            let row = from.0 * channels;
            assert_eq!(passes::vertical(&data, row, &weights), plain::vertical(&data, row, &weights));
        }
    }

    #[test]
    fn a_size_that_stays_is_left_alone() {
        let data = noise(5, 12 * 7 * 3);
        let image = Pixels { width: 12, height: 7, channels: 3, data: &data };
        assert_eq!(resize(image, 12, 7, Filter::Lanczos).unwrap(), data);
    }

    #[test]
    fn an_empty_side_is_refused() {
        let image = Pixels { width: 0, height: 7, channels: 3, data: &[] };
        assert!(resize(image, 12, 7, Filter::Bicubic).unwrap_err().to_string().contains("0x7"));
    }
}
