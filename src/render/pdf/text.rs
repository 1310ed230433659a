//! The text layer of a PDF page: PDFium's characters become text with line breaks, and words with their rectangles.

use std::os::raw::c_int;

use pdfium_render::prelude::{FPDF_PAGE, FPDF_TEXTPAGE, FS_RECTF, PdfiumLibraryBindings};

use crate::types::{Rect, TextLayer, Word};

/// A page with more characters is not meant to be read; the rest is left out.
pub(in crate::render) const MAX_TEXT_CHARS: c_int = 500_000;
/// What PDFium puts in place of a hyphen at the end of a line when the word goes on in the next.
const JOINING_HYPHEN: char = '\u{2}';
const SOFT_HYPHEN: char = '\u{ad}';

/// Reads the text of a page that is loaded. A page whose text cannot be read has none.
pub(super) fn read(library: &dyn PdfiumLibraryBindings, page: FPDF_PAGE) -> TextLayer {
    let shown = Shown::of(library, page);
    // SAFETY: the page is loaded and outlives the text page, which is closed below; indices stay below its count.
    unsafe {
        let text = library.FPDFText_LoadPage(page);
        if text.is_null() {
            return TextLayer::default();
        }
        let count = library.FPDFText_CountChars(text).clamp(0, MAX_TEXT_CHARS);
        let mut layer = Layer::default();
        for index in 0..count {
            let unit = library.FPDFText_GetUnicode(text, index);
            layer.push(unit, || shown.rect(char_box(library, text, index)?));
        }
        library.FPDFText_ClosePage(text);
        layer.finish()
    }
}

/// The box of a character in page space, as high as its font's lines and as wide as its advance.
///
/// # Safety
/// `text` must be open and `index` below its count.
unsafe fn char_box(library: &dyn PdfiumLibraryBindings, text: FPDF_TEXTPAGE, index: c_int) -> Option<FS_RECTF> {
    let mut rect = FS_RECTF { left: 0.0, top: 0.0, right: 0.0, bottom: 0.0 };
    // SAFETY: the caller's promise; `rect` lives across the call.
    let known = unsafe { library.FPDFText_GetLooseCharBox(text, index, &mut rect) } != 0;
    known.then_some(rect)
}

/// Page space to fractions of the page as it is shown: x' = a x + c y + e, y' = b x + d y + f.
struct Shown {
    a: f64,
    b: f64,
    c: f64,
    d: f64,
    e: f64,
    f: f64,
}

