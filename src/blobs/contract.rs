//! What every blob store must do.

use bytes::Bytes;
use futures::TryStreamExt;

use super::{BlobStore, generation_prefix, page_key, upload_key};
use crate::error::Kind;
use crate::types::{ContentHash, DocumentId, Generation, Tenant};

/// Runs the suite on a store with nothing in it.
pub async fn holds(blobs: &dyn BlobStore) {
    reads_what_was_written(blobs).await;
    another_tenants_blob_is_as_if_there_were_none(blobs).await;
    blobs_of_earlier_versions_are_the_default_tenants(blobs).await;
    lists_by_folder(blobs).await;
    refuses_odd_keys(blobs).await;
    files_go_in_and_come_out_in_pieces(blobs).await;
    writes_at_once_leave_one_whole_blob(blobs).await;
}

fn acme() -> Tenant {
    Tenant("acme".into())
}

/// A page of a document of that tenant.
fn page_of(tenant: &Tenant, page: u32) -> String {
    page_key(tenant, DocumentId::new(tenant, "documents", "/a.pdf"), &Generation("g1".into()), page)
}

async fn reads_what_was_written(blobs: &dyn BlobStore) {
    let (acme, key, other) = (acme(), page_of(&acme(), 1), page_of(&acme(), 2));
    let missing = blobs.get(&acme, &key).await.unwrap_err();
    assert_eq!(missing.kind(), Kind::Permanent);
    assert!(missing.to_string().contains(&key), "{missing}");
    blobs.put(&key, Bytes::from_static(b"one")).await.unwrap();
    assert_eq!(blobs.get(&acme, &key).await.unwrap(), "one");
    blobs.put(&key, Bytes::from_static(b"another")).await.unwrap();
    assert_eq!(blobs.get(&acme, &key).await.unwrap(), "another");
    blobs.put(&other, Bytes::new()).await.unwrap();
    assert_eq!(blobs.get(&acme, &other).await.unwrap(), "");
    blobs.delete(&key).await.unwrap();
    blobs.delete(&key).await.unwrap();
    blobs.delete(&other).await.unwrap();
    assert!(blobs.get(&acme, &key).await.is_err());
}

async fn another_tenants_blob_is_as_if_there_were_none(blobs: &dyn BlobStore) {
    let (acme, key) = (acme(), page_of(&acme(), 1));
    for stranger in [Tenant("globex".into()), Tenant("default".into()), Tenant(String::new())] {
        let missing = blobs.get(&stranger, &key).await.unwrap_err();
        blobs.put(&key, Bytes::from_static(b"secret")).await.unwrap();
        let refused = blobs.get(&stranger, &key).await.unwrap_err();
        assert_eq!(
            (refused.kind(), refused.message()),
            (missing.kind(), missing.message()),
            "nothing tells the two apart"
        );
        assert_eq!(blobs.local_path(&stranger, &key), None);
        assert_eq!(blobs.get(&acme, &key).await.unwrap(), "secret");
        blobs.delete(&key).await.unwrap();
    }
}

async fn blobs_of_earlier_versions_are_the_default_tenants(blobs: &dyn BlobStore) {
    let default = Tenant("default".into());
    let key = format!("pages/{}/g1/00001.jpg", DocumentId::new(&default, "documents", "/a.pdf"));
    blobs.put(&key, Bytes::from_static(b"old")).await.unwrap();
    assert_eq!(blobs.get(&default, &key).await.unwrap(), "old");
    assert!(blobs.get(&acme(), &key).await.is_err());
    blobs.delete(&key).await.unwrap();
}

async fn lists_by_folder(blobs: &dyn BlobStore) {
    let keys = ["pages/01/b.jpg", "pages/01/a.jpg", "pages/012/c.jpg", "quarantine/01/d"];
    for key in keys {
        blobs.put(key, Bytes::from_static(b"x")).await.unwrap();
    }
    assert_eq!(blobs.list("pages/01").await.unwrap(), ["pages/01/a.jpg", "pages/01/b.jpg"]);
    assert_eq!(blobs.list("pages/01/").await.unwrap().len(), 2);
    assert_eq!(blobs.list("").await.unwrap(), [keys[1], keys[0], keys[2], keys[3]]);
    assert!(blobs.list("none").await.unwrap().is_empty());
    for key in keys {
        blobs.delete(key).await.unwrap();
    }
}

async fn refuses_odd_keys(blobs: &dyn BlobStore) {
    let tenant = Tenant("default".into());
    for key in ["", "/a", "../a", "a/../../b", "a//b", "a\\b", "ä", "a\0"] {
        let error = blobs.put(key, Bytes::new()).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Permanent, "{key}");
        assert!(blobs.get(&tenant, key).await.is_err() && blobs.delete(key).await.is_err());
        assert_eq!(blobs.local_path(&tenant, key), None);
    }
}

async fn writes_at_once_leave_one_whole_blob(blobs: &dyn BlobStore) {
    let (acme, key) = (acme(), page_of(&acme(), 2));
    let versions: Vec<Bytes> = (0u8..8).map(|fill| Bytes::from(vec![fill; 100_000])).collect();
    let writes = versions.iter().map(|bytes| blobs.put(&key, bytes.clone()));
    futures::future::try_join_all(writes).await.unwrap();
    assert!(versions.contains(&blobs.get(&acme, &key).await.unwrap()));
    let folder = generation_prefix(&acme, DocumentId::new(&acme, "documents", "/a.pdf"), &Generation("g1".into()));
    assert_eq!(blobs.list(&folder).await.unwrap(), [key.as_str()]);
    blobs.delete(&key).await.unwrap();
}

async fn files_go_in_and_come_out_in_pieces(blobs: &dyn BlobStore) {
    let acme = acme();
    let document = DocumentId::new(&acme, "documents", "upload:1/a.pdf");
    // more than one part, and not a whole number of them
    let bytes: Vec<u8> = (0..9_000_001u32).map(|at| (at % 251) as u8).collect();
    let key = upload_key(&acme, document, &ContentHash::of(&bytes));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &bytes).unwrap();
    blobs.put_file(&key, file.path()).await.unwrap();
    for range in [0..bytes.len() as u64, 5..5, 8_388_600..8_388_620, 9_000_000..9_000_001] {
        let pieces: Vec<Bytes> = blobs.read(&acme, &key, range.clone()).await.unwrap().try_collect().await.unwrap();
        assert_eq!(pieces.concat(), bytes[range.start as usize..range.end as usize], "{range:?}");
    }
    let stranger = Tenant("globex".into());
    let refused = blobs.read(&stranger, &key, 0..1).await.err().unwrap();
    assert_eq!(refused.kind(), Kind::Permanent);
    std::fs::write(file.path(), b"").unwrap();
    blobs.put_file(&key, file.path()).await.unwrap();
    assert_eq!(blobs.get(&acme, &key).await.unwrap(), "");
    assert!(blobs.put_file(&key, std::path::Path::new("/nowhere/at/all")).await.is_err());
    blobs.delete(&key).await.unwrap();
    assert!(blobs.read(&acme, &key, 0..1).await.is_err());
}
