//! Where the native libraries and the models are. A setting wins, then a variable, then the usual places; where nothing
//! is found, the error lists what was tried.

use std::path::{Path, PathBuf};

use super::env::{self, Environment};
use crate::error::{Error, Result};

/// A shared library that Quire loads at run time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Library {
    OnnxRuntime,
    Pdfium,
}

impl Library {
    /// What people call it.
    pub fn title(self) -> &'static str {
        match self {
            Self::OnnxRuntime => "ONNX Runtime",
            Self::Pdfium => "PDFium",
        }
    }

    /// The variable that names its path.
    pub fn variable(self) -> &'static str {
        match self {
            Self::OnnxRuntime => env::ONNXRUNTIME,
            Self::Pdfium => env::PDFIUM,
        }
    }

    /// Its key under `native` in the service configuration.
    pub fn key(self) -> &'static str {
        match self {
            Self::OnnxRuntime => "onnxruntime",
            Self::Pdfium => "pdfium",
        }
    }

    /// Its file name on this platform, as `scripts/native.py` unpacks it.
    pub fn file_name(self) -> &'static str {
        match (self, cfg!(target_os = "macos")) {
            (Self::OnnxRuntime, false) => "libonnxruntime.so",
            (Self::OnnxRuntime, true) => "libonnxruntime.dylib",
            (Self::Pdfium, false) => "libpdfium.so",
            (Self::Pdfium, true) => "libpdfium.dylib",
        }
    }
}

/// The folders from which things are looked for.
#[derive(Debug, Clone)]
pub struct Places {
    /// Folder of the program's binary.
    binary: Option<PathBuf>,
    /// The folder the program was started in.
    current: Option<PathBuf>,
    /// The source folder that the program was built from; gone on other machines.
    source: PathBuf,
}

impl Places {
    /// Those of this process.
    pub fn of_process() -> Self {
        let binary = std::env::current_exe().ok().and_then(|path| path.canonicalize().ok());
        Self {
            binary: binary.and_then(|path| path.parent().map(Path::to_path_buf)),
            current: std::env::current_dir().ok(),
            source: PathBuf::from(env!("CARGO_MANIFEST_DIR")),
        }
    }

    /// `folder` beside the binary, in `current`, in the folders above the binary, in the source folder.
    fn folders(&self, folder: &str, current: Option<&PathBuf>) -> Vec<PathBuf> {
        let mut folders: Vec<PathBuf> = Vec::new();
        let above = self.binary.iter().flat_map(|binary| binary.ancestors().skip(1));
        let near = self.binary.iter().chain(current).map(PathBuf::as_path);
        for base in near.chain(above).chain([self.source.as_path()]) {
            let candidate = base.join(folder);
            if !folders.contains(&candidate) {
                folders.push(candidate);
            }
        }
        folders
    }

    /// The path of a library: `setting`, the library's variable, beside the binary, `native/` in the usual places. The
    /// current folder is none of them: code is not taken from a folder that somebody only wanted to search.
    ///
    /// # Errors Configuration, with all that was tried, where there is none; a setting or a variable that names a
    /// missing file is not silently passed over.
    pub fn library(&self, library: Library, setting: Option<&Path>, environment: &Environment) -> Result<PathBuf> {
        let named = setting
            .map(|path| (format!("native.{}", library.key()), path.to_path_buf()))
            .or_else(|| environment.path(library.variable()).map(|path| (library.variable().to_owned(), path)));
        if let Some((name, path)) = named {
            if path.is_file() {
                return Ok(path);
            }
            return Err(Error::configuration(format!(
                "{name} is {}, which is not a file: the path of {} is expected",
                path.display(),
                library.file_name()
            )));
        }
        let beside = self.binary.iter().map(|binary| binary.join(library.file_name()));
        let candidates: Vec<PathBuf> = beside
            .chain(self.folders("native", None).into_iter().map(|folder| folder.join(library.file_name())))
            .collect();
        candidates.iter().find(|path| path.is_file()).cloned().ok_or_else(|| {
            Error::configuration(format!(
                "{} was not found: run `make setup`, or set {} to the path of {}; looked at {}",
                library.title(),
                library.variable(),
                library.file_name(),
                listed(&candidates)
            ))
        })
    }

