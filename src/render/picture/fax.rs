//! Faxes in TIFF: CCITT Group 3 (one-dimensional) and Group 4, in both bit orders. The `tiff` crate knows only Group 4
//! in the usual bit order; fax servers write all of them.

use std::io::{BufReader, Read, Seek, SeekFrom};

use fax::decoder::{DecodeStatus, Group3Decoder, Group4Decoder};
use image::{Rgb, RgbImage};
use tiff::decoder::Decoder;
use tiff::tags::Tag;

use super::{check_size, open, unreadable};
use crate::error::{Error, Result};
use crate::render::document_file::{DocumentFile, DocumentReader};
use crate::types::RenderLimits;

const GROUP_3: u16 = 3;
const GROUP_4: u16 = 4;
/// The bit of `T4Options` for two-dimensional coding.
const TWO_DIMENSIONAL: u32 = 1;
/// `FillOrder`: the first pixel is in the lowest bit.
const LOW_BIT_FIRST: u16 = 2;

const WHITE: Rgb<u8> = Rgb([255; 3]);
const BLACK: Rgb<u8> = Rgb([0; 3]);

/// The frame at hand, if it is a fax in strips; `None` leaves it to the other decoder.
pub(super) fn frame(
    file: &DocumentFile,
    decoder: &mut Decoder<BufReader<DocumentReader>>,
    limits: &RenderLimits,
) -> Result<Option<RgbImage>> {
    let short = |decoder: &mut Decoder<_>, tag| decoder.find_tag_unsigned::<u16>(tag).map_err(unreadable);
    let group = match short(decoder, Tag::Compression)? {
        Some(group @ (GROUP_3 | GROUP_4)) => group,
        _ => return Ok(None),
    };
    let (Some(offsets), Some(lengths)) = (
        decoder.find_tag_unsigned_vec::<u64>(Tag::StripOffsets).map_err(unreadable)?,
        decoder.find_tag_unsigned_vec::<u64>(Tag::StripByteCounts).map_err(unreadable)?,
    ) else {
        return Ok(None);
    };
    let options = decoder.find_tag_unsigned::<u32>(Tag::Unknown(292)).map_err(unreadable)?.unwrap_or(0);
    if group == GROUP_3 && options & TWO_DIMENSIONAL != 0 {
        return Err(Error::permanent("cannot be decoded: two-dimensional Group 3 faxes are not supported"));
    }
    let (width, height) = decoder.dimensions().map_err(unreadable)?;
    check_size(width, height, 0, limits)?;
    let columns = u16::try_from(width)
        .map_err(|_| Error::permanent(format!("cannot be decoded: a fax of {width} pixels a row is too wide")))?;
    let reversed = short(decoder, Tag::FillOrder)? == Some(LOW_BIT_FIRST);
    // photometric 1 turns the colours of a fax around
    let (paper, ink) = match short(decoder, Tag::PhotometricInterpretation)? {
        Some(1) => (BLACK, WHITE),
        _ => (WHITE, BLACK),
    };
    let rows_a_strip = decoder.find_tag_unsigned::<u32>(Tag::RowsPerStrip).map_err(unreadable)?.unwrap_or(height);

    let mut image = RgbImage::from_pixel(width, height, paper);
    let mut reader = open(file);
    let mut first_row = 0;
    for (offset, length) in offsets.into_iter().zip(lengths) {
        if first_row >= height {
            break;
        }
        let rows = rows_a_strip.min(height - first_row);
        let mut coded = Vec::new();
        reader.seek(SeekFrom::Start(offset)).map_err(unreadable)?;
        reader.by_ref().take(length).read_to_end(&mut coded).map_err(unreadable)?;
        if reversed {
            coded.iter_mut().for_each(|byte| *byte = byte.reverse_bits());
        }
        let mut paint = |row: u32, changes: &[u16]| draw_row(&mut image, first_row + row, changes, ink);
        match group {
            GROUP_3 => group_3(&coded, rows, &mut paint)?,
            _ => group_4(&coded, columns, rows, &mut paint)?,
        }
        first_row += rows;
    }
    Ok(Some(image))
}

/// Rows of a line that is coded on its own each. Damaged lines are what faxes have: they are shown as far as they go,
/// and the paper ends where the data does.
fn group_3(coded: &[u8], rows: u32, paint: &mut impl FnMut(u32, &[u16])) -> Result<()> {
    let mut decoder = Group3Decoder::new(coded.iter().map(|byte| Ok::<u8, std::io::Error>(*byte)))
        .map_err(|_| Error::permanent("cannot be decoded: its fax data does not begin with a line"))?;
    for row in 0..rows {
        let status = decoder.advance();
        // also after an error: the last line has no end-of-line code behind it
        paint(row, decoder.transitions());
        if !matches!(status, Ok(DecodeStatus::Incomplete)) {
            break;
        }
    }
    Ok(())
}

