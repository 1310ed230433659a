//! Content streams as they are stored: whole or damaged, and whether they ask for anything that can be seen.
//!
//! PDFium draws what it can read of a damaged stream and says nothing. What is found here explains a blank page; it never
//! draws.

use super::filters::{MAX_DECODED_BYTES, decoded};
use super::syntax::{Dict, Object, Parser, Token};

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
            return Contents::Damaged(format!("its content stream is damaged: {damage}"));
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
