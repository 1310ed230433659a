//! Compressions of TIFF by their names: which are read, and what a refusal calls the others.

use std::io::{Read, Seek};

use tiff::decoder::Decoder;
use tiff::tags::Tag;

use super::unreadable;
use crate::error::{Error, Result};

/// None, CCITT (three kinds), LZW, JPEG (old and new), Deflate (two numbers), RLE in words, PackBits, Zstandard.
const READ: &[u16] = &[1, 2, 3, 4, 5, 6, 7, 8, 32_771, 32_773, 32_946, 50_000];

/// Refuses a frame whose compression nobody here reads. A frame without the tag is not compressed.
pub(super) fn check<R: Read + Seek>(decoder: &mut Decoder<R>) -> Result<()> {
    let number = decoder.find_tag_unsigned::<u16>(Tag::Compression).map_err(unreadable)?.unwrap_or(1);
    if READ.contains(&number) {
        return Ok(());
    }
    let said = match name(number) {
        Some(name) => format!("its compression, {name} ({number}), is not supported"),
        None => format!("its compression, number {number}, is not known"),
    };
    Err(Error::permanent(format!("cannot be decoded: {said}; convert it to PNG, or to TIFF with LZW or Deflate")))
}

fn name(number: u16) -> Option<&'static str> {
    Some(match number {
        9 | 34_661 => "JBIG",
        10 => "JBIG for colours",
        32_766 => "NeXT",
        32_809 => "ThunderScan",
        32_895..=32_898 => "IT8",
        32_908 => "Pixar film",
        32_909 => "Pixar log",
        32_947 => "Kodak DCS",
        33_003 | 33_005 | 34_712 => "JPEG 2000",
        34_676 | 34_677 => "SGI log",
        34_715 => "JBIG2",
        34_887 => "LERC",
        34_892 => "lossy JPEG of DNG",
        34_925 => "LZMA",
        34_933 => "PNG",
        22_610 | 34_934 => "JPEG XR",
        50_001 => "WebP",
        50_002 | 52_546 => "JPEG XL",
        _ => return None,
    })
}
