//! What characters look like to a reader: which of them are not to be seen, which could pass for a bracket, a digit or a
//! dash. Whoever reads `【９】` takes it for a citation, so the filter has to as well.

/// Control characters other than line end and tab, and those that turn the direction of writing around.
pub fn is_hostile(char: char) -> bool {
    (char.is_control() && !matches!(char, '\n' | '\t'))
        || matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Characters that are read by a model and seen by nobody: Unicode's `Default_Ignorable_Code_Point` (soft hyphen, zero
/// widths, word joiner, direction marks, variation selectors, tags).
pub fn is_invisible(char: char) -> bool {
    matches!(char,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Brackets that open a marker: `[` and those that look like it.
pub fn opens(char: char) -> bool {
    matches!(char, '[' | '［' | '【' | '〔' | '〖' | '〚' | '⟦' | '⁅' | '❲' | '﹝')
}

/// The other ends of [`opens`].
pub fn closes(char: char) -> bool {
    matches!(char, ']' | '］' | '】' | '〕' | '〗' | '〛' | '⟧' | '⁆' | '❳' | '﹞')
}

/// The ASCII digit that a reader takes this character for: full-width, superscript, subscript, and the decimal digits of
/// other scripts that answers are written in.
pub fn as_digit(char: char) -> Option<char> {
    /// Zeros of blocks of ten digits in order.
    const ZEROS: [char; 20] =
        ['0', '٠', '۰', '०', '০', '੦', '૦', '୦', '௦', '౦', '೦', '൦', '๐', '໐', '༠', '၀', '០', '᠐', '₀', '０'];
    let value = match char {
        '¹' => 1,
        '²' => 2,
        '³' => 3,
        '⁰' => 0,
        '⁴'..='⁹' => char as u32 - '⁰' as u32,
        // five alphabets of mathematical digits, one behind the other
        '\u{1d7ce}'..='\u{1d7ff}' => (char as u32 - 0x1d7ce) % 10,
        _ => {
            let zero = ZEROS.into_iter().find(|zero| (*zero as u32..*zero as u32 + 10).contains(&(char as u32)))?;
            char as u32 - zero as u32
        }
    };
    char::from_digit(value, 10)
}

/// Between the first and the last number of a range.
pub fn is_dash(char: char) -> bool {
    matches!(char, '-' | '\u{2010}'..='\u{2015}' | '−' | '~' | '〜' | '～' | '－' | '﹣' | '﹘')
}

/// Between two numbers.
pub fn separates(char: char) -> bool {
    matches!(char, ',' | ';' | '&' | '，' | '、' | '；' | '＆' | '،')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_what_a_reader_takes_them_for() {
        for (digits, expected) in [
            ("0129", "0129"),
            ("０１９", "019"),
            ("⁰¹²³⁴⁹", "012349"),
            ("₀₉", "09"),
            ("٣۹९", "399"),
            ("𝟎𝟗𝟘𝟡𝟿", "09099"),
        ] {
            assert_eq!(digits.chars().filter_map(as_digit).collect::<String>(), expected, "{digits}");
        }
        assert_eq!("aⅨ[".chars().filter_map(as_digit).count(), 0);
    }

    #[test]
    fn every_opening_bracket_has_its_closing_one() {
        let all = |test: fn(char) -> bool| (0..=0x1_ffff).filter_map(char::from_u32).filter(|char| test(*char)).count();
        assert_eq!(all(opens), all(closes));
    }
}
