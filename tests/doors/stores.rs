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
    let pdf = crate::common::blank_pdf(1, 90, 91);
    let bytes = pdf.len();
    let file = crate::house::reply(uploading(&house, "new.pdf", pdf)).await.body;
    assert_eq!(
        (&file["object"], &file["filename"], &file["status"]),
        (&json!("file"), &json!("new.pdf"), &json!("uploaded")),
        "{file}"
    );
    let id = file["id"].as_str().unwrap();
    assert_eq!(house.get("acme", &format!("/v1/files/{id}")).await.body["bytes"], bytes);
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

/// The upload of a file by acme, as browsers and OpenAI's clients write it.
fn uploading(house: &House, name: &str, bytes: Vec<u8>) -> reqwest::RequestBuilder {
    let pdf = String::from_utf8(bytes).unwrap();
    let field = |name: &str, value: &str, more: &str| {
        format!("--cut\r\nContent-Disposition: form-data; name=\"{name}\"{more}\r\n\r\n{value}\r\n")
    };
    let file = field("file", &pdf, &format!("; filename=\"{name}\""));
    let body = field("purpose", "assistants", "") + &file + "--cut--\r\n";
    house.request("acme", "POST", "/v1/files").header("content-type", "multipart/form-data; boundary=cut").body(body)
}

/// Uploads a file for acme; its id.
async fn upload(house: &House, name: &str, bytes: Vec<u8>) -> String {
    let file = crate::house::reply(uploading(house, name, bytes)).await.body;
    file["id"].as_str().unwrap_or_else(|| panic!("{file}")).to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vector_store_is_made_filled_searched_and_deleted_by_its_tenant() {
    let house = House::open(None).await;
    let made =
        house.post("acme", "/v1/vector_stores", json!({ "name": "Support FAQ", "metadata": { "a": "b" } })).await;
    let store = made.body["id"].as_str().unwrap_or_else(|| panic!("{}", made.body)).to_owned();
    assert!(store.starts_with("support-faq-"), "{store}");
    assert_eq!((&made.body["object"], &made.body["name"]), (&json!("vector_store"), &json!("Support FAQ")));
    let again = house.post("acme", "/v1/vector_stores", json!({ "name": "Support FAQ" })).await;
    assert_ne!(again.body["id"], store.as_str(), "two stores of one name are two");

    // empty, it is there for its tenant and for nobody else
    let path = format!("/v1/vector_stores/{store}");
    assert_eq!(house.get("acme", &path).await.body["file_counts"]["total"], 0);
    let listed = house.get("acme", "/v1/vector_stores").await.body.to_string();
    assert!(listed.contains(&store), "{listed}");
    assert_eq!(house.get("rival", &path).await.status, 404);
    assert!(!house.get("rival", "/v1/vector_stores").await.body.to_string().contains("support-faq"));
    assert_eq!(crate::house::reply(house.request("rival", "DELETE", &path)).await.status, 404);
    let search = json!({ "query": QUESTION });
    let nothing = house.post("acme", &format!("{path}/search"), search.clone()).await;
    assert_eq!((nothing.status, &nothing.body["data"]), (200, &json!([])));

    // files are put in together
    let first = upload(&house, "a.pdf", crate::common::blank_pdf(1, 90, 91)).await;
    let second = upload(&house, "b.pdf", crate::common::blank_pdf(1, 92, 93)).await;
    let batch = json!({ "files": [{ "file_id": first, "attributes": { "year": 2026 } }, { "file_id": second }] });
    let batch = house.post("acme", &format!("{path}/file_batches"), batch).await.body;
    assert_eq!((&batch["object"], &batch["file_counts"]["total"]), (&json!("vector_store.files_batch"), &json!(2)));
    let batch_path = format!("{path}/file_batches/{}", batch["id"].as_str().unwrap_or_else(|| panic!("{batch}")));
    assert_eq!(house.get("acme", &batch_path).await.body["vector_store_id"], store.as_str());
    let files = house.get("acme", &format!("{batch_path}/files")).await.body;
    assert_eq!((&files["data"][0]["id"], &files["data"][0]["attributes"]["year"]), (&json!(first), &json!("2026")));
    assert_eq!(house.get("rival", &batch_path).await.status, 404);
    let elsewhere = batch_path.replace(&store, COLLECTION);
    assert_eq!(house.get("acme", &elsewhere).await.status, 404, "a batch belongs to its store");
    let unknown = json!({ "file_ids": [first, "6ba7b810-9dad-51d1-80b4-00c04fd430c8"] });
    assert_eq!(house.post("acme", &format!("{path}/file_batches"), unknown.clone()).await.status, 404);
    assert_eq!(house.post("acme", "/v1/vector_stores", unknown).await.status, 404, "and no store is made");
    assert_eq!(house.get("acme", &path).await.body["file_counts"]["total"], 2);

    // it goes with its files, which stay where else they are
    let deleted = crate::house::reply(house.request("acme", "DELETE", &path)).await;
    assert_eq!((deleted.status, &deleted.body["object"]), (200, &json!("vector_store.deleted")), "{}", deleted.body);
    assert_eq!(house.get("acme", &path).await.status, 404);
    assert_eq!(house.get("acme", &format!("/v1/files/{first}")).await.status, 200);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_is_made_with_files_and_others_are_not_deleted() {
    let house = House::open(None).await;
    let file = upload(&house, "a.pdf", crate::common::blank_pdf(1, 90, 91)).await;
    let made = house.post("acme", "/v1/vector_stores", json!({ "file_ids": [file] })).await.body;
    assert_eq!((&made["file_counts"]["total"], &made["status"]), (&json!(1), &json!("in_progress")), "{made}");
    assert_eq!(house.post("acme", "/v1/vector_stores", json!({})).await.status, 200);
    let expiring = house.post("acme", "/v1/vector_stores", json!({ "expires_after": { "days": 1 } })).await;
    assert_eq!((expiring.status, &expiring.body["error"]["param"]), (400, &json!("expires_after")));
    let kept = crate::house::reply(house.request("acme", "DELETE", "/v1/vector_stores/documents")).await;
    assert_eq!((kept.status, &kept.body["error"]["param"]), (400, &json!("vector_store_id")), "{}", kept.body);
    assert_eq!(house.get("acme", "/v1/vector_stores/documents").await.status, 200);
    house.close().await;
}
