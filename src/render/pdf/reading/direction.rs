//! Words of scripts that run from right to left, in the order in which they are spoken. Where each stands is what counts: files
//! have them in any order.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::{Gap, Part};

/// Characters stand beside each other from this share of the usual distance on.
const LEAST_STEP: f32 = 0.2;

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

/// Characters of a word that runs to the right, in their places from the left; None if they are in order. Where the line around it runs
/// to the left, PDFium turns `AB-4711` into `-4711AB`. Characters that lie on each other, and those of a word that stands on its
/// head, stay as they are.
pub(in crate::render::pdf) fn unshuffled(characters: &[(char, f32)]) -> Option<String> {
    let steps = || characters.windows(2).map(|pair| pair[1].1 - pair[0].1);
    if !(steps().any(|step| step < 0.0) && steps().any(|step| step > 0.0)) {
        return None;
    }
    let mut sorted = characters.to_vec();
    sorted.sort_by(|a, b| a.1.total_cmp(&b.1));
    let step = (sorted[sorted.len() - 1].1 - sorted[0].1) / (sorted.len() - 1) as f32;
    let apart = sorted.windows(2).all(|pair| pair[1].1 - pair[0].1 > LEAST_STEP * step);
    apart.then(|| sorted.into_iter().map(|(character, _)| character).collect())
}

/// Parts of PDFium's lines in their places, where words run to the left: files have those in any order, and what stands beside what
/// says where a piece of a line ends.
pub(super) fn put_in_place(parts: &mut [Part]) {
    for line in parts.chunk_by_mut(|_, next| next.gap != Gap::Line) {
        if let Some(from_the_right) = from_the_right(line) {
            sort(line, from_the_right);
        }
    }
}

/// Whether a line is read from the right; None where no word runs to the left.
fn from_the_right(parts: &[Part]) -> Option<bool> {
    let backwards = parts.iter().filter(|part| is_right_to_left(&part.text)).count();
    (backwards > 0 && !parts.iter().any(|part| part.turned)).then_some(backwards * 2 >= parts.len())
}

fn sort(parts: &mut [Part], from_the_right: bool) {
    parts.sort_by(|a, b| {
        let order = a.rect.left.total_cmp(&b.rect.left);
        if from_the_right { order.reverse() } else { order }
    });
    begin_the_line(parts);
}

/// The gap before a part belongs to its place: what begins the line is the first now.
fn begin_the_line(parts: &mut [Part]) {
    if let Some(first) = parts.iter().position(|part| part.gap == Gap::Line) {
        parts[first].gap = Gap::Space;
        parts[0].gap = Gap::Line;
    }
}

/// Parts of a piece of a line in the order in which they are spoken: from the right if most run to the left, words of the other
/// direction among them in theirs.
pub(super) fn put_in_order(parts: &mut [Part]) {
    let Some(from_the_right) = from_the_right(parts) else { return };
    sort(parts, from_the_right);
    let own_direction = |part: &Part| is_right_to_left(&part.text) == from_the_right;
    for run in parts.chunk_by_mut(|a, b| own_direction(a) == own_direction(b)) {
        if !own_direction(&run[0]) {
            run.reverse();
        }
    }
    begin_the_line(parts);
    if from_the_right {
        open_before_closing(parts);
    }
}

/// Brackets as they are spoken: files have them as they look, where what opens a bracket on the right closes one on the left. Those of
/// words that run to the right stay.
fn open_before_closing(parts: &mut [Part]) {
    const PAIRS: [(char, char); 5] = [('(', ')'), ('[', ']'), ('{', '}'), ('«', '»'), ('‹', '›')];
    let mut own: Vec<&mut Part> = parts.iter_mut().filter(|part| !has_forward_letters(&part.text)).collect();
    for (open, close) in PAIRS {
        let first = own.iter().find_map(|part| part.text.chars().find(|c| *c == open || *c == close));
        if first != Some(close) || !own.iter().any(|part| part.text.contains(open)) {
            continue;
        }
        let turned = |c: char| match c {
            c if c == open => close,
            c if c == close => open,
            other => other,
        };
        for part in &mut own {
            part.text = part.text.chars().map(turned).collect();
        }
    }
}

fn has_forward_letters(word: &str) -> bool {
    word.chars().any(|c| c.is_alphabetic() && !runs_to_the_left(c))
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
    fn words_that_run_to_the_right_are_put_together_again() {
        let places =
            |text: &str, places: &[f32]| -> Vec<(char, f32)> { text.chars().zip(places.iter().copied()).collect() };
        let turned = places("-4711AB", &[2.0, 3.0, 4.0, 5.0, 6.0, 0.0, 1.0]);
        assert_eq!(unshuffled(&turned).as_deref(), Some("AB-4711"));
        assert_eq!(unshuffled(&standing("AB-4711")), None);
        assert_eq!(unshuffled(&places("abc", &[3.0, 2.0, 1.0])), None, "it stands on its head");
        assert_eq!(unshuffled(&places("e\u{301}te", &[0.0, 0.0, 1.0, 0.99])), None, "they lie on each other");
    }

    #[test]
    fn brackets_open_before_they_close() {
        let mut parts = line("(3 המוק) f(x) םולש", 0.1, 0.1);
        parts[0].text = "3(".into();
        parts[1].text = ")קומה".into();
        parts[3].text = "שלום".into();
        put_in_order(&mut parts);
        let texts: Vec<&str> = parts.iter().map(|part| part.text.as_str()).collect();
        assert_eq!(texts, ["שלום", "f(x)", "(קומה", "3)"]);
    }

    #[test]
    fn parts_of_a_line_are_put_in_their_places() {
        let mut parts = line("אחד שתיים שלוש ארבע", 0.1, 0.1);
        parts.swap(1, 3);
        parts[3].gap = Gap::Space;
        put_in_place(&mut parts);
        let texts: Vec<&str> = parts.iter().map(|part| part.text.as_str()).collect();
        assert_eq!((texts, parts[0].gap), (vec!["ארבע", "שלוש", "שתיים", "אחד"], Gap::Line));
        let mut latin = line("one two three", 0.1, 0.1);
        latin.swap(1, 2);
        put_in_place(&mut latin);
        assert_eq!(latin[1].text, "three", "the file's order stays where no word runs to the left");
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
