//! The service configuration: `quire.yaml`, over it `QUIRE__A__B` variables, over them flags. Every part has a default,
//! so that nothing needs to be written.

use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::check::{check, schema_of};
use super::env::{self, Environment};
use super::render::RenderWire;
use super::report::{Mistakes, Origin};
use super::tree::{self, Node};
use super::values::{check_device, check_filter, check_name, resolve, resolve_model, unreadable};
use super::vlm::{Vlm, VlmWire};
use crate::error::{Error, Result};
use crate::types::{Device, RenderSettings};

/// Everything that a running Quire is told, validated.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Folder that holds all state.
    pub data_dir: PathBuf,
    /// Collection of documents that no pipeline assigns to another.
    pub collection: String,
    /// Page model: its folder's name, or a path.
    pub model: String,
    /// Path of the ONNX Runtime library, where it is not to be looked for.
    pub onnxruntime: Option<PathBuf>,
    /// Path of the PDFium library, where it is not to be looked for.
    pub pdfium: Option<PathBuf>,
    pub render: RenderSettings,
    /// Render processes.
    pub workers: usize,
    pub embed: Embed,
    pub ingest: Ingest,
    pub store: Store,
    pub answer: Answer,
    pub log: Log,
}

/// How the page model runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Embed {
    /// Threads that the page model computes with on the CPU.
    pub threads: usize,
    /// Most pages of one model run; None: what suits the device.
    pub batch_pages: Option<usize>,
    /// What the model runs on.
    pub device: Device,
}

/// How much is done at once, and how often it is tried.
#[derive(Debug, Clone, PartialEq)]
pub struct Ingest {
    pub documents_in_flight: usize,
    /// Pages between rendering and storing, over all documents: they are what memory is spent on.
    pub pages_in_flight: usize,
    /// Attempts at a document before it is dead-lettered.
    pub max_attempts: u32,
    /// Wait before the second attempt; doubles with each further one.
    pub first_retry: Duration,
    /// Longest wait between two attempts.
    pub longest_retry: Duration,
    /// JPEG quality of stored page images, 1 to 100.
    pub image_quality: u8,
    /// Characters of a page's text layer that are stored beside its vectors.
    pub text_chars: usize,
}

/// How the vector store keeps itself in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Store {
    /// A segment whose largest vector takes as much (KB) is indexed and quantized; smaller ones are scanned as they are.
    pub indexing_threshold_kb: usize,
}

impl Default for Store {
    fn default() -> Self {
        Self { indexing_threshold_kb: StoreWire::default().indexing_threshold_kb }
    }
}

/// How questions are answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Pages that are taken as evidence.
    pub pages: usize,
    /// Most sentences of an extractive answer.
    pub sentences: usize,
    /// The model that composes answers; None: answers are quoted from the pages.
    pub vlm: Option<Vlm>,
}

/// What goes to standard error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Levels, alone or for a target: `warn`, `info,quire=debug`.
    pub filter: String,
    pub format: LogFormat,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, else JSON.
    #[default]
    Auto,
    Text,
    Json,
}

/// What the command line says about the configuration.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--data-dir`.
    pub data_dir: Option<PathBuf>,
    /// Every other flag that stands for a key.
    pub settings: Vec<Flag>,
}

/// A flag that stands for a key of the configuration.
#[derive(Debug, Clone)]
pub struct Flag {
    /// As the user wrote it: `--workers`.
    pub name: &'static str,
    /// The key it sets: `render.dpi`.
    pub key: &'static str,
    pub value: String,
}

/// The service configuration of Quire. Every key has a default; every key can also be given as a variable:
/// `QUIRE__INGEST__MAX_ATTEMPTS` is `ingest.max_attempts`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "Quire service configuration")]
struct Wire {
    /// Version of this form: 1.
    #[schemars(range(min = 1, max = 1))]
    version: u32,
    /// Folder that holds all state. A relative path in a file starts at the file's folder.
    #[schemars(length(min = 1))]
    data_dir: String,
    /// Collection of documents that no pipeline assigns to another.
    collection: String,
    /// Page model: the name of its folder, or a path.
    #[schemars(length(min = 1))]
    model: String,
    /// Render processes (one a core).
    #[schemars(range(min = 1, max = 256))]
    workers: Option<usize>,
    native: NativeWire,
    render: RenderWire,
    embed: EmbedWire,
    ingest: IngestWire,
    store: StoreWire,
    answer: AnswerWire,
    log: LogWire,
}

