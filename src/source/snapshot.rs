//! Bytes that stand still: a private copy of a file, hashed while it is copied.
//!
//! The copy is never a hard link, for a file may be changed in place while it is rendered.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::discover::kind_of;
use crate::error::{Error, Result, io_error};
use crate::types::ContentHash;

/// Read at a time: large enough for BLAKE3 to use all of its lanes, small beside a page image.
const CHUNK_BYTES: usize = 1 << 20;

/// How spool files end.
const SPOOL_SUFFIX: &str = ".spool";

/// A private copy of a file as it was at one moment. Dropping it removes the copy.
#[derive(Debug)]
pub struct Snapshot {
    pub path: PathBuf,
    pub content_hash: ContentHash,
    pub size_bytes: u64,
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// Copies `path` into `spool_folder` (which is created where missing) and hashes it.
///
/// # Errors
/// Permanent where the file is missing, no regular file, or larger than `max_bytes`; transient where it changed
/// meanwhile.
pub async fn snapshot(path: &Path, spool_folder: &Path, max_bytes: u64) -> Result<Snapshot> {
    let (path, spool_folder) = (path.to_owned(), spool_folder.to_owned());
    blocking(move || copy(&path, &spool_folder, max_bytes)).await
}

/// The hash that [`snapshot`] would find now, without a copy.
///
/// # Errors
/// As [`snapshot`], without a limit of size.
pub async fn hash_file(path: &Path) -> Result<ContentHash> {
    let path = path.to_owned();
    blocking(move || {
        let (mut source, before) = open(&path)?;
        let (content_hash, _) = read_through(&path, &mut source, &before, |_| Ok(()))?;
        Ok(content_hash)
    })
    .await
}

/// Removes copies that a process left when it was killed; returns how many. Only for a spool folder that nobody else
/// uses.
///
/// # Errors
/// Where the folder can't be read; one that doesn't exist is empty.
pub fn clear_spool(spool_folder: &Path) -> Result<usize> {
    let entries = match std::fs::read_dir(spool_folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(io_error("read", spool_folder, error)),
    };
    let mut removed = 0;
    for entry in entries {
        let path = entry.map_err(|error| io_error("read", spool_folder, error))?.path();
        if path.to_string_lossy().ends_with(SPOOL_SUFFIX) {
            std::fs::remove_file(&path).map_err(|error| io_error("remove", &path, error))?;
            removed += 1;
        }
    }
    Ok(removed)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Error::bug("reading a source file was cut off").with_source(error)))
}

fn copy(path: &Path, spool_folder: &Path, max_bytes: u64) -> Result<Snapshot> {
    let (mut source, before) = open(path)?;
    let too_large = |size: u64| {
        let path = path.display();
        Error::permanent(format!("{path} has {size} bytes, more than the {max_bytes} that are allowed"))
    };
    if before.size > max_bytes {
        return Err(too_large(before.size));
    }
    std::fs::create_dir_all(spool_folder).map_err(|error| io_error("create", spool_folder, error))?;
    let spooled = spool_folder.join(format!("{}{SPOOL_SUFFIX}", Uuid::new_v4()));
    let copied = write_copy(path, &mut source, &before, &spooled);
    match copied {
        Ok((content_hash, size_bytes)) => Ok(Snapshot { path: spooled, content_hash, size_bytes }),
        Err(error) => {
            remove(&spooled);
            Err(error)
        }
    }
}

fn write_copy(path: &Path, source: &mut File, before: &Stamp, spooled: &Path) -> Result<(ContentHash, u64)> {
    let mut copy = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(spooled)
        .map_err(|error| io_error("create", spooled, error))?;
    read_through(path, source, before, |bytes| copy.write_all(bytes).map_err(|error| io_error("write", spooled, error)))
}

/// Opens a regular file, and never waits for the other end of a pipe, even where one took the file's place just now.
fn open(path: &Path) -> Result<(File, Stamp)> {
    let metadata = path.metadata().map_err(|error| io_error("open", path, error))?;
    let irregular = |metadata: &std::fs::Metadata| {
        let kind = kind_of(metadata.file_type());
        Error::permanent(format!("{} is {kind}: a file is expected", path.display()))
    };
    if !metadata.is_file() {
        return Err(irregular(&metadata));
    }
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
        .map_err(|error| io_error("open", path, error))?;
    let metadata = file.metadata().map_err(|error| io_error("read", path, error))?;
    if !metadata.is_file() {
        return Err(irregular(&metadata));
    }
    Ok((file, Stamp::of(&metadata)))
}

/// Hands every byte to `each` and makes sure that they all belong to one state of the file: its hash and size.
fn read_through(
    path: &Path,
    source: &mut File,
    before: &Stamp,
    mut each: impl FnMut(&[u8]) -> Result<()>,
) -> Result<(ContentHash, u64)> {
    let mut hasher = blake3::Hasher::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut size = 0;
    loop {
        let read = match source.read(&mut chunk) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(io_error("read", path, error)),
        };
        // a file that grows while it is read has changed, and may grow for ever
        size += read as u64;
        if read == 0 || size > before.size {
            break;
        }
        hasher.update(&chunk[..read]);
        each(&chunk[..read])?;
    }
    let after = Stamp::of(&source.metadata().map_err(|error| io_error("read", path, error))?);
    if after != *before || size != before.size {
        return Err(Error::transient(format!(
            "{} changed while it was read ({} bytes before, {} after); it is read again later",
            path.display(),
            before.size,
            after.size
        )));
    }
    Ok((ContentHash(hasher.finalize().to_hex().to_string()), size))
}

