//! Dify's external knowledge.

use serde_json::{Value, json};

use crate::QUESTION;
use crate::house::{COLLECTION, House, reply};

fn ask(setting: Value, condition: Value) -> Value {
    json!({ "knowledge_id": COLLECTION, "query": QUESTION, "retrieval_setting": setting, "metadata_condition": condition })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_have_text_score_and_metadata() {
    let house = House::open(None).await;
    let found = house.post("acme", "/retrieval", ask(json!({ "top_k": 2, "score_threshold": 0.0 }), json!(null))).await;
    let records = found.body["records"].as_array().unwrap_or_else(|| panic!("{}", found.body));
    assert_eq!(records.len(), 2);
    for record in records {
        assert!((0.0..=1.0).contains(&record["score"].as_f64().unwrap()));
        assert!(record["content"].as_str().unwrap().contains("torque"));
        let metadata = record["metadata"].as_object().unwrap();
        assert_eq!((&metadata["team"], &metadata["source"]), (&json!("acme"), &json!("acme-manual.pdf")));
        assert!(metadata["url"].as_str().unwrap().ends_with(&format!("#page={}", metadata["page"])));
        assert!(metadata.values().all(|value| !value.is_null()), "{metadata:?}");
    }
    let best = records[0]["score"].as_f64().unwrap();
    let above =
        house.post("acme", "/retrieval", ask(json!({ "top_k": 9, "score_threshold": best + 0.01 }), json!(null))).await;
    assert_eq!(above.body["records"], json!([]));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conditions_on_metadata_narrow_the_records() {
    let house = House::open(None).await;
    let setting = json!({ "top_k": 9, "score_threshold": 0.0 });
    let condition = |operator: &str, name: &str, value: Value| json!({ "logical_operator": "and", "conditions": [{ "name": name, "comparison_operator": operator, "value": value }] });
    for (operator, name, value, pages) in [
        ("≥", "page", json!(2), 2),
        ("is", "team", json!("acme"), 3),
        ("is", "team", json!("rival"), 0),
        ("is not", "team", json!("acme"), 0),
        ("contains", "title", json!("acme"), 3),
        ("in", "page", json!(["1", "3"]), 2),
    ] {
        let found = house.post("acme", "/retrieval", ask(setting.clone(), condition(operator, name, value))).await;
        let records = found.body["records"].as_array().unwrap_or_else(|| panic!("{operator}: {}", found.body));
        assert_eq!(records.len(), pages, "{name} {operator}");
    }
    let wrong = house.post("acme", "/retrieval", ask(setting, condition("before", "page", json!(1)))).await;
    assert_eq!(wrong.status, 400);
    assert!(wrong.body["error_msg"].as_str().unwrap().contains("'before'"), "{}", wrong.body);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_have_difys_shape() {
    let house = House::open(None).await;
    let stranger = reply(house.stranger("POST", "/retrieval").body(ask(json!({}), json!(null)).to_string())).await;
    assert_eq!((stranger.status, &stranger.body["error_code"]), (401, &json!(1001)));
    let unknown = house.post("acme", "/retrieval", json!({ "knowledge_id": "none", "query": "x" })).await;
    assert_eq!((unknown.status, &unknown.body["error_code"]), (404, &json!(2001)));
    let broken = house.post("acme", "/retrieval", json!({ "query": 1 })).await;
    assert!(broken.status == 400 && broken.body["error_msg"].is_string(), "{}", broken.body);
    house.close().await;
}
