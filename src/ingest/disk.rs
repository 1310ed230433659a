//! Room on our disks: work waits while less than a reserve is left, and copies of documents that are being read take no more
//! than their budget together. A full disk is nobody's document's fault: what is refused here uses up no attempt.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Error, Result};

/// How long an answer about free space holds. Short beside the time in which pages fill a gigabyte.
const ANSWER_HOLDS: Duration = Duration::from_secs(1);
/// The budget is counted in units of so many bytes: the semaphore gives at most 2^32 - 1 at once, so 4 TiB.
const UNIT_BYTES: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// What is known of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct DiskSpace {
    /// Tells file systems apart.
    device: u64,
    /// What we may still write.
    free_bytes: u64,
}

type Look = Box<dyn Fn(&Path) -> io::Result<DiskSpace> + Send + Sync>;

/// Watches that a reserve is left on every file system that holds one of our folders.
pub struct DiskGuard {
    /// What each is for (`spool`, `blobs`), and where it lies.
    folders: Vec<(&'static str, PathBuf)>,
    reserve_bytes: u64,
    look: Look,
    answer_holds: Duration,
    last: Mutex<Option<(Instant, Result<()>)>>,
}

impl DiskGuard {
    /// `folders`: those that work writes to, each with what it is for. `reserve_bytes`: what stays free on each file system.
    pub fn new(folders: Vec<(&'static str, PathBuf)>, reserve_bytes: u64) -> Self {
        Self::looking(folders, reserve_bytes, Box::new(space_of), ANSWER_HOLDS)
    }

    fn looking(folders: Vec<(&'static str, PathBuf)>, reserve_bytes: u64, look: Look, answer_holds: Duration) -> Self {
        Self { folders, reserve_bytes, look, answer_holds, last: Mutex::new(None) }
    }

    /// Whether there is room to go on. One system call for each folder, at most once a second.
    ///
    /// # Errors
    /// Transient, a dependency's fault: less than the reserve is left, or a folder is gone. Names the folders.
    pub fn check(&self) -> Result<()> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, answer)) = last.as_ref()
            && at.elapsed() < self.answer_holds
        {
            return copy(answer);
        }
        let answer = self.check_now();
        *last = Some((Instant::now(), copy(&answer)));
        answer
    }

    fn check_now(&self) -> Result<()> {
        let mut known: Vec<(DiskSpace, Vec<String>)> = Vec::new();
        for (purpose, folder) in &self.folders {
            let space = (self.look)(folder).map_err(|error| {
                let folder = folder.display();
                Error::transient(format!("cannot find out how much space is left for {purpose} ({folder})"))
                    .with_source(error)
            })?;
            let named = format!("{purpose} ({})", folder.display());
            match known.iter_mut().find(|(other, _)| other.device == space.device) {
                Some((_, shared)) => shared.push(named),
                None => known.push((space, vec![named])),
            }
        }
        match known.into_iter().find(|(space, _)| space.free_bytes < self.reserve_bytes) {
            None => Ok(()),
            Some((space, folders)) => Err(Error::transient(format!(
                "the disk is almost full: {} MiB are left for {}, and {} MiB stay free. Work goes on when there is room: \
                 delete something there, or lower the reserve",
                space.free_bytes / MIB,
                folders.join(", "),
                self.reserve_bytes.div_ceil(MIB),
            ))),
        }
    }
}

fn copy(answer: &Result<()>) -> Result<()> {
    answer.as_ref().copied().map_err(Error::duplicate)
}

fn space_of(folder: &Path) -> io::Result<DiskSpace> {
    let device = folder.metadata()?.dev();
    let system = rustix::fs::statvfs(folder)?;
    Ok(DiskSpace { device, free_bytes: system.f_bavail.saturating_mul(system.f_frsize) })
}

/// Bytes that copies of documents may take together. Clones share it.
#[derive(Clone)]
pub struct SpoolBudget {
    units: Arc<Semaphore>,
    all_units: u32,
}

/// Leave to keep a copy; the bytes are given back when it is dropped.
#[derive(Debug)]
pub struct SpoolPermit {
    _units: OwnedSemaphorePermit,
}

impl SpoolBudget {
    pub fn new(bytes: u64) -> Self {
        let all_units = in_units(bytes).max(1);
        Self { units: Arc::new(Semaphore::new(all_units as usize)), all_units }
    }

    /// Waits until so many bytes are free, first come, first served. A document that is larger than the whole budget waits
    /// until no other copy is left, and goes alone.
    ///
    /// # Errors
    /// Transient, when the engine is stopping.
    pub async fn reserve(&self, bytes: u64) -> Result<SpoolPermit> {
        let units = in_units(bytes).clamp(1, self.all_units);
        let permit = self.units.clone().acquire_many_owned(units).await;
        let units = permit.map_err(|_| Error::transient("the ingest is stopping"))?;
        Ok(SpoolPermit { _units: units })
    }
}

