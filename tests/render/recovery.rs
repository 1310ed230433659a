//! A document may take a worker down, never more.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use quire::error::Kind;
use quire::render::{FaultKind, Renderer, WorkerCommand};
use quire::types::RenderSettings;

use crate::pdf::numbered;
use crate::{Bench, pdfium};

fn impatient() -> RenderSettings {
    RenderSettings { page_timeout_s: 1, worker_memory_bytes: 512 << 20, ..Default::default() }
}

#[tokio::test]
async fn a_page_that_kills_its_worker_fails_alone_and_says_why() {
    let faults =
        [(2, FaultKind::Crash), (4, FaultKind::Hang), (6, FaultKind::Allocate), (7, FaultKind::CrashUnlessFresh)];
    let bench = Bench::with(impatient(), 2, &faults);
    let document = bench.open("eight.pdf", &numbered(8)).await.unwrap();
    let pages = futures::future::join_all((1..=8).map(|number| bench.renderer.page(&document, number))).await;
    let outcomes: Vec<String> =
        pages.into_iter().map(|page| page.map_or_else(|error| error.to_string(), |page| page.text.text)).collect();
    assert_eq!(
        outcomes,
        [
            "page 1",
            "the renderer crashed with signal 11 (SIGSEGV) on page 2",
            "page 3",
            "page 4 took longer than 1 s (page_timeout_s)",
            "page 5",
            "page 6 needed more than 0.5 GiB of memory (worker_memory_bytes)",
            // what an earlier page left behind is not its fault
            "page 7",
            "page 8",
        ]
    );
    bench.renderer.shutdown().await;
}

#[tokio::test]
async fn a_document_that_kills_its_opener_is_rejected() {
    let cases = [
        (FaultKind::Crash, "the renderer crashed with signal 11 (SIGSEGV) when it opened bad.pdf"),
        (FaultKind::Hang, "opening bad.pdf took longer than 1 s (page_timeout_s)"),
        (FaultKind::Allocate, "opening bad.pdf needed more than 0.5 GiB of memory (worker_memory_bytes)"),
    ];
    for (fault, expected) in cases {
        let bench = Bench::with(impatient(), 1, &[(0, fault)]);
        assert_eq!(bench.rejection("bad.pdf", &numbered(1)).await, expected);
        bench.renderer.shutdown().await;
    }
}

#[tokio::test]
async fn native_code_may_print() {
    let bench = Bench::with(RenderSettings::default(), 1, &[(1, FaultKind::Print)]);
    let document = bench.open("loud.pdf", &numbered(2)).await.unwrap();
    for number in 1..=2 {
        assert_eq!(bench.renderer.page(&document, number).await.unwrap().text.text, format!("page {number}"));
    }
}

#[tokio::test]
async fn workers_are_replaced_after_their_pages() {
    let settings = RenderSettings { worker_pages: 2, ..Default::default() };
    let bench = Bench::with(settings, 1, &[(3, FaultKind::CrashUnlessFresh), (5, FaultKind::Crash)]);
    let document = bench.open("five.pdf", &numbered(5)).await.unwrap();
    for number in 1..=4 {
        assert_eq!(bench.renderer.page(&document, number).await.unwrap().text.text, format!("page {number}"));
    }
    assert!(bench.page_failure(&document, 5).await.contains("crashed"));
    bench.renderer.shutdown().await;
}

#[tokio::test]
async fn a_request_that_nobody_waits_for_any_more_does_not_spoil_the_next() {
    let bench = Bench::with(RenderSettings::default(), 1, &[(1, FaultKind::Hang)]);
    let document = bench.open("two.pdf", &numbered(2)).await.unwrap();
    let mut hanging = Box::pin(bench.renderer.page(&document, 1));
    assert!(futures::poll!(&mut hanging).is_pending());
    drop(hanging);
    assert_eq!(bench.renderer.page(&document, 2).await.unwrap().text.text, "page 2");
}

#[tokio::test]
async fn after_shutdown_nothing_is_drawn() {
    let bench = Bench::new();
    let document = bench.open("one.pdf", &numbered(1)).await.unwrap();
    bench.renderer.shutdown().await;
    assert_eq!(bench.page_failure(&document, 1).await, "the renderer is shut down");
    assert_eq!(bench.page_failure(&document, 2).await, "one.pdf has no page 2: its pages are 1 to 1");
}

#[tokio::test]
async fn a_missing_library_or_program_is_a_matter_of_set_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("one.pdf");
    std::fs::write(&path, numbered(1)).unwrap();
    let command = |program: &str, pdfium: &str| WorkerCommand {
        program: program.into(),
        args: vec!["render-worker".into()],
        pdfium: pdfium.into(),
        faults: Vec::new(),
    };
    for command in [command(env!("CARGO_BIN_EXE_quire"), "/nowhere/libpdfium.so"), command("/nowhere/quire", "/x")] {
        let renderer = Renderer::new(RenderSettings::default(), 1, command).unwrap();
        let error = renderer.open(&path, "one.pdf").await.unwrap_err();
        assert_eq!(error.kind(), Kind::Configuration, "{error}");
        assert!(error.to_string().contains("/nowhere/"), "{error}");
        renderer.shutdown().await;
    }
}

/// The pool's side of the pipes by hand: a frame is two lengths, a JSON header, and no body.
fn frame(header: &serde_json::Value) -> Vec<u8> {
    let header = serde_json::to_vec(header).unwrap();
    let mut bytes = (header.len() as u32).to_le_bytes().to_vec();
    bytes.extend_from_slice(&0u64.to_le_bytes());
    bytes.extend_from_slice(&header);
    bytes
}

#[test]
fn a_worker_ends_with_its_pool_even_in_the_middle_of_a_page_that_hangs() {
    let mut worker = Command::new(env!("CARGO_BIN_EXE_quire"))
        .arg("render-worker")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let setup = serde_json::json!({
        "settings": RenderSettings::default(),
        "pdfium": pdfium(),
        "faults": [{ "page": 3, "kind": "Hang" }],
    });
    let page = |number| {
        let page = serde_json::json!({ "id": 1, "path": "/x.pdf", "format": "pdf", "number": number });
        serde_json::json!({ "request": { "Page": page }, "place": null })
    };
    let (refused, hang) = (page(2), page(3));
    let mut input = worker.stdin.take().unwrap();
    for header in [&setup, &refused, &hang] {
        input.write_all(&frame(header)).unwrap();
    }
    // one answer: it is alive and at work on the next
    worker.stdout.as_mut().unwrap().read_exact(&mut [0; 12]).unwrap();
    drop(input);
    assert!(worker.wait().unwrap().success());
}
