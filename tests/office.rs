//! Office files through the program: found by what stands in them, cited by their own path, and tried again when LibreOffice is there.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where something is wrong")]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use common::{Quire, repository, source_name};

fn add(quire: &Quire, name: &str) {
    fs::copy(repository().join("tests/fixtures/office").join(name), quire.docs().join(name)).unwrap();
}

#[test]
fn office_files_are_found_and_cited_by_their_own_path() {
    if !Path::new("/usr/bin/soffice").is_file() {
        eprintln!("skipped: LibreOffice is not installed here");
        return;
    }
    let quire = Quire::new();
    for name in ["slipway.docx", "dues.xlsx", "season.pptx", "fuel.odt", "lifeboat.odp"] {
        add(&quire, name);
    }
    fs::write(quire.docs().join("~$slipway.docx"), "somebody has it open").unwrap();
    let summary = quire.ingest();
    assert_eq!((&summary["documents"]["indexed"], &summary["pages"]), (&5.into(), &7.into()), "{summary}");
    assert_eq!(summary["passed_over"]["lock files of office programs"], 1);

    let found = quire.json(&["search", "cradle wheels worn spare set shed", "--limit", "1"]);
    let hit = &found["hits"][0];
    assert_eq!((source_name(hit).as_str(), &hit["page"]), ("slipway.docx", &2.into()), "{hit}");
    assert_eq!(hit["title"], "Slipway inspection");
    assert_eq!(hit["section_title"], "Findings");
    let dated = quire.json(&["search", "winch cable", "--created-from", "2024-03-05", "--created-to", "2024-03-05"]);
    assert!(dated["hits"].as_array().unwrap().iter().all(|hit| source_name(hit) == "slipway.docx"), "{dated}");
    assert_eq!(dated["hits"].as_array().unwrap().len(), 2);

    let answer = quire.json(&["ask", "When is the first sailing with the ferry Skua?"]);
    let citation = &answer["citations"][0];
    assert_eq!((source_name(citation).as_str(), &citation["page"]), ("season.pptx", &1.into()), "{answer}");
    assert_eq!(quire.ingest()["documents"]["unchanged"], 5);
}

#[test]
fn what_was_rejected_for_lack_of_libreoffice_is_tried_again_when_it_is_there() {
    let quire = Quire::new();
    add(&quire, "slipway.docx");
    let bin = quire.docs().join("../office");
    fs::create_dir(&bin).unwrap();
    // A LibreOffice with Calc and nothing else, whose Writer is the demo's letter.
    let program = bin.join("soffice");
    fs::copy(common::demo("scanned-letter.pdf"), bin.join("letter.pdf")).unwrap();
    let script = "#!/bin/sh\nhere=$(dirname \"$0\")\n\
                  while [ $# -gt 1 ]; do [ \"$1\" = --outdir ] && out=$2; shift; done\n\
                  cp \"$here/letter.pdf\" \"$out/$(basename \"$1\" .docx).pdf\"\n";
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(bin.join("libsclo.so"), "").unwrap();
    let config = bin.join("quire.yaml");
    fs::write(&config, "native: {libreoffice: ./soffice}\n").unwrap();
    let docs = quire.docs();
    let ingest = ["ingest", docs.to_str().unwrap(), "--config", config.to_str().unwrap()];

    let summary = quire.json_with_code(&ingest, 1);
    let reason = summary["failures"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("LibreOffice Writer") && reason.contains("libreoffice-writer"), "{reason}");
    assert_eq!(quire.documents()[0]["state"], "rejected");
    // nothing changed: it is not tried, and its reason is told
    assert_eq!(quire.json_with_code(&ingest, 1)["failures"][0]["reason"], reason);

    fs::write(bin.join("libswlo.so"), "").unwrap();
    let summary = quire.json(&ingest);
    assert_eq!(summary["documents"]["indexed"], 1, "{summary}");
    let document = &quire.documents()[0];
    assert_eq!((document["state"].as_str(), source_name(document).as_str()), (Some("indexed"), "slipway.docx"));
}
