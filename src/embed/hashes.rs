//! SHA-256 of model files. Hashing gigabytes takes long, so what was found is kept in a small file, and large files are hashed
//! again only when size, times or inode changed. A cache that is missing, unreadable or open to others only costs time.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Name of the cache in its folder.
const CACHE_NAME: &str = "model-hashes.json";
/// Smaller files are hashed in milliseconds and not worth an entry.
const WORTH_KEEPING_BYTES: u64 = 1 << 20;
/// A cache holds a few hundred bytes a file.
const MAX_CACHE_BYTES: u64 = 1 << 20;
/// Times of files advance in steps: a file that was changed so lately may change once more and keep its times.
const SETTLED: Duration = Duration::from_secs(2);

/// Hashes, with what is remembered of them.
pub(super) struct FileHashes {
    /// None: nothing is remembered.
    cache: Option<PathBuf>,
    known: BTreeMap<PathBuf, Known>,
    changed: bool,
    now: fn() -> SystemTime,
}

/// A file as it was when it was hashed.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Known {
    #[serde(flatten)]
    state: State,
    sha256: String,
}

/// What changes when a file's contents do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    device: u64,
    inode: u64,
    bytes: u64,
    /// Nanoseconds since 1970.
    modified_ns: i64,
    /// When contents, owner or permissions changed; no program can set it.
    changed_ns: i64,
}

