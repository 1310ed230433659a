//! Pipelines as people write them: good ones, shipped ones, and what is said of bad ones.

use super::*;
use crate::types::{Datatype, Quantization, VectorKind};

fn parse(text: &str, variables: &[(&str, &str)]) -> Result<Pipeline> {
    let environment: Environment = variables.iter().copied().collect();
    Pipeline::parse(text, Path::new("pipelines/test.yaml"), &Config::default(), &environment)
}

fn report(text: &str) -> String {
    parse(text, &[("SECRET", "hunter2"), ("HOME", "/home/me")]).unwrap_err().to_string()
}

fn shipped_files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    files
}

#[test]
fn every_shipped_pipeline_is_valid() {
    let files = shipped_files();
    assert!(files.len() >= 5, "{files:?}");
    for file in files {
        let pipeline = Pipeline::load(&file, &Config::default(), &Environment::default()).unwrap();
        pipeline.schema(128).unwrap();
        assert!(!pipeline.plans.is_empty(), "{}", file.display());
    }
}

#[test]
fn the_committed_schema_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/pipeline.schema.json");
    let current = serde_json::to_string_pretty(&json_schema()).unwrap() + "\n";
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, &current).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap();
    assert!(committed == current, "run the tests once with UPDATE_SCHEMA=1 to write {}", path.display());
}

#[test]
fn a_short_pipeline_has_the_defaults() {
    let pipeline = parse("version: 1\nname: reports\n", &[]).unwrap();
    let default = Pipeline::default();
    assert_eq!((pipeline.collection.as_str(), default.collection.as_str()), ("reports", "documents"));
    assert_eq!(pipeline.derive, default.derive);
    assert_eq!((&pipeline.render, &pipeline.limits), (&default.render, &default.limits));
    let plans: Vec<&str> = pipeline.plans.iter().map(|plan| plan.name.as_str()).collect();
    assert_eq!(plans, ["exact", "pooled", "anchors", "hybrid", "text", "frugal"]);
    // What an index finds, and not every page: 'frugal' may not cost more than 'anchors'.
    let frugal = pipeline.plan("frugal").unwrap();
    assert_eq!(frugal.vectors(), [VectorName::Patches, VectorName::Anchors]);
    assert!(frugal.rerank.as_ref().is_some_and(|rerank| !rerank.params.ignore_quantization));
    let schema = pipeline.schema(128).unwrap();
    let patches = schema.get(VectorName::Patches).unwrap();
    assert_eq!(
        (patches.kind, patches.datatype, patches.on_disk),
        (VectorKind::Multi { dim: 128 }, Datatype::Float16, true)
    );
    assert!(patches.hnsw.is_none() && matches!(patches.quantization, Some(Quantization::Binary { .. })));
}

#[test]
fn a_vector_with_nothing_behind_it_has_its_defaults() {
    let pipeline = parse("version: 1\nname: a\nvectors: {pooled: , text: ~}\n", &[]).unwrap();
    assert_eq!(pipeline.derive.vectors, [VectorName::Pooled, VectorName::Text].into());
    let plans: Vec<&str> = pipeline.plans.iter().map(|plan| plan.name.as_str()).collect();
    assert_eq!(plans, ["pooled", "hybrid", "text"]);
    assert!(pipeline.plan("pooled").unwrap().prefetch.is_empty());
    let error = pipeline.plan("exact").unwrap_err().to_string();
    assert_eq!(
        error,
        "there is no plan 'exact' for the vectors of this pipeline, one of pooled, hybrid, text is expected"
    );
}

#[test]
fn no_offered_plan_reads_a_vector_that_is_not_kept() {
    for kept in 1..1u32 << VectorName::ALL.len() {
        let names = VectorName::ALL.iter().enumerate().filter(|(bit, _)| kept & (1 << bit) != 0);
        let vectors: String = names.map(|(_, name)| format!("  {name}:\n")).collect();
        let pipeline = parse(&format!("version: 1\nname: a\nvectors:\n{vectors}"), &[]).unwrap();
        for plan in &pipeline.plans {
            assert!(plan.vectors().iter().all(|name| pipeline.derive.vectors.contains(name)), "{plan:?} of {vectors}");
        }
    }
}

