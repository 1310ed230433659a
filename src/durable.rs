//! Files and folders that are there after the loss of power: whole or not at all, never half.
//!
//! The bytes of a file are synced before its name appears, and the folder is synced after: a name lives in its folder.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use crate::error::{Error, Result, io_error};

/// Puts a file with these bytes (mode 0600) in place of whatever has that name. Once this returns it survives the loss of
/// power; until then the name means what it meant before, and readers see the old bytes or the new ones. Blocks.
///
/// # Errors
/// When the folder is missing, can't be written, or its disk is full: never the fault of a document.
pub fn durable_write(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = folder_of(path);
    let failed = |error| io_error("write", path, error);
    // Beside its target, for only a rename within one file system is atomic; removed when anything fails.
    let mut part = tempfile::Builder::new().prefix(".").suffix(".part").tempfile_in(folder).map_err(failed)?;
    part.write_all(bytes).and_then(|()| part.as_file().sync_all()).map_err(failed)?;
    part.persist(path).map_err(|error| failed(error.error))?;
    sync_folder(folder).map_err(failed)
}

/// Creates a folder and those above it, each of them durably; not an error when it is there already. Blocks.
///
/// # Errors
/// When it can't be created, or something else has that name: never the fault of a document.
pub fn durable_folder(path: &Path) -> Result<()> {
    let missing: Vec<&Path> =
        path.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists()).collect();
    for folder in missing.into_iter().rev() {
        make_folder(folder, |folder| fs::create_dir(folder))?;
    }
    if !path.is_dir() {
        return Err(Error::configuration(format!("{} is no folder: a folder is expected there", path.display())));
    }
    Ok(())
}

/// Creates one folder with mode 0700, durably, and those above it as usual. Blocks.
///
/// # Errors
/// As [`durable_folder`].
pub fn durable_private_folder(path: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    durable_folder(folder_of(path))?;
    make_folder(path, |folder| fs::DirBuilder::new().mode(0o700).create(folder))?;
    durable_folder(path)
}

/// `create`, and the folder above it synced; somebody else may have been quicker.
fn make_folder(folder: &Path, create: impl Fn(&Path) -> io::Result<()>) -> Result<()> {
    let created = match create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        created => created,
    };
    created.and_then(|()| sync_folder(folder_of(folder))).map_err(|error| io_error("create the folder", folder, error))
}

/// Makes names that were put into a folder, or taken out of it, survive the loss of power.
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// The folder in which that name stands.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use tempfile::TempDir;

    use super::*;
    use crate::error::Blame;

    fn names(folder: &Path) -> Vec<PathBuf> {
        let mut names: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.sort();
        names
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_file_is_replaced_whole_and_nothing_else_is_left() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("format");
        durable_write(&path, b"a rather long text").unwrap();
        let mut reader = File::open(&path).unwrap();
        durable_write(&path, b"1\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"1\n");
        assert_eq!(io::read_to_string(&mut reader).unwrap(), "a rather long text", "who reads keeps what was there");
        assert_eq!(mode(&path), 0o600);
        assert_eq!(names(folder.path()), [path]);
    }

    #[test]
    fn what_fails_leaves_what_was_there() {
        let folder = TempDir::new().unwrap();
        let taken = folder.path().join("taken");
        fs::create_dir(&taken).unwrap();
        fs::write(taken.join("inside"), "x").unwrap();
        let error = durable_write(&taken, b"1").unwrap_err();
        assert!(error.to_string().contains("taken"), "{error}");
        assert_eq!(error.blame(), Blame::Dependency);
        assert_eq!(names(folder.path()), [taken]);
        assert!(durable_write(&folder.path().join("nowhere/format"), b"1").is_err());
    }

    #[test]
    fn folders_are_made_as_deep_as_asked() {
        let folder = TempDir::new().unwrap();
        let deep = folder.path().join("a/b/c");
        durable_folder(&deep).unwrap();
        durable_folder(&deep).unwrap();
        assert!(deep.is_dir());
        let file = folder.path().join("file");
        fs::write(&file, "x").unwrap();
        assert!(durable_folder(&file).unwrap_err().to_string().contains("is no folder"));
        assert!(durable_folder(&file.join("below")).is_err());
    }

    #[test]
    fn a_private_folder_is_private_and_those_above_it_are_not() {
        let folder = TempDir::new().unwrap();
        let private = folder.path().join("above/private");
        durable_private_folder(&private).unwrap();
        assert_eq!(mode(&private), 0o700);
        assert_eq!(mode(private.parent().unwrap()) & 0o500, 0o500);
        fs::set_permissions(&private, fs::Permissions::from_mode(0o750)).unwrap();
        durable_private_folder(&private).unwrap();
        assert_eq!(mode(&private), 0o750, "one that is there stays as it is");
    }
}
