//! Dates by their plain form: `5 March 2024`, `March 5th, 2024`, `5. März 2024`, `05.03.2024` and `3/5/2024` are all
//! `2024-03-05`.

use std::collections::VecDeque;

/// Names of the months, folded, in the languages that documents here are written in; three letters and more of an English or
/// German one are enough.
const MONTHS: [&[&str]; 12] = [
    &["january", "januar", "janvier", "enero", "gennaio", "janeiro", "januari", "stycznia", "jan", "janv", "jaenner"],
    &["february", "februar", "fevrier", "febrero", "febbraio", "fevereiro", "februari", "lutego", "feb", "fev", "fevr"],
    &["march", "marz", "maerz", "mars", "marzo", "marco", "maart", "marts", "marca", "mar", "mrz"],
    &["april", "avril", "abril", "aprile", "kwietnia", "apr", "avr", "abr"],
    &["may", "mai", "mayo", "maggio", "maio", "mei", "maj", "maja"],
    &["june", "juni", "juin", "junio", "giugno", "junho", "czerwca", "jun"],
    &["july", "juli", "juillet", "julio", "luglio", "julho", "lipca", "jul", "juil"],
    &["august", "aout", "agosto", "augustus", "augusti", "sierpnia", "aug"],
    &["september", "septembre", "septiembre", "settembre", "setembro", "wrzesnia", "sep", "sept"],
    &["october", "oktober", "octobre", "octubre", "ottobre", "outubro", "pazdziernika", "oct", "okt"],
    &["november", "novembre", "noviembre", "novembro", "listopada", "nov"],
    &["december", "dezember", "decembre", "diciembre", "dicembre", "dezembro", "desember", "grudnia", "dec", "dez"],
];
/// Words between the parts of a date.
const BETWEEN: &[&str] = &["de", "of", "del", "do", "di", "the", "den"];
/// Words that a date takes, with those between.
const WINDOW: usize = 5;

/// Follows the words of a text and finds dates in them.
#[derive(Default)]
pub(super) struct Dates(VecDeque<String>);

impl Dates {
    /// Takes the next word, folded and without punctuation around it. Returns the dates that end in it: more than one if day and
    /// month cannot be told apart.
    pub(super) fn push(&mut self, word: &str) -> Vec<String> {
        let mut found = in_one_word(word);
        if let Some(year) = year(word) {
            found.extend(self.before(year));
        }
        if !BETWEEN.contains(&word) {
            self.0.push_back(word.to_owned());
            if self.0.len() > WINDOW {
                self.0.pop_front();
            }
        }
        found
    }

    /// The date whose year has come.
    fn before(&self, year: u32) -> Option<String> {
        let (a, b) = (self.0.get(self.0.len().checked_sub(2)?)?, self.0.back()?);
        let (month, day) = match (month(b), month(a)) {
            (Some(month), _) => (month, day(a)?),
            (None, Some(month)) => (month, day(b)?),
            (None, None) => return None,
        };
        Some(plain(year, month, day))
    }
}

fn in_one_word(word: &str) -> Vec<String> {
    let Some(separator) = word.chars().find(|c| !c.is_ascii_digit()).filter(|c| matches!(c, '-' | '/' | '.')) else {
        return Vec::new();
    };
    let parts: Vec<&str> = word.split(separator).collect();
    let [a, b, c] = parts[..] else { return Vec::new() };
    let short = |text: &str, most: u32| {
        let number = (1..=2).contains(&text.len()).then(|| text.parse::<u32>().ok())??;
        (1..=most).contains(&number).then_some(number)
    };
    let date = |year_text: &str, month_text: &str, day_text: &str| {
        Some(plain(year(year_text)?, short(month_text, 12)?, short(day_text, 31)?))
    };
    let mut dates: Vec<String> = [date(a, b, c), date(c, b, a), date(c, a, b)].into_iter().flatten().collect();
    dates.dedup();
    dates
}

fn year(word: &str) -> Option<u32> {
    let year = (word.len() == 4).then(|| word.parse().ok())??;
    (1000..3000).contains(&year).then_some(year)
}

fn month(word: &str) -> Option<u32> {
    let number = MONTHS.iter().position(|names| names.contains(&word))?;
    Some(number as u32 + 1)
}

/// `5`, `05`, `5th`, `1er`.
fn day(word: &str) -> Option<u32> {
    let digits = word.trim_end_matches(|c: char| !c.is_ascii_digit());
    let ending = &word[digits.len()..];
    let number: u32 = (1..=2).contains(&digits.len()).then(|| digits.parse().ok())??;
    ((1..=31).contains(&number) && matches!(ending, "" | "st" | "nd" | "rd" | "th" | "er" | "o" | "a"))
        .then_some(number)
}

fn plain(year: u32, month: u32, day: u32) -> String {
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dates(text: &str) -> Vec<String> {
        let mut dates = Dates::default();
        let text = text.to_lowercase();
        text.split(' ').flat_map(|word| dates.push(word.trim_matches(|c: char| !c.is_alphanumeric()))).collect()
    }

    #[test]
    fn dates_of_every_form_have_one_plain_form() {
        for text in [
            "on 5 March 2024.",
            "5th of March 2024",
            "March 5, 2024",
            "5. marz 2024",
            "5 mars 2024",
            "5 de marzo de 2024",
            "05.03.2024",
            "2024-03-05",
            "2024/3/5",
            "den 5 mars 2024",
        ] {
            assert!(dates(text).contains(&"2024-03-05".to_owned()), "{text}: {:?}", dates(text));
        }
        assert_eq!(dates("3/5/2024"), ["2024-05-03", "2024-03-05"], "nobody knows which");
        assert_eq!(dates("25/12/2024"), ["2024-12-25"]);
    }

    #[test]
    fn what_is_no_date_has_none() {
        for text in
            ["5 March", "2024", "1.2.3", "99.99.2024", "chapter 5 2024", "March 2024", "5 apples 2024", "12-34-5678"]
        {
            assert!(dates(text).is_empty(), "{text}: {:?}", dates(text));
        }
    }
}
