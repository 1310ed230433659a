//! Lines of a fax: coded each on its own (T.4, one-dimensional), or against the line above (T.4 two-dimensional, T.6).
//!
//! The code tables are the `fax` crate's. It reads lines that are coded on their own or all against the one above, but not
//! faxes that mix both; those are read here, by T.4 (ITU-T, 2003), sections 4.1 and 4.2.

use std::convert::Infallible;

use fax::maps::{Mode, black, mode, white};
use fax::{BitReader, Color};

/// The end-of-line code: eleven zeros, perhaps with more before them, and a one.
const END_OF_LINE_ZEROS: u8 = 11;

/// Bytes behind the end of a page of Group 4.
const MOST_PADDING: usize = 64;

/// How a fax's lines are coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    /// Group 3: each line behind an end-of-line code; `mixed`: a bit behind it tells how the line is coded.
    Group3 { mixed: bool },
    /// Group 4: each line against the one above, no end-of-line codes.
    Group4,
    /// TIFF's "modified Huffman": each line on its own and at a whole number of so many bytes, no end-of-line codes.
    Huffman { align_bytes: usize },
}

/// Hands the lines of a strip to `each`, at most `rows`, as columns where the colour changes, paper first. False if the data
/// broke off or could not be read to the end: what was read is handed out all the same.
pub(super) fn read(coded: &[u8], coding: Coding, width: u16, rows: u32, mut each: impl FnMut(u32, &[u16])) -> bool {
    let mut bits = Bits { bytes: coded, at: 0 };
    let mut above: Vec<u16> = Vec::new();
    let mut unharmed = true;
    let mut row = 0;
    while row < rows {
        let against_above = match coding {
            Coding::Group4 => true,
            Coding::Huffman { align_bytes } => {
                bits.align(align_bytes);
                false
            }
            Coding::Group3 { mixed } => match bits.start_of_line(mixed, row == 0) {
                Start::Line { against_above } => against_above,
                Start::EndOfPage => break,
            },
        };
        if bits.is_at_end() {
            break;
        }
        let mut line = Vec::new();
        let whole = match against_above {
            true => two_dimensional(&mut bits, &above, width, &mut line),
            false => one_dimensional(&mut bits, width, &mut line),
        };
        match (whole, coding) {
            (Ended::Whole, _) => {}
            (Ended::EndOfPage, _) => break,
            // The next line begins anew.
            (Ended::Broken, Coding::Group3 { .. }) => {
                unharmed = false;
                bits.skip_to_end_of_line();
            }
            (Ended::Broken, _) => {
                each(row, &line);
                return false;
            }
        }
        each(row, &line);
        above = line;
        row += 1;
    }
    // Fax machines leave out the last lines of a page where nothing stands on them, with a mark that the page ends. A hole in the
    // data looks like one, but for what follows.
    unharmed && (row == rows || !bits.is_at_end() && (coding != Coding::Group4 || bits.rest() <= MOST_PADDING))
}

enum Start {
    Line { against_above: bool },
    EndOfPage,
}

enum Ended {
    Whole,
    Broken,
    EndOfPage,
}

/// Runs of white and black in turn.
fn one_dimensional(bits: &mut Bits<'_>, width: u16, line: &mut Vec<u16>) -> Ended {
    let mut at = 0u16;
    let mut color = Color::White;
    while at < width {
        let Some(next) = run(bits, color).and_then(|run| at.checked_add(run)).filter(|next| *next <= width) else {
            return Ended::Broken;
        };
        at = next;
        line.push(at);
        color = !color;
    }
    Ended::Whole
}

/// Changes of colour told by those of the line above.
fn two_dimensional(bits: &mut Bits<'_>, above: &[u16], width: u16, line: &mut Vec<u16>) -> Ended {
    // a0, b1 and b2 as T.4 calls them; a0 begins before the first column.
    let mut a0 = -1i32;
    let mut color = Color::White;
    let end = i32::from(width);
    while a0 < end {
        let parity = usize::from(color == Color::Black);
        let b1_at = above.iter().enumerate().position(|(at, change)| at % 2 == parity && i32::from(*change) > a0);
        let change = |at: Option<usize>| at.and_then(|at| above.get(at)).map_or(end, |change| i32::from(*change));
        let (b1, b2) = (change(b1_at), change(b1_at.map(|at| at + 1)));
        match mode::decode(bits) {
            Some(Mode::Pass) => a0 = b2,
            Some(Mode::Vertical(by)) => {
                let a1 = b1 + i32::from(by);
                if a1 < a0.max(0) || a1 > end {
                    return Ended::Broken;
                }
                line.push(a1 as u16);
                a0 = a1;
                color = !color;
                // Nothing lies before the first column, so a change there does not stand still.
                if a1 == 0 && end == 0 {
                    break;
                }
            }
            Some(Mode::Horizontal) => {
                let (Some(first), Some(second)) = (run(bits, color), run(bits, !color)) else { return Ended::Broken };
                let a1 = a0.max(0) + i32::from(first);
                let a2 = a1 + i32::from(second);
                if a2 > end {
                    return Ended::Broken;
                }
                line.extend([a1 as u16, a2 as u16]);
                a0 = a2;
            }
            Some(Mode::EOF) => return Ended::EndOfPage,
            Some(Mode::Extension) | None => return Ended::Broken,
        }
    }
    Ended::Whole
}