impl Shown {
    /// Asks PDFium itself, once for three points: it knows rotation, crop box and every default.
    fn of(library: &dyn PdfiumLibraryBindings, page: FPDF_PAGE) -> Self {
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
    fn rect(&self, page_box: FS_RECTF) -> Option<Rect> {
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

/// Builds a text layer from characters in document order.
#[derive(Default)]
struct Layer {
    text: String,
    words: Vec<Word>,
    /// Start of the word at hand in `text`, and its rectangle as far as it is known.
    word: Option<(usize, Option<Rect>)>,
    /// The word at hand goes on in the next line: what follows belongs to its text, not to its rectangle.
    continued: bool,
    /// A hyphen at the end of a line, not yet known to be part of the word or of its breaking.
    hyphen: bool,
    /// The last character was a soft hyphen.
    soft_hyphen: bool,
    high_surrogate: Option<u32>,
}

impl Layer {
    /// Takes one of PDFium's characters: a code point, or half of one as UTF-16. `rect` is its place on the shown page,
    /// `None` if it is not shown; it is asked for printing characters only.
    fn push(&mut self, unit: u32, rect: impl FnOnce() -> Option<Rect>) {
        let unit = match (self.high_surrogate.take(), unit) {
            (_, 0xd800..0xdc00) => {
                self.high_surrogate = Some(unit);
                return;
            }
            (Some(high), 0xdc00..0xe000) => 0x10000 + ((high - 0xd800) << 10) + (unit - 0xdc00),
            _ => unit,
        };
        let Some(character) = char::from_u32(unit) else { return };
        let after_soft_hyphen = std::mem::take(&mut self.soft_hyphen);
        match character {
            JOINING_HYPHEN => {
                self.continued = self.word.is_some();
                self.hyphen = self.continued;
            }
            SOFT_HYPHEN => self.soft_hyphen = self.word.is_some(),
            '\r' | '\n' if after_soft_hyphen => self.continued = true,
            // the second half of a line end that a hyphen has swallowed
            '\r' | '\n' if self.continued => {}
            '\r' | '\n' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => self.gap('\n'),
            _ if character.is_whitespace() => self.gap(' '),
            _ if is_noise(character) => {}
            _ => self.print(character, rect()),
        }
    }

    fn print(&mut self, character: char, rect: Option<Rect>) {
        let alone = is_ideographic(character);
        if alone {
            self.close_word();
        }
        if self.hyphen && !breaks_word(self.text.chars().next_back(), character) {
            self.text.push('-');
        }
        self.hyphen = false;
        let continued = self.continued;
        let (_, known) = self.word.get_or_insert((self.text.len(), None));
        if !continued {
            *known = match (*known, rect) {
                (Some(a), Some(b)) => Some(union(a, b)),
                (a, b) => a.or(b),
            };
        }
        self.text.push(character);
        if alone {
            self.close_word();
        }
    }

    /// Whitespace: one space, or one line break if any of a run is one.
    fn gap(&mut self, gap: char) {
        self.close_word();
        match (self.text.chars().next_back(), gap) {
            (None | Some('\n'), _) | (Some(' '), ' ') => {}
            (Some(' '), _) => {
                self.text.pop();
                self.text.push(gap);
            }
            _ => self.text.push(gap),
        }
    }

    /// A word of which nothing is shown (it lies outside the crop box) leaves the text again.
    fn close_word(&mut self) {
        self.continued = false;
        if std::mem::take(&mut self.hyphen) && self.word.is_some() {
            self.text.push('-');
        }
        match self.word.take() {
            Some((start, Some(rect))) => {
                self.words.push(Word { start: start as u32, end: self.text.len() as u32, rect });
            }
            Some((start, None)) => self.text.truncate(start),
            None => {}
        }
    }

    fn finish(mut self) -> TextLayer {
        self.close_word();
        self.text.truncate(self.text.trim_end().len());
        TextLayer { text: self.text, words: self.words }
    }
}

/// Whether a hyphen between these two, at the end of a line, is there for the line's sake: "config-|ure" is,
/// "Anglo-|Saxon" and "COVID-|19" are not.
fn breaks_word(before: Option<char>, after: char) -> bool {
    after.is_lowercase() || after.is_uppercase() && before.is_some_and(char::is_uppercase)
}

/// Characters that print nothing, or nothing that another font would print too (private use).
fn is_noise(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}' | '\u{2060}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' | '\u{e000}'..='\u{f8ff}')
}

/// Scripts written without spaces: each character is its own word, or a whole line would be one.
fn is_ideographic(character: char) -> bool {
    matches!(character,
        '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}')
}

fn union(a: Rect, b: Rect) -> Rect {
    Rect {
        left: a.left.min(b.left),
        top: a.top.min(b.top),
        right: a.right.max(b.right),
        bottom: a.bottom.max(b.bottom),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each character a tenth of the page wide, `^` standing for a character that is not shown.
    fn layer(units: impl IntoIterator<Item = u32>) -> TextLayer {
        let mut layer = Layer::default();
        for (index, unit) in units.into_iter().enumerate() {
            let left = index as f32 / 10.0;
            let rect = Rect { left, top: 0.5, right: left + 0.1, bottom: 0.6 };
            layer.push(unit, || (unit != u32::from('^')).then_some(rect));
        }
        layer.finish()
    }

    fn text(text: &str) -> TextLayer {
        layer(text.chars().map(u32::from))
    }

    fn words(layer: &TextLayer) -> Vec<&str> {
        layer.words.iter().map(|word| &layer.text[word.start as usize..word.end as usize]).collect()
    }

    #[test]
    fn lines_and_words() {
        let layer = text("ab  cd \r\n\r\n e\u{0}f \r\n");
        assert_eq!(layer.text, "ab cd\nef");
        assert_eq!(words(&layer), ["ab", "cd", "ef"]);
        assert!((layer.words[1].rect.left - 0.4).abs() < 1e-6 && (layer.words[1].rect.right - 0.6).abs() < 1e-6);
    }

    #[test]
    fn hyphenated_words_are_joined_and_lie_where_they_begin() {
        for broken in ["config\u{2}ure it", "config\u{2}\r\nure it", "config\u{ad}\r\nure it"] {
            let layer = text(broken);
            assert_eq!(layer.text, "configure it", "{broken:?}");
            assert_eq!(words(&layer), ["configure", "it"]);
            assert!((layer.words[0].rect.right - 0.6).abs() < 1e-6, "{broken:?}");
        }
        assert_eq!(text("con\u{ad}fig").text, "config");
        assert_eq!(text("\u{2}x").text, "x");
    }

    #[test]
    fn hyphens_that_belong_to_the_word_stay() {
        for whole in ["COVID\u{2}19", "Anglo\u{2}Saxon", "to be contin\u{2}", "pre\u{2} and"] {
            assert_eq!(text(whole).text, whole.replace('\u{2}', "-"));
        }
        assert_eq!(text("CONFIG\u{2}URE").text, "CONFIGURE");
        assert_eq!(words(&text("COVID\u{2}19 x")), ["COVID-19", "x"]);
    }

    #[test]
    fn surrogates_meet_and_lone_ones_vanish() {
        assert_eq!(layer([0xd83d, 0xde00, 0x20, 0xd83d, 0x61]).text, "\u{1f600} a");
        assert_eq!(layer([0x1f600]).text, "\u{1f600}");
        assert_eq!(layer([0xde00, 0x61]).text, "a");
    }

    #[test]
    fn what_is_not_shown_is_not_text() {
        let layer = text("ab ^^ cd");
        assert_eq!(layer.text, "ab cd");
        assert_eq!(words(&layer), ["ab", "cd"]);
    }

    #[test]
    fn ideographs_are_words_of_their_own() {
        assert_eq!(words(&text("漢字ab 语")), ["漢", "字", "ab", "语"]);
    }

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