impl Default for Wire {
    fn default() -> Self {
        Self {
            version: 1,
            data_dir: "./quire-data".into(),
            collection: "documents".into(),
            model: "quire-glyph".into(),
            workers: None,
            native: NativeWire::default(),
            render: RenderWire::default(),
            embed: EmbedWire::default(),
            ingest: IngestWire::default(),
            store: StoreWire::default(),
            answer: AnswerWire::default(),
            log: LogWire::default(),
        }
    }
}

/// Paths of the native libraries, where they are not to be looked for.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "Native")]
struct NativeWire {
    #[schemars(length(min = 1))]
    onnxruntime: Option<String>,
    #[schemars(length(min = 1))]
    pdfium: Option<String>,
}

/// How the page model runs.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "Embed")]
struct EmbedWire {
    /// Threads that the page model computes with on the CPU (one a core).
    #[schemars(range(min = 1, max = 1024))]
    threads: Option<usize>,
    /// Most pages of one model run (one on the CPU, four on a device).
    #[schemars(range(min = 1, max = 256))]
    batch_pages: Option<usize>,
    /// What the model runs on: `cpu`, `cuda`, `cuda:N` (the N-th device), `coreml`, or `auto`: CUDA where the ONNX
    /// Runtime at hand can use it, else the CPU.
    device: String,
}

impl Default for EmbedWire {
    fn default() -> Self {
        Self { threads: None, batch_pages: None, device: Device::default().to_string() }
    }
}

/// How much is done at once, and how often it is tried.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "Ingest")]
struct IngestWire {
    /// Documents that are worked on at once (two a render worker, at least 4).
    #[schemars(range(min = 1, max = 256))]
    documents_in_flight: Option<usize>,
    /// Pages between rendering and storing, over all documents: about 7 MB each at 150 dpi (one a render worker and two a
    /// thread of the page model, at least 16).
    #[schemars(range(min = 1, max = 4096))]
    pages_in_flight: Option<usize>,
    /// Attempts at a document before it is given up.
    #[schemars(range(min = 1, max = 100))]
    max_attempts: u32,
    /// Seconds before the second attempt; doubles with each further one.
    #[schemars(range(min = 0, max = 86_400))]
    first_retry_s: u64,
    /// Longest wait between two attempts, in seconds.
    #[schemars(range(min = 0, max = 86_400))]
    longest_retry_s: u64,
    /// JPEG quality of stored page images.
    #[schemars(range(min = 1, max = 100))]
    image_quality: u8,
    /// Characters of a page's text that are stored beside its vectors.
    #[schemars(range(min = 0, max = 1_000_000))]
    text_chars: usize,
}

impl Default for IngestWire {
    fn default() -> Self {
        Self {
            documents_in_flight: None,
            pages_in_flight: None,
            max_attempts: 3,
            first_retry_s: 2,
            longest_retry_s: 60,
            image_quality: 85,
            text_chars: 20_000,
        }
    }
}

/// How the vector store keeps itself in order.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "Store")]
struct StoreWire {
    /// Kilobytes of its largest vector from which a segment is indexed and quantized; smaller ones are scanned as they
    /// are, which is exact and fast.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    indexing_threshold_kb: usize,
}

impl Default for StoreWire {
    /// 1,100 pages of the built-in model: 455 patches in half precision.
    fn default() -> Self {
        Self { indexing_threshold_kb: 128_000 }
    }
}

/// How questions are answered.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "Answer")]
struct AnswerWire {
    /// Pages that are taken as evidence.
    #[schemars(range(min = 1, max = 100))]
    pages: usize,
    /// Most sentences of an extractive answer.
    #[schemars(range(min = 1, max = 100))]
    sentences: usize,
    vlm: Option<VlmWire>,
}

impl Default for AnswerWire {
    fn default() -> Self {
        Self { pages: 5, sentences: 4, vlm: None }
    }
}

/// What goes to standard error.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "Log")]
struct LogWire {
    /// `error`, `warn`, `info`, `debug`, `trace`, or directives such as `warn,quire=debug`.
    #[schemars(length(min = 1))]
    filter: String,
    format: LogFormat,
}

impl Default for LogWire {
    fn default() -> Self {
        Self { filter: "warn,qdrant_edge=error".into(), format: LogFormat::Auto }
    }
}

impl Config {
    /// Reads the file that `--config` or `QUIRE_CONFIG` names, or `./quire.yaml` where there is one; over it the
    /// variables; over them the flags.
    ///
    /// # Errors
    /// Configuration, listing every mistake, with file and line, or the variable or flag it came from.
    pub fn load(flags: &Flags, environment: &Environment) -> Result<Self> {
        let named = flags.config.clone().or_else(|| environment.path(env::CONFIG));
        let default = PathBuf::from("quire.yaml");
        let path = named.or_else(|| default.is_file().then_some(default));
        match path {
            Some(path) => {
                let text = std::fs::read_to_string(&path).map_err(|error| unreadable(&path, error))?;
                Self::from_parts(Some((&path, &text)), flags, environment)
            }
            None => Self::from_parts(None, flags, environment),
        }
    }

