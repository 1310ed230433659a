//! Ingest, search, ask and the life of documents, through the program.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where something is wrong")]

mod common;

use std::fs;

use common::{Quire, demo, repository, source_name};
use serde_json::Value;

#[test]
fn the_demo_is_indexed_whole_and_its_facts_are_found() {
    let quire = Quire::new();
    let summary = quire.json(&["ingest", repository().join("demo/documents").to_str().unwrap()]);
    assert_eq!(summary["documents"]["indexed"], 10);
    assert_eq!(summary["documents"]["failed"], 0);
    assert_eq!(summary["pages"], 43);

    let facts: Vec<Value> = serde_json::from_slice(&fs::read(repository().join("demo/facts.json")).unwrap()).unwrap();
    let mut found = 0;
    let mut missed = Vec::new();
    for fact in &facts {
        let hits = quire.json(&["search", fact["question"].as_str().unwrap(), "--limit", "5"]);
        let hit = hits["hits"]
            .as_array()
            .unwrap()
            .iter()
            .any(|hit| source_name(hit) == fact["document"].as_str().unwrap() && hit["page"] == fact["page"]);
        if hit {
            found += 1;
        } else {
            missed.push(fact["question"].as_str().unwrap());
        }
    }
    assert!(found * 10 >= facts.len() * 9, "{found} of {} facts found; missed {missed:#?}", facts.len());
}

#[test]
fn a_hit_says_everything_about_its_page() {
    let quire = Quire::new();
    quire.add("annual-report-2025.pdf");
    quire.json(&["ingest", quire.docs().to_str().unwrap(), "--tag", "year=2025", "--tag", "kind=report"]);
    let response = quire.json(&["search", "passengers Port Tarrow Ness Isle", "--limit", "3"]);
    let hit = &response["hits"][0];
    assert_eq!(source_name(hit), "annual-report-2025.pdf");
    for field in ["document_id", "title", "section_title", "snippet", "anchor", "image"] {
        assert!(hit[field].as_str().is_some_and(|text| !text.is_empty()), "{field} is missing: {hit}");
    }
    assert!(hit["score"].as_f64().unwrap() > 0.0);
    assert!(!hit["breadcrumbs"].as_array().unwrap().is_empty());
    assert_eq!(hit["tags"]["year"], "2025");
    assert_eq!(hit["anchor"], format!("#page={}", hit["page"]));
    assert!(response["timings_ms"]["total"].as_f64().unwrap() > 0.0);
    let image = image::open(hit["image"].as_str().unwrap()).unwrap();
    assert!(image.width() > 800 && image.height() > 800, "a page image that a person can read");

    assert_eq!(quire.json(&["search", "passengers", "--tag", "year=1999"])["hits"].as_array().unwrap().len(), 0);
}

#[test]
fn an_answer_cites_pages_and_a_scan_is_evidence() {
    let quire = Quire::new();
    quire.add("annual-report-2025.pdf");
    quire.add("scanned-letter.pdf");
    quire.ingest();
    let evidence = quire.docs().join("../evidence");
    let response = quire.json(&[
        "ask",
        "How long is the crack in the hinge pin of the Ness Isle linkspan?",
        "--evidence",
        evidence.to_str().unwrap(),
    ]);
    assert_eq!(response["mode"], "extractive");
    let citations = response["citations"].as_array().unwrap();
    let answer = response["answer"].as_str().unwrap();
    assert!(!citations.is_empty());
    for citation in citations {
        assert!(answer.contains(citation["marker"].as_str().unwrap()), "{citation} is not in the answer: {answer}");
        image::open(citation["image"].as_str().unwrap()).unwrap();
    }
    let scan = citations.iter().find(|citation| source_name(citation) == "scanned-letter.pdf");
    assert!(scan.is_some(), "the scanned letter is not cited: {answer}");
    assert!(answer.contains("no text layer"), "{answer}");
}

