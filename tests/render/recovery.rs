//! A document may take a worker down, never more.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use quire::error::{Blame, Error, Kind, Limit};
use quire::render::{FaultKind, Renderer, WorkerCommand};
use quire::types::{RenderLimits, RenderSettings};

use crate::pdf::{frame, numbered};
use crate::{Bench, pdfium};

fn impatient() -> RenderLimits {
    RenderLimits { page_timeout_s: 1, worker_memory_bytes: 512 << 20, ..Default::default() }
}

#[tokio::test]
async fn a_page_that_kills_its_worker_fails_alone_and_says_why() {
    let faults =
        [(2, FaultKind::Crash), (4, FaultKind::Hang), (6, FaultKind::Allocate), (7, FaultKind::CrashUnlessFresh)];
    let bench = Bench::with(impatient(), 2, &faults);
    let document = bench.open("eight.pdf", &numbered(8)).await.unwrap();
    let pages = futures::future::join_all((1..=8).map(|number| bench.renderer.page(&document, number))).await;
    let errors: Vec<&Error> = pages.iter().filter_map(|page| page.as_ref().err()).collect();
    // worth another attempt, for which the document pays
    assert!(errors.iter().all(|error| error.is_transient() && error.blame() == Blame::Document), "{errors:?}");
    let limits: Vec<Option<Limit>> = errors.iter().map(|error| error.limit().cloned()).collect();
    let limit = |name: &str, value| Some(Limit { name: name.into(), value });
    assert_eq!(limits, [None, limit("page_timeout_s", 1), limit("worker_memory_bytes", 512 << 20)]);
    let outcomes: Vec<String> =
        pages.into_iter().map(|page| page.map_or_else(|error| error.to_string(), |page| page.text.text)).collect();
    assert_eq!(
        outcomes,
        [
            "page 1",
            "page 2 crashed the renderer with signal 11 (SIGSEGV)",
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
async fn a_document_that_kills_its_opener_is_tried_again_at_its_own_expense() {
    let cases = [
        (FaultKind::Crash, None, "opening bad.pdf crashed the renderer with signal 11 (SIGSEGV)"),
        (FaultKind::Hang, Some("page_timeout_s"), "opening bad.pdf took longer than 1 s (page_timeout_s)"),
        (
            FaultKind::Allocate,
            Some("worker_memory_bytes"),
            "opening bad.pdf needed more than 0.5 GiB of memory (worker_memory_bytes)",
        ),
        (
            FaultKind::Killed,
            None,
            "opening bad.pdf was interrupted: the render worker was killed (SIGKILL), by the kernel for lack of memory or \
             by a person",
        ),
    ];
    for (fault, limit, expected) in cases {
        let bench = Bench::with(impatient(), 1, &[(0, fault)]);
        let error = bench.open("bad.pdf", &numbered(1)).await.unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert!(error.is_transient() && error.blame() == Blame::Document, "{error:?}");
        assert_eq!(error.limit().map(|limit| limit.name.as_str()), limit);
        bench.renderer.shutdown().await;
    }
}

#[tokio::test]
async fn native_code_may_print() {
    let bench = Bench::with(RenderLimits::default(), 1, &[(1, FaultKind::Print)]);
    let document = bench.open("loud.pdf", &numbered(2)).await.unwrap();
    for number in 1..=2 {
        assert_eq!(bench.renderer.page(&document, number).await.unwrap().text.text, format!("page {number}"));
    }
}

#[tokio::test]
async fn workers_are_replaced_after_their_pages() {
    let limits = RenderLimits { worker_pages: 2, ..Default::default() };
    let bench = Bench::with(limits, 1, &[(3, FaultKind::CrashUnlessFresh), (5, FaultKind::Crash)]);
    let document = bench.open("five.pdf", &numbered(5)).await.unwrap();
    for number in 1..=4 {
        assert_eq!(bench.renderer.page(&document, number).await.unwrap().text.text, format!("page {number}"));
    }
    assert!(bench.page_failure(&document, 5).await.contains("crashed"));
    bench.renderer.shutdown().await;
}

#[tokio::test]
async fn a_request_that_nobody_waits_for_any_more_does_not_spoil_the_next() {
    let bench = Bench::with(RenderLimits::default(), 1, &[(1, FaultKind::Hang)]);
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
        let renderer = Renderer::new(RenderLimits::default(), 1, command).unwrap();
        let error = renderer.open(&path, "one.pdf", &RenderSettings::default()).await.unwrap_err();
        assert_eq!((error.kind(), error.blame()), (Kind::Configuration, Blame::Dependency), "{error}");
        assert!(error.to_string().contains("/nowhere/"), "{error}");
        renderer.shutdown().await;
    }
}

#[test]
fn a_worker_ends_with_its_pool_even_in_the_middle_of_a_page_that_hangs() {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let mut worker = Command::new(env!("CARGO_BIN_EXE_quire"))
        .arg("render-worker")
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let setup = serde_json::json!({
        "limits": RenderLimits::default(),
        "pdfium": pdfium(),
        "faults": [{ "page": 3, "kind": "Hang" }],
    });
    let page = |number| {
        let settings = RenderSettings::default();
        let page = serde_json::json!({ "id": 1, "format": "pdf", "number": number, "settings": settings });
        serde_json::json!({ "request": { "Page": page }, "slot": null })
    };
    for header in [&setup, &page(2), &page(3)] {
        ours.write_all(&frame(header, 0)).unwrap();
    }
    // one answer: it is alive and at work on the next
    worker.stdout.as_mut().unwrap().read_exact(&mut [0; 12]).unwrap();
    drop(ours);
    assert!(worker.wait().unwrap().success());
}

/// Documents under limits of their own share the workers, and each meets its own.
#[tokio::test]
async fn one_pool_draws_under_several_limits() {
    let bench = Bench::with(RenderLimits::default(), 1, &[]);
    let strict = bench.renderer.within(RenderLimits { max_pages: 2, ..RenderLimits::default() }).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("three.pdf");
    std::fs::write(&path, numbered(3)).unwrap();
    for _ in 0..2 {
        let open = bench.renderer.open(&path, "three.pdf", &bench.settings).await.unwrap();
        let error = strict.open(&path, "three.pdf", &bench.settings).await.unwrap_err();
        assert_eq!(error.limit().map(|limit| (limit.name.as_str(), limit.value)), Some(("max_pages", 2)), "{error}");
        // What was opened under the wider limit is drawn under it, whoever draws.
        bench.renderer.page(&open, 3).await.unwrap();
        strict.page(&open, 1).await.unwrap();
    }
    assert!(bench.renderer.within(RenderLimits { max_pages: 0, ..RenderLimits::default() }).is_err());
    bench.renderer.shutdown().await;
}
