//! The web page: files that lie in the program. It shows what the routes give and knows nothing else, so nobody is asked who
//! they are before it opens.

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rust_embed::{Embed, EmbeddedFile};

use super::Server;

#[derive(Embed)]
#[folder = "src/server/ui/"]
struct Assets;

/// Scripts, styles and pictures of our own and nothing else, whatever a document or an answer says.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; \
     form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
);
/// A browser asks each time whether a file is still the same: a new program has a new page.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");

pub fn routes() -> Router<Server> {
    Router::new().route("/", get(|headers: HeaderMap| async move { file("index.html", &headers) })).route(
        "/assets/{*name}",
        get(|Path(name): Path<String>, headers: HeaderMap| async move { file(&name, &headers) }),
    )
}

fn file(name: &str, asked: &HeaderMap) -> Response {
    let Some(file) = Assets::get(name) else { return StatusCode::NOT_FOUND.into_response() };
    let tag = tag(&file);
    let headers = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, ASK_AGAIN),
        (header::CONTENT_TYPE, kind(name)),
        (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
        (header::ETAG, tag.clone()),
    ];
    match asked.get(header::IF_NONE_MATCH) {
        Some(known) if *known == tag => (StatusCode::NOT_MODIFIED, headers).into_response(),
        _ => (headers, file.data.into_owned()).into_response(),
    }
}

fn tag(file: &EmbeddedFile) -> HeaderValue {
    let hash = hex::encode(&file.metadata.sha256_hash()[..16]);
    HeaderValue::try_from(format!("\"{hash}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

fn kind(name: &str) -> HeaderValue {
    HeaderValue::from_static(match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_that_the_page_names_is_there() {
        let page = String::from_utf8(Assets::get("index.html").unwrap().data.into_owned()).unwrap();
        let named: Vec<&str> = page.split('"').filter_map(|part| part.strip_prefix("/assets/")).collect();
        assert!(named.len() > 5, "{named:?}");
        for name in named {
            assert!(Assets::get(name).is_some(), "{name}");
            assert_ne!(kind(name), "application/octet-stream", "{name}");
        }
    }

    #[test]
    fn a_file_that_has_not_changed_is_not_sent_again() {
        let first = file("base.css", &HeaderMap::new());
        assert_eq!(first.status(), StatusCode::OK);
        assert_eq!(first.headers()[header::CONTENT_SECURITY_POLICY], POLICY);
        let asked = HeaderMap::from_iter([(header::IF_NONE_MATCH, first.headers()[header::ETAG].clone())]);
        assert_eq!(file("base.css", &asked).status(), StatusCode::NOT_MODIFIED);
        assert_eq!(file("../mod.rs", &asked).status(), StatusCode::NOT_FOUND);
    }
}
