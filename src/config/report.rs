//! What is wrong with a configuration: every mistake at once, each with its place, what was found and what is allowed.
//! Never prints a value that came out of the environment.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::error::Error;

/// Where a value was written. Its order is the order in which mistakes are listed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Nowhere: the default.
    Default,
    /// A file, as the user named it, with 1-based line and column.
    Position { file: Arc<Path>, line: usize, column: usize },
    /// An environment variable.
    Variable(String),
    /// A command-line flag, with its dashes.
    Flag(String),
}

impl Origin {
    /// The first character of a file.
    pub fn start_of(file: &Arc<Path>) -> Self {
        Self::Position { file: Arc::clone(file), line: 1, column: 1 }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Position { file, line, column } => write!(f, "{}:{line}:{column}", file.display()),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// One thing that must be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    pub origin: Origin,
    /// Keys from the root, `retrieve.plans.fast.prefetch[0].using`; empty for the file as a whole.
    pub path: String,
    /// What was found, what is allowed.
    pub message: String,
}

/// All mistakes of one configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistakes {
    /// The file, where there is one and no other.
    title: String,
    list: Vec<Mistake>,
}

impl Mistakes {
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), list: Vec::new() }
    }

    pub fn add(&mut self, origin: &Origin, path: impl Into<String>, message: impl Into<String>) {
        let mistake = Mistake { origin: origin.clone(), path: path.into(), message: message.into() };
        if !self.list.contains(&mistake) {
            self.list.push(mistake);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether anything is wrong at `path` or below it.
    pub fn touch(&self, path: &str) -> bool {
        self.list.iter().any(|mistake| {
            let rest = mistake.path.strip_prefix(path);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        })
    }

    /// `value` where there is no mistake, else one configuration error that lists them all.
    pub fn into_result<T>(mut self, value: T) -> Result<T, Error> {
        if self.is_empty() {
            return Ok(value);
        }
        self.list.sort_by(|a, b| a.origin.cmp(&b.origin));
        Err(Error::configuration(self.to_string()))
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.list.len() == 1 { "mistake" } else { "mistakes" };
        write!(f, "{}: {} {plural}", self.title, self.list.len())?;
        for mistake in &self.list {
            write!(f, "\n  {}: ", mistake.origin)?;
            if !mistake.path.is_empty() {
                write!(f, "{}: ", mistake.path)?;
            }
            f.write_str(&mistake.message)?;
        }
        Ok(())
    }
}

/// The known word that `found` was probably meant to be: as near as one edit in three letters.
pub fn nearest<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let found = found.to_lowercase();
    known
        .into_iter()
        .map(|word| (strsim::damerau_levenshtein(&found, &word.to_lowercase()), word))
        .filter(|(distance, word)| *distance <= word.len().max(found.len()).div_ceil(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// `; did you mean 'word'?`, or nothing where no known word is near.
pub fn hint<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(found, known).map(|word| format!("; did you mean '{word}'?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_must_be_near() {
        assert_eq!(nearest("dataype", ["datatype", "on_disk"]), Some("datatype"));
        assert_eq!(nearest("Patches", ["patches", "pooled"]), Some("patches"));
        assert_eq!(nearest("banana", ["datatype", "on_disk"]), None);
    }
}
