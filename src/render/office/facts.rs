//! What an office file says of itself that its PDF does not: when it was made (a PDF is as old as its conversion), and whether a
//! password keeps it. Runs in the worker, for the words are a stranger's.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use jiff::civil::DateTime;

use super::archive::Archive;
use super::kind::is_protected;
use crate::render::sniff::HEAD_BYTES;

/// More of an entry is not read.
const MOST: u64 = 1 << 20;

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// RFC 3339.
    pub created: Option<String>,
    pub modified: Option<String>,
    pub protected: bool,
}

impl Facts {
    pub(super) fn read(file: &File) -> io::Result<Self> {
        let mut head = vec![0; HEAD_BYTES];
        let read = file.read_at(&mut head, 0)?;
        head.truncate(read);
        let Some(archive) = Archive::open(file) else {
            return Ok(Self { protected: is_protected(file, &head), ..Self::default() });
        };
        let text = |name: &str| {
            let bytes = archive.read(file, name, MOST).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let (core, meta, manifest) = (text("docProps/core.xml"), text("meta.xml"), text("META-INF/manifest.xml"));
        let protected = manifest.contains("encryption-data") || archive.names().any(|name| name == "encrypted-package");
        let date = |text: &str, element: &str| inside(text, element).and_then(rfc3339);
        Ok(Self {
            created: date(&core, "dcterms:created").or_else(|| date(&meta, "meta:creation-date")),
            modified: date(&core, "dcterms:modified").or_else(|| date(&meta, "dc:date")),
            protected,
        })
    }
}

/// The text inside the first element of this name.
fn inside<'a>(text: &'a str, element: &str) -> Option<&'a str> {
    let opened = text.split_once(&format!("<{element}"))?.1;
    let (attributes, rest) = opened.split_once('>')?;
    let content = rest.split_once(&format!("</{element}>"))?.0;
    (!attributes.ends_with('/')).then_some(content.trim())
}

/// As RFC 3339, in whole seconds; a date without an offset is taken for UTC.
fn rfc3339(text: &str) -> Option<String> {
    let (seconds, rest) = text.split_at_checked(19)?;
    let date: DateTime = seconds.parse().ok()?;
    let offset = rest.trim_start_matches(|char: char| char == '.' || char == ',' || char.is_ascii_digit());
    let offset = if offset.is_empty() { "Z" } else { offset };
    let whole = format!("{}{offset}", date.strftime("%Y-%m-%dT%H:%M:%S"));
    whole.parse::<jiff::Timestamp>().is_ok().then_some(whole)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn files_say_when_they_were_made() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/office");
        for (name, made) in [("slipway.docx", "2024-03-05T08:30:00Z"), ("fuel.odt", "2022-07-14T16:20:00Z")] {
            let facts = Facts::read(&File::open(folder.join(name)).unwrap()).unwrap();
            let made = Some(made.to_owned());
            assert_eq!(facts, Facts { created: made.clone(), modified: made, protected: false });
        }
    }

    #[test]
    fn dates_of_every_shape() {
        let cases = [
            ("2024-03-05T08:30:00Z", Some("2024-03-05T08:30:00Z")),
            ("2024-03-05T08:30:00.123456789", Some("2024-03-05T08:30:00Z")),
            ("2024-03-05T08:30:00+02:00", Some("2024-03-05T08:30:00+02:00")),
            ("2024-03-05T08:30:00 or so", None),
            ("2024-02-30T08:30:00", None),
            ("2024", None),
            ("žluťoučký kůň skáče", None),
        ];
        for (text, expected) in cases {
            assert_eq!(rfc3339(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn an_element_is_found_whatever_its_attributes() {
        assert_eq!(inside("<a><b x=\"1\"> 2 </b></a>", "b"), Some("2"));
        assert_eq!(inside("<b/>", "b"), None);
        assert_eq!(inside("<b>", "b"), None);
    }
}