/// What tells two states of an open file apart: size, times of the last change of content and of status (seconds and
/// ns).
#[derive(Debug, PartialEq)]
struct Stamp {
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(metadata: &std::fs::Metadata) -> Self {
        Self {
            size: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

fn remove(spooled: &Path) {
    if let Err(error) = std::fs::remove_file(spooled)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(path = %spooled.display(), %error, "cannot remove a spooled copy");
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;

    use tempfile::TempDir;

    use super::*;
    use crate::error::Kind;

    const NO_LIMIT: u64 = u64::MAX;

    fn file(content: &[u8]) -> (TempDir, PathBuf, PathBuf) {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("report.pdf");
        fs::write(&path, content).unwrap();
        let spool = folder.path().join("spool");
        (folder, path, spool)
    }

    fn spooled(spool: &Path) -> usize {
        fs::read_dir(spool).map_or(0, Iterator::count)
    }

    #[tokio::test]
    async fn a_copy_stands_still_and_goes_when_dropped() {
        let content: Vec<u8> = (0..3 * CHUNK_BYTES + 17).map(|at| (at % 251) as u8).collect();
        let (_folder, path, spool) = file(&content);
        let taken = snapshot(&path, &spool, NO_LIMIT).await.unwrap();
        assert_eq!(taken.content_hash, ContentHash::of(&content));
        assert_eq!(taken.size_bytes, content.len() as u64);
        assert_eq!(hash_file(&path).await.unwrap(), taken.content_hash);
        fs::write(&path, "changed in place").unwrap();
        assert_eq!(fs::read(&taken.path).unwrap(), content);
        assert_eq!(fs::metadata(&taken.path).unwrap().mode() & 0o777, 0o600);
        drop(taken);
        assert_eq!(spooled(&spool), 0);
    }

    #[tokio::test]
    async fn an_empty_file_is_a_file() {
        let (_folder, path, spool) = file(b"");
        let taken = snapshot(&path, &spool, 0).await.unwrap();
        assert_eq!((taken.size_bytes, &taken.content_hash), (0, &ContentHash::of(b"")));
    }

    #[tokio::test]
    async fn a_file_over_the_limit_is_refused() {
        let (_folder, path, spool) = file(b"12345");
        assert!(snapshot(&path, &spool, 5).await.is_ok());
        let error = snapshot(&path, &spool, 4).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Permanent);
        assert!(error.to_string().contains("5 bytes") && error.to_string().contains("report.pdf"), "{error}");
    }

    #[test]
    fn a_change_while_reading_is_noticed() {
        let changes: [fn(&Path); 3] = [
            |path| fs::write(path, "longer than it was before").unwrap(),
            |path| fs::write(path, "").unwrap(),
            |path| {
                let file = OpenOptions::new().write(true).open(path).unwrap();
                file.set_modified(std::time::UNIX_EPOCH).unwrap();
            },
        ];
        for change in changes {
            let (_folder, path, spool) = file(b"content");
            fs::create_dir(&spool).unwrap();
            let (mut source, before) = open(&path).unwrap();
            change(&path);
            let error = write_copy(&path, &mut source, &before, &spool.join("copy")).unwrap_err();
            assert!(error.is_transient() && error.to_string().contains("report.pdf changed"), "{error}");
        }
    }

    #[tokio::test]
    async fn only_files_are_opened() {
        let (folder, path, spool) = file(b"x");
        let fifo = folder.path().join("pipe.pdf");
        let name = CString::new(fifo.as_os_str().as_bytes()).unwrap();
        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
        let missing = folder.path().join("missing.pdf");
        let dangling = folder.path().join("dangling.pdf");
        std::os::unix::fs::symlink("nowhere", &dangling).unwrap();
        for (bad, said) in [
            (fifo.as_path(), "a named pipe"),
            (folder.path(), "a folder"),
            (&missing, "missing.pdf"),
            (&dangling, "dangling.pdf"),
        ] {
            let error = snapshot(bad, &spool, NO_LIMIT).await.unwrap_err();
            assert_eq!(error.kind(), Kind::Permanent);
            assert!(error.to_string().contains(said), "{error}");
            assert!(hash_file(bad).await.is_err());
        }
        assert_eq!(spooled(&spool), 0);
        fs::remove_file(path).unwrap();
    }

    #[tokio::test]
    async fn what_a_killed_process_left_is_cleared() {
        let (_folder, path, spool) = file(b"x");
        assert_eq!(clear_spool(&spool).unwrap(), 0);
        let left = snapshot(&path, &spool, NO_LIMIT).await.unwrap();
        std::mem::forget(left);
        fs::write(spool.join("else"), "x").unwrap();
        assert_eq!(clear_spool(&spool).unwrap(), 1);
        assert_eq!(spooled(&spool), 1);
    }
}
