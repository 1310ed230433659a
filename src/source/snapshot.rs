//! Bytes that stand still: a private copy of a file, hashed while it is copied.
//!
//! The copy is never a hard link, for a file may be changed in place while it is rendered.
//!
//! **Links.** A path is read as it is, without following symbolic links. There are documents that lie behind one: the user
//! named it, or asked for links to be followed. For them links are resolved when they are found ([`SourceFile::real`] is what
//! is hashed and submitted); by the time that they are read, only their path is known, and it can't be told from a path that
//! somebody changed to hold a link since. So one rule serves both: behind a link, only those bytes are read that were
//! submitted, known by their hash. A file swapped for a link to something else is refused, and who could make a link to
//! the same bytes has gained nothing.
//!
//! [`SourceFile::real`]: super::SourceFile::real

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures::{Stream, StreamExt};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::open::{open_straight, open_through_links, unreadable};
use crate::durable::durable_folder;
use crate::error::{Blame, Error, Result, io_error};
use crate::types::ContentHash;

/// Read at a time: large enough for BLAKE3 to use all of its lanes, small beside a page image.
const CHUNK_BYTES: usize = 1 << 20;

/// Pieces between whoever sends them and the disk.
const PIECES_IN_FLIGHT: usize = 16;

/// How spool files end.
pub(super) const SPOOL_SUFFIX: &str = ".spool";

/// How folders of the spool folder end in which documents are converted.
const CONVERSION_SUFFIX: &str = ".office";

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

/// Copies the file of a job into `spool_folder` (which is created when missing) and hashes it. `path` is absolute;
/// `submitted` is the hash of the job: the copy may differ from it, unless the path leads over a link.
///
/// # Errors
/// - Permanent, the document's fault: no regular file, larger than `max_bytes` (limit `max_document_bytes`), or behind a link
///   and not what was submitted.
/// - Transient, the document's fault: gone, unreadable, or changed while it was read.
/// - A dependency's fault: the folder of the file can't be entered, or the spool folder can't be written.
pub async fn snapshot(path: &Path, submitted: &ContentHash, spool_folder: &Path, max_bytes: u64) -> Result<Snapshot> {
    let (path, submitted, spool_folder) = (path.to_owned(), submitted.clone(), spool_folder.to_owned());
    blocking(move || copy(&path, &submitted, &spool_folder, max_bytes)).await
}

/// A private copy of bytes that were read out of a file.
///
/// # Errors
/// A dependency's fault: the spool folder can't be written.
pub async fn spool(bytes: Bytes, spool_folder: &Path) -> Result<Snapshot> {
    let spool_folder = spool_folder.to_owned();
    blocking(move || {
        durable_folder(&spool_folder)?;
        let path = spool_folder.join(format!("{}{SPOOL_SUFFIX}", Uuid::new_v4()));
        let copy = Snapshot { path, content_hash: ContentHash::of(&bytes), size_bytes: bytes.len() as u64 };
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let mut file = options.open(&copy.path).map_err(|error| spool_error("create", &copy.path, error))?;
        file.write_all(&bytes).map_err(|error| spool_error("write", &copy.path, error))?;
        Ok(copy)
    })
    .await
}

/// A private copy of bytes that come piece by piece: hashed while they are written, on a thread of their own, and never in memory
/// as a whole. Cut off, they leave nothing.
///
/// # Errors
/// What the stream says. Permanent, the document's fault: more than `max_bytes` (limit `max_document_bytes`). A dependency's fault:
/// the spool folder can't be written.
pub async fn receive<S>(pieces: S, spool_folder: &Path, max_bytes: u64) -> Result<Snapshot>
where
    S: Stream<Item = Result<Bytes>> + Send,
{
    let (sender, receiver) = mpsc::channel(PIECES_IN_FLIGHT);
    let spool_folder = spool_folder.to_owned();
    let writing = blocking(move || write_pieces(receiver, &spool_folder));
    let sending = async move {
        let mut pieces = std::pin::pin!(pieces);
        let mut size = 0u64;
        while let Some(piece) = pieces.next().await {
            let piece = piece?;
            size += piece.len() as u64;
            if size > max_bytes {
                let message = format!("larger than the {max_bytes} bytes allowed (max_document_bytes)");
                return Err(Error::permanent(message).at_limit("max_document_bytes", max_bytes));
            }
            if sender.send(piece).await.is_err() {
                // what went wrong the writer tells
                break;
            }
        }
        Ok(())
    };
    let (copy, sent) = tokio::join!(writing, sending);
    // a copy of half of it goes with its value
    sent.and(copy)
}