fn group_4(coded: &[u8], columns: u16, rows: u32, paint: &mut impl FnMut(u32, &[u16])) -> Result<()> {
    let bytes = coded.iter().map(|byte| Ok::<u8, std::io::Error>(*byte));
    let mut decoder = Group4Decoder::new(bytes, columns).map_err(unreadable)?;
    for row in 0..rows {
        match decoder.advance() {
            Ok(DecodeStatus::Incomplete) => paint(row, decoder.transition()),
            Ok(DecodeStatus::End) => break,
            Err(_) => return Err(Error::permanent(format!("cannot be decoded: its fax data breaks off at row {row}"))),
        }
    }
    Ok(())
}

/// Draws a row from the columns where its colour changes, paper first.
fn draw_row(image: &mut RgbImage, row: u32, changes: &[u16], ink: Rgb<u8>) {
    let width = image.width();
    for run in changes.chunks(2) {
        let start = u32::from(run[0]).min(width);
        let end = run.get(1).map_or(width, |end| u32::from(*end).min(width));
        for column in start..end {
            image.put_pixel(column, row, ink);
        }
    }
}

#[cfg(test)]
mod tests {
    use fax::encoder::Encoder;
    use fax::{Color, VecWriter};

    use super::*;
    use crate::render::picture::tiff;

    /// A 24 x 4 fax with a black bar in columns 8 to 15, as a TIFF with these tags.
    fn fax(compression: u16, fill_order: u16, photometric: u16, mut coded: Vec<u8>) -> tempfile::NamedTempFile {
        if fill_order == LOW_BIT_FIRST {
            coded.iter_mut().for_each(|byte| *byte = byte.reverse_bits());
        }
        let short = |value: u16| u32::from(value);
        let tags: [(u16, u16, u32); 10] = [
            (256, 3, 24),
            (257, 3, 4),
            (258, 3, 1),
            (259, 3, short(compression)),
            (262, 3, short(photometric)),
            (266, 3, short(fill_order)),
            (273, 4, 256),
            (277, 3, 1),
            (278, 3, 4),
            (279, 4, coded.len() as u32),
        ];
        let mut bytes = b"II*\0\x08\0\0\0\x0a\0".to_vec();
        for (id, kind, value) in tags {
            bytes.extend_from_slice(&id.to_le_bytes());
            bytes.extend_from_slice(&kind.to_le_bytes());
            bytes.extend_from_slice(&1u32.to_le_bytes());
            bytes.extend_from_slice(&value.to_le_bytes());
        }
        bytes.resize(256, 0);
        bytes.extend_from_slice(&coded);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        file
    }

    fn row() -> impl Iterator<Item = Color> {
        (0..24).map(|column| if (8..16).contains(&column) { Color::Black } else { Color::White })
    }

    fn coded_by_group_4() -> Vec<u8> {
        let mut encoder = Encoder::new(VecWriter::new());
        for _ in 0..4 {
            encoder.encode_line(row(), 24).unwrap();
        }
        encoder.finish().unwrap().finish()
    }

    /// Four lines of: end of line, 8 white (10011), 8 black (000101), 8 white (10011).
    fn coded_by_group_3() -> Vec<u8> {
        let bits = "000000000001100110001011".to_owned() + "0011";
        let bits = bits.repeat(4);
        let bytes = bits.as_bytes().chunks(8);
        bytes.map(|byte| byte.iter().enumerate().fold(0, |sum, (at, bit)| sum | (bit - b'0') << (7 - at))).collect()
    }

    #[test]
    fn faxes_of_both_groups_and_bit_orders_are_read() {
        for (group, coded) in [(GROUP_3, coded_by_group_3()), (GROUP_4, coded_by_group_4())] {
            for fill_order in [1, LOW_BIT_FIRST] {
                let file = fax(group, fill_order, 0, coded.clone());
                let image = tiff::frame(&DocumentFile::open(file.path()), 1, &RenderLimits::default()).unwrap().image;
                for (column, _, pixel) in image.enumerate_pixels() {
                    let expected = if (8..16).contains(&column) { BLACK } else { WHITE };
                    assert_eq!(*pixel, expected, "group {group}, order {fill_order}, column {column}");
                }
            }
        }
    }

    #[test]
    fn the_other_photometric_turns_the_colours_around() {
        let file = fax(GROUP_4, 1, 1, coded_by_group_4());
        let image = tiff::frame(&DocumentFile::open(file.path()), 1, &RenderLimits::default()).unwrap().image;
        assert_eq!((image[(0, 0)], image[(8, 0)]), (BLACK, WHITE));
    }
}
