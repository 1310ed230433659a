//! What a PDF says about itself: title, author, dates, page labels, outline.

use super::strings::{one_line, utf16};
use super::structure::Structure;
use super::{PdfDocument, attachments, dates, outline};
use crate::types::{DocumentInfo, Note};

/// `FORMTYPE_XFA_FULL`: the pages of the PDF itself are a place holder.
const XFA_FULL: i32 = 2;

pub(super) fn read(document: &PdfDocument) -> DocumentInfo {
    DocumentInfo {
        page_count: document.page_count,
        title: meta(document, "Title"),
        author: meta(document, "Author"),
        created: meta(document, "CreationDate").as_deref().and_then(dates::rfc3339),
        modified: meta(document, "ModDate").as_deref().and_then(dates::rfc3339),
        outline: outline::read(document),
        page_labels: page_labels(document),
        attachments: attachments::documents(document),
        notes: notes(document),
    }
}

/// What of the document is not on its pages.
fn notes(document: &PdfDocument) -> Vec<Note> {
    /// Names that a note holds; more are counted.
    const NAMED: usize = 20;
    let mut notes = Vec::new();
    // SAFETY: the document is open.
    let form = unsafe { document.library.FPDF_GetFormType(document.handle) };
    if form == XFA_FULL {
        notes.push(Note::lost(
            None,
            "is an XFA form, which only Adobe's own programs show: its pages may say no more than that",
        ));
    }
    let left_out = attachments::left_out(document);
    if !left_out.is_empty() {
        let more = left_out.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let list = format!("{}{more}", left_out.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", "));
        let portfolio = document.structure().is_some_and(Structure::is_portfolio);
        notes.push(match portfolio {
            true => Note::lost(None, format!("is a portfolio, and files inside were not read: {list}")),
            false => Note::imperfect(None, format!("has files attached that were not read: {list}")),
        });
    }
    notes
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
