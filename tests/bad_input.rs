//! What people and programs hand over that is no good: each gets a clear word, and takes nothing else with it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where something is wrong")]

mod common;

use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use common::{Quire, blank_pdf, demo, pdf, repository, source_name};
use serde_json::Value;

fn reason<'a>(summary: &'a Value, name: &str) -> &'a str {
    let failures = summary["failures"].as_array().unwrap();
    let failure = failures.iter().find(|failure| source_name(failure) == name);
    failure.unwrap_or_else(|| panic!("{name} did not fail: {summary:#}"))["reason"].as_str().unwrap()
}

#[test]
fn an_empty_folder_is_no_error() {
    let quire = Quire::new();
    let summary = quire.ingest();
    assert_eq!((&summary["documents"]["found"], &summary["pages"]), (&0.into(), &0.into()));
    assert_eq!(quire.json(&["search", "anything"])["hits"], Value::Array(vec![]));
}

#[test]
fn odd_pdfs_are_refused_with_a_reason_or_indexed_as_far_as_they_go() {
    let quire = Quire::new();
    quire.add("invoice-2025-0417.pdf");
    let put = |name: &str, bytes: Vec<u8>| fs::write(quire.docs().join(name), bytes).unwrap();
    put("no-pages.pdf", blank_pdf(0, 595, 842));
    put("huge-page.pdf", blank_pdf(1, 14_400, 14_400));
    put("ten-thousand-pages.pdf", blank_pdf(10_000, 595, 842));
    // The standard security handler with keys that no empty password fits.
    let mut objects =
        vec!["<< /Type /Catalog /Pages 2 0 R >>".to_owned(), "<< /Type /Pages /Kids [] /Count 0 >>".to_owned()];
    objects.push(format!("<< /Filter /Standard /V 1 /R 2 /P -4 /O <{0}> /U <{0}> >>", "ab".repeat(32)));
    let encrypted = String::from_utf8(pdf(&objects)).unwrap();
    put(
        "locked.pdf",
        encrypted
            .replace("/Root 1 0 R", "/Root 1 0 R /Encrypt 3 0 R /ID [<00112233445566778899aabbccddeeff> <00>]")
            .into_bytes(),
    );

    let folder = quire.docs();
    let summary = quire.json_with_code(&["ingest", folder.to_str().unwrap(), "--exclude", "ten-thousand-pages.pdf"], 1);
    assert_eq!(summary["documents"]["indexed"], 2, "the invoice and the huge page: {summary:#}");
    assert!(reason(&summary, "no-pages.pdf").contains("page"), "{summary:#}");
    assert!(reason(&summary, "locked.pdf").contains("password"), "{summary:#}");
    let huge = quire.json(&["docs", "show", "huge-page.pdf"]);
    assert_eq!((&huge["state"], &huge["page_count"]), (&"indexed".into(), &1.into()));

    // A limit on pages names the number found and the number allowed, before any page is drawn.
    let config = quire.docs().join("../quire.yaml");
    fs::write(&config, "version: 1\nrender: {max_pages: 2000}\n").unwrap();
    let many = folder.join("ten-thousand-pages.pdf");
    let summary = quire.json_with_code(
        &["ingest", many.to_str().unwrap(), "--collection", "many", "--config", config.to_str().unwrap()],
        1,
    );
    let reason = reason(&summary, "ten-thousand-pages.pdf");
    assert!(reason.contains("10000") && reason.contains("2000"), "{reason}");
}

/// Colours, a turned direction, a second line, the other escape character, an erased character.
const EVIL: &str = "evil\u{1b}[31m\u{202e}fdp.exe\nok\u{9b}2J\u{7f}\u{2066}\u{200f}\u{2028}";

