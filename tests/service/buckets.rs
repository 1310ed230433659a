//! Documents in buckets: a prefix that a command reads once; watched ones, which are listed again and again, and what their listing
//! names or names no more is followed.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::common::{Quire, blank_pdf, demo};
use crate::daemon::{Daemon, until, until_indexed};
use crate::s3::S3;

/// A service that watches a prefix of a bucket.
struct Watched {
    quire: Quire,
    bucket: S3,
    config: PathBuf,
}

impl Watched {
    async fn new() -> Self {
        let (quire, bucket) = (Quire::new(), S3::start("inbox").await);
        fs::create_dir(bucket.folder.path().join("inbox/reports")).unwrap();
        let folder = quire.docs().parent().unwrap().to_owned();
        let pipeline = "version: 1\nname: watched\ncollection: documents\nsource:\n  paths: [docs, 's3://inbox/reports']\n  \
                        exclude: ['drafts']\n  watch: true\n";
        fs::write(folder.join("watched.yaml"), pipeline).unwrap();
        let config = folder.join("service.yaml");
        fs::write(&config, "version: 1\npipelines: [watched.yaml]\nwatch: {settle_s: 0, rescan_s: 1}\n").unwrap();
        Self { quire, bucket, config }
    }

    fn start(&self) -> Daemon {
        Daemon::of(&mut self.command(&["serve", "--listen", "127.0.0.1:0", "--config", self.config.to_str().unwrap()]))
    }

    /// The program with the credentials of the bucket.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.quire.command();
        command
            .args(arguments)
            .env("AWS_ENDPOINT_URL", &self.bucket.endpoint)
            .env("AWS_ALLOW_HTTP", "true")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "someone")
            .env("AWS_SECRET_ACCESS_KEY", "s3cret");
        command
    }

    /// Runs a command to its end: its exit code, and what it printed.
    fn run(&self, arguments: &[&str]) -> (Option<i32>, serde_json::Value) {
        let output = self.command(arguments).arg("--json").output().unwrap();
        let printed = serde_json::from_slice(&output.stdout);
        (output.status.code(), printed.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr))))
    }

    /// How many documents a command indexed, found unchanged, and removed.
    fn counts(&self, arguments: &[&str]) -> [u64; 3] {
        let (code, summary) = self.run(arguments);
        assert_eq!(code, Some(0), "{summary:#}");
        ["indexed", "unchanged", "pruned"].map(|count| summary["documents"][count].as_u64().unwrap())
    }

    /// Where an object's bytes lie.
    fn object(&self, key: &str) -> PathBuf {
        self.bucket.folder.path().join("inbox").join(key)
    }

    /// An object as whole as a bucket shows it: put beside and moved into place.
    fn put(&self, key: &str, bytes: &[u8]) {
        let (part, object) = (self.bucket.folder.path().join("part"), self.object(key));
        fs::create_dir_all(object.parent().unwrap()).unwrap();
        fs::write(&part, bytes).unwrap();
        fs::rename(part, object).unwrap();
    }

    fn content(&self, name: &str) -> serde_json::Value {
        self.quire.json(&["docs", "show", name])["content_hash"].clone()
    }
}

