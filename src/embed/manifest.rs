//! A model's manifest: what the folder holds, checked file by file before anything of it is used.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::colpali::ColPaliManifest;
use super::glyph::GlyphManifest;
use crate::error::{Error, Result};
use crate::types::{Codebook, Multivector};

/// The version that this code reads.
const MANIFEST_VERSION: u64 = 1;

/// How a family turns pages and questions into vectors is code; what varies between its models is in the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// The built-in model: what is written, found by its shape.
    Glyph,
    /// ColPali on PaliGemma, exported to ONNX: what is meant, found by a vision language model.
    ColPali,
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Glyph => "glyph",
            Self::ColPali => "colpali",
        })
    }
}

/// What others need to know of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelInfo {
    pub id: String,
    pub revision: String,
    pub family: Family,
    /// Dimensions of a patch or token vector.
    pub dim: usize,
    pub license: String,
    /// The retrieval plan that suits the model best.
    pub default_plan: Option<String>,
    /// The hierarchical pooling that costs it little.
    pub pooled_factor: Option<usize>,
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

/// Reads what a model folder says of itself; its files are not looked at.
///
/// # Errors
/// Configuration, where there is no manifest or it can't be read.
pub fn read_info(model_dir: &Path) -> Result<ModelInfo> {
    Ok(Manifest::read(model_dir)?.info)
}

/// A manifest as it was read. Its files are not checked yet: see [`Manifest::check_files`].
pub(super) struct Manifest {
    pub info: ModelInfo,
    pub family: FamilyManifest,
    files: BTreeMap<String, FileWire>,
    anchors: Option<AnchorsWire>,
}

/// The part of a manifest that only its family understands.
pub(super) enum FamilyManifest {
    Glyph(Box<GlyphManifest>),
    ColPali(Box<ColPaliManifest>),
}

#[derive(Deserialize)]
struct Wire {
    id: String,
    revision: String,
    family: Family,
    dim: usize,
    license: String,
    files: BTreeMap<String, FileWire>,
    anchors: Option<AnchorsWire>,
    pooled: Option<PooledWire>,
    default_plan: Option<String>,
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
    /// Reads `manifest.json` of a model folder.
    ///
    /// # Errors
    /// Configuration, where it is missing, of another version or family, or not what its family needs.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("manifest.json");
        let bytes = std::fs::read(&path).map_err(|error| {
            let message = format!("{} is not a model folder: its manifest.json cannot be read", folder.display());
            Error::configuration(message).with_source(error)
        })?;
        let wrong = |what: String| Error::configuration(format!("{}: {what}", path.display()));
        let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
        let version = value.get("manifest_version").and_then(serde_json::Value::as_u64);
        if version != Some(MANIFEST_VERSION) {
            let found = version.map_or_else(|| "missing".to_owned(), |version| version.to_string());
            return Err(wrong(format!(
                "manifest_version is {found}, and this Quire reads {MANIFEST_VERSION}: use a model of its release"
            )));
        }
        let wire: Wire = serde_json::from_value(value.clone()).map_err(|error| wrong(error.to_string()))?;
        if wire.dim == 0 || wire.files.keys().any(|name| Path::new(name).file_name() != Some(name.as_ref())) {
            return Err(wrong("dim must be positive, and files must be plain names in the folder".into()));
        }
        let family = match wire.family {
            Family::Glyph => FamilyManifest::Glyph(Box::new(GlyphManifest::read(value).map_err(wrong)?)),
            Family::ColPali => FamilyManifest::ColPali(Box::new(ColPaliManifest::read(value).map_err(wrong)?)),
        };
        let info = ModelInfo {
            id: wire.id,
            revision: wire.revision,
            family: wire.family,
            dim: wire.dim,
            license: wire.license,
            default_plan: wire.default_plan,
            pooled_factor: wire.pooled.map(|pooled| pooled.factor),
            has_codebook: wire.anchors.is_some(),
            manifest_sha256: hex::encode(Sha256::digest(&bytes)),
            bytes: wire.files.values().map(|file| file.bytes).sum(),
            folder: folder.to_path_buf(),
        };
        Ok(Self { info, family, files: wire.files, anchors: wire.anchors })
    }

    /// Names of the files that the manifest vouches for.
    pub fn file_names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// Checks size and SHA-256 of every file, a piece at a time: weights may be larger than memory.
    ///
    /// # Errors
    /// Configuration, naming the first file that is missing or differs, what was found and what was expected.
    pub fn check_files(&self) -> Result<()> {
        self.file_names().try_for_each(|name| self.check_file(name))
    }

    fn check_file(&self, name: &str) -> Result<()> {
        let path = self.path_of(name)?;
        let (sha256, bytes) = hash_file(&path).map_err(|error| unreadable(&path, error))?;
        self.compare(name, &path, &sha256, bytes)
    }

    /// Reads one file and checks it: for small ones.
    ///
    /// # Errors
    /// As [`Self::check_files`]; also where the manifest does not list the file.
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
    /// Configuration, where the manifest does not list the file.
    pub fn path_of(&self, name: &str) -> Result<PathBuf> {
        if self.files.contains_key(name) {
            return Ok(self.info.folder.join(name));
        }
        Err(Error::configuration(format!(
            "the manifest of {} uses the file '{name}' but does not list it among its files",
            self.info.folder.display()
        )))
    }

    /// The anchor codebook, where the model has one.
    ///
    /// # Errors
    /// Configuration, where its file does not hold what the manifest says.
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

