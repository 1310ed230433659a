//! Text that lies under an opaque box, an image or a mark is not what stands on the page: somebody blacked it out, or put other text
//! over it. What is seen decides: text below the image of its own page, as some readers of letters put it, stays.

use pdfium_render::prelude::{FPDF_PAGE, FPDF_PAGEOBJECT, PdfiumLibraryBindings};

use super::annotations;
use super::objects::{Kind, Painted};
use super::pixels::Pixels;
use super::shown::Shown;
use crate::types::Rect;

/// Boxes of a page that are looked at; the shading of a table's rows has as many.
const MAX_COVERS: usize = 500;

/// The part of a character's box where its ink is.
fn core(place: Rect) -> Rect {
    let margin = (place.bottom - place.top) * 0.3;
    Rect { top: place.top + margin, bottom: place.bottom - margin, ..place }
}

/// The opaque boxes of a page that were painted over something.
pub(super) struct Covers<'a> {
    /// Objects in the order in which they were painted.
    objects: &'a [Painted],
    pixels: &'a Pixels<'a>,
    /// Number in `objects`, and place on the page.
    boxes: Vec<(usize, Rect)>,
}

impl<'a> Covers<'a> {
    /// # Safety
    /// `page` must be loaded, and `objects` its own.
    pub(super) unsafe fn of(
        library: &dyn PdfiumLibraryBindings,
        page: FPDF_PAGE,
        objects: &'a [Painted],
        pixels: &'a Pixels<'a>,
    ) -> Self {
        let shown = Shown::of(library, page);
        // SAFETY: the caller's promise.
        let marks = unsafe { annotations::marks(library, page) };
        let first_text = objects.iter().position(|painted| matches!(painted.kind, Kind::Text { .. }));
        let after_text = objects.iter().enumerate().skip(first_text.unwrap_or(objects.len()));
        let boxes = after_text
            .filter(|(_, painted)| matches!(painted.kind, Kind::Path { opaque: true } | Kind::Image))
            .filter_map(|(number, painted)| Some((number, painted.bounds?)))
            // Marks are painted last.
            .chain(marks.into_iter().map(|mark| (objects.len(), mark)))
            .filter_map(|(number, bounds)| Some((number, shown.rect(bounds)?)))
            .take(MAX_COVERS)
            .collect();
        Self { objects, pixels, boxes }
    }

    /// Whether a character of this text object, at this place, lies under a box, and nothing of it can be seen.
    pub(super) fn hide(&self, object: FPDF_PAGEOBJECT, place: Rect) -> bool {
        let (x, y) = ((place.left + place.right) / 2.0, (place.top + place.bottom) / 2.0);
        let over = |cover: &Rect| cover.left <= x && x <= cover.right && cover.top <= y && y <= cover.bottom;
        let Some((last, _)) = self.boxes.iter().rev().find(|(_, cover)| over(cover)) else { return false };
        let painted = self.objects.iter().position(|painted| painted.object == object);
        painted.is_some_and(|painted| {
            painted < *last
                && self.objects[painted].kind == Kind::Text { visible: true }
                && self.pixels.region(core(place)).is_one_colour()
        })
    }
}