/// The server goes on serving while the test waits for the service.
#[tokio::test(flavor = "multi_thread")]
async fn objects_that_come_change_and_go_are_followed() {
    let watched = Watched::new().await;
    let quire = &watched.quire;
    quire.add("site-notice.png");
    watched.put("reports/a.pdf", &blank_pdf(1, 200, 100));
    let daemon = watched.start();
    until_indexed(quire, &["a.pdf", "site-notice.png"]);

    // New, deep, and what is not meant.
    watched.put("reports/2026/b.pdf", &blank_pdf(1, 210, 100));
    watched.put("reports/drafts/c.pdf", &blank_pdf(1, 220, 100));
    watched.put("elsewhere/d.pdf", &blank_pdf(1, 230, 100));
    until_indexed(quire, &["a.pdf", "b.pdf", "site-notice.png"]);

    // Changed.
    let before = watched.content("b.pdf");
    watched.put("reports/2026/b.pdf", &fs::read(demo("scanned-letter.pdf")).unwrap());
    until("the new version", || (watched.content("b.pdf") != before).then_some(()));
    until_indexed(quire, &["a.pdf", "b.pdf", "site-notice.png"]);

    // Gone, in the bucket and in the folder beside it: neither keeps the other waiting.
    fs::remove_file(watched.object("reports/a.pdf")).unwrap();
    until_indexed(quire, &["b.pdf", "site-notice.png"]);
    fs::remove_file(quire.docs().join("site-notice.png")).unwrap();
    quire.add("invoice-2025-0417.pdf");
    until_indexed(quire, &["b.pdf", "invoice-2025-0417.pdf"]);

    // A prefix with nothing below it looks like an accident, and is one: nothing is taken out.
    let (reports, away) = (watched.object("reports"), watched.bucket.folder.path().join("away"));
    fs::rename(&reports, &away).unwrap();
    std::thread::park_timeout(std::time::Duration::from_millis(2_500));
    until_indexed(quire, &["b.pdf", "invoice-2025-0417.pdf"]);
    fs::rename(&away, &reports).unwrap();
    watched.put("reports/e.pdf", &blank_pdf(1, 240, 100));
    until_indexed(quire, &["b.pdf", "e.pdf", "invoice-2025-0417.pdf"]);
    daemon.terminate();
}

/// No service: a command reads the prefix, once.
#[tokio::test(flavor = "multi_thread")]
async fn a_prefix_is_ingested_once_and_again() {
    let watched = Watched::new().await;
    let key = |number: u32| format!("reports/{number}.pdf");
    for number in 0..13 {
        watched.put(&key(number), &blank_pdf(1, 200 + number, 100));
    }
    watched.put("elsewhere/d.pdf", &blank_pdf(1, 190, 100));
    let ingest = ["ingest", "s3://inbox/reports"];
    assert_eq!(watched.counts(&ingest), [13, 0, 0]);
    assert_eq!(watched.counts(&ingest), [0, 13, 0]);

    // Another ETag.
    let before = watched.content("3.pdf");
    watched.put(&key(3), &blank_pdf(1, 300, 100));
    assert_eq!(watched.counts(&ingest), [1, 12, 0]);
    assert_ne!(watched.content("3.pdf"), before);

    // Gone: said, and removed when it is asked for.
    fs::remove_file(watched.object(&key(0))).unwrap();
    let (_, summary) = watched.run(&ingest);
    assert_eq!(summary["gone"], serde_json::json!(["s3://inbox/reports/0.pdf"]), "{summary:#}");
    assert_eq!(watched.quire.documents().len(), 13);
    let prune = ["ingest", "--prune", "s3://inbox/reports"];
    assert_eq!(watched.counts(&prune), [0, 12, 1]);

    // Too much at once looks like an accident; a pipeline that prunes is asked the same, and told the same.
    for number in 1..12 {
        fs::remove_file(watched.object(&key(number))).unwrap();
    }
    let pipeline = watched.quire.docs().join("reports.yaml");
    fs::write(
        &pipeline,
        "version: 1\nname: reports\ncollection: documents\nsource:\n  paths: ['s3://inbox/reports']\n  prune: true\n",
    )
    .unwrap();
    let run = ["run", pipeline.to_str().unwrap()];
    for refused in [prune.as_slice(), run.as_slice()] {
        let (code, said) = watched.run(refused);
        assert!(code == Some(2) && said.to_string().contains("--prune-anyway"), "{said:#}");
        assert_eq!(watched.quire.documents().len(), 12);
    }
    assert_eq!(watched.counts(&[run.as_slice(), &["--prune-anyway"]].concat()), [0, 1, 11]);

    // An address with nothing below it is a mistake.
    fs::remove_dir_all(watched.object("reports")).unwrap();
    let (code, said) = watched.run(&[prune.as_slice(), &["--prune-anyway"]].concat());
    assert!(code == Some(2) && said.to_string().contains("nothing below"), "{said:#}");
    assert_eq!(watched.quire.documents().len(), 1);
}
