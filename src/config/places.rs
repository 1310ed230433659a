//! Where the native libraries and the models are. A setting wins, then a variable, then what came with the program: what
//! lies beside its binary, or, where the binary lies in cargo's `target/` of a clone, in the clone, or, where pip installed
//! it, what pip installed with it (`wheel.rs`). Where nothing is found, the error lists what was tried.
//!
//! Never looked at: the current folder, for somebody may only have wanted to search it; any folder of the machine that the
//! binary was built on, for on another machine it is anybody's; the folders above the binary, for in most of them, such as
//! /tmp, anybody may put a `native/`. For the same reason what is found counts only if it belongs to whoever owns the
//! program, or to root, and not everybody may write to it.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, MAIN_SEPARATOR, Path, PathBuf};

use self::wheel::Wheel;
use super::env::{self, Environment};
use super::native::Library;
use crate::error::{Error, Result};

mod wheel;

/// The file that makes a folder a model.
const MANIFEST: &str = "manifest.json";

/// Folders above the binary in which one named `target` is cargo's: `target/release/`, `target/<triple>/release/`, and
/// `target/release/deps/`.
const DEPTH_IN_TARGET: usize = 3;

/// The bit of a file's mode that lets everybody write.
const WRITABLE_BY_ALL: u32 = 0o002;

/// The folders that came with the program.
#[derive(Debug, Clone)]
pub struct Places {
    /// Nearest first.
    folders: Vec<PathBuf>,
    /// What pip installed with the program.
    wheel: Option<Wheel>,
    /// User id of whoever owns the program: who could have changed the program itself may bring its libraries.
    owner: Option<u32>,
}

impl Places {
    /// Those of this process.
    pub fn of_process() -> Self {
        match std::env::current_exe().and_then(|binary| binary.canonicalize()) {
            Ok(binary) => Self::of_binary(&binary),
            Err(_) => Self { folders: Vec::new(), wheel: None, owner: None },
        }
    }

    /// Those of a program at `binary`.
    fn of_binary(binary: &Path) -> Self {
        let beside = binary.parent();
        let target = binary.ancestors().skip(1).take(DEPTH_IN_TARGET).find(|folder| folder.ends_with("target"));
        let clone = target.and_then(Path::parent);
        Self {
            folders: beside.into_iter().chain(clone).map(Path::to_path_buf).collect(),
            wheel: Wheel::of_binary(binary),
            owner: binary.metadata().ok().map(|metadata| metadata.uid()),
        }
    }

    /// Whether `path` is there, and nobody but the owner of the program and root can have put it there.
    fn is_ours(&self, path: &Path) -> bool {
        let ours = |metadata: Metadata| {
            let by_us = metadata.uid() == 0 || Some(metadata.uid()) == self.owner;
            by_us && metadata.mode() & WRITABLE_BY_ALL == 0
        };
        path.metadata().is_ok_and(ours)
    }

