//! The data folder: what lies where, which version wrote it, and that one process at a time holds it.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use fs4::fs_std::FileExt;

use crate::error::{Error, Result, io_error};
use crate::source::clear_spool;

/// What this version writes. Raised when an older Quire could not read the folder any more.
const FORMAT: u32 = 1;

/// A locked data folder; the lock goes with the value.
#[derive(Debug)]
pub struct DataDir {
    root: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Creates the folder where there is none.
    ///
    /// # Errors
    /// Configuration, where another process holds it or a newer Quire wrote it.
    pub fn open(root: &Path) -> Result<Self> {
        fs::create_dir_all(root).map_err(|error| io_error("create the data folder", root, error))?;
        let root = root.canonicalize().map_err(|error| io_error("open the data folder", root, error))?;
        let lock = lock(&root)?;
        check_format(&root)?;
        let data = Self { root, _lock: lock };
        for folder in [data.vectors(), data.blobs(), data.spool()] {
            fs::create_dir_all(&folder).map_err(|error| io_error("create", &folder, error))?;
        }
        clear_spool(&data.spool())?;
        Ok(data)
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn ledger(&self) -> PathBuf {
        self.root.join("ledger.sqlite")
    }

    pub fn vectors(&self) -> PathBuf {
        self.root.join("vectors")
    }

    pub fn blobs(&self) -> PathBuf {
        self.root.join("blobs")
    }

    /// Private copies of documents while they are read.
    pub fn spool(&self) -> PathBuf {
        self.root.join("spool")
    }
}

/// Takes the lock, writing our process id into it so that others can name who holds it.
fn lock(root: &Path) -> Result<File> {
    let path = root.join("lock");
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&path)
        .map_err(|error| io_error("open", &path, error))?;
    if !FileExt::try_lock_exclusive(&file).map_err(|error| io_error("lock", &path, error))? {
        let mut holder = String::new();
        let _ = file.read_to_string(&mut holder);
        let holder = holder.trim();
        let by = if holder.is_empty() { String::new() } else { format!(" (process {holder})") };
        return Err(Error::configuration(format!(
            "another quire{by} is using {}: wait for it to end, or give this one its own --data-dir",
            root.display()
        )));
    }
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| write!(file, "{}", std::process::id()))
        .map_err(|error| io_error("write", &path, error))?;
    Ok(file)
}

fn check_format(root: &Path) -> Result<()> {
    let path = root.join("format");
    match fs::read_to_string(&path) {
        Ok(text) => match text.trim().parse::<u32>() {
            Ok(found) if found <= FORMAT => Ok(()),
            Ok(found) => Err(Error::configuration(format!(
                "{} was written by a newer Quire (format {found}; this one reads up to {FORMAT}): update quire, or use \
                 another --data-dir",
                root.display()
            ))),
            Err(_) => Err(Error::configuration(format!("{} holds '{}', not a number", path.display(), text.trim()))),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            fs::write(&path, format!("{FORMAT}\n")).map_err(|error| io_error("write", &path, error))
        }
        Err(error) => Err(io_error("read", &path, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let first = DataDir::open(dir.path()).unwrap();
        let error = DataDir::open(dir.path()).unwrap_err();
        assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
        drop(first);
        DataDir::open(dir.path()).unwrap();
    }

    #[test]
    fn a_folder_of_a_newer_version_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("format"), "999").unwrap();
        let error = DataDir::open(dir.path()).unwrap_err();
        assert!(error.to_string().contains("newer Quire"), "{error}");
        assert!(!dir.path().join("vectors").exists());
    }
}
