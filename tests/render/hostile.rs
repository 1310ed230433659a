//! A worker that a document has taken over answers what it likes. No answer makes the pool take memory for it, or believe it.

use quire::error::Blame;
use quire::render::{OpenDocument, Renderer, WorkerCommand};
use quire::types::{RenderLimits, RenderSettings};
use serde_json::{Value, json};

use crate::pdf::{frame, numbered};
use crate::{largest_allocation, pdfium};

/// More than any honest answer takes here.
const MOST_BYTES: usize = 200 << 20;

/// A pool whose workers say `answers`, whatever they are asked, and then wait for their end.
struct Stage {
    renderer: Renderer,
    folder: tempfile::TempDir,
}

impl Stage {
    fn new(answers: &[Vec<u8>]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("answers");
        std::fs::write(&file, answers.concat()).unwrap();
        let script = "cat \"$1\"; cat > /dev/null";
        let command = WorkerCommand {
            program: "/bin/sh".into(),
            args: ["-c", script, "sh"].map(Into::into).into_iter().chain([file.into_os_string()]).collect(),
            pdfium: pdfium(),
            faults: Vec::new(),
        };
        let limits = RenderLimits { page_timeout_s: 2, ..Default::default() };
        Self { renderer: Renderer::new(limits, 1, command).unwrap(), folder }
    }

    async fn open(&self) -> quire::error::Result<OpenDocument> {
        let path = self.folder.path().join("one.pdf");
        std::fs::write(&path, numbered(1)).unwrap();
        self.renderer.open(&path, "one.pdf", &RenderSettings::default()).await
    }
}

fn opened() -> Value {
    json!({ "Opened": {
        "page_count": 1, "title": null, "author": null, "created": null, "modified": null, "outline": [], "page_labels": [],
        "attachments": [], "notes": []
    }})
}

/// `opened` with one field replaced.
fn opened_with(field: &str, value: Value) -> Value {
    let mut reply = opened();
    reply["Opened"][field] = value;
    reply
}

fn page() -> Value {
    json!({ "Page": {
        "width": 2, "height": 1, "width_pt": 2.0, "height_pt": 1.0, "scaled_down": false, "shared": false, "notes": [],
        "text": { "text": "ab", "words": [] }
    }})
}

fn page_with(fields: &[(&str, Value)]) -> Value {
    let mut reply = page();
    for (field, value) in fields {
        reply["Page"][field] = value.clone();
    }
    reply
}

/// Lengths that promise more than comes.
fn promise(header_bytes: u32, body_bytes: u64) -> Vec<u8> {
    let mut bytes = header_bytes.to_le_bytes().to_vec();
    bytes.extend_from_slice(&body_bytes.to_le_bytes());
    bytes.extend_from_slice(b"{}");
    bytes
}

#[tokio::test]
async fn a_stand_in_that_tells_the_truth_is_believed() {
    let pixels = [1, 2, 3, 4, 5, 6];
    let mut answer = frame(&page(), pixels.len() as u64);
    answer.extend_from_slice(&pixels);
    let stage = Stage::new(&[frame(&opened(), 0), answer]);
    let document = stage.open().await.unwrap();
    let page = stage.renderer.page(&document, 1).await.unwrap();
    assert_eq!((page.image.width, page.image.rgb.as_ref()), (2, pixels.as_slice()));
    stage.renderer.shutdown().await;
}

