//! The little of ZIP that is needed to tell office files apart and to read what they say of themselves: names, and one small
//! entry at a time. Never unpacks an archive: that is LibreOffice's work. What it does not understand, it does not find.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use flate2::read::DeflateDecoder;

/// The record at the end, with the longest comment behind it.
const END_BYTES: u64 = 22 + 65_535;
const END: &[u8; 4] = b"PK\x05\x06";
const LISTED: &[u8; 4] = b"PK\x01\x02";
const LOCAL: &[u8; 4] = b"PK\x03\x04";
/// A longer directory is not read.
const MAX_DIRECTORY_BYTES: u32 = 8 << 20;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;

pub(super) struct Archive {
    entries: Vec<Entry>,
}

struct Entry {
    name: String,
    method: u16,
    /// Bytes in the archive.
    packed: u64,
    /// Of its local header.
    offset: u64,
}

impl Archive {
    /// Reads the directory. None: this is no archive that can be understood.
    pub(super) fn open(file: &File) -> Option<Self> {
        let size = file.metadata().ok()?.len();
        let tail = read_at(file, size.saturating_sub(END_BYTES), size.min(END_BYTES)).ok()?;
        let end = tail.windows(4).rposition(|window| window == END)?;
        let (length, offset) = (u32_at(&tail, end + 12)?, u32_at(&tail, end + 16)?);
        if length > MAX_DIRECTORY_BYTES {
            return None;
        }
        let directory = read_at(file, u64::from(offset), u64::from(length)).ok()?;
        let mut entries = Vec::new();
        let mut at = 0;
        while directory.get(at..at + 4) == Some(LISTED) {
            let (name, extra, comment) =
                (u16_at(&directory, at + 28)?, u16_at(&directory, at + 30)?, u16_at(&directory, at + 32)?);
            let name_at = at + 46;
            let name_end = name_at + usize::from(name);
            entries.push(Entry {
                name: String::from_utf8_lossy(directory.get(name_at..name_end)?).into_owned(),
                method: u16_at(&directory, at + 10)?,
                packed: u64::from(u32_at(&directory, at + 20)?),
                offset: u64::from(u32_at(&directory, at + 42)?),
            });
            at = name_end + usize::from(extra) + usize::from(comment);
        }
        Some(Self { entries })
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.name.as_str())
    }

    /// The first `most` bytes of an entry, unpacked. None: there is none, or it can't be read.
    pub(super) fn read(&self, file: &File, name: &str, most: u64) -> Option<Vec<u8>> {
        let entry = self.entries.iter().find(|entry| entry.name == name)?;
        let local = read_at(file, entry.offset, 30).ok()?;
        if !local.starts_with(LOCAL) {
            return None;
        }
        let data = entry.offset + 30 + u64::from(u16_at(&local, 26)?) + u64::from(u16_at(&local, 28)?);
        // what is packed is hardly ever larger than what it becomes
        let packed = read_at(file, data, entry.packed.min(most)).ok()?;
        let mut bytes = Vec::new();
        match entry.method {
            STORED => bytes = packed,
            // An end that comes too early leaves what there was.
            DEFLATED => drop(DeflateDecoder::new(packed.as_slice()).take(most).read_to_end(&mut bytes)),
            _ => return None,
        }
        Some(bytes)
    }
}

/// Exactly so many bytes; memory is taken for those that the file has.
fn read_at(file: &File, position: u64, length: u64) -> io::Result<Vec<u8>> {
    let there = file.metadata()?.len().saturating_sub(position);
    if length > there {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut bytes = vec![0; usize::try_from(length).map_err(|_| io::ErrorKind::InvalidInput)?];
    file.read_exact_at(&mut bytes, position)?;
    Ok(bytes)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::Path;

    use super::*;

    #[test]
    fn entries_are_found_and_unpacked() {
        let file = File::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/office/fuel.odt")).unwrap();
        let archive = Archive::open(&file).unwrap();
        assert_eq!(archive.names().next(), Some("mimetype"));
        assert_eq!(archive.read(&file, "mimetype", 1 << 10).unwrap(), b"application/vnd.oasis.opendocument.text");
        let content = archive.read(&file, "content.xml", 1 << 20).unwrap();
        assert!(String::from_utf8(content).unwrap().contains("red lamp over the fuel berth"));
        assert_eq!(archive.read(&file, "content.xml", 5).map(|bytes| bytes.len() <= 5), Some(true));
        assert!(archive.read(&file, "nothing", 5).is_none());
    }

    #[test]
    fn lengths_that_lie_find_nothing() {
        let whole =
            std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/office/fuel.odt")).unwrap();
        let end = whole.windows(4).rposition(|window| window == END).unwrap();
        for at in [end + 12, end + 16] {
            let mut broken = whole.clone();
            broken[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&broken).unwrap();
            assert!(Archive::open(&file).is_none());
        }
        assert!(Archive::open(&tempfile::tempfile().unwrap()).is_none());
    }
}