    /// As [`Config::load`] of a file with this name and text.
    #[cfg(test)]
    pub(super) fn from_text(name: &str, text: &str, flags: &Flags, environment: &Environment) -> Result<Self> {
        Self::from_parts(Some((Path::new(name), text)), flags, environment)
    }

    fn from_parts(file: Option<(&Path, &str)>, flags: &Flags, environment: &Environment) -> Result<Self> {
        let name = file.map_or_else(|| "configuration".to_owned(), |(path, _)| path.display().to_string());
        let mut mistakes = Mistakes::new(name);
        let mut root = match file {
            Some((_, text)) => match tree::parse(text, &mut mistakes) {
                Some(root) => root,
                None => return mistakes.into_result(Self::default()),
            },
            None => Node::empty_map(Origin::START),
        };
        tree::interpolate(&mut root, environment, "", &mut mistakes);
        for (name, keys, value) in environment.settings() {
            root.set(&keys, Node::scalar(Origin::Variable(name.to_owned()), value));
        }
        for flag in &flags.settings {
            let keys: Vec<String> = flag.key.split('.').map(str::to_owned).collect();
            root.set(&keys, Node::scalar(Origin::Flag(flag.name.to_owned()), flag.value.clone()));
        }
        let json = check(&root, &schema_of::<Wire>(), &mut mistakes);
        let wire: Wire = match json.map(serde_json::from_value).unwrap_or_else(|| Ok(Wire::default())) {
            Ok(wire) => wire,
            Err(_) if !mistakes.is_empty() => return mistakes.into_result(Self::default()),
            Err(error) => return Err(Error::bug("the configuration's schema lets wrong values in").with_source(error)),
        };
        check_name(&wire.collection, "collection", &root, &mut mistakes);
        check_filter(&wire.log.filter, "log.filter", &root, &mut mistakes);
        if let Some(vlm) = &wire.answer.vlm {
            vlm.check(&root, environment, &mut mistakes);
        }
        check_device(&wire.embed.device, "embed.device", &root, &mut mistakes);
        let folder = |key: &str| match root.locate(key) {
            Origin::Position { .. } if root.has(key) => file.and_then(|(path, _)| path.parent()),
            _ => None,
        };
        let mut config = Self::of(wire, environment, |key, value| resolve(value, folder(key), environment));
        config.model = resolve_model(&config.model, folder("model"), environment);
        // the variable stands over the file, and under the flag and the key's own variable
        let from_file = matches!(root.get("data_dir").map(|node| &node.origin), None | Some(Origin::Position { .. }));
        if let Some(variable) = environment.path(env::DATA_DIR).filter(|_| from_file) {
            config.data_dir = variable;
        }
        if let Some(flag) = &flags.data_dir {
            config.data_dir = flag.clone();
        }
        mistakes.into_result(config)
    }

    /// The validated form; `path` makes a path of what is written at a key.
    fn of(wire: Wire, environment: &Environment, path: impl Fn(&str, &str) -> PathBuf) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let workers = wire.workers.unwrap_or(cores);
        let threads = wire.embed.threads.unwrap_or(cores);
        Self {
            data_dir: path("data_dir", &wire.data_dir),
            collection: wire.collection,
            model: wire.model,
            onnxruntime: wire.native.onnxruntime.map(|value| path("native.onnxruntime", &value)),
            pdfium: wire.native.pdfium.map(|value| path("native.pdfium", &value)),
            render: wire.render.over(&RenderSettings::default()),
            workers,
            embed: Embed {
                threads,
                batch_pages: wire.embed.batch_pages,
                // What can't be read has been reported.
                device: wire.embed.device.parse().unwrap_or_default(),
            },
            ingest: Ingest {
                // A worker keeps two documents open; more in flight would be opened again and again.
                documents_in_flight: wire.ingest.documents_in_flight.unwrap_or((2 * workers).clamp(4, 256)),
                pages_in_flight: wire.ingest.pages_in_flight.unwrap_or((workers + 2 * threads).clamp(16, 4096)),
                max_attempts: wire.ingest.max_attempts,
                first_retry: Duration::from_secs(wire.ingest.first_retry_s),
                longest_retry: Duration::from_secs(wire.ingest.longest_retry_s.max(wire.ingest.first_retry_s)),
                image_quality: wire.ingest.image_quality,
                text_chars: wire.ingest.text_chars,
            },
            store: Store { indexing_threshold_kb: wire.store.indexing_threshold_kb },
            answer: Answer {
                pages: wire.answer.pages,
                sentences: wire.answer.sentences,
                vlm: wire.answer.vlm.map(|vlm| vlm.into_vlm(environment, &path)),
            },
            log: Log { filter: wire.log.filter, format: wire.log.format },
        }
    }
}

