//! What a worker's answers may say. A worker that a document has taken over answers what the document likes, so every number
//! is checked before anything is allocated, read or indexed by it. Errors say what is wrong with the answer.

use std::collections::BTreeSet;

use super::fit::MAX_SIDE_PX;
use super::pdf::MAX_TEXT_CHARS;
use super::protocol::{DocumentHeader, MAX_REASON_CHARS, PageHeader};
use super::shared_pages::SLOT_BYTES;
use crate::types::{DocumentInfo, Note, RenderLimits, RenderSettings, TextLayer};

/// Longest title, author, heading or page label in bytes: what 64 KiB of UTF-16 can become.
const MAX_LINE_BYTES: usize = 96 << 10;
/// Most bytes of a page's text: every character with a hyphen behind it.
const MAX_TEXT_BYTES: usize = MAX_TEXT_CHARS as usize * 5;

type Checked<T> = Result<T, String>;

/// What is known about a document, if it can be.
pub(super) fn document(header: DocumentHeader, limits: &RenderLimits) -> Checked<DocumentInfo> {
    let DocumentHeader { page_count, title, author, created, modified, outline, page_labels, attachments, notes } =
        header;
    let (outline, page_labels, notes) = (outline.0, page_labels.0, checked_notes(notes.0, None)?);
    let attachments = attachments.0;
    let info = DocumentInfo { page_count, title, author, created, modified, outline, page_labels, attachments, notes };
    let names: BTreeSet<&str> = info.attachments.iter().map(|attachment| attachment.name.as_str()).collect();
    if names.len() < info.attachments.len() || names.iter().any(|name| name.is_empty() || name.len() > MAX_LINE_BYTES) {
        return Err("attachments without names of their own".into());
    }
    if !(1..=limits.max_pages).contains(&page_count) {
        return Err(format!("{page_count} pages, not 1 to {}", limits.max_pages));
    }
    if ![0, page_count as usize].contains(&info.page_labels.len()) {
        return Err(format!("{} page labels for {page_count} pages", info.page_labels.len()));
    }
    if let Some(entry) = info.outline.iter().find(|entry| !(1..=page_count).contains(&entry.page)) {
        return Err(format!("a heading on page {} of {page_count}", entry.page));
    }
    let headings = info.outline.iter().map(|entry| &entry.title);
    let facts = [&info.title, &info.author, &info.created, &info.modified].into_iter().flatten();
    if let Some(line) = headings.chain(facts).chain(&info.page_labels).find(|line| line.len() > MAX_LINE_BYTES) {
        return Err(format!("a line of {} bytes", line.len()));
    }
    Ok(info)
}

/// Bytes of a page's pixels, if the page can be one: within `settings`, its `body` as long as it has to be, its words in its
/// text.
pub(super) fn page(header: &PageHeader, body: usize, settings: &RenderSettings) -> Checked<usize> {
    let (width, height) = (header.width, header.height);
    if !(1..=MAX_SIDE_PX).contains(&width) || !(1..=MAX_SIDE_PX).contains(&height) {
        return Err(format!("a page of {width} x {height} pixels, where a side has 1 to {MAX_SIDE_PX}"));
    }
    // Cannot overflow: both sides are below 2^14.
    let pixels = u64::from(width) * u64::from(height);
    if pixels > settings.max_page_pixels {
        return Err(format!("a page of {pixels} pixels, more than {} (max_page_pixels)", settings.max_page_pixels));
    }
    let bytes = pixels * 3;
    if header.shared && bytes > SLOT_BYTES {
        return Err(format!("{bytes} bytes in shared memory for {SLOT_BYTES}"));
    }
    let expected = if header.shared { 0 } else { bytes };
    if body as u64 != expected {
        return Err(format!("a page of {width} x {height} pixels with {body} bytes, not {expected}"));
    }
    let usable = |side: f32| side.is_finite() && side > 0.0;
    if !usable(header.width_pt) || !usable(header.height_pt) {
        return Err(format!("a page of {} x {} points", header.width_pt, header.height_pt));
    }
    text(&header.text)?;
    usize::try_from(bytes).map_err(|_| format!("{bytes} bytes of pixels"))
}

/// A reason for people, no longer than they read.
pub(super) fn reason(mut reason: String) -> String {
    if let Some((end, _)) = reason.char_indices().nth(MAX_REASON_CHARS) {
        reason.truncate(end);
    }
    reason
}

/// Notes about the page `number`, or about the document (None), no longer than people read.
pub(super) fn checked_notes(notes: Vec<Note>, number: Option<u32>) -> Checked<Vec<Note>> {
    match notes.iter().find(|note| note.page != number) {
        Some(stray) => Err(format!("a note about page {:?} beside page {number:?}", stray.page)),
        None => Ok(notes.into_iter().map(|note| Note { reason: reason(note.reason), ..note }).collect()),
    }
}

