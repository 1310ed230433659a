//! Memory that the pool shares with one worker: the worker draws a page into it and the pool copies it out, once. Through
//! the pipe the same megabytes would be copied twice, into and out of pages that the kernel allocates for them, which
//! takes about a third of the time of drawing an ordinary page.
//!
//! Linux only; elsewhere, and where the kernel refuses, pages go through the pipe.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// The pool's end. The worker can write what it likes into the memory and can't change its size.
pub(super) struct Board(File);

impl Board {
    /// Memory is taken when it is first written to. `None`: this system has no such thing.
    #[cfg(target_os = "linux")]
    pub(super) fn new(bytes: u64) -> Option<Self> {
        use std::os::fd::{AsRawFd, FromRawFd};
        // SAFETY: a constant name; the descriptor is ours alone.
        let file = unsafe {
            let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
            let descriptor = libc::memfd_create(c"quire page".as_ptr(), flags);
            (descriptor >= 0).then(|| File::from_raw_fd(descriptor))?
        };
        file.set_len(bytes).ok()?;
        let seals = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;
        // SAFETY: a descriptor that we own and an integer.
        (unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) } == 0).then_some(Self(file))
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn new(_bytes: u64) -> Option<Self> {
        None
    }

    /// Where the worker finds it, as long as this process lives. Not inherited: one worker never holds another's pages.
    pub(super) fn path(&self) -> PathBuf {
        use std::os::fd::AsRawFd;
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd()).into()
    }

    /// The first `bytes` bytes. Copied by the kernel, not through a mapping: whatever the worker does meanwhile, this
    /// process can't be made to touch memory that is gone.
    pub(super) fn read(&mut self, bytes: usize) -> io::Result<Vec<u8>> {
        self.0.seek(SeekFrom::Start(0))?;
        let mut pixels = Vec::with_capacity(bytes);
        (&self.0).take(bytes as u64).read_to_end(&mut pixels)?;
        match pixels.len() == bytes {
            true => Ok(pixels),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// The worker's end.
pub(super) struct Drawing {
    memory: *mut u8,
    bytes: usize,
}

impl Drawing {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        use std::os::fd::AsRawFd;
        let file = File::options().read(true).write(true).open(path)?;
        let bytes = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
        // SAFETY: a fresh mapping of a file that is open; it is never unmapped, as the worker needs it to its end.
        let memory = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        match memory == libc::MAP_FAILED {
            true => Err(io::Error::last_os_error()),
            false => Ok(Self { memory: memory.cast(), bytes }),
        }
    }

    /// The first `bytes` bytes; `None` where there are fewer.
    pub(super) fn take(&mut self, bytes: usize) -> Option<&mut [u8]> {
        // SAFETY: the mapping is that large, lives as long as the process, and `&mut self` lends it once at a time. The
        // pool reads it only when the reply is sent.
        (bytes <= self.bytes).then(|| unsafe { std::slice::from_raw_parts_mut(self.memory, bytes) })
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_is_read() {
        let mut board = Board::new(1 << 20).unwrap();
        let mut drawing = Drawing::open(&board.path()).unwrap();
        drawing.take(5).unwrap().copy_from_slice(b"paper");
        assert_eq!(board.read(5).unwrap(), b"paper");
        drawing.take(3).unwrap().copy_from_slice(b"ink");
        assert_eq!(board.read(6).unwrap(), b"inker\0");
        assert!(drawing.take((1 << 20) + 1).is_none());
        assert!(board.read((1 << 20) + 1).is_err());
    }

    #[test]
    fn a_worker_cannot_take_the_memory_away() {
        let board = Board::new(1 << 20).unwrap();
        let file = File::options().write(true).open(board.path()).unwrap();
        assert!(file.set_len(10).is_err());
        assert!(file.set_len(1 << 21).is_err());
    }
}
