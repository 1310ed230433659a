//! PDF through PDFium, in a worker process only. The library's C interface is used directly (pdfium-render binds it and
//! knows its versions): it draws straight into our pixels, and reads a page's text without an object a character.
//!
//! Everything here runs on the worker's one thread; PDFium allows no other way.

mod annotations;
mod attachments;
mod contents;
mod covers;
mod dates;
mod filters;
mod garbled;
mod images;
mod info;
mod look;
mod objects;
mod outline;
mod pixels;
mod reading;
mod shown;
mod strings;
mod structure;
mod syntax;
mod text;

use std::cell::OnceCell;
use std::os::raw::{c_int, c_uchar, c_ulong, c_void};
use std::path::Path;

use pdfium_render::prelude::{
    FPDF_DOCUMENT, FPDF_FILEACCESS, FPDF_FORMFILLINFO, FPDF_FORMHANDLE, FPDF_PAGE, Pdfium, PdfiumLibraryBindings,
};

use self::contents::Contents;
use self::covers::Covers;
use self::objects::Painted;
use self::pixels::Pixels;
use self::structure::Structure;
pub(super) use self::text::MAX_TEXT_CHARS;
use super::document_file::DocumentFile;
use super::fit::fit;
use super::protocol::{Drawn, PageHeader, at_most_notes};
use super::shared_pages::SlotWriter;
use crate::error::{Error, Result};
use crate::types::{DocumentInfo, Note, RenderSettings};

/// Draw annotations (`FPDF_ANNOT`) and write red first (`FPDF_REVERSE_BYTE_ORDER`). LCD text is off by default.
const FLAGS: c_int = 0x01 | 0x10;
/// `FPDFBitmap_BGR`: three bytes a pixel. With the reversed byte order this is exactly our RGB8.
const BITMAP_BGR: c_int = 2;
/// What a page is drawn on.
const PAPER: u8 = 0xff;
/// `FPDF_ERR_PASSWORD` and `FPDF_ERR_SECURITY`.
const ERR_PASSWORD: c_ulong = 4;
const ERR_SECURITY: c_ulong = 5;

/// PDFium, loaded for the rest of the process.
pub(super) struct Library(Box<dyn PdfiumLibraryBindings>);

impl Library {
    /// Loads and initialises the library at `path`.
    pub(super) fn load(path: &Path) -> Result<&'static Self> {
        let bindings = Pdfium::bind_to_library(path).map_err(|error| {
            Error::configuration(format!(
                "cannot load PDFium from {}: {error}; run `quire doctor` to see what is installed",
                path.display()
            ))
        })?;
        // SAFETY: the first call into the library, made once a process.
        unsafe { bindings.FPDF_InitLibrary() };
        // never unloaded: documents refer to it until the process ends
        Ok(Box::leak(Box::new(Self(bindings))))
    }
}

/// An open PDF. PDFium reads the file as it needs it.
pub(super) struct PdfDocument {
    library: &'static dyn PdfiumLibraryBindings,
    handle: FPDF_DOCUMENT,
    form: Option<Form>,
    page_count: u32,
    /// What the file's own objects say; read when it is first needed.
    structure: OnceCell<Option<Structure>>,
    /// PDFium keeps a pointer to it until the document is closed.
    file: Box<DocumentFile>,
}

/// What PDFium needs to draw form fields.
struct Form {
    handle: FPDF_FORMHANDLE,
    /// PDFium keeps a pointer to it until the form is closed.
    _callbacks: Box<FPDF_FORMFILLINFO>,
}

impl PdfDocument {
    /// Opens a document. Encrypted, broken and empty ones are refused with the reason.
    pub(super) fn open(library: &'static Library, file: DocumentFile) -> Result<Self> {
        let library = library.0.as_ref();
        let file = Box::new(file);
        let mut access = FPDF_FILEACCESS {
            m_FileLen: file.bytes() as c_ulong,
            m_GetBlock: Some(read_block),
            m_Param: std::ptr::from_ref(&*file).cast_mut().cast(),
        };
        // SAFETY: the library is initialised; every handle below comes from it and is closed in `drop` only. PDFium copies
        // `access`; the file that it points to lives as long as the document.
        unsafe {
            let handle = library.FPDF_LoadCustomDocument(&raw mut access, None);
            if handle.is_null() {
                return Err(Error::permanent(match library.FPDF_GetLastError() {
                    ERR_PASSWORD => "is encrypted and needs a password to open; add a copy saved without one".into(),
                    ERR_SECURITY => "is encrypted in a way that PDFium does not support".into(),
                    code => format!("{} (PDFium error {code})", damage(&file)),
                }));
            }
            let page_count = u32::try_from(library.FPDF_GetPageCount(handle)).unwrap_or(0);
            let mut document = Self { library, handle, form: None, page_count, structure: OnceCell::new(), file };
            if page_count == 0 {
                let file = &document.file;
                return Err(Error::permanent(match ends_properly(file) {
                    true => "has no pages".to_owned(),
                    false => format!("has no readable pages: it {}", damage(file)),
                }));
            }
            document.form = document.open_form();
            Ok(document)
        }
    }

