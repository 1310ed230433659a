//! The Model Context Protocol over HTTP, in both of its ages.

use serde_json::{Value, json};

use crate::QUESTION;
use crate::house::{House, reply};

/// What the 2026-07-28 revision wants to be said with every request.
fn meta() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    })
}

/// A request of the 2026-07-28 revision; what came back.
async fn now(house: &House, tenant: &str, method: &str, name: Option<&str>, params: Value) -> Value {
    let mut params = params;
    params["_meta"] = meta();
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let mut request = house
        .request(tenant, "POST", "/mcp")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", method);
    if let Some(name) = name {
        request = request.header("mcp-name", name);
    }
    reply(request.body(body.to_string())).await.body
}

/// A request of a client of 2025-11-25.
async fn before(house: &House, method: &str, params: Value) -> Value {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let request = house
        .request("acme", "POST", "/mcp")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2025-11-25");
    reply(request.body(body.to_string())).await.body
}

pub async fn call(house: &House, tenant: &str, tool: &str, arguments: Value) -> Value {
    let answer = now(house, tenant, "tools/call", Some(tool), json!({ "name": tool, "arguments": arguments })).await;
    assert!(answer.get("error").is_none(), "{answer}");
    answer["result"].clone()
}

/// The text of a result as JSON.
fn told(result: &Value) -> Value {
    serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_newest_revision_needs_no_session() {
    let house = House::open(None).await;
    let discovered = now(&house, "acme", "server/discover", None, json!({})).await;
    let versions = discovered["result"]["supportedVersions"].as_array().unwrap_or_else(|| panic!("{discovered}"));
    assert!(versions.contains(&json!("2026-07-28")) && versions.contains(&json!("2025-11-25")));
    let listed = now(&house, "acme", "tools/list", None, json!({})).await;
    let tools: Vec<&str> =
        listed["result"]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(tools, ["search", "fetch", "ask", "get_page", "list_documents"]);
    assert_eq!((&listed["result"]["resultType"], &listed["result"]["ttlMs"]), (&json!("complete"), &json!(3_600_000)));
    let missing = now(&house, "acme", "resources/read", Some("ui://none"), json!({ "uri": "ui://none" })).await;
    assert_eq!(missing["error"]["code"], -32602);
    let view =
        now(&house, "acme", "resources/read", Some("ui://quire/evidence"), json!({ "uri": "ui://quire/evidence" }))
            .await;
    assert_eq!(view["result"]["contents"][0]["mimeType"], "text/html;profile=mcp-app");
    let unknown = now(&house, "acme", "tools/call", Some("none"), json!({ "name": "none", "arguments": {} })).await;
    assert!(unknown["error"]["message"].as_str().unwrap().contains("list_documents"), "{unknown}");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_the_revision_before_are_served_too() {
    let house = House::open(None).await;
    let client =
        json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "old", "version": "1" } });
    let opened = before(&house, "initialize", client).await;
    assert_eq!(opened["result"]["protocolVersion"], "2025-11-25", "{opened}");
    let listed = before(&house, "tools/list", json!({})).await;
    assert_eq!(listed["result"]["tools"].as_array().unwrap().len(), 5);
    assert!(listed["result"].get("resultType").is_none());
    let called = before(&house, "tools/call", json!({ "name": "search", "arguments": { "query": QUESTION } })).await;
    assert_eq!(told(&called["result"])["results"].as_array().unwrap().len(), 3);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tools_find_read_show_and_answer() {
    let house = House::open(None).await;
    let found = told(&call(&house, "acme", "search", json!({ "query": QUESTION, "limit": 2 })).await);
    let results = found["results"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    let id = results[0]["id"].as_str().unwrap();
    assert!(
        results[0]["url"].as_str().unwrap().starts_with(&house.address) && results[0]["score"].as_f64().unwrap() <= 1.0
    );

    let fetched = told(&call(&house, "acme", "fetch", json!({ "id": id })).await);
    assert!(fetched["text"].as_str().unwrap().contains("CanaryACME"), "{fetched}");
    assert_eq!((&fetched["id"], &fetched["metadata"]["page_count"]), (&json!(id), &json!(3)));

    let shown = call(&house, "acme", "get_page", json!({ "id": id, "width": 100 })).await;
    let image = shown["content"].as_array().unwrap().iter().find(|part| part["type"] == "image").unwrap();
    assert_eq!(image["mimeType"], "image/jpeg");
    let bytes =
        base64::Engine::decode(&base64::engine::general_purpose::STANDARD, image["data"].as_str().unwrap()).unwrap();
    assert_eq!(image::load_from_memory(&bytes).unwrap().width(), 100);

    let asked = call(&house, "acme", "ask", json!({ "question": "canaryacme torque of the rotor bolts" })).await;
    let (text, structured) = (asked["content"][0]["text"].as_str().unwrap(), &asked["structuredContent"]);
    let citation = &structured["citations"][0];
    assert!(text.contains("Sources:\n[1] ") && text.contains(citation["url"].as_str().unwrap()), "{text}");
    assert_eq!(citation["marker"], "[1]");

    let listed = told(&call(&house, "acme", "list_documents", json!({})).await);
    assert_eq!((&listed["documents"][0]["state"], &listed["documents"][0]["pages"]), (&json!("indexed"), &json!(3)));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_say_what_to_do_next() {
    let house = House::open(None).await;
    for (tool, arguments, said) in [
        ("search", json!({}), "missing field `query`"),
        ("search", json!({ "query": "x", "collection": "none" }), "Use one of: documents"),
        ("fetch", json!({ "id": "x" }), "DOCUMENT/PAGE"),
        ("fetch", json!({ "id": "6ba7b810-9dad-51d1-80b4-00c04fd430c8/1" }), "there is no document"),
        ("list_documents", json!({ "state": "lost" }), "queued, processing"),
        ("ask", json!({ "question": " " }), "the question is empty"),
    ] {
        let result = call(&house, "acme", tool, arguments.clone()).await;
        let text = result["content"][0]["text"].as_str().unwrap();
        assert!(result["isError"] == true && text.contains(said), "{tool} {arguments}: {text}");
    }
    let stranger = reply(house.stranger("POST", "/mcp").body("{}")).await;
    assert_eq!(stranger.status, 401);
    house.close().await;
}
