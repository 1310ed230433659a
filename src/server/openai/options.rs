//! How a client wants its answer: which model and plan, whether markers are links in the text, whether sources come as Open
//! WebUI's events. Said in the model's name, in headers, or in the request's `quire`; the later wins.

use axum::http::HeaderMap;

use super::wire::ChatRequest;

/// `on` or `off`: markers as links.
const LINKS: &str = "x-quire-links";
/// `on` or `off`: Open WebUI's events.
const CARDS: &str = "x-quire-cards";
/// Headers with this beginning come from Open WebUI, which shows `annotations` by itself.
const OPEN_WEBUI: &str = "x-openwebui-";

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Name of a collection or a pipeline.
    pub model: String,
    pub plan: Option<String>,
    /// Markers stand as `[1](url)` in the text.
    pub links: bool,
    /// Sources come as events with text and image too.
    pub cards: bool,
    pub extractive: bool,
}

impl Options {
    /// What is asked is `MODEL`, or `MODEL:WISH...`, a wish being `cards`, `links`, `plain` (no links) or a plan.
    pub fn of(request: &ChatRequest, headers: &HeaderMap) -> Self {
        let mut wishes = request.model.split(':');
        let model = wishes.next().unwrap_or_default().to_owned();
        let (mut plan, mut links, mut cards) = (None, None, None);
        for wish in wishes {
            match wish {
                "cards" => cards = Some(true),
                "links" => links = Some(true),
                "plain" => links = Some(false),
                name => plan = Some(name.to_owned()),
            }
        }
        links = switch(headers, LINKS).or(links);
        cards = switch(headers, CARDS).or(cards);
        let own = request.quire.as_ref();
        links = own.and_then(|own| own.links).or(links);
        let cards = own.and_then(|own| own.cards).or(cards).unwrap_or(false);
        let shows_annotations = cards || headers.keys().any(|name| name.as_str().starts_with(OPEN_WEBUI));
        Self {
            model,
            plan: own.and_then(|own| own.plan.clone()).or(plan),
            // most clients show no annotations: without links a reader could check nothing
            links: links.unwrap_or(!shows_annotations),
            cards,
            extractive: own.is_some_and(|own| own.extractive),
        }
    }
}

fn switch(headers: &HeaderMap, name: &str) -> Option<bool> {
    match headers.get(name)?.to_str().ok()?.trim().to_ascii_lowercase().as_str() {
        "on" | "true" | "1" => Some(true),
        "off" | "false" | "0" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn options(model: &str, headers: &[(&'static str, &str)], quire: serde_json::Value) -> Options {
        let body = json!({ "model": model, "messages": [], "quire": quire });
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        Options::of(&ChatRequest::read(body.to_string().as_bytes()).unwrap(), &headers)
    }

    #[test]
    fn links_stand_in_the_text_where_a_client_shows_nothing_else() {
        let of = |headers: &[(&'static str, &str)]| options("documents", headers, json!(null));
        assert!(of(&[]).links && !of(&[]).cards);
        assert!(!of(&[("x-openwebui-chat-id", "1")]).links);
        assert!(of(&[("x-openwebui-chat-id", "1"), ("x-quire-links", "on")]).links);
        assert!(!of(&[("x-quire-links", "off")]).links);
    }

    #[test]
    fn a_wish_can_be_said_in_three_ways() {
        let named = options("documents:exact:cards", &[], json!(null));
        let expected = Options {
            model: "documents".into(),
            plan: Some("exact".into()),
            links: false,
            cards: true,
            extractive: false,
        };
        assert_eq!(named, expected);
        assert!(options("documents", &[("x-quire-cards", "on")], json!(null)).cards);
        let asked = options("documents:cards", &[("x-quire-cards", "on")], json!({ "cards": false, "plan": "pooled" }));
        assert!(!asked.cards && asked.links && asked.plan.as_deref() == Some("pooled"));
    }
}
