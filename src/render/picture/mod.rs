//! Images as documents: a PNG, JPEG or WebP is one page, every frame of a TIFF is a page. In a worker process only.
//!
//! Sizes are checked from the header before anything is decoded. Pixels are shown as a person would see them on white
//! paper: upright (EXIF orientation), transparency on white. Nothing is enlarged.

mod fax;
mod overlay;
mod tiff;

use std::io::BufReader;

use image::imageops;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, RgbImage};

use super::document_file::{DocumentFile, DocumentReader};
use super::fit::fit;
use super::protocol::{Drawn, PageHeader};
use super::sniff::Format;
use crate::error::{Error, Result};
use crate::types::{RenderLimits, RenderSettings, TextLayer};

/// Pages of an image file, after checking that the first one can be decoded within the limits.
pub(super) fn page_count(file: &DocumentFile, format: Format, limits: &RenderLimits) -> Result<u32> {
    if format == Format::Tiff {
        return tiff::page_count(file, limits);
    }
    let decoder = decoder(file, format, limits)?;
    let (width, height) = decoder.dimensions();
    check_size(width, height, decoder.total_bytes(), limits)?;
    Ok(1)
}

/// Decodes the 1-based page `number`.
pub(super) fn draw(
    file: &DocumentFile,
    format: Format,
    number: u32,
    settings: &RenderSettings,
    limits: &RenderLimits,
) -> Result<Drawn> {
    if format == Format::Tiff {
        let frame = tiff::frame(file, number, limits)?;
        return finish(frame.image, frame.orientation, settings);
    }
    let mut decoder = decoder(file, format, limits)?;
    let (width, height) = decoder.dimensions();
    check_size(width, height, decoder.total_bytes(), limits)?;
    // broken metadata is no reason to refuse the pixels
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let image = DynamicImage::from_decoder(decoder).map_err(|error| undecodable(error, limits))?;
    finish(on_white(image), orientation, settings)
}

fn decoder(file: &DocumentFile, format: Format, limits: &RenderLimits) -> Result<impl ImageDecoder> {
    let format = match format {
        Format::Png => ImageFormat::Png,
        Format::Jpeg => ImageFormat::Jpeg,
        Format::Webp => ImageFormat::WebP,
        Format::Pdf | Format::Tiff => {
            return Err(Error::bug(format!("a {format} file was given to the decoder of single images")));
        }
    };
    let mut reader = ImageReader::with_format(open(file), format);
    let mut budget = Limits::default();
    budget.max_alloc = Some(decode_budget(limits));
    reader.limits(budget);
    reader.into_decoder().map_err(|error| undecodable(error, limits))
}

fn open(file: &DocumentFile) -> BufReader<DocumentReader> {
    BufReader::new(file.reader())
}

fn unreadable(error: impl std::fmt::Display) -> Error {
    Error::permanent(format!("cannot be decoded: {error}"))
}

/// Why the `image` crate could not decode a file: its own fault, or the limit that decoding would break.
fn undecodable(error: ImageError, limits: &RenderLimits) -> Error {
    let broken_limit = matches!(error, ImageError::Limits(_));
    let error = unreadable(error);
    if broken_limit { at_memory_limit(error, limits) } else { error }
}

fn at_memory_limit(error: Error, limits: &RenderLimits) -> Error {
    error.at_limit(RenderLimits::WORKER_MEMORY_BYTES, limits.worker_memory_bytes)
}

/// What decoded pixels may take: they are there twice for a moment, before and after conversion to RGB, and the decoder
/// needs something too.
fn decode_budget(limits: &RenderLimits) -> u64 {
    limits.worker_memory_bytes / 4
}

/// Refuses an image whose header alone says that it cannot be decoded within a worker's memory. Images beyond
/// `max_page_pixels` that can be are scaled down instead.
fn check_size(width: u32, height: u32, decoded_bytes: u64, limits: &RenderLimits) -> Result<()> {
    let pixels = u64::from(width) * u64::from(height);
    let needed = decoded_bytes.max(pixels.saturating_mul(3));
    if pixels == 0 {
        return Err(Error::permanent(format!("has no pixels: it is {width} x {height}")));
    }
    if needed > decode_budget(limits) {
        let refusal = Error::permanent(format!(
            "is {width} x {height} pixels large; decoding takes {needed} bytes, and a quarter of a worker's memory is {} \
             (worker_memory_bytes)",
            decode_budget(limits)
        ));
        return Err(at_memory_limit(refusal, limits));
    }
    Ok(())
}

/// 8-bit RGB; what is transparent shows white paper.
fn on_white(image: DynamicImage) -> RgbImage {
    if !image.color().has_alpha() {
        return image.into_rgb8();
    }
    let rgba = image.into_rgba8();
    let (width, height) = rgba.dimensions();
    let mut bytes = rgba.into_raw();
    // in place: three bytes never overtake the four they come from
    for pixel in 0..bytes.len() / 4 {
        let alpha = u32::from(bytes[pixel * 4 + 3]);
        for channel in 0..3 {
            bytes[pixel * 3 + channel] = over_white(bytes[pixel * 4 + channel], alpha);
        }
    }
    bytes.truncate(bytes.len() / 4 * 3);
    // the length is right by construction; a mismatch would show as an empty image
    RgbImage::from_raw(width, height, bytes).unwrap_or_default()
}

