//! Strings that PDFium hands out.

use std::os::raw::{c_ulong, c_void};
use std::ptr;

/// A title or a label longer than this is not one.
const MAX_LINE_BYTES: usize = 1 << 16;

/// A line, as [`utf16_of_at_most`] reads it.
pub(super) fn utf16(read: impl Fn(*mut c_void, c_ulong) -> c_ulong) -> Option<String> {
    utf16_of_at_most(MAX_LINE_BYTES, read)
}

/// Reads a value that PDFium hands out as UTF-16LE with a closing zero: asked for its size in bytes first, then filled
/// in. None: it is empty, or has more than `most` bytes.
pub(super) fn utf16_of_at_most(most: usize, read: impl Fn(*mut c_void, c_ulong) -> c_ulong) -> Option<String> {
    let size = usize::try_from(read(ptr::null_mut(), 0)).ok()?;
    if !(2..=most).contains(&size) {
        return None;
    }
    let mut units = vec![0u16; size.div_ceil(2)];
    read(units.as_mut_ptr().cast(), size as c_ulong);
    let units: Vec<u16> = units.into_iter().map(u16::from_le).take_while(|unit| *unit != 0).collect();
    Some(String::from_utf16_lossy(&units))
}

/// One line of text: whitespace as single spaces, control characters gone. `None` if nothing is left.
pub(super) fn one_line(text: &str) -> Option<String> {
    let words: Vec<String> = text
        .split_whitespace()
        .map(|word| word.chars().filter(|c| !c.is_control() && *c != '\u{feff}' && *c != '\u{fffd}').collect())
        .filter(|word: &String| !word.is_empty())
        .collect();
    (!words.is_empty()).then(|| words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_become_one_clean_line() {
        assert_eq!(one_line("  An\nannual \u{0}report\u{feff} ").as_deref(), Some("An annual report"));
        assert_eq!(one_line(" \u{1} \n"), None);
    }
}
