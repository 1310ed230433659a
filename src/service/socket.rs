//! Where the control socket lies: in the data folder, for its owner alone. A path longer than the system takes in an address
//! leads through the folder's descriptor instead.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

const NAME: &str = "control.sock";

/// What `sun_path` holds on every system, its final zero apart.
const LONGEST_PATH: usize = 103;

/// An address, and the descriptor that it may lead through.
struct Address {
    path: PathBuf,
    _folder: Option<File>,
}

impl Address {
    fn of(data_dir: &Path) -> io::Result<Self> {
        let path = data_dir.join(NAME);
        if path.as_os_str().len() <= LONGEST_PATH {
            return Ok(Self { path, _folder: None });
        }
        let folder = File::open(data_dir)?;
        Ok(Self { path: format!("/proc/self/fd/{}/{NAME}", folder.as_raw_fd()).into(), _folder: Some(folder) })
    }
}

/// Listens in a data folder that this process holds: what lies there is a leftover.
pub fn listen(data_dir: &Path) -> io::Result<UnixListener> {
    remove(data_dir);
    let address = Address::of(data_dir)?;
    let listener = UnixListener::bind(&address.path)?;
    // The folder is its owner's alone already; this holds where that could not be done.
    fs::set_permissions(&address.path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// A connection to whoever serves the folder; None where nobody does.
pub async fn connect(data_dir: &Path) -> Option<UnixStream> {
    let address = Address::of(data_dir).ok()?;
    UnixStream::connect(&address.path).await.ok()
}

/// From now on nobody is there.
pub fn remove(data_dir: &Path) {
    // Whoever finds a socket without a listener takes it for none.
    let _ = fs::remove_file(data_dir.join(NAME));
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[tokio::test]
    async fn it_is_found_in_folders_of_any_length_and_is_its_owners_alone() {
        let made = tempfile::tempdir().unwrap();
        let deep = made.path().join("x".repeat(100)).join("y".repeat(100));
        fs::create_dir_all(&deep).unwrap();
        for folder in [made.path(), &deep] {
            assert!(connect(folder).await.is_none());
            let listener = listen(folder).unwrap();
            let (connected, accepted) = tokio::join!(connect(folder), listener.accept());
            assert!(connected.is_some() && accepted.is_ok());
            assert_eq!(fs::metadata(folder.join(NAME)).unwrap().mode() & 0o777, 0o600);
            drop(listener);
            assert!(connect(folder).await.is_none(), "a leftover is nobody");
            listen(folder).unwrap();
        }
    }
}