    /// The folder of a model: `model` as a path where it contains a separator, else `<id>` in `QUIRE_MODELS`, or in
    /// `models/` in the usual places. A model's folder holds `manifest.json`.
    ///
    /// # Errors
    /// Configuration, with all that was tried and the models that do exist.
    pub fn model(&self, model: &str, environment: &Environment) -> Result<PathBuf> {
        let is_model = |path: &PathBuf| path.join(MANIFEST).is_file();
        if model.contains(std::path::MAIN_SEPARATOR) {
            let path = PathBuf::from(model);
            if is_model(&path) {
                return Ok(path);
            }
            return Err(Error::configuration(format!("{model} is not the folder of a model: it has no {MANIFEST}")));
        }
        let candidates: Vec<PathBuf> =
            self.model_folders(environment).into_iter().map(|folder| folder.join(model)).collect();
        candidates.iter().find(|path| is_model(path)).cloned().ok_or_else(|| {
            let known = self.models(environment).into_iter().map(|(id, _)| id).collect::<Vec<_>>();
            let known =
                if known.is_empty() { "none was found".into() } else { format!("there are: {}", known.join(", ")) };
            Error::configuration(format!(
                "there is no model '{model}' ({known}): name one of them, the path of a model's folder, or set {} to \
                 the folder that holds it; looked at {}",
                env::MODELS,
                listed(&candidates)
            ))
        })
    }

    /// Every model that can be named, with its folder, by name.
    pub fn models(&self, environment: &Environment) -> Vec<(String, PathBuf)> {
        let mut models: Vec<(String, PathBuf)> = Vec::new();
        for folder in self.model_folders(environment) {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let id = entry.file_name().to_string_lossy().into_owned();
                if entry.path().join(MANIFEST).is_file() && !models.iter().any(|(known, _)| *known == id) {
                    models.push((id, entry.path()));
                }
            }
        }
        models.sort();
        models
    }

    fn model_folders(&self, environment: &Environment) -> Vec<PathBuf> {
        environment.path(env::MODELS).into_iter().chain(self.folders("models", self.current.as_ref())).collect()
    }
}

/// The file that makes a folder a model.
pub const MANIFEST: &str = "manifest.json";

fn listed(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An installation in a temporary folder: `bin/` with the binary, `work/` where it runs, `clone/` as the source.
    fn places(root: &Path) -> Places {
        for folder in ["bin", "work", "clone"] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        Places { binary: Some(root.join("bin")), current: Some(root.join("work")), source: root.join("clone") }
    }

    fn put(path: &Path) -> PathBuf {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, b"x").unwrap();
        path.to_path_buf()
    }

    #[test]
    fn nearer_places_win() {
        let root = tempfile::tempdir().unwrap();
        let places = places(root.path());
        let none = Environment::default();
        let find = || places.library(Library::Pdfium, None, &none);
        let name = Library::Pdfium.file_name();

        let report = find().unwrap_err().to_string();
        assert!(report.contains("make setup") && report.contains(&*root.path().join("clone/native").to_string_lossy()));
        put(&root.path().join("work/native").join(name));
        assert!(find().is_err(), "a library was taken from the current folder");
        for place in ["clone/native", "native", "bin/native", "bin"] {
            let path = put(&root.path().join(place).join(name));
            assert_eq!(find().unwrap(), path);
        }
        let named = put(&root.path().join("elsewhere.so"));
        let environment: Environment = [(env::PDFIUM, named.as_os_str())].into_iter().collect();
        assert_eq!(places.library(Library::Pdfium, None, &environment).unwrap(), named);
    }

    #[test]
    fn a_named_file_that_is_missing_is_not_passed_over() {
        let root = tempfile::tempdir().unwrap();
        let places = places(root.path());
        put(&root.path().join("bin").join(Library::OnnxRuntime.file_name()));
        let environment: Environment = [(env::ONNXRUNTIME, "/nowhere/lib.so")].into_iter().collect();
        let report = places.library(Library::OnnxRuntime, None, &environment).unwrap_err().to_string();
        assert!(report.contains("QUIRE_ONNXRUNTIME is /nowhere/lib.so"), "{report}");
        let setting = Path::new("/nowhere/too.so");
        let report = places.library(Library::OnnxRuntime, Some(setting), &environment).unwrap_err().to_string();
        assert!(report.contains("native.onnxruntime is /nowhere/too.so"), "{report}");
    }

    #[test]
    fn models_are_named_by_folder_or_by_path() {
        let root = tempfile::tempdir().unwrap();
        let places = places(root.path());
        let none = Environment::default();
        put(&root.path().join("work/models/glyph").join(MANIFEST));
        put(&root.path().join("clone/models/other").join(MANIFEST));
        assert_eq!(places.model("glyph", &none).unwrap(), root.path().join("work/models/glyph"));
        let path = root.path().join("clone/models/other");
        assert_eq!(places.model(path.to_str().unwrap(), &none).unwrap(), path);
        let report = places.model("missing", &none).unwrap_err().to_string();
        assert!(report.contains("there are: glyph, other"), "{report}");
    }
}
