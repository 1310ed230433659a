//! A file with two bytes changed, without changing the file.

use std::io::{Read, Result, Seek, SeekFrom};

/// Reads like `inner`, except that the two bytes at `at` read as `bytes`.
pub(super) struct Overlay<R> {
    pub inner: R,
    pub at: u64,
    pub bytes: [u8; 2],
}

impl<R: Read + Seek> Read for Overlay<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let start = self.inner.stream_position()?;
        let read = self.inner.read(buffer)?;
        for (offset, byte) in (self.at..).zip(self.bytes) {
            if let Some(index) = offset.checked_sub(start).filter(|index| *index < read as u64) {
                buffer[index as usize] = byte;
            }
        }
        Ok(read)
    }
}

impl<R: Seek> Seek for Overlay<R> {
    fn seek(&mut self, position: SeekFrom) -> Result<u64> {
        self.inner.seek(position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_bytes_read_differently_however_they_are_reached() {
        for chunk in 1..5 {
            let mut overlay = Overlay { inner: std::io::Cursor::new(*b"abcdef"), at: 2, bytes: *b"XY" };
            let mut seen = Vec::new();
            let mut buffer = vec![0; chunk];
            while let read @ 1.. = overlay.read(&mut buffer).unwrap() {
                seen.extend_from_slice(&buffer[..read]);
            }
            assert_eq!(seen, b"abXYef", "by {chunk}");
        }
    }
}