#[test]
fn unchanged_is_skipped_changed_is_replaced_gone_is_pruned() {
    let quire = Quire::new();
    let invoice = quire.add("invoice-2025-0417.pdf");
    quire.add("invoice-bakery-93.pdf");
    assert_eq!(quire.ingest()["documents"]["indexed"], 2);

    let again = quire.ingest();
    assert_eq!(again["documents"]["unchanged"], 2);
    assert_eq!(again["documents"]["indexed"], 0);

    fs::copy(demo("instrument-manual.pdf"), &invoice).unwrap();
    let changed = quire.ingest();
    assert_eq!(
        (changed["documents"]["indexed"].as_u64(), changed["documents"]["unchanged"].as_u64()),
        (Some(1), Some(1))
    );
    assert_eq!(quire.json(&["status"])["collections"][0]["pages"], 12, "one bakery page and the manual's eleven");

    fs::remove_file(&invoice).unwrap();
    let without = quire.ingest();
    assert_eq!(without["documents"]["pruned"], 0, "nothing goes unless asked for");
    assert_eq!(without["gone"], serde_json::json!([invoice.to_str().unwrap()]), "it is named");
    let hit = &quire.json(&["search", "radar tide gauge", "--limit", "1"])["hits"][0];
    assert_eq!(hit["source_gone"], true, "and marked where it is found: {hit}");
    let pruned = quire.json(&["ingest", quire.docs().to_str().unwrap(), "--prune"]);
    assert_eq!(pruned["documents"]["pruned"], 1);
    assert_eq!(quire.documents().len(), 1);
    assert_eq!(quire.json(&["status"])["collections"][0]["pages"], 1);
}

#[test]
fn a_deleted_document_is_gone_with_its_pages_and_images() {
    let quire = Quire::new();
    quire.add("invoice-2025-0417.pdf");
    quire.add("invoice-bakery-93.pdf");
    quire.ingest();
    let image =
        quire.json(&["search", "bakery bread rolls", "--document", "invoice-bakery-93.pdf"])["hits"][0]["image"]
            .as_str()
            .unwrap()
            .to_owned();
    assert!(fs::exists(&image).unwrap());
    quire.json(&["docs", "delete", "invoice-bakery-93.pdf"]);
    assert_eq!(quire.documents().len(), 1);
    let hits = quire.json(&["search", "bakery bread rolls"]);
    assert!(hits["hits"].as_array().unwrap().iter().all(|hit| source_name(hit) != "invoice-bakery-93.pdf"));
    assert!(!fs::exists(&image).unwrap(), "the page image outlived its document");
    assert!(quire.fails(&["docs", "show", "invoice-bakery-93.pdf"], 2).contains("invoice-bakery-93.pdf"));
}

#[test]
fn broken_documents_are_named_with_a_reason_and_the_rest_goes_on() {
    let quire = Quire::new();
    quire.add("invoice-2025-0417.pdf");
    let whole = fs::read(demo("annual-report-2025.pdf")).unwrap();
    fs::write(quire.docs().join("truncated.pdf"), &whole[..2000]).unwrap();
    fs::write(quire.docs().join("not-a-pdf.pdf"), "Dear Sir or Madam, this is text.").unwrap();
    fs::write(quire.docs().join("empty.pdf"), "").unwrap();
    fs::write(quire.docs().join("broken.png"), b"\x89PNG\r\n\x1a\n then nothing").unwrap();
    fs::create_dir(quire.docs().join("folder.pdf")).unwrap();

    let summary = quire.json_with_code(&["ingest", quire.docs().to_str().unwrap()], 1);
    assert_eq!(summary["documents"]["indexed"], 1);
    let failures = summary["failures"].as_array().unwrap();
    let failed: Vec<String> = failures.iter().map(source_name).collect();
    assert_eq!(failed, ["broken.png", "empty.pdf", "not-a-pdf.pdf", "truncated.pdf"]);
    assert!(failures.iter().all(|failure| failure["reason"].as_str().is_some_and(|reason| reason.len() > 10)));

    let states: Vec<_> = quire.documents().iter().map(|document| document["state"].clone()).collect();
    assert_eq!(states.iter().filter(|state| *state == "rejected").count(), 4);
    assert_eq!(states.iter().filter(|state| *state == "indexed").count(), 1);

    // The same broken files are not tried again, but still named.
    let again = quire.json_with_code(&["ingest", quire.docs().to_str().unwrap()], 1);
    assert_eq!(again["documents"]["failed"], 4);
}

