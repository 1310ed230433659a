//! Opens source files by their path and by nothing else: a symbolic link, anywhere in the path, is not followed.
//!
//! Whoever may write into a folder that Quire reads could otherwise swap a file, or a folder above it, for a link to
//! something that only Quire may read, and have it indexed. Says also whose fault it is when a file can't be read.

use std::fs::{File, Metadata};
use std::io;
use std::path::{Component, Path, PathBuf};

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, openat, statat};
use rustix::io::Errno;

use super::discover::kind_of;
use crate::error::{Blame, Error, Result};

/// Never waits for the other end of a pipe, never takes over a terminal.
const READ: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);
/// A folder of which only the place matters: entering it needs no leave to list it.
#[cfg(target_os = "linux")]
const PLACE: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
#[cfg(not(target_os = "linux"))]
const PLACE: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Opens a regular file; None when a link stands in its path. `path` is absolute.
///
/// # Errors
/// Permanent, the document's fault: no regular file. Else as [`unreadable`].
pub fn open_straight(path: &Path) -> Result<Option<(File, Metadata)>> {
    // Looked at before it is opened: opening a device may set it in motion.
    let found = path.symlink_metadata().map_err(|error| unreadable("open", path, error))?;
    if !found.is_file() && !found.is_symlink() {
        return Err(irregular(path, &found));
    }
    let file = match open_beneath_root(path) {
        Ok(file) => File::from(file),
        Err(Errno::LOOP) => return Ok(None),
        Err(error) => return Err(unreadable("open", path, error.into())),
    };
    // What is open now may be something else than what was there just now.
    let metadata = file.metadata().map_err(|error| unreadable("read", path, error))?;
    if !metadata.is_file() {
        return Err(irregular(path, &metadata));
    }
    Ok(Some((file, metadata)))
}

/// Opens the regular file that links lead to: they are resolved once, and what they lead to is opened without any.
///
/// # Errors
/// As [`open_straight`].
pub fn open_through_links(path: &Path) -> Result<(File, Metadata)> {
    let real = path.canonicalize().map_err(|error| unreadable("open", path, error))?;
    open_straight(&real)?.ok_or_else(|| {
        let message = format!("{} was swapped for a link while it was opened", real.display());
        Error::transient(message).blaming(Blame::Document)
    })
}

/// The error of a source file that can't be read now. It may be readable later, whatever the cause. The document pays for it
/// with an attempt when the trouble is its own (gone, no permission, a broken sector); when its folder is gone or can't be
/// entered, as after a share was unmounted, the folder is to blame, which is named.
pub fn unreadable(action: &str, path: &Path, error: io::Error) -> Error {
    let message = format!("cannot {action} {}", path.display());
    match absent_folder(path) {
        Some((folder, cause)) => Error::transient(format!(
            "{message}: its folder {} can't be entered; is a share not mounted?",
            folder.display()
        ))
        .with_source(cause),
        None => Error::transient(message).blaming(Blame::Document).with_source(error),
    }
}

/// The outermost folder of the path that can't be entered.
fn absent_folder(path: &Path) -> Option<(&Path, io::Error)> {
    let mut folders: Vec<&Path> = path.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty()).collect();
    folders.reverse();
    // The dot asks for what is in the folder, not for the folder alone: that takes leave to enter it.
    folders.into_iter().find_map(|folder| folder.join(".").metadata().err().map(|error| (folder, error)))
}

fn irregular(path: &Path, metadata: &Metadata) -> Error {
    let kind = kind_of(metadata.file_type());
    Error::permanent(format!("{} is {kind}: a file is expected", path.display()))
}

/// Opens an absolute path in which no component is a link.
///
/// # Errors
/// `LOOP` when one is.
fn open_beneath_root(path: &Path) -> Result<OwnedFd, Errno> {
    let below = below_root(path)?;
    let root = openat(CWD, "/", PLACE, Mode::empty())?;
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{ResolveFlags, openat2};
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        match openat2(&root, &below, READ, Mode::empty(), resolve) {
            // Kernels before 5.6 lack the call, some sandboxes refuse it, and renames meanwhile may keep it from an answer.
            Err(Errno::NOSYS | Errno::PERM | Errno::AGAIN) => {}
            opened => return opened,
        }
    }
    open_by_components(root, &below)
}

/// What [`open_beneath_root`] does where the kernel can't: one component after the other, none of them a link.
fn open_by_components(root: OwnedFd, below: &Path) -> Result<OwnedFd, Errno> {
    let (Some(folders), Some(name)) = (below.parent(), below.file_name()) else { return Err(Errno::INVAL) };
    let mut folder = root;
    for component in folders {
        folder = match openat(&folder, component, PLACE | OFlags::NOFOLLOW, Mode::empty()) {
            // A link is no folder: the kernel tells the two apart only when asked.
            Err(Errno::NOTDIR) if is_link(&folder, Path::new(component)) => return Err(Errno::LOOP),
            opened => opened?,
        };
    }
    openat(&folder, name, READ | OFlags::NOFOLLOW, Mode::empty())
}

fn is_link(folder: &OwnedFd, name: &Path) -> bool {
    let found = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW);
    found.is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::Symlink)
}

