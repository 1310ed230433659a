//! Content streams as they are stored: whole or damaged, and whether they ask for anything that can be seen.
//!
//! PDFium draws what it can read of a damaged stream and says nothing. What is found here explains a blank page; it never
//! draws.

use flate2::{Decompress, FlushDecompress, Status};

use super::syntax::{Dict, Object, Parser, Token};

/// No page needs more content than this; the rest is not looked at.
const MAX_DECODED_BYTES: usize = 64 << 20;

/// What is in the content streams of a page.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Contents {
    /// Nothing is asked for: the page is blank.
    Empty,
    /// Text, images or drawings are asked for, and the streams are whole.
    Paints {
        /// Text or images are asked for, not only areas and lines.
        text_or_images: bool,
    },
    /// Why not everything of them can be read.
    Damaged(String),
    /// They are stored in a way that is not looked into.
    Unknown,
}

/// A stream's bytes, as far as they can be had.
pub(super) struct Decoded {
    pub bytes: Vec<u8>,
    /// What is wrong with the rest.
    pub damage: Option<String>,
}

/// Looks at the streams of a page, each its dictionary and its stored bytes; None: the object is missing.
pub(super) fn read<'a>(streams: impl Iterator<Item = Option<(Dict, &'a [u8])>>) -> Contents {
    let mut content = Vec::new();
    let (mut found, mut missing) = (false, false);
    for stream in streams {
        // One of several that is missing is what an editor took away.
        let Some((dict, stored)) = stream else {
            missing = true;
            continue;
        };
        found = true;
        let Some(decoded) = decoded(&dict, stored) else { return Contents::Unknown };
        if let Some(damage) = decoded.damage {
            return Contents::Damaged(damage);
        }
        content.extend_from_slice(&decoded.bytes);
        content.push(b'\n');
        if content.len() > MAX_DECODED_BYTES {
            return Contents::Unknown;
        }
    }
    if missing && !found {
        return Contents::Damaged("its content stream is missing".into());
    }
    asked_for(&content)
}

/// A stream without its filters; None if it has others than the usual one.
pub(super) fn decoded(dict: &Dict, stored: &[u8]) -> Option<Decoded> {
    let filter = dict.get(b"Filter".as_slice()).or_else(|| dict.get(b"F".as_slice()));
    let flate = |filter: &Object| filter.is_name(b"FlateDecode") || filter.is_name(b"Fl");
    match filter {
        None => Some(Decoded { bytes: stored.to_vec(), damage: None }),
        Some(Object::List(filters)) if filters.is_empty() => Some(Decoded { bytes: stored.to_vec(), damage: None }),
        Some(Object::List(filters)) if filters.len() == 1 && flate(&filters[0]) => Some(inflated(stored)),
        Some(filter) if flate(filter) => Some(inflated(stored)),
        Some(_) => None,
    }
}

