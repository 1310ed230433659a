//! Sources as Open WebUI's own events: a chunk with `event` at its top is handed on to the page (`utils/middleware.py`), which then
//! shows a card with the text, the score and, because `metadata.html` is set, the picture of the page. Only for clients that ask
//! for it: others would have to skip chunks that OpenAI never sends.
//!
//! The card is HTML that Open WebUI shows in a frame where scripts run: nothing of a document gets into it unescaped.

use std::fmt::Write;

use serde_json::{Value, json};

use super::answer::Cited;
use crate::server::cited::{CitedPage, file_name};

/// The event of a source.
pub fn source(cited: &Cited) -> Value {
    let page = &cited.page;
    json!({
        "type": "source",
        "data": {
            "source": { "id": page.id, "name": page.name(), "url": page.url },
            "document": [card(page)],
            "metadata": [{
                "source": page.url,
                "name": page.name(),
                "file": file_name(&page.source),
                "html": true,
                "document_id": page.document_id,
                // counted from 0 there
                "page": page.page - 1,
                "score": page.score,
                "image": page.image,
            }],
            "distances": [page.score],
        },
    })
}

/// The event that says what is being done.
pub fn status(description: &str, done: bool) -> Value {
    json!({ "type": "status", "data": { "description": description, "done": done } })
}

fn card(page: &CitedPage) -> String {
    let mut html = String::from(
        "<!doctype html><meta charset=\"utf-8\"><style>body{font:14px/1.5 system-ui,sans-serif;margin:8px;color-scheme:light dark}img{max-width:100%;border:1px solid #8884}</style>",
    );
    if !page.snippet.is_empty() {
        let _ = write!(html, "<p>{}</p>", escaped(&page.snippet));
    }
    let (url, name) = (escaped(&page.url), escaped(&page.name()));
    let _ = match &page.image {
        Some(image) => write!(
            html,
            "<a href=\"{url}\" target=\"_blank\" rel=\"noopener\"><img src=\"{}\" alt=\"{name}\"></a>",
            escaped(image)
        ),
        None => write!(html, "<a href=\"{url}\" target=\"_blank\" rel=\"noopener\">{name}</a>"),
    };
    html
}

/// For text and for attributes in quotation marks.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            _ => safe.push(char),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cited(title: &str, snippet: &str) -> Cited {
        let page = CitedPage {
            id: "d/3".into(),
            document_id: "d".into(),
            title: title.into(),
            page: 3,
            page_label: None,
            page_count: 9,
            score: 0.75,
            snippet: snippet.into(),
            regions: vec![],
            image: Some("http://h/i?a=1&b=2".into()),
            url: "http://h/o#page=3".into(),
            text: String::new(),
            source: "/a/pump.pdf".into(),
            section: None,
            tags: Default::default(),
        };
        Cited { page, start: 0, end: 3 }
    }

    #[test]
    fn a_card_shows_text_score_and_image() {
        let event = source(&cited("Pump", "24 Nm"));
        let data = &event["data"];
        assert_eq!((&event["type"], &data["source"]["name"]), (&json!("source"), &json!("Pump, page 3")));
        assert_eq!((&data["metadata"][0]["page"], &data["distances"]), (&json!(2), &json!([0.75])));
        let card = data["document"][0].as_str().unwrap();
        assert!(card.contains("<p>24 Nm</p>") && card.contains("src=\"http://h/i?a=1&amp;b=2\""), "{card}");
    }

    #[test]
    fn nothing_of_a_document_runs_in_the_card() {
        let event = source(&cited("\"><script>x</script>", "<img src=x onerror='y'>"));
        let card = event["data"]["document"][0].as_str().unwrap();
        assert!(!card.contains("<script") && !card.contains("onerror='") && !card.contains("<img src=x"), "{card}");
    }
}