#[test]
fn names_that_would_steer_a_terminal_are_shown_and_not_obeyed() {
    let quire = Quire::new();
    let name = format!("{EVIL}.pdf");
    let path = quire.add_as("invoice-2025-0417.pdf", &name);
    fs::write(quire.docs().join(format!("{EVIL}-broken.pdf")), b"%PDF-nothing").unwrap();
    let folder = quire.docs();
    let folder = folder.to_str().unwrap();
    let path = path.to_str().unwrap();
    let shown = |arguments: &[&str], code: i32| {
        let output = quire.run(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        let text = [String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap()].concat();
        let obeyed = |char: &char| {
            char.is_control() && !matches!(char, '\n' | '\t')
                || matches!(char, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}')
        };
        assert_eq!(text.chars().find(obeyed), None, "{arguments:?}: {text:?}");
        // the parser of arguments leaves colours out before it says anything
        let plain = text.replace(r"\u{1b}[31m", "");
        assert!(plain.contains(r"evil\u{202e}fdp.exe"), "{arguments:?}: {text}");
        text
    };
    shown(&["ingest", folder, "-vv"], 1);
    for listed in
        [shown(&["docs", "list"], 0), shown(&["search", "invoice"], 0), shown(&["ask", "total of the invoice"], 0)]
    {
        assert!(listed.contains(r"fdp.exe\nok\u{9b}2J\u{7f}\u{2066}\u{200f}\u{2028}"), "a name is one line: {listed}");
    }
    shown(&["docs", "show", path], 0);
    shown(&["docs", "show", &format!("{path}x")], 2);
    shown(&["docs", "list", "--state", EVIL], 2);
    shown(&["ingest", &format!("{path}x")], 2);
    shown(&["status", "--config", &format!("{path}x")], 2);
    shown(&["validate", path], 2);

    // programs get the name itself, in a form that is safe to look at
    let output = quire.run(&["docs", "show", path, "--json"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains(|char: char| char != '\n' && (char.is_control() || char == '\u{202e}')), "{text:?}");
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["source"], fs::canonicalize(path).unwrap().to_str().unwrap());
    let output = quire.run(&["docs", "show", &format!("{path}x"), "--json"]);
    let failure: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(failure["error"]["message"].as_str().unwrap().contains(EVIL), "{failure}");
    shown(&["docs", "delete", path], 0);
}

/// 30,000 x 30,000 pixels in a file of some hundred kilobytes: 2.7 GB once unpacked.
#[test]
fn a_picture_that_unpacks_to_gigabytes_is_refused_before_it_does() {
    let quire = Quire::new();
    let bomb = quire.docs().join("bomb.png");
    fs::write(&bomb, png_of_zeros(30_000, 30_000)).unwrap();
    assert!(fs::metadata(&bomb).unwrap().len() < 3_000_000);
    quire.add("invoice-2025-0417.pdf");
    let summary = quire.json_with_code(&["ingest", quire.docs().to_str().unwrap()], 1);
    assert_eq!(summary["documents"]["indexed"], 1);
    assert!(reason(&summary, "bomb.png").contains("30000"), "{summary:#}");
}

/// A black PNG of one bit a pixel, written row by row: nothing large is held here.
fn png_of_zeros(width: u32, height: u32) -> Vec<u8> {
    use std::io::Cursor;
    let mut bytes = Cursor::new(Vec::new());
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    let mut writer = encoder.write_header().unwrap();
    let mut stream = writer.stream_writer().unwrap();
    let row = vec![0u8; width.div_ceil(8) as usize];
    for _ in 0..height {
        stream.write_all(&row).unwrap();
    }
    stream.finish().unwrap();
    writer.finish().unwrap();
    bytes.into_inner()
}

#[test]
fn folders_with_traps_are_walked_once() {
    let quire = Quire::new();
    let docs = quire.docs();
    quire.add("invoice-2025-0417.pdf");
    fs::create_dir(docs.join("deep")).unwrap();
    symlink(&docs, docs.join("deep/up")).unwrap();
    symlink(docs.join("nowhere"), docs.join("dangling.pdf")).unwrap();
    fs::create_dir(docs.join("x.pdf")).unwrap();
    fs::copy(docs.join("invoice-2025-0417.pdf"), docs.join("x.pdf/inside.pdf")).unwrap();
    let odd = Path::new(std::ffi::OsStr::from_bytes(b"caf\xe9.pdf"));
    fs::copy(docs.join("invoice-2025-0417.pdf"), docs.join(odd)).unwrap();

    let summary = quire.json(&["ingest", docs.to_str().unwrap()]);
    assert_eq!(summary["documents"]["indexed"], 3, "{summary:#}");
    assert_eq!(quire.ingest()["documents"]["unchanged"], 3, "a name that is no UTF-8 is recognised again");
    let names: Vec<String> = quire.documents().iter().map(source_name).collect();
    assert_eq!(names.len(), 3, "{names:?}");

    // Following links walks each folder once, however many ways lead there, and names a link that leads nowhere.
    let arguments = ["ingest", docs.to_str().unwrap(), "--collection", "linked", "--follow-symlinks"];
    let summary = quire.json_with_code(&arguments, 1);
    assert_eq!((&summary["documents"]["indexed"], &summary["documents"]["failed"]), (&3.into(), &1.into()));
    assert!(!reason(&summary, "dangling.pdf").is_empty(), "{summary:#}");
}

#[test]
fn an_unreadable_file_is_named_and_taken_when_it_can_be_read() {
    let quire = Quire::new();
    quire.add("invoice-2025-0417.pdf");
    let closed = quire.add("invoice-bakery-93.pdf");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read(&closed).is_ok() {
        eprintln!("skipped: this user may read everything");
        return;
    }
    let summary = quire.json_with_code(&["ingest", quire.docs().to_str().unwrap()], 1);
    assert_eq!(summary["documents"]["indexed"], 1);
    assert!(reason(&summary, "invoice-bakery-93.pdf").contains("ermission"), "{summary:#}");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(quire.ingest()["documents"]["indexed"], 1);
}

/// A full disk: a small file system in memory holds the data folder and is filled to the brim. Needs the right to mount one.
#[test]
fn a_full_disk_stops_the_ingest_and_loses_nothing() {
    let quire = Quire::new();
    let data = quire.data_dir();
    fs::create_dir(&data).unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=420m", "tmpfs", data.to_str().unwrap()])
        .output()
        .is_ok_and(|output| output.status.success());
    if !mounted {
        eprintln!("skipped: this user may not mount a file system");
        return;
    }
    struct Unmount<'a>(&'a Path);
    impl Drop for Unmount<'_> {
        fn drop(&mut self) {
            let _ = std::process::Command::new("umount").args(["-l", self.0.to_str().unwrap()]).status();
        }
    }
    let _unmount = Unmount(&data);
    quire.add("invoice-2025-0417.pdf");
    assert_eq!(quire.ingest()["documents"]["indexed"], 1);

    quire.add("annual-report-2025.pdf");
    let filler = data.join("filler");
    let fill = || {
        let mut file = fs::File::create(&filler).unwrap();
        let block = vec![0u8; 1 << 20];
        while file.write_all(&block).is_ok() {}
    };
    fill();
    let impatient =
        quire.command().env("QUIRE__INGEST__PATIENCE_S", "1").args(["ingest", quire.docs().to_str().unwrap()]).output();
    let output = impatient.unwrap();
    assert!(!output.status.success(), "an ingest without room went well");
    let said = String::from_utf8_lossy(&output.stderr).to_lowercase() + &String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("space") || said.contains("disk") || said.contains("free"), "{said}");

    // With room again, everything that stood stands, and what was owed is done.
    fs::remove_file(&filler).unwrap();
    let hits = quire.json(&["search", "GripDeck coating"]);
    assert_eq!(source_name(&hits["hits"][0]), "invoice-2025-0417.pdf");
    let summary = quire.ingest();
    assert_eq!(summary["documents"]["failed"], 0, "{summary:#}");
    assert_eq!(quire.json(&["status"])["collections"][0]["pages"], 14, "the invoice's one page and the report's 13");
}