#[tokio::test]
async fn absurd_answers_about_a_document_are_refused() {
    let heading = json!({ "title": "x", "level": 0, "page": 1 });
    let cases = [
        promise(u32::MAX, 0),
        promise(2, u64::MAX),
        promise(90 << 20, 0),
        frame(&opened(), 3),
        frame(&opened_with("page_count", json!(u32::MAX)), 0),
        frame(&opened_with("page_count", json!(0)), 0),
        frame(&opened_with("outline", json!(vec![heading; 10_001])), 0),
        frame(&opened_with("outline", json!([{ "title": "x", "level": 0, "page": 2 }])), 0),
        frame(&opened_with("page_labels", json!(["i", "ii"])), 0),
        frame(&opened_with("attachments", json!(vec![json!({ "index": 0, "name": "a.pdf" }); 2])), 0),
        frame(&opened_with("notes", json!([{ "page": 2, "reason": "x", "lost": true }])), 0),
        frame(&opened_with("notes", json!(vec![json!({ "page": null, "reason": "x", "lost": true }); 33])), 0),
        frame(&opened_with("page_labels", json!(vec![""; 1_000_001])), 0),
        frame(&opened_with("title", json!("x".repeat(1 << 20))), 0),
        frame(&page(), 0),
        frame(&json!("Nonsense"), 0),
    ];
    for (number, case) in cases.into_iter().enumerate() {
        let stage = Stage::new(&[case]);
        let error = stage.open().await.unwrap_err();
        assert!(error.is_transient() && error.blame() == Blame::Document, "case {number}: {error:?}");
        stage.renderer.shutdown().await;
    }
    assert!(largest_allocation() < MOST_BYTES, "{} bytes at once", largest_allocation());
}

#[tokio::test]
async fn absurd_answers_about_a_page_are_refused() {
    let word = |start: u32, end: u32, right: f32| {
        json!({ "text": "ab", "words": [
            { "start": start, "end": end, "rect": { "left": 0.0, "top": 0.0, "right": right, "bottom": 1.0 } }
        ]})
    };
    let huge = [("width", json!(u32::MAX)), ("height", json!(u32::MAX))];
    // 2^63 pixels: three bytes each wrap to 2^63
    let wraps = [("width", json!(1u32 << 31)), ("height", json!(u32::MAX)), ("shared", json!(true))];
    let shared = |width: u32| page_with(&[("width", json!(width)), ("height", json!(16_000)), ("shared", json!(true))]);
    let cases = [
        frame(&page_with(&huge), 0),
        frame(&page_with(&wraps), 0),
        frame(&page(), 75_000_000),
        frame(&page(), 5),
        promise(2, 75_000_001),
        frame(&shared(16_000), 0),
        frame(&page_with(&[("width", json!(0))]), 0),
        frame(&page_with(&[("height_pt", json!(0.0)), ("shared", json!(true))]), 0),
        frame(&page_with(&[("text", word(0, 3, 0.5)), ("shared", json!(true))]), 0),
        frame(&page_with(&[("text", word(2, 1, 0.5)), ("shared", json!(true))]), 0),
        frame(&page_with(&[("text", word(0, 1, 1.5)), ("shared", json!(true))]), 0),
    ];
    for (number, case) in cases.into_iter().enumerate() {
        let stage = Stage::new(&[frame(&opened(), 0), case]);
        let document = stage.open().await.unwrap();
        let error = stage.renderer.page(&document, 1).await.unwrap_err();
        assert!(error.is_transient() && error.blame() == Blame::Document, "case {number}: {error:?}");
        assert!(error.to_string().contains("cannot be true"), "case {number}: {error}");
        stage.renderer.shutdown().await;
    }
    assert!(largest_allocation() < MOST_BYTES, "{} bytes at once", largest_allocation());
}

/// A limit that a worker makes up cannot bring a rejection back for ever.
#[tokio::test]
async fn limits_are_the_pools_own() {
    let refused = |name: &str| json!({ "Refused": { "reason": "is bad", "limit": { "name": name, "value": 1 } } });
    for (name, expected) in [("max_pages", Some(2_000)), ("patience", None)] {
        let stage = Stage::new(&[frame(&refused(name), 0)]);
        let error = stage.open().await.unwrap_err();
        assert_eq!((error.to_string().as_str(), error.limit().map(|limit| limit.value)), ("one.pdf is bad", expected));
        stage.renderer.shutdown().await;
    }
}
