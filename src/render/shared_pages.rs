//! Memory that the pool shares with one worker: the worker draws a page into one of its slots, and the page is used
//! where it lies. Through the pipe the same megabytes would be copied twice, into and out of pages that the kernel
//! allocates for them, which takes about a third of the time of writer an ordinary page.
//!
//! Linux only; elsewhere, where the kernel refuses, where every slot is in use, and for pages larger than a slot, pages go through
//! the pipe.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// Pages of one worker that may be in use at once.
pub(super) const SLOTS: u32 = 4;
/// Bytes of a slot: a page of 25 million pixels, the largest that is drawn by default. Larger pages go through the pipe.
pub(super) const SLOT_BYTES: u64 = 3 * 25_000_000;
/// What a slot keeps of its memory for the next page.
const KEPT_BYTES: usize = 16 << 20;

/// The pool's end. The worker can write what it likes into the memory and can't change its size.
pub(super) struct SharedPages {
    file: File,
    memory: Mapping,
    slot_bytes: usize,
    /// A bit for each slot.
    taken: Mutex<u32>,
}

impl SharedPages {
    /// Slots of `bytes` bytes each. Memory is taken when it is first written to. `None`: this system has no such thing.
    #[cfg(target_os = "linux")]
    pub(super) fn new(bytes: u64) -> Option<Arc<Self>> {
        use std::os::fd::FromRawFd;
        let slot_bytes = usize::try_from(bytes).ok()?.checked_next_multiple_of(1 << 16)?;
        let whole = slot_bytes.checked_mul(SLOTS as usize)?;
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
        Some(Arc::new(Self { file, memory, slot_bytes, taken: Mutex::new(0) }))
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn new(_bytes: u64) -> Option<Arc<Self>> {
        None
    }

    /// What the worker is handed. Not inherited: one worker never holds another's pages.
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Room for a page. `None`: all of it is in use.
    pub(super) fn slot(self: &Arc<Self>) -> Option<PageSlot> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let number = (!*taken).trailing_zeros();
        (number < SLOTS).then(|| {
            *taken |= 1 << number;
            PageSlot { pages: Arc::clone(self), number, used: self.slot_bytes }
        })
    }

    /// Gives the memory of a slot back to the system.
    fn empty(&self, number: u32) {
        #[cfg(target_os = "linux")]
        // SAFETY: a descriptor that we own and integers. A refusal costs memory only.
        unsafe {
            let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
            let start = self.slot_bytes * number as usize;
            libc::fallocate(self.file.as_raw_fd(), mode, start as libc::off_t, self.slot_bytes as libc::off_t);
        }
        #[cfg(not(target_os = "linux"))]
        let _ = number;
    }
}

/// Room for one page, until it is dropped.
pub(super) struct PageSlot {
    pages: Arc<SharedPages>,
    number: u32,
    /// Bytes that may have been written.
    used: usize,
}

impl PageSlot {
    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// What was drawn here, `bytes` bytes of it; the slot stays taken until the last of them is dropped.
    pub(super) fn pixels(mut self, bytes: usize) -> io::Result<Bytes> {
        if bytes > self.pages.slot_bytes {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "pixels where there is no room for them"));
        }
        self.used = bytes;
        Ok(Bytes::from_owner(self))
    }
}

impl AsRef<[u8]> for PageSlot {
    fn as_ref(&self) -> &[u8] {
        let start = self.pages.slot_bytes * self.number as usize;
        // SAFETY: the mapping holds every slot whole, lives as long as the pages, and the file behind it is sealed: it
        // never becomes shorter. The worker was told to draw elsewhere until the slot is free again. One that a document
        // has taken over may still write here; all that it can change is the values of pixels that it made up anyway, and
        // every value is a pixel.
        unsafe { std::slice::from_raw_parts(self.pages.memory.start.add(start), self.used) }
    }
}

