//! Pixels on paper: eight bits a sample, nothing transparent.
//!
//! Paper is white. Where the ink itself is white, or nearly, white paper would show nothing: then it is black.

use image::{ColorType, DynamicImage, GrayAlphaImage, GrayImage, ImageBuffer, RgbImage, RgbaImage};

/// Ink that differs from white by less than this on average, of 255, cannot be read on white.
const FAINT: u64 = 24;

/// The image in a buffer of a decoder, `[height, width, channels]`; None for kinds of pixels that no decoder here has.
pub(super) fn image(width: u32, height: u32, color: ColorType, buffer: Vec<u8>) -> Option<DynamicImage> {
    let words = |bytes: Vec<u8>| bytes.chunks_exact(2).map(|pair| u16::from_ne_bytes([pair[0], pair[1]])).collect();
    Some(match color {
        ColorType::L8 => GrayImage::from_raw(width, height, buffer)?.into(),
        ColorType::La8 => GrayAlphaImage::from_raw(width, height, buffer)?.into(),
        ColorType::Rgb8 => RgbImage::from_raw(width, height, buffer)?.into(),
        ColorType::Rgba8 => RgbaImage::from_raw(width, height, buffer)?.into(),
        ColorType::L16 => DynamicImage::ImageLuma16(ImageBuffer::from_raw(width, height, words(buffer))?),
        ColorType::La16 => DynamicImage::ImageLumaA16(ImageBuffer::from_raw(width, height, words(buffer))?),
        ColorType::Rgb16 => DynamicImage::ImageRgb16(ImageBuffer::from_raw(width, height, words(buffer))?),
        ColorType::Rgba16 => DynamicImage::ImageRgba16(ImageBuffer::from_raw(width, height, words(buffer))?),
        _ => return None,
    })
}

/// Grey or RGB, 8 bits a sample, on paper.
pub(super) fn flatten(image: DynamicImage) -> DynamicImage {
    match image {
        DynamicImage::ImageLuma8(_) | DynamicImage::ImageRgb8(_) => image,
        image if !image.color().has_color() && !image.color().has_alpha() => image.into_luma8().into(),
        image if !image.color().has_alpha() => image.into_rgb8().into(),
        image => opaque(image.into_rgba8()),
    }
}

fn opaque(image: RgbaImage) -> DynamicImage {
    let paper = if is_faint(&image) { 0 } else { 255 };
    let (width, height) = image.dimensions();
    let mut bytes = image.into_raw();
    // in place: three bytes never overtake the four they come from
    for pixel in 0..bytes.len() / 4 {
        let alpha = u32::from(bytes[pixel * 4 + 3]);
        for channel in 0..3 {
            bytes[pixel * 3 + channel] = over(paper, bytes[pixel * 4 + channel], alpha);
        }
    }
    bytes.truncate(bytes.len() / 4 * 3);
    // the length is right by construction; a mismatch would show as an empty image
    RgbImage::from_raw(width, height, bytes).unwrap_or_default().into()
}

/// Whether there is transparent paper, and the ink on it is too light for white.
fn is_faint(image: &RgbaImage) -> bool {
    let (mut ink, mut darkness, mut paper) = (0u64, 0u64, 0u64);
    for image::Rgba([red, green, blue, alpha]) in image.pixels() {
        let (light, alpha) = (u64::from(*red.min(green).min(blue)), u64::from(*alpha));
        ink += alpha;
        darkness += (255 - light) * alpha;
        paper += 255 - alpha;
    }
    ink > 0 && paper > 0 && darkness / ink < FAINT
}

/// Makes the last rows white that a JPEG decoder has filled with grey, because the data of the image end before them.
pub(super) fn whiten_end(image: &mut DynamicImage) {
    const FILL: std::ops::RangeInclusive<u8> = 126..=130;
    let row_bytes = image.width() as usize * usize::from(image.color().channel_count());
    let bytes: &mut [u8] = match image {
        DynamicImage::ImageLuma8(grey) => grey,
        DynamicImage::ImageRgb8(rgb) => rgb,
        _ => return,
    };
    for row in bytes.chunks_exact_mut(row_bytes.max(1)).rev() {
        if !row.iter().all(|byte| FILL.contains(byte)) {
            break;
        }
        row.fill(255);
    }
}

/// A colour of opacity `alpha` (0 to 255) on paper.
fn over(paper: u32, colour: u8, alpha: u32) -> u8 {
    ((u32::from(colour) * alpha + paper * (255 - alpha) + 127) / 255) as u8
}

#[cfg(test)]
mod tests {
    use image::Rgba;

    use super::*;

    #[test]
    fn what_a_decoder_filled_up_becomes_paper() {
        let mut image: DynamicImage =
            GrayImage::from_raw(2, 4, vec![128, 0, 128, 128, 9, 128, 127, 128]).unwrap().into();
        whiten_end(&mut image);
        assert_eq!(image.into_luma8().into_raw(), [128, 0, 128, 128, 9, 128, 255, 255]);
    }

    #[test]
    fn white_ink_lies_on_black_and_any_other_on_white() {
        let drawing = |ink: [u8; 4]| {
            let mut image = RgbaImage::from_pixel(4, 1, Rgba([255, 255, 255, 0]));
            image.put_pixel(1, 0, Rgba(ink));
            flatten(image.into()).into_rgb8().into_raw()
        };
        let first = |pixels: Vec<u8>| (pixels[0], pixels[3]);
        assert_eq!(first(drawing([255, 255, 255, 255])), (0, 255));
        assert_eq!(first(drawing([250, 250, 245, 255])), (0, 250));
        assert_eq!(first(drawing([0, 0, 0, 255])), (255, 0));
        assert_eq!(first(drawing([255, 220, 0, 255])), (255, 255), "yellow can be read on white");
        let opaque = RgbaImage::from_pixel(2, 1, Rgba([255; 4]));
        assert_eq!(flatten(opaque.into()).into_rgb8().into_raw(), [255; 6], "white paper is white paper");
    }
}
