//! Faxes in TIFF: CCITT Group 3 (both codings), Group 4 and modified Huffman, in both bit orders. The `tiff` crate knows only
//! Group 4 in the usual bit order; fax servers write all of them.
//!
//! Large drawings are scanned in this coding too, and 20 kB of it can hold 250 million pixels: they are drawn at the size that
//! is wanted while they are read.

use std::io::{BufReader, Read, Seek, SeekFrom};

use image::{GrayImage, Luma};
use tiff::decoder::Decoder;
use tiff::tags::Tag;

use super::{open, unreadable};
use crate::error::{Error, Result};
use crate::render::document_file::{DocumentFile, DocumentReader};
use crate::render::fax_lines::{self, Coding};

const HUFFMAN: u16 = 2;
const GROUP_3: u16 = 3;
const GROUP_4: u16 = 4;
const HUFFMAN_AT_WORDS: u16 = 32_771;
/// `Compression` of everything that is read here.
pub(super) const COMPRESSIONS: [u16; 4] = [HUFFMAN, GROUP_3, GROUP_4, HUFFMAN_AT_WORDS];
/// The bit of `T4Options` for two-dimensional coding.
const TWO_DIMENSIONAL: u32 = 1;
/// `FillOrder`: the first pixel is in the lowest bit.
const LOW_BIT_FIRST: u16 = 2;
/// More are no picture: at the densest paper, a drawing as long as a football field.
const MAX_PIXELS: u64 = 4_000_000_000;
/// Coded bytes that are read; what a worker may take is ten times as much.
const MAX_CODED_BYTES: u64 = 128 << 20;

const WHITE: u8 = 255;

/// A fax, drawn smaller where it has many more pixels than are wanted.
pub(super) struct Fax {
    pub image: GrayImage,
    /// The data broke off, or a part of them could not be read.
    pub harmed: bool,
}

/// The frame at hand, if it is a fax in strips; `None` leaves it to the other decoder. Where it has more than `wanted` pixels,
/// it is drawn smaller, though never with fewer than those.
pub(super) fn frame(
    file: &DocumentFile,
    decoder: &mut Decoder<BufReader<DocumentReader>>,
    wanted: u64,
) -> Result<Option<Fax>> {
    let short = |decoder: &mut Decoder<_>, tag| decoder.find_tag_unsigned::<u16>(tag).map_err(unreadable);
    let options = decoder.find_tag_unsigned::<u32>(Tag::Unknown(292)).map_err(unreadable)?.unwrap_or(0);
    let coding = match short(decoder, Tag::Compression)? {
        Some(HUFFMAN) => Coding::Huffman { align_bytes: 1 },
        Some(HUFFMAN_AT_WORDS) => Coding::Huffman { align_bytes: 2 },
        Some(GROUP_3) => Coding::Group3 { mixed: options & TWO_DIMENSIONAL != 0 },
        Some(GROUP_4) => Coding::Group4,
        _ => return Ok(None),
    };
    let (Some(offsets), Some(lengths)) = (
        decoder.find_tag_unsigned_vec::<u64>(Tag::StripOffsets).map_err(unreadable)?,
        decoder.find_tag_unsigned_vec::<u64>(Tag::StripByteCounts).map_err(unreadable)?,
    ) else {
        return Ok(None);
    };
    let (width, height) = decoder.dimensions().map_err(unreadable)?;
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 || pixels > MAX_PIXELS {
        return Err(Error::permanent(format!("has {width} x {height} pixels, not 1 to {MAX_PIXELS}")));
    }
    let columns = u16::try_from(width)
        .map_err(|_| Error::permanent(format!("cannot be decoded: a fax of {width} pixels a row is too wide")))?;
    let reversed = short(decoder, Tag::FillOrder)? == Some(LOW_BIT_FIRST);
    // photometric 1 turns the colours of a fax around
    let negative = short(decoder, Tag::PhotometricInterpretation)? == Some(1);
    let rows_a_strip = decoder.find_tag_unsigned::<u32>(Tag::RowsPerStrip).map_err(unreadable)?.unwrap_or(height);

    let mut canvas = Canvas::new(width, height, wanted);
    let mut reader = open(file);
    let (mut first_row, mut harmed, mut left) = (0, false, MAX_CODED_BYTES);
    for (offset, length) in offsets.into_iter().zip(lengths) {
        if first_row >= height {
            break;
        }
        let rows = rows_a_strip.min(height - first_row);
        let mut coded = Vec::new();
        reader.seek(SeekFrom::Start(offset)).map_err(unreadable)?;
        left -= reader.by_ref().take(length.min(left)).read_to_end(&mut coded).map_err(unreadable)? as u64;
        harmed |= (coded.len() as u64) < length;
        if reversed {
            coded.iter_mut().for_each(|byte| *byte = byte.reverse_bits());
        }
        let mut drawn = false;
        harmed |= !fax_lines::read(&coded, coding, columns, rows, |row, changes| {
            drawn = true;
            canvas.row(first_row + row, changes);
        });
        if !drawn && first_row == 0 {
            return Err(Error::permanent("cannot be decoded: its fax data does not begin with a line"));
        }
        first_row += rows;
    }
    Ok(Some(Fax { image: canvas.finish(negative), harmed }))
}

