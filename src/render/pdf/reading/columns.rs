//! Columns of prose whose lines take turns in the file, or that are stored in the wrong order: put one below the other. Tables stay
//! row by row.

use super::direction::is_right_to_left;
use super::piece::{Piece, by_rows};

/// Where a page is cut, in hundredths of its width.
const CUTS: std::ops::RangeInclusive<u32> = 10..=90;
/// How far a piece may reach over a cut.
const OVERLAP: f32 = 0.004;
/// A column has so many lines at least.
const MIN_LINES: usize = 3;
/// A line of prose has so many words on average, and fills so much of its column's width, which is so much of the page's.
const MIN_WORDS: f32 = 3.0;
const MIN_FILLED: f32 = 0.55;
const MIN_WIDTH: f32 = 0.2;
/// Columns of one text differ in width by this share at most.
const SAME_WIDTH: f32 = 0.15;
/// So many of a hundred words begin with a letter.
const LETTERS_PERCENT: usize = 70;
/// How often a page is cut, and the columns on one side of a cut.
const MAX_DEPTH: usize = 3;

/// The pieces, in the order that they have unless columns make no sense in it.
pub(super) fn put_in_order(pieces: Vec<Piece>) -> Vec<Piece> {
    divide(pieces, 0)
}

fn divide(pieces: Vec<Piece>, depth: usize) -> Vec<Piece> {
    if depth >= MAX_DEPTH || pieces.len() < 2 * MIN_LINES {
        return pieces;
    }
    let Some(cut) = best_cut(&pieces) else { return pieces };
    let mut ordered = Vec::with_capacity(pieces.len());
    for band in bands(&pieces, cut) {
        let band_pieces = band.iter().map(|&at| pieces[at].clone());
        if !is_out_of_order(&pieces, &band, cut) {
            ordered.extend(band_pieces);
            continue;
        }
        let (left, right): (Vec<Piece>, Vec<Piece>) = band_pieces.partition(|piece| piece.rect.right <= cut + OVERLAP);
        let (first, second) = if reads_leftwards(&pieces, &band) { (right, left) } else { (left, right) };
        for side in [first, second] {
            // The lines of several columns are left as they are, for the next cut.
            let is_one = is_prose(&side.iter().collect::<Vec<_>>());
            ordered.extend(divide(if is_one { by_rows(side) } else { side }, depth + 1));
        }
    }
    ordered
}

/// The cut with the most lines in columns beside it; of several, the one in the middle of the first run of them.
fn best_cut(pieces: &[Piece]) -> Option<f32> {
    let scores: Vec<(u32, usize)> = CUTS
        .map(|cut| {
            let x = cut as f32 / 100.0;
            let wrong = bands(pieces, x).into_iter().filter(|band| is_out_of_order(pieces, band, x));
            (cut, wrong.map(|band| band.len()).sum())
        })
        .collect();
    let best = scores.iter().map(|(_, score)| *score).max().filter(|best| *best > 0)?;
    let run: Vec<u32> = scores
        .iter()
        .skip_while(|(_, score)| *score != best)
        .take_while(|(_, score)| *score == best)
        .map(|(cut, _)| *cut)
        .collect();
    Some(run[run.len() / 2] as f32 / 100.0)
}

/// Pieces from top to bottom, divided by those that reach over the cut; in each band by their number, in the order of the file.
fn bands(pieces: &[Piece], cut: f32) -> Vec<Vec<usize>> {
    let reaches_over = |piece: &Piece| piece.rect.left < cut - OVERLAP && piece.rect.right > cut + OVERLAP;
    let mut down: Vec<usize> = (0..pieces.len()).collect();
    down.sort_by(|&a, &b| pieces[a].middle().total_cmp(&pieces[b].middle()).then(a.cmp(&b)));
    let mut bands: Vec<Vec<usize>> = vec![Vec::new()];
    for at in down {
        match bands.last_mut() {
            Some(band) if !reaches_over(&pieces[at]) => band.push(at),
            _ => bands.extend([vec![at], Vec::new()]),
        }
    }
    bands.retain(|band| !band.is_empty());
    bands.iter_mut().for_each(|band| band.sort_unstable());
    bands
}

/// Whether a band is columns of prose, and the file has their lines in turns, or all of the second one first.
fn is_out_of_order(pieces: &[Piece], band: &[usize], cut: f32) -> bool {
    let is_left = |at: usize| pieces[at].rect.right <= cut + OVERLAP;
    let side = |left: bool| band.iter().filter(|&&at| is_left(at) == left).map(|&at| &pieces[at]).collect::<Vec<_>>();
    let turns = band.windows(2).filter(|pair| is_left(pair[0]) != is_left(pair[1])).count();
    let (left, right) = (side(true), side(false));
    if is_prose(&left) && is_prose(&right) {
        return turns > 1 || turns == 1 && is_left(band[0]) == reads_leftwards(pieces, band);
    }
    // Three columns and more: every line changes sides. Columns of a table differ in width.
    turns >= left.len().min(right.len())
        && column_width(&left, MAX_DEPTH - 1)
            .zip(column_width(&right, MAX_DEPTH - 1))
            .is_some_and(|(left, right)| is_alike(left, right))
}