#[test]
fn a_pipeline_may_change_a_plan_and_choose_its_default() {
    let text = "
version: 1
name: a
retrieve:
  default_plan: deep
  plans:
    anchors: {prefetch: [{using: anchors, limit: 7}], rerank: {using: patches}}
    deep:
      prefetch:
        - {using: pooled, limit: 50, prefetch: [{using: anchors, limit: 500}]}
        - {using: text, limit: 20}
      fusion: {type: rrf, k: 60, weights: [2, 1]}
      rerank: {using: patches, candidates: 30, params: {rescore: true, oversampling: 1.5}}
";
    let pipeline = parse(text, &[]).unwrap();
    assert_eq!(pipeline.plan("anchors").unwrap().prefetch[0].limit, 7);
    assert_eq!(pipeline.plan("deep").unwrap().prefetch[0].prefetch[0].limit, 500);
    assert_eq!(pipeline.default_plan.as_deref(), Some("deep"));
}

#[test]
fn a_source_is_of_files_or_of_urls() {
    let text =
        "version: 1\nname: a\nsource: {type: urls, urls: ['https://example.org/a.pdf'], file: list.txt, watch: true}\n";
    let pipeline = parse(text, &[]).unwrap();
    let watched: Vec<_> = pipeline.watched().map(|path| path.display().to_string()).collect();
    assert_eq!(watched, ["https://example.org/a.pdf", "pipelines/list.txt"]);
    assert!(pipeline.source.unwrap().is_web);
    for (source, expected) in [
        ("{type: urls}", "source: keys 'urls' and 'file' are missing: one of them is expected"),
        ("{watch: true}", "source: key 'paths' is missing: a list is expected"),
        ("{type: urls, urls: ['https://a/'], paths: [x]}", "source.paths: a source of type urls has no such key"),
        ("{type: urls, file: x, include: ['*']}", "source.include: a source of type urls has no such key"),
        ("{paths: [x], urls: ['https://a/']}", "source.urls: a source of type files has no such key"),
        ("{paths: ['HTTPS://a/b.pdf']}", "source.paths[0]: this is an address on the web"),
        ("{type: web, paths: [x]}", "source.type: found 'web', one of files, urls is expected"),
    ] {
        let error = parse(&format!("version: 1\nname: a\nsource: {source}\n"), &[]).unwrap_err().to_string();
        assert!(error.contains(expected), "{source}: {error}");
    }
}

#[test]
fn a_pipeline_says_how_soon_its_documents_are_wanted() {
    let of = |text: &str| parse(&format!("version: 1\nname: a\n{text}"), &[]).map(|pipeline| pipeline.priority);
    assert_eq!((of("").unwrap(), of("priority: low\n").unwrap()), (Priority::Normal, Priority::Low));
    let error = of("priority: urgent\n").unwrap_err().to_string();
    assert!(error.contains("priority: found 'urgent', one of high, normal, low is expected"), "{error}");
}

#[test]
fn storage_is_as_written() {
    let text = "
version: 1
name: a
vectors:
  patches: {datatype: float32, on_disk: false, hnsw: {m: 0}, quantization: {type: none}}
  pooled: {factor: 5, hnsw: {m: 8}, quantization: {type: scalar, quantile: 0.99}}
  fde: {k_sim: 6, dim_proj: 32, r_reps: 20}
  text: {k1: 0.9, on_disk: true}
";
    let pipeline = parse(text, &[]).unwrap();
    assert_eq!((pipeline.derive.pooled_factor, pipeline.derive.text.k1), (5, 0.9));
    let schema = pipeline.schema(128).unwrap();
    let patches = schema.get(VectorName::Patches).unwrap();
    assert!(!patches.on_disk && patches.hnsw.is_none() && patches.quantization.is_none());
    let hnsw = schema.get(VectorName::Pooled).unwrap().hnsw.unwrap();
    assert_eq!((hnsw.m, hnsw.ef_construct), (8, 100));
    assert_eq!(schema.get(VectorName::Fde).unwrap().kind, VectorKind::Dense { dim: 40_960 });
    assert!(pipeline.schema(16).unwrap_err().to_string().contains("dim_proj is 32"));
}

