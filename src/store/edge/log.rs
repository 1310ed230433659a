//! The engine's log. The engine writes it before every change and never reads it back (see [`super`]), so that two things
//! only are wanted of it: that it numbers changes upwards, for ever, and that it takes no room.
//!
//! While the engine runs, [`give_up`] takes the contents away from under it: it punches a hole as large as the file into
//! every part. The engine maps its parts into memory and goes on behind the hole; of what it wrote it reads nothing. Before
//! it opens, [`restart`] replaces the parts by one that is empty and carries the number on.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::layout::{read_dir, write_durably};
use crate::error::{Result, io_error};

const FOLDER: &str = "wal";
/// A part that is full: the number of its first change follows.
const CLOSED: &str = "closed-";
/// The part that is written to, or the next one.
const OPEN: &str = "open-";
/// A part without changes: the engine's mark, its format 0, and the seed of its checksums.
const EMPTY_PART: &[u8] = b"wal\0\0\0\0\0";
/// Fewest bytes that a change takes: its length, its checksum, padding.
const CHANGE_BYTES: u64 = 16;

struct Part {
    /// The number of its first change, if it is full.
    first: Option<u64>,
    path: PathBuf,
}

/// Replaces the log by an empty one that numbers on. The engine must be closed.
///
/// How many changes the last parts held is not known, since they may be holes: as many as would have fitted are counted,
/// some millions. There are 2^64 numbers.
pub(super) fn restart(collection: &Path) -> Result<()> {
    let parts = parts(collection)?;
    if parts.is_empty() {
        return Ok(());
    }
    let newest = parts.iter().filter_map(|part| part.first).max().unwrap_or(0);
    let mut next = newest;
    for part in parts.iter().filter(|part| part.first.is_none_or(|first| first == newest)) {
        let bytes = fs::metadata(&part.path).map_err(|error| io_error("read", &part.path, error))?.len();
        next += bytes / CHANGE_BYTES;
    }
    let name = format!("{CLOSED}{next}");
    write_durably(&collection.join(FOLDER), &name, EMPTY_PART)?;
    for part in parts.iter().filter(|part| !part.path.ends_with(&name)) {
        remove(&part.path)?;
    }
    Ok(())
}

/// Frees the room that the log takes, while the engine is open and nothing is being changed. False if the system cannot do
/// that; the log then goes with the next [`restart`].
pub(super) fn give_up(collection: &Path) -> Result<bool> {
    let mut parts = parts(collection)?;
    parts.sort_unstable_by_key(|part| part.first);
    let newest = parts.iter().filter_map(|part| part.first).max();
    for part in parts {
        if !punch(&part.path)? {
            return Ok(false);
        }
        // The newest full part keeps the number for the next opening.
        if part.first.is_some() && part.first != newest {
            remove(&part.path)?;
        }
    }
    Ok(true)
}

/// Bytes on disk.
pub(super) fn bytes(collection: &Path) -> Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let size = |part: Part| fs::metadata(&part.path).map(|data| data.blocks() * 512).unwrap_or_default();
    Ok(parts(collection)?.into_iter().map(size).sum())
}

fn parts(collection: &Path) -> Result<Vec<Part>> {
    let folder = collection.join(FOLDER);
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let part = |name: &str, path| {
        let first = name.strip_prefix(CLOSED).and_then(|number| number.parse().ok());
        (first.is_some() || name.starts_with(OPEN)).then_some(Part { first, path })
    };
    Ok(read_dir(&folder)?.into_iter().filter_map(|entry| part(&entry.name, entry.path)).collect())
}

fn remove(path: &Path) -> Result<()> {
    fs::remove_file(path).map_err(|error| io_error("remove", path, error))
}

/// Makes the whole file a hole of the same size: whoever has it mapped sees zeros. False if the system has no such call.
#[cfg(target_os = "linux")]
fn punch(path: &Path) -> Result<bool> {
    use rustix::fs::{FallocateFlags, fallocate};
    use rustix::io::Errno;
    let failed = |error: std::io::Error| io_error("free the space of", path, error);
    let file = File::options().write(true).open(path).map_err(failed)?;
    let len = file.metadata().map_err(failed)?.len();
    match fallocate(&file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, 0, len) {
        Ok(()) => Ok(true),
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(false),
        Err(error) => Err(failed(error.into())),
    }
}

#[cfg(not(target_os = "linux"))]
fn punch(_: &Path) -> Result<bool> {
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = read_dir(dir).unwrap().into_iter().map(|entry| entry.name).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn the_number_goes_on_behind_all_that_may_have_been_written() {
        let dir = tempfile::tempdir().unwrap();
        restart(dir.path()).unwrap();
        let log = dir.path().join(FOLDER);
        fs::create_dir(&log).unwrap();
        for (name, bytes) in
            [("closed-9", 160), ("closed-10", 160), ("closed-100", 320), ("open-4", 48), ("open-5", 16)]
        {
            fs::write(log.join(name), vec![1; bytes]).unwrap();
        }
        fs::write(log.join("first-index"), "{}").unwrap();
        restart(dir.path()).unwrap();
        assert_eq!(names(&log), ["closed-124", "first-index"], "100 + (320 + 48 + 16) / 16");
        restart(dir.path()).unwrap();
        assert_eq!(names(&log), ["closed-124", "first-index"], "nothing was written meanwhile");
    }

    #[test]
    fn a_log_that_was_given_up_takes_no_room_and_keeps_its_sizes() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join(FOLDER);
        fs::create_dir(&log).unwrap();
        for name in ["closed-9", "closed-10", "open-4"] {
            fs::write(log.join(name), vec![1; 1 << 20]).unwrap();
        }
        if !give_up(dir.path()).unwrap() {
            return;
        }
        assert_eq!(names(&log), ["closed-10", "open-4"]);
        assert_eq!(fs::metadata(log.join("open-4")).unwrap().len(), 1 << 20);
        assert!(bytes(dir.path()).unwrap() < 64 << 10, "{} bytes", bytes(dir.path()).unwrap());
        assert!(fs::read(log.join("closed-10")).unwrap().iter().all(|&byte| byte == 0));
    }
}
