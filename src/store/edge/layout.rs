//! What lies in the store's folder, and the few things done to it without the engine: one sub-folder a collection, in it
//! our `schema.json` and the engine's own files. Folders whose name starts with a dot are half made or half removed.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, io_error};
use crate::types::Schema;

/// Held locked as long as the store is open.
const LOCK_FILE: &str = ".lock";
const SCHEMA_FILE: &str = "schema.json";
/// There while the engine has the collection open: its presence at opening means that a process died.
const RUNNING_FILE: &str = "running";
/// The engine's data.
const SEGMENTS: &str = "segments";
/// Hard links to all of [`SEGMENTS`] as it was before an optimisation: what counts until that is wholly on disk.
const SEGMENTS_BEFORE: &str = "segments.before";
/// Being built, discarded, or replaced: worth nothing.
const SEGMENTS_LEFTOVERS: [&str; 3] = ["segments.linking", "segments.discarded", "segments.failed"];
/// Where the engine builds new segments; it never clears what a dead process left there.
const UNFINISHED_SEGMENTS: &str = "temp_segments";
const WAL: &str = "wal";
const CLOSED_WAL_PREFIX: &str = "closed-";
const MAX_NAME: usize = 64;

/// Version of `schema.json` that this program writes and the newest that it reads.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct SchemaFile {
    format: u32,
    schema: Schema,
}

/// Only the version, readable whatever else the file holds.
#[derive(Deserialize)]
struct Versioned {
    format: u32,
}

/// # Errors
/// Configuration, where the name could not be a folder's or a server's collection.
pub(super) fn check_name(collection: &str) -> Result<()> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    if (1..=MAX_NAME).contains(&collection.len()) && collection.chars().all(allowed) {
        return Ok(());
    }
    Err(Error::configuration(format!(
        "'{collection}' is not a collection name: 1 to {MAX_NAME} of the characters a-z, 0-9, _ and - are expected"
    )))
}

/// Creates the folder where it is missing and locks it for this process. The lock goes with the file.
///
/// # Errors
/// Configuration, where another process (or another store of this one) has the folder.
pub(super) fn lock(dir: &Path) -> Result<File> {
    fs::create_dir_all(dir).map_err(|error| io_error("create", dir, error))?;
    let path = dir.join(LOCK_FILE);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|error| io_error("open", &path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(Error::configuration(format!(
            "the store in {} is in use by another process: stop it, or give this one a data folder of its own",
            dir.display()
        ))),
        Err(fs::TryLockError::Error(error)) => Err(io_error("lock", &path, error)),
    }
}

/// Removes what an interrupted creation or removal of a collection left.
pub(super) fn sweep(dir: &Path) -> Result<()> {
    for entry in read_dir(dir)? {
        if entry.name.starts_with('.') && entry.path.is_dir() {
            remove_dir(&entry.path)?;
        }
    }
    Ok(())
}

/// Names of the collections in `dir`, sorted.
pub(super) fn collections(dir: &Path) -> Result<Vec<String>> {
    let mut names: Vec<String> = read_dir(dir)?
        .into_iter()
        .filter(|entry| check_name(&entry.name).is_ok() && entry.path.join(SCHEMA_FILE).is_file())
        .map(|entry| entry.name)
        .collect();
    names.sort_unstable();
    Ok(names)
}

/// The schema of the collection in `dir`; None where there is no collection.
///
/// # Errors
/// Configuration, where a newer version of Quire wrote it.
pub(super) fn read_schema(dir: &Path) -> Result<Option<Schema>> {
    let path = dir.join(SCHEMA_FILE);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error("read", &path, error)),
    };
    let broken = |error| Error::permanent(format!("{} is not a schema", path.display())).with_source(error);
    let Versioned { format } = serde_json::from_slice(&bytes).map_err(broken)?;
    if format > FORMAT {
        return Err(Error::configuration(format!(
            "{} has format {format}, this version of Quire reads up to {FORMAT}: use the newer version that wrote it",
            path.display()
        )));
    }
    serde_json::from_slice(&bytes).map(|SchemaFile { schema, .. }| Some(schema)).map_err(broken)
}

