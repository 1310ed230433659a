//! The one grammar of filters: what the flags of `quire search` say, and what stands in the JSON of every API under the same
//! names. It becomes a [`PageFilter`]; names of documents are looked up by who knows them.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::PageFilter;
use crate::error::{Error, Result};

/// First and last page, inclusive.
pub type PageRange = (Option<u32>, Option<u32>);

/// A filter as it is written.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FilterText {
    /// Tags that the document has.
    pub tags: BTreeMap<String, String>,
    /// A document: an id, a path, or the end of one.
    pub document: Option<String>,
    /// Exactly this source (path or URL).
    pub source: Option<String>,
    /// Exactly this title.
    pub title: Option<String>,
    /// Page numbers: `3`, `3-10`, `3-` or `-10`.
    pub pages: Option<String>,
    /// Days (`2024-05-01`) or moments of RFC 3339, inclusive.
    pub created_from: Option<String>,
    pub created_to: Option<String>,
    pub ingested_from: Option<String>,
    pub ingested_to: Option<String>,
}

impl FilterText {
    /// What it means, but for the document that it names.
    ///
    /// # Errors
    /// Configuration, naming the field: its value is not of the form expected.
    pub fn read(self) -> Result<PageFilter> {
        let wrong = |field: &str, message: String| Error::configuration(format!("filter.{field}: {message}"));
        let date = |field: &str, text: Option<String>, read: fn(&str) -> Result<String, String>| {
            text.map(|text| read(&text).map_err(|message| wrong(field, message))).transpose()
        };
        let pages = self.pages.as_deref().map(parse_pages).transpose();
        Ok(PageFilter {
            tags: self.tags,
            source: self.source,
            title: self.title,
            pages: pages.map_err(|message| wrong("pages", message))?.unwrap_or_default(),
            created: (
                date("created_from", self.created_from, from_date)?,
                date("created_to", self.created_to, to_date)?,
            ),
            ingested: (
                date("ingested_from", self.ingested_from, from_date)?,
                date("ingested_to", self.ingested_to, to_date)?,
            ),
            ..PageFilter::default()
        })
    }
}

/// Page numbers: `3`, `3-10`, `3-` or `-10`.
///
/// # Errors
/// What is expected, in words.
pub fn parse_pages(text: &str) -> Result<PageRange, String> {
    let bound = |text: &str| match text.trim() {
        "" => Ok(None),
        number => match number.parse::<u32>() {
            Ok(0) => Err("pages are counted from 1".to_owned()),
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(format!("'{number}' is not a page number: expected 3, 3-10, 3- or -10")),
        },
    };
    let (from, to) = match text.split_once('-') {
        Some((from, to)) => (bound(from)?, bound(to)?),
        None => (bound(text)?, bound(text)?),
    };
    match (from, to) {
        (None, None) => Err("no page is named: expected 3, 3-10, 3- or -10".into()),
        (Some(first), Some(last)) if first > last => Err(format!("the range ends before it begins: {first} to {last}")),
        range => Ok(range),
    }
}

/// The first moment of a day, or the moment itself.
///
/// # Errors
/// What is expected, in words.
pub fn from_date(text: &str) -> Result<String, String> {
    moment(text, jiff::civil::time(0, 0, 0, 0))
}

/// The last moment of a day, or the moment itself.
///
/// # Errors
/// What is expected, in words.
pub fn to_date(text: &str) -> Result<String, String> {
    moment(text, jiff::civil::time(23, 59, 59, 999_999_999))
}

/// Days are those of UTC, in which documents and the index keep their times.
fn moment(text: &str, time: jiff::civil::Time) -> Result<String, String> {
    if let Ok(moment) = text.parse::<jiff::Timestamp>() {
        return Ok(moment.to_string());
    }
    let day: jiff::civil::Date = text.parse().map_err(|_| {
        format!("'{text}' is neither a day (2024-05-01) nor a moment of RFC 3339 (2024-05-01T08:00:00Z)")
    })?;
    let moment = day.to_datetime(time).to_zoned(jiff::tz::TimeZone::UTC).map_err(|error| error.to_string())?;
    Ok(moment.timestamp().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_ranges() {
        assert_eq!(parse_pages("3"), Ok((Some(3), Some(3))));
        assert_eq!(parse_pages("3-10"), Ok((Some(3), Some(10))));
        assert_eq!(parse_pages("3-"), Ok((Some(3), None)));
        assert_eq!(parse_pages("-10"), Ok((None, Some(10))));
        for wrong in ["", "-", "0", "x", "9-3", "1-2-3"] {
            assert!(parse_pages(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_day_reaches_from_its_first_to_its_last_moment() {
        assert_eq!(from_date("2024-05-01").unwrap(), "2024-05-01T00:00:00Z");
        assert_eq!(to_date("2024-05-01").unwrap(), "2024-05-01T23:59:59.999999999Z");
        assert_eq!(to_date("2024-05-01T08:00:00+02:00").unwrap(), "2024-05-01T06:00:00Z");
        assert!(from_date("yesterday").unwrap_err().contains("yesterday"));
    }

    #[test]
    fn json_and_flags_mean_the_same() {
        let json = r#"{"tags": {"team": "a"}, "pages": "3-10", "created_from": "2024-05-01", "title": "T"}"#;
        let filter = serde_json::from_str::<FilterText>(json).unwrap().read().unwrap();
        assert_eq!(filter.pages, (Some(3), Some(10)));
        assert_eq!(filter.created.0.as_deref(), Some("2024-05-01T00:00:00Z"));
        assert!(serde_json::from_str::<FilterText>(r#"{"page": 3}"#).is_err());
        let wrong = FilterText { pages: Some("x".into()), ..FilterText::default() }.read().unwrap_err();
        assert!(wrong.to_string().contains("filter.pages: 'x'"), "{wrong}");
    }
}
