//! PDF dates (`D:YYYYMMDDHHmmSSOHH'mm'`) to RFC 3339.

use jiff::civil::DateTime;

/// The date as RFC 3339. Missing parts are the earliest possible ones and a missing offset is UTC, as the PDF standard
/// has it. `None` for anything that is no date.
pub(super) fn rfc3339(pdf: &str) -> Option<String> {
    let pdf = pdf.trim();
    let rest = pdf.strip_prefix("D:").unwrap_or(pdf);
    let digits: &str = &rest[..rest.bytes().take_while(u8::is_ascii_digit).count().min(14)];
    if digits.len() < 4 {
        return None;
    }
    let part = |range: std::ops::Range<usize>, missing: i8| match digits.get(range) {
        Some(text) => text.parse::<i8>().ok(),
        None => Some(missing),
    };
    let year = digits[..4].parse::<i16>().ok()?;
    let (month, day) = (part(4..6, 1)?, part(6..8, 1)?);
    let (hour, minute, second) = (part(8..10, 0)?, part(10..12, 0)?, part(12..14, 0)?);
    // validates: a month of 13 or a 31st of June is no date
    let date = DateTime::new(year, month, day, hour, minute, second.min(59), 0).ok()?;
    Some(format!("{}{}", date.strftime("%Y-%m-%dT%H:%M:%S"), offset(&rest[digits.len()..])))
}

/// `+02'00'`, `-0530`, `+02`, `Z` or nothing, as an RFC 3339 offset.
fn offset(text: &str) -> String {
    let mut digits = text.chars().skip(1).filter(char::is_ascii_digit);
    let mut two = || Some(digits.next()?.to_digit(10)? * 10 + digits.next()?.to_digit(10)?);
    let sign = text.chars().next().filter(|sign| matches!(sign, '+' | '-'));
    match (sign, two(), two().unwrap_or(0)) {
        (Some(sign), Some(hours @ 0..24), minutes @ 0..60) if hours + minutes > 0 => {
            format!("{sign}{hours:02}:{minutes:02}")
        }
        _ => "Z".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_every_shape() {
        let cases = [
            ("D:20240229134501+02'00'", Some("2024-02-29T13:45:01+02:00")),
            ("D:20240229134501-05'30", Some("2024-02-29T13:45:01-05:30")),
            ("D:20240229134501Z00'00'", Some("2024-02-29T13:45:01Z")),
            ("D:20240229134501", Some("2024-02-29T13:45:01Z")),
            ("20240229", Some("2024-02-29T00:00:00Z")),
            ("D:2024", Some("2024-01-01T00:00:00Z")),
            ("D:20241301", None),
            ("D:20230229", None),
            ("yesterday", None),
            ("", None),
            ("D:20240229134501+99'99'", Some("2024-02-29T13:45:01Z")),
        ];
        for (pdf, expected) in cases {
            assert_eq!(rfc3339(pdf).as_deref(), expected, "{pdf}");
        }
    }
}