fn reads_leftwards(pieces: &[Piece], band: &[usize]) -> bool {
    let backwards = |at: &&usize| pieces[**at].parts.iter().any(|part| is_right_to_left(&part.text));
    band.iter().filter(backwards).count() * 2 > band.len()
}

/// The width of a column of prose, or of each of several beside each other; None where this is something else.
fn column_width(pieces: &[&Piece], depth: usize) -> Option<f32> {
    if is_prose(pieces) {
        return Some(width(pieces));
    }
    if depth == 0 || pieces.len() < 2 * MIN_LINES {
        return None;
    }
    CUTS.map(|cut| cut as f32 / 100.0).find_map(|cut| {
        let (left, right): (Vec<&Piece>, Vec<&Piece>) =
            pieces.iter().partition(|piece| piece.rect.right <= cut + OVERLAP);
        let apart = right.iter().all(|piece| piece.rect.left >= cut - OVERLAP);
        (apart && is_prose(&left))
            .then(|| column_width(&right, depth - 1))
            .flatten()
            .filter(|others| is_alike(width(&left), *others))
    })
}

fn width(pieces: &[&Piece]) -> f32 {
    let left = pieces.iter().map(|piece| piece.rect.left).fold(1.0, f32::min);
    let right = pieces.iter().map(|piece| piece.rect.right).fold(0.0, f32::max);
    right - left
}

fn is_alike(width: f32, other: f32) -> bool {
    (width - other).abs() <= SAME_WIDTH * width.max(other)
}

fn is_prose(column: &[&Piece]) -> bool {
    if column.len() < MIN_LINES {
        return false;
    }
    let lines = column.len() as f32;
    let width = width(column);
    let filled: f32 = column.iter().map(|piece| piece.rect.right - piece.rect.left).sum();
    let words: Vec<&str> = column.iter().flat_map(|piece| &piece.parts).map(|part| part.text.as_str()).collect();
    let letters =
        words.iter().filter(|word| word.starts_with(|c: char| c.is_alphabetic() || "\"'(“‘".contains(c))).count();
    width >= MIN_WIDTH
        && filled / lines >= MIN_FILLED * width
        && words.len() as f32 >= MIN_WORDS * lines
        && letters * 100 >= LETTERS_PERCENT * words.len()
}

#[cfg(test)]
mod tests {
    use super::super::Part;
    use super::super::order::pieces;
    use super::super::testing::line;
    use super::*;

    fn read(parts: Vec<Part>) -> Vec<String> {
        let first = |piece: Piece| piece.parts.into_iter().map(|part| part.text).collect::<Vec<_>>().join(" ");
        pieces(parts).into_iter().map(first).collect()
    }

    #[test]
    fn columns_that_take_turns_are_read_one_after_the_other() {
        let mut stored = line("A title that reaches over both columns of the page below it here", 0.1, 0.05);
        for row in 0..4 {
            let top = 0.1 + row as f32 * 0.02;
            stored.extend(line(&format!("left line {row} goes on here"), 0.1, top));
            stored.extend(line(&format!("right line {row} goes on here"), 0.6, top));
        }
        stored.extend(line("A foot that reaches over both columns of the page above it here", 0.1, 0.3));
        let read = read(stored);
        let starts: Vec<&str> = read.iter().map(|line| &line[..7]).collect();
        assert_eq!(starts[..6], ["A title", "left li", "left li", "left li", "left li", "right l"]);
        assert_eq!(starts[9], "A foot ");
        assert!(read[1].contains('0') && read[4].contains('3'));
    }

    #[test]
    fn three_columns_that_take_turns_are_read_one_after_the_other() {
        let mut stored = Vec::new();
        for row in 0..5 {
            for (column, left) in [("a", 0.05), ("b", 0.37), ("c", 0.69)] {
                stored.extend(line(&format!("column {column} line {row} goes on"), left, 0.1 + row as f32 * 0.02));
            }
        }
        let expected: Vec<String> = ["a", "b", "c"]
            .into_iter()
            .flat_map(|column| (0..5).map(move |row| format!("column {column} line {row} goes on")))
            .collect();
        assert_eq!(read(stored), expected);
    }

    #[test]
    fn a_second_column_that_is_stored_first_is_read_second() {
        let column = |name: &'static str, left: f32| {
            (0..5).flat_map(move |row| line(&format!("{name} line {row} goes on here"), left, 0.1 + row as f32 * 0.02))
        };
        let read = read(column("right", 0.6).chain(column("left", 0.1)).collect());
        assert!(read[..5].iter().all(|line| line.starts_with("left")), "{read:?}");
    }

    #[test]
    fn tables_stay_row_by_row() {
        let mut stored = Vec::new();
        for row in 0..5 {
            let top = 0.1 + row as f32 * 0.02;
            stored.extend(line("Oil filter", 0.1, top));
            stored.extend(line(&format!("{row}.0 quarts"), 0.5, top));
        }
        assert_eq!(read(stored)[..3], ["Oil filter", "0.0 quarts", "Oil filter"]);
    }
}
