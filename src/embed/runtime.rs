//! ONNX Runtime, loaded once from a shared library that is named by its path, and never before it is forbidden to report
//! to its maker.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ort::LoadDynamicError;
use ort::environment::Environment;
use ort::logging::LogLevel;

use crate::error::{Error, Result};

/// The process's one environment and where its library came from.
static LOADED: Mutex<Option<(PathBuf, Environment)>> = Mutex::new(None);

/// ONNX Runtime's builds report their use to their maker over the network since 1.29. Switching that off in an environment
/// that exists ([`ort::environment::EnvironmentBuilder::with_telemetry`]) comes too late: it has written to the user's cache
/// and asked for an address by then. This variable, set before the library is loaded, stops all of it
/// (<https://github.com/microsoft/onnxruntime/pull/27379>).
const NO_TELEMETRY: (&str, &str) = ("ORT_DISABLE_TELEMETRY", "1");

/// Forbids ONNX Runtime to report to its maker, for as long as the process runs.
///
/// # Safety
/// Changes the environment: no other thread may run yet.
pub unsafe fn forbid_telemetry() {
    let (name, value) = NO_TELEMETRY;
    // SAFETY: the caller's promise.
    unsafe { std::env::set_var(name, value) };
}

#[allow(
    clippy::disallowed_methods,
    reason = "the library's own switch, as the library will see it; no setting of Quire"
)]
fn check_telemetry() -> Result<()> {
    let (name, value) = NO_TELEMETRY;
    if std::env::var_os(name).is_some_and(|found| found == value) {
        return Ok(());
    }
    Err(Error::bug(format!("ONNX Runtime would report to its maker: {name} must be {value} before it is loaded")))
}

/// What the bindings need at least: `1.MINOR`.
pub const MINIMUM_VERSION: (u32, u32) = (1, ort::MINOR_VERSION);

/// Loads the library at `path`; later calls with the same path do nothing. Blocking.
///
/// # Errors
/// Configuration, if there is no such file, it is no ONNX Runtime, it is older than [`MINIMUM_VERSION`], or another
/// library is loaded already. A bug, if [`forbid_telemetry`] was not called.
pub fn init(path: &Path) -> Result<()> {
    check_telemetry()?;
    let path = path.canonicalize().map_err(|error| {
        let message = format!(
            "ONNX Runtime is not at {}: run `make setup`, or set QUIRE_ONNXRUNTIME to the full path of the library",
            path.display()
        );
        Error::configuration(message).with_source(error)
    })?;
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((earlier, _)) = loaded.as_ref() {
        if *earlier == path {
            return Ok(());
        }
        return Err(Error::configuration(format!(
            "ONNX Runtime is loaded from {} already and cannot be loaded from {} too: name one library",
            earlier.display(),
            path.display()
        )));
    }
    let environment = ort::init_from(&path)
        .map_err(|error| explain(&path, &error))?
        .with_name("quire")
        .with_telemetry(false)
        .with_logger(Arc::new(log))
        .build()
        .map_err(|error| {
            Error::configuration(format!("ONNX Runtime at {} does not start", path.display())).with_source(error)
        })?;
    environment.set_log_level(LogLevel::Warning);
    tracing::debug!(path = %path.display(), build = ort::info(), "ONNX Runtime loaded");
    *loaded = Some((path, environment));
    Ok(())
}

/// Path and build of the loaded library; None before [`init`].
pub fn loaded() -> Option<(PathBuf, String)> {
    let loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    loaded.as_ref().map(|(path, _)| (path.clone(), ort::info().to_owned()))
}

pub(super) fn environment() -> Result<Environment> {
    let loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    loaded
        .as_ref()
        .map(|(_, environment)| environment.clone())
        .ok_or_else(|| Error::bug("a model was opened before ONNX Runtime was loaded: call embed::runtime::init first"))
}

fn explain(path: &Path, error: &LoadDynamicError) -> Error {
    let path = path.display();
    Error::configuration(match error {
        LoadDynamicError::BadVersion { version_str, .. } => format!(
            "ONNX Runtime at {path} is version {version_str}, and {}.{} or newer is needed: run `make setup`",
            MINIMUM_VERSION.0, MINIMUM_VERSION.1
        ),
        LoadDynamicError::Dlopen { error, .. } => {
            format!("{path} cannot be loaded as ONNX Runtime ({error}): run `make setup` to fetch it again")
        }
        other => {
            format!("{path} is not ONNX Runtime ({other}): name its shared library, libonnxruntime.so for example")
        }
    })
}

/// ONNX Runtime's own messages. Its warnings are about graph optimisation and say nothing that a user could act on.
fn log(level: LogLevel, category: &str, _id: &str, _location: &str, message: &str) {
    match level {
        LogLevel::Error | LogLevel::Fatal => tracing::warn!(category, "ONNX Runtime: {message}"),
        _ => tracing::debug!(category, "ONNX Runtime: {message}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_library_is_one_clear_sentence() {
        let error = init(Path::new("no/such/libonnxruntime.so")).unwrap_err();
        assert_eq!(error.kind(), crate::error::Kind::Configuration);
        assert!(error.message().starts_with("ONNX Runtime is not at no/such/libonnxruntime.so"), "{error}");
    }

    #[test]
    fn a_file_that_is_no_library_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"not a library").unwrap();
        // If another test of this process has loaded the real one, that is what the error says.
        let message = init(file.path()).unwrap_err().to_string();
        assert!(message.contains(&file.path().canonicalize().unwrap().display().to_string()), "{message}");
    }
}
