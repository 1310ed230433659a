//! What a PDF says about itself: title, author, dates, page labels, outline.

use super::{PdfDocument, dates, outline, utf16};
use crate::types::DocumentInfo;

pub(super) fn read(document: &PdfDocument) -> DocumentInfo {
    DocumentInfo {
        page_count: document.page_count,
        title: meta(document, "Title"),
        author: meta(document, "Author"),
        created: meta(document, "CreationDate").as_deref().and_then(dates::rfc3339),
        modified: meta(document, "ModDate").as_deref().and_then(dates::rfc3339),
        outline: outline::read(document),
        page_labels: page_labels(document),
    }
}

/// An entry of the information dictionary, blank ones left out.
fn meta(document: &PdfDocument, tag: &str) -> Option<String> {
    // SAFETY: the document is open, and `utf16` passes a buffer of the size it names.
    let value = utf16(|buffer, size| unsafe { document.library.FPDF_GetMetaText(document.handle, tag, buffer, size) })?;
    clean(&value)
}

/// One line of text: whitespace as single spaces, control characters gone. `None` where nothing is left.
pub(super) fn clean(text: &str) -> Option<String> {
    let words: Vec<String> = text
        .split_whitespace()
        .map(|word| word.chars().filter(|c| !c.is_control() && *c != '\u{feff}' && *c != '\u{fffd}').collect())
        .filter(|word: &String| !word.is_empty())
        .collect();
    (!words.is_empty()).then(|| words.join(" "))
}

/// The printed labels, or nothing where the document defines none that differ from the page numbers.
fn page_labels(document: &PdfDocument) -> Vec<String> {
    let mut labels = Vec::new();
    let mut differ = false;
    for index in 0..document.page_count {
        // SAFETY: as in `meta`.
        let label = utf16(|buffer, size| unsafe {
            document.library.FPDF_GetPageLabel(document.handle, index as i32, buffer, size)
        });
        if label.is_none() && index == 0 {
            return Vec::new();
        }
        let number = (index + 1).to_string();
        let label = label.as_deref().and_then(clean).unwrap_or_else(|| number.clone());
        differ |= label != number;
        labels.push(label);
    }
    if differ { labels } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_become_one_clean_line() {
        assert_eq!(clean("  An\nannual \u{0}report\u{feff} ").as_deref(), Some("An annual report"));
        assert_eq!(clean(" \u{1} \n"), None);
    }
}
