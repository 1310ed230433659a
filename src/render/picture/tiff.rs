//! TIFF: every frame is a page. The `image` crate shows only the first frame and refuses what scanners write most
//! (palettes, CMYK, YCbCr, fax), so the `tiff` decoder is used directly and its samples are converted here.

use std::io::{BufReader, Read, Seek};

use image::RgbImage;
use image::metadata::Orientation;
use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::tags::{ByteOrder, Tag};
use tiff::{ColorType, TiffError};

use super::overlay::Overlay;
use super::{at_memory_limit, check_size, decode_budget, fax, open, over_white, unreadable};
use crate::error::{Error, Result};
use crate::render::document_file::{DocumentFile, DocumentReader};
use crate::types::RenderLimits;

/// `PhotometricInterpretation`: plain grey, and palette.
const BLACK_IS_ZERO: u16 = 1;
const PALETTE: u16 = 3;
/// `NewSubfileType`: a smaller copy of another frame, and a transparency mask.
const NOT_A_PAGE: u32 = 0b101;

/// A decoded frame, not yet turned upright.
pub(super) struct Frame {
    pub image: RgbImage,
    pub orientation: Orientation,
}

/// Pages of the file; the first is checked to be decodable within the limits.
pub(super) fn page_count(file: &DocumentFile, limits: &RenderLimits) -> Result<u32> {
    let mut decoder = decoder(open(file), limits)?;
    let (width, height) = decoder.dimensions().map_err(unreadable)?;
    check_size(width, height, 0, limits)?;
    let pages = pages(&mut decoder, limits.max_pages as usize + 1);
    Ok(pages.len() as u32)
}

/// Decodes the 1-based page `number`.
pub(super) fn frame(file: &DocumentFile, number: u32, limits: &RenderLimits) -> Result<Frame> {
    let mut decoder = decoder(open(file), limits)?;
    let index = *pages(&mut decoder, number as usize)
        .get(number as usize - 1)
        .ok_or_else(|| Error::permanent("is missing: the file has fewer frames than it had"))?;
    decoder.seek_to_image(index).map_err(unreadable)?;
    let photometric = decoder.find_tag_unsigned::<u16>(Tag::PhotometricInterpretation).map_err(unreadable)?;
    if photometric == Some(PALETTE) {
        return palette_frame(file, index, &mut decoder, limits);
    }
    let orientation = orientation(&mut decoder);
    let image = match fax::frame(file, &mut decoder, limits)? {
        Some(image) => image,
        None => Samples::read(&mut decoder, limits)?.to_rgb()?,
    };
    Ok(Frame { image, orientation })
}

fn decoder<R: Read + Seek>(reader: R, limits: &RenderLimits) -> Result<Decoder<R>> {
    let mut budget = Limits::default();
    budget.decoding_buffer_size = usize::try_from(decode_budget(limits)).unwrap_or(usize::MAX);
    budget.intermediate_buffer_size = budget.decoding_buffer_size;
    Ok(Decoder::new(reader).map_err(unreadable)?.with_limits(budget))
}

/// Indices of the first `most` frames that are pages, not previews or masks. A file of nothing else has its frames as
/// pages.
fn pages<R: Read + Seek>(decoder: &mut Decoder<R>, most: usize) -> Vec<usize> {
    let (mut pages, mut others) = (Vec::new(), Vec::new());
    let mut index = 0;
    loop {
        let kind = decoder.find_tag_unsigned::<u32>(Tag::NewSubfileType).ok().flatten().unwrap_or(0);
        if kind & NOT_A_PAGE == 0 {
            pages.push(index)
        } else {
            others.push(index)
        }
        if pages.len() >= most || others.len() >= most || !decoder.more_images() {
            break;
        }
        index += 1;
        // a frame that cannot be read is a page that will say so; a chain that cannot be followed ends here
        let _ = decoder.next_image();
    }
    if pages.is_empty() { others } else { pages }
}

fn orientation<R: Read + Seek>(decoder: &mut Decoder<R>) -> Orientation {
    let tag = decoder.find_tag_unsigned::<u8>(Tag::Orientation).ok().flatten();
    tag.and_then(Orientation::from_exif).unwrap_or(Orientation::NoTransforms)
}

