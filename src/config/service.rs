//! The service configuration: files, over them `QUIRE__A__B` variables, over them flags. Every part has a default, so that
//! nothing needs to be written. A section has a file of its own: what may be written, what becomes of it, the defaults.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value as Json;

use super::answer::{Answer, AnswerWire};
use super::blobs::{Blobs, BlobsWire};
use super::check::{check, schema_of};
use super::embed::{Embed, EmbedWire};
use super::env::{self, Environment};
use super::files::ConfigFile;
use super::flags::Flags;
use super::ingest::{Ingest, IngestWire};
use super::layers;
use super::ledger::{Ledger, LedgerWire};
use super::log::{Log, LogWire};
use super::native::{NativePaths, NativeWire};
use super::pipelines::{self, Watch, WatchWire};
use super::render::RenderWire;
use super::report::{Mistakes, Origin};
use super::server::{Http, HttpWire};
use super::store::{Store, StoreWire};
use super::tree::Node;
use super::urls::{Urls, UrlsWire};
use super::values::{check_name, resolve, resolve_model};
use crate::error::{Error, Result};
use crate::types::{RenderLimits, RenderSettings};

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
    /// Path of LibreOffice's `soffice`, where it is not to be looked for.
    pub libreoffice: Option<PathBuf>,
    /// How pages are drawn.
    pub render: RenderSettings,
    /// What a document may cost.
    pub limits: RenderLimits,
    /// Render processes.
    pub workers: usize,
    pub embed: Embed,
    pub ingest: Ingest,
    pub store: Store,
    pub ledger: Ledger,
    pub blobs: Blobs,
    pub answer: Answer,
    pub server: Http,
    /// Pipeline files that the service runs.
    pub pipelines: Vec<PathBuf>,
    pub watch: Watch,
    pub urls: Urls,
    pub log: Log,
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
    ledger: LedgerWire,
    blobs: BlobsWire,
    answer: AnswerWire,
    server: HttpWire,
    /// Pipeline files that `quire serve` runs. A relative path in a file starts at the file's folder.
    pipelines: Vec<String>,
    watch: WatchWire,
    urls: UrlsWire,
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
            ledger: LedgerWire::default(),
            blobs: BlobsWire::default(),
            answer: AnswerWire::default(),
            server: HttpWire::default(),
            pipelines: Vec::new(),
            watch: WatchWire::default(),
            urls: UrlsWire::default(),
            log: LogWire::default(),
        }
    }
}

impl Wire {
    /// What the schema let through. What is wrong has been left out and reported; only a model of answers and an issuer of
    /// tokens have keys that must be there, and go as a whole where one of them is missing, so that the rest can be checked further.
    fn of_json(mut json: Json, mistakes: &Mistakes) -> Result<Self> {
        match serde_json::from_value(json.clone()) {
            Ok(wire) => return Ok(wire),
            Err(error) if mistakes.is_empty() => {
                return Err(Error::bug("the configuration's schema lets wrong values in").with_source(error));
            }
            Err(_) => {}
        }
        for (section, part) in [("answer", "vlm"), ("server", "jwt")] {
            if let Some(section) = json.get_mut(section).and_then(Json::as_object_mut) {
                section.remove(part);
            }
        }
        Ok(serde_json::from_value(json).unwrap_or_default())
    }
}

impl Config {
    /// Reads the file that `--config` or `QUIRE_CONFIG` names; else the user's own, and over it `./quire.yaml`, where
    /// there is one; over that the variables; over them the flags. `./quire.yaml`, which nobody chose, may not say
    /// everything: see `trust.rs`.
    ///
    /// # Errors
    /// Configuration, listing every mistake, with file and line, or the variable or flag it came from.
    pub fn load(flags: &Flags, environment: &Environment) -> Result<Self> {
        Self::load_in(Path::new(""), flags, environment)
    }