impl Drop for PageSlot {
    fn drop(&mut self) {
        if self.used > KEPT_BYTES {
            self.pages.empty(self.number);
        }
        *self.pages.taken.lock().unwrap_or_else(PoisonError::into_inner) &= !(1 << self.number);
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
pub(super) struct SlotWriter {
    memory: Mapping,
    /// The slot of the page that is asked for.
    slot: Option<u32>,
}

impl SlotWriter {
    /// Maps what the pool handed over ([`SharedPages::descriptor`]), which is closed.
    pub(super) fn new(descriptor: OwnedFd) -> io::Result<Self> {
        let file = File::from(descriptor);
        let bytes = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
        Ok(Self { memory: Mapping::new(&file, bytes, libc::PROT_READ | libc::PROT_WRITE)?, slot: None })
    }

    /// Address space that it takes.
    pub(super) fn bytes(&self) -> usize {
        self.memory.bytes
    }

    /// The next page goes here; `None`: nowhere.
    pub(super) fn use_slot(&mut self, slot: Option<u32>) {
        self.slot = slot.filter(|&slot| slot < SLOTS);
    }

    /// The first `bytes` bytes of the slot; `None` where there is no slot or it has fewer.
    pub(super) fn take(&mut self, bytes: usize) -> Option<&mut [u8]> {
        let slot_bytes = self.memory.bytes / SLOTS as usize;
        let start = slot_bytes * self.slot? as usize;
        // SAFETY: the mapping holds SLOTS slots, lives as long as `self`, and `&mut self` lends it once at a time. The
        // pool reads this slot only when the reply is sent.
        (bytes <= slot_bytes).then(|| unsafe { std::slice::from_raw_parts_mut(self.memory.start.add(start), bytes) })
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    fn writer_of(pages: &SharedPages) -> SlotWriter {
        SlotWriter::new(pages.descriptor().try_clone_to_owned().unwrap()).unwrap()
    }

    #[test]
    fn what_is_drawn_is_read_and_stays_until_it_is_dropped() {
        let pages = SharedPages::new(1 << 20).unwrap();
        let mut writer = writer_of(&pages);
        assert!(writer.take(1).is_none());
        let mut draw = |what: &[u8]| {
            let slot = pages.slot().unwrap();
            writer.use_slot(Some(slot.number()));
            writer.take(what.len()).unwrap().copy_from_slice(what);
            slot.pixels(what.len()).unwrap()
        };
        let drawn: Vec<Bytes> = ["one", "two", "three", "four"].iter().map(|word| draw(word.as_bytes())).collect();
        assert!(pages.slot().is_none());
        assert_eq!(drawn, ["one", "two", "three", "four"]);
        let second = drawn[1].slice(1..);
        drop(drawn);
        let free: Vec<PageSlot> = std::iter::from_fn(|| pages.slot()).collect();
        assert_eq!((free.len(), &second[..]), (3, b"wo".as_slice()));
        drop((free, second));
        assert_eq!(std::iter::from_fn(|| pages.slot()).collect::<Vec<_>>().len(), 4);
    }

    #[test]
    fn a_large_page_gives_its_memory_back() {
        let pages = SharedPages::new(32 << 20).unwrap();
        let mut writer = writer_of(&pages);
        for bytes in [KEPT_BYTES, KEPT_BYTES + 1] {
            let slot = pages.slot().unwrap();
            writer.use_slot(Some(slot.number()));
            writer.take(bytes).unwrap().fill(7);
            let pixels = slot.pixels(bytes).unwrap();
            assert!(pixels.iter().all(|&value| value == 7));
        }
        // Read through a slot that is free again: the second page is gone.
        writer.use_slot(Some(0));
        assert!(writer.take(KEPT_BYTES).unwrap().iter().all(|&value| value == 0));
    }

    #[test]
    fn nothing_is_read_beyond_a_place() {
        let pages = SharedPages::new(1 << 20).unwrap();
        let mut writer = writer_of(&pages);
        let slot = pages.slot().unwrap();
        writer.use_slot(Some(slot.number()));
        assert!(writer.take((1 << 20) + 1).is_none());
        assert!(slot.pixels((1 << 20) + 1).is_err());
        writer.use_slot(Some(SLOTS));
        assert!(writer.take(1).is_none());
    }

    #[test]
    fn a_worker_cannot_take_the_memory_away() {
        let pages = SharedPages::new(1 << 20).unwrap();
        let file = File::from(pages.descriptor().try_clone_to_owned().unwrap());
        assert!(file.set_len(10).is_err());
        assert!(file.set_len(1 << 23).is_err());
    }
}
