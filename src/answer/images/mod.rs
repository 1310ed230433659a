//! Page images as they go to the answer model: JPEG, small enough for an explicit budget; whole pages, or the parts of them
//! that answer, larger, beside a small whole one. Runs on the CPU; callers keep it off the async threads.

mod crops;

use std::io::Cursor;

use bytes::Bytes;
use image::{ImageFormat, ImageReader};
use serde::Serialize;

use crate::config::{ImageBudget, ImageChoice};
use crate::embed::resize::{Filter, Pixels, resize};
use crate::error::{Error, Result};
use crate::types::{PageImage, Rect};

/// Below this many pixels nothing on an ordinary page can be read any more: pages are left out instead.
pub const LEAST_PIXELS: u64 = 150_000;
/// How often images are made smaller to fit into the bytes before pages are left out.
const MAX_ROUNDS: usize = 4;

/// What there is of a page.
#[derive(Debug, Clone)]
pub struct PageSource {
    /// As it is stored: JPEG.
    pub image: Bytes,
    /// The page drawn from its document for its parts alone, finer than it is stored.
    pub detail: Option<PageImage>,
    /// Where it answers, best first.
    pub regions: Vec<Rect>,
    /// Height of the words there, as a fraction of the page's.
    pub word_height: Option<f32>,
}

/// What an image that is sent shows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Shows {
    /// The whole page, to be read.
    Page,
    /// The whole page, small: where its parts stand.
    Overview,
    /// A part of it, in fractions of the page.
    Region {
        region: Rect,
        /// Drawn from the document at a resolution of its own; else cut from the stored image.
        drawn: bool,
    },
}

/// An image that is sent.
#[derive(Debug, Clone, PartialEq)]
pub struct FittedImage {
    pub jpeg: Bytes,
    pub shows: Shows,
    pub width: u32,
    pub height: u32,
}

/// Page images that fit.
#[derive(Debug)]
pub struct Fitted {
    /// In the order of the pages, each with at least one image; those at the end that did not fit are missing.
    pub pages: Vec<Vec<FittedImage>>,
    /// Most pixels that the images of a page were allowed. Smaller than the budget's where the bytes asked for it.
    pub limit_pixels: u64,
    /// Pixels of the page that has most.
    pub largest_pixels: u64,
}

/// Fits page images into a budget: those of each page into the pixels, all together into the bytes. First all become smaller,
/// then the last ones are left out; one page always stays.
///
/// # Errors
/// Permanent, where an image can't be read.
pub fn fit(pages: &[PageSource], budget: &ImageBudget, choice: ImageChoice) -> Result<Fitted> {
    let pages = &pages[..pages.len().min(budget.pages)];
    let mut page_pixels = budget.page_pixels;
    let mut fitted = fit_all(pages, page_pixels, budget.quality, choice)?;
    for _ in 0..MAX_ROUNDS {
        let bytes = total(&fitted);
        if bytes <= budget.bytes || page_pixels <= LEAST_PIXELS {
            break;
        }
        // where the pages are smaller than allowed, the limit has to come down to them first
        page_pixels = fewer_pixels(page_pixels.min(largest(&fitted)), bytes, budget.bytes);
        fitted = fit_all(pages, page_pixels, budget.quality, choice)?;
    }
    while fitted.len() > 1 && total(&fitted) > budget.bytes {
        fitted.pop();
    }
    Ok(Fitted { limit_pixels: page_pixels, largest_pixels: largest(&fitted), pages: fitted })
}

/// How finely a page is to be drawn for the parts of it that will be sent, in pixels of the whole page; None: it goes as it is
/// stored, or its stored image is fine enough.
///
/// # Errors
/// Permanent, where the stored image can't be read.
pub fn pixels_to_draw(page: &PageSource, budget: &ImageBudget, choice: ImageChoice) -> Result<Option<u64>> {
    let (_, width, height) = look(&page.image)?;
    let stored = f64::from(width) * f64::from(height);
    let wanted = crops::parts(page, (width, height), f64::INFINITY, budget.page_pixels, choice)
        .map(|parts| crops::drawn_pixels(&parts, budget.page_pixels));
    Ok(wanted.filter(|wanted| *wanted > stored * 1.2).map(|wanted| wanted as u64))
}