/// The decoder refuses palettes: it is shown the same file with this frame declared to be grey, and the palette is
/// applied to the numbers that come out.
fn palette_frame(
    file: &DocumentFile,
    index: usize,
    original: &mut Decoder<BufReader<DocumentReader>>,
    limits: &RenderLimits,
) -> Result<Frame> {
    let colours: Vec<u16> = original.get_tag_u16_vec(Tag::ColorMap).map_err(unreadable)?;
    let order = original.byte_order();
    let at = original
        .ifd_pointer()
        .and_then(|ifd| photometric_place(&mut open(file), ifd.0, order))
        .ok_or_else(|| Error::permanent("cannot be decoded: its palette frame has no readable directory"))?;
    let bytes = match order {
        ByteOrder::LittleEndian => BLACK_IS_ZERO.to_le_bytes(),
        ByteOrder::BigEndian => BLACK_IS_ZERO.to_be_bytes(),
    };
    let mut decoder = decoder(Overlay { inner: open(file), at, bytes }, limits)?;
    decoder.seek_to_image(index).map_err(unreadable)?;
    let orientation = orientation(&mut decoder);
    let samples = Samples::read(&mut decoder, limits)?;
    let ColorType::Gray(bits @ 1..=8) = samples.color else {
        return Err(unsupported(samples.color));
    };
    let entries = 1usize << bits;
    if colours.len() < entries * 3 {
        return Err(Error::permanent(format!("has a palette of {} values, not {}", colours.len(), entries * 3)));
    }
    let entry = |value: usize, channel: usize| (colours[channel * entries + value] >> 8) as u8;
    let image = samples.map(|x, y| {
        let value = samples.packed(x, y, bits) as usize;
        [entry(value, 0), entry(value, 1), entry(value, 2)]
    });
    Ok(Frame { image, orientation })
}

/// Where in the file the value of `PhotometricInterpretation` stands, in the directory at `ifd`.
fn photometric_place<R: Read + Seek>(file: &mut R, ifd: u64, order: ByteOrder) -> Option<u64> {
    let mut number = |at: u64, bytes: usize| {
        let mut buffer = [0; 8];
        file.seek(std::io::SeekFrom::Start(at)).ok()?;
        file.read_exact(&mut buffer[..bytes]).ok()?;
        Some(match order {
            ByteOrder::LittleEndian => u64::from_le_bytes(buffer),
            ByteOrder::BigEndian => u64::from_be_bytes(buffer) >> (64 - 8 * bytes),
        })
    };
    let big = number(2, 2)? == 43;
    let (count_bytes, entry_bytes, value_offset) = if big { (8, 20, 12) } else { (2, 12, 8) };
    let count = number(ifd, count_bytes)?.min(1 << 16);
    let first = ifd + count_bytes as u64;
    (0..count)
        .map(|index| first + index * entry_bytes)
        .find(|entry| number(*entry, 2) == Some(u64::from(Tag::PhotometricInterpretation.to_u16())))
        .map(|entry| entry + value_offset)
}

fn unsupported(color: ColorType) -> Error {
    Error::permanent(format!("cannot be decoded: TIFF frames of kind {color:?} are not supported"))
}

/// What the decoder hands out: samples of one size, in one plane or several.
struct Samples {
    data: DecodingResult,
    color: ColorType,
    width: u32,
    height: u32,
    /// Samples a pixel, and the distance between two samples of a pixel: 1, or a whole plane.
    channels: usize,
    channel_stride: usize,
    /// Bytes a row, for samples smaller than a byte.
    row_bytes: usize,
}

impl Samples {
    fn read<R: Read + Seek>(decoder: &mut Decoder<R>, limits: &RenderLimits) -> Result<Self> {
        let (width, height) = decoder.dimensions().map_err(unreadable)?;
        let color = decoder.colortype().map_err(unreadable)?;
        let layout = decoder.image_buffer_layout().map_err(unreadable)?;
        check_size(width, height, layout.complete_len as u64, limits)?;
        let channels = usize::from(color.num_samples());
        let mut data = DecodingResult::U8(Vec::new());
        decoder.read_image_to_buffer(&mut data).map_err(|error| match error {
            TiffError::LimitsExceeded => at_memory_limit(unreadable(error), limits),
            error => unreadable(error),
        })?;
        let pixels = width as usize * height as usize;
        let planar = layout.planes > 1;
        let samples = Self {
            data,
            color,
            width,
            height,
            channels: if planar { 1 } else { channels },
            channel_stride: if planar { pixels } else { 1 },
            row_bytes: layout.row_stride.map_or(0, std::num::NonZeroUsize::get),
        };
        let (found, expected) = match color.bit_depth() {
            0..8 => (samples.len(), samples.row_bytes * height as usize),
            _ => (samples.len(), pixels * channels),
        };
        match found < expected {
            true => Err(Error::permanent(format!("cannot be decoded: it has {found} samples, not {expected}"))),
            false => Ok(samples),
        }
    }