/// Words lie in the text, one behind the other and at whole characters, and on the page.
fn text(layer: &TextLayer) -> Checked<()> {
    if layer.text.len() > MAX_TEXT_BYTES || layer.words.len() > MAX_TEXT_CHARS as usize {
        return Err(format!("a text of {} bytes and {} words", layer.text.len(), layer.words.len()));
    }
    let mut end = 0;
    for word in &layer.words {
        if word.start < end || layer.text.get(word.start as usize..word.end as usize).is_none() {
            return Err(format!("a word at {}..{} of a text of {} bytes", word.start, word.end, layer.text.len()));
        }
        end = word.end;
        let rect = word.rect;
        let inside = |low: f32, high: f32| 0.0 <= low && low <= high && high <= 1.0;
        if !inside(rect.left, rect.right) || !inside(rect.top, rect.bottom) {
            return Err(format!("a word outside its page: {rect:?}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::protocol::AtMost;
    use crate::types::{Attachment, OutlineEntry, Rect, Word};

    fn header(width: u32, height: u32) -> PageHeader {
        let text = TextLayer::default();
        PageHeader {
            width,
            height,
            dpi: None,
            width_pt: 1.0,
            height_pt: 1.0,
            scaled_down: false,
            shared: false,
            text,
            notes: AtMost(Vec::new()),
        }
    }

    fn refused(header: &PageHeader, body: usize) -> String {
        page(header, body, &RenderSettings::default()).unwrap_err()
    }

    #[test]
    fn pixels_are_what_was_asked_for() {
        assert_eq!(page(&header(10, 20), 600, &RenderSettings::default()), Ok(600));
        assert_eq!(page(&PageHeader { shared: true, ..header(10, 20) }, 0, &RenderSettings::default()), Ok(600));
        assert!(refused(&header(10, 20), 599).contains("599 bytes"));
        assert!(refused(&PageHeader { shared: true, ..header(10, 20) }, 600).contains("600 bytes"));
        // 2^32 x 3 bytes and products beyond 2^64 are no smaller for it
        for (width, height) in [(u32::MAX, u32::MAX), (1 << 31, 1 << 31), (0, 5), (16_384, 1), (5_001, 5_000)] {
            assert!(refused(&header(width, height), 0).contains("pixels"), "{width} x {height}");
        }
        let large = RenderSettings { max_page_pixels: u64::MAX, ..Default::default() };
        let shared = PageHeader { shared: true, ..header(16_000, 16_000) };
        assert!(page(&shared, 0, &large).unwrap_err().contains("shared memory"));
        assert!(refused(&PageHeader { height_pt: f32::INFINITY, ..header(1, 1) }, 3).contains("points"));
    }

    #[test]
    fn notes_are_about_their_page_and_end_somewhere() {
        let note = |page| Note::lost(page, "x".repeat(MAX_REASON_CHARS + 1));
        let checked = checked_notes(vec![note(Some(3))], Some(3)).unwrap();
        assert_eq!(checked[0].reason.len(), MAX_REASON_CHARS);
        assert!(checked_notes(vec![note(Some(3))], None).is_err());
        assert!(checked_notes(vec![note(Some(3)), note(None)], Some(3)).is_err());
    }

    #[test]
    fn words_lie_in_their_text_and_on_their_page() {
        let rect = Rect { left: 0.1, top: 0.1, right: 0.2, bottom: 0.2 };
        let checked = |words: &[(u32, u32, Rect)]| {
            let words = words.iter().map(|&(start, end, rect)| Word { start, end, rect }).collect();
            text(&TextLayer { text: "né a".into(), words, unreadable: false })
        };
        assert_eq!(checked(&[(0, 3, rect), (4, 5, rect)]), Ok(()));
        let wrong = Rect { right: 1.5, ..rect };
        let not_a_number = Rect { top: f32::NAN, ..rect };
        let cases = [
            vec![(0, 6, rect)],
            vec![(3, 1, rect)],
            vec![(0, 2, rect)],
            vec![(u32::MAX, u32::MAX, rect)],
            vec![(0, 3, rect), (0, 1, rect)],
            vec![(0, 1, wrong)],
            vec![(0, 1, not_a_number)],
        ];
        for words in cases {
            assert!(checked(&words).is_err(), "{words:?}");
        }
    }

    #[test]
    fn documents_are_within_the_limits() {
        let header = |page_count, labels: usize, heading: u32| DocumentHeader {
            page_count,
            title: None,
            author: None,
            created: None,
            modified: None,
            outline: AtMost(vec![OutlineEntry { title: "One".into(), level: 0, page: heading }]),
            page_labels: AtMost(vec!["i".into(); labels]),
            attachments: AtMost(Vec::new()),
            notes: AtMost(Vec::new()),
        };
        let limits = RenderLimits { max_pages: 9, ..Default::default() };
        assert_eq!(document(header(9, 9, 9), &limits).unwrap().page_count, 9);
        for (pages, labels, heading) in [(0, 0, 1), (10, 0, 1), (u32::MAX, 0, 1), (9, 8, 1), (9, 0, 10), (9, 0, 0)] {
            assert!(document(header(pages, labels, heading), &limits).is_err(), "{pages}, {labels}, {heading}");
        }
        let attachment = |name: &str| Attachment { index: 0, name: name.into() };
        for names in [vec!["a.pdf", "a.pdf"], vec![""]] {
            let attachments = AtMost(names.into_iter().map(attachment).collect());
            assert!(document(DocumentHeader { attachments, ..header(1, 0, 1) }, &limits).is_err());
        }
        let long = DocumentHeader { title: Some("x".repeat(MAX_LINE_BYTES + 1)), ..header(1, 0, 1) };
        assert!(document(long, &limits).is_err());
    }
}