impl Default for Config {
    /// What holds where nothing is written.
    fn default() -> Self {
        Self::of(Wire::default(), &Environment::default(), |_, value| PathBuf::from(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: Option<&str>, flags: &Flags, variables: &[(&str, &str)]) -> Result<Config> {
        let environment: Environment = variables.iter().copied().collect();
        Config::from_parts(text.map(|text| (Path::new("etc/quire.yaml"), text)), flags, &environment)
    }

    #[test]
    fn nothing_needs_to_be_written() {
        let config = load(None, &Flags::default(), &[]).unwrap();
        assert_eq!(config, Config::default());
        assert_eq!(config.data_dir, Path::new("./quire-data"));
        assert_eq!(load(Some(""), &Flags::default(), &[]).unwrap(), config);
    }

    #[test]
    fn variables_stand_over_the_file_and_flags_over_variables() {
        let text = "data_dir: ./state\nworkers: 1\nmodel: mine\ningest: {max_attempts: 1, image_quality: 50}\n";
        let variables = [("QUIRE__INGEST__MAX_ATTEMPTS", "5"), ("QUIRE__WORKERS", "2"), ("QUIRE__ANSWER__PAGES", "9")];
        let flags =
            Flags { settings: vec![Flag { name: "--workers", key: "workers", value: "3".into() }], ..Flags::default() };
        let config = load(Some(text), &flags, &variables).unwrap();
        assert_eq!((config.workers, config.ingest.max_attempts, config.ingest.image_quality), (3, 5, 50));
        assert_eq!((config.answer.pages, config.model.as_str()), (9, "mine"));
    }

    #[test]
    fn the_data_folder_has_four_ways_in() {
        let text = Some("data_dir: state");
        let data_dir = |text, flag: Option<&str>, variables: &[(&str, &str)]| {
            let flags = Flags { data_dir: flag.map(PathBuf::from), ..Flags::default() };
            load(text, &flags, variables).unwrap().data_dir
        };
        let (short, long) = (("QUIRE_DATA_DIR", "short"), ("QUIRE__DATA_DIR", "long"));
        assert_eq!(data_dir(Some("workers: 1"), None, &[]), Path::new("./quire-data"));
        assert_eq!(data_dir(text, None, &[]), Path::new("etc/state"));
        assert_eq!(data_dir(text, None, &[short]), Path::new("short"));
        assert_eq!(data_dir(text, None, &[short, long]), Path::new("long"));
        assert_eq!(data_dir(text, Some("flag"), &[short, long]), Path::new("flag"));
    }

    #[test]
    fn what_a_person_sees() {
        let flags = Flags {
            settings: vec![Flag { name: "--workers", key: "workers", value: "many".into() }],
            ..Flags::default()
        };
        let text = "version: 1\ndata-dir: x\ncollection: ''\ningest: {image_quality: 101}\nlog: {format: yaml}\n";
        let variables = [("QUIRE__INGEST__ATTEMPTS", "3"), ("QUIRE__EMBED", "fast"), ("QUIRE__RENDER__DPI", "0")];
        insta::assert_snapshot!(load(Some(text), &flags, &variables).unwrap_err());
        let text = "collection: a b\nlog: {filter: 'wran,quire=loud'}\n";
        insta::assert_snapshot!(load(Some(text), &Flags::default(), &[]).unwrap_err());
    }

    #[test]
    fn the_device_is_checked_where_it_is_written() {
        let device = |text| load(Some(text), &Flags::default(), &[]).map(|config| config.embed.device);
        assert_eq!(device("workers: 1").unwrap(), Device::Auto);
        assert_eq!(device("embed: {device: 'cuda:1'}").unwrap(), Device::Cuda(1));
        let error = device("embed:\n  device: gpu\n").unwrap_err().to_string();
        assert!(error.contains("etc/quire.yaml:2") && error.contains("'gpu'") && error.contains("cuda:N"), "{error}");
        let variables = [("QUIRE__EMBED__DEVICE", "cpu")];
        assert_eq!(load(None, &Flags::default(), &variables).unwrap().embed.device, Device::Cpu);
    }

    #[test]
    fn a_file_that_is_named_must_be_there() {
        let flags = Flags { config: Some("/nowhere/quire.yaml".into()), ..Flags::default() };
        let error = Config::load(&flags, &Environment::default()).unwrap_err();
        assert_eq!(error.message(), "there is no file /nowhere/quire.yaml");
    }
}
