//! Image files as Pillow's `Image.open(file).convert("RGB")` reads them, which is what FastEmbed gives to its models:
//! transparency is dropped and not laid on white, 16-bit greys are clipped at 255 and not scaled, the orientation that a
//! camera noted is not applied. For comparing vectors with FastEmbed's; documents are drawn by the renderer.
//!
//! Exact for PNG. Other decoders differ from Pillow's by a level or two if the format is lossy.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use image::{DynamicImage, ImageReader, Limits};

use crate::error::{Error, Result, io_error};
use crate::types::PageImage;

/// What decoding may take: the picture is named by the user, and still may be a mistake.
const MAX_DECODED_BYTES: u64 = 1 << 30;

/// Reads an image file. Blocking.
///
/// # Errors
/// Permanent, if the file cannot be read, is no image, or decodes to more than 1 GiB.
pub fn read_picture(path: &Path) -> Result<PageImage> {
    let undecodable = |error: image::ImageError| {
        Error::permanent(format!("{} cannot be decoded as an image", path.display())).with_source(error)
    };
    let read = |error| io_error("read", path, error);
    let mut reader = ImageReader::open(path).map_err(read)?.with_guessed_format().map_err(read)?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_DECODED_BYTES);
    reader.limits(limits);
    let image = reader.decode().map_err(undecodable)?;
    let deep_grey = matches!(image, DynamicImage::ImageLumaA16(_)) && is_deep_grey_png(path).map_err(read)?;
    let (width, height) = (image.width(), image.height());
    let rgb = rgb(image, deep_grey).ok_or_else(|| {
        Error::permanent(format!("{} holds pixels of a kind that models don't see: save it as PNG", path.display()))
    })?;
    Ok(PageImage { width, height, rgb: rgb.into(), dpi: None })
}

/// Whether the header of a PNG says 16-bit grey. If it declares one value transparent, the decoder makes an alpha
/// channel of it, and the pixels no longer tell; for Pillow they stay grey.
fn is_deep_grey_png(path: &Path) -> io::Result<bool> {
    // Signature, length and name of the first chunk, width, height; then bits a sample and colour type.
    let mut head = Vec::new();
    File::open(path)?.take(26).read_to_end(&mut head)?;
    Ok(head.starts_with(b"\x89PNG\r\n\x1a\n") && head.get(24..26) == Some(&[16, 0]))
}

/// `[pixels, 3]`; None if Pillow has no such mode.
fn rgb(image: DynamicImage, deep_grey: bool) -> Option<Vec<u8>> {
    let clipped = |value: u16| value.min(255) as u8;
    let high = |value: u16| (value >> 8) as u8;
    Some(match image {
        DynamicImage::ImageRgb8(image) => image.into_raw(),
        DynamicImage::ImageLuma8(image) => grey(&image, 1, |value| value),
        DynamicImage::ImageLumaA8(image) => grey(&image, 2, |value| value),
        DynamicImage::ImageRgba8(image) => colour(&image, 4, |value| value),
        DynamicImage::ImageLuma16(image) => grey(&image, 1, clipped),
        DynamicImage::ImageLumaA16(image) if deep_grey => grey(&image, 2, clipped),
        DynamicImage::ImageLumaA16(image) => grey(&image, 2, high),
        DynamicImage::ImageRgb16(image) => colour(&image, 3, high),
        DynamicImage::ImageRgba16(image) => colour(&image, 4, high),
        _ => return None,
    })
}

/// The first of `channels` values a pixel, three times.
fn grey<T: Copy>(samples: &[T], channels: usize, to_u8: impl Fn(T) -> u8) -> Vec<u8> {
    samples.chunks_exact(channels).flat_map(|pixel| [to_u8(pixel[0]); 3]).collect()
}

/// The first three of `channels` values a pixel.
fn colour<T: Copy>(samples: &[T], channels: usize, to_u8: impl Fn(T) -> u8) -> Vec<u8> {
    samples.chunks_exact(channels).flat_map(|pixel| [to_u8(pixel[0]), to_u8(pixel[1]), to_u8(pixel[2])]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_image_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"no image").unwrap();
        let error = read_picture(file.path()).unwrap_err();
        assert!(error.message().contains(&file.path().display().to_string()), "{error}");
        assert!(read_picture(Path::new("no/such.png")).unwrap_err().message().contains("no/such.png"));
    }
}