/// Writes `schema.json` durably. The file is the last thing that makes a folder a collection.
pub(super) fn write_schema(dir: &Path, schema: &Schema) -> Result<()> {
    let path = dir.join(SCHEMA_FILE);
    let bytes = serde_json::to_vec_pretty(&SchemaFile { format: FORMAT, schema: schema.clone() })
        .map_err(|error| Error::bug("a schema does not become JSON").with_source(error))?;
    fs::write(&path, bytes).map_err(|error| io_error("write", &path, error))?;
    sync(&path)?;
    sync(dir)
}

/// Where a collection is made before it gets its name.
pub(super) fn unfinished(dir: &Path, collection: &str) -> PathBuf {
    dir.join(format!(".{collection}.new"))
}

/// Gives a finished collection its name, durably.
pub(super) fn publish(dir: &Path, collection: &str) -> Result<()> {
    let from = unfinished(dir, collection);
    let to = dir.join(collection);
    rename(&from, &to)?;
    sync(dir)
}

/// Makes a collection disappear at once and durably, then frees its space.
pub(super) fn remove(dir: &Path, collection: &str) -> Result<()> {
    let from = dir.join(collection);
    let to = dir.join(format!(".{collection}.removed"));
    remove_dir(&to)?;
    match fs::rename(&from, &to) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io_error("remove", &from, error)),
    }
    sync(dir)?;
    remove_dir(&to)
}

/// Not an error where it is missing.
pub(super) fn remove_dir(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io_error("remove", dir, error)),
        _ => Ok(()),
    }
}

/// Readies a collection's folder for the engine: goes back to before an optimisation that did not end, clears what a dead
/// process was building, and all of the engine's log but its newest closed part. That part keeps the numbering of
/// operations, which must never start again; its contents, like the rest of the log, are never read (see [`super`]).
pub(super) fn before_load(dir: &Path) -> Result<()> {
    if optimization_is_open(dir) {
        let [_, _, failed] = SEGMENTS_LEFTOVERS.map(|name| dir.join(name));
        let segments = dir.join(SEGMENTS);
        if segments.exists() {
            remove_dir(&failed)?;
            rename(&segments, &failed)?;
        }
        rename(&dir.join(SEGMENTS_BEFORE), &segments)?;
        sync(dir)?;
    }
    for name in SEGMENTS_LEFTOVERS.into_iter().chain([UNFINISHED_SEGMENTS]) {
        remove_dir(&dir.join(name))?;
    }
    let mut closed = closed_wal_parts(dir)?;
    closed.pop();
    for (_, path) in closed {
        fs::remove_file(&path).map_err(|error| io_error("remove", &path, error))?;
    }
    Ok(())
}

/// Keeps the flushed segments as they are, by a second name, durably. Until [`end_optimization`], the next opening goes
/// back to them; so nothing may be changed but by the optimisation.
pub(super) fn begin_optimization(dir: &Path) -> Result<()> {
    let [linking, ..] = SEGMENTS_LEFTOVERS.map(|name| dir.join(name));
    remove_dir(&linking)?;
    link_tree(&dir.join(SEGMENTS), &linking)?;
    sync_tree(&linking)?;
    rename(&linking, &dir.join(SEGMENTS_BEFORE))?;
    sync(dir)
}

/// Makes the optimised segments count; they must be on disk.
pub(super) fn end_optimization(dir: &Path) -> Result<()> {
    let [_, discarded, _] = SEGMENTS_LEFTOVERS.map(|name| dir.join(name));
    remove_dir(&discarded)?;
    rename(&dir.join(SEGMENTS_BEFORE), &discarded)?;
    sync(dir)?;
    remove_dir(&discarded)
}

pub(super) fn optimization_is_open(dir: &Path) -> bool {
    dir.join(SEGMENTS_BEFORE).exists()
}

