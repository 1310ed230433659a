//! Lines in pieces, and the order in which they are read.

use super::piece::{Piece, by_rows};
use super::{Gap, Part, columns, direction, on_one_line};

/// A gap wider than so many heights of a line divides it into pieces: cells of a table, lines of two columns.
const WIDE_GAP: f32 = 0.7;
/// Pages of more pieces are drawings or tables: they stay as they are.
const MAX_PIECES: usize = 4_000;
/// A piece is above another if it is higher by so much of a line.
const HIGHER: f32 = 0.5;
/// So few steps upwards are a column's end and the next one's beginning.
const FEW_STEPS: usize = 3;

/// The parts of a page in pieces, in reading order.
pub(super) fn pieces(mut parts: Vec<Part>) -> Vec<Piece> {
    let mostly_turned = parts.iter().filter(|part| part.turned).count() * 3 > parts.len();
    direction::put_in_place(&mut parts);
    let mut pieces = split(parts);
    if mostly_turned || pieces.len() > MAX_PIECES {
        return pieces;
    }
    for piece in &mut pieces {
        direction::put_in_order(&mut piece.parts);
    }
    if is_upside_down(&pieces) || is_single_column(&pieces) {
        pieces = by_rows(pieces);
    }
    columns::put_in_order(pieces)
}

/// Whether nothing stands beside anything else, for one line from top to bottom crosses all pieces: such a page is read from the top,
/// however it is stored.
fn is_single_column(pieces: &[Piece]) -> bool {
    let left = pieces.iter().map(|piece| piece.rect.left).fold(0.0, f32::max);
    let right = pieces.iter().map(|piece| piece.rect.right).fold(1.0, f32::min);
    left < right
}

fn split(parts: Vec<Part>) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for part in parts {
        match pieces.last_mut() {
            Some(piece) if goes_on(piece, &part) => piece.push(part),
            _ => pieces.push(Piece::new(part)),
        }
    }
    pieces
}

/// Whether a part belongs to the piece before it.
fn goes_on(piece: &Piece, part: &Part) -> bool {
    let wide = WIDE_GAP * piece.height().max(part.height());
    let beside = if part.rect.left >= piece.rect.right {
        part.rect.left - piece.rect.right
    } else {
        piece.rect.left - part.rect.right
    };
    match part.gap {
        // PDFium also breaks a line behind a raised number.
        Gap::Line => {
            !hyphenated(piece)
                && on_one_line(piece.rect, part.rect)
                && part.rect.left >= piece.rect.right
                && beside < wide
        }
        Gap::Space | Gap::None => part.turned || on_one_line(piece.rect, part.rect) && beside < wide,
    }
}

fn hyphenated(piece: &Piece) -> bool {
    piece.parts.last().is_some_and(|part| part.hyphen)
}

/// Whether all steps from piece to piece lead upwards, or most of more than a few.
fn is_upside_down(pieces: &[Piece]) -> bool {
    let (mut up, mut down) = (0, 0);
    for pair in pieces.windows(2) {
        let step = pair[1].middle() - pair[0].middle();
        let line = HIGHER * pair[0].height().min(pair[1].height());
        up += usize::from(step < -line);
        down += usize::from(step > line);
    }
    up > 0 && down == 0 || up >= FEW_STEPS && up > down
}

#[cfg(test)]
mod tests {
    use super::super::testing::line;
    use super::*;

    fn read(parts: Vec<Part>) -> Vec<String> {
        let pieces = pieces(parts).into_iter();
        let words = |piece: Piece| piece.parts.into_iter().map(|part| part.text).collect::<Vec<_>>().join(" ");
        pieces.map(words).collect()
    }

    #[test]
    fn lines_that_are_stored_from_the_bottom_up_are_read_from_the_top() {
        let lines = ["first of all", "second to none", "third time lucky", "fourth and last", "fifth"];
        let stored = lines.iter().enumerate().rev().flat_map(|(row, text)| line(text, 0.1, 0.1 + row as f32 * 0.02));
        assert_eq!(read(stored.collect()), lines);
    }

    #[test]
    fn few_lines_from_the_bottom_up_are_read_from_the_top_too() {
        let rows = ["one", "two", "three"];
        for count in 2..=3 {
            let stored = (0..count).rev().flat_map(|row| line(rows[row], 0.1, 0.1 + row as f32 * 0.02));
            assert_eq!(read(stored.collect()), rows[..count]);
        }
    }

    #[test]
    fn paragraphs_of_one_column_are_read_from_the_top_however_they_are_stored() {
        let paragraph = |number: usize| {
            (0..4).flat_map(move |row| line(&format!("{number} {row}"), 0.1, 0.1 * number as f32 + row as f32 * 0.02))
        };
        let stored: Vec<Part> = [3, 1, 2].into_iter().flat_map(paragraph).collect();
        let expected: Vec<String> =
            (1..=3).flat_map(|number| (0..4).map(move |row| format!("{number} {row}"))).collect();
        assert_eq!(read(stored), expected);
    }

    #[test]
    fn columns_that_are_stored_from_the_bottom_up_are_read_one_after_the_other() {
        let stored = (0..6).rev().flat_map(|row| {
            let top = 0.1 + row as f32 * 0.02;
            let side = |name: &str, left| line(&format!("{name} line {row} goes on here"), left, top);
            [side("left", 0.1), side("right", 0.6)].concat()
        });
        let read = read(stored.collect());
        assert!(read[0].starts_with("left line 0") && read[5].starts_with("left line 5"), "{read:?}");
        assert!(read[6].starts_with("right line 0") && read[11].starts_with("right line 5"), "{read:?}");
    }

    #[test]
    fn the_files_order_stays_where_it_is_one() {
        let column = |left: f32| (0..6).flat_map(move |row| line("some words here", left, 0.1 + row as f32 * 0.02));
        let stored: Vec<Part> = column(0.1).chain(column(0.6)).chain(line("foot", 0.1, 0.9)).collect();
        let order: Vec<(f32, f32)> =
            pieces(stored.clone()).iter().map(|piece| (piece.rect.left, piece.rect.top)).collect();
        let expected: Vec<(f32, f32)> = split(stored).iter().map(|piece| (piece.rect.left, piece.rect.top)).collect();
        assert_eq!(order, expected);
    }

    #[test]
    fn a_line_goes_on_behind_a_raised_number() {
        let mut behind = line("is large", 0.17, 0.1);
        behind[0].gap = Gap::Line;
        let parts: Vec<Part> = line("saddle", 0.1, 0.1).into_iter().chain(behind).collect();
        assert_eq!(read(parts), ["saddle is large"]);
    }
}
