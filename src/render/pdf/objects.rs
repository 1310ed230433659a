//! The objects of a page in the order in which they are painted, those in forms in the place of their form.

use std::os::raw::{c_int, c_uint, c_ulong};

use pdfium_render::prelude::{FPDF_PAGE, FPDF_PAGEOBJECT, FS_MATRIX, FS_RECTF, PdfiumLibraryBindings};

/// Objects of a page that are looked at.
const MAX_OBJECTS: usize = 20_000;
/// Forms in forms.
const MAX_DEPTH: usize = 8;
/// Segments of a path that is a rectangle: as few as draw one, as many as some programs take.
const RECTANGLE_SEGMENTS: std::ops::RangeInclusive<c_int> = 4..=6;

/// What an object is, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `visible`: not set in the modes that only select or clip, nor in white.
    Text {
        visible: bool,
    },
    /// `opaque`: a filled rectangle that nothing shows through.
    Path {
        opaque: bool,
    },
    Image,
    Shading,
}

pub(super) struct Painted {
    pub object: FPDF_PAGEOBJECT,
    pub kind: Kind,
    /// In page space; None: it has none.
    pub bounds: Option<FS_RECTF>,
}

/// # Safety
/// `page` must be loaded; the objects are valid as long as it is.
pub(super) unsafe fn of_page(library: &dyn PdfiumLibraryBindings, page: FPDF_PAGE) -> Vec<Painted> {
    let mut walk = Walk { library, painted: Vec::new() };
    // SAFETY: the caller's promise; indices stay below the count.
    unsafe {
        for index in 0..library.FPDFPage_CountObjects(page) {
            walk.object(library.FPDFPage_GetObject(page, index), &[]);
        }
    }
    walk.painted
}

struct Walk<'a> {
    library: &'a dyn PdfiumLibraryBindings,
    painted: Vec<Painted>,
}

impl Walk<'_> {
    /// `forms`: matrices of the forms around the object, the innermost last.
    ///
    /// # Safety
    /// The object must belong to a loaded page.
    unsafe fn object(&mut self, object: FPDF_PAGEOBJECT, forms: &[FS_MATRIX]) {
        const TEXT: c_int = 1;
        const PATH: c_int = 2;
        const IMAGE: c_int = 3;
        const SHADING: c_int = 4;
        const FORM: c_int = 5;
        if object.is_null() || self.painted.len() >= MAX_OBJECTS {
            return;
        }
        // SAFETY: the caller's promise.
        unsafe {
            let kind = match self.library.FPDFPageObj_GetType(object) {
                TEXT => Kind::Text { visible: self.is_visible(object) },
                PATH => Kind::Path { opaque: self.is_opaque(object) },
                IMAGE => Kind::Image,
                SHADING => Kind::Shading,
                FORM if forms.len() < MAX_DEPTH => return self.form(object, forms),
                _ => return,
            };
            let bounds = self.bounds(object, forms);
            self.painted.push(Painted { object, kind, bounds });
        }
    }

    /// # Safety
    /// The object must be a form of a loaded page.
    unsafe fn form(&mut self, object: FPDF_PAGEOBJECT, forms: &[FS_MATRIX]) {
        let mut matrix = FS_MATRIX { a: 1.0, b: 0.0, c: 0.0, d: 1.0, e: 0.0, f: 0.0 };
        // SAFETY: the caller's promise; the matrix lives across the call.
        unsafe {
            self.library.FPDFPageObj_GetMatrix(object, &mut matrix);
            let forms: Vec<FS_MATRIX> = forms.iter().copied().chain([matrix]).collect();
            for index in 0..self.library.FPDFFormObj_CountObjects(object).max(0) {
                self.object(self.library.FPDFFormObj_GetObject(object, index as c_ulong), &forms);
            }
        }
    }

    /// # Safety
    /// The object must be text of a loaded page.
    unsafe fn is_visible(&self, object: FPDF_PAGEOBJECT) -> bool {
        const INVISIBLE: c_int = 3;
        const CLIP: c_int = 7;
        // SAFETY: the caller's promise.
        unsafe {
            let mode = self.library.FPDFTextObj_GetTextRenderMode(object) as c_int;
            let [red, green, blue, alpha] = self.fill(object);
            !matches!(mode, INVISIBLE | CLIP) && alpha > 0 && [red, green, blue] != [255; 3]
        }
    }

    /// # Safety
    /// The object must be a path of a loaded page.
    unsafe fn is_opaque(&self, object: FPDF_PAGEOBJECT) -> bool {
        let (mut fill, mut stroke): (c_int, c_int) = (0, 0);
        // SAFETY: the caller's promise; the results live across the call.
        unsafe {
            self.library.FPDFPath_GetDrawMode(object, &mut fill, &mut stroke) != 0
                && fill != 0
                && self.fill(object)[3] == 255
                && self.library.FPDFPageObj_HasTransparency(object) == 0
                && RECTANGLE_SEGMENTS.contains(&self.library.FPDFPath_CountSegments(object))
        }
    }

    /// Red, green, blue and opacity of an object's areas.
    ///
    /// # Safety
    /// The object must belong to a loaded page.
    unsafe fn fill(&self, object: FPDF_PAGEOBJECT) -> [c_uint; 4] {
        let (mut red, mut green, mut blue, mut alpha): (c_uint, c_uint, c_uint, c_uint) = (0, 0, 0, 255);
        // SAFETY: the caller's promise; the results live across the call.
        unsafe { self.library.FPDFPageObj_GetFillColor(object, &mut red, &mut green, &mut blue, &mut alpha) };
        [red, green, blue, alpha]
    }

    /// Bounds in page space.
    ///
    /// # Safety
    /// The object must belong to a loaded page.
    unsafe fn bounds(&self, object: FPDF_PAGEOBJECT, forms: &[FS_MATRIX]) -> Option<FS_RECTF> {
        let (mut left, mut bottom, mut right, mut top) = (0.0, 0.0, 0.0, 0.0);
        // SAFETY: the caller's promise; the sides live across the call.
        let known =
            unsafe { self.library.FPDFPageObj_GetBounds(object, &mut left, &mut bottom, &mut right, &mut top) } != 0;
        let mut corners = [(left, bottom), (left, top), (right, bottom), (right, top)];
        for matrix in forms.iter().rev() {
            corners =
                corners.map(|(x, y)| (matrix.a * x + matrix.c * y + matrix.e, matrix.b * x + matrix.d * y + matrix.f));
        }
        let side = |of: fn(&(f32, f32)) -> f32, pick: fn(f32, f32) -> f32| corners.iter().map(of).reduce(pick);
        known.then_some(FS_RECTF {
            left: side(|corner| corner.0, f32::min)?,
            right: side(|corner| corner.0, f32::max)?,
            bottom: side(|corner| corner.1, f32::min)?,
            top: side(|corner| corner.1, f32::max)?,
        })
    }
}