/// A second name for every file of a folder; a copy where the file system has no hard links.
fn link_tree(from: &Path, to: &Path) -> Result<()> {
    for entry in walkdir::WalkDir::new(from) {
        let failed = || Error::transient(format!("cannot list {}", from.display()));
        let entry = entry.map_err(|error| failed().with_source(error))?;
        let below = entry.path().strip_prefix(from).map_err(|error| failed().with_source(error))?;
        let target = to.join(below);
        if entry.file_type().is_dir() {
            fs::create_dir(&target).map_err(|error| io_error("create", &target, error))?;
        } else {
            fs::hard_link(entry.path(), &target)
                .or_else(|_| fs::copy(entry.path(), &target).map(drop))
                .map_err(|error| io_error("write", &target, error))?;
        }
    }
    Ok(())
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).map_err(|error| io_error(&format!("rename to {}", to.display()), from, error))
}

/// Says, durably, that the collection is open. True where it said so already: a process died.
pub(super) fn mark_running(dir: &Path) -> Result<bool> {
    let path = dir.join(RUNNING_FILE);
    if path.exists() {
        return Ok(true);
    }
    File::create(&path).map_err(|error| io_error("create", &path, error))?;
    sync(dir)?;
    Ok(false)
}

/// Says that the collection was closed in order.
pub(super) fn clear_running(dir: &Path) -> Result<()> {
    let path = dir.join(RUNNING_FILE);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io_error("remove", &path, error)),
        _ => Ok(()),
    }
}

/// Bytes in parts of the engine's log that [`before_load`] would remove.
pub(super) fn reclaimable_wal_bytes(dir: &Path) -> Result<u64> {
    let mut closed = closed_wal_parts(dir)?;
    closed.pop();
    let size = |path: &PathBuf| fs::metadata(path).map(|data| data.len()).unwrap_or_default();
    Ok(closed.iter().map(|(_, path)| size(path)).sum())
}

/// Closed parts of the log, by the number of their first operation.
fn closed_wal_parts(dir: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let wal = dir.join(WAL);
    if !wal.is_dir() {
        return Ok(Vec::new());
    }
    let mut parts: Vec<(u64, PathBuf)> = read_dir(&wal)?
        .into_iter()
        .filter_map(|entry| Some((entry.name.strip_prefix(CLOSED_WAL_PREFIX)?.parse().ok()?, entry.path)))
        .collect();
    parts.sort_unstable();
    Ok(parts)
}

/// Brings a whole folder to disk: contents and entries.
pub(super) fn sync_tree(dir: &Path) -> Result<()> {
    walk(dir, |entry| if entry.file_type().is_symlink() { Ok(()) } else { sync(entry.path()) })
}

/// Folders whose entries are on disk, with the time of their last change then.
pub(super) type SyncedDirs = HashMap<PathBuf, SystemTime>;

/// Brings the entries of a folder and of all below it to disk, where they have changed: the engine syncs what is in its
/// files, not that they exist.
pub(super) fn sync_dirs(dir: &Path, synced: &mut SyncedDirs) -> Result<()> {
    /// Two changes closer than this may carry the same time.
    const CLOCK_STEP: Duration = Duration::from_secs(1);
    walk(dir, |entry| {
        if !entry.file_type().is_dir() {
            return Ok(());
        }
        let changed = entry.metadata().ok().and_then(|data| data.modified().ok());
        if changed.is_some() && synced.get(entry.path()) == changed.as_ref() {
            return Ok(());
        }
        sync(entry.path())?;
        match changed {
            Some(changed) if changed.elapsed().is_ok_and(|age| age > CLOCK_STEP) => {
                synced.insert(entry.path().to_owned(), changed);
            }
            _ => drop(synced.remove(entry.path())),
        }
        Ok(())
    })
}

