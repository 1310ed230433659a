//! Memory that the pool shares with one worker: the worker draws a page into one of its places, and the page is used
//! where it lies. Through the pipe the same megabytes would be copied twice, into and out of pages that the kernel
//! allocates for them, which takes about a third of the time of drawing an ordinary page.
//!
//! Linux only; elsewhere, where the kernel refuses, and where every place is in use, pages go through the pipe.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// Pages of one worker that may be in use at once.
pub(super) const PLACES: u32 = 4;
/// What a place keeps of its memory for the next page.
const KEPT_BYTES: usize = 16 << 20;

/// The pool's end. The worker can write what it likes into the memory and can't change its size.
pub(super) struct Board {
    file: File,
    memory: Mapping,
    place_bytes: usize,
    /// A bit for each place.
    taken: Mutex<u32>,
}

impl Board {
    /// Places of `bytes` bytes each. Memory is taken when it is first written to. `None`: this system has no such thing.
    #[cfg(target_os = "linux")]
    pub(super) fn new(bytes: u64) -> Option<Arc<Self>> {
        use std::os::fd::FromRawFd;
        let place_bytes = usize::try_from(bytes).ok()?.checked_next_multiple_of(1 << 16)?;
        let whole = place_bytes.checked_mul(PLACES as usize)?;
        // SAFETY: a constant name; the descriptor is ours alone.
        let file = unsafe {
            let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
            let descriptor = libc::memfd_create(c"quire pages".as_ptr(), flags);
            (descriptor >= 0).then(|| File::from_raw_fd(descriptor))?
        };
        file.set_len(whole as u64).ok()?;
        let seals = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;
        // SAFETY: a descriptor that we own and an integer.
        if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) } != 0 {
            return None;
        }
        let memory = Mapping::new(&file, whole, libc::PROT_READ).ok()?;
        Some(Arc::new(Self { file, memory, place_bytes, taken: Mutex::new(0) }))
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn new(_bytes: u64) -> Option<Arc<Self>> {
        None
    }

    /// Where the worker finds it, as long as this process lives. Not inherited: one worker never holds another's pages.
    pub(super) fn path(&self) -> PathBuf {
        format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd()).into()
    }

    /// Room for a page. `None`: all of it is in use.
    pub(super) fn place(self: &Arc<Self>) -> Option<Place> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let number = (!*taken).trailing_zeros();
        (number < PLACES).then(|| {
            *taken |= 1 << number;
            Place { board: Arc::clone(self), number, used: self.place_bytes }
        })
    }

    /// Gives the memory of a place back to the system.
    fn empty(&self, number: u32) {
        #[cfg(target_os = "linux")]
        // SAFETY: a descriptor that we own and integers. A refusal costs memory only.
        unsafe {
            let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
            let start = self.place_bytes * number as usize;
            libc::fallocate(self.file.as_raw_fd(), mode, start as libc::off_t, self.place_bytes as libc::off_t);
        }
        #[cfg(not(target_os = "linux"))]
        let _ = number;
    }
}

/// Room for one page, until it is dropped.
pub(super) struct Place {
    board: Arc<Board>,
    number: u32,
    /// Bytes that may have been written.
    used: usize,
}

impl Place {
    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// What was drawn here, `bytes` bytes of it; the place stays taken until the last of them is dropped.
    pub(super) fn pixels(mut self, bytes: usize) -> io::Result<Bytes> {
        if bytes > self.board.place_bytes {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "pixels where there is no room for them"));
        }
        self.used = bytes;
        Ok(Bytes::from_owner(self))
    }
}