/// An absolute path without its leading `/`. One with `..` in it may mean anything.
fn below_root(path: &Path) -> Result<PathBuf, Errno> {
    let mut components = path.components();
    let absolute = components.next() == Some(Component::RootDir);
    let below: PathBuf = components.clone().collect();
    let plain = components.all(|component| matches!(component, Component::Normal(_)));
    if absolute && plain && below.file_name().is_some() { Ok(below) } else { Err(Errno::INVAL) }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;
    use crate::error::Kind;

    type Opener = fn(&Path) -> Result<OwnedFd, Errno>;

    fn by_components(path: &Path) -> Result<OwnedFd, Errno> {
        open_by_components(openat(CWD, "/", PLACE, Mode::empty())?, &below_root(path)?)
    }

    /// With the kernel's help, and without.
    const OPENERS: [Opener; 2] = [open_beneath_root, by_components];

    fn folder() -> (TempDir, PathBuf) {
        let made = TempDir::new().unwrap();
        let root = made.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("in/deep")).unwrap();
        fs::write(root.join("in/deep/a.pdf"), "a").unwrap();
        fs::write(root.join("secret"), "secret").unwrap();
        (made, root)
    }

    #[test]
    fn a_file_is_opened_and_no_link_in_its_path_is_followed() {
        let (_made, root) = folder();
        symlink("a.pdf", root.join("in/deep/link.pdf")).unwrap();
        symlink(root.join("in"), root.join("folder")).unwrap();
        symlink("deep", root.join("in/inner")).unwrap();
        symlink("nowhere", root.join("in/dangling.pdf")).unwrap();
        for open in OPENERS {
            let file = File::from(open(&root.join("in/deep/a.pdf")).unwrap());
            assert_eq!(io::read_to_string(file).unwrap(), "a");
            let links =
                ["in/deep/link.pdf", "folder/deep/a.pdf", "in/inner/a.pdf", "folder/inner/a.pdf", "in/dangling.pdf"];
            for link in links {
                assert_eq!(open(&root.join(link)).unwrap_err(), Errno::LOOP, "{link}");
            }
            assert_eq!(open(&root.join("in/none.pdf")).unwrap_err(), Errno::NOENT);
            assert_eq!(open(&root.join("secret/none.pdf")).unwrap_err(), Errno::NOTDIR);
            for odd in [Path::new("relative.pdf"), Path::new("/"), &root.join("in/../secret")] {
                assert_eq!(open(odd).unwrap_err(), Errno::INVAL, "{}", odd.display());
            }
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn magic_links_of_proc_are_links_too() {
        let (_made, root) = folder();
        let held = File::open(root.join("secret")).unwrap();
        let magic = format!("/proc/{}/fd/{}", std::process::id(), std::os::fd::AsRawFd::as_raw_fd(&held));
        for open in OPENERS {
            assert_eq!(open(Path::new(&magic)).unwrap_err(), Errno::LOOP);
        }
    }

    #[test]
    fn links_are_resolved_when_that_was_asked_for() {
        let (_made, root) = folder();
        symlink(root.join("in"), root.join("folder")).unwrap();
        assert!(open_straight(&root.join("folder/deep/a.pdf")).unwrap().is_none());
        let (file, _) = open_through_links(&root.join("folder/deep/a.pdf")).unwrap();
        assert_eq!(io::read_to_string(file).unwrap(), "a");
    }

    #[test]
    fn a_file_that_is_gone_is_its_own_trouble_and_a_folder_that_is_gone_is_not() {
        let (_made, root) = folder();
        let path = root.join("in/deep/a.pdf");
        fs::remove_file(&path).unwrap();
        let gone = open_straight(&path).unwrap_err();
        assert!(gone.is_transient() && gone.blame() == Blame::Document, "{gone:?}");

        fs::remove_dir_all(root.join("in")).unwrap();
        let away = open_straight(&path).unwrap_err();
        assert!(away.is_transient() && away.blame() == Blame::Dependency, "{away:?}");
        let folder = format!("its folder {} can't", root.join("in").display());
        assert!(away.to_string().contains(&folder), "the outermost that is gone: {away}");

        fs::write(root.join("in"), "a file took its place").unwrap();
        assert_eq!(open_straight(&path).unwrap_err().blame(), Blame::Dependency);
        let (_other, other) = folder_with_link_to(&root.join("nowhere"));
        assert_eq!(
            open_straight(&other).unwrap_err().blame(),
            Blame::Dependency,
            "a folder behind a link that dangles"
        );
    }

    fn folder_with_link_to(target: &Path) -> (TempDir, PathBuf) {
        let made = TempDir::new().unwrap();
        let link = made.path().join("share");
        symlink(target, &link).unwrap();
        (made, link.join("a.pdf"))
    }

    #[test]
    fn permission_may_come_back() {
        let (_made, root) = folder();
        let path = root.join("in/deep/a.pdf");
        for kind in [io::ErrorKind::PermissionDenied, io::ErrorKind::NotFound, io::ErrorKind::Other] {
            let error = unreadable("read", &path, io::Error::from(kind));
            assert!(error.is_transient() && error.blame() == Blame::Document, "{error:?}");
            assert!(error.to_string().contains("a.pdf"));
        }
    }

    #[test]
    fn what_is_no_file_stays_so() {
        let (_made, root) = folder();
        for odd in [root.join("in"), PathBuf::from("/dev/null")] {
            let error = open_straight(&odd).unwrap_err();
            assert_eq!((error.kind(), error.blame()), (Kind::Permanent, Blame::Document));
            assert!(error.to_string().contains("a file is expected"), "{error}");
        }
    }
}
