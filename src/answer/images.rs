//! Page images as they go to the answer model: JPEG, small enough for an explicit budget. Runs on the CPU; callers keep it
//! off the async threads.

use bytes::Bytes;
use image::{ImageFormat, ImageReader};
use std::io::Cursor;

use crate::config::ImageBudget;
use crate::embed::resize::{Filter, Pixels, resize};
use crate::error::{Error, Result};

/// Below this many pixels nothing on an ordinary page can be read any more: pages are left out instead.
pub const LEAST_PIXELS: u64 = 150_000;
/// How often images are made smaller to fit into the bytes before pages are left out.
const MAX_ROUNDS: usize = 4;

/// Page images that fit.
#[derive(Debug)]
pub struct Fitted {
    /// JPEG, in the order of the pages; those at the end that did not fit are missing.
    pub images: Vec<Bytes>,
    /// Most pixels that an image was allowed. Smaller than the budget's where the bytes asked for it.
    pub limit_pixels: u64,
    /// Pixels of the largest image.
    pub largest_pixels: u64,
}

/// Fits page images into a budget: each into the pixels, all together into the bytes. First all become smaller, then the
/// last ones are left out; one always stays.
///
/// # Errors
/// Permanent, where an image can't be read.
pub fn fit(pages: &[Bytes], budget: &ImageBudget) -> Result<Fitted> {
    let pages = &pages[..pages.len().min(budget.pages)];
    let mut page_pixels = budget.page_pixels;
    let mut images = shrink_all(pages, page_pixels, budget.quality)?;
    for _ in 0..MAX_ROUNDS {
        let bytes = total(&images);
        if bytes <= budget.bytes || page_pixels <= LEAST_PIXELS {
            break;
        }
        // where the pages are smaller than allowed, the limit has to come down to them first
        page_pixels = fewer_pixels(page_pixels.min(largest(&images)?), bytes, budget.bytes);
        images = shrink_all(pages, page_pixels, budget.quality)?;
    }
    while images.len() > 1 && total(&images) > budget.bytes {
        images.pop();
    }
    Ok(Fitted { limit_pixels: page_pixels, largest_pixels: largest(&images)?, images })
}

/// The pixels at which `bytes` are likely to become `budget`: JPEG grows a little slower than its pixels.
fn fewer_pixels(pixels: u64, bytes: u64, budget: u64) -> u64 {
    let share = budget as f64 / bytes.max(1) as f64;
    ((pixels as f64 * share * 0.9) as u64).clamp(LEAST_PIXELS.min(pixels), pixels)
}

fn total(images: &[Bytes]) -> u64 {
    images.iter().map(|image| image.len() as u64).sum()
}

fn shrink_all(pages: &[Bytes], page_pixels: u64, quality: u8) -> Result<Vec<Bytes>> {
    pages.iter().map(|page| shrink(page, page_pixels, quality)).collect()
}

/// The largest size of the same shape with at most `page_pixels` pixels, each side at least 1.
fn size_within(width: u32, height: u32, page_pixels: u64) -> (u32, u32) {
    let pixels = u64::from(width) * u64::from(height);
    if pixels <= page_pixels {
        return (width, height);
    }
    let scale = (page_pixels as f64 / pixels as f64).sqrt();
    let side = |side: u32| ((f64::from(side) * scale) as u32).max(1);
    let (mut small, mut large) = (side(width.min(height)), side(width.max(height)));
    // a side that can't be thinner than 1 leaves less for the other
    large = large.min(u32::try_from(page_pixels / u64::from(small)).unwrap_or(u32::MAX)).max(1);
    if width > height {
        std::mem::swap(&mut small, &mut large);
    }
    (small, large)
}

/// One image within the pixels: as it is where it already is a JPEG that fits.
fn shrink(image: &Bytes, page_pixels: u64, quality: u8) -> Result<Bytes> {
    let (format, width, height) = look(image)?;
    let (new_width, new_height) = size_within(width, height, page_pixels);
    if format == Some(ImageFormat::Jpeg) && (new_width, new_height) == (width, height) {
        return Ok(image.clone());
    }
    let pixels = image::load_from_memory(image).map_err(unreadable)?.into_rgb8();
    let source = Pixels { width: width as usize, height: height as usize, channels: 3, data: pixels.as_raw() };
    let rgb = resize(source, new_width as usize, new_height as usize, Filter::Bicubic)?;
    let (Ok(width), Ok(height)) = (u16::try_from(new_width), u16::try_from(new_height)) else {
        return Err(Error::permanent(format!(
            "a page image of {new_width}x{new_height} pixels is larger than JPEG allows (65535): lower \
             answer.vlm.max_page_pixels"
        )));
    };
    let mut bytes = Vec::with_capacity(rgb.len() / 12);
    jpeg_encoder::Encoder::new(&mut bytes, quality)
        .encode(&rgb, width, height, jpeg_encoder::ColorType::Rgb)
        .map_err(|error| Error::bug("the page image could not be encoded").with_source(error))?;
    Ok(Bytes::from(bytes))
}

