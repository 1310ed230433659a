//! Every environment variable that Quire reads, and the one place where they are read: once, at the edge of the
//! program. Everything below takes an [`Environment`], so that a test brings its own.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// Path of the service configuration.
pub const CONFIG: &str = "QUIRE_CONFIG";
/// Folder that holds all state; same as `data_dir` in the service configuration.
pub const DATA_DIR: &str = "QUIRE_DATA_DIR";
/// Path of the ONNX Runtime library.
pub const ONNXRUNTIME: &str = "QUIRE_ONNXRUNTIME";
/// Path of the PDFium library.
pub const PDFIUM: &str = "QUIRE_PDFIUM";
/// Folder with one folder a model.
pub const MODELS: &str = "QUIRE_MODELS";
/// `QUIRE__INGEST__MAX_ATTEMPTS` is `ingest.max_attempts` of the service configuration, and so on for every key.
pub const SETTING_PREFIX: &str = "QUIRE__";
/// Key of the answer model's endpoint, where `answer.vlm.api_key_env` names no other variable.
pub const OPENAI_API_KEY: &str = "OPENAI_API_KEY";
/// The user's folder, for paths that begin with `~/`, and for the user's own configuration where the next one is not set.
pub const HOME: &str = "HOME";
/// Folders of programs: LibreOffice is looked for there.
pub const PATH: &str = "PATH";
/// Folder of the user's own configuration: `quire/quire.yaml` in it is read.
pub const XDG_CONFIG_HOME: &str = "XDG_CONFIG_HOME";
/// Where systemd wants to hear that a service is ready.
pub const NOTIFY_SOCKET: &str = "NOTIFY_SOCKET";

/// The variables of the process, as they were when it started.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<OsString, OsString>,
}

impl Environment {
    /// Reads the variables of this process.
    pub fn read() -> Self {
        Self { variables: std::env::vars_os().collect() }
    }

    /// The value as text; None where the variable is not set or not UTF-8.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.variables.get(OsStr::new(name)).and_then(|value| value.to_str())
    }

    /// The value as a path; an empty variable counts as not set.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.variables.get(OsStr::new(name)).filter(|value| !value.is_empty()).map(PathBuf::from)
    }

    /// Every variable whose name begins with this, and its value.
    pub fn beginning_with(&self, prefix: &str) -> impl Iterator<Item = (&str, &str)> {
        let texts = self.variables.iter().filter_map(|(name, value)| Some((name.to_str()?, value.to_str()?)));
        texts.filter(move |(name, _)| name.starts_with(prefix))
    }

    /// Every `QUIRE__A__B=value`, as the variable's name, its keys in lower case (`a`, `b`), and the value.
    pub fn settings(&self) -> impl Iterator<Item = (&str, Vec<String>, &str)> {
        self.variables.iter().filter_map(|(name, value)| {
            let (name, value) = (name.to_str()?, value.to_str()?);
            let keys = name.strip_prefix(SETTING_PREFIX)?.split("__").map(str::to_lowercase).collect();
            Some((name, keys, value))
        })
    }
}

impl std::fmt::Debug for Environment {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

impl<N: Into<OsString>, V: Into<OsString>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        Self { variables: variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_split_at_double_underscores() {
        let environment: Environment =
            [("QUIRE__INGEST__MAX_ATTEMPTS", "5"), ("QUIRE_DATA_DIR", "/d")].into_iter().collect();
        let settings: Vec<_> = environment.settings().collect();
        assert_eq!(settings, [("QUIRE__INGEST__MAX_ATTEMPTS", vec!["ingest".into(), "max_attempts".into()], "5")]);
    }

    #[test]
    fn values_are_never_printed() {
        let environment: Environment = [("KEY", "secret")].into_iter().collect();
        assert_eq!(format!("{environment:?}"), r#"{"KEY"}"#);
    }
}
