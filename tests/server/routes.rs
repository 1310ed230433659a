//! Every route of the OpenAPI document, walked by its owner, by another tenant, and by a stranger: nobody sees what is not theirs,
//! and nothing answers with a status that is not written down.

use serde_json::{Value, json};

use crate::house::{House, canary, reply};
use crate::{QUESTION, id_of};

/// Routes that say nothing of anybody, and streams that only end with their reader.
const OPEN: [&str; 3] = ["/livez", "/readyz", "/metrics"];
const ENDLESS: [&str; 2] = ["/v1/events", "/v1/documents/{id}/events"];

struct Route {
    method: String,
    path: String,
    statuses: Vec<u16>,
}

async fn all(house: &House) -> Vec<Route> {
    let document = reply(house.stranger("GET", "/openapi.json")).await.body;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut routes = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let statuses =
                operation["responses"].as_object().unwrap().keys().map(|code| code.parse().unwrap()).collect();
            routes.push(Route { method: method.to_uppercase(), path: path.clone(), statuses });
        }
    }
    assert!(routes.len() >= 20, "{} routes", routes.len());
    routes
}

/// A body that the route understands.
fn body(path: &str) -> Value {
    match path {
        "/v1/search" => json!({ "query": QUESTION }),
        "/v1/ask" => json!({ "question": QUESTION }),
        _ => json!({}),
    }
}

fn address(route: &Route, document: &str) -> String {
    let path = route.path.replace("{id}", document).replace("{n}", "1").replace("{name}", "nightly");
    if route.path.ends_with("/heatmap") { format!("{path}?q=torque") } else { path }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_sees_what_is_not_theirs() {
    let house = House::open(None).await;
    let theirs = id_of(&house, "acme").await;
    for route in all(&house).await {
        let address = address(&route, &theirs);
        let bare = || {
            house
                .stranger(&route.method, &address)
                .header("content-type", "application/json")
                .body(body(&route.path).to_string())
        };
        let stranger = bare().send().await.unwrap();
        let open = OPEN.contains(&route.path.as_str());
        assert_eq!(stranger.status().as_u16() == 401, !open, "{} {address}: {}", route.method, stranger.status());
        let wrong = bare().header("authorization", "Bearer qk_000000000000_wrong").send().await.unwrap();
        assert_eq!(wrong.status().as_u16() == 401, !open, "{} {address}", route.method);
        if route.path == "/v1/events" || open {
            continue;
        }
        let rival = house
            .request("rival", &route.method, &address)
            .header("content-type", "application/json")
            .body(body(&route.path).to_string())
            .send()
            .await
            .unwrap();
        let status = rival.status().as_u16();
        assert!(route.statuses.contains(&status), "{} {address}: {status} is not written down", route.method);
        if route.path.contains("{id}") {
            assert_eq!(status, 404, "{} {address}", route.method);
        }
        let text = rival.text().await.unwrap();
        assert!(!text.contains(&canary("acme")) && !text.contains("acme-manual"), "{} {address}: {text}", route.method);
    }
    // It is all still there.
    assert_eq!(house.get("acme", &format!("/v1/documents/{theirs}")).await.body["state"], "indexed");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_answers_its_owner_as_it_is_written_down() {
    let house = House::open(None).await;
    let own = id_of(&house, "acme").await;
    let mut routes = all(&house).await;
    // what deletes comes last
    routes.sort_by_key(|route| route.method == "DELETE");
    for route in routes.iter().filter(|route| !ENDLESS.contains(&route.path.as_str())) {
        let address = address(route, &own);
        let request = house.request("acme", &route.method, &address);
        let request = request.header("content-type", "application/json").body(body(&route.path).to_string());
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        assert!(route.statuses.contains(&status) && status < 500, "{} {address}: {status}", route.method);
        let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
        assert_eq!(status >= 400, kind == "application/problem+json", "{} {address}: {status} {kind}", route.method);
    }
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reference_names_every_route_and_loads_nothing_from_elsewhere() {
    let house = House::open(None).await;
    let page = house.stranger("GET", "/reference").send().await.unwrap().text().await.unwrap();
    for route in all(&house).await {
        assert!(page.contains(&route.path), "{}", route.path);
    }
    assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("<script"));
    house.close().await;
}
