//! Pipeline files through the program: checked, shown, run; and the page model's own commands.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where something is wrong")]

mod common;

use std::fs;

use common::{Quire, repository, source_name};

#[test]
fn the_shipped_pipelines_are_valid() {
    let quire = Quire::new();
    let mut arguments = vec!["validate".to_owned()];
    for entry in fs::read_dir(repository().join("pipelines")).unwrap().flatten() {
        if entry.path().extension().is_some_and(|extension| extension == "yaml") {
            arguments.push(entry.path().display().to_string());
        }
    }
    assert!(arguments.len() > 4);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let report = quire.json(&arguments);
    assert!(report["files"].as_array().unwrap().iter().all(|file| file["valid"] == true), "{report:#}");
}

/// Those that a clone can run as it is: `colpali` needs a model that is not in the repository.
#[test]
fn the_shipped_pipelines_run_and_their_default_plans_find() {
    let quire = Quire::new();
    quire.add("invoice-2025-0417.pdf");
    quire.add("photo-of-receipt.jpg");
    for name in ["accurate", "folder", "invoices", "slides", "text-heavy"] {
        let file = repository().join("pipelines").join(format!("{name}.yaml"));
        let mut command = quire.command();
        for variable in ["DOCUMENTS", "INVOICES", "SLIDES", "MANUALS"] {
            command.env(variable, quire.docs());
        }
        let output = command.args(["run", file.to_str().unwrap(), "--json"]).output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(summary["pages"].as_u64() >= Some(1), "{name}: {summary}");
        let collection = summary["collection"].as_str().unwrap();
        let response = quire.json(&["search", "GripDeck coating", "--collection", collection]);
        assert_eq!(source_name(&response["hits"][0]), "invoice-2025-0417.pdf", "{name} by {}", response["plan"]);
    }
}

#[test]
fn every_mistake_of_a_pipeline_is_named_at_once_with_its_line() {
    let quire = Quire::new();
    let file = quire.docs().join("bad.yaml");
    fs::write(&file, "version: 1\nname: bad\ncolection: x\nrender: {dpi: twelve}\nvectors: {pooled: {factor: 0}}\n")
        .unwrap();
    let report = quire.json_with_code(&["validate", file.to_str().unwrap()], 2);
    let message = report["files"][0]["message"].as_str().unwrap();
    for word in ["bad.yaml:3", "colection", "collection", "bad.yaml:4", "dpi", "bad.yaml:5", "factor"] {
        assert!(message.contains(word), "'{word}' is not in:\n{message}");
    }
}

#[test]
fn a_pipeline_is_shown_by_a_dry_run_and_then_run() {
    let quire = Quire::new();
    quire.add("invoice-2025-0417.pdf");
    quire.add("site-notice.png");
    let file = quire.docs().join("../invoices.yaml");
    fs::write(
        &file,
        "version: 1\nname: invoices\nsource: {paths: [./docs], include: ['*.pdf']}\ntags: {team: finance}\n\
         vectors: {patches: {datatype: float32}, text: {}}\nretrieve: {default_plan: exact}\n",
    )
    .unwrap();
    let file = file.to_str().unwrap();
    let plan = quire.json(&["run", file, "--dry-run"]);
    assert_eq!(plan["documents"].as_array().unwrap().len(), 1);
    assert!(!quire.data_dir().exists(), "a dry run writes nothing");

    assert_eq!(quire.json(&["run", file])["documents"]["indexed"], 1);
    let response = quire.json(&["search", "invoice", "--collection", "invoices", "--tag", "team=finance"]);
    assert_eq!(response["plan"], "exact");
    assert_eq!(source_name(&response["hits"][0]), "invoice-2025-0417.pdf");
    let status = quire.json(&["status"]);
    assert_eq!(status["collections"][0]["vectors"], serde_json::json!(["patches", "text"]));

    // Other vectors make the collection anew, whole: what was not named as well.
    let invoice = quire.docs().join("invoice-2025-0417.pdf");
    let other = quire.docs().join("../other.yaml");
    fs::write(&other, "version: 1\nname: invoices\n").unwrap();
    let before = quire.json(&["status"])["collections"][0]["pages"].clone();
    quire.json(&["ingest", invoice.to_str().unwrap(), "--pipeline", other.to_str().unwrap()]);
    let status = quire.json(&["status"]);
    assert_eq!(status["collections"].as_array().unwrap().len(), 1);
    assert_eq!(status["collections"][0]["vectors"], serde_json::json!(["patches", "pooled", "anchors", "text"]));
    assert_eq!(status["collections"][0]["pages"], before);
}

#[test]
fn how_soon_documents_are_wanted_is_said_by_a_pipeline_or_a_flag() {
    let quire = Quire::new();
    let notice = quire.add("site-notice.png");
    let file = quire.docs().join("../later.yaml");
    fs::write(&file, "version: 1\nname: later\npriority: low\nsource: {paths: [./docs]}\n").unwrap();
    let (notice, file) = (notice.to_str().unwrap(), file.to_str().unwrap());
    let shown = |expected: &str| {
        assert_eq!(quire.documents()[0]["priority"], expected);
        assert_eq!(quire.json(&["docs", "why", notice])["document"]["priority"], expected);
        String::from_utf8(quire.run(&["docs", "why", notice]).stdout).unwrap()
    };
    quire.json(&["run", file]);
    assert!(shown("low").contains("low priority"));
    quire.json(&["ingest", notice, "--pipeline", file, "--force", "--priority", "high"]);
    assert!(shown("high").contains("high priority"));
    quire.json(&["ingest", notice, "--collection", "later", "--force"]);
    assert!(!shown("normal").contains("priority"), "nobody said anything");
}

#[test]
fn the_built_in_model_is_listed_and_whole() {
    let quire = Quire::new();
    let models = quire.json(&["model", "list"]);
    assert!(models["models"].as_array().unwrap().iter().any(|model| model["name"] == "quire-glyph"));
    assert_eq!(quire.json(&["model", "show"])["dim"], 128);
    assert_eq!(quire.json(&["model", "check"])["ok"], true);
}

#[test]
fn a_model_whose_file_was_changed_is_refused_by_name() {
    let quire = Quire::new();
    let broken = quire.docs().join("broken-model");
    fs::create_dir(&broken).unwrap();
    for entry in fs::read_dir(repository().join("models/quire-glyph")).unwrap().flatten() {
        fs::copy(entry.path(), broken.join(entry.file_name())).unwrap();
    }
    let graph = broken.join("question.onnx");
    let mut bytes = fs::read(&graph).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&graph, bytes).unwrap();
    let report = quire.json_with_code(&["model", "check", broken.to_str().unwrap()], 2);
    assert_eq!(report["ok"], false);
    assert!(report.to_string().contains("question.onnx"), "{report}");
}