impl State {
    fn of(metadata: &Metadata) -> Self {
        let ns = |seconds: i64, nanos: i64| seconds.saturating_mul(1_000_000_000).saturating_add(nanos);
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.size(),
            modified_ns: ns(metadata.mtime(), metadata.mtime_nsec()),
            changed_ns: ns(metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    fn is_settled(&self, now: SystemTime) -> bool {
        let settled = now.checked_sub(SETTLED).and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        settled.is_some_and(|settled| i128::from(self.changed_ns.max(self.modified_ns)) < settled.as_nanos() as i128)
    }
}

impl FileHashes {
    /// `folder`: where the cache lies, if there is one.
    pub fn open(folder: Option<&Path>) -> Self {
        Self::open_at(folder, SystemTime::now)
    }

    fn open_at(folder: Option<&Path>, now: fn() -> SystemTime) -> Self {
        let cache = folder.map(|folder| folder.join(CACHE_NAME));
        let read = cache.as_deref().map(read_cache);
        let known = match read {
            Some(Ok(known)) => known,
            Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => {
                tracing::debug!("hashes of model files are not remembered, so the files are hashed anew: {error}");
                BTreeMap::new()
            }
            _ => BTreeMap::new(),
        };
        Self { cache, known, changed: false, now }
    }

    /// SHA-256 as hexadecimal digits, and the size. Blocking: about a second for each 0.4 to 2 GB that is not remembered.
    pub fn sha256(&mut self, path: &Path) -> io::Result<(String, u64)> {
        let path = path.canonicalize()?;
        let mut file = File::open(&path)?;
        let before = State::of(&file.metadata()?);
        if let Some(known) = self.known.get(&path).filter(|known| known.state == before) {
            return Ok((known.sha256.clone(), before.bytes));
        }
        let started = (self.now)();
        let (sha256, bytes) = hash(&mut file)?;
        let unchanged = State::of(&file.metadata()?) == before && before.bytes == bytes;
        if self.cache.is_some() && bytes >= WORTH_KEEPING_BYTES && unchanged && before.is_settled(started) {
            self.known.insert(path, Known { state: before, sha256: sha256.clone() });
            self.changed = true;
        }
        Ok((sha256, bytes))
    }

    /// Writes the cache, if there is anything new in it.
    pub fn save(&mut self) {
        let Some(cache) = self.cache.as_deref().filter(|_| self.changed) else { return };
        self.known.retain(|path, _| path.exists());
        if let Err(error) = write_cache(cache, &self.known) {
            tracing::debug!("hashes of model files cannot be kept in {}: {error}", cache.display());
        }
    }
}

/// A piece at a time: weights may be larger than memory.
fn hash(file: &mut File) -> io::Result<(String, u64)> {
    /// Large enough that reading costs no more than hashing.
    const PIECE_BYTES: usize = 1 << 20;
    let (mut hash, mut size) = (Sha256::new(), 0u64);
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok((hex::encode(hash.finalize()), size)),
            Ok(read) => {
                hash.update(&piece[..read]);
                size += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn read_cache(path: &Path) -> io::Result<BTreeMap<PathBuf, Known>> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(path)?;
    let metadata = file.metadata()?;
    // SAFETY: asks for a number and cannot fail.
    let me = unsafe { libc::geteuid() };
    if !is_ours(metadata.uid(), metadata.mode(), me) {
        return Err(io::Error::other(format!("{} can be written by other users", path.display())));
    }
    let mut text = String::new();
    file.take(MAX_CACHE_BYTES).read_to_string(&mut text)?;
    Ok(serde_json::from_str(&text)?)
}

/// Whether nobody but the user can have written a file.
fn is_ours(owner: u32, mode: u32, me: u32) -> bool {
    /// Group and others may write.
    const OTHERS_WRITE: u32 = 0o022;
    owner == me && mode & OTHERS_WRITE == 0
}

fn write_cache(path: &Path, known: &BTreeMap<PathBuf, Known>) -> io::Result<()> {
    let part = path.with_extension(format!("{}.part", std::process::id()));
    let create = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part);
    let written = create.and_then(|mut file| file.write_all(&serde_json::to_vec(known)?));
    let renamed = written.and_then(|()| fs::rename(&part, path));
    if renamed.is_err() {
        // What a process of the same number left behind is in the way but once.
        let _ = fs::remove_file(&part);
    }
    renamed
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    /// Long after the files of a test were written.
    fn later() -> SystemTime {
        SystemTime::now() + Duration::from_secs(3600)
    }

    /// A folder with a model file in it; the folder holds the cache too.
    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("weights");
        fs::write(&file, contents(1)).unwrap();
        (folder, file)
    }

    fn contents(seed: u32) -> Vec<u8> {
        (0..(5 << 20) / 2 + 7).map(|at: u32| ((at + seed) % 251) as u8).collect()
    }

    fn sha256_of(bytes: &[u8]) -> String {
        hex::encode(Sha256::digest(bytes))
    }

    /// Hashes the file with the cache as it is, and saves that.
    fn hashed(folder: &tempfile::TempDir, file: &Path) -> String {
        let mut hashes = FileHashes::open_at(Some(folder.path()), later);
        let (sha256, bytes) = hashes.sha256(file).unwrap();
        assert_eq!(bytes, fs::metadata(file).unwrap().len());
        hashes.save();
        sha256
    }

    /// What the cache says is written over, so that one sees whether it is asked.
    fn plant(folder: &tempfile::TempDir, planted: &str) -> PathBuf {
        let cache = folder.path().join(CACHE_NAME);
        let text = fs::read_to_string(&cache).unwrap();
        fs::write(&cache, text.replace(&sha256_of(&contents(1)), planted)).unwrap();
        cache
    }

    #[test]
    fn a_file_of_many_pieces_has_the_hash_of_the_whole() {
        let (_folder, file) = folder();
        let whole = sha256_of(&contents(1));
        assert_eq!(FileHashes::open(None).sha256(&file).unwrap(), (whole, contents(1).len() as u64));
    }

    #[test]
    fn a_file_that_stayed_as_it_was_is_not_hashed_again() {
        let (folder, file) = folder();
        assert_eq!(hashed(&folder, &file), sha256_of(&contents(1)));
        plant(&folder, "remembered");
        assert_eq!(hashed(&folder, &file), "remembered");
    }

    #[test]
    fn a_file_that_changed_is_hashed_again_whatever_its_size_and_date_say() {
        let (folder, file) = folder();
        hashed(&folder, &file);
        plant(&folder, "remembered");
        let date = fs::metadata(&file).unwrap().modified().unwrap();
        fs::write(&file, contents(2)).unwrap();
        File::options().write(true).open(&file).unwrap().set_modified(date).unwrap();
        assert_eq!(hashed(&folder, &file), sha256_of(&contents(2)));
        // Another file under the name.
        let other = folder.path().join("other");
        fs::write(&other, contents(3)).unwrap();
        fs::rename(&other, &file).unwrap();
        assert_eq!(hashed(&folder, &file), sha256_of(&contents(3)));
    }

    #[test]
    fn a_file_that_was_written_just_now_is_not_remembered() {
        let (folder, file) = folder();
        let mut hashes = FileHashes::open(Some(folder.path()));
        // Of the future, so that no slow machine makes it old.
        File::options().write(true).open(&file).unwrap().set_modified(later()).unwrap();
        hashes.sha256(&file).unwrap();
        hashes.save();
        assert!(!folder.path().join(CACHE_NAME).exists());
    }

    #[test]
    fn a_cache_that_others_can_write_is_not_asked() {
        let (folder, file) = folder();
        hashed(&folder, &file);
        let cache = plant(&folder, "forged");
        fs::set_permissions(&cache, Permissions::from_mode(0o620)).unwrap();
        assert_eq!(hashed(&folder, &file), sha256_of(&contents(1)));
        assert_eq!(fs::metadata(&cache).unwrap().mode() & 0o777, 0o600, "it is written anew");
        assert!(is_ours(7, 0o100_600, 7) && !is_ours(8, 0o100_600, 7) && !is_ours(7, 0o100_602, 7));
    }

    #[test]
    fn a_damaged_or_misplaced_cache_only_costs_time() {
        let (folder, file) = folder();
        let cache = folder.path().join(CACHE_NAME);
        fs::write(&cache, "{").unwrap();
        assert_eq!(hashed(&folder, &file), sha256_of(&contents(1)));
        // A link is not followed.
        let elsewhere = folder.path().join("elsewhere");
        fs::rename(plant(&folder, "forged"), &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &cache).unwrap();
        assert_eq!(hashed(&folder, &file), sha256_of(&contents(1)));
        let mut nowhere = FileHashes::open_at(Some(Path::new("no/such/folder")), later);
        assert_eq!(nowhere.sha256(&file).unwrap().0, sha256_of(&contents(1)));
        nowhere.save();
    }
}
