//! What an image file says beside its pixels: which side is up, how large a pixel is across and along, whether all of it is
//! there. Read by hand where the decoders do not tell.

use std::io::{Read, Seek, SeekFrom};

use image::metadata::Orientation;

use crate::render::jpeg_scan;
use crate::render::sniff::Format;

/// What some programs put before the EXIF data of a WebP, as it stands in a JPEG.
const EXIF_PREFIX: &[u8] = b"Exif\0\0";
/// Resolutions that differ by less are the same; by more than [`MAX_RATIO`], a mistake.
const MIN_RATIO: f64 = 1.05;
const MAX_RATIO: f64 = 5.0;
/// Chunks or segments before the pixels that are looked at.
const MAX_PARTS: usize = 1_000;

/// How much a pixel is higher than wide.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Shape(f64);

impl Shape {
    pub(super) const SQUARE: Self = Self(1.0);

    /// From pixels a unit of length, across and along.
    pub(super) fn of_resolution(across: f64, along: f64) -> Self {
        let ratio = across / along;
        let unequal = (MIN_RATIO..=MAX_RATIO).contains(&ratio) || (MIN_RATIO..=MAX_RATIO).contains(&ratio.recip());
        if unequal { Self(ratio) } else { Self::SQUARE }
    }

    /// Width and height in square pixels, of which none of the picture's own is lost.
    pub(super) fn stretched(self, (width, height): (u32, u32)) -> (f64, f64) {
        let (width, height) = (f64::from(width), f64::from(height));
        if self.0 >= 1.0 { (width, height * self.0) } else { (width / self.0, height) }
    }
}

/// The orientation that EXIF data tell, with or without the prefix that they have in a JPEG.
pub(super) fn orientation(exif: &[u8]) -> Orientation {
    let exif = exif.strip_prefix(EXIF_PREFIX).unwrap_or(exif);
    Orientation::from_exif_chunk(exif).unwrap_or(Orientation::NoTransforms)
}

/// The shape of the pixels of a PNG (`pHYs`) or JPEG (JFIF).
pub(super) fn shape(file: impl Read + Seek, format: Format) -> Shape {
    let resolution = match format {
        Format::Png => png_resolution(file),
        Format::Jpeg => jfif_resolution(file),
        _ => None,
    };
    resolution.map_or(Shape::SQUARE, |(across, along)| Shape::of_resolution(across, along))
}

fn png_resolution(file: impl Read + Seek) -> Option<(f64, f64)> {
    let body = png_chunk(file, b"pHYs")?;
    let number = |at: usize| Some(f64::from(u32::from_be_bytes(body.get(at..at + 4)?.try_into().ok()?)));
    Some((number(0)?, number(4)?))
}

/// Whether a PNG has more than one picture.
pub(super) fn is_animated_png(file: impl Read + Seek) -> bool {
    png_chunk(file, b"acTL").and_then(|body| Some(u32::from_be_bytes(body.get(..4)?.try_into().ok()?))).unwrap_or(0) > 1
}

/// The first bytes of a chunk before the pixels.
fn png_chunk(mut file: impl Read + Seek, wanted: &[u8; 4]) -> Option<Vec<u8>> {
    file.seek(SeekFrom::Start(8)).ok()?;
    for _ in 0..MAX_PARTS {
        let mut head = [0; 8];
        file.read_exact(&mut head).ok()?;
        let (length, kind) = (u32::from_be_bytes(head[..4].try_into().ok()?), &head[4..]);
        if kind == wanted {
            let mut body = Vec::new();
            file.take(u64::from(length).min(64)).read_to_end(&mut body).ok()?;
            return Some(body);
        }
        if kind == b"IDAT" {
            return None;
        }
        file.seek(SeekFrom::Current(i64::from(length) + 4)).ok()?;
    }
    None
}

fn jfif_resolution(mut file: impl Read + Seek) -> Option<(f64, f64)> {
    let mut head = [0; 18];
    file.seek(SeekFrom::Start(0)).ok()?;
    file.read_exact(&mut head).ok()?;
    let is_jfif = head.starts_with(&[0xff, 0xd8, 0xff, 0xe0]) && &head[6..11] == b"JFIF\0";
    let number = |at: usize| f64::from(u16::from_be_bytes([head[at], head[at + 1]]));
    is_jfif.then(|| (number(14), number(16)))
}