#[test]
fn a_version_that_breaks_does_not_take_the_one_before_away() {
    let quire = Quire::new();
    let path = quire.add("invoice-2025-0417.pdf");
    quire.ingest();
    fs::write(&path, "%PDF-1.7\nhalf a file").unwrap();
    quire.json_with_code(&["ingest", quire.docs().to_str().unwrap()], 1);
    let document = &quire.documents()[0];
    assert_eq!(document["state"], "rejected");
    assert_eq!(
        quire.json(&["search", "invoice"])["hits"].as_array().unwrap().len(),
        1,
        "the indexed version is still found"
    );
}

#[test]
fn collections_are_apart() {
    let quire = Quire::new();
    let invoice = quire.add("invoice-2025-0417.pdf");
    let manual = quire.add("instrument-manual.pdf");
    quire.json(&["ingest", invoice.to_str().unwrap(), "--collection", "invoices"]);
    quire.json(&["ingest", manual.to_str().unwrap(), "--collection", "manuals"]);
    let hits = quire.json(&["search", "invoice total", "--collection", "manuals"]);
    assert!(hits["hits"].as_array().unwrap().iter().all(|hit| source_name(hit) == "instrument-manual.pdf"));
    let error = quire.fails(&["search", "anything", "--collection", "letters"], 2);
    assert!(error.contains("invoices, manuals"), "{error}");
}

#[test]
fn filters_hold_in_every_plan_and_an_explanation_names_who_found_what() {
    let quire = Quire::new();
    quire.add("annual-report-2025.pdf");
    quire.add("instrument-manual.pdf");
    quire.ingest();
    let search = |more: &[&str]| {
        let fixed = ["search", "annual general meeting in the sail loft", "--limit", "40"];
        quire.json(&[&fixed[..], more].concat())["hits"].as_array().unwrap().clone()
    };
    let pages = |hits: &[Value]| {
        let mut pages: Vec<u64> = hits.iter().map(|hit| hit["page"].as_u64().unwrap()).collect();
        pages.sort_unstable();
        pages
    };
    let report = quire.docs().join("annual-report-2025.pdf").canonicalize().unwrap();
    let plans = quire.json(&["status"])["collections"][0]["plans"].as_array().unwrap().clone();
    assert!(plans.len() >= 5, "{plans:?}");
    for plan in &plans {
        let plan = plan.as_str().unwrap();
        if ["text", "anchors", "frugal"].contains(&plan) {
            continue; // they find only pages that share a word, an anchor, with the question
        }
        let hits = search(&["--plan", plan, "--source", report.to_str().unwrap(), "--pages", "3-5"]);
        assert_eq!(pages(&hits), [3, 4, 5], "{plan}");
        let title = search(&["--plan", plan])[0]["title"].as_str().unwrap().to_owned();
        let of_title = search(&["--plan", plan, "--title", &title]);
        assert!(!of_title.is_empty() && of_title.iter().all(|hit| hit["title"] == title.as_str()), "{plan}");
        assert_eq!(search(&["--plan", plan, "--ingested-to", "2020-12-31"]).len(), 0, "{plan}");
        assert_eq!(search(&["--plan", plan, "--ingested-from", "2020-12-31"]).len(), 24, "{plan}");
    }
    assert!(quire.fails(&["search", "x", "--pages", "9-3"], 2).contains("9"));
    assert!(quire.fails(&["search", "x", "--created-from", "yesterday"], 2).contains("yesterday"));

    let response = quire.json(&["search", "sail loft", "--plan", "hybrid", "--limit", "3", "--explain"]);
    let explain = &response["explain"];
    let stages: Vec<_> = explain["stages"].as_array().unwrap().iter().map(|stage| stage["using"].clone()).collect();
    assert_eq!(stages, ["anchors", "text", "patches", "text", "sum"]);
    for (hit, way) in response["hits"].as_array().unwrap().iter().zip(explain["hits"].as_array().unwrap()) {
        assert_eq!(hit["page"], way["page"]);
        let last = way["found_by"].as_array().unwrap().last().unwrap();
        assert_eq!(last["stage"], "final");
        assert!((last["score"].as_f64().unwrap() - hit["score"].as_f64().unwrap()).abs() < 1e-5);
    }
    let first = &explain["hits"][0]["found_by"];
    assert!(first.as_array().unwrap().iter().any(|found| found["using"] == "text" && found["rank"] == 1), "{first}");
    let text = String::from_utf8(quire.run(&["search", "sail loft", "--explain"]).stdout).unwrap();
    assert!(text.contains("candidates") && text.contains("final"), "{text}");
}

