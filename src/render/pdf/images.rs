//! The data of images as they are stored: whole or damaged. PDFium draws what it can make of them and says nothing.

use super::super::fax_lines::{self, Coding};
use super::super::jpeg_scan;
use super::filters;

/// An image of a page as it is stored.
pub(super) struct Stored<'a> {
    /// In the order in which they are undone.
    pub filters: &'a [Vec<u8>],
    pub data: &'a [u8],
    pub width: u32,
    pub height: u32,
}

/// The lines of a fax that must make sense before those that don't count: how they are coded is not told.
const LINES_THAT_TELL: u32 = 20;

impl Stored<'_> {
    /// Whether parts of it cannot be decoded, or make no sense. False where the coding is not known here.
    pub(super) fn is_damaged(&self) -> bool {
        let Some((last, others)) = self.filters.split_last() else { return false };
        let is_jpeg = matches!(last.as_slice(), b"DCTDecode" | b"DCT");
        let is_fax = matches!(last.as_slice(), b"CCITTFaxDecode" | b"CCF");
        let known = if is_jpeg || is_fax { others } else { self.filters };
        let Some(decoded) = filters::undone(known.iter().map(Vec::as_slice), self.data) else { return false };
        decoded.damage.is_some()
            || is_jpeg && jpeg_scan::is_damaged(&decoded.bytes)
            || is_fax && self.is_damaged_fax(&decoded.bytes)
    }

    /// Of faxes of Group 4, which nearly all are: each line is coded against the one above, so that whoever reads another coding
    /// as such comes no further than a few lines.
    fn is_damaged_fax(&self, coded: &[u8]) -> bool {
        let Ok(width) = u16::try_from(self.width) else { return false };
        let mut lines = 0;
        let whole = fax_lines::read(coded, Coding::Group4, width, self.height, |row, _| lines = row);
        !whole && lines > LINES_THAT_TELL
    }
}

#[cfg(test)]
mod tests {
    use fax::encoder::Encoder;
    use fax::{Color, VecWriter};

    use super::super::contents::tests::deflated;
    use super::*;

    const WIDTH: u32 = 400;
    const HEIGHT: u32 = 300;

    fn is_damaged(filters: &[&str], data: &[u8]) -> bool {
        let filters: Vec<Vec<u8>> = filters.iter().map(|name| name.as_bytes().to_vec()).collect();
        Stored { filters: &filters, data, width: WIDTH, height: HEIGHT }.is_damaged()
    }

    fn is_ink(x: u32, y: u32) -> bool {
        y % 14 < 8 && (x / 3 * 7919 + y / 14 * 104_729) % 11 < 4
    }

    fn fax() -> Vec<u8> {
        let mut encoder = Encoder::new(VecWriter::new());
        for y in 0..HEIGHT {
            let line = (0..WIDTH).map(|x| if is_ink(x, y) { Color::Black } else { Color::White });
            encoder.encode_line(line, WIDTH as u16).unwrap();
        }
        encoder.finish().unwrap().finish()
    }

    /// `data` with a hole, and cut.
    fn damaged(data: &[u8]) -> [Vec<u8>; 2] {
        let mut hole = data.to_vec();
        hole[data.len() / 2..data.len() / 2 + 60].fill(0);
        [hole, data[..data.len() / 2].to_vec()]
    }

    #[test]
    fn images_are_whole_or_not_in_every_coding() {
        let pixels: Vec<u8> =
            (0..WIDTH * HEIGHT).map(|at| if is_ink(at % WIDTH, at / WIDTH) { (at % 50) as u8 } else { 250 }).collect();
        for (filters, data) in [(&["FlateDecode"][..], deflated(&pixels)), (&["CCITTFaxDecode"], fax())] {
            assert!(!is_damaged(filters, &data), "{filters:?}");
            for damaged in damaged(&data) {
                assert!(is_damaged(filters, &damaged), "{filters:?}");
            }
        }
    }

    #[test]
    fn what_is_not_known_is_not_blamed() {
        let one_dimensional = [0x35, 0xac, 0x80].repeat(200);
        for (filters, data) in [
            (&["JPXDecode"][..], b"anything".as_slice()),
            (&["JBIG2Decode"], b"anything"),
            (&[], b"anything"),
            (&["CCITTFaxDecode"], &one_dimensional),
        ] {
            assert!(!is_damaged(filters, data), "{filters:?}");
        }
    }
}
