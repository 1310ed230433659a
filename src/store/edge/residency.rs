//! How much of the engine's mapped files counts as memory of this process.
//!
//! Vectors that a schema keeps on disk are mapped files. Whatever an optimisation or a question touched of them stays mapped,
//! and so resident, until the system runs short of memory: a long ingest would seem to need the size of its index.
//! [`release`] gives these pages back. They stay in the system's cache, so nobody waits for a disk who reads them next.
//!
//! It must never touch memory that is not a shared mapping of a file of the collection.

use std::path::Path;

use crate::error::Result;
use crate::types::Schema;

/// Folder of a vector's values in a segment; its name follows.
const STORAGE: &str = "vector_storage-";

/// Where a shared mapping of a file lies.
#[derive(Debug, PartialEq, Eq)]
struct Mapping<'a> {
    start: usize,
    end: usize,
    path: &'a Path,
}

/// Gives back what is resident of the vectors that `schema` keeps on disk. Nothing may use the engine meanwhile: a mapping
/// that ends here could be somebody else's memory a moment later.
#[cfg(target_os = "linux")]
pub(super) fn release(collection: &Path, schema: &Schema) -> Result<()> {
    use crate::error::io_error;
    const MAPS: &str = "/proc/self/maps";
    // As the system names it, whatever links lead there.
    let collection = collection.canonicalize().map_err(|error| io_error("find", collection, error))?;
    let maps = std::fs::read_to_string(MAPS).map_err(|error| io_error("read", Path::new(MAPS), error))?;
    for Mapping { start, end, path } in maps.lines().filter_map(mapping) {
        if path.starts_with(&collection) && is_on_disk(path, schema) {
            // SAFETY: a shared mapping of a file keeps its contents in the file; pages that are dropped here are mapped again
            // when they are touched. It cannot end meanwhile: only the engine ends it, which nobody uses now.
            if unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_DONTNEED) } != 0 {
                let error = std::io::Error::last_os_error();
                return Err(io_error("give back the memory of", path, error));
            }
        }
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
pub(super) fn release(_: &Path, _: &Schema) -> Result<()> {
    Ok(())
}

/// A line of `/proc/self/maps`: `start-end permissions offset device inode path`. None unless it is a shared mapping of a
/// file that has a name.
fn mapping(line: &str) -> Option<Mapping<'_>> {
    let mut fields = line.splitn(6, ' ');
    let (start, end) = fields.next()?.split_once('-')?;
    let shared = fields.next()?.ends_with('s');
    let path = Path::new(fields.nth(3)?.trim_start());
    let address = |text| usize::from_str_radix(text, 16).ok();
    (shared && path.is_absolute()).then_some(Mapping { start: address(start)?, end: address(end)?, path })
}

/// Whether the file holds values of a vector that is kept on disk.
fn is_on_disk(path: &Path, schema: &Schema) -> bool {
    path.iter()
        .filter_map(|part| part.to_str()?.strip_prefix(STORAGE))
        .any(|name| schema.vectors.iter().any(|spec| spec.on_disk && spec.name.as_str() == name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fixtures;

    #[test]
    fn shared_mappings_of_files_are_read() {
        let line = "7f10-7fA0 rw-s 00000000 fe:00 1234                       /data/a folder/x.mmap";
        let path = Path::new("/data/a folder/x.mmap");
        assert_eq!(mapping(line), Some(Mapping { start: 0x7f10, end: 0x7fa0, path }));
        for other in [
            "7f10-7fa0 rw-p 00000000 fe:00 1234                       /data/x.mmap",
            "7f10-7fa0 rw-s 00000000 00:05 0",
            "7f10-7fa0 r-xp 00000000 00:00 0                          [vdso]",
            "",
        ] {
            assert_eq!(mapping(other), None, "{other}");
        }
    }

    #[test]
    fn only_vectors_that_are_kept_on_disk_are_given_back() {
        let mut schema = fixtures::schema();
        schema.vectors.iter_mut().for_each(|spec| spec.on_disk = spec.name.as_str() == "patches");
        let file = |name: &str| format!("/data/documents/segments/1/vector_storage-{name}/vectors/chunk_0.mmap");
        assert!(is_on_disk(Path::new(&file("patches")), &schema));
        assert!(!is_on_disk(Path::new(&file("fde")), &schema));
        assert!(!is_on_disk(Path::new("/data/documents/segments/1/payload_storage/page_0.dat"), &schema));
    }

    /// Bytes of the collection's vectors on disk that are resident now.
    #[cfg(target_os = "linux")]
    fn resident_kb(collection: &Path) -> u64 {
        let text = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let (mut ours, mut kb) = (false, 0);
        for line in text.lines() {
            if let Some(size) = line.strip_prefix("Rss:").filter(|_| ours) {
                kb += size.trim().trim_end_matches(" kB").parse::<u64>().unwrap();
            } else if line.as_bytes().first().is_some_and(u8::is_ascii_hexdigit) {
                ours = line.contains(&*collection.to_string_lossy()) && line.contains("vector_storage-patches/");
            }
        }
        kb
    }

    #[cfg(target_os = "linux")]
    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_given_back_is_read_again_as_it_was() {
        use crate::store::{EdgeStore, VectorStore};
        use crate::types::VectorName;

        let folder = tempfile::tempdir().unwrap();
        let mut schema = fixtures::schema();
        schema.vectors.iter_mut().for_each(|spec| spec.on_disk = true);
        let store = EdgeStore::open(folder.path(), Default::default()).unwrap();
        store.ensure_collection("documents", &schema).await.unwrap();
        let pages: Vec<_> = (1..=200).map(|page| fixtures::Page::new(1, page)).collect();
        store.upsert("documents", pages.iter().map(fixtures::Page::point).collect()).await.unwrap();
        store.flush("documents").await.unwrap();
        let read = || async {
            let ids: Vec<_> = pages.iter().map(fixtures::Page::id).collect();
            let tenant = pages[0].payload().tenant;
            let mut points = store.retrieve("documents", &tenant, &ids, &[VectorName::Patches]).await.unwrap();
            points.sort_by_key(|point| point.id);
            points.into_iter().map(|point| point.vectors).collect::<Vec<_>>()
        };
        let before = read().await;
        let dir = folder.path().join("documents").canonicalize().unwrap();
        let touched = resident_kb(&dir);
        release(&dir, &schema).unwrap();
        let left = resident_kb(&dir);
        assert!(touched > 0 && left == 0, "{touched} kB were resident, {left} kB are");
        assert_eq!(read().await, before);
    }
}