fn write_pieces(mut pieces: mpsc::Receiver<Bytes>, spool_folder: &Path) -> Result<Snapshot> {
    durable_folder(spool_folder)?;
    let path = spool_folder.join(format!("{}{SPOOL_SUFFIX}", Uuid::new_v4()));
    let mut copy = Snapshot { path, content_hash: ContentHash::of(b""), size_bytes: 0 };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = options.open(&copy.path).map_err(|error| spool_error("create", &copy.path, error))?;
    let mut hasher = blake3::Hasher::new();
    while let Some(piece) = pieces.blocking_recv() {
        hasher.update(&piece);
        file.write_all(&piece).map_err(|error| spool_error("write", &copy.path, error))?;
        copy.size_bytes += piece.len() as u64;
    }
    copy.content_hash = ContentHash(hasher.finalize().to_hex().to_string());
    Ok(copy)
}

/// The hash that [`snapshot`] would find now, without a copy. For submission: `path` is [`SourceFile::real`], in which there
/// is no link; one that is there now was put there since, and is not followed.
///
/// # Errors
/// As [`snapshot`]; its size is checked before a byte is read.
///
/// [`SourceFile::real`]: super::SourceFile::real
pub async fn hash_file(path: &Path, max_bytes: u64) -> Result<ContentHash> {
    let path = path.to_owned();
    blocking(move || {
        let (mut source, metadata) = open_straight(&path)?.ok_or_else(|| {
            Error::permanent(format!("{} was swapped for a symbolic link: it is not read", path.display()))
        })?;
        check_size(&path, &metadata, max_bytes)?;
        let (content_hash, _) = read_through(&path, &mut source, &Stamp::of(&metadata), |_| Ok(()))?;
        Ok(content_hash)
    })
    .await
}

/// Removes copies that a process left when it was killed; returns how many. Only for a spool folder that nobody else
/// uses.
///
/// # Errors
/// When the folder can't be read; one that doesn't exist is empty.
pub fn clear_spool(spool_folder: &Path) -> Result<usize> {
    let entries = match std::fs::read_dir(spool_folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(io_error("read", spool_folder, error)),
    };
    let mut removed = 0;
    for entry in entries {
        let path = entry.map_err(|error| io_error("read", spool_folder, error))?.path();
        let name = path.to_string_lossy();
        let gone = if name.ends_with(SPOOL_SUFFIX) {
            std::fs::remove_file(&path)
        } else if name.ends_with(CONVERSION_SUFFIX) {
            std::fs::remove_dir_all(&path)
        } else {
            continue;
        };
        gone.map_err(|error| io_error("remove", &path, error))?;
        removed += 1;
    }
    Ok(removed)
}

/// Opens the file of a document as it was indexed, to be passed on: beneath its root, no link followed but to those very bytes.
/// Reads all of it once. Blocks.
///
/// # Errors
/// Permanent: it is not what was indexed any more. Else as [`snapshot`].
pub fn open_as_indexed(path: &Path, indexed: &ContentHash) -> Result<(File, u64)> {
    let (mut file, metadata) = match open_straight(path)? {
        Some(opened) => opened,
        None => open_through_links(path)?,
    };
    let (found, size) = read_through(path, &mut file, &Stamp::of(&metadata), |_| Ok(()))?;
    if found != *indexed {
        return Err(Error::permanent("the file is not what was indexed any more"));
    }
    file.rewind().map_err(|error| unreadable("read", path, error))?;
    Ok((file, size))
}