/// Why a JPEG's pixels are not all there; no text: it does not go on to its end mark. Decoders fill up what is missing with grey
/// and say nothing.
pub(super) fn jpeg_fault(mut file: impl Read + Seek) -> Option<String> {
    let mut bytes = Vec::new();
    if file.seek(SeekFrom::Start(0)).is_err() || file.read_to_end(&mut bytes).is_err() {
        return None;
    }
    match jpeg_ends(&bytes) {
        false => Some(String::new()),
        true => jpeg_scan::is_damaged(&bytes).then(|| "parts of them make no sense".to_owned()),
    }
}

/// Follows the marks of a JPEG: segments have a length, pixels go on until the next mark.
fn jpeg_ends(bytes: &[u8]) -> bool {
    const END: u8 = 0xd9;
    const SCAN: u8 = 0xda;
    let mut at = 2;
    loop {
        // to the next mark: 0xff and a byte that is neither stuffing nor a restart
        let Some(found) = bytes.get(at..).and_then(|rest| {
            rest.windows(2).position(|pair| pair[0] == 0xff && !matches!(pair[1], 0 | 0x01 | 0xff | 0xd0..=0xd8))
        }) else {
            return false;
        };
        let mark = bytes[at + found + 1];
        at += found + 2;
        if mark == END {
            return true;
        }
        let Some(length) = bytes.get(at..at + 2) else { return false };
        at += usize::from(u16::from_be_bytes([length[0], length[1]])).max(2);
        if mark == SCAN && at >= bytes.len() {
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn the_coarser_resolution_is_stretched() {
        let (width, height) = Shape::of_resolution(204.0, 98.0).stretched((1728, 1078));
        assert!(width == 1728.0 && (height - 2244.0).abs() < 1.0, "{width} x {height}");
        assert_eq!(Shape::of_resolution(100.0, 200.0).stretched((50, 300)), (100.0, 300.0));
        for (across, along) in [(300.0, 300.0), (300.0, 299.0), (1.0, 0.0), (0.0, 0.0), (300.0, 1.0), (f64::NAN, 1.0)] {
            assert_eq!(Shape::of_resolution(across, along), Shape::SQUARE, "{across} {along}");
        }
    }

    #[test]
    fn orientation_is_read_with_and_without_its_prefix() {
        let exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0".to_vec();
        let prefixed = [EXIF_PREFIX, &exif].concat();
        assert_eq!((orientation(&exif), orientation(&prefixed)), (Orientation::Rotate90, Orientation::Rotate90));
        assert_eq!(orientation(b"nothing"), Orientation::NoTransforms);
    }

    #[test]
    fn a_jpeg_is_whole_if_its_marks_lead_to_the_end() {
        let whole = [
            &[0xff, 0xd8, 0xff, 0xe1, 0, 6, 0xff, 0xd9, 0, 0][..],
            &[0xff, 0xda, 0, 4, 1, 2, 7, 0xff, 0, 8, 0xff, 0xd3, 9, 0xff, 0xd9][..],
            b"trailer",
        ]
        .concat();
        assert!(jpeg_ends(&whole));
        for cut in [whole.len() - 9, 15, 12, 11, 9, 3] {
            assert!(!jpeg_ends(&whole[..cut]), "cut at {cut}: the end mark in the first segment is none");
        }
    }

    #[test]
    fn the_shape_of_pngs_and_jpegs() {
        let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
        for (kind, body) in [(b"IHDR", vec![0; 13]), (b"pHYs", vec![0, 0, 0, 200, 0, 0, 0, 100, 0])] {
            png.extend_from_slice(&(body.len() as u32).to_be_bytes());
            png.extend_from_slice(kind);
            png.extend_from_slice(&body);
            png.extend_from_slice(&[0; 4]);
        }
        assert_eq!(shape(Cursor::new(&png), Format::Png), Shape(2.0));
        let jpeg = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\x01\0\x64\0\xc8\0\0";
        assert_eq!(shape(Cursor::new(&jpeg[..]), Format::Jpeg), Shape(0.5));
        assert_eq!(shape(Cursor::new(b""), Format::Jpeg), Shape::SQUARE);
    }
}
