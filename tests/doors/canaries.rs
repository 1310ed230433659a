//! Citations are a contract: whatever the answer model says and whichever door somebody comes in by, no citation names a page that
//! was not retrieved for him. Two tenants ask the same; each has a word that stands on every page of its own and nowhere else.

use serde_json::{Value, json};

use crate::house::{COLLECTION, House, canary};
use crate::talker::Talker;
use crate::{QUESTION, mcp};

const TENANTS: [(&str, &str); 2] = [("acme", "rival"), ("rival", "acme")];

/// Everything that the doors say to a tenant's question.
async fn said(house: &House, tenant: &str) -> Vec<(String, String)> {
    let chat = |extra: Value| {
        let mut body = json!({ "model": COLLECTION, "messages": [{ "role": "user", "content": QUESTION }] });
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        body
    };
    let mut said = Vec::new();
    for (door, path, body) in [
        ("chat", "/v1/chat/completions", chat(json!({}))),
        ("chat, quoted", "/v1/chat/completions", chat(json!({ "quire": { "extractive": true } }))),
        ("vector store", "/v1/vector_stores/documents/search", json!({ "query": QUESTION, "max_num_results": 50 })),
        (
            "dify",
            "/retrieval",
            json!({ "knowledge_id": COLLECTION, "query": QUESTION, "retrieval_setting": { "top_k": 99, "score_threshold": 0 } }),
        ),
    ] {
        let reply = house.post(tenant, path, body).await;
        assert_eq!(reply.status, 200, "{door}: {}", reply.body);
        said.push((door.to_owned(), reply.body.to_string()));
    }
    for model in [COLLECTION.to_owned(), format!("{COLLECTION}:cards")] {
        let events =
            house.events(tenant, "/v1/chat/completions", chat(json!({ "model": model, "stream": true }))).await;
        said.push((format!("stream of {model}"), events.join("\n")));
    }
    for (tool, arguments) in [
        ("search", json!({ "query": QUESTION, "limit": 20 })),
        ("ask", json!({ "question": QUESTION })),
        ("list_documents", json!({})),
    ] {
        said.push((format!("mcp {tool}"), mcp::call(house, tenant, tool, arguments).await.to_string()));
    }
    said.push(("models".into(), house.get(tenant, "/v1/models").await.body.to_string()));
    said.push(("files".into(), house.get(tenant, "/v1/vector_stores/documents/files").await.body.to_string()));
    said
}

/// Ids of the documents that a tenant has.
async fn documents(house: &House, tenant: &str) -> Vec<String> {
    let files = house.get(tenant, "/v1/vector_stores/documents/files").await.body;
    files["data"].as_array().unwrap().iter().map(|file| file["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_door_names_a_page_that_was_not_retrieved_for_this_caller() {
    // pages that it was sent, pages that it never saw, in every disguise, and links of its own making
    let talker = Talker::saying(&[&[
        "It is 20 Nm [2][1], or [9], [4-7] 【8】, [١٢] and [Page 5]. ",
        "See [3](http://evil.example/x#page=9) and [12](/v1/documents/6ba7b810-9dad-51d1-80b4-00c04fd430c8/original).",
    ]])
    .await;
    let house = House::open(Some(&talker.base_url)).await;
    for (tenant, other) in TENANTS {
        let (own, others) = (documents(&house, tenant).await, documents(&house, other).await);
        assert!(own.len() == 1 && others.len() == 1 && own != others);
        for (door, text) in said(&house, tenant).await {
            assert!(!text.contains(&canary(other)), "{door} shows {tenant} a page of {other}'s: {text}");
            assert!(!text.contains(&others[0]) && !text.contains(&format!("{other}-manual")), "{door}: {text}");
        }
        cites_only_its_own(&house, tenant, &own[0]).await;
        for tool in ["fetch", "get_page"] {
            let result = mcp::call(&house, tenant, tool, json!({ "id": format!("{}/1", others[0]) })).await;
            assert!(result["isError"] == true && !result.to_string().contains(&canary(other)), "{tool}: {result}");
        }
    }
    house.close().await;
}

/// Every marker that is left is a page of the tenant's own document, one that exists.
async fn cites_only_its_own(house: &House, tenant: &str, document: &str) {
    let body = json!({ "model": COLLECTION, "messages": [{ "role": "user", "content": QUESTION }], "quire": { "links": false } });
    let whole = house.post(tenant, "/v1/chat/completions", body).await.body;
    let text = whole["choices"][0]["message"]["content"].as_str().unwrap();
    let citations = whole["quire"]["citations"].as_array().unwrap();
    assert!(text.starts_with("It is 20 Nm [1][2], or"), "{text}");
    for lost in ["[9]", "【8】", "[12]", "[Page 5]", "[4"] {
        assert!(!text.contains(lost), "{lost} in {text}");
    }
    assert_eq!(citations.len(), whole["choices"][0]["message"]["annotations"].as_array().unwrap().len());
    for (number, citation) in citations.iter().enumerate() {
        assert_eq!(
            (&citation["document_id"], &citation["marker"]),
            (&json!(document), &json!(format!("[{}]", number + 1)))
        );
        assert!((1..=3).contains(&citation["page"].as_u64().unwrap()), "{citation}");
    }
    assert!(whole["quire"]["notes"].to_string().contains("the model cited"), "{}", whole["quire"]["notes"]);
}
