//! A model's manifest: what the folder holds, checked file by file before anything of it is used.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::hashes::FileHashes;
use crate::error::{Error, Result};
use crate::types::{Codebook, Multivector};

/// The version that this code reads.
const MANIFEST_VERSION: u64 = 1;

/// What others need to know of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelInfo {
    pub id: String,
    pub revision: String,
    /// The name of its family: `glyph`, `colpali`.
    pub family: String,
    /// Dimensions of a patch or token vector.
    pub dim: usize,
    pub license: String,
    /// The retrieval plan that suits the model best.
    pub default_plan: Option<String>,
    /// The hierarchical pooling that costs it little.
    pub pooled_factor: Option<usize>,
    /// Cosine of a question's word with a page's nearest patch from which on the page shows the word; None for models whose
    /// tokens are no words.
    pub seen_from: Option<f32>,
    /// Whether `anchors` can be derived.
    pub has_codebook: bool,
    /// SHA-256 of manifest.json, 64 hexadecimal digits: part of the recipe.
    pub manifest_sha256: String,
    /// Size of all files together.
    pub bytes: u64,
    pub folder: PathBuf,
}

impl ModelInfo {
    /// `id@revision`: names the model in payloads and definitions.
    pub fn name(&self) -> String {
        format!("{}@{}", self.id, self.revision)
    }
}

/// A manifest as it was read. Its files are not checked yet: see [`Manifest::check_files`].
pub(super) struct Manifest {
    pub info: ModelInfo,
    /// All of it: its family reads what only that knows.
    pub json: Value,
    files: BTreeMap<String, FileWire>,
    anchors: Option<AnchorsWire>,
}

#[derive(Deserialize)]
struct Wire {
    id: String,
    revision: String,
    family: String,
    dim: usize,
    license: String,
    files: BTreeMap<String, FileWire>,
    anchors: Option<AnchorsWire>,
    pooled: Option<PooledWire>,
    default_plan: Option<String>,
    answer: Option<AnswerWire>,
}

/// How answers read the model's cosines; `benches/answers/calibrate.py` finds the numbers.
#[derive(Deserialize)]
struct AnswerWire {
    seen_from: f32,
}

#[derive(Deserialize)]
struct FileWire {
    sha256: String,
    bytes: u64,
}

#[derive(Deserialize)]
struct AnchorsWire {
    file: String,
    dtype: String,
    entries: usize,
    page_top: usize,
    question_top: usize,
    power: f32,
}

#[derive(Deserialize)]
struct PooledWire {
    factor: usize,
}

impl Manifest {
    /// Reads `manifest.json` of a model folder; whether its family knows what to do with it, `families.rs` finds out.
    ///
    /// # Errors
    /// Configuration, if it is missing, of another version, or no manifest.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = manifest_path(folder);
        let bytes = std::fs::read(&path).map_err(|error| {
            let message = format!("{} is not a model folder: its manifest.json cannot be read", folder.display());
            Error::configuration(message).with_source(error)
        })?;
        let wrong = |what: String| wrong_manifest(folder, &what);
        let json: Value = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
        let version = json.get("manifest_version").and_then(Value::as_u64);
        if version != Some(MANIFEST_VERSION) {
            let found = version.map_or_else(|| "missing".to_owned(), |version| version.to_string());
            return Err(wrong(format!(
                "manifest_version is {found}, and this Quire reads {MANIFEST_VERSION}: use a model of its release"
            )));
        }
        let wire = Wire::deserialize(&json).map_err(|error| wrong(error.to_string()))?;
        if wire.dim == 0 || wire.files.keys().any(|name| Path::new(name).file_name() != Some(name.as_ref())) {
            return Err(wrong("dim must be positive, and files must be plain names in the folder".into()));
        }
        let info = ModelInfo {
            id: wire.id,
            revision: wire.revision,
            family: wire.family,
            dim: wire.dim,
            license: wire.license,
            default_plan: wire.default_plan,
            pooled_factor: wire.pooled.map(|pooled| pooled.factor),
            seen_from: wire.answer.map(|answer| answer.seen_from),
            has_codebook: wire.anchors.is_some(),
            manifest_sha256: hex::encode(Sha256::digest(&bytes)),
            bytes: wire.files.values().map(|file| file.bytes).sum(),
            folder: folder.to_path_buf(),
        };
        Ok(Self { info, json, files: wire.files, anchors: wire.anchors })
    }

    /// An error about what the manifest says.
    pub fn wrong(&self, what: impl AsRef<str>) -> Error {
        wrong_manifest(&self.info.folder, what.as_ref())
    }

    /// Names of the files that the manifest vouches for.
    pub fn file_names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// Checks size and SHA-256 of every file, a piece at a time: weights may be larger than memory. `hash_cache`: folder that
    /// remembers the hashes of large files until they change.
    ///
    /// # Errors
    /// Configuration, naming the first file that is missing or differs, what was found and what was expected.
    pub fn check_files(&self, hash_cache: Option<&Path>) -> Result<()> {
        let mut hashes = FileHashes::open(hash_cache);
        let checked = self.file_names().try_for_each(|name| {
            let path = self.path_of(name)?;
            let (sha256, bytes) = hashes.sha256(&path).map_err(|error| unreadable(&path, error))?;
            self.compare(name, &path, &sha256, bytes)
        });
        hashes.save();
        checked
    }

    /// Reads one file and checks it: for small ones.
    ///
    /// # Errors
    /// As [`Self::check_files`]; also if the manifest does not list the file.
    pub fn bytes_of(&self, name: &str) -> Result<Vec<u8>> {
        let path = self.path_of(name)?;
        let bytes = std::fs::read(&path).map_err(|error| unreadable(&path, error))?;
        self.compare(name, &path, &hex::encode(Sha256::digest(&bytes)), bytes.len() as u64)?;
        Ok(bytes)
    }

    fn compare(&self, name: &str, path: &Path, sha256: &str, bytes: u64) -> Result<()> {
        let expected = &self.files[name];
        if bytes == expected.bytes && sha256.eq_ignore_ascii_case(&expected.sha256) {
            return Ok(());
        }
        Err(Error::configuration(format!(
            "model file {} has {bytes} bytes of SHA-256 {sha256}, and its manifest expects {} bytes of SHA-256 {}: \
             restore the model folder",
            path.display(),
            expected.bytes,
            expected.sha256
        )))
    }

    /// # Errors
    /// Configuration, if the manifest does not list the file.
    pub fn path_of(&self, name: &str) -> Result<PathBuf> {
        if self.files.contains_key(name) {
            return Ok(self.info.folder.join(name));
        }
        Err(Error::configuration(format!(
            "the manifest of {} uses the file '{name}' but does not list it among its files",
            self.info.folder.display()
        )))
    }

    /// The anchor codebook, if the model has one.
    ///
    /// # Errors
    /// Configuration, if its file does not hold what the manifest says.
    pub fn codebook(&self) -> Result<Option<Codebook>> {
        let Some(anchors) = &self.anchors else { return Ok(None) };
        let bytes = self.bytes_of(&anchors.file)?;
        let dim = self.info.dim;
        if anchors.dtype != "float16-le" || bytes.len() != anchors.entries * dim * 2 {
            return Err(Error::configuration(format!(
                "codebook {} has {} bytes of {}, expected {} entries of {dim} values of float16-le",
                anchors.file,
                bytes.len(),
                anchors.dtype,
                anchors.entries
            )));
        }
        let values: Vec<f32> =
            bytes.chunks_exact(2).map(|pair| half::f16::from_le_bytes([pair[0], pair[1]]).to_f32()).collect();
        Ok(Some(Codebook {
            entries: Multivector::new(dim, values)?,
            page_top: anchors.page_top,
            question_top: anchors.question_top,
            question_power: anchors.power,
            rounded: std::sync::OnceLock::new(),
        }))
    }
}

