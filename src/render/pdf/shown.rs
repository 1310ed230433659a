//! From page space to the page as it is shown.

use std::os::raw::c_int;

use pdfium_render::prelude::{FPDF_PAGE, FS_RECTF, PdfiumLibraryBindings};

use crate::types::Rect;

/// Page space to fractions of the page as it is shown: x' = a x + c y + e, y' = b x + d y + f.
pub(super) struct Shown {
    a: f64,
    b: f64,
    c: f64,
    d: f64,
    e: f64,
    f: f64,
}

impl Shown {
    /// Asks PDFium itself, once for three points: it knows rotation, crop box and every default.
    pub(super) fn of(library: &dyn PdfiumLibraryBindings, page: FPDF_PAGE) -> Self {
        /// Device units a page: rounding to whole ones must not show.
        const UNITS: c_int = 1 << 24;
        /// Distance of the points in page space: about a page, for the same reason.
        const SPAN: f64 = 1000.0;
        let to_fraction = |x: f64, y: f64| {
            let (mut device_x, mut device_y): (c_int, c_int) = (0, 0);
            // SAFETY: the page is loaded; both results live across the call. A failure leaves zeroes.
            unsafe {
                library.FPDF_PageToDevice(page, 0, 0, UNITS, UNITS, 0, x, y, &mut device_x, &mut device_y);
            }
            (f64::from(device_x) / f64::from(UNITS), f64::from(device_y) / f64::from(UNITS))
        };
        let (e, f) = to_fraction(0.0, 0.0);
        let (x_x, x_y) = to_fraction(SPAN, 0.0);
        let (y_x, y_y) = to_fraction(0.0, SPAN);
        Self { a: (x_x - e) / SPAN, b: (x_y - f) / SPAN, c: (y_x - e) / SPAN, d: (y_y - f) / SPAN, e, f }
    }

    /// The part of a box that is shown, `None` where nothing of it is.
    pub(super) fn rect(&self, page_box: FS_RECTF) -> Option<Rect> {
        let map = |x: f32, y: f32| {
            let (x, y) = (f64::from(x), f64::from(y));
            ((self.a * x + self.c * y + self.e) as f32, (self.b * x + self.d * y + self.f) as f32)
        };
        let (x0, y0) = map(page_box.left, page_box.top);
        let (x1, y1) = map(page_box.right, page_box.bottom);
        let rect = Rect {
            left: x0.min(x1).clamp(0.0, 1.0),
            top: y0.min(y1).clamp(0.0, 1.0),
            right: x0.max(x1).clamp(0.0, 1.0),
            bottom: y0.max(y1).clamp(0.0, 1.0),
        };
        (rect.right > rect.left && rect.bottom > rect.top).then_some(rect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_become_fractions_of_the_shown_page() {
        // a 200 x 100 page, not rotated: x' = x / 200, y' = 1 - y / 100
        let shown = Shown { a: 1.0 / 200.0, b: 0.0, c: 0.0, d: -1.0 / 100.0, e: 0.0, f: 1.0 };
        let rect = shown.rect(FS_RECTF { left: 20.0, top: 90.0, right: 40.0, bottom: 80.0 }).unwrap();
        assert!((rect.left - 0.1).abs() < 1e-6 && (rect.top - 0.1).abs() < 1e-6);
        assert!((rect.right - 0.2).abs() < 1e-6 && (rect.bottom - 0.2).abs() < 1e-6);
        assert!(shown.rect(FS_RECTF { left: 300.0, top: 90.0, right: 340.0, bottom: 80.0 }).is_none());
    }
}
