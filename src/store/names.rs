//! What a collection of the store may be called, so that every backend can keep it: as a folder, or on a server.

use crate::error::{Error, Result};

/// Longest name of a collection: 64 characters of its own and what tells its builds apart, with room to spare. Folders and
/// servers take 255.
const MAX_NAME: usize = 96;

/// # Errors
/// Configuration, if the name could not be a folder's or a server's collection.
pub(super) fn check_name(collection: &str) -> Result<()> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    if (1..=MAX_NAME).contains(&collection.len()) && collection.chars().all(allowed) {
        return Ok(());
    }
    Err(Error::configuration(format!(
        "'{collection}' is not a collection name: 1 to {MAX_NAME} of the characters a-z, 0-9, _ and - are expected"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_no_folders_are_refused() {
        for name in ["", "..", "a/b", "Upper", "späß", &"x".repeat(97)] {
            assert!(check_name(name).is_err(), "{name}");
        }
        assert!(check_name("my_docs-2").is_ok());
    }
}