#[test]
fn the_stored_vectors_of_a_page_come_out_as_arrays() {
    let quire = Quire::new();
    quire.add("invoice-2025-0417.pdf");
    quire.ingest();
    let file = quire.docs().join("../page.npz");
    let written = quire.json(&["vectors", "invoice-2025-0417.pdf", "1", "--out", file.to_str().unwrap()]);
    let mut archive = npyz::npz::NpzArchive::open(&file).unwrap();
    let meta = archive.by_name("meta").unwrap().unwrap();
    let meta: Value = serde_json::from_str(&meta.into_vec::<String>().unwrap()[0]).unwrap();
    let patches = archive.by_name("patches").unwrap().unwrap();
    let (rows, dim) = (patches.shape()[0] as usize, patches.shape()[1] as usize);
    let patches = patches.into_vec::<f32>().unwrap();
    assert_eq!(written["arrays"]["patches"], serde_json::json!([rows, 128]));
    // As large as the page at full scale, at .35 and at .15 of it, in whole cells of 16 pixels.
    let scales = meta["token_layout"]["scales"].as_array().unwrap();
    let grids: Vec<_> = scales.iter().map(|scale| [scale["rows"].as_u64(), scale["cols"].as_u64()]).collect();
    assert_eq!(grids, [[72, 51], [26, 18], [11, 8]].map(|grid| grid.map(Some)));
    let rects = archive.by_name("patch_rects").unwrap().unwrap();
    assert_eq!(rects.shape(), [rows as u64, 4]);
    for rect in rects.into_vec::<f32>().unwrap().chunks(4) {
        let [left, top, right, bottom] = *rect else { panic!("four sides") };
        assert!(0.0 <= left && left < right && right <= 1.0, "{rect:?}");
        assert!(0.0 <= top && top < bottom && bottom <= 1.0, "{rect:?}");
    }
    assert_eq!(meta["pooled"]["factor"], 3);
    assert!(meta["model"].as_str().unwrap().starts_with("quire-glyph@"));
    for row in patches.chunks(dim) {
        let norm: f32 = row.iter().map(|value| value * value).sum();
        assert!((norm - 1.0).abs() < 2e-3, "a row of norm {norm}");
    }
    let pooled = archive.by_name("pooled").unwrap().unwrap().shape()[0] as usize;
    assert!(pooled <= rows.div_ceil(3), "{pooled} pooled of {rows}");
    let anchors = archive.by_name("anchors_indices").unwrap().unwrap().into_vec::<i64>().unwrap();
    assert!(anchors.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(quire.fails(&["vectors", "invoice-2025-0417.pdf", "2", "--out", "x.npz"], 2).contains("page 2"));
    assert!(!quire.docs().join("../x.npz").exists());
}

/// The collection is made while the model is loaded: where that fails, another pipeline may take its place.
#[test]
fn a_model_that_cannot_be_loaded_leaves_nothing_in_the_way() {
    let quire = Quire::new();
    quire.add("invoice-bakery-93.pdf");
    let model = quire.docs().join("../damaged");
    fs::create_dir(&model).unwrap();
    for entry in fs::read_dir(repository().join("models/quire-glyph")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), model.join(entry.file_name())).unwrap();
    }
    fs::write(model.join("question.onnx"), b"no graph").unwrap();
    let docs = quire.docs();
    let ingest = ["ingest", docs.to_str().unwrap(), "--collection", "papers"];
    let output = quire.command().env("QUIRE__MODEL", &model).args(ingest).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("question.onnx"), "{said}");

    let pipeline = repository().join("pipelines/slides.yaml");
    let other = [&ingest[..], &["--pipeline", pipeline.to_str().unwrap()]].concat();
    assert_eq!(quire.json(&other)["documents"]["indexed"], 1);
    let vectors = || quire.json(&["status"])["collections"][0]["vectors"].clone();
    let before = vectors();
    // Another pipeline builds the collection anew.
    let pipeline = repository().join("pipelines/invoices.yaml");
    let another = [&ingest[..], &["--pipeline", pipeline.to_str().unwrap()]].concat();
    assert_eq!(quire.json(&another)["documents"]["indexed"], 1);
    assert_ne!(vectors(), before);
}

