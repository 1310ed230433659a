//! What was filled into a form and written beside the text: the values of fields and the words of comments are text of the page.
//!
//! PDFium draws both, even where they bring no appearance of their own; its text page has neither.

use std::os::raw::{c_int, c_ulong};

use pdfium_render::prelude::{FPDF_ANNOTATION, FPDF_FORMHANDLE, FPDF_PAGE, FS_RECTF, PdfiumLibraryBindings};

use super::reading::{Gap, Part};
use super::shown::Shown;
use super::strings::utf16_of_at_most;
use crate::types::Rect;

/// Annotations of a page that are looked at.
const MAX_ANNOTATIONS: c_int = 2_000;
/// Bytes of one value, in UTF-16.
const MAX_VALUE_BYTES: usize = 1 << 18;
/// `FPDF_ANNOT_...`: kinds that say something by themselves.
const TEXT: c_int = 1;
const FREE_TEXT: c_int = 3;
const COMMENTS: [c_int; 10] = [TEXT, FREE_TEXT, 4, 5, 6, 7, 8, 9, 10, 13];
const WIDGET: c_int = 20;
/// Squares, circles, polygons, stamps, ink and redactions: what people blacken text with.
const MARKS: [c_int; 6] = [5, 6, 7, 13, 15, 28];
/// `FPDF_ANNOT_FLAG_HIDDEN` and `NOVIEW`.
const UNSEEN: c_int = 2 | 32;
/// Form fields: check boxes, radio buttons and push buttons have no text; passwords are nobody's.
const FIELD_TEXT: c_int = 6;
const FIELD_COMBO: c_int = 4;
const FIELD_LIST: c_int = 5;
const PASSWORD: c_int = 1 << 13;

/// Words of the page's annotations, each with its place.
///
/// # Safety
/// `page` must be loaded, and `form` its document's.
pub(super) unsafe fn words(
    library: &dyn PdfiumLibraryBindings,
    page: FPDF_PAGE,
    form: Option<FPDF_FORMHANDLE>,
) -> Vec<Part> {
    let shown = Shown::of(library, page);
    let mut parts = Vec::new();
    // SAFETY: the caller's promise; each annotation is closed when it has been read.
    unsafe {
        for index in 0..library.FPDFPage_GetAnnotCount(page).clamp(0, MAX_ANNOTATIONS) {
            let annotation = library.FPDFPage_GetAnnot(page, index);
            if annotation.is_null() {
                continue;
            }
            if let Some(text) = text(library, annotation, form)
                && let Some(area) = area(library, annotation).and_then(|area| shown.rect(area))
            {
                parts.extend(laid_out(&text, area));
            }
            library.FPDFPage_CloseAnnot(annotation);
        }
    }
    parts
}

/// Where marks are seen that may lie over text, in page space.
///
/// # Safety
/// `page` must be loaded.
pub(super) unsafe fn marks(library: &dyn PdfiumLibraryBindings, page: FPDF_PAGE) -> Vec<FS_RECTF> {
    let mut marks = Vec::new();
    // SAFETY: the caller's promise; each annotation is closed when it has been read.
    unsafe {
        for index in 0..library.FPDFPage_GetAnnotCount(page).clamp(0, MAX_ANNOTATIONS) {
            let annotation = library.FPDFPage_GetAnnot(page, index);
            if annotation.is_null() {
                continue;
            }
            let is_mark = MARKS.contains(&(library.FPDFAnnot_GetSubtype(annotation) as c_int));
            if is_mark && library.FPDFAnnot_GetFlags(annotation) & UNSEEN == 0 {
                marks.extend(area(library, annotation));
            }
            library.FPDFPage_CloseAnnot(annotation);
        }
    }
    marks
}

