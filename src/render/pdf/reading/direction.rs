//! Words of scripts that run from right to left, in the order in which they are spoken. Where each stands is what counts: files
//! have them in any order.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::Part;

/// Letters of Hebrew, Arabic, Syriac, Thaana, N'Ko and others, and the forms that they take in a word.
fn runs_to_the_left(character: char) -> bool {
    matches!(character, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}' | '\u{10800}'..='\u{10fff}')
        && character.is_alphabetic()
}

/// Whether a word is of such a script.
pub(in crate::render::pdf) fn is_right_to_left(word: &str) -> bool {
    word.chars().any(runs_to_the_left)
}

/// Letters of a word in the order in which they are spoken, from the middles of their boxes. Forms that a letter takes in a word
/// become the letter.
pub(in crate::render::pdf) fn spoken(characters: &[(char, f32)]) -> String {
    let is_form = |c: char| matches!(c, '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}');
    // A vowel point goes with the letter before it.
    let mut clusters: Vec<(f32, Vec<char>)> = Vec::new();
    for &(character, middle) in characters {
        match clusters.last_mut() {
            Some((_, cluster)) if is_combining_mark(character) => cluster.push(character),
            _ => clusters.push((middle, vec![character])),
        }
    }
    clusters.sort_by(|a, b| b.0.total_cmp(&a.0));
    // Digits and Latin letters inside run to the right.
    let forward = |cluster: &(f32, Vec<char>)| cluster.1[0].is_alphanumeric() && !runs_to_the_left(cluster.1[0]);
    let text: String = clusters
        .chunk_by(|a, b| forward(a) == forward(b))
        .flat_map(|run| match forward(&run[0]) {
            true => run.iter().rev().flat_map(|cluster| cluster.1.clone()).collect::<Vec<_>>(),
            false => run.iter().flat_map(|cluster| cluster.1.clone()).collect(),
        })
        .collect();
    if text.chars().any(is_form) { text.nfkc().collect() } else { text }
}

/// Parts of a piece of a line in the order in which they are spoken: from the right if most run to the left, words of the other
/// direction among them in theirs.
pub(super) fn put_in_order(parts: &mut [Part]) {
    let backwards = parts.iter().filter(|part| is_right_to_left(&part.text)).count();
    if backwards == 0 || parts.iter().any(|part| part.turned) {
        return;
    }
    let from_the_right = backwards * 2 >= parts.len();
    parts.sort_by(|a, b| {
        let order = a.rect.left.total_cmp(&b.rect.left);
        if from_the_right { order.reverse() } else { order }
    });
    let own_direction = |part: &Part| is_right_to_left(&part.text) == from_the_right;
    for run in parts.chunk_by_mut(|a, b| own_direction(a) == own_direction(b)) {
        if !own_direction(&run[0]) {
            run.reverse();
        }
    }
    // The gap before a part belongs to its place in the line.
    if let Some(first) = parts.iter().position(|part| part.gap == super::Gap::Line) {
        parts[first].gap = super::Gap::Space;
        parts[0].gap = super::Gap::Line;
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::line;
    use super::*;

    /// Characters as they stand from left to right.
    fn standing(text: &str) -> Vec<(char, f32)> {
        text.chars().enumerate().map(|(at, character)| (character, at as f32)).collect()
    }

    #[test]
    fn letters_are_read_from_the_right_however_they_are_stored() {
        let mut shalom = standing("םולש");
        assert_eq!(spoken(&shalom), "שלום");
        shalom.reverse();
        assert_eq!(spoken(&shalom), "שלום");
        assert_eq!(spoken(&standing("12ב")), "ב12");
        assert_eq!(spoken(&standing("\u{fe8f}\u{fefb}")), "\u{644}\u{627}\u{628}", "a ligature and a form");
        assert_eq!(spoken(&[('ש', 1.0), ('\u{5c1}', 1.1), ('ל', 0.0)]), "ש\u{5c1}ל");
    }

    #[test]
    fn words_are_read_from_the_right_and_numbers_among_them_are_not() {
        let mut parts = line("עולם PDF 1.7 שלום", 0.1, 0.1);
        put_in_order(&mut parts);
        let texts: Vec<&str> = parts.iter().map(|part| part.text.as_str()).collect();
        assert_eq!(texts, ["שלום", "PDF", "1.7", "עולם"]);
        let mut parts = line("the word שלום means peace", 0.1, 0.1);
        put_in_order(&mut parts);
        assert_eq!(parts[2].text, "שלום");
        assert_eq!(parts[4].text, "peace");
    }
}
