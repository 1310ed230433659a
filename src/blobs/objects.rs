//! What folder and bucket have in common: what a key may look like, and what their errors mean.

use std::ops::Range;
use std::path::Path;

use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path as Location;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt, WriteMultipart};
use tokio::io::AsyncReadExt;

use super::Pieces;
use crate::buckets;
use crate::error::{Error, Result};

/// Read of a file at a time.
const READ_BYTES: usize = 1 << 20;

/// A key that can mean one place only, and none outside the folder.
pub fn location(key: &str) -> Result<Location> {
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
    };
    if !key.split('/').all(plain) {
        return Err(Error::permanent(format!(
            "'{key}' is not a blob key: parts of letters, digits, '.', '-', '_' with '/' between them are expected"
        )));
    }
    Location::parse(key).map_err(|error| Error::bug(format!("'{key}' is not a blob key")).with_source(error))
}

/// Bytes that are sent at once. Buckets take no smaller parts than 5 MiB.
const PART_BYTES: usize = 8 << 20;
/// Parts on their way at the same time.
const PARTS_IN_FLIGHT: usize = 2;

/// Writes the bytes of a file, part by part; whole or not at all.
pub async fn put_file(objects: &dyn ObjectStore, at: &Location, file: &Path) -> object_store::Result<()> {
    let local = |error: std::io::Error| object_store::Error::Generic { store: "file", source: Box::new(error) };
    let mut file = tokio::fs::File::open(file).await.map_err(local)?;
    let size = file.metadata().await.map_err(local)?.len();
    if size <= PART_BYTES as u64 {
        // one request does, and of nothing there are no parts
        let mut bytes = Vec::with_capacity(size as usize);
        file.read_to_end(&mut bytes).await.map_err(local)?;
        return objects.put(at, Bytes::from(bytes).into()).await.map(drop);
    }
    let mut upload = WriteMultipart::new_with_chunk_size(objects.put_multipart(at).await?, PART_BYTES);
    let sent = async {
        let mut buffer = BytesMut::with_capacity(READ_BYTES);
        loop {
            buffer.reserve(READ_BYTES);
            if file.read_buf(&mut buffer).await.map_err(local)? == 0 {
                return Ok(());
            }
            upload.wait_for_capacity(PARTS_IN_FLIGHT).await?;
            upload.put(buffer.split().freeze());
        }
    };
    match sent.await {
        Ok(()) => upload.finish().await.map(drop),
        Err(error) => {
            // what was sent so far is nothing
            let _ = upload.abort().await;
            Err(error)
        }
    }
}

/// The bytes of a range, piece by piece; None where there is no such object.
pub async fn read(objects: &dyn ObjectStore, at: &Location, range: Range<u64>, key: &str) -> Result<Option<Pieces>> {
    if range.is_empty() {
        return Ok(Some(futures::stream::empty().boxed()));
    }
    let options = GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
    let found = match objects.get_opts(at, options).await {
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        found => found.map_err(|error| failed("read", key, error))?,
    };
    let key = key.to_owned();
    Ok(Some(found.into_stream().map_err(move |error| failed("read", &key, error)).boxed()))
}

/// What is said of a blob that is not there, and of another tenant's.
pub fn none_such(key: &str) -> Error {
    Error::permanent(format!("cannot read blob {key}: there is none"))
}

pub fn failed(action: &str, key: &str, error: object_store::Error) -> Error {
    buckets::failed(format!("cannot {action} blob {key}"), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_leads_out_of_the_folder() {
        for key in ["", "/etc/passwd", "../x", "a/../x", "a//b", "a/", "a/.hidden", "a#1", "a b"] {
            assert!(location(key).is_err(), "{key}");
        }
    }
}
