//! The document itself, to be passed on: what was uploaded from where Quire keeps it, other files in place, if they are still what
//! was indexed.

use std::collections::HashMap;
use std::io::SeekFrom;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

use super::scope::Scope;
use crate::blobs::upload_key;
use crate::error::{Blame, Error, Result};
use crate::ledger::DocumentRecord;
use crate::source;
use crate::types::{ContentHash, DocumentId, is_on_web};

/// Files whose bytes were compared are remembered: readers of PDFs ask for many small parts.
const REMEMBERED: usize = 4_096;
/// Read of a file at a time.
const READ_BYTES: usize = 256 << 10;

/// A document that may be passed on.
pub struct Original {
    /// What people call the file.
    pub name: String,
    pub size_bytes: u64,
    pub content_hash: ContentHash,
    place: Place,
}

enum Place {
    /// A key of the blob store.
    Kept(String),
    File(PathBuf),
}

/// State of a file: device, inode, size, times of change.
type Stamp = (u64, u64, u64, i64, i64, i64, i64);

/// Files that were found to be what was indexed.
#[derive(Default)]
pub struct Compared(Mutex<HashMap<PathBuf, (Stamp, ContentHash)>>);

impl Scope<'_> {
    /// The file that a document was indexed from (of a document inside another: the file around it).
    ///
    /// # Errors
    /// Permanent: it is gone, or is not what was indexed any more.
    pub async fn original(&self, record: &DocumentRecord) -> Result<Original> {
        let mut uri = record.source.uri.as_str();
        while let Some((around, _)) = source::attachment_of(uri) {
            uri = around;
        }
        // An address on the web says more than a file's name behind its last slash.
        let name = match is_on_web(uri) {
            true => source::url_name(uri),
            false => uri.rsplit('/').next().unwrap_or(uri).to_owned(),
        };
        let content_hash = record.content_hash.clone();
        if record.source.is_kept() {
            let document = DocumentId::new(&self.tenant, &record.collection, &source::same_name(uri));
            let place = Place::Kept(upload_key(&self.tenant, document, &content_hash));
            return Ok(Original { name, size_bytes: record.size_bytes, content_hash, place });
        }
        let path = source::source_path(uri);
        let size_bytes = self.compared(path.clone(), content_hash.clone()).await?;
        Ok(Original { name, size_bytes, content_hash, place: Place::File(path) })
    }

    /// The size of a file that is what was indexed.
    async fn compared(&self, path: PathBuf, indexed: ContentHash) -> Result<u64> {
        let (looked_at, expected) = (path.clone(), indexed.clone());
        let known = self.app.compared.0.lock().unwrap_or_else(PoisonError::into_inner).get(&path).cloned();
        let compare = move || {
            if let (Some((stamp, hash)), Some(now)) = (known, stamp_of(&looked_at))
                && stamp == now
                && hash == expected
            {
                return Ok((now, now.2));
            }
            let (file, size) = source::open_as_indexed(&looked_at, &expected)?;
            let metadata = file.metadata().map_err(|error| crate::error::io_error("look at", &looked_at, error))?;
            Ok((stamp(&metadata), size))
        };
        let compared = tokio::task::spawn_blocking(compare)
            .await
            .map_err(|error| Error::bug("comparing a file panicked").with_source(error))?;
        // whatever is wrong with the file: there is no original to pass on
        let gone =
            |error: Error| Error::permanent(format!("the original can't be had: {error}")).blaming(Blame::Document);
        let (stamp, size) = compared.map_err(gone)?;
        let mut remembered = self.app.compared.0.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= REMEMBERED {
            remembered.clear();
        }
        remembered.insert(path, (stamp, indexed));
        Ok(size)
    }

    /// Bytes of it, piece by piece.
    ///
    /// # Errors
    /// Permanent: it went away meanwhile.
    pub async fn original_bytes(
        &self,
        original: &Original,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, Result<Bytes>>> {
        let path = match &original.place {
            Place::Kept(key) => return self.app.blobs.read(&self.tenant, key, range).await,
            Place::File(path) => path.clone(),
        };
        let failed =
            |error: std::io::Error| Error::transient("the original can't be read to its end").with_source(error);
        let open = move || source::open_again(&path);
        let file = tokio::task::spawn_blocking(open)
            .await
            .map_err(|error| Error::bug("opening a file panicked").with_source(error))??;
        let mut file = tokio::fs::File::from_std(file);
        file.seek(SeekFrom::Start(range.start)).await.map_err(failed)?;
        let part = file.take(range.end.saturating_sub(range.start));
        Ok(ReaderStream::with_capacity(part, READ_BYTES).map_err(failed).boxed())
    }
}

fn stamp_of(path: &std::path::Path) -> Option<Stamp> {
    path.symlink_metadata().ok().filter(std::fs::Metadata::is_file).map(|metadata| stamp(&metadata))
}

fn stamp(metadata: &std::fs::Metadata) -> Stamp {
    (
        metadata.dev(),
        metadata.ino(),
        metadata.len(),
        metadata.mtime(),
        metadata.mtime_nsec(),
        metadata.ctime(),
        metadata.ctime_nsec(),
    )
}
