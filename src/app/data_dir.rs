//! The data folder: what lies where, which version wrote it, and that one process at a time holds it.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use fs4::fs_std::FileExt;

use crate::durable::{durable_folder, durable_private_folder, durable_write};
use crate::error::{Error, Result, ResultExt, io_error};
use crate::ingest::DiskGuard;
use crate::source::clear_spool;

/// The folder holds what documents say: it is for its owner alone.
const PRIVATE: u32 = 0o700;

/// What this version writes. Raised when an older Quire could not read the folder any more.
const FORMAT: u32 = 1;

/// What a service writes behind its process id.
const SERVICE: &str = "service";

/// A locked data folder; the lock goes with the value.
#[derive(Debug)]
pub struct DataDir {
    root: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Creates the folder when there is none, readable by its owner only, and makes one that is open to others so.
    ///
    /// # Errors
    /// Configuration, when another process holds it or a newer Quire wrote it.
    pub fn open(root: &Path) -> Result<Self> {
        Self::open_as(root, "")
    }

    /// The same for a service: whoever finds the folder held knows that it will answer soon.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_for_service(root: &Path) -> Result<Self> {
        Self::open_as(root, SERVICE)
    }

    /// Whether a service that is alive holds the folder, or has just let go of it. Takes no lock: whoever is about to must not be hindered.
    pub fn is_served(root: &Path) -> bool {
        let Ok(text) = fs::read_to_string(root.join("lock")) else { return false };
        let Some((process, SERVICE)) = text.trim().split_once(' ') else { return false };
        let process = process.parse().ok().and_then(rustix::process::Pid::from_raw);
        process.is_some_and(|process| rustix::process::test_kill_process(process).is_ok())
    }

    fn open_as(root: &Path, role: &str) -> Result<Self> {
        durable_private_folder(root).context("the data folder")?;
        let root = root.canonicalize().map_err(|error| io_error("open the data folder", root, error))?;
        close_to_others(&root)?;
        let lock = lock(&root, role)?;
        check_format(&root)?;
        let data = Self { root, _lock: lock };
        for folder in [data.vectors(), data.blobs(), data.spool()] {
            durable_folder(&folder)?;
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

    /// Folders that were ingested, and where they lay.
    pub fn roots(&self) -> PathBuf {
        self.root.join("roots.json")
    }

    /// What is remembered of documents on the web.
    pub fn web(&self) -> PathBuf {
        self.root.join("web.json")
    }

    /// What lists of addresses on the web named.
    pub fn url_lists(&self) -> PathBuf {
        self.root.join("url-lists.json")
    }

    /// Hashes of large model files that were checked.
    pub fn model_hashes(&self) -> PathBuf {
        self.root.join("model-hashes")
    }

    /// Watches that a reserve is left on every disk that holds a part of the folder.
    pub fn disk_guard(&self, reserve_bytes: u64) -> DiskGuard {
        let folders = [
            ("the ledger", self.root.clone()),
            ("vectors", self.vectors()),
            ("page images", self.blobs()),
            ("copies", self.spool()),
        ];
        DiskGuard::new(folders.to_vec(), reserve_bytes)
    }

    /// Private copies of documents while they are read.
    pub fn spool(&self) -> PathBuf {
        self.root.join("spool")
    }
}

/// Takes from others what they may do in the folder. When that is impossible (it is somebody else's, or lies on a file system
/// without permissions) the log says so, and work goes on: whoever set it up so can reach the documents as well.
fn close_to_others(root: &Path) -> Result<()> {
    let metadata = root.metadata().map_err(|error| io_error("open the data folder", root, error))?;
    let mode = metadata.mode() & 0o7777;
    if mode & !PRIVATE & 0o777 == 0 {
        return Ok(());
    }
    let folder = root.display();
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        let owner = metadata.uid();
        tracing::warn!(
            "{folder} is open to others (mode {mode:03o}) and belongs to user {owner}: what documents say can be read there; \
             let its owner run `chmod 700`"
        );
        return Ok(());
    }
    match fs::set_permissions(root, fs::Permissions::from_mode(mode & !0o077)) {
        Ok(()) => tracing::warn!("{folder} was open to others (mode {mode:03o}): now it is its owner's alone"),
        Err(error) => {
            tracing::warn!(%error, "{folder} is open to others (mode {mode:03o}), and that could not be changed");
        }
    }
    Ok(())
}

/// Takes the lock, writing our process id into it so that others can name who holds it, and the role where it has one. The lock is
/// on the file itself, so it must stay the same file: it is never replaced, and nothing that it says decides whether the folder opens.
fn lock(root: &Path, role: &str) -> Result<File> {
    let path = root.join("lock");
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(|error| io_error("open", &path, error))?;
    if !FileExt::try_lock_exclusive(&file).map_err(|error| io_error("lock", &path, error))? {
        let mut holder = String::new();
        let _ = file.read_to_string(&mut holder);
        let holder = holder.split_whitespace().next().unwrap_or_default();
        let by = if holder.is_empty() { String::new() } else { format!(" (process {holder})") };
        return Err(Error::configuration(format!(
            "another quire{by} is using {}: wait for it to end, or give this one its own --data-dir",
            root.display()
        )));
    }
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| write!(file, "{}", format!("{} {role}", std::process::id()).trim_end()))
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
            durable_write(&path, format!("{FORMAT}\n").as_bytes())
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
    fn a_service_is_told_from_others_and_from_one_that_died() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!DataDir::is_served(dir.path()));
        drop(DataDir::open(dir.path()).unwrap());
        assert!(!DataDir::is_served(dir.path()), "a command");
        let service = DataDir::open_for_service(dir.path()).unwrap();
        assert!(DataDir::is_served(dir.path()));
        let error = DataDir::open(dir.path()).unwrap_err().to_string();
        assert!(error.contains(&format!("(process {})", std::process::id())), "{error}");
        drop(service);
        let mut dead = std::process::Command::new("true").spawn().unwrap();
        dead.wait().unwrap();
        fs::write(dir.path().join("lock"), format!("{} service", dead.id())).unwrap();
        assert!(!DataDir::is_served(dir.path()), "it died");
    }

    #[test]
    fn a_folder_of_a_newer_version_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("format"), "999").unwrap();
        let error = DataDir::open(dir.path()).unwrap_err();
        assert!(error.to_string().contains("newer Quire"), "{error}");
        assert!(!dir.path().join("vectors").exists());
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn a_new_folder_is_its_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("above/data");
        let data = DataDir::open(&root).unwrap();
        assert_eq!(mode(data.root()), 0o700);
        assert_eq!((mode(&data.root().join("format")), mode(&data.root().join("lock"))), (0o600, 0o600));
    }

    #[test]
    fn a_folder_that_is_open_to_others_is_closed() {
        let dir = tempfile::tempdir().unwrap();
        for open in [0o755, 0o770, 0o701] {
            fs::set_permissions(dir.path(), fs::Permissions::from_mode(open)).unwrap();
            DataDir::open(dir.path()).unwrap();
            assert_eq!(mode(dir.path()), 0o700, "{open:o}");
        }
    }

    #[test]
    fn the_format_is_written_whole_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        DataDir::open(dir.path()).unwrap();
        let format = dir.path().join("format");
        assert_eq!(fs::read_to_string(&format).unwrap(), "1\n");
        let inode = fs::metadata(&format).unwrap().ino();
        DataDir::open(dir.path()).unwrap();
        assert_eq!(fs::metadata(&format).unwrap().ino(), inode, "it is not written again");
        let left = fs::read_dir(dir.path())
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().ends_with(".part"));
        assert_eq!(left.count(), 0);
    }
}
