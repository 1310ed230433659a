//! Checks and conversions that the service configuration and pipelines share.

use std::path::{Path, PathBuf};

use schemars::{Schema, SchemaGenerator, json_schema};

use super::env::{self, Environment};
use super::report::Mistakes;
use super::tree::Node;
use crate::error::Error;

/// Longest name of a collection or a plan.
const MAX_NAME: usize = 64;

/// How a tier of memory may be written.
pub(super) fn tier(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "enum": ["cold", "cached", "pinned"] })
}

/// The same of what a server never pins: vectors and payloads as they were written.
pub(super) fn tier_of_raw(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "enum": ["cold", "cached"] })
}

/// A path as it is written: `~/` is the user's folder; a relative path starts at `folder` (of the file it stands in),
/// or in the current folder where there is none.
pub(super) fn resolve(text: &str, folder: Option<&Path>, environment: &Environment) -> PathBuf {
    if let Some(rest) = text.strip_prefix("~/")
        && let Some(home) = environment.path(env::HOME)
    {
        return home.join(rest);
    }
    match folder {
        Some(folder) if !folder.as_os_str().is_empty() => folder.join(text.strip_prefix("./").unwrap_or(text)),
        _ => PathBuf::from(text),
    }
}

/// A model as it is written: a path, where it contains a separator, starts at `folder`; a name stays as it is.
pub(super) fn resolve_model(text: &str, folder: Option<&Path>, environment: &Environment) -> String {
    if text.contains(std::path::MAIN_SEPARATOR) {
        resolve(text, folder, environment).to_string_lossy().into_owned()
    } else {
        text.to_owned()
    }
}

/// Whether a name is 1 to 64 letters, digits, '-', '_' and '.', a letter or digit first: names become folder names, parts of URLs and
/// arguments.
pub fn is_name(name: &str) -> bool {
    let allowed = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.');
    name.len() <= MAX_NAME && name.starts_with(|first: char| first.is_ascii_alphanumeric()) && name.chars().all(allowed)
}

/// Says where a name is none.
pub(super) fn check_name(name: &str, path: &str, root: &Node, mistakes: &mut Mistakes) {
    if !is_name(name) {
        let found = root.written(path).unwrap_or(name);
        mistakes.add(
            root.locate(path),
            path,
            format!(
                "found '{found}', a name is expected: 1 to {MAX_NAME} letters, digits, '-', '_' and '.', a letter or \
                 digit first"
            ),
        );
    }
}

/// A configuration file that can't be read.
pub(super) fn unreadable(path: &Path, error: std::io::Error) -> Error {
    let message = match error.kind() {
        std::io::ErrorKind::NotFound => format!("there is no file {}", path.display()),
        std::io::ErrorKind::InvalidData => format!("{} is not a text file in UTF-8", path.display()),
        _ => format!("cannot read {}", path.display()),
    };
    Error::configuration(message).with_source(error)
}
