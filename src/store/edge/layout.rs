//! What lies in the store's folder, and the few things done to it without the engine: one sub-folder a collection, in it
//! our own files and the engine's. Folders whose name starts with a dot are half made or half removed.
//!
//! Every file that decides whether and how a folder opens is written durably, whole or not at all.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::error::{Blame, Error, Result, io_error};
use crate::store::names::check_name;
use crate::types::Schema;

/// Held locked as long as the store is open.
const LOCK_FILE: &str = ".lock";
const SCHEMA_FILE: &str = "schema.json";
/// There while the engine has the collection open: its presence at opening means that a process died.
const RUNNING_FILE: &str = "running";
/// The identity that the collection was given.
const INCARNATION_FILE: &str = "incarnation";
/// The engine's data.
const SEGMENTS: &str = "segments";
/// Hard links to all of [`SEGMENTS`] as it was before an optimisation: what counts until that is wholly on disk.
const SEGMENTS_BEFORE: &str = "segments.before";
/// Being built, discarded, or replaced: worth nothing.
const SEGMENTS_LEFTOVERS: [&str; 3] = ["segments.linking", "segments.discarded", "segments.failed"];
/// Where the engine builds new segments; it never clears what a dead process left there.
const UNFINISHED_SEGMENTS: &str = "temp_segments";

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

/// Creates the folder if it is missing and locks it for this process. The lock goes with the file.
///
/// # Errors
/// Configuration, if another process (or another store of this one) has the folder.
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
        Ok(()) => {
            sync(dir)?;
            Ok(file)
        }
        Err(fs::TryLockError::WouldBlock) => Err(Error::configuration(format!(
            "the store in {} is in use by another process: stop it, or give this one a data folder of its own",
            dir.display()
        ))),
        Err(fs::TryLockError::Error(error)) => Err(io_error("lock", &path, error)),
    }
}

/// Removes what an interrupted creation or removal of a collection left. What cannot be removed is in nobody's way.
///
/// # Errors
/// If the folder cannot be listed.
pub(super) fn sweep(dir: &Path) -> Result<()> {
    for entry in read_dir(dir)? {
        if entry.name.starts_with('.')
            && entry.path.is_dir()
            && let Err(error) = remove_dir(&entry.path)
        {
            tracing::warn!(%error, "the remains of a collection could not be removed");
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

/// The schema of the collection in `dir`; None if there is no collection.
///
/// # Errors
/// Configuration, if a newer version of Quire wrote it.
pub(super) fn read_schema(dir: &Path) -> Result<Option<Schema>> {
    let path = dir.join(SCHEMA_FILE);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error("read", &path, error)),
    };
    let broken = |error| {
        Error::permanent(format!("{} is not a schema: restore it, or drop the collection", path.display()))
            .blaming(Blame::Dependency)
            .with_source(error)
    };
    let Versioned { format } = serde_json::from_slice(&bytes).map_err(broken)?;
    if format > FORMAT {
        return Err(Error::configuration(format!(
            "{} has format {format}, this version of Quire reads up to {FORMAT}: use the newer version that wrote it",
            path.display()
        )));
    }
    serde_json::from_slice(&bytes).map(|SchemaFile { schema, .. }| Some(schema)).map_err(broken)
}

/// Writes `schema.json`, the last thing that makes a folder a collection.
pub(super) fn write_schema(dir: &Path, schema: &Schema) -> Result<()> {
    let bytes = serde_json::to_vec_pretty(&SchemaFile { format: FORMAT, schema: schema.clone() })
        .map_err(|error| Error::bug("a schema does not become JSON").with_source(error))?;
    write_durably(dir, SCHEMA_FILE, &bytes)
}

/// The identity of the collection in `dir`; None if it never got one.
pub(super) fn read_incarnation(dir: &Path) -> Result<Option<String>> {
    let path = dir.join(INCARNATION_FILE);
    match fs::read_to_string(&path) {
        Ok(id) => Ok(Some(id)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io_error("read", &path, error)),
    }
}

pub(super) fn write_incarnation(dir: &Path, id: &str) -> Result<()> {
    write_durably(dir, INCARNATION_FILE, id.as_bytes())
}

/// Writes a file that is there whole, or as it was before, whenever the power goes.
pub(super) fn write_durably(dir: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let part = dir.join(format!(".{name}.part"));
    File::create(&part)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .map_err(|error| io_error("write", &part, error))?;
    rename(&part, &dir.join(name))?;
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

/// Not an error if it is missing.
pub(super) fn remove_dir(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io_error("remove", dir, error)),
        _ => Ok(()),
    }
}

