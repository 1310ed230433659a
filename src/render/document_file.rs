//! A document in a worker: an open file, read at positions that each reader keeps for itself (the descriptor is shared with
//! the pool and other workers, so its own position must never be used), which remembers when reading it failed. A document
//! whose bytes cannot be read is not broken: our disk is.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::rc::Rc;

/// Why a document could not be read, kept aside: decoders turn it into "broken".
#[derive(Clone, Default)]
pub(super) struct ReadFailure(Rc<RefCell<Option<String>>>);

impl ReadFailure {
    /// What went wrong since the last call.
    pub(super) fn take(&self) -> Option<String> {
        self.0.borrow_mut().take()
    }
}

/// Cheap to clone.
#[derive(Clone)]
pub(super) struct DocumentFile {
    file: Rc<File>,
    bytes: u64,
    failure: ReadFailure,
}

impl DocumentFile {
    /// The file behind a descriptor that the pool has sent. What goes wrong with reading it is noted in `failure`.
    pub(super) fn new(descriptor: OwnedFd, failure: &ReadFailure) -> io::Result<Self> {
        let file = File::from(descriptor);
        let bytes = file.metadata()?.len();
        Ok(Self { file: Rc::new(file), bytes, failure: failure.clone() })
    }

    /// Size in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reads into all of `buffer` from the byte `position` on.
    pub(super) fn read_exact_at(&self, buffer: &mut [u8], position: u64) -> io::Result<()> {
        self.noted(self.file.read_exact_at(buffer, position))
    }

    /// A reader of its own, at the beginning.
    pub(super) fn reader(&self) -> DocumentReader {
        DocumentReader { file: self.clone(), position: 0 }
    }

    /// Bytes that are not there are the document's fault; any other error is not.
    fn noted<T>(&self, outcome: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &outcome
            && !matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::Interrupted)
        {
            *self.failure.0.borrow_mut() = Some(error.to_string());
        }
        outcome
    }
}

/// Reads a file from front to back, at a position that is its own.
pub(super) struct Positioned<'a> {
    file: &'a File,
    position: u64,
}

impl<'a> Positioned<'a> {
    pub(super) fn new(file: &'a File) -> Self {
        Self { file, position: 0 }
    }
}

impl Read for Positioned<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}

/// Reads a document from front to back, or from where it is sent.
pub(super) struct DocumentReader {
    file: DocumentFile,
    position: u64,
}

impl Read for DocumentReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.noted(self.file.file.read_at(buffer, self.position))?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for DocumentReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.file.bytes.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = target.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

#[cfg(test)]
impl DocumentFile {
    /// The file at `path`.
    pub(super) fn open(path: &std::path::Path) -> Self {
        Self::new(File::open(path).unwrap().into(), &ReadFailure::default()).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn readers_of_one_descriptor_do_not_disturb_each_other() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        let failure = ReadFailure::default();
        let document = DocumentFile::new(file.into(), &failure).unwrap();
        let (mut one, mut two) = (document.reader(), document.reader());
        let mut bytes = [0; 3];
        one.read_exact(&mut bytes).unwrap();
        two.seek(SeekFrom::End(-2)).unwrap();
        let mut rest = String::new();
        two.read_to_string(&mut rest).unwrap();
        one.read_exact(&mut bytes).unwrap();
        assert_eq!((&bytes, rest.as_str(), document.bytes()), (b"345", "89", 10));
        assert!(document.read_exact_at(&mut bytes, 8).is_err());
        // a document that ends early is the document's fault
        assert_eq!(failure.take(), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_disk_that_cannot_be_read_is_remembered() {
        let failure = ReadFailure::default();
        // nothing is mapped at the address 0: reading there fails as a bad disk does
        let memory = File::open("/proc/self/mem").unwrap();
        let document = DocumentFile::new(memory.into(), &failure).unwrap();
        assert!(document.reader().read(&mut [0; 8]).is_err());
        assert!(failure.take().unwrap().contains("Input/output error"));
        assert!(document.read_exact_at(&mut [0; 8], 0).is_err());
        assert!(failure.take().is_some() && failure.take().is_none());
    }
}
