//! Watched folders are kept in step.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::common::{Quire, blank_pdf, blank_pdf_of, demo};
use crate::daemon::{Daemon, until, until_indexed};

/// A service that watches the documents' folder.
struct Watched {
    quire: Quire,
    config: PathBuf,
}

impl Watched {
    fn new(source: &str) -> Self {
        let quire = Quire::new();
        let folder = quire.docs().parent().unwrap().to_owned();
        let pipeline = format!(
            "version: 1\nname: watched\ncollection: documents\nsource:\n  paths: [docs]\n  watch: true\n{source}"
        );
        fs::write(folder.join("watched.yaml"), pipeline).unwrap();
        let config = folder.join("service.yaml");
        fs::write(&config, "version: 1\npipelines: [watched.yaml]\nwatch: {settle_s: 0, rescan_s: 1}\n").unwrap();
        Self { quire, config }
    }

    fn start(&self) -> Daemon {
        Daemon::start_with(&self.quire, &["--config", self.config.to_str().unwrap()])
    }
}

#[test]
fn files_that_come_change_move_and_go_are_followed() {
    let watched = Watched::new("  exclude: ['drafts']\n  include: ['*.pdf', '*.png']\n");
    let (quire, docs) = (&watched.quire, watched.quire.docs());
    quire.add("invoice-2025-0417.pdf");
    let daemon = watched.start();
    assert!(daemon.screen.contains("watching"), "{}", daemon.screen);
    until_indexed(quire, &["invoice-2025-0417.pdf"]);

    // New, deep, and what is not meant.
    fs::create_dir_all(docs.join("deep/er")).unwrap();
    fs::create_dir(docs.join("drafts")).unwrap();
    fs::copy(demo("site-notice.png"), docs.join("deep/er/notice.png")).unwrap();
    fs::copy(demo("site-notice.png"), docs.join("drafts/draft.png")).unwrap();
    fs::copy(demo("site-notice.png"), docs.join("picture.other")).unwrap();
    until_indexed(quire, &["invoice-2025-0417.pdf", "notice.png"]);

    // Changed: a file that is replaced as a whole.
    let before = content(quire, "notice.png");
    fs::copy(demo("scanned-letter.pdf"), docs.join("part")).unwrap();
    fs::rename(docs.join("part"), docs.join("deep/er/notice.png")).unwrap();
    until("the new version", || (content(quire, "notice.png") != before).then_some(()));
    until_indexed(quire, &["invoice-2025-0417.pdf", "notice.png"]);

    // Moved, and gone.
    fs::rename(docs.join("deep"), docs.join("elsewhere")).unwrap();
    until("the new place", || sources(quire).iter().all(|source| !source.contains("/deep/")).then_some(()));
    until_indexed(quire, &["invoice-2025-0417.pdf", "notice.png"]);
    fs::remove_file(docs.join("invoice-2025-0417.pdf")).unwrap();
    until_indexed(quire, &["notice.png"]);
    daemon.terminate();

    // What happened while nobody watched.
    fs::copy(demo("invoice-2025-0417.pdf"), docs.join("again.pdf")).unwrap();
    fs::remove_dir_all(docs.join("elsewhere")).unwrap();
    let daemon = watched.start();
    until_indexed(quire, &["again.pdf"]);
    assert!(docs.join("again.pdf").exists() && docs.join("picture.other").exists(), "originals stay where they are");
    daemon.terminate();
}

#[test]
fn what_goes_from_a_busy_folder_goes_from_the_index() {
    let watched = Watched::new("");
    fs::write(&watched.config, "version: 1\npipelines: [watched.yaml]\nwatch: {settle_s: 1, rescan_s: 300}\n").unwrap();
    let (quire, docs) = (&watched.quire, watched.quire.docs());
    quire.add("invoice-2025-0417.pdf");
    let daemon = watched.start();
    until_indexed(quire, &["invoice-2025-0417.pdf"]);
    fs::remove_file(docs.join("invoice-2025-0417.pdf")).unwrap();
    let mut others = 0;
    until("the document is gone while others go on coming", || {
        others += 1;
        fs::write(docs.join(format!("{others}.pdf")), blank_pdf_of([(100 + others, 60)])).unwrap();
        sources(quire).iter().all(|source| !source.ends_with("invoice-2025-0417.pdf")).then_some(())
    });
    daemon.terminate();
}