/// One run: codes for multiples of 64, and one for the rest.
fn run(bits: &mut Bits<'_>, color: Color) -> Option<u16> {
    let mut sum = 0u16;
    loop {
        let start = bits.at;
        let code = match color {
            Color::White => white::decode(bits),
            Color::Black => black::decode(bits),
        };
        let Some(code) = code else {
            // What is no code may hold the beginning of an end of line.
            bits.at = start;
            return None;
        };
        sum = sum.checked_add(code)?;
        if code < 64 {
            return Some(sum);
        }
    }
}

/// Bits of a strip, the highest of each byte first. Behind its end are zeros.
struct Bits<'a> {
    bytes: &'a [u8],
    /// In bits.
    at: usize,
}

impl Bits<'_> {
    fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len() * 8
    }

    /// Bytes that were not looked at.
    fn rest(&self) -> usize {
        self.bytes.len().saturating_sub(self.at / 8)
    }

    fn bit(&self, at: usize) -> u16 {
        self.bytes.get(at / 8).map_or(0, |byte| u16::from(byte >> (7 - at % 8) & 1))
    }

    fn align(&mut self, bytes: usize) {
        self.at = self.at.next_multiple_of(bytes * 8);
    }

    /// Takes an end-of-line code, if there is one.
    fn end_of_line(&mut self) -> bool {
        if self.is_at_end() || self.peek(END_OF_LINE_ZEROS) != Some(0) {
            return false;
        }
        while !self.is_at_end() && self.bit(self.at) == 0 {
            self.at += 1;
        }
        self.at += 1;
        !self.is_at_end()
    }

    /// Goes to the next end-of-line code, or to the end.
    fn skip_to_end_of_line(&mut self) {
        while !self.is_at_end() && self.peek(END_OF_LINE_ZEROS) != Some(0) {
            self.at += 1;
        }
    }

    fn start_of_line(&mut self, mixed: bool, first: bool) -> Start {
        if !self.end_of_line() {
            // Some programs leave out the codes, or the first of them.
            return if self.is_at_end() { Start::EndOfPage } else { Start::Line { against_above: false } };
        }
        let against_above = mixed && self.tag();
        // Two codes without a line between them end the page.
        if !first && self.end_of_line() {
            return Start::EndOfPage;
        }
        Start::Line { against_above }
    }

    /// The bit behind an end-of-line code: 0 if the line is coded against the one above.
    fn tag(&mut self) -> bool {
        self.at += 1;
        self.bit(self.at - 1) == 0
    }
}

impl BitReader for Bits<'_> {
    type Error = Infallible;

    fn peek(&self, bits: u8) -> Option<u16> {
        if self.at > self.bytes.len() * 8 {
            return None;
        }
        let byte = |at: usize| u32::from(self.bytes.get(self.at / 8 + at).copied().unwrap_or(0));
        let ahead = (byte(0) << 16 | byte(1) << 8 | byte(2)) << (8 + self.at % 8);
        Some((ahead >> (32 - u32::from(bits))) as u16)
    }

    fn consume(&mut self, bits: u8) -> Result<(), Infallible> {
        self.at += usize::from(bits);
        Ok(())
    }

    fn bits_to_byte_boundary(&self) -> u8 {
        ((8 - self.at % 8) % 8) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bits as they are written on paper; spaces are for people.
    fn coded(bits: &str) -> Vec<u8> {
        let bits: Vec<u8> = bits.bytes().filter(|byte| *byte != b' ').map(|byte| byte - b'0').collect();
        bits.chunks(8).map(|byte| byte.iter().enumerate().fold(0, |sum, (at, bit)| sum | bit << (7 - at))).collect()
    }

    fn lines(bits: &str, coding: Coding, rows: u32) -> (Vec<Vec<u16>>, bool) {
        let mut lines = Vec::new();
        let unharmed = read(&coded(bits), coding, 24, rows, |_, line| lines.push(line.to_vec()));
        (lines, unharmed)
    }

    /// 8 white, 8 black, 8 white.
    const BAR: &str = "10011 000101 10011";
    const EOL: &str = "000000000001";

    #[test]
    fn lines_of_both_codings_in_one_fax() {
        // the second line: the bar one column further to the right on both sides, then the end of the line
        let bits = format!("{EOL} 1 {BAR} {EOL} 0 011 011 1 {EOL} 0 1 1 1 {EOL} 1 {EOL} 1 {EOL} 1");
        let (lines, unharmed) = lines(&bits, Coding::Group3 { mixed: true }, 9);
        assert_eq!(lines, [[8, 16, 24], [9, 17, 24], [9, 17, 24]]);
        assert!(unharmed);
    }

    #[test]
    fn a_damaged_line_costs_itself() {
        let bits = format!("{EOL} 1 {BAR} {EOL} 1 10011 000000001 {EOL} 1 {BAR} {EOL} 1 {EOL} 1");
        let (lines, unharmed) = lines(&bits, Coding::Group3 { mixed: true }, 9);
        assert_eq!((lines.len(), lines[2].as_slice(), unharmed), (3, [8, 16, 24].as_slice(), false));
    }

    #[test]
    fn lines_at_whole_bytes_without_codes_between() {
        let (found, unharmed) = lines(&format!("{BAR} {BAR}"), Coding::Huffman { align_bytes: 1 }, 2);
        assert_eq!((found, unharmed), (vec![vec![8, 16, 24], vec![8, 16, 24]], true));
    }

    #[test]
    fn what_breaks_off_says_so() {
        for coding in [Coding::Huffman { align_bytes: 1 }, Coding::Group4] {
            let (_, unharmed) = lines(BAR, coding, 50);
            assert!(!unharmed, "{coding:?}");
        }
    }
}