/// Appended to, over and over, while it is read: what is indexed is one version of it, whole, or it is said to have changed.
#[test]
fn a_file_that_changes_while_it_is_read_is_never_half_indexed() {
    let quire = Quire::new();
    let report = repository().join("demo/documents/annual-report-2025.pdf");
    let manual = repository().join("demo/documents/instrument-manual.pdf");
    let target = quire.docs().join("report.pdf");
    fs::copy(&report, &target).unwrap();
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let writer = std::thread::spawn({
        let (stop, target) = (stop.clone(), target.clone());
        let versions = [fs::read(report).unwrap(), fs::read(manual).unwrap()];
        move || {
            let mut turn = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                // In place and in two steps, as editors and copies over a network write.
                let bytes = &versions[turn % 2];
                let mut file = fs::File::create(&target).unwrap();
                file.write_all(&bytes[..bytes.len() / 2]).unwrap();
                std::thread::yield_now();
                file.write_all(&bytes[bytes.len() / 2..]).unwrap();
                drop(file);
                turn += 1;
                std::thread::sleep(std::time::Duration::from_millis(3));
            }
        }
    });
    for _ in 0..4 {
        let output = quire.run(&["ingest", quire.docs().to_str().unwrap(), "--json"]);
        assert!(matches!(output.status.code(), Some(0 | 1)), "{}", String::from_utf8_lossy(&output.stderr));
        let documents = quire.documents();
        let Some(document) = documents.first() else {
            // It changed even while it was compared: said, and taken up by the next run.
            let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert!(!reason(&summary, "report.pdf").is_empty(), "{summary:#}");
            continue;
        };
        if document["state"] == "indexed" {
            let pages = document["page_count"].as_u64().unwrap();
            assert!([13, 11].contains(&pages), "a version of {pages} pages never stood in the file");
            assert_eq!(quire.json(&["status"])["collections"][0]["pages"], pages);
        }
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    writer.join().unwrap();
    assert_eq!(quire.ingest()["documents"]["failed"], 0, "once it rests, it is indexed");
    assert_eq!(quire.documents()[0]["state"], "indexed");
}

#[test]
fn names_and_questions_may_be_written_as_people_write_them() {
    let quire = Quire::new();
    let composed = quire.docs().join("caf\u{e9}.pdf");
    fs::copy(demo("invoice-bakery-93.pdf"), &composed).unwrap();
    assert_eq!(quire.ingest()["documents"]["indexed"], 1);
    // as a Mac writes it back
    fs::rename(&composed, quire.docs().join("cafe\u{301}.pdf")).unwrap();
    let again = quire.ingest();
    assert_eq!((&again["documents"]["unchanged"], &again["gone"]), (&1.into(), &serde_json::json!([])), "{again}");
    for question in ["-12 bread rolls, is that possible?", "- bread rolls"] {
        let hits = quire.json(&["search", question]);
        assert_eq!(hits["hits"].as_array().map(Vec::len), Some(1), "{question}: {hits}");
    }
}
