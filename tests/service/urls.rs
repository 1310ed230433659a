//! A list of addresses on the web is kept in step: asked again and again, and only what changed is fetched. What a server says while it
//! is away or goes in circles takes nothing out.

use std::fs;
use std::path::PathBuf;

use walkdir::{DirEntryExt, WalkDir};

use crate::common::{Quire, blank_pdf};
use crate::daemon::{Daemon, until, until_indexed};
use crate::web::{Page, WebServer};

/// A service that watches a list.
struct Watched {
    quire: Quire,
    server: WebServer,
    config: PathBuf,
}

impl Watched {
    async fn new() -> Self {
        let (quire, server) = (Quire::new(), WebServer::start().await);
        let folder = quire.docs().parent().unwrap().to_owned();
        let at = server.address;
        let list = format!(
            "# ours\nhttp://{at}/b.pdf  # the second\nhttp://{at}/loop.pdf\nhttp://{at}/away.pdf\nno address\n"
        );
        fs::write(folder.join("list.txt"), list).unwrap();
        let pipeline = format!(
            "version: 1\nname: web\ncollection: documents\nsource:\n  type: urls\n  urls: ['http://{at}/a.pdf?x=1#page=2']\n  \
             file: list.txt\n  watch: true\n"
        );
        fs::write(folder.join("web.yaml"), pipeline).unwrap();
        let config = folder.join("service.yaml");
        let text = format!(
            "version: 1\npipelines: [web.yaml]\nwatch: {{settle_s: 0, rescan_s: 1}}\n\
             urls: {{enabled: true, http: true, private_hosts: ['{at}']}}\n"
        );
        fs::write(&config, text).unwrap();
        Self { quire, server, config }
    }

    fn start(&self) -> Daemon {
        Daemon::start_with(&self.quire, &["--config", self.config.to_str().unwrap()])
    }

    /// From now on this is the version of a document.
    fn version(&self, name: &str, version: u32) {
        let (bytes, etag) = (blank_pdf(1, 200 + version, 100), Some(format!("\"{version}\"")));
        self.server.says(name, Page::Document { bytes, etag });
    }

    /// Waits until a path was answered so, twice: what was to follow from the first time has followed.
    fn until_answered(&self, path: &str, status: u16) {
        let mut times = 0;
        self.server.asked();
        until(&format!("{path} to be answered {status}"), || {
            times += self.server.asked().iter().filter(|asked| **asked == (path.to_owned(), status)).count();
            (times >= 2).then_some(())
        });
    }

    fn hash_of(&self, name: &str) -> String {
        let documents = self.quire.documents();
        let is_it = |source: &str| source.contains(&format!("/{name}"));
        let found = documents.iter().find(|document| is_it(document["source"].as_str().unwrap()));
        found.unwrap_or_else(|| panic!("{documents:?}"))["content_hash"].as_str().unwrap().to_owned()
    }
}

/// The server goes on serving while the test waits for the service.
#[tokio::test(flavor = "multi_thread")]
async fn documents_that_come_change_and_go_are_followed() {
    let watched = Watched::new().await;
    let (quire, server) = (&watched.quire, &watched.server);
    watched.version("a.pdf", 1);
    watched.version("b.pdf", 2);
    server.says("loop.pdf", Page::Redirect("/loop.pdf".into()));
    server.says("away.pdf", Page::Status(503));
    let daemon = watched.start();
    until_indexed(quire, &["a.pdf?x=1", "b.pdf"]);

    // Asked for, and not fetched again.
    watched.until_answered("/b.pdf", 304);

    // Changed.
    let before = watched.hash_of("a.pdf");
    watched.version("a.pdf", 3);
    until("the new version", || (watched.hash_of("a.pdf") != before).then_some(()));
    until_indexed(quire, &["a.pdf?x=1", "b.pdf"]);
    let id = quire.documents()[0]["document_id"].as_str().unwrap().to_owned();
    assert_eq!(daemon.get(&format!("/v1/documents/{id}/original")), Some(200), "its bytes are kept");

    // Away, and moved: nothing goes.
    server.says("b.pdf", Page::Status(503));
    watched.until_answered("/b.pdf", 503);
    server.says("b.pdf", Page::Redirect("/elsewhere/b.pdf".into()));
    watched.version("elsewhere/b.pdf", 2);
    watched.until_answered("/elsewhere/b.pdf", 304);
    until_indexed(quire, &["a.pdf?x=1", "b.pdf"]);

    // Gone.
    server.says("b.pdf", Page::Status(410));
    until_indexed(quire, &["a.pdf?x=1"]);

    // Where nothing of a list is left, it looks like an accident.
    server.says("a.pdf", Page::Status(404));
    watched.until_answered("/a.pdf", 404);
    until_indexed(quire, &["a.pdf?x=1"]);
    daemon.terminate();

    // What was remembered outlives the service.
    watched.version("a.pdf", 3);
    server.asked();
    let daemon = watched.start();
    until("the first question", || server.asked().contains(&("/a.pdf".to_owned(), 304)).then_some(()));
    until_indexed(quire, &["a.pdf?x=1"]);
    daemon.terminate();
}

