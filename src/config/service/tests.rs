//! What the places say together: which stands over which, what nobody's file may not say, and what a person sees.

use std::fs;

use super::super::flags::Flag;
use super::super::trust::trusted_only;
use super::*;
use crate::config::check::schema_of;

fn variables(variables: &[(&str, &str)]) -> Environment {
    variables.iter().copied().collect()
}

/// One file that the user chose, `etc/quire.yaml`.
fn load(text: &str, flags: &Flags, variables: &[(&str, &str)]) -> Result<Config> {
    Config::from_text("etc/quire.yaml", text, flags, &variables.iter().copied().collect())
}

/// The places that a user has: a folder of his own, and the folder that he happens to be in.
struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for below in ["here", "home/.config/quire"] {
            fs::create_dir_all(folder.path().join(below)).unwrap();
        }
        Self { folder }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    fn write(&self, below: &str, text: &str) -> PathBuf {
        let path = self.path(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// What is loaded in the folder that the user is in, with `HOME` and these variables.
    fn load(&self, flags: &Flags, variables: &[(&str, &str)]) -> Result<Config> {
        let home = self.path("home");
        let home = [("HOME", home.to_str().unwrap())];
        Config::load_in(&self.path("here"), flags, &home.iter().chain(variables).copied().collect())
    }

    /// Everything that is wrong, with the desk's own folder cut out.
    fn report(&self, flags: &Flags, variables: &[(&str, &str)]) -> String {
        let report = self.load(flags, variables).unwrap_err().to_string();
        report.replace(&format!("{}/", self.folder.path().display()), "")
    }
}

fn named(file: PathBuf) -> Flags {
    Flags { config: Some(file), ..Flags::default() }
}

fn workers(value: &str) -> Flags {
    Flags { settings: vec![Flag { name: "--workers", key: "workers", value: value.into() }], ..Flags::default() }
}

#[test]
fn nothing_needs_to_be_written() {
    let config = Desk::new().load(&Flags::default(), &[]).unwrap();
    assert_eq!(config, Config::default());
    assert_eq!(config.data_dir, Path::new("./quire-data"));
    assert_eq!(load("", &Flags::default(), &[]).unwrap(), config);
}

#[test]
fn variables_stand_over_the_file_and_flags_over_variables() {
    let text = "data_dir: ./state\nworkers: 1\nmodel: mine\ningest: {max_attempts: 1, image_quality: 50}\n";
    let variables = [("QUIRE__INGEST__MAX_ATTEMPTS", "5"), ("QUIRE__WORKERS", "2"), ("QUIRE__ANSWER__PAGES", "9")];
    let config = load(text, &workers("3"), &variables).unwrap();
    assert_eq!((config.workers, config.ingest.max_attempts, config.ingest.image_quality), (3, 5, 50));
    assert_eq!((config.answer.pages, config.model.as_str()), (9, "mine"));
}

#[test]
fn the_current_folders_file_stands_over_the_users_own_and_a_named_file_alone() {
    let desk = Desk::new();
    let own = "workers: 1\ncollection: own\nlog: {filter: error, format: json}\nanswer: {pages: 7}\ndata_dir: state\n";
    desk.write("home/.config/quire/quire.yaml", own);
    let collection_and_pages = |flags: &Flags, variables: &[(&str, &str)]| {
        let config = desk.load(flags, variables).unwrap();
        (config.collection, config.workers, config.answer.pages)
    };
    assert_eq!(collection_and_pages(&Flags::default(), &[]), ("own".into(), 1, 7));
    desk.write("here/quire.yaml", "collection: here\nlog: {filter: debug}\nworkers: 2\n");
    assert_eq!(collection_and_pages(&Flags::default(), &[]), ("here".into(), 2, 7));
    assert_eq!(collection_and_pages(&workers("4"), &[("QUIRE__WORKERS", "3")]), ("here".into(), 4, 7));
    let both = desk.load(&Flags::default(), &[]).unwrap();
    assert_eq!((both.log.filter.as_str(), both.log.format), ("debug", crate::config::LogFormat::Json));
    assert_eq!(both.data_dir, desk.path("home/.config/quire/state"), "a path starts at the file where it stands");

    let other = desk.write("other.yaml", "workers: 5\n");
    let alone = ("documents".into(), 5, 5);
    assert_eq!(collection_and_pages(&named(other.clone()), &[]), alone);
    assert_eq!(collection_and_pages(&Flags::default(), &[("QUIRE_CONFIG", other.to_str().unwrap())]), alone);
}

#[test]
fn the_users_folder_is_where_xdg_says_if_it_says_a_whole_path() {
    let desk = Desk::new();
    desk.write("home/.config/quire/quire.yaml", "workers: 1\n");
    desk.write("xdg/quire/quire.yaml", "workers: 2\n");
    let workers = |variables: &[(&str, &str)]| desk.load(&Flags::default(), variables).unwrap().workers;
    let xdg = desk.path("xdg");
    assert_eq!(workers(&[("XDG_CONFIG_HOME", xdg.to_str().unwrap())]), 2);
    assert_eq!(workers(&[("XDG_CONFIG_HOME", "xdg")]), 1);
    assert_eq!(workers(&[("XDG_CONFIG_HOME", "")]), 1);
    assert_eq!(super::super::files::user_file(&variables(&[("HOME", "home")])), None);
}

/// A value for each trusted-only key, so that a file with it is valid wherever it counts.
const TRUSTED: &[(&str, &str)] = &[
    ("native", "workers: 1\nnative: {onnxruntime: /lib/x.so}\n"),
    ("native", "workers: 1\nnative: {pdfium: /lib/x.so}\n"),
    ("answer.vlm", "workers: 1\nanswer: {pages: 2, vlm: {base_url: 'https://example.org/v1', model: m}}\n"),
    ("answer.vlm", "workers: 1\nanswer: {vlm: }\n"),
    ("ledger", "workers: 1\nledger: {url: 'postgres://example.org/quire'}\n"),
    ("blobs", "workers: 1\nblobs: {url: 's3://pages'}\n"),
    ("pipelines", "workers: 1\npipelines: [mine.yaml]\n"),
    ("store.url", "workers: 1\nstore: {url: 'https://qdrant.example:6334', api_key: k}\n"),
    ("urls", "workers: 1\nurls: {enabled: true}\n"),
    ("server", "workers: 1\nserver: {listen: '0.0.0.0:80'}\n"),
    ("model", "workers: 1\nmodel: ./models/mine\n"),
    ("collection", "workers: 1\ncollection: '${TEAM}'\n"),
    ("collection", "workers: 1\ncollection: '${TEAM:-papers}'\n"),
];

#[test]
fn what_names_code_or_sends_anything_counts_only_from_a_file_that_the_user_chose() {
    let team = ("TEAM", "finance");
    for (key, text) in TRUSTED {
        let desk = Desk::new();
        let here = desk.write("here/quire.yaml", text);
        let report = desk.report(&Flags::default(), &[team]);
        assert!(report.contains("here/quire.yaml: 1 mistake\n"), "{text}: {report}");
        assert!(report.contains("here/quire.yaml:2:") && report.contains(&format!(": {key}: ")), "{report}");
        for place in ["home/.config/quire/quire.yaml", "--config", "QUIRE_CONFIG"] {
            assert!(report.contains(place), "{place} is not in {report}");
        }

        let path = here.to_str().unwrap();
        let by_flag = desk.load(&named(here.clone()), &[team]).unwrap();
        let by_variable = desk.load(&Flags::default(), &[team, ("QUIRE_CONFIG", path)]).unwrap();
        fs::rename(&here, desk.path("home/.config/quire/quire.yaml")).unwrap();
        let own = desk.load(&Flags::default(), &[team]).unwrap();
        assert_eq!(by_flag, by_variable);
        assert_eq!((&own.answer, &own.store), (&by_flag.answer, &by_flag.store));
        assert_eq!((own.workers, own.onnxruntime, own.pdfium), (1, by_flag.onnxruntime, by_flag.pdfium));
        assert_eq!((own.ledger, own.blobs, own.server), (by_flag.ledger, by_flag.blobs, by_flag.server));
        assert_eq!(own.urls, by_flag.urls);
    }
    let covered: Vec<&str> = TRUSTED.iter().map(|(key, _)| *key).collect();
    assert!(trusted_only().all(|key| covered.contains(&key)), "each trusted-only key needs its line in TRUSTED");
}

#[test]
fn every_trusted_only_key_is_a_key() {
    let schema = schema_of::<Wire>();
    for path in trusted_only() {
        let mut part = &schema;
        for key in path.split('.') {
            part = part["properties"].get(key).unwrap_or_else(|| panic!("{path} is no key"));
            let reference = part["$ref"].as_str().or_else(|| part["anyOf"][0]["$ref"].as_str());
            // A section, or a value.
            if let Some(reference) = reference {
                part = schema.pointer(reference.trim_start_matches('#')).unwrap();
            }
        }
    }
}

#[test]
fn an_endpoint_of_the_users_own_file_cannot_be_bent_from_the_current_folder() {
    let desk = Desk::new();
    let own = "answer: {vlm: {base_url: 'https://example.org/v1', model: m}}\n";
    desk.write("home/.config/quire/quire.yaml", own);
    for text in [
        "answer: {vlm: {base_url: 'https://evil.example/v1'}}\n",
        "x: &x {vlm: {api_key_env: AWS_SECRET}}\nanswer: *x\n",
        "'answer.vlm': {base_url: 'https://evil.example/v1'}\n",
        "'answer.vlm.base_url': 'https://evil.example/v1'\n",
    ] {
        desk.write("here/quire.yaml", text);
        let report = desk.report(&Flags::default(), &[("AWS_SECRET", "x")]);
        assert!(report.contains("here/quire.yaml:"), "{text}: {report}");
    }
    desk.write("here/quire.yaml", "answer: {pages: 3}\n");
    let answer = desk.load(&Flags::default(), &[]).unwrap().answer;
    assert_eq!((answer.pages, answer.vlm.unwrap().base_url.as_str()), (3, "https://example.org/v1"));
}

#[test]
fn in_the_users_own_folder_the_current_folders_file_is_the_users_own() {
    let desk = Desk::new();
    desk.write("home/.config/quire/quire.yaml", "native: {pdfium: /lib/x.so}\n");
    let environment = variables(&[("HOME", desk.path("home").to_str().unwrap())]);
    let own = desk.path("home/.config/quire");
    let config = Config::load_in(&own, &Flags::default(), &environment).unwrap();
    assert_eq!(config.pdfium.as_deref(), Some(Path::new("/lib/x.so")));
}

#[test]
fn every_mistake_of_every_layer_is_told_at_once() {
    let desk = Desk::new();
    desk.write("home/.config/quire/quire.yaml", "workers: none\ncollection: '${TEAM}'\nlog:\n  filter: loud\nx: 1\n");
    desk.write(
        "here/quire.yaml",
        "native: {pdfium: x.so}\nanswer:\n  vlm:\n    base_url: http://e/v1\nmodel: ./m\nembed: {threads: 0}\n\
         data_dir: ${HOME}/x\n",
    );
    let flags =
        Flags { settings: vec![Flag { name: "--dpi", key: "render.dpi", value: "9".into() }], ..Flags::default() };
    insta::assert_snapshot!(desk.report(&flags, &[("QUIRE__INGEST__TEXT_CHARS", "-1"), ("QUIRE__EMBED__DEVICE", "x")]));
}

#[test]
fn files_that_cannot_be_read_as_keys_are_all_named() {
    let desk = Desk::new();
    desk.write("home/.config/quire/quire.yaml", "a: [\n");
    desk.write("here/quire.yaml", "- version: 1\n");
    insta::assert_snapshot!(desk.report(&Flags::default(), &[("QUIRE__WORKERS", "many")]));
}

#[test]
fn the_data_folder_has_four_ways_in() {
    let data_dir = |text, flag: Option<&str>, variables: &[(&str, &str)]| {
        let flags = Flags { data_dir: flag.map(PathBuf::from), ..Flags::default() };
        load(text, &flags, variables).unwrap().data_dir
    };
    let text = "data_dir: state";
    let (short, long) = (("QUIRE_DATA_DIR", "short"), ("QUIRE__DATA_DIR", "long"));
    assert_eq!(data_dir("workers: 1", None, &[]), Path::new("./quire-data"));
    assert_eq!(data_dir(text, None, &[]), Path::new("etc/state"));
    assert_eq!(data_dir(text, None, &[short]), Path::new("short"));
    assert_eq!(data_dir(text, None, &[short, long]), Path::new("long"));
    assert_eq!(data_dir(text, Some("flag"), &[short, long]), Path::new("flag"));
}

#[test]
fn what_a_person_sees() {
    let text = "version: 1\ndata-dir: x\ncollection: ''\ningest: {image_quality: 101}\nlog: {format: yaml}\n";
    let variables = [("QUIRE__INGEST__ATTEMPTS", "3"), ("QUIRE__EMBED", "fast"), ("QUIRE__RENDER__DPI", "0")];
    let flags = workers("many");
    insta::assert_snapshot!(load(text, &flags, &variables).unwrap_err());
    let text = "collection: a b\nlog: {filter: 'wran,quire=loud'}\n";
    insta::assert_snapshot!(load(text, &Flags::default(), &[]).unwrap_err());
}

#[test]
fn a_file_that_is_named_must_be_there() {
    let error = Config::load(&named("/nowhere/quire.yaml".into()), &Environment::default()).unwrap_err();
    assert_eq!(error.message(), "there is no file /nowhere/quire.yaml");
}

/// docs/configuration.md shows every key with its default: what it shows is what holds.
#[test]
fn the_documented_defaults_are_the_defaults() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md")).unwrap();
    let example = page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let shown = load(example, &Flags::default(), &[("QUIRE_DATA_DIR", "./quire-data")]).unwrap();
    assert_eq!(shown, Config::default());
    // Keys without a fixed default stand there as comments; they are keys too.
    let every: String = example.lines().map(|line| format!("{}\n", line.strip_prefix('#').unwrap_or(line))).collect();
    load(&every, &Flags::default(), &[("MY_KEY", "k")]).unwrap();
}