/// SHA-256 as hexadecimal digits, and the size.
fn hash_file(path: &Path) -> io::Result<(String, u64)> {
    /// Large enough that reading costs no more than hashing.
    const PIECE_BYTES: usize = 1 << 20;
    let mut file = File::open(path)?;
    let (mut hash, mut size) = (Sha256::new(), 0u64);
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok((hex::encode(hash.finalize()), size)),
            Ok(read) => {
                hash.update(&piece[..read]);
                size += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    Error::configuration(format!("model file {} cannot be read: restore the model folder", path.display()))
        .with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A model folder with the manifest of the glyph family's tests, changed by `change`, and small files that fit it.
    fn folder(change: impl FnOnce(&mut serde_json::Value)) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let mut manifest: serde_json::Value = serde_json::from_str(crate::embed::glyph::TEST_MANIFEST).unwrap();
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
        manifest.check_files().unwrap();
        assert_eq!((manifest.info.id.as_str(), manifest.info.dim), ("test-glyph", 2));
        let codebook = manifest.codebook().unwrap().unwrap();
        assert_eq!(codebook.entries.as_slice(), [1.0, 0.0, 0.0, 1.0]);
        assert_eq!((codebook.page_top, codebook.question_top), (2, 8));
    }

    #[test]
    fn a_changed_file_is_named_with_both_hashes() {
        let folder = folder(|_| ());
        std::fs::write(folder.path().join("stopwords.txt"), "of\n\n").unwrap();
        let message = Manifest::read(folder.path()).unwrap().check_files().unwrap_err().to_string();
        assert!(message.contains("stopwords.txt") && message.matches("SHA-256").count() == 2, "{message}");
    }

    #[test]
    fn a_file_of_many_pieces_has_the_hash_of_the_whole() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let bytes: Vec<u8> = (0..(5 << 20) / 2 + 7).map(|at: u32| (at % 251) as u8).collect();
        std::fs::write(file.path(), &bytes).unwrap();
        let whole = hex::encode(Sha256::digest(&bytes));
        assert_eq!(hash_file(file.path()).unwrap(), (whole, bytes.len() as u64));
    }

    #[test]
    fn other_versions_paths_and_folders_are_refused() {
        for (change, says) in [
            ((|m| m["manifest_version"] = 2.into()) as fn(&mut serde_json::Value), "manifest_version is 2"),
            (|m| _ = m.as_object_mut().unwrap().remove("manifest_version"), "manifest_version is missing"),
            (|m| m["files"]["../x"] = serde_json::json!({"sha256": "", "bytes": 0}), "plain names"),
            (|m| m["family"] = "palm".into(), "palm"),
            (|m| m["page"]["luma"] = "other".into(), "page.luma"),
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
