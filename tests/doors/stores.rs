//! Vector stores and their files.

use serde_json::{Value, json};

use crate::QUESTION;
use crate::house::{COLLECTION, House};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collection_is_a_vector_store_and_its_documents_are_files() {
    let house = House::open(None).await;
    let stores = house.get("acme", "/v1/vector_stores").await.body;
    assert_eq!((&stores["data"][0]["id"], &stores["has_more"]), (&json!(COLLECTION), &json!(false)));
    let store = house.get("acme", "/v1/vector_stores/documents").await.body;
    assert_eq!((&store["status"], &store["file_counts"]["completed"]), (&json!("completed"), &json!(1)));

    let files = house.get("acme", "/v1/vector_stores/documents/files?limit=1").await.body;
    let file = &files["data"][0];
    assert_eq!(
        (&file["object"], &file["status"], &files["has_more"]),
        (&json!("vector_store.file"), &json!("completed"), &json!(false))
    );
    let id = file["id"].as_str().unwrap();
    let after = house.get("acme", &format!("/v1/vector_stores/documents/files?after={id}")).await.body;
    assert_eq!(after["data"], json!([]));
    let failed = house.get("acme", "/v1/vector_stores/documents/files?filter=failed").await.body;
    assert_eq!(failed["data"], json!([]));

    let path = format!("/v1/vector_stores/documents/files/{id}");
    assert_eq!(house.get("acme", &path).await.body["id"], id);
    assert_eq!(house.get("rival", &path).await.status, 404);
    assert_eq!(crate::house::reply(house.request("rival", "DELETE", &path)).await.status, 404);
    let deleted = crate::house::reply(house.request("acme", "DELETE", &path)).await;
    assert_eq!(deleted.body["deleted"], true);
    assert_eq!(house.get("acme", &path).await.status, 404);
    assert_eq!(house.get("acme", "/v1/vector_stores/documents").await.status, 404, "nothing of acme's is left");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_gives_pages_with_attributes_and_obeys_filters() {
    let house = House::open(None).await;
    let search = |extra: Value| {
        let mut body = json!({ "query": QUESTION });
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        body
    };
    let path = "/v1/vector_stores/documents/search";
    let found = house.post("acme", path, search(json!({ "max_num_results": 2, "rewrite_query": true }))).await.body;
    assert_eq!(
        (&found["object"], &found["search_query"]),
        (&json!("vector_store.search_results.page"), &json!([QUESTION]))
    );
    let data = found["data"].as_array().unwrap_or_else(|| panic!("{found}"));
    assert_eq!(data.len(), 2);
    assert!(data[0]["content"][0]["text"].as_str().unwrap().contains("torque"));
    assert_eq!((&data[0]["filename"], &data[0]["attributes"]["team"]), (&json!("acme-manual.pdf"), &json!("acme")));
    assert!(data[0]["attributes"].as_object().unwrap().values().all(|value| value.is_string() || value.is_number()));

    let filter = json!({ "type": "or", "filters": [{ "type": "eq", "key": "page", "value": 3 }, { "type": "eq", "key": "team", "value": "rival" }] });
    let narrowed = house.post("acme", path, search(json!({ "filters": filter }))).await.body;
    assert_eq!(narrowed["data"].as_array().map(Vec::len), Some(1), "{narrowed}");
    assert_eq!(narrowed["data"][0]["attributes"]["page"], 3);
    let wrong =
        house.post("acme", path, search(json!({ "filters": { "type": "gt", "key": "page", "value": "x" } }))).await;
    assert_eq!((wrong.status, &wrong.body["error"]["param"]), (400, &json!("filters")));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_uploaded_and_put_into_a_vector_store() {
    let house = House::open(None).await;
    let pdf = String::from_utf8(crate::common::blank_pdf(1, 90, 91)).unwrap();
    let form = |name: &str, value: &str, more: &str| {
        format!("--cut\r\nContent-Disposition: form-data; name=\"{name}\"{more}\r\n\r\n{value}\r\n")
    };
    let body = form("purpose", "assistants", "") + &form("file", &pdf, "; filename=\"new.pdf\"") + "--cut--\r\n";
    let sent = house.request("acme", "POST", "/v1/files").header("content-type", "multipart/form-data; boundary=cut");
    let file = crate::house::reply(sent.body(body)).await.body;
    assert_eq!(
        (&file["object"], &file["filename"], &file["status"]),
        (&json!("file"), &json!("new.pdf"), &json!("uploaded")),
        "{file}"
    );
    let id = file["id"].as_str().unwrap();
    assert_eq!(house.get("acme", &format!("/v1/files/{id}")).await.body["bytes"], pdf.len());
    assert_eq!(house.get("rival", &format!("/v1/files/{id}")).await.status, 404);
    assert_eq!(house.get("acme", "/v1/files").await.body["data"].as_array().unwrap().len(), 2);

    // it is in the default collection; put into the same one with attributes, it has them
    let put = house
        .post("acme", "/v1/vector_stores/documents/files", json!({ "file_id": id, "attributes": { "year": 2026 } }))
        .await
        .body;
    assert_eq!(
        (&put["id"], &put["attributes"]["year"], &put["status"]),
        (&json!(id), &json!("2026"), &json!("in_progress")),
        "{put}"
    );
    let stranger = house.post("rival", "/v1/vector_stores/documents/files", json!({ "file_id": id })).await;
    assert_eq!((stranger.status, &stranger.body["error"]["code"]), (404, &json!("not_found")));
    let deleted = crate::house::reply(house.request("acme", "DELETE", &format!("/v1/files/{id}"))).await.body;
    assert_eq!(deleted["deleted"], true);
    house.close().await;
}
