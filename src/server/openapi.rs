//! `/openapi.json`, and the same as a page to read: made here, without a request to anywhere else.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use serde_json::Value;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{OpenApi, SecurityRequirement};

use super::Server;

/// Says of the document that keys are asked for.
pub struct Keys;

impl utoipa::Modify for Keys {
    fn modify(&self, openapi: &mut OpenApi) {
        let bearer =
            HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("A key, or a token of the issuer"));
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("key", SecurityScheme::Http(bearer.build()));
        openapi.security = Some(vec![SecurityRequirement::new("key", Vec::<String>::new())]);
    }
}

/// The page may show itself and nothing else.
const POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'");

/// The document and the page.
pub fn routes(document: OpenApi) -> Router<Server> {
    let json = serde_json::to_value(&document).unwrap_or_default();
    let page = Arc::new(page(&json));
    let json = Arc::new(json);
    Router::new().route("/openapi.json", get(move || async move { axum::Json((*json).clone()) })).route(
        "/reference",
        get(
            move || async move { ([(header::CONTENT_SECURITY_POLICY, POLICY)], Html((*page).clone())).into_response() },
        ),
    )
}

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1d1b16; --paper: #faf8f3; --soft: #6b665c; --rule: #ddd7ca; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e4da; --paper: #1a1917; --soft: #a29c8f; --rule: #3a372f; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 2rem auto; max-width: 50rem; padding: 0 1rem; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--rule); } h3 { margin: 1.75rem 0 .25rem; font-size: 1rem; }
code { font: 14px/1.4 ui-monospace, monospace; } table { border-collapse: collapse; width: 100%; } td { padding: .2rem .75rem .2rem 0; vertical-align: top; border-top: 1px solid var(--rule); }
.method { font-weight: 700; } .soft { color: var(--soft); }";

/// The whole page.
fn page(document: &Value) -> String {
    let mut html = String::from(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>Quire: reference</title>",
    );
    let version = document["info"]["version"].as_str().unwrap_or_default();
    let about = document["info"]["description"].as_str().unwrap_or_default();
    let _ = write!(html, "<style>{STYLE}</style><h1>Quire</h1><p>{}</p>", escaped(about));
    let _ = write!(
        html,
        "<p class=\"soft\">Version {}. <code>Authorization: Bearer KEY</code>; problems are <code>application/problem+json</code> \
         (RFC 9457). The same for programs: <a href=\"/openapi.json\">/openapi.json</a>.</p>",
        escaped(version)
    );
    for tag in document["tags"].as_array().into_iter().flatten() {
        let name = tag["name"].as_str().unwrap_or_default();
        let _ = write!(html, "<h2>{}</h2>", escaped(tag["description"].as_str().unwrap_or(name)));
        for (path, methods) in document["paths"].as_object().into_iter().flatten() {
            for (method, operation) in methods.as_object().into_iter().flatten() {
                let tagged = operation["tags"].as_array().into_iter().flatten().any(|found| found == name);
                if tagged {
                    write_operation(&mut html, method, path, operation);
                }
            }
        }
    }
    html.push_str("<h2>Shapes</h2>");
    for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
        write_schema(&mut html, name, schema);
    }
    html.push_str("</html>");
    html
}

fn write_operation(html: &mut String, method: &str, path: &str, operation: &Value) {
    let text = |key: &str| escaped(operation[key].as_str().unwrap_or_default());
    let _ = write!(
        html,
        "<h3><code><span class=\"method\">{}</span> {}</code></h3><p>{}</p>",
        escaped(&method.to_uppercase()),
        escaped(path),
        text("summary")
    );
    if !text("description").is_empty() {
        let _ = write!(html, "<p class=\"soft\">{}</p>", text("description"));
    }
    html.push_str("<table>");
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let name = parameter["name"].as_str().unwrap_or_default();
        let place = parameter["in"].as_str().unwrap_or_default();
        let about = parameter["description"].as_str().unwrap_or_default();
        row(html, &format!("{name} ({place})"), &kind(&parameter["schema"]), about);
    }
    for (media, content) in operation["requestBody"]["content"].as_object().into_iter().flatten() {
        row(html, "body", &format!("{}, {media}", kind(&content["schema"])), "");
    }
    for (status, response) in
        operation["responses"].as_object().into_iter().flatten().filter(|(code, _)| code.starts_with('2'))
    {
        let about = response["description"].as_str().unwrap_or_default();
        let bodies: Vec<String> = response["content"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(media, content)| format!("{} {media}", kind(&content["schema"])))
            .collect();
        row(html, status, &bodies.join(", "), about);
    }
    html.push_str("</table>");
}

fn write_schema(html: &mut String, name: &str, schema: &Value) {
    let _ = write!(html, "<h3 id=\"{0}\"><code>{0}</code></h3>", escaped(name));
    if let Some(about) = schema["description"].as_str() {
        let _ = write!(html, "<p>{}</p>", escaped(about));
    }
    html.push_str("<table>");
    let parts = std::iter::once(schema).chain(schema["allOf"].as_array().into_iter().flatten());
    for part in parts {
        for (field, value) in part["properties"].as_object().into_iter().flatten() {
            row(html, field, &kind(value), value["description"].as_str().unwrap_or_default());
        }
    }
    html.push_str("</table>");
}

fn row(html: &mut String, name: &str, kind: &str, about: &str) {
    let cells = [format!("<code>{}</code>", escaped(name)), escaped(kind), escaped(about)];
    let _ = write!(html, "<tr><td>{}</td></tr>", cells.join("</td><td>"));
}

/// What kind of value a schema means, in a word or two.
fn kind(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        return reference.rsplit('/').next().unwrap_or_default().to_owned();
    }
    let of = |list: &Value| {
        list.as_array()
            .map(|kinds| kinds.iter().map(kind).filter(|kind| kind != "null").collect::<Vec<_>>().join(" or "))
    };
    if let Some(kinds) = of(&schema["oneOf"]).or_else(|| of(&schema["anyOf"])) {
        return kinds;
    }
    let name = match &schema["type"] {
        Value::String(name) => name.clone(),
        Value::Array(names) => {
            names.iter().filter_map(Value::as_str).filter(|name| *name != "null").collect::<Vec<_>>().join(" or ")
        }
        _ => "any".into(),
    };
    if name == "array" { format!("list of {}", kind(&schema["items"])) } else { name }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
