//! Where a Python wheel of Quire puts things, seen from its program `bin/quire`: models in `share/quire/` of the same
//! installation, the native libraries inside the packages that the wheel depends on.
//!
//! Never looked at: packages of a Python that Quire was not installed into. They did not come with the program.

use std::cmp::Reverse;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::Candidate;
use crate::config::native::Library;

/// The wheel's name in that of its `.dist-info` folder; `pyproject.toml` has it with a hyphen.
pub(super) const DISTRIBUTION: &str = "quire_documents";

/// Where pip puts packages: below `lib/python3.N/`, Debian's own Python in the second.
const PACKAGES: [&str; 2] = ["site-packages", "dist-packages"];

/// A wheel that was installed: into a virtual environment, for a user, or for everybody.
#[derive(Debug, Clone)]
pub(super) struct Wheel {
    /// `share/quire/` of the installation.
    pub(super) share: PathBuf,
    /// Folders of packages that Quire is among, of the newest Python first.
    packages: Vec<PathBuf>,
}

impl Wheel {
    /// The wheel that brought the program at `binary`; None where no wheel did.
    pub(super) fn of_binary(binary: &Path) -> Option<Self> {
        let prefix = binary.parent().filter(|folder| folder.ends_with("bin"))?.parent()?;
        let mut pythons: Vec<(Reverse<u32>, PathBuf)> = ["lib", "lib64"]
            .map(|name| prefix.join(name))
            .into_iter()
            // a virtual environment's lib64 leads to its lib
            .filter(|folder| !folder.is_symlink())
            .flat_map(|folder| names(&folder).map(move |name| (name.clone(), folder.join(name))))
            .filter_map(|(name, python)| Some((Reverse(name.strip_prefix("python3.")?.parse().ok()?), python)))
            .collect();
        pythons.sort();
        let folders = pythons.into_iter().flat_map(|(_, python)| PACKAGES.map(|name| python.join(name)));
        let packages: Vec<PathBuf> = folders.filter(|folder| names(folder).any(|name| is_quire(&name))).collect();
        (!packages.is_empty()).then(|| Self { share: prefix.join("share/quire"), packages })
    }

    /// Where `library` may be.
    pub(super) fn candidates(&self, library: Library) -> impl Iterator<Item = Candidate> {
        let (folder, _) = package(library);
        self.packages.iter().map(move |packages| {
            let folder = packages.join(folder);
            let found = names(&folder).find(|name| is_library(library, name));
            Candidate::new(folder, found.as_deref().unwrap_or(library.file_name()))
        })
    }

    /// What to do where `library` is not there.
    pub(super) fn remedy(library: Library) -> String {
        format!("install the Python package {} into the same environment", package(library).1)
    }
}

/// The folder of a library among packages, and the package that brings it.
fn package(library: Library) -> (&'static str, &'static str) {
    match library {
        Library::OnnxRuntime => ("onnxruntime/capi", "onnxruntime"),
        Library::Pdfium => ("pypdfium2_raw", "pypdfium2"),
    }
}

/// Whether a file of that name is the library: its own name, or one with a version, as in `libonnxruntime.so.1.31.1` and
/// `libonnxruntime.1.31.1.dylib`.
fn is_library(library: Library, name: &str) -> bool {
    let Some((stem, extension)) = library.file_name().split_once('.') else { return false };
    let Some(rest) = name.strip_prefix(stem).and_then(|rest| rest.strip_prefix('.')) else { return false };
    let versioned = |version: &str| version.chars().all(|char| char.is_ascii_digit() || char == '.');
    rest == extension
        || rest.strip_prefix(extension).is_some_and(|rest| rest.starts_with('.') && versioned(rest))
        || rest.strip_suffix(extension).is_some_and(|rest| rest.ends_with('.') && versioned(rest))
}

fn is_quire(name: &str) -> bool {
    let version = name.strip_prefix(DISTRIBUTION).and_then(|rest| rest.strip_prefix('-'));
    version.is_some() && Path::new(name).extension() == Some(OsStr::new("dist-info"))
}

/// Names of what lies in `folder`; none where it can't be read.
fn names(folder: &Path) -> impl Iterator<Item = String> + use<> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok())
}