fn manifest_path(folder: &Path) -> PathBuf {
    folder.join("manifest.json")
}

fn wrong_manifest(folder: &Path, what: &str) -> Error {
    Error::configuration(format!("{}: {what}", manifest_path(folder).display()))
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    Error::configuration(format!("model file {} cannot be read: restore the model folder", path.display()))
        .with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A model folder with the manifest of the glyph family's tests, changed by `change`, and small files that fit it.
    fn folder(change: impl FnOnce(&mut Value)) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let mut manifest: Value = serde_json::from_str(include_str!("glyph/test_manifest.json")).unwrap();
        let anchors: Vec<u8> =
            [1.0, 0.0, 0.0, 1.0].iter().flat_map(|&v| half::f16::from_f32(v).to_le_bytes()).collect();
        for (name, bytes) in [("anchors.f16", anchors), ("stopwords.txt", b"the\n".to_vec())] {
            std::fs::write(folder.path().join(name), &bytes).unwrap();
            let entry = serde_json::json!({"sha256": hex::encode(Sha256::digest(&bytes)), "bytes": bytes.len()});
            manifest["files"][name] = entry;
        }
        change(&mut manifest);
        std::fs::write(folder.path().join("manifest.json"), manifest.to_string()).unwrap();
        folder
    }

    #[test]
    fn a_good_folder_is_read() {
        let folder = folder(|_| ());
        let manifest = Manifest::read(folder.path()).unwrap();
        manifest.check_files(None).unwrap();
        assert_eq!((manifest.info.id.as_str(), manifest.info.dim), ("test-glyph", 2));
        let codebook = manifest.codebook().unwrap().unwrap();
        assert_eq!(codebook.entries.as_slice(), [1.0, 0.0, 0.0, 1.0]);
        assert_eq!((codebook.page_top, codebook.question_top), (2, 8));
    }

    #[test]
    fn a_changed_file_is_named_with_both_hashes() {
        let folder = folder(|_| ());
        std::fs::write(folder.path().join("stopwords.txt"), "of\n\n").unwrap();
        let message = Manifest::read(folder.path()).unwrap().check_files(None).unwrap_err().to_string();
        assert!(message.contains("stopwords.txt") && message.matches("SHA-256").count() == 2, "{message}");
    }

    #[test]
    fn other_versions_paths_and_folders_are_refused() {
        for (change, says) in [
            ((|m| m["manifest_version"] = 2.into()) as fn(&mut Value), "manifest_version is 2"),
            (|m| _ = m.as_object_mut().unwrap().remove("manifest_version"), "manifest_version is missing"),
            (|m| m["files"]["../x"] = serde_json::json!({"sha256": "", "bytes": 0}), "plain names"),
        ] {
            let message = Manifest::read(folder(change).path()).err().unwrap().to_string();
            assert!(message.contains(says), "{message}");
        }
        let empty = tempfile::tempdir().unwrap();
        assert!(Manifest::read(empty.path()).err().unwrap().to_string().contains("is not a model folder"));
    }

    #[test]
    fn a_codebook_of_another_size_is_refused() {
        let folder = folder(|manifest| manifest["anchors"]["entries"] = 3.into());
        let message = Manifest::read(folder.path()).unwrap().codebook().unwrap_err().to_string();
        assert!(message.contains("8 bytes") && message.contains("3 entries"), "{message}");
    }
}
