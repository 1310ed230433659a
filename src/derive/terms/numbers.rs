//! Numbers by their plain form: `1,234,567`, `1.234.567`, `1'234'567` and `1 234 567` are all `1234567`, `18,6` is `18.6`.

/// The plain form of a number in one word, if it is written in another: no separators between thousands, a point before decimals.
/// A word that can be read in two ways (`1.234`) is read as the larger number; as it stands it is a term anyway.
pub(super) fn plain(word: &str) -> Option<String> {
    let separators: Vec<char> = word.chars().filter(|c| !c.is_ascii_digit()).collect();
    let (&first, &last) = (separators.first()?, separators.last()?);
    if !word.starts_with(|c: char| c.is_ascii_digit()) || !separators.iter().all(|c| matches!(c, ',' | '.' | '\'')) {
        return None;
    }
    // The last separator is the decimal one if it is another than those before it.
    let (whole, decimals) = match word.rsplit_once(last) {
        Some((whole, decimals)) if first != last && last != '\'' => (whole, Some(decimals)),
        _ => (word, None),
    };
    if separators[..separators.len() - usize::from(decimals.is_some())].iter().any(|c| *c != first) {
        return None;
    }
    if let Some(joined) = without_groups(whole, first) {
        return Some(match decimals {
            Some(decimals) => format!("{joined}.{decimals}"),
            None => joined,
        });
    }
    // one comma, and not before three digits
    (separators == [',']).then(|| word.replace(',', "."))
}

/// Digits in groups of three, the first of one to three, without what separates them.
fn without_groups(number: &str, separator: char) -> Option<String> {
    let mut groups = number.split(separator);
    let first = groups.next()?;
    let rest: Vec<&str> = groups.collect();
    let grouped = (1..=3).contains(&first.len()) && !rest.is_empty() && rest.iter().all(|group| group.len() == 3);
    grouped.then(|| number.chars().filter(char::is_ascii_digit).collect())
}

/// Groups of digits that stand in words of their own, put together: `1 234 567`.
#[derive(Default)]
pub(super) struct Groups {
    number: String,
    groups: usize,
}

impl Groups {
    /// Takes the next word, without punctuation around it; `ends`: punctuation stands behind it. Returns a number that has come
    /// to its end.
    pub(super) fn push(&mut self, word: &str, ends: bool) -> Option<String> {
        let digits = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
        if digits && word.len() == 3 && self.groups > 0 {
            self.number.push_str(word);
            self.groups += 1;
            return if ends { self.finish() } else { None };
        }
        let finished = self.finish();
        if digits && word.len() <= 3 && !ends && !word.starts_with('0') {
            self.number.push_str(word);
            self.groups = 1;
        }
        finished
    }

    /// The number at hand, if it has more than one group.
    pub(super) fn finish(&mut self) -> Option<String> {
        let (number, groups) = (std::mem::take(&mut self.number), std::mem::take(&mut self.groups));
        (groups > 1).then_some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_country_have_one_plain_form() {
        let cases = [
            ("1,234,567", Some("1234567")),
            ("1.234.567", Some("1234567")),
            ("1'234'567", Some("1234567")),
            ("1,234,567.89", Some("1234567.89")),
            ("1.234.567,89", Some("1234567.89")),
            ("1'234.50", Some("1234.50")),
            ("1.234", Some("1234")),
            ("18,6", Some("18.6")),
            ("0,0001", Some("0.0001")),
            ("3.14", None),
            ("1.2.3", None),
            ("192.168.1.20", None),
            ("12,34,56", None),
            ("1,234.567,8", None),
            ("1234567", None),
            (".5", None),
            ("a,b", None),
        ];
        for (word, expected) in cases {
            assert_eq!(plain(word).as_deref(), expected, "{word}");
        }
    }

    #[test]
    fn groups_in_words_of_their_own_are_put_together() {
        let joined = |words: &str| {
            let mut groups = Groups::default();
            let mut found: Vec<String> = words
                .split(' ')
                .filter_map(|word| groups.push(word.trim_end_matches(','), word.ends_with(',')))
                .collect();
            found.extend(groups.finish());
            found
        };
        assert_eq!(joined("a total of 1 234 567 units"), ["1234567"]);
        assert_eq!(joined("12 345, 678 901"), ["12345", "678901"]);
        for none in ["5 12 345x", "page 7 of 900000", "0 123", "1234 567"] {
            assert!(joined(none).is_empty(), "{none}");
        }
    }
}