    /// The path of a library: `setting`, the library's variable, beside the binary or in `native/` there, in `native/` of
    /// the clone, in the Python package that brings it.
    ///
    /// # Errors
    /// Configuration, with all that was tried, where there is none; a setting or a variable that names a missing file is
    /// not silently passed over.
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
        let beside = self.folders.first().cloned();
        let folders = beside.into_iter().chain(self.folders.iter().map(|folder| folder.join("native")));
        let beside = folders.map(|folder| Candidate::new(folder, library.file_name()));
        let installed = self.wheel.iter().flat_map(|wheel| wheel.candidates(library));
        let candidates: Vec<Candidate> = beside.chain(installed).collect();
        self.choose(&candidates, Path::is_file).ok_or_else(|| {
            let remedy = self.wheel.as_ref().map_or_else(|| "run `make setup`".into(), |_| Wheel::remedy(library));
            Error::configuration(format!(
                "{} was not found: {remedy}, or set {} to the path of {}; {}",
                library.title(),
                library.variable(),
                library.file_name(),
                tried(&candidates)
            ))
        })
    }

    /// Where LibreOffice may be: in the folders of `PATH`, which the user chose, and where distributions and its makers put it.
    pub fn office(environment: &Environment) -> Vec<PathBuf> {
        const NAMES: [&str; 2] = ["soffice", "libreoffice"];
        const USUAL: [&str; 6] = [
            "/usr/bin/soffice",
            "/usr/local/bin/soffice",
            "/usr/lib/libreoffice/program/soffice",
            "/usr/lib64/libreoffice/program/soffice",
            "/opt/libreoffice/program/soffice",
            "/Applications/LibreOffice.app/Contents/MacOS/soffice",
        ];
        let path = environment.path(env::PATH).unwrap_or_default();
        // A relative one means the current folder, where anybody's program may lie.
        let chosen = std::env::split_paths(&path).filter(|folder| folder.is_absolute());
        let chosen = chosen.flat_map(|folder| NAMES.map(|name| folder.join(name)));
        chosen.chain(USUAL.map(PathBuf::from)).collect()
    }

    /// The folder of a model: `model` as a path where it contains a separator, else the folder of that name in
    /// `QUIRE_MODELS`, or in `models/` of what came with the program. A model's folder holds `manifest.json`.
    ///
    /// # Errors
    /// Configuration, with all that was tried and the models that do exist.
    pub fn model(&self, model: &str, environment: &Environment) -> Result<PathBuf> {
        if model.contains(MAIN_SEPARATOR) {
            let path = PathBuf::from(model);
            if is_model(&path) {
                return Ok(path);
            }
            return Err(Error::configuration(format!("{model} is not the folder of a model: it has no {MANIFEST}")));
        }
        if !matches!(Path::new(model).components().next(), Some(Component::Normal(_))) {
            return Err(Error::configuration(format!(
                "'{model}' is not the name of a model: write the path of its folder, such as ./{model}"
            )));
        }
        let chosen = environment.path(env::MODELS).map(|folder| Candidate::new(folder, model));
        if let Some(found) = chosen.iter().map(Candidate::path).find(|path| is_model(path)) {
            return Ok(found);
        }
        let candidates: Vec<Candidate> = self.model_folders().map(|folder| Candidate::new(folder, model)).collect();
        self.choose(&candidates, is_model).ok_or_else(|| {
            let known = self.models(environment).into_iter().map(|(id, _)| id).collect::<Vec<_>>();
            let known =
                if known.is_empty() { "none was found".into() } else { format!("there are: {}", known.join(", ")) };
            let candidates: Vec<Candidate> = chosen.into_iter().chain(candidates).collect();
            Error::configuration(format!(
                "there is no model '{model}' ({known}): name one of them, the path of a model's folder, or set {} to \
                 the folder that holds it; {}",
                env::MODELS,
                tried(&candidates)
            ))
        })
    }

    /// Every model that can be named, with its folder, by name.
    pub fn models(&self, environment: &Environment) -> Vec<(String, PathBuf)> {
        let mut models: Vec<(String, PathBuf)> = Vec::new();
        let ours = self.model_folders().filter(|folder| self.is_ours(folder)).map(|folder| (folder, false));
        let chosen = environment.path(env::MODELS).map(|folder| (folder, true));
        for (folder, chosen) in chosen.into_iter().chain(ours) {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let (id, path) = (entry.file_name().to_string_lossy().into_owned(), entry.path());
                let counts = is_model(&path) && (chosen || self.is_ours(&path));
                if counts && !models.iter().any(|(known, _)| *known == id) {
                    models.push((id, path));
                }
            }
        }
        models.sort();
        models
    }

    fn model_folders(&self) -> impl Iterator<Item = PathBuf> {
        let shared = self.wheel.iter().map(|wheel| &wheel.share);
        self.folders.iter().chain(shared).map(|folder| folder.join("models"))
    }

    /// The first that is what it should be, and ours, with its folder.
    fn choose(&self, candidates: &[Candidate], is_it: impl Fn(&Path) -> bool) -> Option<PathBuf> {
        let counts = |candidate: &&Candidate| {
            let path = candidate.path();
            is_it(&path) && self.is_ours(&candidate.folder) && self.is_ours(&path)
        };
        candidates.iter().find(counts).map(Candidate::path)
    }
}

/// A place where something may be.
struct Candidate {
    folder: PathBuf,
    name: String,
}

impl Candidate {
    fn new(folder: PathBuf, name: &str) -> Self {
        Self { folder, name: name.to_owned() }
    }

    fn path(&self) -> PathBuf {
        self.folder.join(&self.name)
    }
}

fn is_model(folder: &Path) -> bool {
    folder.join(MANIFEST).is_file()
}

/// What was tried, and why it was passed over if it is there.
fn tried(candidates: &[Candidate]) -> String {
    let listed = candidates.iter().map(|candidate| {
        let path = candidate.path();
        let passed_over = if path.exists() { " (which others than the owner of the program may change)" } else { "" };
        format!("{}{passed_over}", path.display())
    });
    format!("looked at {}", listed.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests;