/// The pixels at which `bytes` are likely to become `budget`: JPEG grows a little slower than its pixels.
fn fewer_pixels(pixels: u64, bytes: u64, budget: u64) -> u64 {
    let share = budget as f64 / bytes.max(1) as f64;
    ((pixels as f64 * share * 0.9) as u64).clamp(LEAST_PIXELS.min(pixels), pixels)
}

fn total(pages: &[Vec<FittedImage>]) -> u64 {
    pages.iter().flatten().map(|image| image.jpeg.len() as u64).sum()
}

/// Pixels of the page that has most; 0 where there is none.
fn largest(pages: &[Vec<FittedImage>]) -> u64 {
    let pixels = |images: &Vec<FittedImage>| -> u64 {
        images.iter().map(|image| u64::from(image.width) * u64::from(image.height)).sum()
    };
    pages.iter().map(pixels).max().unwrap_or(0)
}

fn fit_all(pages: &[PageSource], page_pixels: u64, quality: u8, choice: ImageChoice) -> Result<Vec<Vec<FittedImage>>> {
    pages.iter().map(|page| fit_page(page, page_pixels, quality, choice)).collect()
}

/// The images of one page: itself, or an overview and its parts.
fn fit_page(page: &PageSource, page_pixels: u64, quality: u8, choice: ImageChoice) -> Result<Vec<FittedImage>> {
    let (_, width, height) = look(&page.image)?;
    let finest = page.detail.as_ref().map_or((width, height), |detail| (detail.width, detail.height));
    let source_pixels = f64::from(finest.0) * f64::from(finest.1);
    let Some(parts) = crops::parts(page, (width, height), source_pixels, page_pixels, choice) else {
        return Ok(vec![whole(&page.image, page_pixels, quality, Shows::Page)?]);
    };
    let stored;
    let (source, drawn) = match &page.detail {
        Some(detail) => (detail, true),
        None => {
            let pixels = image::load_from_memory(&page.image).map_err(unreadable)?.into_rgb8();
            stored = PageImage { width, height, rgb: pixels.into_raw().into(), dpi: None };
            (&stored, false)
        }
    };
    let overview = (page_pixels as f64 * crops::OVERVIEW) as u64;
    let mut images = vec![whole(&page.image, overview, quality, Shows::Overview)?];
    let scale =
        (crops::drawn_pixels(&parts, page_pixels) / (f64::from(source.width) * f64::from(source.height))).sqrt();
    for region in parts {
        images.push(part(source, region, scale.min(1.0), quality, drawn)?);
    }
    Ok(images)
}

