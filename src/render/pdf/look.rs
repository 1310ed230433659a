//! After drawing: whether what a page's objects ask for can be seen in its pixels. PDFium leaves out what it cannot draw and
//! says nothing, so each kind of loss is looked for: content streams, images, letters of fonts that are not there.
//!
//! A page that is blank because nothing stands on it gets no note.

use std::collections::BTreeSet;
use std::os::raw::{c_int, c_ulong, c_void};

use pdfium_render::prelude::{
    FPDF_FONT, FPDF_IMAGEOBJ_METADATA, FPDF_PAGE, FPDF_PAGEOBJECT, FPDF_TEXTPAGE, PdfiumLibraryBindings,
};

use super::contents::Contents;
use super::images::Stored;
use super::objects::{Kind, Painted};
use super::pixels::Pixels;
use super::shown::Shown;
use super::text::char_box;
use crate::types::Note;

/// Images of a page that are looked at: scans in strips have dozens, maps have thousands of tiles.
const MAX_IMAGES: usize = 64;
/// Characters that are looked at.
const MAX_CHARS: c_int = 20_000;
/// A smaller part of the page is no loss that anybody notices.
const MIN_IMAGE_AREA: f32 = 0.01;
/// Letters of fonts that are not there that a page may lack without a note.
const FEW_LETTERS: u32 = 2;

/// What is wrong with the page `number`, which has been drawn as `pixels`.
///
/// # Safety
/// `page` must be loaded and outlive the call; `objects` are its own.
pub(super) unsafe fn notes(
    library: &dyn PdfiumLibraryBindings,
    page: FPDF_PAGE,
    number: u32,
    objects: &[Painted],
    pixels: &Pixels<'_>,
    contents: &Contents,
) -> Vec<Note> {
    let look = Look { library, page, shown: Shown::of(library, page), pixels };
    let lost = |reason: String| Note::lost(Some(number), reason);
    let mut notes = Vec::new();
    // SAFETY: the caller's promise.
    unsafe {
        notes.extend(look.damaged_images(objects).map(lost));
        let letters =
            if look.has_fonts_that_are_not_embedded(objects) { look.letters_that_are_not_there() } else { None };
        match letters {
            Some((reason, true)) => notes.push(lost(reason)),
            Some((reason, false)) => notes.push(Note::imperfect(Some(number), reason)),
            None => {}
        }
        if let Contents::Damaged(reason) = contents {
            notes.push(lost(reason.clone()));
        }
        if notes.is_empty() && pixels.whole().is_one_colour() {
            notes.extend(why_blank(objects, contents).map(lost));
        }
    }
    notes
}

struct Look<'a> {
    library: &'a dyn PdfiumLibraryBindings,
    page: FPDF_PAGE,
    shown: Shown,
    pixels: &'a Pixels<'a>,
}

