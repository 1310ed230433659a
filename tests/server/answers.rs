//! Answers piece by piece; what a client that goes away leaves behind; health and metrics.

use eventsource_stream::Eventsource;
use futures::StreamExt;
use serde_json::{Value, json};

use crate::QUESTION;
use crate::house::{House, reply};

async fn streamed(house: &House) -> Vec<(String, Value)> {
    let request = house.request("acme", "POST", "/v1/ask").header("content-type", "application/json");
    let response = request.body(json!({ "question": QUESTION, "stream": true }).to_string()).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let events = response.bytes_stream().eventsource().map(|event| event.unwrap());
    events.map(|event| (event.event, serde_json::from_str(&event.data).unwrap())).collect().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_comes_piece_by_piece() {
    let house = House::open(None).await;
    let events = streamed(&house).await;
    let names: Vec<&str> = events.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!((names.first(), names.last()), (Some(&"retrieval"), Some(&"done")), "{names:?}");
    let whole = &events.last().unwrap().1;
    let pieces: String =
        events.iter().filter(|(name, _)| name == "delta").map(|(_, data)| data["text"].as_str().unwrap()).collect();
    assert_eq!(pieces, whole["answer"].as_str().unwrap());
    let cited: Vec<_> = events.iter().filter(|(name, _)| name == "citation").map(|(_, data)| &data["marker"]).collect();
    let expected: Vec<_> = whole["citations"].as_array().unwrap().iter().map(|citation| &citation["marker"]).collect();
    assert_eq!(cited, expected);
    assert!(!cited.is_empty());
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_ends_is_not_ready_and_metrics_are_told() {
    quire::telemetry::record_metrics().unwrap();
    let house = House::open(None).await;
    let ready = reply(house.stranger("GET", "/readyz")).await;
    assert_eq!(ready.status, 200, "{}", ready.body);
    let names: Vec<_> =
        ready.body["checks"].as_array().unwrap().iter().map(|check| check["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["service", "ledger", "store", "blobs", "disk"]);
    house.post("acme", "/v1/search", json!({ "query": QUESTION })).await;
    let metrics = house.stranger("GET", "/metrics").send().await.unwrap().text().await.unwrap();
    for name in ["quire_queue_depth{state=\"queued\"}", "quire_pages_rendered_total", "quire_process_resident_bytes"] {
        assert!(metrics.contains(name), "{name}: {metrics}");
    }
    assert!(metrics.contains("quire_http_requests_total{route=\"/v1/search\",status=\"200\"}"), "{metrics}");
    // Neither keys nor names of anybody are among them.
    for secret in [house.key("acme"), "acme", "rival"] {
        assert!(!metrics.contains(secret), "{secret}");
    }
    house.close().await;
}
