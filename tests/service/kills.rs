//! Kill -9 of the service, again and again, while documents come in through a watched folder and by command: nothing that was
//! accepted is lost, nothing is there twice, nothing is left over, and nobody is given up.

use std::collections::BTreeMap;
use std::fs;
use std::process::Stdio;
use std::time::Duration;

use crate::common::{self, Quire, demo};
use crate::daemon::{Daemon, PATIENCE, until};

/// How many times, unless `QUIRE_TEST_KILLS` says otherwise.
const KILLS: u32 = 4;
/// A moment is drawn from so long after the start.
const LONGEST: Duration = Duration::from_millis(4_000);

/// Small documents of the demo, and their pages.
const DOCUMENTS: [(&str, u64); 3] = [("invoice-2025-0417.pdf", 1), ("site-notice.png", 1), ("fax.tiff", 2)];

#[test]
fn killed_again_and_again_every_accepted_document_is_complete_once() {
    let kills = std::env::var("QUIRE_TEST_KILLS").map_or(KILLS, |text| text.parse().unwrap());
    let quire = Quire::new();
    let folder = quire.docs().parent().unwrap().to_owned();
    let given = folder.join("given");
    fs::create_dir(&given).unwrap();
    let pipeline = "version: 1\nname: watched\ncollection: documents\nsource: {paths: [docs], watch: true}\n";
    fs::write(folder.join("watched.yaml"), pipeline).unwrap();
    let config = folder.join("service.yaml");
    fs::write(&config, "version: 1\npipelines: [watched.yaml]\nwatch: {settle_s: 0, rescan_s: 2}\n").unwrap();
    let start = || Daemon::start_with(&quire, &["--config", config.to_str().unwrap()]);

    let mut expected: BTreeMap<String, u64> = BTreeMap::new();
    let mut fraction = 0.0_f64;
    for round in 0..kills {
        let daemon = start();
        let mut by_command = Vec::new();
        for (number, (name, pages)) in DOCUMENTS.iter().enumerate() {
            let file = format!("{round:03}-{number}-{name}");
            // Whole at once, as programs put files down that others watch.
            fs::copy(demo(name), folder.join("part")).unwrap();
            let into = if number % 2 == 0 { quire.docs() } else { given.clone() };
            fs::rename(folder.join("part"), into.join(&file)).unwrap();
            if number % 2 == 1 {
                by_command.push(into.join(&file));
            }
            expected.insert(file, *pages);
        }
        let mut ingest = quire
            .command()
            .arg("ingest")
            .args(&by_command)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Early and late moments mixed (golden ratio), never the same twice.
        fraction = (fraction + 0.618_033_988_75) % 1.0;
        std::thread::park_timeout(LONGEST.mul_f64(fraction));
        daemon.signal(libc::SIGKILL);
        drop(daemon);
        // Nobody has to have accepted what the command brought: it was told so, and says it again.
        if !ingest.wait().unwrap().success() {
            let again = quire.command().arg("ingest").args(&by_command).stdout(Stdio::null()).status().unwrap();
            assert!(again.success(), "round {round}");
        }
    }

    let daemon = start();
    let began = std::time::Instant::now();
    let listed = until("every document", || {
        let listed = quire.documents();
        let done = listed.iter().filter(|document| document["state"] == "indexed").count();
        if began.elapsed() > PATIENCE / 2 {
            let open = listed.iter().filter(|document| document["state"] != "indexed");
            panic!("{done} of {} are indexed; not: {:#?}", expected.len(), open.collect::<Vec<_>>());
        }
        (done == expected.len() && listed.len() == expected.len()).then_some(listed)
    });
    for document in &listed {
        let name = common::source_name(document);
        assert_eq!(document["page_count"], expected[&name], "{name}");
        assert_eq!(document["failed_pages"].as_array().unwrap().len(), 0, "{name}");
    }
    let pages: u64 = expected.values().sum();
    assert_eq!(quire.json(&["status"])["collections"][0]["pages"], pages);
    until("garbage to go", || (quire.run(&["store", "check", "--json"]).status.code() == Some(0)).then_some(()));
    daemon.terminate();
    assert_eq!(quire.json(&["store", "check"])["sound"], true);
}