/// Opens a file once more that [`open_as_indexed`] was content with. Blocks.
///
/// # Errors
/// As [`snapshot`].
pub fn open_again(path: &Path) -> Result<File> {
    Ok(match open_straight(path)? {
        Some((file, _)) => file,
        None => open_through_links(path)?.0,
    })
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Error::bug("reading a source file was cut off").with_source(error)))
}

fn copy(path: &Path, submitted: &ContentHash, spool_folder: &Path, max_bytes: u64) -> Result<Snapshot> {
    let (opened, behind_link) = match open_straight(path)? {
        Some(opened) => (opened, false),
        None => (open_through_links(path)?, true),
    };
    let (mut source, metadata) = opened;
    check_size(path, &metadata, max_bytes)?;
    durable_folder(spool_folder)?;
    let spooled = spool_folder.join(format!("{}{SPOOL_SUFFIX}", Uuid::new_v4()));
    match write_copy(path, &mut source, &Stamp::of(&metadata), &spooled) {
        Ok((content_hash, size_bytes)) => {
            let copy = Snapshot { path: spooled, content_hash, size_bytes };
            if behind_link && copy.content_hash != *submitted {
                return Err(Error::permanent(format!(
                    "{} is a symbolic link, or lies behind one, and what it leads to is not what was submitted: it is not \
                     read. If the link is meant, ingest it again",
                    path.display()
                )));
            }
            Ok(copy)
        }
        Err(error) => {
            remove(&spooled);
            Err(error)
        }
    }
}

fn check_size(path: &Path, metadata: &Metadata, max_bytes: u64) -> Result<()> {
    let (path, size) = (path.display(), metadata.len());
    if size > max_bytes {
        return Err(Error::permanent(format!(
            "{path} is {size} bytes large, more than the {max_bytes} allowed (max_document_bytes)"
        ))
        .at_limit("max_document_bytes", max_bytes));
    }
    Ok(())
}

fn write_copy(path: &Path, source: &mut File, before: &Stamp, spooled: &Path) -> Result<(ContentHash, u64)> {
    let mut copy = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(spooled)
        .map_err(|error| spool_error("create", spooled, error))?;
    read_through(path, source, before, |bytes| {
        copy.write_all(bytes).map_err(|error| spool_error("write", spooled, error))
    })
}

