//! The filters that content streams are stored with (ISO 32000-1, 7.4), undone as far as their data go. What is meant for images
//! is not among them.

use flate2::{Decompress, FlushDecompress, Status};
use weezl::decode::Decoder as Lzw;
use weezl::{BitOrder, LzwStatus};

use super::syntax::{Dict, Object, is_space};

/// No stream needs more; the rest is not looked at.
pub(super) const MAX_DECODED_BYTES: usize = 64 << 20;

/// A stream's bytes, as far as they can be had.
pub(super) struct Decoded {
    pub bytes: Vec<u8>,
    /// What is wrong with the rest.
    pub damage: Option<String>,
}

impl Decoded {
    fn whole(bytes: Vec<u8>) -> Self {
        Self { bytes, damage: None }
    }

    fn broken_off(bytes: Vec<u8>, read: usize, stored: usize) -> Self {
        let damage = format!("only {read} of its {stored} bytes can be decompressed");
        Self { bytes, damage: Some(damage) }
    }
}

/// A stream without its filters; None if it has one that is not known here.
pub(super) fn decoded(dict: &Dict, stored: &[u8]) -> Option<Decoded> {
    let names = match dict.get(b"Filter".as_slice()).or_else(|| dict.get(b"F".as_slice())) {
        None => &[],
        Some(Object::List(filters)) => filters.as_slice(),
        Some(filter) => std::slice::from_ref(filter),
    };
    let names: Option<Vec<&[u8]>> = names.iter().map(Object::name).collect();
    undone(names?.into_iter(), stored)
}

/// Data without the filters of these names.
pub(super) fn undone<'a>(names: impl Iterator<Item = &'a [u8]>, stored: &[u8]) -> Option<Decoded> {
    let mut decoded: Option<Decoded> = None;
    for name in names {
        let undo = match name {
            b"FlateDecode" | b"Fl" => inflated,
            b"LZWDecode" | b"LZW" => from_lzw,
            b"ASCII85Decode" | b"A85" => from_ascii_85,
            b"ASCIIHexDecode" | b"AHx" => from_hexadecimal,
            _ => return None,
        };
        let next = undo(decoded.as_ref().map_or(stored, |decoded| &decoded.bytes));
        // What is wrong first is what is wrong: the filters behind it get less than they need.
        let damage = decoded.and_then(|decoded| decoded.damage).or(next.damage);
        decoded = Some(Decoded { bytes: next.bytes, damage });
    }
    Some(decoded.unwrap_or_else(|| Decoded::whole(stored.to_vec())))
}

/// Decompresses a zlib stream. A check sum that is missing behind data that are whole is no damage: some programs write none. One
/// that is wrong is: what was changed may still be decompressed, to something else.
fn inflated(stored: &[u8]) -> Decoded {
    let mut decompress = Decompress::new(false);
    let mut bytes = Vec::new();
    // Two bytes of header: method and flags.
    let Some(deflate) = stored.get(2..).filter(|_| stored[0] & 0x0f == 8) else {
        return if stored.is_empty() { Decoded::whole(bytes) } else { Decoded::broken_off(bytes, 0, stored.len()) };
    };
    loop {
        let (read, written) = (decompress.total_in() as usize, bytes.len());
        if written > MAX_DECODED_BYTES {
            return Decoded::whole(bytes);
        }
        bytes.reserve(deflate.len().clamp(1 << 12, 1 << 20));
        let status = decompress.decompress_vec(&deflate[read..], &mut bytes, FlushDecompress::None);
        let stuck = decompress.total_in() as usize == read && bytes.len() == written;
        match status {
            Ok(Status::StreamEnd) => {
                let told = deflate[decompress.total_in() as usize..].first_chunk::<4>();
                let wrong = told.is_some_and(|told| u32::from_be_bytes(*told) != adler_32(&bytes));
                let damage = wrong.then(|| "its check sum is wrong".to_owned());
                return Decoded { bytes, damage };
            }
            Ok(_) if !stuck => {}
            // corrupt, or cut short
            Ok(_) | Err(_) => return Decoded::broken_off(bytes, decompress.total_in() as usize, stored.len()),
        }
    }
}

/// The check sum of zlib (RFC 1950).
fn adler_32(bytes: &[u8]) -> u32 {
    const PRIME: u32 = 65_521;
    /// So many sums fit into 32 bits.
    const AT_ONCE: usize = 5_552;
    let (mut a, mut b) = (1, 0);
    for chunk in bytes.chunks(AT_ONCE) {
        for byte in chunk {
            a += u32::from(*byte);
            b += a;
        }
        a %= PRIME;
        b %= PRIME;
    }
    b << 16 | a
}

/// Decompresses LZW as PDF and TIFF have it. Some programs write no end code.
fn from_lzw(stored: &[u8]) -> Decoded {
    let mut decoder = Lzw::with_tiff_size_switch(BitOrder::Msb, 8);
    let (mut bytes, mut read, mut piece) = (Vec::new(), 0, vec![0; 1 << 16]);
    loop {
        let step = decoder.decode_bytes(&stored[read..], &mut piece);
        bytes.extend_from_slice(&piece[..step.consumed_out]);
        read += step.consumed_in;
        match step.status {
            Ok(LzwStatus::Ok) if bytes.len() <= MAX_DECODED_BYTES => {}
            Ok(_) => return Decoded::whole(bytes),
            Err(_) => return Decoded::broken_off(bytes, read, stored.len()),
        }
    }
}