/// Visits `dir` and everything below it. What disappears meanwhile is passed over: the engine removes replaced files
/// whenever their last reader lets go of them.
fn walk(dir: &Path, mut visit: impl FnMut(&walkdir::DirEntry) -> Result<()>) -> Result<()> {
    for entry in walkdir::WalkDir::new(dir) {
        match entry {
            Ok(entry) => match visit(&entry) {
                Err(_) if !entry.path().exists() => {}
                result => result?,
            },
            Err(error) if error.io_error().is_some_and(|e| e.kind() == std::io::ErrorKind::NotFound) => {}
            Err(error) => return Err(Error::transient(format!("cannot list {}", dir.display())).with_source(error)),
        }
    }
    Ok(())
}

fn sync(path: &Path) -> Result<()> {
    File::open(path).and_then(|file| file.sync_all()).map_err(|error| io_error("bring to disk", path, error))
}

struct Entry {
    name: String,
    path: PathBuf,
}

/// Entries whose name is UTF-8; nothing of ours or the engine's has another.
fn read_dir(dir: &Path) -> Result<Vec<Entry>> {
    let failed = |error| io_error("list", dir, error);
    let mut entries = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if let Ok(name) = entry.file_name().into_string() {
            entries.push(Entry { name, path: entry.path() });
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_no_folders_are_refused() {
        for name in ["", "..", "a/b", "Upper", "späß", &"x".repeat(65)] {
            assert!(check_name(name).is_err(), "{name}");
        }
        assert!(check_name("my_docs-2").is_ok());
    }

    #[test]
    fn a_schema_from_the_future_is_refused_clearly() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(SCHEMA_FILE), r#"{"format": 7, "something": "else"}"#).unwrap();
        let error = read_schema(dir.path()).unwrap_err();
        assert_eq!(error.kind(), crate::error::Kind::Configuration);
        assert!(error.to_string().contains("format 7"), "{error}");
    }

    #[test]
    fn a_folder_is_locked_once() {
        let dir = tempfile::tempdir().unwrap();
        let first = lock(dir.path()).unwrap();
        assert_eq!(lock(dir.path()).unwrap_err().kind(), crate::error::Kind::Configuration);
        drop(first);
        assert!(lock(dir.path()).is_ok());
    }

    #[test]
    fn an_optimisation_that_did_not_end_is_undone() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let file = dir.join(SEGMENTS).join("one/data");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let replace = || {
            fs::remove_dir_all(dir.join(SEGMENTS)).unwrap();
            fs::create_dir(dir.join(SEGMENTS)).unwrap();
        };
        fs::write(&file, "old").unwrap();
        begin_optimization(dir).unwrap();
        assert!(optimization_is_open(dir));
        replace();
        before_load(dir).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "old");

        begin_optimization(dir).unwrap();
        replace();
        end_optimization(dir).unwrap();
        before_load(dir).unwrap();
        assert!(!file.exists());
        assert_eq!(read_dir(dir).unwrap().len(), 1);

        // A process that died while it went back.
        fs::rename(dir.join(SEGMENTS), dir.join("segments.failed")).unwrap();
        fs::create_dir(dir.join(SEGMENTS_BEFORE)).unwrap();
        before_load(dir).unwrap();
        assert_eq!(read_dir(dir).unwrap().len(), 1);
    }

    #[test]
    fn the_newest_closed_part_of_the_log_stays() {
        let dir = tempfile::tempdir().unwrap();
        let wal = dir.path().join(WAL);
        fs::create_dir(&wal).unwrap();
        for name in ["closed-9", "closed-10", "closed-100", "open-4", "first-index"] {
            fs::write(wal.join(name), [0; 8]).unwrap();
        }
        assert_eq!(reclaimable_wal_bytes(dir.path()).unwrap(), 16);
        before_load(dir.path()).unwrap();
        let mut left: Vec<String> = read_dir(&wal).unwrap().into_iter().map(|entry| entry.name).collect();
        left.sort_unstable();
        assert_eq!(left, ["closed-100", "first-index", "open-4"]);
    }
}
