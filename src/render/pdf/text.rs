//! The text layer of a PDF page: PDFium's characters become words with their rectangles, and `reading` puts those in order.

use std::os::raw::c_int;

use pdfium_render::prelude::{FPDF_PAGE, FPDF_TEXTPAGE, FS_RECTF, PdfiumLibraryBindings};

use super::covers::Covers;
use super::reading::{Gap, Part, compose, insert, is_right_to_left, spoken, unshuffled};
use super::shown::Shown;
use crate::types::{Rect, TextLayer};

/// A page with more characters is not meant to be read; the rest is left out.
pub(in crate::render) const MAX_TEXT_CHARS: c_int = 500_000;
/// What PDFium puts in place of a hyphen at the end of a line when the word goes on in the next.
const JOINING_HYPHEN: char = '\u{2}';
const SOFT_HYPHEN: char = '\u{ad}';
/// A raised number is lower than the letters before it, and its foot is higher, by so much of their height.
const RAISED_HEIGHT: f32 = 0.85;
const RAISED_FOOT: f32 = 0.1;
/// Units that are squared and cubed.
const UNITS: &[&str] = &["m", "cm", "mm", "km", "dm", "µm", "in", "ft", "s", "min", "h"];

/// Reads the text of a page that is loaded, but for what is covered, and `more` beside it. A page whose text cannot be read has
/// none.
pub(super) fn read(
    library: &dyn PdfiumLibraryBindings,
    page: FPDF_PAGE,
    covers: &Covers<'_>,
    more: Vec<Part>,
) -> TextLayer {
    let shown = Shown::of(library, page);
    // SAFETY: the page is loaded and outlives the text page, which is closed below; indices stay below its count.
    unsafe {
        let text = library.FPDFText_LoadPage(page);
        if text.is_null() {
            return compose(more);
        }
        let count = library.FPDFText_CountChars(text).clamp(0, MAX_TEXT_CHARS);
        let mut layer = Layer::default();
        for index in 0..count {
            let unit = library.FPDFText_GetUnicode(text, index);
            layer.push(unit, || {
                let rect = shown.rect(char_box(library, text, index)?)?;
                (!covers.hide(library.FPDFText_GetTextObject(text, index), rect)).then_some(rect)
            });
        }
        library.FPDFText_ClosePage(text);
        let mut parts = layer.finish();
        insert(&mut parts, more);
        let unreadable = super::garbled::is_garbled(&parts);
        TextLayer { unreadable, ..compose(parts) }
    }
}

/// The box of a character in page space, as high as its font's lines and as wide as its advance.
///
/// # Safety
/// `text` must be open and `index` below its count.
pub(super) unsafe fn char_box(
    library: &dyn PdfiumLibraryBindings,
    text: FPDF_TEXTPAGE,
    index: c_int,
) -> Option<FS_RECTF> {
    let mut rect = FS_RECTF { left: 0.0, top: 0.0, right: 0.0, bottom: 0.0 };
    // SAFETY: the caller's promise; `rect` lives across the call.
    let known = unsafe { library.FPDFText_GetLooseCharBox(text, index, &mut rect) } != 0;
    known.then_some(rect)
}