/// As a file goes that is in its folder no more: at once, or when the service is there again.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_listed_no_more_goes_and_comes_back_with_its_address() {
    let watched = Watched::new().await;
    let list = watched.config.with_file_name("list.txt");
    let names = |names: &[&str]| {
        let lines: Vec<String> = names.iter().map(|name| format!("http://{}/{name}", watched.server.address)).collect();
        fs::write(&list, lines.join("\n")).unwrap();
    };
    for (number, name) in ["a.pdf", "b.pdf", "c.pdf"].into_iter().enumerate() {
        watched.version(name, number as u32);
    }
    names(&["b.pdf", "c.pdf"]);
    let daemon = watched.start();
    until_indexed(&watched.quire, &["a.pdf?x=1", "b.pdf", "c.pdf"]);
    names(&["c.pdf"]);
    until_indexed(&watched.quire, &["a.pdf?x=1", "c.pdf"]);
    names(&["b.pdf", "c.pdf"]);
    until_indexed(&watched.quire, &["a.pdf?x=1", "b.pdf", "c.pdf"]);
    daemon.terminate();
    names(&["b.pdf"]);
    let daemon = watched.start();
    until_indexed(&watched.quire, &["a.pdf?x=1", "b.pdf"]);
    daemon.terminate();
}

/// A server that tells neither length nor version nor time of its documents.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_bytes_are_unchanged_and_what_leaves_the_list_is_pruned_with_a_guard() {
    let watched = Watched::new().await;
    let uri = |number: u32| format!("http://{}/{number}.pdf", watched.server.address);
    let pipeline = watched.config.with_file_name("many.yaml");
    let names = |numbers: std::ops::Range<u32>, prune: bool| {
        let urls: Vec<String> = numbers.map(uri).collect();
        let text = format!(
            "version: 1\nname: many\ncollection: documents\nsource:\n  type: urls\n  urls: {urls:?}\n  prune: {prune}\n"
        );
        fs::write(&pipeline, text).unwrap();
    };
    let says = |number: u32, version: u32| {
        let bytes = blank_pdf(1, 200 + number, 100 + version);
        let pieces = bytes.chunks(100).map(<[u8]>::to_vec).collect();
        watched.server.says(&format!("{number}.pdf"), Page::Pieces(pieces));
    };
    let run = ["run", "--config", watched.config.to_str().unwrap(), pipeline.to_str().unwrap()];
    let counts = |arguments: &[&str]| {
        let summary = watched.quire.json(&[run.as_slice(), arguments].concat());
        let counts = ["indexed", "unchanged", "pruned"].map(|count| summary["documents"][count].as_u64().unwrap());
        (counts, summary)
    };
    (0..13).for_each(|number| says(number, 0));
    names(0..13, false);
    assert_eq!(counts(&[]).0, [13, 0, 0]);

    // Read again, and found to be the same: nobody works on them, and what is kept is not written anew.
    let kept = || {
        let files =
            WalkDir::new(watched.quire.data_dir().join("blobs/uploads")).sort_by_file_name().into_iter().flatten();
        let files = files.filter(|entry| entry.file_type().is_file());
        files.map(|file| (file.path().to_owned(), file.ino())).collect::<Vec<_>>()
    };
    let before = kept();
    let (same, summary) = counts(&[]);
    assert_eq!((same, &summary["pages"]), ([0, 13, 0], &0.into()), "{summary:#}");
    assert_eq!((before.len(), kept()), (13, before));
    let story = watched.quire.json(&["docs", "why", &uri(5)]);
    let claimed = |event: &&serde_json::Value| event["what"] == "claimed";
    assert_eq!(story["events"].as_array().unwrap().iter().filter(claimed).count(), 1, "{story:#}");
    says(5, 1);
    assert_eq!(counts(&[]).0, [1, 12, 0]);

    // Listed no more: said, and removed where the pipeline prunes.
    names(1..13, false);
    let (kept, summary) = counts(&[]);
    assert_eq!((kept, &summary["gone"]), ([0, 12, 0], &serde_json::json!([uri(0)])), "{summary:#}");
    names(1..13, true);
    assert_eq!(counts(&[]).0, [0, 12, 1]);
    assert_eq!(counts(&[]).0, [0, 12, 0], "and forgotten");

    // Too much at once looks like an accident.
    names(12..13, true);
    let error = watched.quire.fails(&run, 2);
    for part in ["the list of pipeline many: more than 20 %", "11 of its 12 documents would go", "--prune-anyway"] {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert_eq!(watched.quire.documents().len(), 12);
    assert_eq!(counts(&["--prune-anyway"]).0, [0, 1, 11]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_fetched_unless_the_configuration_says_so() {
    let watched = Watched::new().await;
    watched.version("a.pdf", 1);
    let uri = format!("http://{}/a.pdf", watched.server.address);
    let error = watched.quire.fails(&["ingest", &uri], 2);
    assert!(error.contains("urls: {enabled: true}"), "{error}");
    assert!(watched.server.asked().is_empty());
    let config = watched.config.to_str().unwrap();
    let summary = watched.quire.json(&["ingest", "--config", config, &uri]);
    assert_eq!(summary["documents"]["indexed"], 1);
    // The list as a run at rest sees it: what can't be had is named, and costs nobody anything.
    let folder = watched.config.parent().unwrap();
    let mut run = watched.quire.command();
    run.args(["run", "--json", "--config", config, folder.join("web.yaml").to_str().unwrap()]);
    let output = run.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let failures = summary["failures"].as_array().unwrap();
    assert_eq!(failures.len(), 4, "{failures:?}");
    assert!(failures.iter().any(|failure| failure["source"].as_str().unwrap().ends_with("list.txt:5")), "{failures:?}");
}
