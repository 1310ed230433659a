//! Under which names the service answers, and to which pages: a web page anywhere must not reach what listens on somebody's own
//! machine by having its own name lead there (DNS rebinding).

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Server;
use super::problem::Problem;
use crate::config::Http;

/// Lets a request pass if it came under a name of the service, and, sent by a browser's page, from an origin that may ask.
pub async fn check(State(server): State<Server>, request: Request, next: Next) -> Response {
    match checked(request.headers(), request.uri().host(), &server.app.config().server) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn checked(headers: &HeaderMap, uri_host: Option<&str>, settings: &Http) -> Result<(), Problem> {
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok()).or(uri_host).unwrap_or_default();
    if !is_ours(host, settings) {
        let detail = format!("'{host}' is no name of this service: server.allowed_hosts says which are");
        return Err(Problem::new(StatusCode::FORBIDDEN, detail));
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().unwrap_or_default();
    let allowed = settings.cors_origins.iter().any(|allowed| allowed == "*" || allowed == origin);
    let own = origin
        .split_once("://")
        .is_some_and(|(_, from)| from.eq_ignore_ascii_case(host) || is_public(origin, settings));
    if allowed || own {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::FORBIDDEN,
        format!("pages of '{origin}' may not ask: server.cors_origins says which may"),
    ))
}

fn is_public(origin: &str, settings: &Http) -> bool {
    let public = settings.public_url.as_deref().and_then(|url| reqwest::Url::parse(url).ok());
    public.is_some_and(|url| url.origin().ascii_serialization() == origin)
}

/// An address by number can't be anybody's to lead elsewhere; names are ours if they are configured.
fn is_ours(host: &str, settings: &Http) -> bool {
    let name = without_port(host).to_lowercase();
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || bare.parse::<IpAddr>().is_ok() || settings.allowed_hosts.contains(&name)
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => {
            // [::1]:6380, localhost:6380; ::1 alone has more colons
            if name.contains(':') && !name.ends_with(']') { host } else { name }
        }
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(host: &str, origin: Option<&str>, settings: &Http) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        checked(&headers, None, settings).is_ok()
    }

    #[test]
    fn only_names_of_the_service_are_answered_to() {
        let settings = Http { allowed_hosts: vec!["docs.example.com".into()], ..Http::default() };
        for ours in
            ["localhost:6380", "127.0.0.1:6380", "[::1]:6380", "10.0.0.7", "Docs.example.com", "docs.example.com:443"]
        {
            assert!(asked(ours, None, &settings), "{ours}");
        }
        for foreign in ["evil.example", "evil.example:6380", "localhost.evil.example", "127.0.0.1.nip.io", ""] {
            assert!(!asked(foreign, None, &settings), "{foreign}");
        }
    }

    #[test]
    fn pages_of_other_origins_may_not_ask() {
        let settings = Http {
            cors_origins: vec!["https://wiki.example".into()],
            allowed_hosts: vec!["docs.example".into()],
            public_url: Some("https://docs.example/quire".into()),
            ..Http::default()
        };
        for fine in ["http://localhost:6380", "https://wiki.example", "https://docs.example"] {
            assert!(asked("localhost:6380", Some(fine), &settings), "{fine}");
        }
        for foreign in ["https://evil.example", "http://localhost:3000", "null", "http://wiki.example"] {
            assert!(!asked("localhost:6380", Some(foreign), &settings), "{foreign}");
        }
    }
}