/// Collects words from characters in document order.
#[derive(Default)]
struct Layer {
    parts: Vec<Part>,
    /// Characters of the word at hand, with the places of those that are shown.
    word: Vec<(char, Option<Rect>)>,
    /// Before the word at hand.
    gap: Option<Gap>,
    /// A hyphen at the end of a line, not yet known to be part of the word or of its breaking.
    hyphen: bool,
    /// The last character was a soft hyphen.
    soft_hyphen: bool,
    /// The word at hand is a number that is raised above the line.
    raised: bool,
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
            JOINING_HYPHEN => self.hyphen = !self.word.is_empty(),
            SOFT_HYPHEN => self.soft_hyphen = !self.word.is_empty(),
            '\r' | '\n' if after_soft_hyphen => {
                self.hyphen = true;
                self.gap(Gap::Line);
            }
            '\r' | '\n' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => self.gap(Gap::Line),
            _ if character.is_whitespace() => self.gap(Gap::Space),
            _ if is_noise(character) => {}
            _ => self.print(character, rect()),
        }
    }

    fn print(&mut self, character: char, rect: Option<Rect>) {
        if self.hyphen {
            // PDFium leaves out the end of the line.
            self.gap(Gap::Line);
        }
        if is_ideographic(character) {
            self.close_word();
            self.word.push((character, rect));
            self.close_word();
            return;
        }
        let rises = self.rises(character, rect);
        if self.raised && !rises {
            self.gap(Gap::Space);
        } else if rises && !self.raised && !self.word.is_empty() {
            if let Some(exponent) = self.exponent(character) {
                self.word.push((exponent, None));
                return;
            }
            self.gap(Gap::Space);
            self.raised = true;
        }
        self.word.push((character, rect));
    }

    /// Whether a number or a mark stands above the line of the word at hand.
    fn rises(&self, character: char, rect: Option<Rect>) -> bool {
        if !character.is_ascii_digit() && !matches!(character, '*' | '†' | '‡' | '§' | ',') {
            return false;
        }
        let word = if self.raised {
            self.parts.last().map(|part| part.rect)
        } else {
            self.word.iter().rev().find_map(|(_, rect)| *rect)
        };
        let (Some(rect), Some(word)) = (rect, word) else { return false };
        let height = word.bottom - word.top;
        rect.bottom - rect.top < RAISED_HEIGHT * height && rect.bottom < word.bottom - RAISED_FOOT * height
    }

    /// The sign for a raised 2 or 3 behind a unit.
    fn exponent(&self, character: char) -> Option<char> {
        let word: String = self.word.iter().map(|(character, _)| *character).collect();
        let unit = word.rsplit('/').next().unwrap_or_default().trim_start_matches(|c: char| c.is_ascii_digit());
        let sign = match character {
            '2' => '²',
            '3' => '³',
            _ => return None,
        };
        UNITS.contains(&unit).then_some(sign)
    }

    /// Whitespace: one space, or one line break if any of a run is one.
    fn gap(&mut self, gap: Gap) {
        if gap == Gap::Line && !self.hyphen && self.word.len() > 1 {
            self.hyphen = self.word.pop_if(|(last, _)| matches!(last, '-' | '\u{2010}')).is_some();
        } else if gap == Gap::Space && std::mem::take(&mut self.hyphen) {
            let place = self.word.last().and_then(|(_, rect)| *rect);
            self.word.push(('-', place));
        }
        self.close_word();
        if gap == Gap::Line || self.gap != Some(Gap::Line) {
            self.gap = Some(gap);
        }
    }

    /// A word of which less than half is shown (it lies outside the crop box, or is covered) is not there.
    fn close_word(&mut self) {
        self.raised = false;
        let hyphen = std::mem::take(&mut self.hyphen);
        let word = std::mem::take(&mut self.word);
        let shown: Vec<Rect> = word.iter().filter_map(|(_, rect)| *rect).collect();
        let Some(rect) = shown.iter().copied().reduce(union).filter(|_| shown.len() * 2 >= word.len()) else { return };
        let middle = |rect: &Rect| (rect.left + rect.right) / 2.0;
        let mut text: String = word.iter().map(|(character, _)| *character).collect();
        let turned = is_turned(&shown);
        if !turned {
            let standing: Vec<(char, f32)> = word
                .iter()
                .scan(0.0, |last, (character, rect)| {
                    *last = rect.as_ref().map_or(*last, middle);
                    Some((*character, *last))
                })
                .collect();
            if is_right_to_left(&text) {
                text = spoken(&standing);
            } else if shown.len() == word.len()
                && let Some(unshuffled) = unshuffled(&standing)
            {
                text = unshuffled;
            }
        }
        let gap = self.gap.take().unwrap_or(if self.parts.is_empty() { Gap::Line } else { Gap::None });
        self.parts.push(Part { text, rect, gap, hyphen, turned });
    }

    fn finish(mut self) -> Vec<Part> {
        self.close_word();
        self.parts
    }
}