    /// [`Self::load`], with `current` as the current folder.
    fn load_in(current: &Path, flags: &Flags, environment: &Environment) -> Result<Self> {
        let named = flags.config.clone().or_else(|| environment.path(env::CONFIG));
        Self::of_files(&ConfigFile::find(current, named, environment)?, flags, environment)
    }

    /// As [`Config::load`] of a file with this name and text.
    #[cfg(test)]
    pub(super) fn from_text(name: &str, text: &str, flags: &Flags, environment: &Environment) -> Result<Self> {
        Self::of_files(&[ConfigFile::chosen(name, text)], flags, environment)
    }

    fn of_files(files: &[ConfigFile], flags: &Flags, environment: &Environment) -> Result<Self> {
        let title = match files {
            [only] => only.path().display().to_string(),
            _ => "configuration".to_owned(),
        };
        let mut mistakes = Mistakes::new(title);
        let trees: Vec<Option<Node>> = files.iter().map(|file| file.tree(environment, &mut mistakes)).collect();
        // What a broken file says is not known: of what would stand over or under it nothing can be said.
        let Some(mut layers) = trees.into_iter().collect::<Option<Vec<Node>>>() else {
            return mistakes.into_result(Self::default());
        };
        layers.extend([layers::of_variables(environment), layers::of_flags(&flags.settings)]);
        Self::of_tree(&layers::merge(&layers)?, flags, environment, mistakes)
    }

    /// The configuration that `root` says, all layers merged, with every check that a schema can't express.
    fn of_tree(root: &Node, flags: &Flags, environment: &Environment, mut mistakes: Mistakes) -> Result<Self> {
        let json = check(root, &schema_of::<Wire>(), &mut mistakes);
        let wire = Wire::of_json(json.unwrap_or_default(), &mistakes)?;
        check_name(&wire.collection, "collection", root, &mut mistakes);
        wire.embed.check(root, &mut mistakes);
        wire.ledger.check(root, &mut mistakes);
        wire.blobs.check(root, &mut mistakes);
        wire.store.check(root, &mut mistakes);
        wire.answer.check(root, environment, &mut mistakes);
        wire.server.check(root, environment, &mut mistakes);
        wire.urls.check(root, &mut mistakes);
        wire.log.check(root, &mut mistakes);
        let folder = |key: &str| match root.locate(key) {
            Origin::Position { file, .. } if root.has(key) => file.parent(),
            _ => None,
        };
        let mut config = Self::of_wire(wire, environment, |key, value| resolve(value, folder(key), environment));
        config.model = resolve_model(&config.model, folder("model"), environment);
        // the variable stands over files, and under the flag and the key's own variable
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
    fn of_wire(wire: Wire, environment: &Environment, path: impl Fn(&str, &str) -> PathBuf) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let workers = wire.workers.unwrap_or(cores);
        let embed = wire.embed.into_embed(cores);
        let NativePaths { onnxruntime, pdfium, libreoffice } = wire.native.into_paths(&path);
        Self {
            data_dir: path("data_dir", &wire.data_dir),
            collection: wire.collection,
            model: wire.model,
            onnxruntime,
            pdfium,
            libreoffice,
            render: wire.render.settings_over(&RenderSettings::default()),
            limits: wire.render.limits_over(&RenderLimits::default()),
            workers,
            ingest: wire.ingest.into_ingest(workers, embed.threads),
            embed,
            store: wire.store.into_store(),
            ledger: wire.ledger.into_ledger(),
            blobs: wire.blobs.into_blobs(environment, &path),
            answer: wire.answer.into_answer(environment, &path),
            server: wire.server.into_http(environment, &path),
            pipelines: pipelines::into_paths(wire.pipelines, &path),
            watch: wire.watch.into_watch(),
            urls: wire.urls.into_urls(),
            log: wire.log.into_log(),
        }
    }
}

impl Default for Config {
    /// What holds where nothing is written.
    fn default() -> Self {
        Self::of_wire(Wire::default(), &Environment::default(), |_, value| PathBuf::from(value))
    }
}

#[cfg(test)]
mod tests;
