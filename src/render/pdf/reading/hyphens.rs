//! Hyphens at the end of a line: there for the line's sake ("config-|ure"), or part of the word ("self-|employed").

use std::collections::HashSet;

/// Beginnings that keep their hyphen.
const HEADS: &str = "all anti cross ex half quasi self well";
/// Endings that are joined to a whole word by a hyphen.
const TAILS: &str = "aware based bearing born bound built capable coloured compatible compliant consuming contained defined density \
    dependent determining dimensional driven effective efficient employed eyed facing free frequency friendly haired \
    handed hearted hour independent intensive known legged level like lived looking made making minded minute only \
    oriented owned paced performance priced profit proof quality ready related resistant resolution saving seeking \
    sensitive shaped sided sighted sized speaking specific speed strength temperature term time voltage wide winning \
    year";
/// Beginnings that make one word with any of them.
const NEGATIONS: &str = "dis in ir mis non re un";
/// Small words inside of a compound ("mother-|in-law"); and its end where nothing but they can be ("log-|in"): typesetters carry no
/// other two letters over.
const SMALL: &str = "a and at by for in it of off on out the to up";
const TENS: &str = "twenty thirty forty fifty sixty seventy eighty ninety";
const ONES: &str =
    "one two three four five six seven eight nine first second third fourth fifth sixth seventh eighth ninth";
/// Words behind a hyphen that is left hanging: "pre- and post-war".
const HANGING: &str = "and or to und oder bis bzw et ou y o e en of och og";

/// What becomes of a hyphen and the end of its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Joint {
    /// The word goes on, without its hyphen.
    Plain,
    /// The word goes on, with it.
    Hyphen,
    /// The word ends in it.
    End,
}

/// How `head`, the end of a line without its hyphen, and `tail`, the first word of the next, belong together. `whole`: words that
/// the page has elsewhere, in lower case.
pub(super) fn joint(head: &str, tail: &str, whole: &HashSet<String>) -> Joint {
    let bare_tail = tail.trim_end_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    let bare_head = head.trim_start_matches(|c: char| !c.is_alphanumeric());
    let (Some(before), Some(after)) = (head.chars().next_back(), tail.chars().next()) else { return Joint::End };
    if among(HANGING, &bare_tail) || !after.is_alphanumeric() || !before.is_alphanumeric() {
        return Joint::End;
    }
    let lower = bare_head.to_lowercase();
    if whole.contains(&format!("{lower}-{bare_tail}")) {
        return Joint::Hyphen;
    }
    if whole.contains(&format!("{lower}{bare_tail}")) {
        return Joint::Plain;
    }
    let mut parts_of_tail = bare_tail.split('-');
    let first_of_tail = parts_of_tail.next().unwrap_or_default();
    let goes_on = parts_of_tail.next().is_some();
    let capitals = bare_head.chars().all(char::is_uppercase);
    let belongs = before.is_numeric()
        || after.is_numeric()
        // "Anglo-|Saxon", but not "CONFIG-|URE"
        || after.is_uppercase() && !before.is_uppercase()
        // "X-|ray", "DNA-|based"
        || capitals && after.is_lowercase()
        // "state-of-the-|art"
        || bare_head.contains('-')
        // "e-|mail"
        || bare_head.chars().count() == 1
        || among(HEADS, &lower)
        || among(TAILS, first_of_tail) && !among(NEGATIONS, &lower)
        || among(SMALL, first_of_tail) && (goes_on || first_of_tail.len() == 2)
        || among(TENS, &lower) && among(ONES, first_of_tail);
    if belongs { Joint::Hyphen } else { Joint::Plain }
}

fn among(words: &str, word: &str) -> bool {
    words.split(' ').any(|other| other == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(broken: &str, elsewhere: &[&str]) -> String {
        let whole = elsewhere.iter().map(|word| (*word).to_owned()).collect();
        let (head, tail) = broken.split_once("-|").unwrap();
        match joint(head, tail, &whole) {
            Joint::Plain => format!("{head}{tail}"),
            Joint::Hyphen => format!("{head}-{tail}"),
            Joint::End => format!("{head}- {tail}"),
        }
    }

    #[test]
    fn hyphens_that_belong_to_the_word_stay() {
        for broken in [
            "self-|employed",
            "state-of-the-|art",
            "e-|mail",
            "X-|ray",
            "AB-|4711",
            "4711-|AB",
            "COVID-|19",
            "Anglo-|Saxon",
            "price-|determining",
            "DNA-|based.",
            "mother-|in-law",
            "up-|to-date,",
            "log-|in",
            "twenty-|one",
            "Ninety-|ninth",
            "high-|speed",
        ] {
            assert_eq!(joined(broken, &[]), broken.replace('|', ""), "{broken}");
        }
    }

    #[test]
    fn hyphens_that_break_a_word_go() {
        for broken in [
            "in-|effective",
            "un-|known",
            "config-|ure",
            "CONFIG-|URE",
            "under-|standing,",
            "Wasser-|pumpe",
            "ma-|chine",
        ] {
            assert_eq!(joined(broken, &[]), broken.replace("-|", ""), "{broken}");
        }
    }

    #[test]
    fn the_page_knows_its_own_words() {
        assert_eq!(joined("co-|operate", &["co-operate"]), "co-operate");
        assert_eq!(joined("self-|ish", &["selfish"]), "selfish");
    }

    #[test]
    fn hyphens_that_hang_end_their_word() {
        assert_eq!(joined("pre-|and", &[]), "pre- and");
        assert_eq!(joined("Ein-|und", &[]), "Ein- und");
    }
}