    fn len(&self) -> usize {
        match &self.data {
            DecodingResult::U8(data) => data.len(),
            DecodingResult::U16(data) => data.len(),
            DecodingResult::U32(data) => data.len(),
            DecodingResult::F32(data) => data.len(),
            _ => 0,
        }
    }

    /// Sample `channel` of a pixel, as 0 to 255.
    fn sample(&self, x: u32, y: u32, channel: usize) -> u8 {
        let pixel = y as usize * self.width as usize + x as usize;
        let index = pixel * self.channels + channel * self.channel_stride;
        match &self.data {
            DecodingResult::U8(data) => data[index],
            DecodingResult::U16(data) => (data[index] >> 8) as u8,
            DecodingResult::U32(data) => (data[index] >> 24) as u8,
            DecodingResult::F32(data) => (data[index].clamp(0.0, 1.0) * 255.0).round() as u8,
            _ => 0,
        }
    }

    /// The value of a pixel of `bits` bits (1, 2, 4 or 8), packed into bytes.
    fn packed(&self, x: u32, y: u32, bits: u8) -> u8 {
        let DecodingResult::U8(data) = &self.data else { return 0 };
        let first_bit = x as usize * usize::from(bits);
        let byte = data[y as usize * self.row_bytes + first_bit / 8];
        let shift = 8 - usize::from(bits) - first_bit % 8;
        (byte >> shift) & (0xff >> (8 - bits))
    }

    fn map(&self, pixel: impl Fn(u32, u32) -> [u8; 3]) -> RgbImage {
        RgbImage::from_fn(self.width, self.height, |x, y| image::Rgb(pixel(x, y)))
    }

    fn to_rgb(&self) -> Result<RgbImage> {
        let grey = |value: u8| [value; 3];
        Ok(match self.color {
            ColorType::Gray(bits @ (1 | 2 | 4)) => {
                let scale = 255 / (0xff >> (8 - bits));
                self.map(|x, y| grey(self.packed(x, y, bits) * scale))
            }
            _ if self.color.bit_depth() < 8 || self.len() == 0 => return Err(unsupported(self.color)),
            ColorType::Gray(_) => self.map(|x, y| grey(self.sample(x, y, 0))),
            ColorType::GrayA(_) | ColorType::Multiband { num_samples: 2, .. } => self.map(|x, y| {
                let alpha = u32::from(self.sample(x, y, 1));
                grey(over_white(self.sample(x, y, 0), alpha))
            }),
            ColorType::RGB(_) => self.map(|x, y| [0, 1, 2].map(|channel| self.sample(x, y, channel))),
            ColorType::RGBA(_) => self.map(|x, y| {
                let alpha = u32::from(self.sample(x, y, 3));
                [0, 1, 2].map(|channel| over_white(self.sample(x, y, channel), alpha))
            }),
            ColorType::CMYK(_) | ColorType::CMYKA(_) => self.map(|x, y| {
                let light = 255 - u32::from(self.sample(x, y, 3));
                [0, 1, 2].map(|channel| ((255 - u32::from(self.sample(x, y, channel))) * light / 255) as u8)
            }),
            ColorType::YCbCr(_) => self.map(|x, y| {
                let [luma, blue, red] = [0, 1, 2].map(|channel| f32::from(self.sample(x, y, channel)));
                let (blue, red) = (blue - 128.0, red - 128.0);
                // BT.601, as JPEG and TIFF's default coefficients have it
                [luma + 1.402 * red, luma - 0.344_136 * blue - 0.714_136 * red, luma + 1.772 * blue]
                    .map(|value| value.round().clamp(0.0, 255.0) as u8)
            }),
            _ => return Err(unsupported(self.color)),
        })
    }
}

#[cfg(test)]
mod tests {
    use tiff::encoder::{TiffEncoder, colortype};

    use super::*;

    fn saved(bytes: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        file
    }