    /// # Safety
    /// The document must be open, and its form not open yet.
    unsafe fn open_form(&self) -> Option<Form> {
        // SAFETY: zeroes are the struct's "no callbacks", and the box outlives the handle (see `drop`).
        unsafe {
            if self.library.FPDF_GetFormType(self.handle) == 0 {
                return None;
            }
            let mut callbacks: Box<FPDF_FORMFILLINFO> = Box::new(std::mem::zeroed());
            callbacks.version = 2;
            let handle = self.library.FPDFDOC_InitFormFillEnvironment(self.handle, &mut *callbacks);
            (!handle.is_null()).then_some(Form { handle, _callbacks: callbacks })
        }
    }

    pub(super) fn page_count(&self) -> u32 {
        self.page_count
    }

    pub(super) fn info(&self) -> DocumentInfo {
        info::read(self)
    }

    /// The bytes of a file inside.
    pub(super) fn attachment(&self, index: u32) -> Result<Vec<u8>> {
        attachments::bytes(self, index)
    }

    /// Draws the 1-based page `number`, in its slot of the shared memory if it fits, and reads its text.
    pub(super) fn draw(&self, number: u32, settings: &RenderSettings, slots: Option<&mut SlotWriter>) -> Result<Drawn> {
        let index = c_int::try_from(number - 1).map_err(|_| Error::permanent("has an impossible number"))?;
        let page = Page::load(self, index)?;
        let (width_pt, height_pt) = page.size()?;
        let scale = f64::from(settings.dpi) / 72.0;
        let fitted = fit(f64::from(width_pt) * scale, f64::from(height_pt) * scale, settings.max_page_pixels);
        let bytes = fitted.width as usize * fitted.height as usize * 3;
        let mut rgb = Vec::new();
        let (memory, shared) = match slots.and_then(|slots| slots.take(bytes)) {
            Some(memory) => {
                memory.fill(PAPER);
                (memory, true)
            }
            None => {
                rgb.resize(bytes, PAPER);
                (rgb.as_mut_slice(), false)
            }
        };
        page.draw(fitted.width, fitted.height, memory)?;
        let pixels = Pixels { rgb: memory, width: fitted.width as usize, height: fitted.height as usize };
        // SAFETY: the page is loaded as long as the objects are used.
        let objects = unsafe { objects::of_page(self.library, page.handle) };
        let notes = page.look(index, &objects, &pixels);
        // SAFETY: likewise; the objects are the page's.
        let covers = unsafe { Covers::of(self.library, page.handle, &objects, &pixels) };
        let form = self.form.as_ref().map(|form| form.handle);
        // SAFETY: the page is loaded, and the form is its document's.
        let more = unsafe { annotations::words(self.library, page.handle, form) };
        let text = text::read(self.library, page.handle, &covers, more);
        let header = PageHeader {
            width: fitted.width,
            height: fitted.height,
            dpi: Some(((f64::from(fitted.width) * 72.0 / f64::from(width_pt)) + 0.5) as u32),
            width_pt,
            height_pt,
            scaled_down: fitted.scaled_down,
            shared,
            text,
            notes: at_most_notes(notes),
        };
        Ok(Drawn { header, rgb })
    }

    fn structure(&self) -> Option<&Structure> {
        self.structure.get_or_init(|| Structure::read(&self.file, self.page_count)).as_ref()
    }
}

impl Drop for PdfDocument {
    fn drop(&mut self) {
        // SAFETY: pages borrow the document, so none is open; the form goes before the document it belongs to.
        unsafe {
            if let Some(form) = &self.form {
                self.library.FPDFDOC_ExitFormFillEnvironment(form.handle);
            }
            self.library.FPDF_CloseDocument(self.handle);
        }
    }
}

struct Page<'a> {
    document: &'a PdfDocument,
    /// 0-based.
    index: c_int,
    handle: FPDF_PAGE,
}

impl<'a> Page<'a> {
    fn load(document: &'a PdfDocument, index: c_int) -> Result<Self> {
        // SAFETY: the document is open and outlives the page.
        unsafe {
            let handle = document.library.FPDF_LoadPage(document.handle, index);
            if handle.is_null() {
                return Err(Error::permanent("cannot be loaded: its object is missing or broken"));
            }
            let page = Self { document, index, handle };
            page.mend_crop_box();
            if let Some(form) = &document.form {
                document.library.FORM_OnAfterLoadPage(handle, form.handle);
            }
            Ok(page)
        }
    }

    /// Size in points as the page is shown: its crop box, turned, in its own unit.
    fn size(&self) -> Result<(f32, f32)> {
        // SAFETY: the page is loaded.
        let (width, height) = unsafe {
            let library = self.document.library;
            (library.FPDF_GetPageWidthF(self.handle), library.FPDF_GetPageHeightF(self.handle))
        };
        let unit =
            self.document.structure().and_then(|structure| structure.user_unit(self.index as usize)).unwrap_or(1.0);
        let (width, height) = (width * unit, height * unit);
        match is_usable(width) && is_usable(height) {
            true => Ok((width, height)),
            false => Err(Error::permanent(format!("has no usable size: {width} x {height} points"))),
        }
    }

