//! What a PDF says about itself: title, author, dates, page labels, outline.

use super::strings::{one_line, utf16};
use super::{PdfDocument, dates, outline};
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
    one_line(&value)
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
        let label = label.as_deref().and_then(one_line).unwrap_or_else(|| number.clone());
        differ |= label != number;
        labels.push(label);
    }
    if differ { labels } else { Vec::new() }
}
