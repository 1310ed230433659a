//! Images as documents: a PNG, JPEG or WebP is one page, every frame of a TIFF is a page. In a worker process only.
//!
//! Sizes are checked from the header before anything is decoded. Pixels are shown as a person would see them on paper:
//! upright (EXIF orientation), in their true shape where the resolution differs across and along, transparency on white, or on
//! black where the ink is white. Nothing is enlarged but the coarser of two resolutions. A file that breaks off is shown as far
//! as it goes, with a note.

mod compressions;
mod fax;
mod lzw;
mod metadata;
mod overlay;
mod paper;
mod pieces;
mod samples;
mod tiff;

use std::io::BufReader;

use image::codecs::webp::WebPDecoder;
use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

use self::metadata::Shape;
use super::document_file::{DocumentFile, DocumentReader};
use super::fit::fit;
use super::protocol::{Drawn, PageHeader, at_most_notes};
use super::sniff::Format;
use crate::error::{Error, Result};
use crate::types::{Note, RenderLimits, RenderSettings, TextLayer};

/// A decoded page, not yet turned upright or scaled.
struct Picture {
    /// Grey or RGB, 8 bits a sample. Smaller than `size` where it was drawn smaller while it was read.
    image: DynamicImage,
    /// In the file's own pixels.
    size: (u32, u32),
    orientation: Orientation,
    shape: Shape,
    notes: Vec<Note>,
}

/// Pages of an image file, after checking that the first one can be decoded within the limits.
pub(super) fn page_count(file: &DocumentFile, format: Format, limits: &RenderLimits) -> Result<u32> {
    if format == Format::Tiff {
        return tiff::page_count(file, limits);
    }
    let decoder = decoder(file, format, limits)?;
    let (width, height) = decoder.dimensions();
    check_size(width, height, decoder.total_bytes(), decoder.color_type().channel_count(), limits)?;
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
    let picture = match format {
        Format::Tiff => tiff::frame(file, number, settings, limits)?,
        _ => single(file, format, limits)?,
    };
    finish(picture, settings)
}

/// The one picture of a file.
fn single(file: &DocumentFile, format: Format, limits: &RenderLimits) -> Result<Picture> {
    let mut decoder = decoder(file, format, limits)?;
    let (width, height) = decoder.dimensions();
    check_size(width, height, decoder.total_bytes(), decoder.color_type().channel_count(), limits)?;
    // broken metadata is no reason to refuse the pixels
    let orientation = match decoder.exif_metadata() {
        Ok(Some(exif)) => metadata::orientation(&exif),
        _ => decoder.orientation().unwrap_or(Orientation::NoTransforms),
    };
    let (image, broken) = pixels(decoder, limits)?;
    let mut image = paper::flatten(image);
    let broken = broken.or_else(|| (format == Format::Jpeg).then(|| metadata::jpeg_fault(open(file))).flatten());
    let mut notes = Vec::new();
    if let Some(reason) = broken {
        notes.push(Note::lost(Some(1), broken_off(&reason)));
        paper::whiten_end(&mut image);
    }
    notes.extend(animation(file, format).map(|note| Note::imperfect(Some(1), note)));
    let shape = metadata::shape(open(file), format);
    Ok(Picture { image, size: (width, height), orientation, shape, notes })
}

/// Decodes what there is. Some text: why it is not all.
fn pixels(decoder: impl ImageDecoder, limits: &RenderLimits) -> Result<(DynamicImage, Option<String>)> {
    /// What pixels are that were never decoded: paper.
    const UNTOUCHED: u8 = 0xff;
    let ((width, height), color) = (decoder.dimensions(), decoder.color_type());
    let bytes = usize::try_from(decoder.total_bytes()).map_err(|_| Error::permanent("is too large to be decoded"))?;
    let mut buffer = vec![UNTOUCHED; bytes];
    let broken = match decoder.read_image(&mut buffer) {
        Ok(()) => None,
        Err(error @ ImageError::Limits(_)) => return Err(undecodable(error, limits)),
        // Some of it came out before it broke off.
        Err(error) if buffer.iter().any(|byte| *byte != UNTOUCHED) => Some(error.to_string()),
        Err(error) => return Err(undecodable(error, limits)),
    };
    let image = paper::image(width, height, color, buffer)
        .ok_or_else(|| Error::permanent(format!("cannot be decoded: pixels of kind {color:?} are not supported")))?;
    Ok((image, broken))
}

/// The note on a file that is shown as far as it goes.
fn broken_off(reason: &str) -> String {
    match reason {
        "" => "its image data end early: it is shown as far as they go".to_owned(),
        reason => format!("its image data are damaged or end early ({reason}): it is shown as far as they go"),
    }
}

/// What of a file with moving pictures is not shown.
fn animation(file: &DocumentFile, format: Format) -> Option<String> {
    let animated = match format {
        Format::Webp => WebPDecoder::new(open(file)).ok()?.has_animation(),
        Format::Png => metadata::is_animated_png(open(file)),
        _ => false,
    };
    animated.then(|| format!("is an animated {format}: only its first picture is shown"))
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

/// What decoded pixels may take: they are there twice for a moment, before and after conversion, and the decoder needs
/// something too.
fn decode_budget(limits: &RenderLimits) -> u64 {
    limits.worker_memory_bytes / 4
}

/// Refuses an image whose header alone says that it cannot be decoded within a worker's memory. Images beyond
/// `max_page_pixels` that can be are scaled down instead. `channels`: samples of a pixel; grey stays grey.
fn check_size(width: u32, height: u32, decoded_bytes: u64, channels: u8, limits: &RenderLimits) -> Result<()> {
    let pixels = u64::from(width) * u64::from(height);
    let needed = decoded_bytes.max(pixels.saturating_mul(if channels == 1 { 1 } else { 3 }));
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

/// Scales to what the limits and the picture's shape ask for, turns upright, and wraps up.
fn finish(picture: Picture, settings: &RenderSettings) -> Result<Drawn> {
    let Picture { image, size, orientation, shape, notes } = picture;
    if image.width() == 0 || image.height() == 0 {
        return Err(Error::bug(format!("decoding left an image of {} x {} pixels", image.width(), image.height())));
    }
    let (width, height) = shape.stretched(size);
    let fitted = fit(width, height, settings.max_page_pixels);
    let image = scaled(image, fitted.width, fitted.height);
    let mut upright = image;
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
        notes: at_most_notes(notes),
    };
    Ok(Drawn { header, rgb: upright.into_rgb8().into_raw() })
}

/// The image with so many pixels; in its own colours, so that a large grey scan takes no more than it must.
fn scaled(image: DynamicImage, width: u32, height: u32) -> DynamicImage {
    if (image.width(), image.height()) == (width, height) {
        return image;
    }
    if width > image.width() || height > image.height() {
        return image.resize_exact(width, height, FilterType::Triangle);
    }
    image.thumbnail_exact(width, height)
}

#[cfg(test)]
mod tests {
    use image::{ExtendedColorType, ImageEncoder, Luma, LumaA, RgbImage, Rgba, RgbaImage};

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