    /// A crop box of which nothing lies in the media box does not count: the media box is shown.
    ///
    /// # Safety
    /// The page must be loaded and its form not told yet.
    unsafe fn mend_crop_box(&self) {
        let library = self.document.library;
        // SAFETY: the caller's promise; the sides live across the calls.
        unsafe {
            if is_usable(library.FPDF_GetPageWidthF(self.handle)) && is_usable(library.FPDF_GetPageHeightF(self.handle))
            {
                return;
            }
            let (mut left, mut bottom, mut right, mut top) = (0.0, 0.0, 612.0, 792.0);
            library.FPDFPage_GetMediaBox(self.handle, &mut left, &mut bottom, &mut right, &mut top);
            library.FPDFPage_SetCropBox(self.handle, left, bottom, right, top);
        }
    }

    /// What is wrong with the page, which has been drawn as `pixels`.
    fn look(&self, index: c_int, objects: &[Painted], pixels: &Pixels<'_>) -> Vec<Note> {
        let contents = self.document.structure().map_or(Contents::Unknown, |file| file.contents(index as usize));
        // SAFETY: the page is loaded.
        unsafe { look::notes(self.document.library, self.handle, index as u32 + 1, objects, pixels, &contents) }
    }

    /// Straight from PDFium onto `rgb`, `[height, width, 3]` RGB8.
    fn draw(&self, width: u32, height: u32, rgb: &mut [u8]) -> Result<()> {
        let library = self.document.library;
        let stride = width as usize * 3;
        if rgb.len() != stride * height as usize {
            return Err(Error::bug(format!("{} bytes are not {width} x {height} pixels", rgb.len())));
        }
        let side = |value: u32| c_int::try_from(value).map_err(|_| Error::bug("a page side does not fit into an int"));
        let (width, height, stride) = (side(width)?, side(height)?, stride as c_int);
        // SAFETY: the bitmap draws into `rgb`, which has `height` rows of `stride` bytes and outlives it.
        unsafe {
            let pixels = rgb.as_mut_ptr().cast::<c_void>();
            let bitmap = library.FPDFBitmap_CreateEx(width, height, BITMAP_BGR, pixels, stride);
            if bitmap.is_null() {
                return Err(Error::permanent(format!("cannot be drawn: PDFium refuses {width} x {height} pixels")));
            }
            library.FPDF_RenderPageBitmap(bitmap, self.handle, 0, 0, width, height, 0, FLAGS);
            if let Some(form) = &self.document.form {
                library.FPDF_FFLDraw(form.handle, bitmap, self.handle, 0, 0, width, height, 0, FLAGS);
            }
            library.FPDFBitmap_Destroy(bitmap);
        }
        Ok(())
    }
}

impl Drop for Page<'_> {
    fn drop(&mut self) {
        // SAFETY: the page was opened by `load` and is closed here only.
        unsafe {
            if let Some(form) = &self.document.form {
                self.document.library.FORM_OnBeforeClosePage(self.handle, form.handle);
            }
            self.document.library.FPDF_ClosePage(self.handle);
        }
    }
}

/// Whether a page can have a side of this length.
fn is_usable(side: f32) -> bool {
    side.is_finite() && side > 0.0
}

/// PDFium's way to the bytes of a document: 1 for bytes that were read, 0 for bytes that could not be.
///
/// # Safety
/// `file` must be the [`DocumentFile`] of a document that is open, `buffer` have room for `size` bytes.
unsafe extern "C" fn read_block(file: *mut c_void, position: c_ulong, buffer: *mut c_uchar, size: c_ulong) -> c_int {
    // SAFETY: the caller's promise. Nobody else writes to the file's struct, and PDFium lends the buffer for this call.
    let (file, buffer) =
        unsafe { (&*file.cast::<DocumentFile>(), std::slice::from_raw_parts_mut(buffer, size as usize)) };
    #[allow(clippy::useless_conversion, reason = "a C long has 32 bits on some systems")]
    let position = u64::from(position);
    c_int::from(file.read_exact_at(buffer, position).is_ok())
}

/// What is wrong with a file that PDFium cannot read.
fn damage(file: &DocumentFile) -> &'static str {
    match ends_properly(file) {
        true => "is broken: PDFium finds no readable structure in it",
        false => "is truncated or broken: its end marker %%EOF is missing",
    }
}

/// Whether the end marker of a PDF stands in the last bytes of the file.
fn ends_properly(file: &DocumentFile) -> bool {
    const TAIL: u64 = 2048;
    let mut tail = vec![0; file.bytes().min(TAIL) as usize];
    let start = file.bytes() - tail.len() as u64;
    let read = file.read_exact_at(&mut tail, start);
    read.is_ok() && tail.windows(5).any(|window| window == b"%%EOF")
}
