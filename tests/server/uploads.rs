//! Uploads: taken whole or not at all, kept, passed on, removed.

use quire::types::Tenant;
use tokio_util::sync::CancellationToken;

use crate::house::{House, reply, text_pdf};

const BOUNDARY: &str = "quire-test-boundary";

/// A form with these files and fields: its content type and its bytes.
pub fn form(files: &[(&str, &[u8])], fields: &[(&str, &str)]) -> (String, Vec<u8>) {
    let mut body = Vec::new();
    for (name, value) in fields {
        body.extend(
            format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").bytes(),
        );
    }
    for (name, bytes) in files {
        let head =
            format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n");
        body.extend(head.bytes());
        body.extend_from_slice(bytes);
        body.extend(b"\r\n");
    }
    body.extend(format!("--{BOUNDARY}--\r\n").bytes());
    (format!("multipart/form-data; boundary={BOUNDARY}"), body)
}

/// Works until nothing is owed.
pub async fn drain(house: &House) {
    let engine = house.app.engine(&house.app.config().limits).unwrap();
    engine.drain(None, &CancellationToken::new()).await.unwrap();
    engine.shutdown().await;
}

fn note(number: usize) -> Vec<u8> {
    text_pdf(&[format!("Note {number}: the pump needs oil of grade {number}.")])
}

fn files_below(house: &House, folder: &str) -> usize {
    let folder = house.folder.path().join("data").join(folder);
    walk(&folder)
}

fn walk(folder: &std::path::Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries.flatten().map(|entry| if entry.path().is_dir() { walk(&entry.path()) } else { 1 }).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_uploaded_is_found_passed_on_in_parts_and_removed() {
    let house = House::open(None).await;
    let (one, two) = (note(1), note(2));
    let (kind, body) = form(&[("note one.pdf", &one), ("note two.pdf", &two)], &[("tags", r#"{"kind": "note"}"#)]);
    let taken = reply(house.request("acme", "POST", "/v1/documents").header("content-type", kind).body(body)).await;
    assert_eq!(taken.status, 202, "{}", taken.body);
    let documents = taken.body["documents"].as_array().unwrap();
    assert_eq!((documents.len(), documents[0]["state"].as_str()), (2, Some("queued")));
    assert_eq!((files_below(&house, "blobs/uploads"), files_below(&house, "spool")), (2, 0));
    drain(&house).await;

    let listed = house.get("acme", "/v1/documents?tag.kind=note&q=NOTE%20ONE").await.body;
    assert_eq!(
        (listed["documents"].as_array().unwrap().len(), &listed["counts"]["indexed"]),
        (1, &1.into()),
        "{listed}"
    );
    let id = documents[0]["document_id"].as_str().unwrap();
    let whole = house.request("acme", "GET", &format!("/v1/documents/{id}/original")).send().await.unwrap();
    assert_eq!(whole.headers()["content-disposition"], "inline; filename*=UTF-8''note%20one.pdf");
    assert_eq!(whole.bytes().await.unwrap(), one.as_slice());
    let part = house.request("acme", "GET", &format!("/v1/documents/{id}/original")).header("range", "bytes=1-3");
    let part = part.send().await.unwrap();
    assert_eq!(
        (part.status().as_u16(), part.headers()["content-range"].to_str().unwrap().to_owned()),
        (206, format!("bytes 1-3/{}", one.len()))
    );
    assert_eq!(part.bytes().await.unwrap(), one[1..4]);
    let none = house.request("acme", "GET", &format!("/v1/documents/{id}/original")).header("range", "bytes=9999999-");
    assert_eq!(none.send().await.unwrap().status().as_u16(), 416);

    assert_eq!(reply(house.request("acme", "DELETE", &format!("/v1/documents/{id}"))).await.status, 200);
    assert_eq!(files_below(&house, "blobs/uploads"), 1, "its bytes are gone, the other's are not");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_cut_off_leaves_nothing() {
    let house = House::open(None).await;
    let before = house.get("acme", "/v1/documents").await.body["counts"].clone();
    let (kind, body) = form(&[("whole.pdf", &note(1)), ("cut.pdf", &note(2))], &[]);
    let cut = body[..body.len() - 100].to_vec();
    let reply = reply(house.request("acme", "POST", "/v1/documents").header("content-type", kind).body(cut)).await;
    assert_eq!(reply.status, 400, "{}", reply.body);
    assert_eq!(house.get("acme", "/v1/documents").await.body["counts"], before);
    assert_eq!((files_below(&house, "blobs/uploads"), files_below(&house, "spool")), (0, 0));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_again_is_answered_as_before() {
    let house = House::open(None).await;
    let send = async |number: usize| {
        let (kind, body) = form(&[("note.pdf", &note(number))], &[]);
        let request = house.request("acme", "POST", "/v1/documents").header("idempotency-key", "one");
        reply(request.header("content-type", kind).body(body)).await
    };
    let first = send(1).await;
    assert_eq!(first.status, 202, "{}", first.body);
    drain(&house).await;
    let again = send(1).await;
    assert_eq!((again.status, &again.body), (202, &first.body), "as before, not as it stands now");
    assert_eq!(send(2).await.status, 422, "another request under the same key is a mistake");
    let scope = house.app.scope(Tenant("acme".into()));
    assert_eq!(scope.all_documents(&Default::default()).await.unwrap().len(), 2);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_or_too_much_is_turned_away() {
    let house =
        House::open_with(None, "server: {limits: {queued_documents: 1}}\nrender: {max_document_bytes: 2000}\n").await;
    let send = async |bytes: &[u8]| {
        let (kind, body) = form(&[("a.pdf", bytes)], &[]);
        reply(house.request("acme", "POST", "/v1/documents").header("content-type", kind).body(body)).await
    };
    let large = send(&vec![b'x'; 3_000]).await;
    assert_eq!(large.status, 413, "{}", large.body);
    assert!(large.body["detail"].as_str().unwrap().contains("max_document_bytes"), "{}", large.body);
    assert_eq!(send(&note(1)).await.status, 202);
    let full = send(&note(2)).await;
    assert_eq!((full.status, full.headers.contains_key("retry-after")), (429, true), "{}", full.body);
    assert_eq!(files_below(&house, "spool"), 0);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_says_how_soon_it_is_wanted() {
    let house = House::open(None).await;
    let bytes = note(1);
    let upload = async |fields: &[(&str, &str)]| {
        let (kind, body) = form(&[("note.pdf", &bytes)], fields);
        reply(house.request("acme", "POST", "/v1/documents").header("content-type", kind).body(body)).await
    };
    let priority = |reply: &crate::house::Reply| reply.body["documents"][0]["priority"].clone();
    assert_eq!(priority(&upload(&[]).await), "normal");
    // The same document, which still waits.
    assert_eq!(priority(&upload(&[("priority", "high")]).await), "high");
    let wrong = upload(&[("priority", "urgent")]).await;
    assert_eq!(wrong.status, 400);
    assert!(wrong.body["detail"].as_str().unwrap().contains("high, normal, low"), "{}", wrong.body);
}
