//! Page images as they are stored and shown: baseline JPEG, colour at half resolution.

use bytes::Bytes;
use jpeg_encoder::{ChromaSubsamplingMethod, ColorType, Encoder, SamplingFactor};

use crate::error::{Error, Result};
use crate::types::PageImage;

/// `quality`: 1 to 100, as the encoder of the Independent JPEG Group means it.
///
/// # Errors
/// Permanent, if a side is longer than JPEG allows.
pub fn encode(image: &PageImage, quality: u8) -> Result<Bytes> {
    let (Ok(width), Ok(height)) = (u16::try_from(image.width), u16::try_from(image.height)) else {
        return Err(Error::permanent(format!(
            "a page image of {}x{} pixels is larger than JPEG allows ({}): lower render.dpi",
            image.width,
            image.height,
            u16::MAX
        )));
    };
    // A byte for ten pixels is more than most pages take; a few grow the buffer once.
    let mut bytes = Vec::with_capacity(image.rgb.len() / 30);
    let mut encoder = Encoder::new(&mut bytes, quality);
    encoder.set_sampling_factor(SamplingFactor::R_4_2_0);
    // Letters are thin: the colour of one pixel in four, which is the default, would fray them.
    encoder.set_chroma_subsampling_method(ChromaSubsamplingMethod::Average);
    encoder
        .encode(&image.rgb, width, height, ColorType::Rgb)
        .map_err(|error| Error::permanent("a page image does not become a JPEG").with_source(error))?;
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    /// White with dark strokes, some of them coloured, and a soft gradient at the right.
    fn page(width: u32, height: u32) -> PageImage {
        let pixel = |x: u32, y: u32| {
            if y % 24 < 10 && (x * 7 + y * 3) % 29 < 8 && x < width * 3 / 4 {
                if y % 48 < 24 { [20, 20, 20] } else { [30, 60, 180] }
            } else if x >= width * 3 / 4 {
                [(x % 256) as u8, (y % 256) as u8, 90]
            } else {
                [255; 3]
            }
        };
        let rgb: Vec<u8> = (0..height).flat_map(|y| (0..width).flat_map(move |x| pixel(x, y))).collect();
        PageImage { width, height, rgb: rgb.into(), dpi: None }
    }

    fn decoded(bytes: &[u8]) -> image::RgbImage {
        image::load_from_memory_with_format(bytes, image::ImageFormat::Jpeg).unwrap().to_rgb8()
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
            let page = page(width, height);
            let made = decoded(&encode(&page, 95).unwrap());
            assert_eq!((made.width(), made.height()), (width, height));
            let found = likeness(&page.rgb, made.as_raw());
            assert!(found > 24.0, "{width}x{height}: {found} dB");
        }
    }

    #[test]
    fn colour_is_the_mean_of_four_pixels() {
        // Red and white pixels in turns: what a person sees is pink, whatever the quality.
        let rgb: Vec<u8> =
            (0..64 * 64).flat_map(|at| if (at + at / 64) % 2 == 0 { [255, 0, 0] } else { [255; 3] }).collect();
        let made = decoded(&encode(&PageImage { width: 64, height: 64, rgb: rgb.into(), dpi: None }, 85).unwrap());
        let mean = |channel: usize| made.pixels().map(|pixel| f64::from(pixel.0[channel])).sum::<f64>() / 4096.0;
        let (green, blue) = (mean(1), mean(2));
        assert!((100.0..155.0).contains(&green) && (100.0..155.0).contains(&blue), "{green} {blue}");
    }

    #[test]
    fn lower_quality_is_smaller() {
        let page = page(320, 320);
        let sizes: Vec<usize> = [1, 30, 60, 90].map(|quality| encode(&page, quality).unwrap().len()).into();
        assert!(sizes.is_sorted() && sizes[0] < sizes[3], "{sizes:?}");
    }

    #[test]
    fn a_side_that_jpeg_cannot_hold_is_refused() {
        let strip = PageImage { width: 65_536, height: 1, rgb: vec![0; 65_536 * 3].into(), dpi: None };
        let error = encode(&strip, 85).unwrap_err();
        assert_eq!(error.kind(), Kind::Permanent);
        assert!(error.message().contains("65536x1"), "{error}");
    }
}
