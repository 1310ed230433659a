//! What every blob store must do.

use bytes::Bytes;

use super::BlobStore;
use crate::error::Kind;

/// Runs the suite on a store with nothing in it.
pub async fn holds(blobs: &dyn BlobStore) {
    reads_what_was_written(blobs).await;
    lists_by_folder(blobs).await;
    refuses_odd_keys(blobs).await;
    writes_at_once_leave_one_whole_blob(blobs).await;
}

async fn reads_what_was_written(blobs: &dyn BlobStore) {
    let key = "images/00/first.jpg";
    assert!(!blobs.exists(key).await.unwrap());
    let missing = blobs.get(key).await.unwrap_err();
    assert_eq!(missing.kind(), Kind::Permanent);
    assert!(missing.to_string().contains(key), "{missing}");
    blobs.put(key, Bytes::from_static(b"one")).await.unwrap();
    assert!(blobs.exists(key).await.unwrap());
    assert_eq!(blobs.get(key).await.unwrap(), "one");
    blobs.put(key, Bytes::from_static(b"another")).await.unwrap();
    assert_eq!(blobs.get(key).await.unwrap(), "another");
    blobs.put("images/00/empty", Bytes::new()).await.unwrap();
    assert_eq!(blobs.get("images/00/empty").await.unwrap(), "");
    blobs.delete(key).await.unwrap();
    blobs.delete(key).await.unwrap();
    blobs.delete("images/00/empty").await.unwrap();
    assert!(!blobs.exists(key).await.unwrap());
}

async fn lists_by_folder(blobs: &dyn BlobStore) {
    let keys = ["images/01/b.jpg", "images/01/a.jpg", "images/012/c.jpg", "originals/01/d"];
    for key in keys {
        blobs.put(key, Bytes::from_static(b"x")).await.unwrap();
    }
    assert_eq!(blobs.list("images/01").await.unwrap(), ["images/01/a.jpg", "images/01/b.jpg"]);
    assert_eq!(blobs.list("images/01/").await.unwrap().len(), 2);
    assert_eq!(blobs.list("").await.unwrap(), [keys[1], keys[0], keys[2], keys[3]]);
    assert!(blobs.list("none").await.unwrap().is_empty());
    for key in keys {
        blobs.delete(key).await.unwrap();
    }
}

async fn refuses_odd_keys(blobs: &dyn BlobStore) {
    for key in ["", "/a", "../a", "a/../../b", "a//b", "a\\b", "ä", "a\0"] {
        let error = blobs.put(key, Bytes::new()).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Permanent, "{key}");
        assert!(blobs.get(key).await.is_err() && blobs.exists(key).await.is_err() && blobs.delete(key).await.is_err());
    }
}

async fn writes_at_once_leave_one_whole_blob(blobs: &dyn BlobStore) {
    let key = "images/02/busy.jpg";
    let versions: Vec<Bytes> = (0u8..8).map(|fill| Bytes::from(vec![fill; 100_000])).collect();
    let writes = versions.iter().map(|bytes| blobs.put(key, bytes.clone()));
    futures::future::try_join_all(writes).await.unwrap();
    assert!(versions.contains(&blobs.get(key).await.unwrap()));
    assert_eq!(blobs.list("images/02").await.unwrap(), [key]);
    blobs.delete(key).await.unwrap();
}
