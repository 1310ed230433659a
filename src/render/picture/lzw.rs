//! LZW in TIFF whose pieces lack their end code, or break off. The `tiff` decoder wants the code; some programs leave it out, and all
//! others read what they write. Eight bits a sample, one plane.

use std::io::{BufReader, Read, Seek, SeekFrom};

use image::{DynamicImage, GrayImage, RgbImage};
use tiff::decoder::Decoder;
use tiff::tags::Tag;
use weezl::BitOrder;
use weezl::decode::Decoder as Lzw;

use super::{check_size, open, unreadable};
use crate::error::Result;
use crate::render::document_file::{DocumentFile, DocumentReader};
use crate::types::RenderLimits;

const LZW: u64 = 5;
const HORIZONTAL: u64 = 2;
const WHITE_IS_ZERO: u64 = 0;
const BLACK_IS_ZERO: u64 = 1;
const RGB: u64 = 2;

/// The frame at hand and whether it is harmed, if it is one that can be read here.
pub(super) fn frame(
    file: &DocumentFile,
    decoder: &mut Decoder<BufReader<DocumentReader>>,
    limits: &RenderLimits,
) -> Result<Option<(DynamicImage, bool)>> {
    let mut number = |tag: Tag, missing: u64| -> Result<u64> {
        Ok(decoder.find_tag_unsigned::<u64>(tag).map_err(unreadable)?.unwrap_or(missing))
    };
    let photometric = number(Tag::PhotometricInterpretation, u64::MAX)?;
    let channels = number(Tag::SamplesPerPixel, 1)? as usize;
    let known = matches!((photometric, channels), (WHITE_IS_ZERO | BLACK_IS_ZERO, 1) | (RGB, 3));
    if number(Tag::Compression, 0)? != LZW || !known || number(Tag::PlanarConfiguration, 1)? != 1 {
        return Ok(None);
    }
    let predicted = number(Tag::Predictor, 1)? == HORIZONTAL;
    let bits = decoder.find_tag_unsigned_vec::<u16>(Tag::BitsPerSample).map_err(unreadable)?.unwrap_or_default();
    if bits.iter().any(|bits| *bits != 8) || bits.is_empty() {
        return Ok(None);
    }
    let (width, height) = decoder.dimensions().map_err(unreadable)?;
    check_size(width, height, 0, channels as u8, limits)?;
    let (piece_width, piece_height) = decoder.chunk_dimensions();
    let mut pieces = |tag| decoder.find_tag_unsigned_vec::<u64>(tag).map_err(unreadable);
    let (offsets, lengths) = match (pieces(Tag::TileOffsets)?, pieces(Tag::TileByteCounts)?) {
        (Some(offsets), Some(lengths)) => (offsets, lengths),
        _ => (pieces(Tag::StripOffsets)?.unwrap_or_default(), pieces(Tag::StripByteCounts)?.unwrap_or_default()),
    };
    let (row_bytes, piece_row) = (width as usize * channels, piece_width as usize * channels);
    let across = width.div_ceil(piece_width.max(1)) as usize;
    // paper, also after the samples are turned
    let paper = if photometric == WHITE_IS_ZERO { 0 } else { 0xffu8 };
    let mut pixels = vec![paper; row_bytes * height as usize];
    let (mut reader, mut any, mut harmed) = (open(file), false, false);
    for (number, (offset, length)) in offsets.into_iter().zip(lengths).enumerate() {
        let (left, top) = (number % across * piece_row, number / across * piece_height as usize);
        let mut coded = Vec::new();
        reader.seek(SeekFrom::Start(offset)).map_err(unreadable)?;
        reader.by_ref().take(length).read_to_end(&mut coded).map_err(unreadable)?;
        let rows = (piece_height as usize).min((height as usize).saturating_sub(top));
        let piece = decoded(&coded, piece_row * piece_height as usize);
        harmed |= piece.len() < piece_row * rows;
        any |= !piece.is_empty();
        for (row, samples) in piece.chunks(piece_row.max(1)).enumerate() {
            let start = (top + row) * row_bytes + left;
            let end = start + samples.len().min(row_bytes.saturating_sub(left));
            let Some(target) = pixels.get_mut(start..end).filter(|_| top + row < height as usize) else { break };
            target.copy_from_slice(&samples[..target.len()]);
            if predicted {
                for at in channels..target.len() {
                    target[at] = target[at].wrapping_add(target[at - channels]);
                }
            }
        }
    }
    if photometric == WHITE_IS_ZERO {
        pixels.iter_mut().for_each(|sample| *sample = 255 - *sample);
    }
    let image = match channels {
        _ if !any => None,
        1 => GrayImage::from_raw(width, height, pixels).map(DynamicImage::from),
        _ => RgbImage::from_raw(width, height, pixels).map(DynamicImage::from),
    };
    Ok(image.map(|image| (image, harmed)))
}

/// At most `most` bytes of a piece, as far as they go.
fn decoded(coded: &[u8], most: usize) -> Vec<u8> {
    let mut lzw = Lzw::with_tiff_size_switch(BitOrder::Msb, 8);
    let mut bytes = vec![0; most];
    let (mut read, mut written) = (0, 0);
    while written < most {
        let step = lzw.decode_bytes(&coded[read..], &mut bytes[written..]);
        read += step.consumed_in;
        written += step.consumed_out;
        match step.status {
            Ok(weezl::LzwStatus::Ok) if step.consumed_in + step.consumed_out > 0 => {}
            Ok(_) | Err(_) => break,
        }
    }
    bytes.truncate(written);
    bytes
}