impl Look<'_> {
    /// What is wrong with the page's images, in one sentence for all of a kind.
    unsafe fn damaged_images(&self, objects: &[Painted]) -> impl Iterator<Item = String> + use<> {
        let (mut undrawn, mut senseless, mut short) = (0, 0, 0);
        let images = objects.iter().filter(|painted| painted.kind == Kind::Image).take(MAX_IMAGES);
        for image in images {
            let Some(area) = image.bounds.and_then(|bounds| self.shown.rect(bounds)) else { continue };
            if (area.right - area.left) * (area.bottom - area.top) < MIN_IMAGE_AREA {
                continue;
            }
            let region = self.pixels.region(area);
            // SAFETY: the object is an image of the loaded page.
            unsafe {
                if region.is_one_colour() && !self.has_pixels(image.object) {
                    undrawn += 1;
                } else if self.is_damaged(image.object) {
                    senseless += 1;
                } else if region.blank_end() && self.ends_early(image.object) {
                    short += 1;
                }
            }
        }
        let sentence = |count: usize, what: &str| match count {
            0 => None,
            1 => Some(format!("its image is damaged: {what}")),
            count => Some(format!("{count} of its images are damaged: {what}")),
        };
        sentence(undrawn, "it cannot be decoded")
            .into_iter()
            .chain(sentence(senseless, "parts of its data cannot be decoded"))
            .chain(sentence(short, "the data ends early, and so does what is shown"))
    }

    unsafe fn has_pixels(&self, image: FPDF_PAGEOBJECT) -> bool {
        // SAFETY: the object is an image of the loaded page; the bitmap is ours to destroy.
        unsafe {
            let bitmap = self.library.FPDFImageObj_GetBitmap(image);
            if bitmap.is_null() {
                return false;
            }
            self.library.FPDFBitmap_Destroy(bitmap);
            true
        }
    }

    /// The names of an image's filters, in the order in which they are undone.
    unsafe fn filters(&self, image: FPDF_PAGEOBJECT) -> Vec<Vec<u8>> {
        // SAFETY: the object is an image of the loaded page; the buffer has the size that it is passed with.
        let name = |at: c_int| unsafe {
            let mut name = [0u8; 32];
            let (buffer, size) = (name.as_mut_ptr().cast::<c_void>(), name.len() as c_ulong);
            let length = self.library.FPDFImageObj_GetImageFilter(image, at, buffer, size);
            name.get(..(length as usize).saturating_sub(1)).unwrap_or_default().to_vec()
        };
        // SAFETY: as above.
        let count = unsafe { self.library.FPDFImageObj_GetImageFilterCount(image) };
        (0..count).map(name).collect()
    }

    /// The data of an image as they are stored.
    unsafe fn data(&self, image: FPDF_PAGEOBJECT) -> Vec<u8> {
        // SAFETY: the object is an image of the loaded page; the buffer has the size that it is passed with.
        unsafe {
            let length = self.library.FPDFImageObj_GetImageDataRaw(image, std::ptr::null_mut(), 0);
            let mut data = vec![0u8; length as usize];
            self.library.FPDFImageObj_GetImageDataRaw(image, data.as_mut_ptr().cast(), length);
            data
        }
    }

    unsafe fn is_damaged(&self, image: FPDF_PAGEOBJECT) -> bool {
        // SAFETY: the object is an image of the loaded page; its numbers are written into ours.
        unsafe {
            let (mut width, mut height) = (0, 0);
            self.library.FPDFImageObj_GetImagePixelSize(image, &mut width, &mut height);
            let (filters, data) = (self.filters(image), self.data(image));
            Stored { filters: &filters, data: &data, width, height }.is_damaged()
        }
    }

    /// Whether the stored data of an image are too few for it.
    unsafe fn ends_early(&self, image: FPDF_PAGEOBJECT) -> bool {
        // SAFETY: the object is an image of the loaded page; buffers have the sizes that they are passed with.
        unsafe {
            match self.filters(image).last().map(Vec::as_slice).unwrap_or_default() {
                b"DCTDecode" | b"DCT" => !ends_as_jpeg(&self.data(image)),
                b"FlateDecode" | b"Fl" | b"LZWDecode" | b"LZW" | b"" => {
                    let mut metadata: FPDF_IMAGEOBJ_METADATA = std::mem::zeroed();
                    if self.library.FPDFImageObj_GetImageMetadata(image, self.page, &mut metadata) == 0 {
                        return false;
                    }
                    let row = (u64::from(metadata.width) * u64::from(metadata.bits_per_pixel)).div_ceil(8);
                    let length = self.library.FPDFImageObj_GetImageDataDecoded(image, std::ptr::null_mut(), 0);
                    (length as u64) < row * u64::from(metadata.height)
                }
                _ => false,
            }
        }
    }

    /// Whether it is worth looking at every letter.
    unsafe fn has_fonts_that_are_not_embedded(&self, objects: &[Painted]) -> bool {
        let texts = objects.iter().filter(|painted| matches!(painted.kind, Kind::Text { .. }));
        // SAFETY: the objects are text of the loaded page.
        let fonts: BTreeSet<FPDF_FONT> =
            texts.map(|text| unsafe { self.library.FPDFTextObj_GetFont(text.object) }).collect();
        // SAFETY: the fonts belong to the loaded page.
        fonts.into_iter().any(|font| !font.is_null() && unsafe { self.library.FPDFFont_GetIsEmbedded(font) } != 1)
    }

    /// Why letters are missing of fonts that are neither in the file nor here, and whether most of the page's text is missing
    /// with them. Latin letters are there in any case.
    unsafe fn letters_that_are_not_there(&self) -> Option<(String, bool)> {
        // SAFETY: the page is loaded; the text page is closed below; indices stay below its count.
        unsafe {
            let text = self.library.FPDFText_LoadPage(self.page);
            if text.is_null() {
                return None;
            }
            let (mut letters, mut missing) = (0u32, 0u32);
            let mut fonts: Vec<(FPDF_FONT, bool)> = Vec::new();
            let mut names: Vec<String> = Vec::new();
            for index in 0..self.library.FPDFText_CountChars(text).min(MAX_CHARS) {
                let character = char::from_u32(self.library.FPDFText_GetUnicode(text, index));
                let Some(character) = character.filter(|character| character.is_alphanumeric()) else { continue };
                letters += 1;
                if character < '\u{250}' || !self.is_undrawn(text, index) {
                    continue;
                }
                let font = self.font(text, index);
                let known = fonts.iter().find(|(known, _)| *known == font).map(|(_, embedded)| *embedded);
                let embedded = known.unwrap_or_else(|| {
                    let embedded = font.is_null() || self.library.FPDFFont_GetIsEmbedded(font) == 1;
                    fonts.push((font, embedded));
                    if !embedded {
                        names.push(self.font_name(font));
                    }
                    embedded
                });
                missing += u32::from(!embedded);
            }
            self.library.FPDFText_ClosePage(text);
            names.sort_unstable();
            names.dedup();
            (missing > FEW_LETTERS).then(|| {
                let reason = format!(
                    "{missing} of its {letters} letters are not drawn: the font {} is neither in the file nor on this machine",
                    names.join(", ")
                );
                (reason, missing * 2 > letters)
            })
        }
    }

    unsafe fn is_undrawn(&self, text: FPDF_TEXTPAGE, index: c_int) -> bool {
        // SAFETY: the text page is open and the index below its count.
        let area = unsafe { char_box(self.library, text, index) }.and_then(|area| self.shown.rect(area));
        area.is_some_and(|area| self.pixels.region(area).is_one_colour())
    }

    unsafe fn font(&self, text: FPDF_TEXTPAGE, index: c_int) -> FPDF_FONT {
        // SAFETY: the text page is open and the index below its count.
        unsafe {
            let object = self.library.FPDFText_GetTextObject(text, index);
            if object.is_null() { std::ptr::null_mut() } else { self.library.FPDFTextObj_GetFont(object) }
        }
    }

    unsafe fn font_name(&self, font: FPDF_FONT) -> String {
        let mut name = [0u8; 128];
        // SAFETY: the font belongs to the loaded page; the buffer has the size that it is passed with.
        let length = unsafe { self.library.FPDFFont_GetBaseFontName(font, name.as_mut_ptr().cast(), name.len()) };
        let name = name.get(..length.saturating_sub(1)).unwrap_or_default();
        String::from_utf8_lossy(name).into_owned()
    }
}

/// Why a page of one colour should not be, if it should not.
fn why_blank(objects: &[Painted], contents: &Contents) -> Option<String> {
    if objects.iter().any(|painted| matches!(painted.kind, Kind::Text { visible: true } | Kind::Shading)) {
        return Some("it is drawn blank, and text stands on it".into());
    }
    match contents {
        Contents::Paints { text_or_images: true } if objects.is_empty() => {
            Some("it is drawn blank, and its content asks for text or images".into())
        }
        _ => None,
    }
}

/// Whether the mark that ends a JPEG stands in its last bytes.
fn ends_as_jpeg(data: &[u8]) -> bool {
    const TAIL: usize = 64;
    data[data.len().saturating_sub(TAIL)..].windows(2).any(|window| window == [0xff, 0xd9])
}