#[test]
fn what_an_earlier_run_left_in_the_queue_is_done_by_the_next_one_of_its_collection() {
    use quire::ledger::{DocumentFilter, Ledger, SqliteLedger, State, Submission};
    use quire::types::{DocumentId, SourceRef, Tenant};

    let quire = Quire::new();
    let manual = quire.add("instrument-manual.pdf");
    for collection in ["documents", "elsewhere"] {
        quire.json(&["ingest", manual.to_str().unwrap(), "--collection", collection]);
    }
    let left = quire.add("invoice-2025-0417.pdf").canonicalize().unwrap();
    let tenant = Tenant("default".into());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ledger_file = quire.data_dir().join("ledger.sqlite");
    runtime.block_on(async {
        let ledger = SqliteLedger::open(&ledger_file).await.unwrap();
        for collection in ["documents", "elsewhere"] {
            let uri = quire::source::source_uri(&left);
            let submission = Submission {
                document: DocumentId::new(&tenant, collection, &uri),
                tenant: tenant.clone(),
                collection: collection.into(),
                source: SourceRef { uri, name: "invoice-2025-0417.pdf".into() },
                content_hash: quire::source::hash_file(&left, u64::MAX).await.unwrap(),
                tags: Default::default(),
                size_bytes: fs::metadata(&left).unwrap().len(),
                priority: Default::default(),
                force: false,
                limits: Default::default(),
            };
            ledger.submit(&submission).await.unwrap();
        }
        ledger.close().await;
    });

    // Only the manual is named, and it has not changed: the invoice's job is what is left to do.
    let summary = quire.json(&["ingest", manual.to_str().unwrap()]);
    assert_eq!((&summary["documents"]["unchanged"], &summary["documents"]["indexed"]), (&1.into(), &1.into()));
    let states = runtime.block_on(async {
        let ledger = SqliteLedger::open(&ledger_file).await.unwrap();
        let filter = DocumentFilter { source_prefix: Some(quire::source::source_uri(&left)), ..Default::default() };
        let records = ledger.documents(&tenant, &filter).await.unwrap().documents;
        records.into_iter().map(|record| (record.collection, record.state)).collect::<Vec<_>>()
    });
    assert!(states.contains(&("documents".into(), State::Indexed)), "{states:?}");
    assert!(states.contains(&("elsewhere".into(), State::Queued)), "{states:?}");
}

/// Another resolution is another recipe: everything is built anew, whatever was named.
#[test]
fn one_file_under_another_recipe_never_makes_a_mix() {
    let quire = Quire::new();
    let invoice = quire.add("invoice-2025-0417.pdf");
    quire.add("invoice-bakery-93.pdf");
    quire.ingest();
    let before = quire.json(&["status"])["collections"][0]["pages"].clone();
    let finer = quire.docs().join("../finer.yaml");
    fs::write(&finer, "version: 1\nname: finer\ncollection: documents\nrender: {dpi: 120}\n").unwrap();
    let summary = quire.json(&["ingest", invoice.to_str().unwrap(), "--pipeline", finer.to_str().unwrap()]);
    assert_eq!(summary["documents"]["indexed"], 2, "both, though one was named: {summary:#}");
    assert_eq!(quire.json(&["status"])["collections"][0]["pages"], before);
    let listed = quire.json(&["collections", "list"]);
    assert_eq!(listed["collections"].as_array().unwrap().len(), 1);
    assert!(!quire.json(&["search", "bakery bread rolls"])["hits"].as_array().unwrap().is_empty());
}

#[test]
fn an_interrupted_ingest_says_so_and_the_next_one_goes_on() {
    let quire = Quire::new();
    for copy in 0..4 {
        quire.add_as("annual-report-2025.pdf", &format!("{copy}.pdf"));
    }
    let mut child = quire
        .command()
        .args(["ingest", quire.docs().to_str().unwrap(), "--json"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // In the middle of the work: the first page images are there.
    let images = quire.data_dir().join("blobs/pages");
    while !images.is_dir() && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    // SAFETY: a signal to a child that is not reaped yet.
    unsafe { libc::kill(child.id() as i32, libc::SIGTERM) };
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "not everything was done");
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["stopped"], true);
    assert!(quire.documents().iter().all(|document| document["attempts"].as_u64().unwrap() <= 1));
    let indexed = summary["documents"]["indexed"].as_u64().unwrap();
    assert_eq!(quire.ingest()["documents"]["indexed"].as_u64().unwrap(), 4 - indexed);
}