/// Format, width and height, from the header alone.
fn look(image: &Bytes) -> Result<(Option<ImageFormat>, u32, u32)> {
    let reader = ImageReader::new(Cursor::new(image)).with_guessed_format().map_err(unreadable)?;
    let format = reader.format();
    let (width, height) = reader.into_dimensions().map_err(unreadable)?;
    Ok((format, width, height))
}

/// Pixels of the largest image; 0 where there is none.
fn largest(images: &[Bytes]) -> Result<u64> {
    images.iter().try_fold(0, |most, image| {
        let (_, width, height) = look(image)?;
        Ok(most.max(u64::from(width) * u64::from(height)))
    })
}

fn unreadable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::permanent("a stored page image can't be read").with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A JPEG with something on it.
    fn page(width: u16, height: u16) -> Bytes {
        let rgb: Vec<u8> = (0..usize::from(width) * usize::from(height) * 3).map(|i| (i * i / 7 % 251) as u8).collect();
        let mut bytes = Vec::new();
        jpeg_encoder::Encoder::new(&mut bytes, 90).encode(&rgb, width, height, jpeg_encoder::ColorType::Rgb).unwrap();
        Bytes::from(bytes)
    }

    fn budget(pages: usize, page_pixels: u64, bytes: u64) -> ImageBudget {
        ImageBudget { pages, page_pixels, bytes, quality: 80 }
    }

    #[test]
    fn what_fits_goes_as_it_is() {
        let pages = [page(400, 600), page(600, 400)];
        let fitted = fit(&pages, &budget(5, 240_000, 10_000_000)).unwrap();
        assert_eq!(fitted.images, pages);
        assert_eq!((fitted.limit_pixels, fitted.largest_pixels), (240_000, 240_000));
    }

    #[test]
    fn too_many_pages_go_without_the_last_and_large_ones_become_smaller() {
        let pages = [page(800, 1200), page(1200, 800), page(100, 100)];
        let fitted = fit(&pages, &budget(2, 200_000, 10_000_000)).unwrap();
        assert_eq!(fitted.images.len(), 2);
        for (image, landscape) in fitted.images.iter().zip([false, true]) {
            let (format, width, height) = look(image).unwrap();
            assert_eq!((format, width > height), (Some(ImageFormat::Jpeg), landscape));
            assert!((190_000..=200_000).contains(&(u64::from(width) * u64::from(height))), "{width}x{height}");
        }
    }

    #[test]
    fn bytes_are_saved_by_pixels_first_and_by_pages_then() {
        let pages = [page(800, 1200), page(800, 1200), page(800, 1200)];
        let whole = total(&fit(&pages, &budget(3, 960_000, u64::MAX)).unwrap().images);
        let half = fit(&pages, &budget(3, 960_000, whole / 2)).unwrap();
        assert_eq!(half.images.len(), 3);
        assert!(half.limit_pixels < 960_000 && total(&half.images) <= whole / 2);
        let little = fit(&pages, &budget(3, 960_000, whole / 30)).unwrap();
        assert!(little.limit_pixels >= LEAST_PIXELS && little.images.len() < 3);
        assert_eq!(fit(&pages, &budget(3, 960_000, 1)).unwrap().images.len(), 1, "one page always stays");
    }

    #[test]
    fn what_is_no_image_is_said_to_be_none() {
        let error = fit(&[Bytes::from_static(b"nothing")], &budget(1, 100_000, 100_000)).unwrap_err();
        assert!(error.to_string().contains("page image can't be read"), "{error}");
    }

    proptest! {
        #[test]
        fn sizes_stay_within_the_pixels_and_keep_their_shape(width in 1u32..20_000, height in 1u32..20_000, most in 10_000u64..2_000_000) {
            let (new_width, new_height) = size_within(width, height, most);
            prop_assert!(new_width >= 1 && new_height >= 1 && new_width <= width && new_height <= height);
            prop_assert!(u64::from(new_width) * u64::from(new_height) <= most);
            prop_assert!((width > height) == (new_width > new_height) || new_width == new_height);
        }

        #[test]
        fn fewer_pixels_are_never_more(pixels in 1u64..100_000_000, bytes in 0u64..1_000_000_000, budget in 1u64..1_000_000_000) {
            let fewer = fewer_pixels(pixels, bytes, budget);
            prop_assert!(fewer <= pixels && fewer >= LEAST_PIXELS.min(pixels));
        }
    }
}
