//! What is turned away, and how: problems, whatever is wrong.

use serde_json::json;

use crate::house::{House, reply};
use crate::id_of;

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_wrong_is_a_problem() {
    let house = House::open_with(None, "server: {limits: {body_bytes: 2048}}\n").await;
    let json = |body: &str| {
        house.request("acme", "POST", "/v1/search").header("content-type", "application/json").body(body.to_owned())
    };
    let cases = [
        (house.request("acme", "GET", "/v1/nowhere"), 404),
        (house.request("acme", "GET", "/v1/search"), 405),
        (house.request("acme", "POST", "/v1/search").body("{}"), 415),
        (json("{"), 400),
        (json("{}"), 422),
        (json(r#"{"query": "x", "colour": "blue"}"#), 422),
        (json(r#"{"query": ""}"#), 400),
        (json(r#"{"query": "x", "limit": 0}"#), 422),
        (json(r#"{"query": "x", "plan": "none such"}"#), 400),
        (json(r#"{"query": "x", "collection": "none such"}"#), 404),
        (json(r#"{"query": "x", "filter": {"pages": "9-3"}}"#), 400),
        (json(&json!({ "query": "x".repeat(4_096) }).to_string()), 413),
        (house.request("acme", "GET", "/v1/documents/none"), 404),
        (house.request("acme", "GET", "/v1/documents?limit=0"), 400),
        (house.request("acme", "GET", "/v1/documents?cursor=17"), 400),
        (house.request("acme", "POST", "/v1/documents").body("x"), 415),
        (house.request("acme", "GET", "/v1/runs/none"), 404),
    ];
    for (at, (request, expected)) in cases.into_iter().enumerate() {
        let reply = reply(request).await;
        assert_eq!(reply.status, expected, "case {at}: {}", reply.body);
        assert_eq!(reply.headers["content-type"], "application/problem+json", "case {at}");
        assert_eq!(reply.body["status"], expected, "case {at}");
        assert!(reply.headers.contains_key("x-request-id"), "case {at}");
        assert!(!reply.body["detail"].as_str().unwrap().is_empty(), "case {at}");
    }
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_names_and_other_pages_are_turned_away() {
    let house = House::open_with(None, "server: {cors_origins: ['https://wiki.example']}\n").await;
    let get = |host: Option<&str>, origin: Option<&str>| {
        let mut request = house.request("acme", "GET", "/v1/collections");
        request = host.into_iter().fold(request, |request, host| request.header("host", host));
        origin.into_iter().fold(request, |request, origin| request.header("origin", origin))
    };
    assert_eq!(reply(get(None, None)).await.status, 200);
    assert_eq!(reply(get(Some("evil.example"), None)).await.status, 403);
    assert_eq!(reply(get(None, Some("https://evil.example"))).await.status, 403);
    let fine = reply(get(None, Some("https://wiki.example"))).await;
    assert_eq!(
        (fine.status, fine.headers["access-control-allow-origin"].to_str().unwrap()),
        (200, "https://wiki.example")
    );
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_too_often_waits() {
    let house = House::open_with(None, "server: {limits: {requests_per_minute: 5}}\n").await;
    let mut statuses = Vec::new();
    for _ in 0..8 {
        let reply = house.get("acme", "/v1/collections").await;
        if reply.status == 429 {
            assert!(reply.headers.contains_key("retry-after"), "{}", reply.body);
        }
        statuses.push(reply.status);
    }
    assert_eq!(statuses[..5], [200; 5]);
    assert!(statuses[5..].contains(&429), "{statuses:?}");
    assert_eq!(house.get("rival", "/v1/collections").await.status, 200, "others don't wait");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_link_opens_without_a_key_and_only_what_it_was_made_for() {
    let house = House::open(None).await;
    let own = id_of(&house, "acme").await;
    let found = house.post("acme", "/v1/search", json!({ "query": "torque" })).await.body;
    let image = found["hits"][0]["image"].as_str().unwrap().to_owned();
    let opened = house.stranger("GET", &image).send().await.unwrap();
    assert_eq!((opened.status().as_u16(), opened.headers()["content-type"].to_str().unwrap()), (200, "image/jpeg"));
    let tag = opened.headers()["etag"].clone();
    let again = house.stranger("GET", &image).header("if-none-match", tag).send().await.unwrap();
    assert_eq!(again.status().as_u16(), 304);
    let smaller = house.stranger("GET", &format!("{image}&width=64")).send().await.unwrap().bytes().await.unwrap();
    assert_eq!(image::load_from_memory(&smaller).unwrap().width(), 64);
    for other in [
        image.replace("/image?", "/image?x=1&").replace("/pages/1/", "/pages/2/").replace("/pages/3/", "/pages/2/"),
        image.replace("signature=", "signature=0"),
    ] {
        if other.split('?').next() != image.split('?').next() || other.contains("signature=0") {
            assert_eq!(house.stranger("GET", &other).send().await.unwrap().status().as_u16(), 403, "{other}");
        }
    }
    let (path, query) = image.split_once('?').unwrap();
    let old = query.replacen("expires=", "expires=1&was=", 1);
    assert_eq!(house.stranger("GET", &format!("{path}?{old}")).send().await.unwrap().status().as_u16(), 403);
    assert_eq!(
        house.stranger("GET", &format!("/v1/documents/{own}/pages/1/image")).send().await.unwrap().status().as_u16(),
        401
    );
    let original = found["hits"][0]["original"].as_str().unwrap().split('#').next().unwrap().to_owned();
    let file = house.stranger("GET", &original).send().await.unwrap();
    assert_eq!(file.headers()["content-type"], "application/pdf");
    assert!(file.bytes().await.unwrap().starts_with(b"%PDF"));
    house.close().await;
}
