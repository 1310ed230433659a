//! Which files of a watched folder, objects of a bucket and documents on the web are ready to be read: those that are new or changed and have
//! stopped growing. Walks say what
//! is there, the caller's clock says when; nothing is read here but the file's size and times, and nothing is believed of what
//! the system tells about a folder: that only says that a walk is due ([`Hints`]).

use std::collections::{BTreeSet, HashMap};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher, event::AccessKind, event::AccessMode};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::discover::{Discovery, SourceFile};
use crate::error::{Error, Result};
use crate::types::{ContentHash, is_on_web};

/// What tells one state of a file from another without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stamp {
    File {
        inode: u64,
        bytes: u64,
        /// Seconds and nanoseconds.
        modified: (i64, i64),
        changed: (i64, i64),
    },
    /// The version that the bucket tells, or that a document on the web still has. Neither ever grows.
    Object(ContentHash),
    /// A document on the web that is not what it was, or may not be: it is to be taken each time.
    Unread(Instant),
}

impl Stamp {
    /// The file's state now; None where it can't be looked at. Blocks.
    fn of(file: &SourceFile, now: Instant) -> Option<Self> {
        if let Some(version) = &file.version {
            return Some(Self::Object(version.clone()));
        }
        if is_on_web(&file.source.uri) {
            return Some(Self::Unread(now));
        }
        let metadata = file.real.metadata().ok()?;
        Some(Self::File {
            inode: metadata.ino(),
            bytes: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

/// What is known of a file.
#[derive(Debug)]
struct Seen {
    uri: String,
    stamp: Stamp,
    /// It has looked so since then.
    since: Instant,
    /// It was submitted in this state.
    taken: bool,
}

/// The files of some folders, from walk to walk.
#[derive(Debug)]
pub struct Tracker {
    settle: Duration,
    files: HashMap<PathBuf, Seen>,
}

/// What a walk showed.
#[derive(Debug, Default)]
pub struct Look {
    /// Files to be submitted, in order of path.
    pub ready: Vec<SourceFile>,
    /// Files that may still be growing.
    pub growing: Vec<PathBuf>,
    /// Files that were submitted and are there no more.
    pub gone: Vec<PathBuf>,
    /// When a file that may still be growing has settled, if it stays as it is.
    pub look_again: Option<Instant>,
}

impl Tracker {
    /// Files count as whole when they have not changed for `settle`.
    pub fn new(settle: Duration) -> Self {
        Self { settle, files: HashMap::new() }
    }

    /// Compares a walk with those before it. Only what lay below a folder that was walked now can be gone. Blocks.
    pub fn look(&mut self, discovery: &Discovery, now: Instant) -> Look {
        let stamped = discovery.files.iter().filter_map(|file| Some((file, Stamp::of(file, now)?)));
        let stamped: Vec<(&SourceFile, Stamp)> = stamped.collect();
        self.compare(&stamped, |uri| discovery.roots.iter().any(|root| root.holds(uri)), now)
    }

    fn compare(&mut self, files: &[(&SourceFile, Stamp)], walked: impl Fn(&str) -> bool, now: Instant) -> Look {
        let mut look = Look::default();
        for (file, stamp) in files {
            let new = || Seen { uri: file.source.uri.clone(), stamp: stamp.clone(), since: now, taken: false };
            let seen = self.files.entry(file.path.clone()).or_insert_with(new);
            if seen.stamp != *stamp {
                *seen = new();
            }
            if seen.taken {
                continue;
            }
            let settled = match stamp {
                Stamp::File { .. } => seen.since + self.settle,
                Stamp::Object(_) | Stamp::Unread(_) => now,
            };
            if settled <= now {
                look.ready.push((*file).clone());
            } else {
                look.growing.push(file.path.clone());
                look.look_again = Some(look.look_again.map_or(settled, |earlier| earlier.min(settled)));
            }
        }
        let there: BTreeSet<&Path> = files.iter().map(|(file, _)| file.path.as_path()).collect();
        // What was never submitted leaves nothing behind.
        self.files.retain(|path, seen| seen.taken || there.contains(path.as_path()));
        let gone = self.files.iter().filter(|(path, seen)| walked(&seen.uri) && !there.contains(path.as_path()));
        look.gone = gone.map(|(path, _)| path.clone()).collect();
        look.gone.sort();
        look
    }

    /// The sources of these files, as far as they are known.
    pub fn sources(&self, files: &[PathBuf]) -> BTreeSet<String> {
        files.iter().filter_map(|file| Some(self.files.get(file)?.uri.clone())).collect()
    }

    /// These files were submitted in the state in which they were seen last.
    pub fn taken(&mut self, files: &[SourceFile]) {
        for file in files {
            if let Some(seen) = self.files.get_mut(&file.path) {
                seen.taken = true;
            }
        }
    }

    /// The documents of these files were taken out.
    pub fn forget(&mut self, files: &[PathBuf]) {
        for file in files {
            self.files.remove(file);
        }
    }
}

/// What the system tells of folders: that something in them may have changed. It may tell nothing, of network shares for
/// instance, and it may tell of nothing.
pub struct Hints {
    _watcher: RecommendedWatcher,
    told: Arc<Notify>,
}

impl Hints {
    /// Listens for what happens below these folders and to these files. Blocks.
    ///
    /// # Errors
    /// Transient: the system does not watch so many folders.
    pub fn of(paths: &[PathBuf], follow_symlinks: bool) -> Result<Self> {
        let failed = |error: notify::Error| Error::transient("the system does not tell of changes").with_source(error);
        let told = Arc::<Notify>::default();
        let tell = told.clone();
        let handler = move |event: notify::Result<notify::Event>| {
            // Reading a file is no change, and we read them.
            let read = |kind| match kind {
                EventKind::Access(AccessKind::Close(AccessMode::Write)) => false,
                EventKind::Access(_) => true,
                _ => false,
            };
            if !event.is_ok_and(|event| read(event.kind)) {
                tell.notify_one();
            }
        };
        let config = notify::Config::default().with_follow_symlinks(follow_symlinks);
        let mut watcher = RecommendedWatcher::new(handler, config).map_err(failed)?;
        for path in paths {
            watcher.watch(path, RecursiveMode::Recursive).map_err(failed)?;
        }
        Ok(Self { _watcher: watcher, told })
    }

    /// Waits until something may have changed since the last time.
    pub async fn told(&self) {
        self.told.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::WalkedRoot;
    use crate::types::SourceRef;

    const SETTLE: Duration = Duration::from_secs(2);

    fn file(path: &str) -> SourceFile {
        let name = path.rsplit('/').next().unwrap().to_owned();
        let source = SourceRef { uri: path.into(), name };
        SourceFile { path: path.into(), real: path.into(), source, size_bytes: 1, version: None }
    }

    fn in_docs(uri: &str) -> bool {
        uri.starts_with("/docs/")
    }

    fn stamp(bytes: u64) -> Stamp {
        Stamp::File { inode: 1, bytes, modified: (0, 0), changed: (0, 0) }
    }

    struct Folder {
        tracker: Tracker,
        now: Instant,
    }

    impl Folder {
        fn new() -> Self {
            Self { tracker: Tracker::new(SETTLE), now: Instant::now() }
        }

        /// After so many seconds, the folder `/docs` holds these files of so many bytes; what is ready is taken.
        fn holds(&mut self, seconds: u64, files: &[(&str, u64)]) -> (Vec<String>, Vec<PathBuf>, bool) {
            self.now += Duration::from_secs(seconds);
            let files: Vec<(SourceFile, Stamp)> =
                files.iter().map(|(path, bytes)| (file(path), stamp(*bytes))).collect();
            let found: Vec<(&SourceFile, Stamp)> = files.iter().map(|(file, stamp)| (file, stamp.clone())).collect();
            let look = self.tracker.compare(&found, in_docs, self.now);
            self.tracker.taken(&look.ready);
            let ready = look.ready.into_iter().map(|file| file.source.name).collect();
            (ready, look.gone, look.look_again.is_some())
        }
    }

    #[tokio::test]
    async fn a_file_is_taken_once_when_it_has_stopped_growing() {
        let mut folder = Folder::new();
        assert_eq!(folder.holds(0, &[("/docs/a.pdf", 1)]), (vec![], vec![], true));
        assert_eq!(folder.holds(1, &[("/docs/a.pdf", 2)]), (vec![], vec![], true), "it grew");
        assert_eq!(folder.holds(1, &[("/docs/a.pdf", 2)]), (vec![], vec![], true), "not for long enough");
        assert_eq!(folder.holds(1, &[("/docs/a.pdf", 2)]), (vec!["a.pdf".into()], vec![], false));
        assert_eq!(folder.holds(9, &[("/docs/a.pdf", 2)]), (vec![], vec![], false), "known");
        assert_eq!(folder.holds(1, &[("/docs/a.pdf", 3)]), (vec![], vec![], true), "it changed");
        assert_eq!(folder.holds(2, &[("/docs/a.pdf", 3)]), (vec!["a.pdf".into()], vec![], false));
    }

    #[tokio::test]
    async fn a_file_that_could_not_be_submitted_is_ready_again() {
        let mut folder = Folder::new();
        folder.holds(0, &[("/docs/a.pdf", 1)]);
        let (found, at) = (file("/docs/a.pdf"), folder.now + SETTLE);
        let again = |folder: &mut Folder| folder.tracker.compare(&[(&found, stamp(1))], in_docs, at).ready.len();
        assert_eq!((again(&mut folder), again(&mut folder)), (1, 1));
    }

    #[tokio::test]
    async fn an_object_is_taken_at_once_and_again_as_another_version() {
        let mut tracker = Tracker::new(SETTLE);
        let mut looks = |content: &str| {
            let mut object = file("s3://inbox/a.pdf");
            object.version = Some(ContentHash::of(content.as_bytes()));
            let root = WalkedRoot { uri: "s3://inbox".into(), device: 0, files: 1, problems: 0, listed: None };
            let discovery = Discovery { files: vec![object], roots: vec![root], ..Discovery::default() };
            let look = tracker.look(&discovery, Instant::now());
            tracker.taken(&look.ready);
            (look.ready.len(), look.look_again)
        };
        assert_eq!((looks("1"), looks("1"), looks("2")), ((1, None), (0, None), (1, None)));
    }

    #[tokio::test]
    async fn what_is_gone_is_told_until_it_is_followed() {
        let mut folder = Folder::new();
        folder.holds(0, &[("/docs/a.pdf", 1), ("/docs/b.pdf", 1)]);
        folder.holds(2, &[("/docs/a.pdf", 1), ("/docs/b.pdf", 1), ("/docs/new.pdf", 1)]);
        // new.pdf goes before it was taken: nobody has to know
        let gone = vec![PathBuf::from("/docs/b.pdf")];
        assert_eq!(folder.holds(1, &[("/docs/a.pdf", 1)]).1, gone);
        assert_eq!(folder.holds(1, &[("/docs/a.pdf", 1)]).1, gone);
        // it comes back as it was: a share that was away
        let back = folder.holds(1, &[("/docs/a.pdf", 1), ("/docs/b.pdf", 1)]);
        assert_eq!(back, (vec![], vec![], false));
        folder.holds(1, &[("/docs/a.pdf", 1)]);
        folder.tracker.forget(&gone);
        assert!(folder.holds(1, &[("/docs/a.pdf", 1)]).1.is_empty());
    }

    #[tokio::test]
    async fn nothing_is_gone_from_a_folder_that_was_not_walked() {
        let mut folder = Folder::new();
        folder.holds(0, &[("/docs/a.pdf", 1)]);
        folder.holds(2, &[("/docs/a.pdf", 1)]);
        assert!(folder.tracker.compare(&[], |uri| uri.starts_with("/other/"), folder.now).gone.is_empty());
        assert!(folder.tracker.compare(&[], |_| false, folder.now).gone.is_empty());
        assert_eq!(folder.tracker.compare(&[], in_docs, folder.now).gone.len(), 1);
    }

    #[tokio::test]
    async fn the_system_tells_of_new_files_but_not_of_our_reading() {
        let made = tempfile::tempdir().unwrap();
        std::fs::create_dir(made.path().join("deep")).unwrap();
        let hints = Hints::of(&[made.path().to_owned()], false).unwrap();
        std::fs::write(made.path().join("deep/a.pdf"), "a").unwrap();
        tokio::time::timeout(Duration::from_secs(20), hints.told()).await.unwrap();
        assert!(Hints::of(&["/no/such/folder".into()], false).is_err());
    }
}