impl AsRef<[u8]> for Place {
    fn as_ref(&self) -> &[u8] {
        let start = self.board.place_bytes * self.number as usize;
        // SAFETY: the mapping holds every place whole, lives as long as the board, and the file behind it is sealed: it
        // never becomes shorter. The worker was told to draw elsewhere until the place is free again. One that a document
        // has taken over may still write here; all that it can change is the values of pixels that it made up anyway, and
        // every value is a pixel.
        unsafe { std::slice::from_raw_parts(self.board.memory.start.add(start), self.used) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.used > KEPT_BYTES {
            self.board.empty(self.number);
        }
        *self.board.taken.lock().unwrap_or_else(PoisonError::into_inner) &= !(1 << self.number);
    }
}

/// Shared memory in this process.
struct Mapping {
    start: *mut u8,
    bytes: usize,
}

// SAFETY: plain memory that belongs to no thread.
unsafe impl Send for Mapping {}
// SAFETY: as above; what may be written through it, its owner says.
unsafe impl Sync for Mapping {}

impl Mapping {
    fn new(file: &File, bytes: usize, protection: libc::c_int) -> io::Result<Self> {
        // SAFETY: a fresh mapping of an open file.
        let start =
            unsafe { libc::mmap(std::ptr::null_mut(), bytes, protection, libc::MAP_SHARED, file.as_raw_fd(), 0) };
        match start == libc::MAP_FAILED {
            true => Err(io::Error::last_os_error()),
            false => Ok(Self { start: start.cast(), bytes }),
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`, and nothing borrowed from it is left.
        unsafe { libc::munmap(self.start.cast(), self.bytes) };
    }
}

/// The worker's end.
pub(super) struct Drawing {
    memory: Mapping,
    /// The place of the page that is asked for.
    place: Option<u32>,
}

impl Drawing {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = File::options().read(true).write(true).open(path)?;
        let bytes = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
        Ok(Self { memory: Mapping::new(&file, bytes, libc::PROT_READ | libc::PROT_WRITE)?, place: None })
    }

    /// Address space that it takes.
    pub(super) fn bytes(&self) -> usize {
        self.memory.bytes
    }

    /// The next page goes here; `None`: nowhere.
    pub(super) fn use_place(&mut self, place: Option<u32>) {
        self.place = place.filter(|&place| place < PLACES);
    }

    /// The first `bytes` bytes of the place; `None` where there is no place or it has fewer.
    pub(super) fn take(&mut self, bytes: usize) -> Option<&mut [u8]> {
        let place_bytes = self.memory.bytes / PLACES as usize;
        let start = place_bytes * self.place? as usize;
        // SAFETY: the mapping holds PLACES places, lives as long as `self`, and `&mut self` lends it once at a time. The
        // pool reads this place only when the reply is sent.
        (bytes <= place_bytes).then(|| unsafe { std::slice::from_raw_parts_mut(self.memory.start.add(start), bytes) })
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_is_read_and_stays_until_it_is_dropped() {
        let board = Board::new(1 << 20).unwrap();
        let mut drawing = Drawing::open(&board.path()).unwrap();
        assert!(drawing.take(1).is_none());
        let mut draw = |what: &[u8]| {
            let place = board.place().unwrap();
            drawing.use_place(Some(place.number()));
            drawing.take(what.len()).unwrap().copy_from_slice(what);
            place.pixels(what.len()).unwrap()
        };
        let pages: Vec<Bytes> = ["one", "two", "three", "four"].iter().map(|word| draw(word.as_bytes())).collect();
        assert!(board.place().is_none());
        assert_eq!(pages, ["one", "two", "three", "four"]);
        let second = pages[1].slice(1..);
        drop(pages);
        let free: Vec<Place> = std::iter::from_fn(|| board.place()).collect();
        assert_eq!((free.len(), &second[..]), (3, b"wo".as_slice()));
        drop((free, second));
        assert_eq!(std::iter::from_fn(|| board.place()).collect::<Vec<_>>().len(), 4);
    }

    #[test]
    fn a_large_page_gives_its_memory_back() {
        let board = Board::new(32 << 20).unwrap();
        let mut drawing = Drawing::open(&board.path()).unwrap();
        for bytes in [KEPT_BYTES, KEPT_BYTES + 1] {
            let place = board.place().unwrap();
            drawing.use_place(Some(place.number()));
            drawing.take(bytes).unwrap().fill(7);
            let pixels = place.pixels(bytes).unwrap();
            assert!(pixels.iter().all(|&value| value == 7));
        }
        // Read through a place that is free again: the second page is gone.
        drawing.use_place(Some(0));
        assert!(drawing.take(KEPT_BYTES).unwrap().iter().all(|&value| value == 0));
    }

    #[test]
    fn nothing_is_read_beyond_a_place() {
        let board = Board::new(1 << 20).unwrap();
        let mut drawing = Drawing::open(&board.path()).unwrap();
        let place = board.place().unwrap();
        drawing.use_place(Some(place.number()));
        assert!(drawing.take((1 << 20) + 1).is_none());
        assert!(place.pixels((1 << 20) + 1).is_err());
        drawing.use_place(Some(PLACES));
        assert!(drawing.take(1).is_none());
    }

    #[test]
    fn a_worker_cannot_take_the_memory_away() {
        let board = Board::new(1 << 20).unwrap();
        let file = File::options().write(true).open(board.path()).unwrap();
        assert!(file.set_len(10).is_err());
        assert!(file.set_len(1 << 23).is_err());
    }
}
