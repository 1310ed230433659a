//! What is remembered of documents on the web, so that an unchanged one is not sent again: what the server said of the version, and
//! the hash of the bytes that it sent with it. A file of the data folder; lost, it costs a fetch of everything, and nothing else.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use reqwest::header::{ETAG, HeaderMap, HeaderName, LAST_MODIFIED};
use serde::{Deserialize, Serialize};

use crate::durable::durable_write;
use crate::error::{Error, Result};
use crate::types::ContentHash;

/// Longer ones are not kept.
const MAX_BYTES: usize = 1_024;

/// What a server says of a version, for it to compare.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validators {
    pub etag: Option<String>,
    pub last_modified: Option<String>,
}

impl Validators {
    pub fn of(headers: &HeaderMap) -> Self {
        let text = |name: HeaderName| {
            let value = headers.get(name)?.to_str().ok()?;
            (!value.is_empty() && value.len() <= MAX_BYTES).then(|| value.to_owned())
        };
        Self { etag: text(ETAG), last_modified: text(LAST_MODIFIED) }
    }

    fn is_empty(&self) -> bool {
        self.etag.is_none() && self.last_modified.is_none()
    }
}

/// A version that was fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    #[serde(flatten)]
    pub validators: Validators,
    pub content_hash: ContentHash,
}

/// Versions by URI.
pub struct Memory {
    /// None: nothing outlives the process.
    file: Option<PathBuf>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    versions: BTreeMap<String, Remembered>,
    is_read: bool,
    is_saved: bool,
}

impl Memory {
    pub fn new(file: Option<PathBuf>) -> Self {
        Self { file, known: Mutex::new(Known { is_saved: true, ..Known::default() }) }
    }

    /// Reads the file, once. One that is no more what was written counts as none: everything is fetched again, and that is no error. Blocks.
    pub fn load(&self) -> Result<()> {
        let mut known = self.lock();
        if let Some(file) = self.file.as_ref().filter(|_| !known.is_read) {
            let versions = std::fs::read(file).ok().and_then(|text| serde_json::from_slice(&text).ok());
            known.versions = versions.unwrap_or_default();
        }
        known.is_read = true;
        Ok(())
    }

    pub fn get(&self, uri: &str) -> Option<Remembered> {
        self.lock().versions.get(uri).cloned()
    }

    /// A version that says nothing of itself is not worth remembering.
    pub fn put(&self, uri: &str, version: Remembered) {
        let mut known = self.lock();
        let before = match version.validators.is_empty() {
            true => known.versions.remove(uri),
            false => known.versions.insert(uri.to_owned(), version.clone()),
        };
        known.is_saved &= before.as_ref() == Some(&version) || (before.is_none() && version.validators.is_empty());
    }

    /// Blocks.
    ///
    /// # Errors
    /// The data folder can't be written.
    pub fn save(&self) -> Result<()> {
        let mut known = self.lock();
        if let Some(file) = self.file.as_ref().filter(|_| !known.is_saved) {
            let text = serde_json::to_vec(&known.versions)
                .map_err(|error| Error::bug("versions of documents can't be written as JSON").with_source(error))?;
            durable_write(file, &text)?;
        }
        known.is_saved = true;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_outlive_the_process_and_a_broken_file_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("web.json");
        let of = |etag: Option<&str>| Remembered {
            validators: Validators { etag: etag.map(str::to_owned), last_modified: None },
            content_hash: ContentHash::of(b"a"),
        };
        let memory = Memory::new(Some(file.clone()));
        memory.load().unwrap();
        memory.put("https://a/", of(Some("\"1\"")));
        memory.put("https://b/", of(None));
        memory.save().unwrap();
        let again = Memory::new(Some(file.clone()));
        again.load().unwrap();
        assert_eq!((again.get("https://a/"), again.get("https://b/")), (Some(of(Some("\"1\""))), None));
        again.put("https://a/", of(None));
        again.save().unwrap();
        let third = Memory::new(Some(file.clone()));
        third.load().unwrap();
        assert_eq!(third.get("https://a/"), None, "its server tells versions apart no more");
        std::fs::write(&file, "{").unwrap();
        let broken = Memory::new(Some(file));
        broken.load().unwrap();
        assert_eq!(broken.get("https://a/"), None);
    }
}
