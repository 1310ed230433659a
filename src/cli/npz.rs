//! Numpy archives (`.npz`): named arrays that `numpy.load` reads. Written beside the target and renamed at the end, so
//! that a file of the target's name is always whole.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use npyz::zip::DateTime;
use npyz::zip::write::FileOptions;
use npyz::{AutoSerialize, DType, Serialize, WriterBuilder};

use crate::error::{Error, Result, io_error};
use crate::types::Rect;

/// Entries of this size and beyond need the archive's 64-bit form.
const LARGE_BYTES: u64 = u32::MAX as u64;

/// An archive that is being written. Dropped before [`Self::finish`], it leaves nothing behind.
pub struct NpzWriter {
    archive: npyz::npz::NpzWriter<BufWriter<File>>,
    target: PathBuf,
    partial: Partial,
}

/// The unfinished file; removed when dropped, unless it was renamed.
struct Partial(Option<PathBuf>);

impl Drop for Partial {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            // Nobody can be told; a leftover is named like what it is.
            let _ = std::fs::remove_file(path);
        }
    }
}

impl NpzWriter {
    /// Begins `path`, in a temporary file beside it.
    ///
    /// # Errors
    /// Permanent or transient, as the file system says; configuration, where `path` names no file.
    pub fn create(path: &Path) -> Result<Self> {
        let name = path
            .file_name()
            .ok_or_else(|| Error::configuration(format!("'{}' is not the name of a file to write", path.display())))?;
        let mut partial = name.to_owned();
        partial.push(format!(".{}.partial", std::process::id()));
        let partial = path.with_file_name(partial);
        let archive = npyz::npz::NpzWriter::create(&partial).map_err(|error| io_error("write", path, error))?;
        Ok(Self { archive, target: path.to_path_buf(), partial: Partial(Some(partial)) })
    }

    /// A float32 array of that shape, row-major.
    ///
    /// # Errors
    /// As [`Self::create`]; a bug, where the shape does not fit the values.
    pub fn array_f32(&mut self, name: &str, shape: &[usize], values: &[f32]) -> Result<()> {
        self.array(name, shape, values)
    }

    /// Rectangles in fractions of the page as a float32 array `[rects, 4]`: left, top, right, bottom; NaN for what has none.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn rects(&mut self, name: &str, rects: impl ExactSizeIterator<Item = Option<Rect>>) -> Result<()> {
        let shape = [rects.len(), 4];
        let sides = |rect: Rect| [rect.left, rect.top, rect.right, rect.bottom];
        let values: Vec<f32> = rects.flat_map(|rect| rect.map_or([f32::NAN; 4], sides)).collect();
        self.array_f32(name, &shape, &values)
    }

    /// An int64 array, as [`Self::array_f32`].
    pub fn array_i64(&mut self, name: &str, shape: &[usize], values: &[i64]) -> Result<()> {
        self.array(name, shape, values)
    }

    /// A uint8 array, as [`Self::array_f32`].
    pub fn array_u8(&mut self, name: &str, shape: &[usize], values: &[u8]) -> Result<()> {
        self.array(name, shape, values)
    }

    /// Text as a numpy scalar of type `<U`: `str(archive[name])` in Python. Trailing NULs are lost, as numpy loses them.
    pub fn string(&mut self, name: &str, text: &str) -> Result<()> {
        // Numpy has no type of length 0.
        let chars = text.chars().count().max(1);
        let write = |archive: &mut npyz::npz::NpzWriter<BufWriter<File>>| -> io::Result<()> {
            let dtype = format!("<U{chars}").parse().map_err(io::Error::other)?;
            let builder = archive.array::<str>(name, options(chars as u64 * 4))?;
            let mut array = builder.dtype(DType::Plain(dtype)).shape(&[]).begin_nd()?;
            array.push(text)?;
            array.finish()
        };
        write(&mut self.archive).map_err(|error| io_error("write", &self.target, error))
    }

    fn array<T: Serialize + AutoSerialize + Copy>(&mut self, name: &str, shape: &[usize], values: &[T]) -> Result<()> {
        if shape.iter().product::<usize>() != values.len() {
            return Err(Error::bug(format!("array '{name}' of shape {shape:?} was given {} values", values.len())));
        }
        let shape: Vec<u64> = shape.iter().map(|&side| side as u64).collect();
        let write = |archive: &mut npyz::npz::NpzWriter<BufWriter<File>>| -> io::Result<()> {
            let builder = archive.array::<T>(name, options(size_of_val(values) as u64))?;
            let mut array = builder.default_dtype().shape(&shape).begin_nd()?;
            array.extend(values.iter().copied())?;
            array.finish()
        };
        write(&mut self.archive).map_err(|error| io_error("write", &self.target, error))
    }

    /// Completes the archive and gives it its name, over a file that had it.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn finish(mut self) -> Result<()> {
        let target = self.target.clone();
        let failed = |error| io_error("write", &target, error);
        let mut file = self.archive.zip_writer().finish().map_err(|error| failed(io::Error::other(error)))?;
        file.flush().map_err(failed)?;
        drop(file);
        if let Some(partial) = &self.partial.0 {
            std::fs::rename(partial, &self.target).map_err(failed)?;
        }
        self.partial.0 = None;
        Ok(())
    }
}