#[test]
fn values_come_from_variables_and_paths_from_the_file() {
    let text = "
version: 1
name: ${TEAM:-papers}
source: {paths: [./docs, /abs, ~/mine, '${ROOT}/x']}
tags: {year: 2024, number: 0012, draft: true}
render: {dpi: '${DPI}', max_pages: 9}
";
    let pipeline = parse(text, &[("ROOT", "/data"), ("DPI", "200"), ("HOME", "/home/me")]).unwrap();
    assert_eq!(pipeline.name, "papers");
    assert_eq!((pipeline.render.dpi, pipeline.limits.max_pages), (200.0, 9));
    let expected = ["pipelines/docs", "/abs", "/home/me/mine", "/data/x"].map(PathBuf::from);
    assert_eq!(pipeline.source.unwrap().paths, expected);
    assert_eq!(pipeline.tags["number"], "0012");
    assert_eq!(pipeline.tags["year"], "2024");
}

#[test]
fn what_a_person_sees_of_wrong_keys_and_values() {
    insta::assert_snapshot!(report(
        "
version: 2
nam: invoices
collection: in/voices
source: {path: ./docs, paths: [], prune: yes}
tags: [finance]
render:
  dpi: high
  max_pages: -1
  worker_memory_bytes: 1024
vectors:
  patches: {dataype: float16, quantization: {type: binry}}
  pooled: {factor: '3', hnsw: 16}
  anchor: {}
  text: {b: '${SECRET}'}
  fde: {k_sim: 12, quantization: scalar}
retrieve:
  plans:
    broken: {prefetch: [{using: words}]}
    empty: {}
"
    ));
}

#[test]
fn what_a_person_sees_of_plans_that_cannot_work() {
    insta::assert_snapshot!(report(
        "
version: 1
name: -slides-
vectors:
  patches:
  text:
  fde: {k_sim: 10, dim_proj: 64}
retrieve:
  default_plan: pooled
  plans:
    empty: {}
    loose: {prefetch: [{using: text}, {using: fde}]}
    missing:
      prefetch:
        - {using: pooled, prefetch: [{using: anchors}]}
      rerank: {using: patches, candidates: 10}
    weights:
      prefetch: [{using: text}, {using: fde}]
      fusion: {type: rrf, weights: [1, 0, 1]}
"
    ));
    insta::assert_snapshot!(report(
        "
version: 1
name: a
retrieve:
  plans:
    params:
      prefetch: [{using: patchs, limit: 0}]
      fusion: {type: borda}
      rerank: {params: {oversampling: 0.5, rescore: maybe}}
"
    ));
}

#[test]
fn what_a_person_sees_of_missing_variables_and_broken_yaml() {
    insta::assert_snapshot!(report(
        "version: 1\nname: ${TEAM}\ncollection: ${HOME}${COLLECTION}\ntags: {a: '${A', b: x}\n"
    ));
    insta::assert_snapshot!(report("version: 1\nname: [a\nsource: }\n"));
    insta::assert_snapshot!(report("version: 1\nname: a\ntags: {team: ${TEAM}}\n"));
    insta::assert_snapshot!(report("- version: 1\n"));
    insta::assert_snapshot!(report(""));
}

#[test]
fn a_value_out_of_the_environment_is_never_printed() {
    let text = "version: 1\nname: ${SECRET}/\ncollection: '!${SECRET}'\nvectors: {text: {k1: '${SECRET}'}}\n\
                source: {prune: '${SECRET}', paths: '${SECRET}'}\n\
                retrieve: {default_plan: '${SECRET}'}\nrender: '${SECRET}'\n";
    let printed = report(text);
    assert!(!printed.contains("hunter2"), "{printed}");
    let text = "version: 1\nname: a/${SECRET}\ncollection: '!${SECRET}'\nretrieve: {default_plan: '${SECRET}'}\n";
    let printed = report(text);
    assert!(!printed.contains("hunter2"), "{printed}");
}

#[test]
fn plans_nest_as_deep_as_the_engine_allows() {
    let nested = |depth: usize| {
        let mut stage = "{using: text}".to_owned();
        for _ in 1..depth {
            stage = format!("{{using: text, prefetch: [{stage}]}}");
        }
        format!(
            "version: 1\nname: a\nretrieve: {{plans: {{deep: {{prefetch: [{stage}], rerank: {{using: patches}}}}}}}}\n"
        )
    };
    assert!(parse(&nested(64), &[]).is_ok());
    let error = parse(&nested(65), &[]).unwrap_err().to_string();
    assert!(error.contains("stages nest 65 deep: Qdrant takes 64"), "{error}");
}
