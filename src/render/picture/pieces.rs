//! Frames of a TIFF whose data end early, piece by piece: strips and tiles that can be read are shown, the others are paper. Samples of
//! up to eight bits, one plane. Never for frames that can be read as a whole.

use std::io::{Read, Seek};

use tiff::ColorType;
use tiff::decoder::{Decoder, DecodingResult};

use super::samples::Samples;
use super::{check_size, unreadable};
use crate::error::Result;
use crate::types::RenderLimits;

/// None if no piece can be read, or they are of a kind that is not put together here.
pub(super) fn read<R: Read + Seek>(decoder: &mut Decoder<R>, limits: &RenderLimits) -> Result<Option<Samples>> {
    let (width, height) = decoder.dimensions().map_err(unreadable)?;
    let color = decoder.colortype().map_err(unreadable)?;
    let layout = decoder.image_buffer_layout().map_err(unreadable)?;
    let pixel_bits = usize::from(color.num_samples()) * usize::from(color.bit_depth());
    let paper = match color {
        ColorType::CMYK(_) | ColorType::CMYKA(_) => 0,
        ColorType::YCbCr(_) | ColorType::Lab(_) => return Ok(None),
        _ => 0xff,
    };
    if layout.planes > 1 || color.bit_depth() > 8 {
        return Ok(None);
    }
    check_size(width, height, layout.complete_len as u64, color.num_samples().min(255) as u8, limits)?;
    let row_bytes = (width as usize * pixel_bits).div_ceil(8);
    let mut rows = vec![paper; row_bytes * height as usize];
    let (piece_width, piece_height) = decoder.chunk_dimensions();
    let across = width.div_ceil(piece_width.max(1));
    let down = height.div_ceil(piece_height.max(1));
    let mut any = false;
    for number in 0..across * down {
        let Ok(DecodingResult::U8(piece)) = decoder.read_chunk(number) else { continue };
        let (shown, _) = decoder.chunk_data_dimensions(number);
        let (left, top) = (number % across * piece_width, number / across * piece_height);
        let start = left as usize * pixel_bits / 8;
        let piece_row = (shown as usize * pixel_bits).div_ceil(8).min(row_bytes - start);
        let lines = rows.chunks_exact_mut(row_bytes.max(1)).skip(top as usize);
        for (line, samples) in lines.zip(piece.chunks_exact(piece_row.max(1))) {
            line[start..start + piece_row].copy_from_slice(samples);
        }
        any = true;
    }
    Ok(any.then(|| Samples::of_rows(rows, color, (width, height), row_bytes)))
}