#[test]
fn a_folder_that_is_away_empties_nothing_and_comes_back() {
    let watched = Watched::new("");
    let (quire, docs) = (&watched.quire, watched.quire.docs());
    quire.add("invoice-2025-0417.pdf");
    let daemon = watched.start();
    until_indexed(quire, &["invoice-2025-0417.pdf"]);
    let away = docs.with_file_name("away");
    fs::rename(&docs, &away).unwrap();
    walked_again();
    until_indexed(quire, &["invoice-2025-0417.pdf"]);
    // A mount point without its share: an empty folder.
    fs::create_dir(&docs).unwrap();
    walked_again();
    until_indexed(quire, &["invoice-2025-0417.pdf"]);
    fs::remove_dir(&docs).unwrap();
    fs::rename(&away, &docs).unwrap();
    quire.add("site-notice.png");
    until_indexed(quire, &["invoice-2025-0417.pdf", "site-notice.png"]);
    daemon.terminate();
}

#[test]
fn a_hangup_reads_pipelines_anew_and_wrong_ones_change_nothing() {
    let watched = Watched::new("");
    let quire = &watched.quire;
    let daemon = watched.start();
    let more = quire.docs().with_file_name("more");
    fs::create_dir(&more).unwrap();
    fs::copy(demo("invoice-2025-0417.pdf"), more.join("invoice.pdf")).unwrap();
    let pipeline = watched.config.with_file_name("watched.yaml");
    let good = fs::read_to_string(&pipeline).unwrap();
    fs::write(&pipeline, "version: 1\nnonsense: true\n").unwrap();
    daemon.signal(libc::SIGHUP);
    quire.add("site-notice.png");
    until_indexed(quire, &["site-notice.png"]);
    fs::write(&pipeline, good.replace("[docs]", "[docs, more]")).unwrap();
    daemon.signal(libc::SIGHUP);
    until_indexed(quire, &["invoice.pdf", "site-notice.png"]);
    daemon.terminate();
}

#[test]
fn limits_of_a_pipeline_hold_in_the_service() {
    let watched = Watched::new("render: {max_pages: 1}\n");
    let (quire, docs) = (&watched.quire, watched.quire.docs());
    fs::write(docs.join("one.pdf"), blank_pdf(1, 200, 100)).unwrap();
    fs::write(docs.join("two.pdf"), blank_pdf(2, 200, 100)).unwrap();
    let daemon = watched.start();
    let reason = until("the rejection", || {
        let document = quire.documents().into_iter().find(|it| crate::common::source_name(it) == "two.pdf")?;
        (document["state"] == "rejected").then(|| document["reason"].as_str().unwrap().to_owned())
    });
    assert!(reason.contains("more than the 1 allowed (max_pages)"), "{reason}");
    // A wider limit is another try, also for a command that names no pipeline.
    let pipeline = watched.config.with_file_name("watched.yaml");
    let wider = fs::read_to_string(&pipeline).unwrap().replace("max_pages: 1", "max_pages: 2");
    fs::write(&pipeline, wider).unwrap();
    daemon.signal(libc::SIGHUP);
    until_indexed(quire, &["one.pdf", "two.pdf"]);
    daemon.terminate();
}

/// The folder is walked each second, and once more for good measure.
fn walked_again() {
    std::thread::park_timeout(std::time::Duration::from_millis(2_500));
}

fn sources(quire: &Quire) -> Vec<String> {
    quire.documents().iter().map(|document| document["source"].as_str().unwrap().to_owned()).collect()
}

fn content(quire: &Quire, name: &str) -> Value {
    quire.json(&["docs", "show", name])["content_hash"].clone()
}