/// Compressed, and without the time of day: equal arrays make equal files.
fn options(bytes: u64) -> FileOptions {
    FileOptions::default().last_modified_time(DateTime::default()).large_file(bytes >= LARGE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        let write = || {
            let mut archive = NpzWriter::create(&path).unwrap();
            archive.array_f32("embeddings", &[2, 3], &[0.0, 1.0, 2.0, 3.0, 4.0, -0.5]).unwrap();
            archive.array_i64("input_ids", &[1, 2], &[257_152, -1]).unwrap();
            archive.array_u8("canvas", &[0], &[]).unwrap();
            archive.string("meta", "{\"ü\": \"€\"}").unwrap();
            archive.string("nothing", "").unwrap();
            archive.finish().unwrap();
        };
        write();
        let mut read = npyz::npz::NpzArchive::open(&path).unwrap();
        let embeddings = read.by_name("embeddings").unwrap().unwrap();
        assert_eq!(embeddings.shape(), [2, 3]);
        assert_eq!(embeddings.into_vec::<f32>().unwrap(), [0.0, 1.0, 2.0, 3.0, 4.0, -0.5]);
        let ids = read.by_name("input_ids").unwrap().unwrap();
        assert_eq!((ids.shape().to_vec(), ids.into_vec::<i64>().unwrap()), (vec![1, 2], vec![257_152, -1]));
        assert_eq!(read.by_name("canvas").unwrap().unwrap().shape(), [0]);
        let meta = read.by_name("meta").unwrap().unwrap();
        assert_eq!((meta.shape().len(), meta.dtype().descr()), (0, "'<U10'".to_owned()));
        assert_eq!(meta.into_vec::<String>().unwrap(), ["{\"ü\": \"€\"}"]);
        assert_eq!(read.by_name("nothing").unwrap().unwrap().into_vec::<String>().unwrap(), [""]);

        let first = std::fs::read(&path).unwrap();
        write();
        assert_eq!(std::fs::read(&path).unwrap(), first, "equal arrays make equal files");
    }

    #[test]
    fn an_archive_that_is_not_finished_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut archive = NpzWriter::create(&folder.path().join("a.npz")).unwrap();
        let error = archive.array_f32("embeddings", &[2, 2], &[0.0; 3]).unwrap_err();
        assert!(error.message().contains("3 values"), "{error}");
        drop(archive);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(NpzWriter::create(&folder.path().join("no/such/a.npz")).is_err());
        assert!(NpzWriter::create(Path::new("..")).is_err());
    }
}