/// A part of a page, `scale` times as large as in `source`.
fn part(source: &PageImage, region: Rect, scale: f64, quality: u8, drawn: bool) -> Result<FittedImage> {
    let span = |from: f32, to: f32, side: u32| {
        let from = ((f64::from(from) * f64::from(side)) as usize).min(side.saturating_sub(1) as usize);
        let to = ((f64::from(to) * f64::from(side)).ceil() as usize).clamp(from + 1, side as usize);
        from..to
    };
    let (columns, rows) =
        (span(region.left, region.right, source.width), span(region.top, region.bottom, source.height));
    let mut rgb = Vec::with_capacity(columns.len() * rows.len() * 3);
    for row in rows.clone() {
        let line = row * source.width as usize;
        rgb.extend_from_slice(&source.rgb[(line + columns.start) * 3..(line + columns.end) * 3]);
    }
    let side = |length: usize| (((length as f64) * scale) as u32).max(1);
    let pixels = Pixels { width: columns.len(), height: rows.len(), channels: 3, data: &rgb };
    encoded(pixels, (side(columns.len()), side(rows.len())), quality, Shows::Region { region, drawn })
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

/// A whole page within the pixels: as it is where it already is a JPEG that fits.
fn whole(image: &Bytes, page_pixels: u64, quality: u8, shows: Shows) -> Result<FittedImage> {
    let (format, width, height) = look(image)?;
    let size = size_within(width, height, page_pixels);
    if format == Some(ImageFormat::Jpeg) && size == (width, height) {
        return Ok(FittedImage { jpeg: image.clone(), shows, width, height });
    }
    let pixels = image::load_from_memory(image).map_err(unreadable)?.into_rgb8();
    let source = Pixels { width: width as usize, height: height as usize, channels: 3, data: pixels.as_raw() };
    encoded(source, size, quality, shows)
}

/// Pixels in another size, as JPEG.
fn encoded(pixels: Pixels<'_>, (width, height): (u32, u32), quality: u8, shows: Shows) -> Result<FittedImage> {
    let rgb = resize(pixels, width as usize, height as usize, Filter::Bicubic)?;
    let (Ok(wide), Ok(high)) = (u16::try_from(width), u16::try_from(height)) else {
        return Err(Error::permanent(format!(
            "a page image of {width}x{height} pixels is larger than JPEG allows (65535): lower answer.vlm.max_page_pixels"
        )));
    };
    let mut bytes = Vec::with_capacity(rgb.len() / 12);
    jpeg_encoder::Encoder::new(&mut bytes, quality)
        .encode(&rgb, wide, high, jpeg_encoder::ColorType::Rgb)
        .map_err(|error| Error::bug("the page image could not be encoded").with_source(error))?;
    Ok(FittedImage { jpeg: Bytes::from(bytes), shows, width, height })
}

/// Format, width and height, from the header alone.
fn look(image: &Bytes) -> Result<(Option<ImageFormat>, u32, u32)> {
    let reader = ImageReader::new(Cursor::new(image)).with_guessed_format().map_err(unreadable)?;
    let format = reader.format();
    let (width, height) = reader.into_dimensions().map_err(unreadable)?;
    Ok((format, width, height))
}

fn unreadable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::permanent("a stored page image can't be read").with_source(error)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A JPEG with something on it.
    fn page(width: u16, height: u16) -> Bytes {
        let rgb: Vec<u8> = (0..usize::from(width) * usize::from(height) * 3).map(|i| (i * i / 7 % 251) as u8).collect();
        let mut bytes = Vec::new();
        jpeg_encoder::Encoder::new(&mut bytes, 90).encode(&rgb, width, height, jpeg_encoder::ColorType::Rgb).unwrap();
        Bytes::from(bytes)
    }

    /// Pages of which no region is known.
    fn sources(pages: &[Bytes]) -> Vec<PageSource> {
        let source =
            |image: &Bytes| PageSource { image: image.clone(), detail: None, regions: vec![], word_height: None };
        pages.iter().map(source).collect()
    }

    fn fit_pages(pages: &[Bytes], budget: &ImageBudget) -> (Vec<Bytes>, Fitted) {
        let fitted = fit(&sources(pages), budget, ImageChoice::Auto).unwrap();
        assert!(fitted.pages.iter().all(|images| images.len() == 1 && images[0].shows == Shows::Page));
        (fitted.pages.iter().flatten().map(|image| image.jpeg.clone()).collect(), fitted)
    }

    fn bytes_of(images: &[Bytes]) -> u64 {
        images.iter().map(|image| image.len() as u64).sum()
    }

    fn budget(pages: usize, page_pixels: u64, bytes: u64) -> ImageBudget {
        ImageBudget { pages, page_pixels, bytes, quality: 80 }
    }

    #[test]
    fn what_fits_goes_as_it_is() {
        let pages = [page(400, 600), page(600, 400)];
        let (images, fitted) = fit_pages(&pages, &budget(5, 240_000, 10_000_000));
        assert_eq!(images, pages);
        assert_eq!((fitted.limit_pixels, fitted.largest_pixels), (240_000, 240_000));
    }

    #[test]
    fn too_many_pages_go_without_the_last_and_large_ones_become_smaller() {
        let pages = [page(800, 1200), page(1200, 800), page(100, 100)];
        let (images, _) = fit_pages(&pages, &budget(2, 200_000, 10_000_000));
        assert_eq!(images.len(), 2);
        for (image, landscape) in images.iter().zip([false, true]) {
            let (format, width, height) = look(image).unwrap();
            assert_eq!((format, width > height), (Some(ImageFormat::Jpeg), landscape));
            assert!((190_000..=200_000).contains(&(u64::from(width) * u64::from(height))), "{width}x{height}");
        }
    }

    #[test]
    fn bytes_are_saved_by_pixels_first_and_by_pages_then() {
        let pages = [page(800, 1200), page(800, 1200), page(800, 1200)];
        let whole = bytes_of(&fit_pages(&pages, &budget(3, 960_000, u64::MAX)).0);
        let (images, half) = fit_pages(&pages, &budget(3, 960_000, whole / 2));
        assert_eq!(images.len(), 3);
        assert!(half.limit_pixels < 960_000 && bytes_of(&images) <= whole / 2);
        let (images, little) = fit_pages(&pages, &budget(3, 960_000, whole / 30));
        assert!(little.limit_pixels >= LEAST_PIXELS && images.len() < 3);
        assert_eq!(fit_pages(&pages, &budget(3, 960_000, 1)).0.len(), 1, "one page always stays");
    }

    #[test]
    fn what_is_no_image_is_said_to_be_none() {
        let nothing = sources(&[Bytes::from_static(b"nothing")]);
        let error = fit(&nothing, &budget(1, 100_000, 100_000), ImageChoice::Auto).unwrap_err();
        assert!(error.to_string().contains("page image can't be read"), "{error}");
    }

    #[test]
    fn parts_of_a_page_share_its_pixels_with_an_overview() {
        let region = Rect { left: 0.1, top: 0.5, right: 0.4, bottom: 0.515 };
        let stored =
            PageSource { regions: vec![region], word_height: Some(0.012), ..sources(&[page(1240, 1754)]).remove(0) };
        let budget = budget(1, 300_000, 10_000_000);
        let fitted = fit(std::slice::from_ref(&stored), &budget, ImageChoice::Auto).unwrap();
        let [overview, part] = fitted.pages[0].as_slice() else { panic!("{:?}", fitted.pages[0].len()) };
        assert_eq!(overview.shows, Shows::Overview);
        let Shows::Region { region: sent, drawn: false } = part.shows else { panic!("{:?}", part.shows) };
        assert!(sent.left <= region.left && sent.bottom >= region.bottom);
        assert!(fitted.largest_pixels <= 300_000 && u64::from(overview.width) * u64::from(overview.height) <= 60_000);
        // finer than the whole page would have been
        let finer = f64::from(part.width) / f64::from(sent.right - sent.left);
        assert!(finer > 1.5 * (300_000.0f64 / 1.414).sqrt(), "{finer} pixels to a page's width");

        // drawn at a resolution of its own, it is finer still
        let wanted = pixels_to_draw(&stored, &ImageBudget { page_pixels: 900_000, ..budget }, ImageChoice::Regions)
            .unwrap()
            .unwrap();
        assert!(wanted > 1240 * 1754);
        let detail = PageImage { width: 2480, height: 3508, rgb: vec![255; 2480 * 3508 * 3].into(), dpi: Some(300) };
        let drawn = PageSource { detail: Some(detail), ..stored };
        let fitted = fit(&[drawn], &ImageBudget { page_pixels: 900_000, ..budget }, ImageChoice::Regions).unwrap();
        assert!(matches!(fitted.pages[0][1].shows, Shows::Region { drawn: true, .. }));
        assert!(fitted.largest_pixels > 700_000 && fitted.largest_pixels <= 900_000, "{}", fitted.largest_pixels);
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