/// Readies the segments in a collection's folder for the engine: goes back to before an optimisation that did not end, and
/// clears what a dead process was building.
pub(super) fn recover_segments(dir: &Path) -> Result<()> {
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

/// A second name for every file of a folder; a copy if the file system has no hard links.
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

pub(super) fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).map_err(|error| io_error(&format!("rename to {}", to.display()), from, error))
}

/// Says, durably, that the collection is open. True if it said so already: a process died.
pub(super) fn mark_running(dir: &Path) -> Result<bool> {
    if dir.join(RUNNING_FILE).exists() {
        return Ok(true);
    }
    write_durably(dir, RUNNING_FILE, &[])?;
    Ok(false)
}

/// Says that the collection was closed in order. If the power goes before this is on disk, the next opening looks for
/// traces of a crash in vain, which does no harm.
pub(super) fn clear_running(dir: &Path) -> Result<()> {
    let path = dir.join(RUNNING_FILE);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io_error("remove", &path, error)),
        _ => Ok(()),
    }
}

/// Brings a whole folder to disk: contents and entries.
pub(super) fn sync_tree(dir: &Path) -> Result<()> {
    walk(dir, |entry| if entry.file_type().is_symlink() { Ok(()) } else { sync(entry.path()) })
}

/// Folders whose entries are on disk, with the time of their last change then.
pub(super) type SyncedDirs = HashMap<PathBuf, SystemTime>;

/// Brings the entries of a folder and of all below it to disk, if they have changed: the engine syncs what is in its
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

pub(super) fn sync(path: &Path) -> Result<()> {
    File::open(path).and_then(|file| file.sync_all()).map_err(|error| io_error("bring to disk", path, error))
}

pub(super) struct Entry {
    pub name: String,
    pub path: PathBuf,
}

/// Entries whose name is UTF-8; nothing of ours or the engine's has another.
pub(super) fn read_dir(dir: &Path) -> Result<Vec<Entry>> {
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
        recover_segments(dir).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "old");

        begin_optimization(dir).unwrap();
        replace();
        end_optimization(dir).unwrap();
        recover_segments(dir).unwrap();
        assert!(!file.exists());
        assert_eq!(read_dir(dir).unwrap().len(), 1);

        // A process that died while it went back.
        fs::rename(dir.join(SEGMENTS), dir.join("segments.failed")).unwrap();
        fs::create_dir(dir.join(SEGMENTS_BEFORE)).unwrap();
        recover_segments(dir).unwrap();
        assert_eq!(read_dir(dir).unwrap().len(), 1);
    }

    #[test]
    fn a_durable_file_is_replaced_whole() {
        let dir = tempfile::tempdir().unwrap();
        for id in ["first", "second, and longer", ""] {
            write_incarnation(dir.path(), id).unwrap();
            assert_eq!(read_incarnation(dir.path()).unwrap().as_deref(), Some(id));
        }
        assert_eq!(read_dir(dir.path()).unwrap().len(), 1, "nothing is left beside it");
    }

    #[test]
    fn remains_that_cannot_be_removed_are_in_nobodys_way() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(".one.new")).unwrap();
        sweep(dir.path()).unwrap();
        assert!(read_dir(dir.path()).unwrap().is_empty());
    }
}
