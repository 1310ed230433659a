//! TIFF: every frame is a page. The `image` crate shows only the first frame and refuses what scanners write most
//! (palettes, CMYK, YCbCr, fax), so the `tiff` decoder is used directly and its samples are converted here.

use std::io::{BufReader, Read, Seek, SeekFrom};

use image::metadata::Orientation;
use image::{ImageFormat, ImageReader};
use tiff::ColorType;
use tiff::decoder::ifd::Value;
use tiff::decoder::{Decoder, Limits};
use tiff::tags::{ByteOrder, Tag};

use super::metadata::{self, Shape};
use super::overlay::Overlay;
use super::samples::{Samples, unsupported};
use super::{
    Picture, broken_off, check_size, compressions, decode_budget, fax, lzw, open, paper, pieces, pixels, unreadable,
};
use crate::error::{Error, Result};
use crate::render::document_file::{DocumentFile, DocumentReader};
use crate::types::{Note, RenderLimits, RenderSettings};

/// `PhotometricInterpretation`: plain grey, and palette.
const BLACK_IS_ZERO: u16 = 1;
const PALETTE: u16 = 3;
/// `Compression`: the first JPEG of TIFF, and the tag that says where it is as a whole.
const OLD_JPEG: u16 = 6;
const JPEG_INTERCHANGE_FORMAT: u16 = 513;
/// `NewSubfileType`: a smaller copy of another frame, and a transparency mask.
const NOT_A_PAGE: u32 = 0b101;

/// Pages of the file; the first is checked to be decodable within the limits.
pub(super) fn page_count(file: &DocumentFile, limits: &RenderLimits) -> Result<u32> {
    let mut decoder = decoder(open(file), limits)?;
    let (width, height) = decoder.dimensions().map_err(unreadable)?;
    // A fax is drawn smaller while it is read, and says itself what is too much.
    if !is_fax(&mut decoder) {
        check_size(width, height, 0, 1, limits)?;
    }
    let pages = pages(&mut decoder, limits.max_pages as usize + 1);
    Ok(pages.len() as u32)
}

/// Decodes the 1-based page `number`.
pub(super) fn frame(
    file: &DocumentFile,
    number: u32,
    settings: &RenderSettings,
    limits: &RenderLimits,
) -> Result<Picture> {
    let mut decoder = decoder(open(file), limits)?;
    let index = *pages(&mut decoder, number as usize)
        .get(number as usize - 1)
        .ok_or_else(|| Error::permanent("is missing: the file has fewer frames than it had"))?;
    decoder.seek_to_image(index).map_err(unreadable)?;
    let size = decoder.dimensions().map_err(unreadable)?;
    let (orientation, shape) = (orientation(&mut decoder), shape(&mut decoder));
    compressions::check(&mut decoder)?;
    let mut notes = Vec::new();
    let image = if let Some(fax) = fax::frame(file, &mut decoder, settings.max_page_pixels)? {
        if fax.harmed {
            notes.push(Note::lost(Some(number), broken_off("")));
        }
        fax.image.into()
    } else if let Some((image, broken)) = old_jpeg(file, &mut decoder, limits)? {
        notes.extend(broken.map(|reason| Note::lost(Some(number), broken_off(&reason))));
        image
    } else if decoder.find_tag_unsigned::<u16>(Tag::PhotometricInterpretation).map_err(unreadable)? == Some(PALETTE) {
        palette_frame(file, index, &mut decoder, limits)?
    } else {
        let (image, harmed) = match Samples::read(&mut decoder, limits) {
            Ok(samples) => (samples.to_image()?, false),
            Err(error) => as_far_as_it_goes(file, &mut decoder, limits)?.ok_or(error)?,
        };
        if harmed {
            notes.push(Note::lost(Some(number), broken_off("")));
        }
        image
    };
    Ok(Picture { image, size, orientation, shape, notes })
}

