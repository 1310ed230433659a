//! Watched buckets are kept in step: listed again and again, and what their listing names or names no more is followed.

use std::fs;
use std::path::PathBuf;

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
        let mut command = self.quire.command();
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--config", self.config.to_str().unwrap()])
            .env("AWS_ENDPOINT_URL", &self.bucket.endpoint)
            .env("AWS_ALLOW_HTTP", "true")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "someone")
            .env("AWS_SECRET_ACCESS_KEY", "s3cret");
        Daemon::of(&mut command)
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
