//! The files of the service configuration: which of them are read, and who chose them.

use std::path::{Path, PathBuf};

use super::check::found;
use super::env::{self, Environment};
use super::interpolate::{Variables, interpolate};
use super::report::Mistakes;
use super::tree::{self, Node, Value};
use super::trust;
use super::values::unreadable;
use crate::error::Result;

/// The name that is looked for in a folder.
const NAME: &str = "quire.yaml";

/// A file of the service configuration.
#[derive(Debug)]
pub(super) struct ConfigFile {
    path: PathBuf,
    text: String,
    /// The user named it, or it lies in the user's own configuration folder.
    chosen: bool,
}

impl ConfigFile {
    /// The files that count, each over those before it. `named`, the file that the user names, stands alone; else the
    /// user's own file counts, and over it the one in the folder `current`.
    ///
    /// # Errors
    /// Configuration: a file that can't be read, or the named one is not there.
    pub(super) fn find(current: &Path, named: Option<PathBuf>, environment: &Environment) -> Result<Vec<Self>> {
        if let Some(path) = named {
            return Ok(vec![Self::read(path, true)?]);
        }
        let user = user_file(environment).filter(|path| path.is_file());
        let here = Some(current.join(NAME)).filter(|path| path.is_file() && !user.iter().any(|user| same(user, path)));
        let user = user.map(|path| Self::read(path, true));
        let here = here.map(|path| Self::read(path, false));
        user.into_iter().chain(here).collect()
    }

    fn read(path: PathBuf, chosen: bool) -> Result<Self> {
        let text = std::fs::read_to_string(&path).map_err(|error| unreadable(&path, error))?;
        Ok(Self { path, text, chosen })
    }

    /// A file that the user chose.
    #[cfg(test)]
    pub(super) fn chosen(path: &str, text: &str) -> Self {
        Self { path: path.into(), text: text.into(), chosen: true }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What it says, with variables put in. None where that can't be told; what is wrong is in `mistakes`.
    pub(super) fn tree(&self, environment: &Environment, mistakes: &mut Mistakes) -> Option<Node> {
        let mut root = tree::parse(&self.text, &self.path, mistakes)?;
        if !matches!(root.value, Value::Map(_)) {
            mistakes.add(&root.origin, "", format!("found {}, a set of keys is expected", found(&root)));
            return None;
        }
        if self.chosen {
            interpolate(&mut root, Variables::Of(environment), "", mistakes);
        } else {
            let remedy = remedy(environment);
            trust::check(&root, &remedy, mistakes);
            interpolate(&mut root, Variables::Refused(&format!("puts a variable in; {remedy}")), "", mistakes);
        }
        Some(root)
    }
}

/// The file in the user's own configuration folder. A folder that is not an absolute path would be one below the current
/// folder: it does not count.
pub(super) fn user_file(environment: &Environment) -> Option<PathBuf> {
    let absolute = |name| environment.path(name).filter(|path| path.is_absolute());
    let folder = absolute(env::XDG_CONFIG_HOME).or_else(|| Some(absolute(env::HOME)?.join(".config")))?;
    Some(folder.join("quire").join(NAME))
}

/// Where that may stand which a file of the current folder may not say.
fn remedy(environment: &Environment) -> String {
    let own = user_file(environment).map(|path| format!("write it into {}, or ", path.display())).unwrap_or_default();
    format!(
        "a file that merely lies in the current folder may not do that: {own}name the file with --config or {}",
        env::CONFIG
    )
}

fn same(one: &Path, other: &Path) -> bool {
    one.canonicalize().ok().is_some_and(|one| other.canonicalize().is_ok_and(|other| one == other))
}