fn in_units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

    use futures::FutureExt;

    use super::*;
    use crate::error::Blame;

    fn folders() -> Vec<(&'static str, PathBuf)> {
        vec![("spool", "/fast/spool".into()), ("vectors", "/fast/vectors".into()), ("blobs", "/large/blobs".into())]
    }

    /// A guard of a reserve of 100 MiB that asks anew each time, and the MiB that are free on `/fast` and on `/large`.
    fn guard() -> (DiskGuard, Arc<AtomicU64>, Arc<AtomicU64>) {
        let (fast, large) = (Arc::new(AtomicU64::new(100)), Arc::new(AtomicU64::new(100)));
        let (fast_now, large_now) = (fast.clone(), large.clone());
        let look = move |folder: &Path| {
            let (device, free) = if folder.starts_with("/fast") { (1, &fast_now) } else { (2, &large_now) };
            Ok(DiskSpace { device, free_bytes: free.load(Ordering::Relaxed) * MIB })
        };
        (DiskGuard::looking(folders(), 100 * MIB, Box::new(look), Duration::ZERO), fast, large)
    }

    #[test]
    fn work_waits_while_less_than_the_reserve_is_left_and_goes_on_by_itself() {
        let (guard, fast, large) = guard();
        guard.check().unwrap();
        for (disk, named, not_named) in [(&fast, "/fast/spool", "/large"), (&large, "/large/blobs", "/fast")] {
            disk.store(99, Ordering::Relaxed);
            let error = guard.check().unwrap_err();
            assert!(error.is_transient());
            assert_eq!(error.blame(), Blame::Dependency, "a full disk uses up no attempt");
            let text = error.to_string();
            for part in [named, "99 MiB", "100 MiB"] {
                assert!(text.contains(part), "{part}: {text}");
            }
            assert!(!text.contains(not_named), "{text}");
            disk.store(100, Ordering::Relaxed);
            guard.check().unwrap();
        }
        fast.store(0, Ordering::Relaxed);
        let text = guard.check().unwrap_err().to_string();
        assert!(text.contains("spool (/fast/spool), vectors (/fast/vectors)"), "one disk, all of its folders: {text}");
    }

    #[test]
    fn a_folder_that_is_gone_is_named() {
        let look = |folder: &Path| match folder.starts_with("/large") {
            true => Err(io::Error::from(io::ErrorKind::NotFound)),
            false => Ok(DiskSpace { device: 1, free_bytes: u64::MAX }),
        };
        let error = DiskGuard::looking(folders(), 1, Box::new(look), Duration::ZERO).check().unwrap_err();
        assert!(error.is_transient() && error.blame() == Blame::Dependency);
        assert!(error.to_string().contains("blobs (/large/blobs)"), "{error}");
    }

    #[test]
    fn an_answer_holds_for_a_while_a_bad_one_too() {
        let looks = Arc::new(AtomicUsize::new(0));
        let counted = looks.clone();
        let look = move |_: &Path| {
            counted.fetch_add(1, Ordering::Relaxed);
            Ok(DiskSpace { device: 1, free_bytes: 0 })
        };
        let guard = DiskGuard::looking(folders(), 1, Box::new(look), Duration::from_secs(1 << 30));
        let first = guard.check().unwrap_err();
        let second = guard.check().unwrap_err();
        assert_eq!(first.to_string(), second.to_string());
        assert_eq!((second.kind(), second.blame()), (first.kind(), first.blame()));
        assert_eq!(looks.load(Ordering::Relaxed), folders().len());
    }

    #[test]
    fn the_real_disk_is_asked() {
        let folder = tempfile::TempDir::new().unwrap();
        let here = || vec![("spool", folder.path().to_owned()), ("blobs", folder.path().to_owned())];
        DiskGuard::new(here(), 0).check().unwrap();
        assert!(DiskGuard::new(here(), u64::MAX).check().unwrap_err().to_string().contains("MiB are left for spool"));
        assert!(DiskGuard::new(vec![("spool", folder.path().join("gone"))], 0).check().is_err());
    }

    #[tokio::test]
    async fn copies_share_a_budget_and_the_largest_goes_alone() {
        let budget = SpoolBudget::new(10 * UNIT_BYTES);
        let small = budget.reserve(4 * UNIT_BYTES).await.unwrap();
        let other = budget.reserve(6 * UNIT_BYTES - 1).await.unwrap();
        assert!(budget.reserve(1).now_or_never().is_none(), "nothing is left");
        drop(other);
        drop(budget.reserve(1).await.unwrap());
        let mut huge = Box::pin(budget.reserve(u64::MAX));
        assert!(huge.as_mut().now_or_never().is_none(), "not beside another");
        let mut later = Box::pin(budget.reserve(1));
        assert!(later.as_mut().now_or_never().is_none(), "who came later does not overtake for ever");
        drop(small);
        let alone = huge.as_mut().now_or_never().unwrap().unwrap();
        assert!(later.as_mut().now_or_never().is_none());
        drop(alone);
        later.now_or_never().unwrap().unwrap();
        drop(SpoolBudget::new(0).reserve(5).now_or_never().unwrap().unwrap());
    }
}