/// A frame that cannot be read as a whole, and whether something of it is missing.
fn as_far_as_it_goes(
    file: &DocumentFile,
    decoder: &mut Decoder<BufReader<DocumentReader>>,
    limits: &RenderLimits,
) -> Result<Option<(image::DynamicImage, bool)>> {
    if let Some(frame) = lzw::frame(file, decoder, limits)? {
        return Ok(Some(frame));
    }
    let samples = pieces::read(decoder, limits)?;
    samples.map(|samples| Ok((samples.to_image()?, true))).transpose()
}

fn is_fax<R: Read + Seek>(decoder: &mut Decoder<R>) -> bool {
    let compression = decoder.find_tag_unsigned::<u16>(Tag::Compression).ok().flatten();
    compression.is_some_and(|compression| fax::COMPRESSIONS.contains(&compression))
}

/// The shape of a pixel, from the resolutions across and along.
fn shape<R: Read + Seek>(decoder: &mut Decoder<R>) -> Shape {
    let mut number = |tag| match decoder.find_tag(tag).ok().flatten()? {
        Value::Rational(above, below) => Some(f64::from(above) / f64::from(below)),
        Value::Float(number) => Some(f64::from(number)),
        Value::Double(number) => Some(number),
        _ => None,
    };
    match (number(Tag::XResolution), number(Tag::YResolution)) {
        (Some(across), Some(along)) => Shape::of_resolution(across, along),
        _ => Shape::SQUARE,
    }
}

/// JPEG as TIFF 6.0 first had it, which later programs were told not to write. Where the frame is a whole JPEG, as most programs
/// wrote it, it is read as one; the pieces of others are not put together.
fn old_jpeg(
    file: &DocumentFile,
    decoder: &mut Decoder<BufReader<DocumentReader>>,
    limits: &RenderLimits,
) -> Result<Option<(image::DynamicImage, Option<String>)>> {
    if decoder.find_tag_unsigned::<u16>(Tag::Compression).map_err(unreadable)? != Some(OLD_JPEG) {
        return Ok(None);
    }
    let refused = || {
        Error::permanent(
            "cannot be decoded: its compression is the JPEG of TIFF 6.0 (6) in pieces, which is not supported",
        )
    };
    let whole = decoder.find_tag_unsigned::<u64>(Tag::Unknown(JPEG_INTERCHANGE_FORMAT)).map_err(unreadable)?;
    let strips = decoder.find_tag_unsigned_vec::<u64>(Tag::StripOffsets).map_err(unreadable)?.unwrap_or_default();
    let start = whole.or(strips.first().copied()).ok_or_else(refused)?;
    let mut jpeg = Vec::new();
    let mut reader = open(file);
    reader.seek(SeekFrom::Start(start)).map_err(unreadable)?;
    reader.take(decode_budget(limits)).read_to_end(&mut jpeg).map_err(unreadable)?;
    if !jpeg.starts_with(&[0xff, 0xd8, 0xff]) {
        return Err(refused());
    }
    let mut reader = ImageReader::with_format(std::io::Cursor::new(&jpeg), ImageFormat::Jpeg);
    let mut budget = image::Limits::default();
    budget.max_alloc = Some(decode_budget(limits));
    reader.limits(budget);
    let decoder = reader.into_decoder().map_err(|_| refused())?;
    let (image, broken) = pixels(decoder, limits)?;
    let broken = broken.or_else(|| metadata::jpeg_fault(std::io::Cursor::new(&jpeg)));
    Ok(Some((paper::flatten(image), broken)))
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
) -> Result<image::DynamicImage> {
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
    Ok(image.into())
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

#[cfg(test)]
mod tests {
    use tiff::encoder::{TiffEncoder, colortype};

    use super::*;

    fn saved(bytes: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        file
    }

    fn drawn(file: &tempfile::NamedTempFile, number: u32) -> Vec<u8> {
        let (settings, limits) = (RenderSettings::default(), RenderLimits::default());
        frame(&DocumentFile::open(file.path()), number, &settings, &limits).unwrap().image.into_rgb8().into_raw()
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
        assert_eq!(drawn(&file, 2), [30; 12]);
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
        assert_eq!(drawn(&file, 1), [10, 11, 12, 20, 21, 22, 10, 11, 12]);
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
            assert_eq!(drawn(&file, 1), expected);
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
