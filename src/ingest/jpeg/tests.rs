//! Images come back as they were, by another decoder.

use super::*;

fn decoded(bytes: &[u8]) -> image::RgbImage {
    image::load_from_memory_with_format(bytes, image::ImageFormat::Jpeg).unwrap().to_rgb8()
}

/// White with dark strokes, some of them coloured, and a soft gradient at the right.
fn page(width: usize, height: usize) -> Vec<u8> {
    let mut rgb = vec![255; width * height * 3];
    for (at, pixel) in rgb.chunks_exact_mut(3).enumerate() {
        let (x, y) = (at % width, at / width);
        if y % 24 < 10 && (x * 7 + y * 3) % 29 < 8 && x < width * 3 / 4 {
            pixel.copy_from_slice(if y % 48 < 24 { &[20, 20, 20] } else { &[30, 60, 180] });
        } else if x >= width * 3 / 4 {
            pixel.copy_from_slice(&[(x % 256) as u8, (y % 256) as u8, 90]);
        }
    }
    rgb
}

/// Peak signal to noise ratio in dB.
fn likeness(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    let squares = a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum::<f64>();
    10.0 * (255.0 * 255.0 / (squares / a.len() as f64).max(1e-9)).log10()
}

#[test]
fn a_page_comes_back_as_it_was() {
    for (width, height) in [(160, 128), (161, 135), (17, 300), (1, 1), (3, 40)] {
        let rgb = page(width, height);
        let made = decoded(&encode(&rgb, width as u16, height as u16, 95));
        assert_eq!((made.width(), made.height()), (width as u32, height as u32));
        let found = likeness(&rgb, made.as_raw());
        assert!(found > 24.0, "{width}x{height}: {found} dB");
    }
}

#[test]
fn greys_survive_better_than_colours() {
    let rgb: Vec<u8> = page(200, 200).chunks_exact(3).flat_map(|pixel| [pixel[0]; 3]).collect();
    let made = decoded(&encode(&rgb, 200, 200, 85));
    let found = likeness(&rgb, made.as_raw());
    assert!(found > 35.0, "{found} dB");
}

#[test]
fn noise_of_the_highest_quality_has_codes_for_everything() {
    let mut state = 1u64;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        if state >> 63 == 0 { 0 } else { 255u8 }
    };
    let rgb: Vec<u8> = (0..64 * 64).flat_map(|_| [noise(); 3]).collect();
    let made = decoded(&encode(&rgb, 64, 64, 100));
    let found = likeness(&rgb, made.as_raw());
    assert!(found > 40.0, "{found} dB");
}

#[test]
fn plain_paper_takes_next_to_nothing() {
    let bytes = encode(&vec![255; 1240 * 1754 * 3], 1240, 1754, 85);
    assert!(bytes.len() < 40_000, "{} bytes", bytes.len());
    assert!(decoded(&bytes).as_raw().iter().all(|&value| value == 255));
}

#[test]
fn lower_quality_is_smaller() {
    let rgb = page(320, 320);
    let sizes: Vec<usize> = [1, 30, 60, 90].map(|quality| encode(&rgb, 320, 320, quality).len()).into();
    assert!(sizes.is_sorted(), "{sizes:?}");
}