/// Decompresses a zlib stream as far as it goes. A check sum that is missing behind data that are whole is no damage: some
/// programs write none. One that is wrong is: what was changed may still be decompressed, to something else.
fn inflated(stored: &[u8]) -> Decoded {
    let mut decompress = Decompress::new(false);
    let mut bytes = Vec::new();
    let broken_off = |read: u64| {
        let bytes = stored.len();
        Some(format!("its content stream is damaged: only {read} of its {bytes} bytes can be decompressed"))
    };
    // Two bytes of header: method and flags.
    let Some(deflate) = stored.get(2..).filter(|_| stored[0] & 0x0f == 8) else {
        let damage = if stored.is_empty() { None } else { broken_off(0) };
        return Decoded { bytes, damage };
    };
    loop {
        let (read, written) = (decompress.total_in() as usize, bytes.len());
        if written > MAX_DECODED_BYTES {
            return Decoded { bytes, damage: None };
        }
        bytes.reserve(deflate.len().clamp(1 << 12, 1 << 20));
        let status = decompress.decompress_vec(&deflate[read..], &mut bytes, FlushDecompress::None);
        let stuck = decompress.total_in() as usize == read && bytes.len() == written;
        match status {
            Ok(Status::StreamEnd) => {
                let told = deflate[decompress.total_in() as usize..].first_chunk::<4>();
                let wrong = told.is_some_and(|told| u32::from_be_bytes(*told) != adler_32(&bytes));
                let damage = wrong.then(|| "its content stream is damaged: its check sum is wrong".to_owned());
                return Decoded { bytes, damage };
            }
            Ok(_) if !stuck => {}
            // corrupt, or cut short
            Ok(_) | Err(_) => {
                let damage = broken_off(decompress.total_in());
                return Decoded { bytes, damage };
            }
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

/// What a whole content stream asks for.
fn asked_for(content: &[u8]) -> Contents {
    let mut parser = Parser::new(content, 0);
    let (mut areas, mut text) = (false, false);
    while let Some(token) = parser.content_token() {
        match token {
            Token::Object(Object::Text(shown)) => text = !shown.is_empty(),
            Token::Object(Object::List(list)) => {
                text = list.iter().any(|part| matches!(part, Object::Text(shown) if !shown.is_empty()));
            }
            Token::Object(_) => {}
            Token::Word(word) => match word.as_slice() {
                b"Tj" | b"TJ" | b"'" | b"\"" if text => return Contents::Paints { text_or_images: true },
                b"Do" | b"BI" => return Contents::Paints { text_or_images: true },
                b"sh" | b"f" | b"F" | b"f*" | b"B" | b"B*" | b"b" | b"b*" | b"S" | b"s" => areas = true,
                _ => {}
            },
        }
    }
    if areas { Contents::Paints { text_or_images: false } } else { Contents::Empty }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write;

    use super::*;

    pub(in crate::render::pdf) fn deflated(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn contents(stored: &[u8]) -> Contents {
        let dict = Dict::from([(b"Filter".to_vec(), Object::Name(b"FlateDecode".to_vec()))]);
        read([Some((dict, stored))].into_iter())
    }

    /// Text that does not repeat itself, so that damage shows.
    fn page() -> Vec<u8> {
        (0..400)
            .flat_map(|line| format!("({} line {line}) Tj {} 0 Td\n", line * 7919 % 1009, line * 31).into_bytes())
            .collect()
    }

    #[test]
    fn whole_streams_say_what_they_ask_for() {
        let said = |content: &str| contents(&deflated(content.as_bytes()));
        assert_eq!(said("BT /F1 12 Tf (words) Tj ET"), Contents::Paints { text_or_images: true });
        assert_eq!(said("BT [(wo) -20 (rds)] TJ ET"), Contents::Paints { text_or_images: true });
        assert_eq!(said("q /Im1 Do Q"), Contents::Paints { text_or_images: true });
        assert_eq!(said("1 1 1 rg 0 0 600 800 re f"), Contents::Paints { text_or_images: false });
        for blank in ["", "q Q", "BT /F1 12 Tf () Tj [()] TJ ET", "% Tj"] {
            assert_eq!(said(blank), Contents::Empty, "{blank}");
        }
    }

    #[test]
    fn damage_is_found_and_a_missing_check_sum_is_none() {
        let whole = deflated(&page());
        assert_eq!(contents(&whole), Contents::Paints { text_or_images: true });
        assert_eq!(contents(&whole[..whole.len() - 4]), Contents::Paints { text_or_images: true });
        let mut changed = whole.clone();
        changed[whole.len() / 3..whole.len() / 3 + 40].fill(0xff);
        let converted: Vec<u8> =
            whole.iter().flat_map(|byte| if *byte == b'\n' { vec![b'\r', b'\n'] } else { vec![*byte] }).collect();
        assert_ne!(converted, whole);
        for damaged in [&changed, &whole[..whole.len() / 2], b"no zlib at all"] {
            assert!(matches!(contents(damaged), Contents::Damaged(reason) if reason.contains("damaged")));
        }
        assert!(matches!(read([None].into_iter()), Contents::Damaged(reason) if reason.contains("missing")));
    }
}