/// Our own disk, whatever the error: it passes, and no document pays for it.
fn spool_error(action: &str, spooled: &Path, error: io::Error) -> Error {
    Error::transient(format!("cannot {action} the private copy {}", spooled.display())).with_source(error)
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
            Err(error) => return Err(unreadable("read", path, error)),
        };
        // a file that grows while it is read has changed, and may grow for ever
        size += read as u64;
        if read == 0 || size > before.size {
            break;
        }
        hasher.update(&chunk[..read]);
        each(&chunk[..read])?;
    }
    let after = Stamp::of(&source.metadata().map_err(|error| unreadable("read", path, error))?);
    if after != *before || size != before.size {
        return Err(Error::transient(format!(
            "{} changed while it was read ({} bytes before, {} after); it is read again later",
            path.display(),
            before.size,
            after.size
        ))
        .blaming(Blame::Document));
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
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;
    use crate::error::{Kind, Limit};

    const NO_LIMIT: u64 = u64::MAX;

    #[tokio::test]
    async fn pieces_become_a_copy_and_what_is_cut_off_leaves_nothing() {
        let spool = TempDir::new().unwrap();
        let pieces = |last: Result<Bytes>| {
            futures::stream::iter([Ok(Bytes::from_static(b"one ")), Ok(Bytes::from_static(b"two")), last])
        };
        let copy = receive(pieces(Ok(Bytes::new())), spool.path(), 7).await.unwrap();
        assert_eq!((copy.size_bytes, fs::read(&copy.path).unwrap()), (7, b"one two".to_vec()));
        assert_eq!(copy.content_hash, ContentHash::of(b"one two"));
        drop(copy);
        let cut = receive(pieces(Err(Error::transient("cut"))), spool.path(), NO_LIMIT).await.unwrap_err();
        assert_eq!(cut.to_string(), "cut");
        let large = receive(pieces(Ok(Bytes::from_static(b"!"))), spool.path(), 7).await.unwrap_err();
        assert_eq!(large.limit(), Some(&Limit { name: "max_document_bytes".into(), value: 7 }));
        assert_eq!(fs::read_dir(spool.path()).unwrap().count(), 0);
    }

    fn file(content: &[u8]) -> (TempDir, PathBuf, PathBuf) {
        let folder = TempDir::new().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let path = root.join("report.pdf");
        fs::write(&path, content).unwrap();
        (folder, path, root.join("spool"))
    }

    fn spooled(spool: &Path) -> usize {
        fs::read_dir(spool).map_or(0, Iterator::count)
    }

    /// [`super::snapshot`] of a job that was submitted for other bytes than any test has.
    async fn snapshot(path: &Path, spool: &Path, max_bytes: u64) -> Result<Snapshot> {
        super::snapshot(path, &ContentHash::of(b"submitted before"), spool, max_bytes).await
    }

    #[tokio::test]
    async fn a_copy_stands_still_and_goes_when_dropped() {
        let content: Vec<u8> = (0..3 * CHUNK_BYTES + 17).map(|at| (at % 251) as u8).collect();
        let (_folder, path, spool) = file(&content);
        let taken = snapshot(&path, &spool, NO_LIMIT).await.unwrap();
        assert_eq!(taken.content_hash, ContentHash::of(&content));
        assert_eq!(taken.size_bytes, content.len() as u64);
        assert_eq!(hash_file(&path, NO_LIMIT).await.unwrap(), taken.content_hash);
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
    async fn a_file_over_the_limit_is_refused_before_it_is_read() {
        let (_folder, path, spool) = file(b"12345");
        assert!(snapshot(&path, &spool, 5).await.is_ok());
        assert!(hash_file(&path, 5).await.is_ok());
        // Reading it through would take hours: it is a hole of four terabytes.
        let huge = path.with_file_name("huge.pdf");
        File::create(&huge).unwrap().set_len(1 << 42).unwrap();
        for (large, bytes) in [(&path, "5 bytes"), (&huge, "4398046511104 bytes")] {
            let name = large.file_name().unwrap().to_str().unwrap();
            let (copied, hashed) =
                (snapshot(large, &spool, 4).await.unwrap_err(), hash_file(large, 4).await.unwrap_err());
            for error in [copied, hashed] {
                assert_eq!((error.kind(), error.blame()), (Kind::Permanent, Blame::Document));
                assert_eq!(error.limit(), Some(&Limit { name: "max_document_bytes".into(), value: 4 }));
                assert!(error.to_string().contains(bytes) && error.to_string().contains(name), "{error}");
            }
        }
        assert_eq!(spooled(&spool), 0);
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
            let (mut source, metadata) = open_straight(&path).unwrap().unwrap();
            change(&path);
            let error = write_copy(&path, &mut source, &Stamp::of(&metadata), &spool.join("copy")).unwrap_err();
            assert!(error.is_transient() && error.blame() == Blame::Document, "{error:?}");
            assert!(error.to_string().contains("report.pdf changed"), "{error}");
        }
    }

    #[tokio::test]
    async fn only_files_are_opened() {
        let (folder, path, spool) = file(b"x");
        let root = path.parent().unwrap();
        let fifo = root.join("pipe.pdf");
        let name = CString::new(fifo.as_os_str().as_bytes()).unwrap();
        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
        let piped = root.join("piped.pdf");
        symlink(&fifo, &piped).unwrap();
        for (bad, said) in [(fifo.as_path(), "a named pipe"), (root, "a folder"), (&piped, "a named pipe")] {
            let error = snapshot(bad, &spool, NO_LIMIT).await.unwrap_err();
            assert_eq!((error.kind(), error.blame()), (Kind::Permanent, Blame::Document));
            assert!(error.to_string().contains(said), "{error}");
            assert!(hash_file(bad, NO_LIMIT).await.is_err());
        }
        let (missing, dangling) = (root.join("missing.pdf"), root.join("dangling.pdf"));
        symlink("nowhere", &dangling).unwrap();
        for gone in [missing, dangling] {
            let error = snapshot(&gone, &spool, NO_LIMIT).await.unwrap_err();
            assert!(error.is_transient() && error.blame() == Blame::Document, "{error:?}");
            assert!(error.to_string().contains(gone.file_name().unwrap().to_str().unwrap()), "{error}");
        }
        assert_eq!(spooled(&spool), 0);
        drop(folder);
    }

    #[tokio::test]
    async fn a_file_swapped_for_a_link_after_submission_is_not_read() {
        let (_folder, path, spool) = file(b"harmless");
        let submitted = hash_file(&path, NO_LIMIT).await.unwrap();
        let secret = path.with_file_name("secret");
        fs::write(&secret, "of somebody else").unwrap();
        fs::remove_file(&path).unwrap();
        symlink(&secret, &path).unwrap();
        assert!(hash_file(&path, NO_LIMIT).await.unwrap_err().to_string().contains("symbolic link"));
        let error = super::snapshot(&path, &submitted, &spool, NO_LIMIT).await.unwrap_err();
        assert_eq!((error.kind(), error.blame()), (Kind::Permanent, Blame::Document));
        assert!(error.to_string().contains("not what was submitted"), "{error}");
        assert_eq!(spooled(&spool), 0, "nothing of it is kept");
    }

    #[tokio::test]
    async fn a_folder_swapped_for_a_link_after_submission_is_not_entered() {
        let (_folder, path, spool) = file(b"harmless");
        let root = path.parent().unwrap();
        for (folder, content) in [("docs", "harmless"), ("private", "of somebody else")] {
            fs::create_dir(root.join(folder)).unwrap();
            fs::write(root.join(folder).join("report.pdf"), content).unwrap();
        }
        let document = root.join("docs/report.pdf");
        let submitted = hash_file(&document, NO_LIMIT).await.unwrap();
        fs::remove_dir_all(root.join("docs")).unwrap();
        symlink("private", root.join("docs")).unwrap();
        let error = super::snapshot(&document, &submitted, &spool, NO_LIMIT).await.unwrap_err();
        assert!(error.to_string().contains("not what was submitted"), "{error}");
        assert_eq!(spooled(&spool), 0);
    }

    #[tokio::test]
    async fn a_link_that_somebody_named_is_read_as_it_was_submitted() {
        let (_folder, path, spool) = file(b"meant");
        let link = path.with_file_name("link.pdf");
        symlink("report.pdf", &link).unwrap();
        let submitted = hash_file(&link.canonicalize().unwrap(), NO_LIMIT).await.unwrap();
        let taken = super::snapshot(&link, &submitted, &spool, NO_LIMIT).await.unwrap();
        assert_eq!(fs::read(&taken.path).unwrap(), b"meant");
    }

    #[tokio::test]
    async fn a_plain_file_that_changed_is_read() {
        let (_folder, path, spool) = file(b"new version");
        let taken = super::snapshot(&path, &ContentHash::of(b"old version"), &spool, NO_LIMIT).await.unwrap();
        assert_eq!(taken.content_hash, ContentHash::of(b"new version"));
    }

    #[tokio::test]
    async fn a_spool_folder_that_cannot_be_written_is_not_the_documents_fault() {
        let (_folder, path, spool) = file(b"x");
        fs::write(&spool, "a file stands there").unwrap();
        assert_eq!(snapshot(&path, &spool, NO_LIMIT).await.unwrap_err().blame(), Blame::Dependency);
        let (mut source, metadata) = open_straight(&path).unwrap().unwrap();
        let error = write_copy(&path, &mut source, &Stamp::of(&metadata), &spool.join("copy")).unwrap_err();
        assert!(error.is_transient() && error.blame() == Blame::Dependency, "{error:?}");
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_full_spool_disk_is_not_the_documents_fault() {
        let (_folder, path, _spool) = file(b"x");
        let (mut source, metadata) = open_straight(&path).unwrap().unwrap();
        let mut full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let spooled = Path::new("/dev/full");
        let error = read_through(&path, &mut source, &Stamp::of(&metadata), |bytes| {
            full.write_all(bytes).map_err(|error| spool_error("write", spooled, error))
        })
        .unwrap_err();
        assert!(error.is_transient() && error.blame() == Blame::Dependency, "{error:?}");
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