fn from_ascii_85(stored: &[u8]) -> Decoded {
    let coded = stored.strip_prefix(b"<~").unwrap_or(stored);
    let mut bytes = Vec::with_capacity(coded.len() / 5 * 4);
    let (mut group, mut digits) = (0u64, 0);
    for (at, &character) in coded.iter().enumerate() {
        match character {
            b'~' => break,
            b'z' if digits == 0 => bytes.extend([0; 4]),
            b'!'..=b'u' => {
                group = group * 85 + u64::from(character - b'!');
                digits += 1;
                if digits == 5 {
                    let Ok(four) = u32::try_from(group) else { return Decoded::broken_off(bytes, at, coded.len()) };
                    bytes.extend(four.to_be_bytes());
                    (group, digits) = (0, 0);
                }
            }
            white if is_space(white) => {}
            _ => return Decoded::broken_off(bytes, at, coded.len()),
        }
    }
    if digits > 1 {
        let padded = (digits..5).fold(group, |group, _| group * 85 + 84);
        bytes.extend_from_slice(&(padded as u32).to_be_bytes()[..digits - 1]);
    }
    Decoded::whole(bytes)
}

fn from_hexadecimal(stored: &[u8]) -> Decoded {
    let mut bytes = Vec::with_capacity(stored.len() / 2);
    let mut high = None;
    for (at, &character) in stored.iter().enumerate() {
        if character == b'>' {
            break;
        }
        if is_space(character) {
            continue;
        }
        let Some(digit) = char::from(character).to_digit(16) else {
            return Decoded::broken_off(bytes, at, stored.len());
        };
        match high.take() {
            None => high = Some(digit as u8),
            Some(high) => bytes.push(high << 4 | digit as u8),
        }
    }
    bytes.extend(high.map(|high| high << 4));
    Decoded::whole(bytes)
}

#[cfg(test)]
mod tests {
    use super::super::contents::tests::deflated;
    use super::*;

    fn undone(filters: &[&str], stored: &[u8]) -> Option<Decoded> {
        let names = filters.iter().map(|name| Object::Name(name.as_bytes().to_vec())).collect();
        decoded(&Dict::from([(b"Filter".to_vec(), Object::List(names))]), stored)
    }

    /// Adobe's form, in lines as programs break them.
    fn in_ascii_85(bytes: &[u8]) -> Vec<u8> {
        let mut coded = Vec::new();
        for four in bytes.chunks(4) {
            let mut padded = [0; 4];
            padded[..four.len()].copy_from_slice(four);
            let number = u32::from_be_bytes(padded);
            let digits = (0..5).rev().map(|place| (number / 85u32.pow(place) % 85) as u8 + b'!');
            match number {
                0 if four.len() == 4 => coded.push(b'z'),
                _ => coded.extend(digits.take(four.len() + 1)),
            }
            if coded.len() % 70 < 5 {
                coded.push(b'\n');
            }
        }
        coded.extend(b"~>");
        coded
    }

    #[test]
    fn filters_are_undone_one_after_the_other() {
        let content = b"BT /F1 12 Tf (words of a page) Tj ET\0\0\0\0\0\0\0\0 q Q";
        let hexadecimal: Vec<u8> = content.iter().flat_map(|byte| format!("{byte:02x} ").into_bytes()).collect();
        let lzw = weezl::encode::Encoder::with_tiff_size_switch(BitOrder::Msb, 8).encode(content).unwrap();
        for (filters, stored) in [
            (&[][..], content.to_vec()),
            (&["FlateDecode"], deflated(content)),
            (&["ASCII85Decode"], in_ascii_85(content)),
            (&["A85", "Fl"], in_ascii_85(&deflated(content))),
            (&["ASCIIHexDecode"], hexadecimal),
            (&["LZWDecode"], lzw.clone()),
            (&["ASCII85Decode", "LZW"], in_ascii_85(&lzw)),
        ] {
            let undone = undone(filters, &stored).unwrap();
            assert_eq!((undone.bytes.as_slice(), undone.damage), (content.as_slice(), None), "{filters:?}");
        }
        assert!(undone(&["DCTDecode"], content).is_none());
    }

    #[test]
    fn what_is_wrong_is_told_whatever_lies_over_it() {
        let content: Vec<u8> =
            (0..400).flat_map(|line| format!("({} {line}) Tj\n", line * 7919 % 1009).into_bytes()).collect();
        let mut changed = in_ascii_85(&deflated(&content));
        let at = changed.len() / 3;
        changed[at..at + 50].fill(b'5');
        let mut foreign = in_ascii_85(&content);
        foreign[at] = 0xc3;
        for (filters, stored) in [
            (&["ASCII85Decode", "FlateDecode"][..], changed),
            (&["ASCII85Decode"], foreign),
            (&["ASCIIHexDecode"], b"4142xy>".to_vec()),
            (&["LZWDecode"], vec![0xff; 40]),
        ] {
            let damage = undone(filters, &stored).unwrap().damage;
            assert!(damage.is_some(), "{filters:?}");
        }
    }
}
