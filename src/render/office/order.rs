//! What passes between the converter and its worker: one order, one reply, as frames of the renderer's protocol.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where everything of a conversion lies, beneath a folder of its own: `in` is read, the others are written. The folder itself
/// can't be changed by the program, so that none of them can become a link.
pub(super) struct Layout(pub PathBuf);

impl Layout {
    /// The folders that the program writes in.
    pub(super) fn own(&self) -> [PathBuf; 4] {
        [self.home(), self.scratch(), self.profile(), self.output()]
    }

    pub(super) fn input(&self) -> PathBuf {
        self.0.join("in")
    }

    pub(super) fn home(&self) -> PathBuf {
        self.0.join("home")
    }

    pub(super) fn scratch(&self) -> PathBuf {
        self.0.join("tmp")
    }

    pub(super) fn profile(&self) -> PathBuf {
        self.0.join("profile")
    }

    pub(super) fn output(&self) -> PathBuf {
        self.0.join("out")
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    /// LibreOffice.
    pub program: PathBuf,
    /// Of the conversion: [`Layout`].
    pub folder: PathBuf,
    /// Name of the document in `in`.
    pub name: String,
    pub memory_bytes: u64,
    /// No file may become larger.
    pub file_bytes: u64,
    pub seconds: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Reply {
    /// The program was not started: a password keeps the document.
    Protected,
    /// The program could not be started.
    NotStarted(String),
    Ended {
        /// What `wait` says of the last process.
        status: i32,
        /// Its last words.
        said: String,
        created: Option<String>,
        modified: Option<String>,
    },
}
