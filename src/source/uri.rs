//! A file's path as text, without loss.
//!
//! A path that is UTF-8 stands as it is. A byte that is not part of UTF-8 becomes `%` and two capital hexadecimal
//! digits, and a `%` in the path becomes `%25` only where it could be mistaken for such an escape: `50%.pdf` and
//! `a%20b.pdf` stay, and no two paths share a URI.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use unicode_normalization::UnicodeNormalization;

use crate::config::Bucket;
use crate::types::is_on_web;

/// The path as a source URI; `path` should be absolute.
pub fn source_uri(path: &Path) -> String {
    let mut uri = String::new();
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        let valid = chunk.valid();
        for (at, character) in valid.char_indices() {
            let mistakable = character == '%' && escaped_byte(&valid.as_bytes()[at..]).is_some();
            uri.push_str(if mistakable { "%25" } else { &valid[at..at + character.len_utf8()] });
        }
        for byte in chunk.invalid() {
            // writing to a String cannot fail
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}

/// Whether a source lies in a bucket.
pub fn is_in_bucket(uri: &str) -> bool {
    Bucket::is_address(uri)
}

/// Whether a source lies in no folder of this machine.
pub fn is_remote(uri: &str) -> bool {
    is_in_bucket(uri) || is_on_web(uri)
}

/// What a source is known by: names that differ only in how their accents are written (composed, as most systems write them, or
/// decomposed, as Macs do) are one.
pub fn same_name(uri: &str) -> String {
    uri.nfc().collect()
}

/// What stands between a document's URI and the name of a document inside it.
const ATTACHMENT: &str = "#attachment=";

/// The URI of a document inside another.
pub fn attachment_uri(around: &str, name: &str) -> String {
    format!("{around}{ATTACHMENT}{name}")
}

/// The URI of the document around it and its name, if a URI is one of a document inside another.
pub fn attachment_of(uri: &str) -> Option<(&str, &str)> {
    uri.rsplit_once(ATTACHMENT)
}

/// The file, object or document on the web that a document lies in.
pub fn outermost(uri: &str) -> &str {
    attachment_of(uri).map_or(uri, |(around, _)| outermost(around))
}

/// The path that [`source_uri`] was given.
pub fn source_path(uri: &str) -> PathBuf {
    PathBuf::from(OsString::from_vec(unescaped(uri, escaped_byte)))
}

/// `text` with what `escaped` reads at the beginning of the rest, three bytes each time, as the byte that it stands for.
pub(super) fn unescaped(text: &str, escaped: fn(&[u8]) -> Option<u8>) -> Vec<u8> {
    let mut rest = text.as_bytes();
    let mut bytes = Vec::with_capacity(rest.len());
    while let Some((&first, others)) = rest.split_first() {
        match escaped(rest) {
            Some(byte) => {
                bytes.push(byte);
                rest = &rest[3..];
            }
            None => {
                bytes.push(first);
                rest = others;
            }
        }
    }
    bytes
}

/// The byte that `text` begins with an escape of, as URLs have them: `%20`, `%c3`.
pub(super) fn percent_byte(text: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = text else { return None };
    let digit = |digit: u8| char::from(digit).to_digit(16);
    u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()
}

/// The same as paths have them: `%25`, or `%80` to `%FF`.
fn escaped_byte(text: &[u8]) -> Option<u8> {
    let byte = percent_byte(text).filter(|byte| *byte >= 0x80 || *byte == b'%');
    byte.filter(|_| !text[1..3].iter().any(u8::is_ascii_lowercase))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::ffi::OsStr;

    fn path(bytes: &[u8]) -> &Path {
        Path::new(OsStr::from_bytes(bytes))
    }

    #[test]
    fn ordinary_paths_stay_as_they_are() {
        for plain in ["/a/b.pdf", "/50%.pdf", "/a%20b.pdf", "/żółć.pdf", "/%ff", "/%7F", "/%"] {
            assert_eq!(source_uri(Path::new(plain)), plain);
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_escaped() {
        assert_eq!(source_uri(path(b"/caf\xe9.pdf")), "/caf%E9.pdf");
        assert_eq!(source_uri(path(b"/caf%E9.pdf")), "/caf%25E9.pdf");
        assert_eq!(source_path("/caf%E9.pdf"), path(b"/caf\xe9.pdf"));
    }

    proptest! {
        #[test]
        fn every_path_survives(bytes in prop::collection::vec(prop_oneof![
            Just(b'%'), Just(b'2'), Just(b'5'), Just(b'E'), Just(b'9'), any::<u8>()], 0..24)) {
            let path = path(&bytes);
            prop_assert_eq!(source_path(&source_uri(path)), path);
        }
    }
}
