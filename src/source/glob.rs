//! Which files and folders a pattern means.

use std::path::Path;

use glob::{MatchOptions, Pattern};

use super::uri::same_name;
use crate::error::{Error, Result};

/// Upper and lower case are the same, as they are for extensions; `*` stops at `/`, `**/` does not.
const OPTIONS: MatchOptions =
    MatchOptions { case_sensitive: false, require_literal_separator: true, require_literal_leading_dot: false };

/// A glob: `*.pdf` without a `/` means names in any folder, `reports/**/*.pdf` paths below the folder that is walked.
#[derive(Debug)]
pub struct Glob {
    pattern: Pattern,
    whole_path: bool,
}

impl Glob {
    /// # Errors
    /// Configuration, naming the pattern and the place of the mistake.
    pub fn parse(text: &str) -> Result<Self> {
        let trimmed = text.trim_end_matches('/');
        let whole_path = trimmed.contains('/');
        let pattern = Pattern::new(&same_name(trimmed.trim_start_matches('/'))).map_err(|error| {
            Error::configuration(format!("'{text}' is not a pattern such as *.pdf or drafts/**")).with_source(error)
        })?;
        Ok(Self { pattern, whole_path })
    }

    pub fn parse_all(texts: &[String]) -> Result<Vec<Self>> {
        texts.iter().map(|text| Self::parse(text)).collect()
    }

    /// Whether the pattern means `path`, which is relative to the folder that is walked.
    pub fn matches(&self, path: &Path) -> bool {
        let subject = if self.whole_path { Some(path.as_os_str()) } else { path.file_name() };
        subject.is_some_and(|subject| self.pattern.matches_with(&same_name(&subject.to_string_lossy()), OPTIONS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, path: &str) -> bool {
        Glob::parse(pattern).unwrap().matches(Path::new(path))
    }

    #[test]
    fn a_pattern_without_a_slash_means_names_anywhere() {
        assert!(matches("*.pdf", "a/b/C.PDF"));
        assert!(matches("drafts/", "a/drafts"));
        assert!(!matches("*.pdf", "a.pdf/b.png"));
    }

    #[test]
    fn a_pattern_with_a_slash_means_paths() {
        assert!(matches("/drafts", "drafts"));
        assert!(!matches("/drafts", "a/drafts"));
        assert!(matches("a/**/*.pdf", "a/b/c/d.pdf"));
        assert!(!matches("a/*.pdf", "a/b/c.pdf"));
    }

    #[test]
    fn accents_are_the_same_however_they_are_written() {
        assert!(matches("caf\u{e9}.pdf", "cafe\u{301}.pdf"));
        assert!(matches("*/cafe\u{301}*", "a/caf\u{e9}.pdf"));
    }

    #[test]
    fn a_broken_pattern_is_named() {
        let error = Glob::parse("a[").unwrap_err();
        assert!(error.to_string().contains("'a['"), "{error}");
    }
}