/// Whether characters stand above each other rather than beside.
fn is_turned(characters: &[Rect]) -> bool {
    let (Some(first), Some(last)) = (characters.first(), characters.last()) else { return false };
    let apart = |a: (f32, f32), b: (f32, f32)| ((a.0 + a.1) - (b.0 + b.1)).abs() / 2.0;
    let across = apart((first.left, first.right), (last.left, last.right));
    let along = apart((first.top, first.bottom), (last.top, last.bottom));
    characters.len() > 2 && along > 2.0 * across
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

    /// Each character a hundredth of the page wide, in lines; `^` stands for a character that is not shown, and digits behind `~`
    /// are raised.
    fn layer(units: impl IntoIterator<Item = u32>) -> TextLayer {
        let mut layer = Layer::default();
        let (mut column, mut row, mut raised) = (0.0, 0.0, false);
        for unit in units {
            if unit == u32::from('~') {
                raised = true;
                continue;
            }
            raised &= char::from_u32(unit).is_some_and(|c| c.is_ascii_digit());
            let (left, top) = (column / 100.0, 0.1 + row / 50.0);
            let bottom = top + if raised { 0.008 } else { 0.015 };
            column += 1.0;
            if matches!(char::from_u32(unit), Some('\n' | JOINING_HYPHEN)) {
                (column, row) = (0.0, row + 1.0);
            }
            let rect = Rect { left, top, right: left + 0.01, bottom };
            layer.push(unit, || (unit != u32::from('^')).then_some(rect));
        }
        compose(layer.finish())
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
        assert!((layer.words[1].rect.left - 0.04).abs() < 1e-6 && (layer.words[1].rect.right - 0.06).abs() < 1e-6);
    }

    #[test]
    fn hyphenated_words_are_joined_and_lie_where_they_begin() {
        for broken in ["config\u{2}ure it", "config\u{2}\r\nure it", "config\u{ad}\r\nure it", "config-\r\nure it"] {
            let layer = text(broken);
            assert_eq!(layer.text, "configure it", "{broken:?}");
            assert_eq!(words(&layer), ["configure", "it"]);
            assert!((layer.words[0].rect.right - 0.06).abs() < 1e-6, "{broken:?}");
        }
        assert_eq!(text("con\u{ad}fig").text, "config");
        assert_eq!(text("\u{2}x").text, "x");
    }

    #[test]
    fn hyphens_that_belong_to_the_word_stay() {
        for whole in ["COVID\u{2}19", "Anglo\u{2}Saxon", "to be contin\u{2}"] {
            assert_eq!(text(whole).text, whole.replace('\u{2}', "-"));
        }
        assert_eq!(text("pre\u{2} and").text, "pre-\nand");
        assert_eq!(text("CONFIG\u{2}URE").text, "CONFIGURE");
        assert_eq!(words(&text("COVID\u{2}19 x")), ["COVID-19", "x"]);
        assert_eq!(text("a - b -\r\nc").text, "a - b -\nc");
    }

    #[test]
    fn raised_numbers_stand_apart_from_words_and_belong_to_units() {
        assert_eq!(text("saddle~12 is 5 m~3 of H2O~1").text, "saddle 12 is 5 m³ of H2O 1");
        assert_eq!(text("saddle~12is").text, "saddle 12 is");
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
        let layer = text("漢字ab 语");
        assert_eq!((words(&layer), layer.text.as_str()), (vec!["漢", "字", "ab", "语"], "漢字ab 语"));
    }
}