/// Ink on white paper, as many pixels in one as are too many.
struct Canvas {
    image: GrayImage,
    width: u32,
    /// Columns and rows that become one.
    step: u32,
    /// Ink in the row of the image that is being drawn, a number of the fax's pixels for each of its columns.
    ink: Vec<u32>,
    /// There is any.
    inked: bool,
    drawing: u32,
}

impl Canvas {
    fn new(width: u32, height: u32, wanted: u64) -> Self {
        let pixels = u64::from(width) * u64::from(height);
        let step = ((pixels as f64 / wanted.max(1) as f64).sqrt().floor() as u32).max(1);
        let image = GrayImage::from_pixel(width.div_ceil(step), height.div_ceil(step), Luma([WHITE]));
        let ink = vec![0; image.width() as usize];
        Self { image, width, step, ink, inked: false, drawing: 0 }
    }

    /// Draws a row from the columns where its colour changes, paper first.
    fn row(&mut self, row: u32, changes: &[u16]) {
        if row / self.step != self.drawing {
            self.flush();
            self.drawing = row / self.step;
        }
        for run in changes.chunks(2) {
            let start = u32::from(run[0]).min(self.width);
            let end = run.get(1).map_or(self.width, |end| u32::from(*end).min(self.width));
            let mut at = start;
            while at < end {
                let column = at / self.step;
                let next = ((column + 1) * self.step).min(end);
                self.ink[column as usize] += next - at;
                self.inked = true;
                at = next;
            }
        }
    }

    fn flush(&mut self) {
        if !std::mem::take(&mut self.inked) {
            return;
        }
        let full = self.step * self.step;
        let columns = self.ink.len();
        let row = self.image.iter_mut().skip(self.drawing as usize * columns).take(columns);
        for (pixel, ink) in row.zip(&mut self.ink) {
            *pixel = WHITE - (std::mem::take(ink).min(full) * u32::from(WHITE) / full) as u8;
        }
    }

    fn finish(mut self, negative: bool) -> GrayImage {
        self.flush();
        if negative {
            self.image.iter_mut().for_each(|shade| *shade = WHITE - *shade);
        }
        self.image
    }
}

#[cfg(test)]
mod tests {
    use fax::encoder::Encoder;
    use fax::{Color, VecWriter};

    use super::*;
    use crate::render::picture::tiff;
    use crate::types::{RenderLimits, RenderSettings};

    const BLACK: u8 = 0;

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

    fn drawn(file: &tempfile::NamedTempFile, max_page_pixels: u64) -> GrayImage {
        let settings = RenderSettings { max_page_pixels, ..RenderSettings::default() };
        let file = DocumentFile::open(file.path());
        tiff::frame(&file, 1, &settings, &RenderLimits::default()).unwrap().image.into_luma8()
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
    fn faxes_of_every_coding_and_bit_order_are_read() {
        let huffman = [0b1001_1000, 0b1011_0011].repeat(4);
        for (group, coded) in [
            (GROUP_3, coded_by_group_3()),
            (GROUP_4, coded_by_group_4()),
            (HUFFMAN, huffman.clone()),
            (HUFFMAN_AT_WORDS, huffman),
        ] {
            for fill_order in [1, LOW_BIT_FIRST] {
                let image = drawn(&fax(group, fill_order, 0, coded.clone()), 1_000_000);
                for (column, _, pixel) in image.enumerate_pixels() {
                    let expected = if (8..16).contains(&column) { BLACK } else { WHITE };
                    assert_eq!(pixel.0, [expected], "group {group}, order {fill_order}, column {column}");
                }
            }
        }
    }

    #[test]
    fn large_faxes_are_drawn_smaller_while_they_are_read() {
        let image = drawn(&fax(GROUP_4, 1, 0, coded_by_group_4()), 24);
        assert_eq!(image.dimensions(), (12, 2));
        assert!(image.enumerate_pixels().all(|(column, _, pixel)| (pixel.0 == [BLACK]) == (4..8).contains(&column)));
        let mut canvas = Canvas::new(24, 4, 6);
        for row in 0..4 {
            canvas.row(row, &[6, 16, 24]);
        }
        let image = canvas.finish(false);
        assert_eq!(image.as_raw(), &[255, 128, 0, 0, 255, 255], "half of the second is ink");
    }

    #[test]
    fn the_other_photometric_turns_the_colours_around() {
        let image = drawn(&fax(GROUP_4, 1, 1, coded_by_group_4()), 1_000_000);
        assert_eq!((image[(0, 0)].0, image[(8, 0)].0), ([BLACK], [WHITE]));
    }

    #[test]
    fn a_fax_that_breaks_off_is_shown_as_far_as_it_goes() {
        let mut coded = coded_by_group_4();
        coded.truncate(2);
        let file = fax(GROUP_4, 1, 0, coded);
        let file = DocumentFile::open(file.path());
        let frame = tiff::frame(&file, 1, &RenderSettings::default(), &RenderLimits::default()).unwrap();
        assert!(frame.notes[0].lost, "{:?}", frame.notes);
        assert_eq!(frame.image.into_luma8()[(8, 0)].0, [BLACK]);
    }
}
