//! The outline of a PDF (its bookmarks), flattened in reading order. Outlines are linked lists that anybody can tie
//! into a knot, so every entry is visited once, and depth and number are bounded.

use std::collections::HashSet;
use std::os::raw::c_ulong;

use pdfium_render::prelude::FPDF_BOOKMARK;

use super::PdfDocument;
use super::strings::{one_line, utf16};
use crate::render::protocol::MAX_OUTLINE_ENTRIES;
use crate::types::OutlineEntry;

const MAX_DEPTH: u32 = 32;
/// Longer titles are cut: some tools make whole paragraphs into bookmarks.
const MAX_TITLE_CHARS: usize = 300;
/// `PDFACTION_GOTO`.
const ACTION_GOTO: c_ulong = 1;

pub(super) fn read(document: &PdfDocument) -> Vec<OutlineEntry> {
    let mut entries: Vec<(u32, Option<String>, Option<u32>)> = Vec::new();
    let mut seen = HashSet::new();
    // what is still to be visited, the next one last
    let mut pending = vec![(first_child(document, std::ptr::null_mut()), 0)];
    while let Some((bookmark, level)) = pending.pop() {
        if bookmark.is_null() || entries.len() >= MAX_OUTLINE_ENTRIES || !seen.insert(bookmark) {
            continue;
        }
        entries.push((level, title(document, bookmark), page(document, bookmark)));
        pending.push((next_sibling(document, bookmark), level));
        if level + 1 < MAX_DEPTH {
            pending.push((first_child(document, bookmark), level + 1));
        }
    }
    with_pages(entries)
}

/// Keeps the entries that have a title and lead to a page. One that leads nowhere itself ("Part II" over its chapters)
/// takes the page of the first entry below it.
fn with_pages(entries: Vec<(u32, Option<String>, Option<u32>)>) -> Vec<OutlineEntry> {
    let below = |position: usize| {
        let level = entries[position].0;
        entries[position + 1..].iter().take_while(|entry| entry.0 > level).find_map(|entry| entry.2)
    };
    entries
        .iter()
        .enumerate()
        .filter_map(|(position, (level, title, page))| {
            let page = page.or_else(|| below(position))?;
            Some(OutlineEntry { title: title.clone()?, level: *level, page })
        })
        .collect()
}

fn title(document: &PdfDocument, bookmark: FPDF_BOOKMARK) -> Option<String> {
    // SAFETY: the bookmark belongs to the open document; `utf16` passes a buffer of the size it names.
    let title = utf16(|buffer, size| unsafe { document.library.FPDFBookmark_GetTitle(bookmark, buffer, size) })?;
    one_line(&title).map(|title| title.chars().take(MAX_TITLE_CHARS).collect())
}

/// 1-based page, if the bookmark leads to one of this document.
fn page(document: &PdfDocument, bookmark: FPDF_BOOKMARK) -> Option<u32> {
    let (library, handle) = (document.library, document.handle);
    // SAFETY: bookmark, destination and action belong to the open document; null is checked before each use.
    let index = unsafe {
        let mut destination = library.FPDFBookmark_GetDest(handle, bookmark);
        if destination.is_null() {
            let action = library.FPDFBookmark_GetAction(bookmark);
            if action.is_null() || library.FPDFAction_GetType(action) != ACTION_GOTO {
                return None;
            }
            destination = library.FPDFAction_GetDest(handle, action);
        }
        if destination.is_null() {
            return None;
        }
        library.FPDFDest_GetDestPageIndex(handle, destination)
    };
    u32::try_from(index).ok().filter(|index| *index < document.page_count).map(|index| index + 1)
}

fn first_child(document: &PdfDocument, bookmark: FPDF_BOOKMARK) -> FPDF_BOOKMARK {
    // SAFETY: null asks for the first entry of the whole outline; anything else belongs to the open document.
    unsafe { document.library.FPDFBookmark_GetFirstChild(document.handle, bookmark) }
}

fn next_sibling(document: &PdfDocument, bookmark: FPDF_BOOKMARK) -> FPDF_BOOKMARK {
    // SAFETY: the bookmark belongs to the open document.
    unsafe { document.library.FPDFBookmark_GetNextSibling(document.handle, bookmark) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_that_lead_nowhere_take_the_page_of_what_stands_below() {
        let entry = |level, title: &str, page| (level, Some(title.to_owned()), page);
        let entries = vec![
            entry(0, "Part I", None),
            entry(1, "One", None),
            entry(2, "One point one", Some(4)),
            entry(0, "A link to the web", None),
            (0, None, Some(9)),
        ];
        let kept: Vec<_> = with_pages(entries).into_iter().map(|entry| (entry.title, entry.page)).collect();
        assert_eq!(kept, [("Part I".into(), 4), ("One".into(), 4), ("One point one".into(), 4)]);
    }
}