    /// One little-endian frame: a directory of `tags` (id, type, count, value), then `data` at offset 256.
    fn by_hand(tags: &[(u16, u16, u32, u32)], data: &[u8]) -> Vec<u8> {
        let mut bytes = b"II*\0\x08\0\0\0".to_vec();
        bytes.extend_from_slice(&(tags.len() as u16).to_le_bytes());
        for (id, kind, count, value) in tags {
            bytes.extend_from_slice(&id.to_le_bytes());
            bytes.extend_from_slice(&kind.to_le_bytes());
            bytes.extend_from_slice(&count.to_le_bytes());
            bytes.extend_from_slice(&value.to_le_bytes());
        }
        bytes.resize(256, 0);
        bytes.extend_from_slice(data);
        bytes
    }

    const SHORT: u16 = 3;
    const LONG: u16 = 4;

    #[test]
    fn every_frame_is_a_page_and_previews_are_not() {
        let mut bytes = std::io::Cursor::new(Vec::new());
        let mut encoder = TiffEncoder::new(&mut bytes).unwrap();
        for (shade, kind) in [(10u8, 0u32), (20, 1), (30, 0)] {
            let mut frame = encoder.new_image::<colortype::Gray8>(2, 2).unwrap();
            frame.encoder().write_tag(Tag::NewSubfileType, kind).unwrap();
            frame.write_data(&[shade; 4]).unwrap();
        }
        let file = saved(bytes.get_ref());
        let limits = RenderLimits::default();
        assert_eq!(page_count(&DocumentFile::open(file.path()), &limits).unwrap(), 2);
        assert_eq!(frame(&DocumentFile::open(file.path()), 2, &limits).unwrap().image.as_raw(), &[30; 12]);
    }

    #[test]
    fn palettes_are_applied() {
        // 3 x 1 pixels of 4 bits: entries 1, 2, 1; the palette of 16 entries starts after two bytes of pixels
        let mut data = vec![0x12, 0x10];
        for channel in 0..3u16 {
            for entry in 0..16u16 {
                data.extend_from_slice(&((entry * 10 + channel) << 8).to_le_bytes());
            }
        }
        let tags = [
            (256, SHORT, 1, 3),
            (257, SHORT, 1, 1),
            (258, SHORT, 1, 4),
            (259, SHORT, 1, 1),
            (262, SHORT, 1, 3),
            (273, LONG, 1, 256),
            (277, SHORT, 1, 1),
            (278, SHORT, 1, 1),
            (279, LONG, 1, 2),
            (320, SHORT, 48, 258),
        ];
        let file = saved(&by_hand(&tags, &data));
        let image = frame(&DocumentFile::open(file.path()), 1, &RenderLimits::default()).unwrap().image;
        assert_eq!(image.as_raw(), &[10, 11, 12, 20, 21, 22, 10, 11, 12]);
    }

    #[test]
    fn bilevel_scans_are_black_on_white_in_both_conventions() {
        for (photometric, expected) in [(0, [0, 0, 0, 255, 255, 255]), (1, [255, 255, 255, 0, 0, 0])] {
            let tags = [
                (256, SHORT, 1, 2),
                (257, SHORT, 1, 1),
                (258, SHORT, 1, 1),
                (259, SHORT, 1, 1),
                (262, SHORT, 1, photometric),
                (273, LONG, 1, 256),
                (277, SHORT, 1, 1),
                (278, SHORT, 1, 1),
                (279, LONG, 1, 1),
            ];
            let file = saved(&by_hand(&tags, &[0b1000_0000]));
            let image = frame(&DocumentFile::open(file.path()), 1, &RenderLimits::default()).unwrap().image;
            assert_eq!(image.as_raw(), &expected);
        }
    }

    #[test]
    fn a_chain_of_frames_that_bites_its_tail_is_refused() {
        let mut bytes = by_hand(
            &[
                (256, SHORT, 1, 1),
                (257, SHORT, 1, 1),
                (258, SHORT, 1, 8),
                (259, SHORT, 1, 1),
                (262, SHORT, 1, 1),
                (273, LONG, 1, 256),
                (277, SHORT, 1, 1),
                (278, SHORT, 1, 1),
                (279, LONG, 1, 1),
            ],
            &[7],
        );
        let next = 8 + 2 + 9 * 12;
        bytes[next..next + 4].copy_from_slice(&8u32.to_le_bytes());
        let file = saved(&bytes);
        let refusal = page_count(&DocumentFile::open(file.path()), &RenderLimits::default()).unwrap_err();
        assert!(refusal.to_string().contains("cycle"), "{refusal}");
    }
}
