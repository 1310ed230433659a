//! Whether a text layer can be read: fonts whose table of characters is wrong or missing give letters that nobody sees on
//! the page. Such a layer is never quoted, and holds no word of a question.

use unicode_normalization::UnicodeNormalization;

/// The pairs of letters that make up most of a text in the languages of Europe: on 73 pages of English manuals they are 72 % of all
/// pairs at least; on 30 of them with their letters shifted by 3, 11, 13 or 22, 45 % at most.
const COMMON_PAIRS: &str = "ab ac ad ag ai al am an ap ar as at au ba be bi bl bo br ca ce ch ci ck co ct da de di do du ea eb ec ed ee \
    ef eg ei el em en er es et ev ex fi fo fr ge gr ha he hi ho ia ic id ie if ig il im in io ir is it iv ke la ld le li ll lo \
    lt ly ma me mi mo mp na nc nd ne ng ni no ns nt nu od of ol om on op or os ot ou ow pa pe pl po pr ps qu ra rd re ri ro rs rt \
    sc se sh si so sp ss st su ta te th ti to tr ts tt ub ue ul um un up ur us ut va ve vo we wi yo za ze";
/// Pairs below which a text is too short to be judged.
const FEWEST_PAIRS: usize = 30;
/// Share of common pairs below which a text is none: lists of commands reach 0.7, Polish 0.58.
const LEAST_COMMON: f32 = 0.45;
/// Largest share of characters that stand for nothing.
const MOST_VOID: f32 = 0.1;
/// Largest share of words that mix alphabets, `pаge` with a Cyrillic letter.
const MOST_MIXED: f32 = 0.3;

/// False where a person would see other letters on the page. An empty text, and one too short to be judged, is legible.
pub fn is_legible(text: &str) -> bool {
    let visible = text.chars().filter(|c| !c.is_whitespace()).count();
    let void = text.chars().filter(|&c| stands_for_nothing(c)).count();
    if void as f32 > MOST_VOID * visible as f32 {
        return false;
    }
    let words: Vec<Vec<Script>> = text.split_whitespace().map(scripts).filter(|scripts| !scripts.is_empty()).collect();
    let mixed = words.iter().filter(|scripts| scripts.len() > 1).count();
    if words.len() >= FEWEST_PAIRS / 3 && mixed as f32 > MOST_MIXED * words.len() as f32 {
        return false;
    }
    let (common, pairs) = pairs(text);
    pairs < FEWEST_PAIRS || common as f32 >= LEAST_COMMON * pairs as f32
}

/// Private use, replacement and control characters.
fn stands_for_nothing(c: char) -> bool {
    matches!(c, '\u{fffd}' | '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{10ffff}')
        || (c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{2}'))
}

#[derive(Clone, Copy, PartialEq)]
enum Script {
    Latin,
    Greek,
    Cyrillic,
    Hebrew,
    Arabic,
}

/// The alphabets of a word's letters. A single Greek letter in a formula is no mix: words of fewer than four letters have one.
fn scripts(word: &str) -> Vec<Script> {
    let mut found = Vec::new();
    let letters = word.chars().filter(|c| c.is_alphabetic());
    if letters.clone().count() < 4 {
        found.push(Script::Latin);
        return found;
    }
    for script in letters.filter_map(script) {
        if !found.contains(&script) {
            found.push(script);
        }
    }
    found
}

fn script(c: char) -> Option<Script> {
    Some(match c {
        'a'..='z' | 'A'..='Z' | '\u{c0}'..='\u{24f}' => Script::Latin,
        '\u{370}'..='\u{3ff}' => Script::Greek,
        '\u{400}'..='\u{52f}' => Script::Cyrillic,
        '\u{590}'..='\u{5ff}' => Script::Hebrew,
        '\u{600}'..='\u{6ff}' => Script::Arabic,
        _ => return None,
    })
}

/// Common pairs, and all pairs, of neighbouring Latin letters.
fn pairs(text: &str) -> (usize, usize) {
    let (mut common, mut all) = (0, 0);
    let mut before: Option<u8> = None;
    let table = table();
    for c in text.nfkd().filter(|c| !unicode_normalization::char::is_combining_mark(*c)) {
        let letter = u8::try_from(c.to_ascii_lowercase()).ok().filter(u8::is_ascii_lowercase);
        if let (Some(before), Some(letter)) = (before, letter) {
            all += 1;
            common += usize::from(table[usize::from(before - b'a') * 26 + usize::from(letter - b'a')]);
        }
        before = letter;
    }
    (common, all)
}

/// `[26 * 26]`: whether a pair is common.
fn table() -> [bool; 26 * 26] {
    let mut table = [false; 26 * 26];
    for pair in COMMON_PAIRS.split_whitespace().map(str::as_bytes) {
        table[usize::from(pair[0] - b'a') * 26 + usize::from(pair[1] - b'a')] = true;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXTS: [&str; 5] = [
        "The daisy elbow keeps its length, and the committee met in the small room on the second floor.",
        "Bitte lesen Sie nach Bedarf den einschlägigen Anteil der neusten Dokumentation, um perfekte Pakete zu erstellen.",
        "Les navires de la compagnie partent chaque matin du port et reviennent le soir avec les voyageurs de l'île.",
        "Los barcos de la cooperativa salen cada mañana del puerto y vuelven por la noche con los viajeros de la isla.",
        "Statki spółdzielni wypływają codziennie rano z portu i wracają wieczorem z pasażerami z wyspy, kiedy pogoda pozwala.",
    ];

    fn shifted(text: &str, by: u8) -> String {
        let shift = |c: char| match c {
            'a'..='z' => char::from(b'a' + (c as u8 - b'a' + by) % 26),
            'A'..='Z' => char::from(b'A' + (c as u8 - b'A' + by) % 26),
            other => other,
        };
        text.chars().map(shift).collect()
    }

    #[test]
    fn languages_are_legible_and_their_shifted_letters_are_not() {
        for text in TEXTS {
            assert!(is_legible(text), "{text}");
        }
        for by in 1..26 {
            let legible: Vec<_> = TEXTS[..2].iter().filter(|text| is_legible(&shifted(text, by))).collect();
            assert!(legible.is_empty(), "shifted by {by}: {legible:?}");
        }
    }

    #[test]
    fn a_table_of_characters_that_is_off_by_three_is_noticed() {
        let text = "Qeb a^fpv bi_lt _bpfab qeb clppfi t^p fkpmb`qba fk pmofkd. Fqp ibkdqe fp 1962 jfiifjbqobp ^ka fqp `lilro fp dobv.";
        assert!(!is_legible(text));
    }

    #[test]
    fn private_characters_and_mixed_alphabets_are_noticed() {
        assert!(!is_legible("\u{e041}\u{e042}\u{e043} \u{e044}\u{e045} text"));
        let mixed = "\u{442}he p\u{430}ge w\u{456}th lеtters frоm twо alphаbets iп everу wоrd аnd nо sеnse thеrein";
        assert!(!is_legible(mixed));
    }

    #[test]
    fn what_can_not_be_judged_is_legible() {
        for text in [
            "",
            "E-201 XKCD",
            "30013 0.1 s",
            "Документы подаются в двух экземплярах до конца месяца.",
            "船は毎朝港を出ます。",
        ] {
            assert!(is_legible(text), "{text}");
        }
    }
}