/// # Safety
/// The annotation must be open.
unsafe fn text(
    library: &dyn PdfiumLibraryBindings,
    annotation: FPDF_ANNOTATION,
    form: Option<FPDF_FORMHANDLE>,
) -> Option<String> {
    // SAFETY: the caller's promise; buffers have the sizes that they are passed with.
    let text = unsafe {
        if library.FPDFAnnot_GetFlags(annotation) & UNSEEN != 0 {
            return None;
        }
        let kind = library.FPDFAnnot_GetSubtype(annotation) as c_int;
        if kind == WIDGET {
            let form = form?;
            let field = library.FPDFAnnot_GetFormFieldType(form, annotation);
            let secret = library.FPDFAnnot_GetFormFieldFlags(form, annotation) & PASSWORD != 0;
            if ![FIELD_TEXT, FIELD_COMBO, FIELD_LIST].contains(&field) || secret && field == FIELD_TEXT {
                return None;
            }
            let read = |buffer: *mut _, size| library.FPDFAnnot_GetFormFieldValue(form, annotation, buffer, size);
            utf16_of_at_most(MAX_VALUE_BYTES, |buffer, size| read(buffer.cast(), size))
        } else if COMMENTS.contains(&kind) {
            contents(library, annotation)
        } else {
            None
        }
    };
    text.filter(|text| !text.trim().is_empty())
}

/// # Safety
/// The annotation must be open.
unsafe fn contents(library: &dyn PdfiumLibraryBindings, annotation: FPDF_ANNOTATION) -> Option<String> {
    utf16_of_at_most(MAX_VALUE_BYTES, |buffer, size: c_ulong| {
        // SAFETY: the caller's promise; the buffer has the size that it is passed with.
        unsafe { library.FPDFAnnot_GetStringValue(annotation, "Contents", buffer.cast(), size) }
    })
}

/// # Safety
/// The annotation must be open.
unsafe fn area(library: &dyn PdfiumLibraryBindings, annotation: FPDF_ANNOTATION) -> Option<FS_RECTF> {
    let mut area = FS_RECTF { left: 0.0, top: 0.0, right: 0.0, bottom: 0.0 };
    // SAFETY: the caller's promise; the area lives across the call.
    (unsafe { library.FPDFAnnot_GetRect(annotation, &mut area) } != 0).then_some(area)
}

/// Words in the lines of an area, each as wide as its share of the longest line.
fn laid_out(text: &str, area: Rect) -> Vec<Part> {
    let lines: Vec<&str> = text.split(['\r', '\n']).filter(|line| !line.trim().is_empty()).collect();
    let longest = lines.iter().map(|line| line.chars().count()).max().unwrap_or(1).max(1) as f32;
    let (width, height) = (area.right - area.left, (area.bottom - area.top) / lines.len().max(1) as f32);
    let mut parts = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let top = area.top + number as f32 * height;
        let mut column = 0usize;
        for (word_number, word) in line.split_whitespace().enumerate() {
            let next = column + word.chars().count();
            let x = |column: usize| (area.left + width * column as f32 / longest).min(area.right);
            let rect = Rect { left: x(column), top, right: x(next), bottom: (top + height).min(area.bottom) };
            let gap = if word_number == 0 { Gap::Line } else { Gap::Space };
            parts.push(Part { text: word.to_owned(), rect, gap, hyphen: false, turned: false });
            column = next + 1;
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_lie_in_their_box() {
        let area = Rect { left: 0.2, top: 0.4, right: 0.6, bottom: 0.5 };
        let parts = laid_out("two lines\rof it", area);
        let texts: Vec<&str> = parts.iter().map(|part| part.text.as_str()).collect();
        assert_eq!(texts, ["two", "lines", "of", "it"]);
        assert!(
            parts.iter().all(|part| part.rect.left >= 0.2 && part.rect.right <= 0.6 && part.rect.bottom <= 0.5 + 1e-6)
        );
        assert!(parts[2].rect.top > parts[1].rect.top && parts[1].rect.left > parts[0].rect.right);
    }
}