/// A colour of opacity `alpha` (0 to 255) on white.
fn over_white(colour: u8, alpha: u32) -> u8 {
    ((u32::from(colour) * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}

/// Scales down where the limits ask for it, turns upright, and wraps up.
fn finish(image: RgbImage, orientation: Orientation, settings: &RenderSettings) -> Result<Drawn> {
    let (width, height) = image.dimensions();
    if width == 0 || height == 0 {
        return Err(Error::bug(format!("decoding left an image of {width} x {height} pixels")));
    }
    let fitted = fit(f64::from(width), f64::from(height), settings.max_page_pixels);
    let image = match fitted.scaled_down {
        true => imageops::thumbnail(&image, fitted.width, fitted.height),
        false => image,
    };
    let mut upright = DynamicImage::ImageRgb8(image);
    upright.apply_orientation(orientation);
    let turned = matches!(
        orientation,
        Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH
    );
    let (shown_width, shown_height) = if turned { (height, width) } else { (width, height) };
    let header = PageHeader {
        width: upright.width(),
        height: upright.height(),
        dpi: None,
        width_pt: shown_width as f32,
        height_pt: shown_height as f32,
        scaled_down: fitted.scaled_down,
        shared: false,
        text: TextLayer::default(),
    };
    Ok(Drawn { header, rgb: upright.into_rgb8().into_raw() })
}

#[cfg(test)]
mod tests {
    use image::{ExtendedColorType, ImageEncoder, Luma, LumaA, Rgba, RgbaImage};

    use super::*;
    use crate::error::Limit;

    fn drawn(file: &tempfile::NamedTempFile, settings: &RenderSettings) -> Drawn {
        draw(&DocumentFile::open(file.path()), Format::Png, 1, settings, &RenderLimits::default()).unwrap()
    }

    fn saved(image: &DynamicImage, format: ImageFormat) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        image.save_with_format(file.path(), format).unwrap();
        file
    }

    #[test]
    fn transparency_shows_white_paper() {
        let mut image = RgbaImage::from_pixel(2, 1, Rgba([255, 0, 0, 0]));
        image.put_pixel(1, 0, Rgba([0, 0, 0, 127]));
        let file = saved(&image.into(), ImageFormat::Png);
        let drawn = drawn(&file, &RenderSettings::default());
        assert_eq!(drawn.rgb, [255, 255, 255, 128, 128, 128]);
    }

    #[test]
    fn greys_and_deep_colours_become_rgb8() {
        let deep = image::ImageBuffer::from_pixel(1, 1, Luma([0x80ff_u16]));
        let file = saved(&deep.into(), ImageFormat::Png);
        assert_eq!(drawn(&file, &RenderSettings::default()).rgb, [0x80; 3]);
        let grey = image::ImageBuffer::from_pixel(1, 1, LumaA([10_u8, 255]));
        let file = saved(&grey.into(), ImageFormat::Png);
        assert_eq!(drawn(&file, &RenderSettings::default()).rgb, [10; 3]);
    }

    #[test]
    fn large_images_shrink_and_absurd_ones_are_refused_by_their_header() {
        let file = saved(&RgbImage::new(200, 100).into(), ImageFormat::Png);
        let small = RenderSettings { max_page_pixels: 5_000, ..Default::default() };
        let drawn = drawn(&file, &small);
        assert_eq!((drawn.header.width, drawn.header.height, drawn.header.scaled_down), (100, 50, true));
        assert_eq!((drawn.header.width_pt, drawn.header.height_pt), (200.0, 100.0));

        let poor = RenderLimits { worker_memory_bytes: 100_000, ..Default::default() };
        let refusal = page_count(&DocumentFile::open(file.path()), Format::Png, &poor).unwrap_err();
        assert!(refusal.to_string().contains("200 x 100"), "{refusal}");
        let limit = Limit { name: "worker_memory_bytes".into(), value: 100_000 };
        assert_eq!(refusal.limit(), Some(&limit));
    }

    #[test]
    fn exif_orientation_is_applied() {
        // left half black, right half white, to be shown rotated by 90 degrees clockwise: black on top
        let mut image = RgbImage::from_pixel(16, 8, image::Rgb([255; 3]));
        for (x, _, pixel) in image.enumerate_pixels_mut() {
            if x < 8 {
                *pixel = image::Rgb([0; 3]);
            }
        }
        let exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0".to_vec();
        let mut bytes = Vec::new();
        let mut encoder = image::codecs::png::PngEncoder::new(&mut bytes);
        encoder.set_exif_metadata(exif).unwrap();
        encoder.write_image(image.as_raw(), 16, 8, ExtendedColorType::Rgb8).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let drawn = drawn(&file, &RenderSettings::default());
        assert_eq!((drawn.header.width, drawn.header.height), (8, 16));
        assert_eq!((drawn.rgb[0], drawn.rgb[drawn.rgb.len() - 1]), (0, 255));
    }

    #[test]
    fn broken_images_say_so() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"\x89PNG\r\n\x1a\nnothing").unwrap();
        let refusal = page_count(&DocumentFile::open(file.path()), Format::Png, &RenderLimits::default()).unwrap_err();
        assert!(refusal.to_string().starts_with("cannot be decoded"), "{refusal}");
    }
}
