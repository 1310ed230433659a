//! What is found of an installation, what is missing, and what to do about it. Every check runs, whatever the others say.

use std::path::Path;

use serde::Serialize;

use super::{App, Installation, backends};
use crate::answer::AnswerModel;
use crate::blobs::BucketBlobs;
use crate::config::{Blobs, Config};
use crate::embed;
use crate::error::{Error, Result, ResultExt, io_error};
use crate::ledger::PostgresLedger;
use crate::render::{Renderer, WorkerCommand};
use crate::types::RenderSettings;

/// One empty page.
const PROBE_PDF: &[u8] = b"%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 72 72]>>endobj
trailer<</Root 1 0 R>>
%%EOF
";

/// Below this an ingest is likely to end in a full disk.
const LOW_DISK_BYTES: u64 = 1 << 30;

/// What was looked at.
#[derive(Debug, Serialize)]
pub struct DoctorReport {
    pub version: &'static str,
    pub checks: Vec<Check>,
}

impl DoctorReport {
    /// Whether everything is in place.
    pub fn is_healthy(&self) -> bool {
        self.checks.iter().all(|check| check.ok)
    }
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub struct Check {
    pub name: &'static str,
    pub ok: bool,
    pub message: String,
}

impl Check {
    fn new(name: &'static str, outcome: Result<String>) -> Self {
        match outcome {
            Ok(message) => Self { name, ok: true, message },
            Err(error) => Self { name, ok: false, message: error.to_string() },
        }
    }
}

/// Looks at everything that an installation needs.
pub async fn doctor(config: Result<Config>, installation: &Installation) -> DoctorReport {
    let mut checks = Vec::new();
    match config {
        Ok(config) => {
            let data_dir = config.data_dir.clone();
            checks.extend(surroundings(&config, installation, Depth::Thorough).await);
            let opened = App::open(config, installation.clone()).await;
            let (folder, store) = match &opened {
                Ok(app) => (Ok(format!("{} is writable and ours", data_dir.display())), check_store(app).await),
                Err(error) => {
                    (Err(error.duplicate()), Err(Error::configuration("not opened, for the data folder can't be used")))
                }
            };
            checks.push(Check::new("data folder", folder));
            checks.push(Check::new("store", store));
        }
        Err(error) => checks.push(Check::new("configuration", Err(error))),
    }
    checks.push(Check::new("cpu", Ok(cpu())));
    DoctorReport { version: env!("CARGO_PKG_VERSION"), checks }
}

/// As [`doctor`], for an installation that is open; the model is loaded, not tried.
pub async fn examine(app: &App, depth: Depth) -> DoctorReport {
    let mut checks = surroundings(app.config(), app.installation(), depth).await;
    if depth == Depth::Quick {
        checks.push(Check::new("model", load_model(app).await));
    }
    checks.push(Check::new("data folder", Ok(format!("{} is writable and ours", app.data().root().display()))));
    checks.push(Check::new("store", check_store(app).await));
    checks.push(Check::new("cpu", Ok(cpu())));
    DoctorReport { version: env!("CARGO_PKG_VERSION"), checks }
}

/// How much trouble a check takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// The model's files are hashed, and what it computes is compared.
    Thorough,
    /// The model is loaded, as the first question would do.
    Quick,
}

/// Everything but the data folder and what lies in it.
async fn surroundings(config: &Config, installation: &Installation, depth: Depth) -> Vec<Check> {
    let onnxruntime = installation.onnxruntime(config).and_then(|path| {
        embed::runtime::init(&path)?;
        Ok(format!("ONNX Runtime{} at {}", stamped_version(&path, "onnxruntime"), path.display()))
    });
    let runtime_found = onnxruntime.is_ok();
    let mut checks = vec![
        Check::new("configuration", Ok("valid".into())),
        Check::new("onnxruntime", onnxruntime),
        Check::new("pdfium", check_pdfium(config, installation).await),
        Check::new("sandbox", check_sandbox(config, installation).await),
        Check::new("libreoffice", installation.office_places(config).describe().await),
    ];
    if depth == Depth::Thorough {
        checks.push(Check::new("model", check_model(config, installation, runtime_found)));
    }
    checks.push(Check::new("answer model", check_answer_model(config).await));
    checks.push(Check::new("disk", free_disk(&config.data_dir)));
    checks.push(Check::new("ledger", check_ledger(config).await));
    checks.push(Check::new("page images", check_blobs(config).await));
    checks
}

/// The configured model, ready for the first question.
async fn load_model(app: &App) -> Result<String> {
    let model = app.models.get(&app.config.model).await?;
    model.ready().await?;
    Ok(format!("{}, loaded", model.info().name()))
}

/// Draws a page in a worker process, as an ingest would.
async fn check_pdfium(config: &Config, installation: &Installation) -> Result<String> {
    let library = installation.pdfium(config)?;
    let command = WorkerCommand::this_program(library.clone())?;
    let renderer = Renderer::new(config.limits.clone(), 1, command)?;
    let file = std::env::temp_dir().join(format!("quire-doctor-{}.pdf", std::process::id()));
    std::fs::write(&file, PROBE_PDF).map_err(|error| io_error("write", &file, error))?;
    let drawn = async {
        let document = renderer.open(&file, "the probe", &RenderSettings::default()).await?;
        renderer.page(&document, 1).await
    }
    .await;
    renderer.shutdown().await;
    let _ = std::fs::remove_file(&file);
    drawn.context("a page could not be drawn")?;
    Ok(format!("PDFium{} at {}", stamped_version(&library, "pypdfium2"), library.display()))
}

/// Which store it is, that it answers, and what to know of it.
async fn check_store(app: &App) -> Result<String> {
    let info = app.store.info().await?;
    let collections = app.store.collections().await?.len();
    let note = info.note.map(|note| format!("; {note}")).unwrap_or_default();
    Ok(format!("{}, {collections} collections{note}", info.name))
}

/// What render workers are kept from. A kernel that lacks a part is no reason to refuse work, but people should know.
async fn check_sandbox(config: &Config, installation: &Installation) -> Result<String> {
    // that PDFium is missing another check says
    let command = WorkerCommand::this_program(installation.pdfium(config).unwrap_or_default())?;
    let renderer = Renderer::new(config.limits.clone(), 1, command)?;
    let parts = renderer.confinement().await;
    renderer.shutdown().await;
    let missing: Vec<String> =
        parts?.iter().filter_map(|part| Some(format!("{}: {}", part.part, part.missing.as_ref()?))).collect();
    Ok(match missing.is_empty() {
        true => "render workers are locked in: no files but fonts, no network, no programs".into(),
        false => format!("render workers go without {}", missing.join("; ")),
    })
}

/// The version that set-up noted beside a library: PDFium itself does not tell, and ONNX Runtime only at length.
fn stamped_version(library: &Path, package: &str) -> String {
    let read = || {
        let text = std::fs::read_to_string(library.parent()?.join("stamp.json")).ok()?;
        let stamp: serde_json::Value = serde_json::from_str(&text).ok()?;
        stamp["versions"][package].as_str().map(|version| format!(" ({package} {version})"))
    };
    read().unwrap_or_default()
}

fn check_model(config: &Config, installation: &Installation, runtime_found: bool) -> Result<String> {
    let folder = installation.model(&config.model)?;
    if !runtime_found {
        return Err(Error::configuration(format!(
            "{} is there; without ONNX Runtime it can't be tried",
            folder.display()
        )));
    }
    let report = embed::check(&folder, config.embed.device);
    for check in report.checks {
        check.outcome.context(check.name)?;
    }
    let name = report.model.map_or_else(String::new, |info| info.name());
    Ok(format!("{name} at {}", folder.display()))
}

/// Whether the configured endpoint is there and takes the key.
async fn check_answer_model(config: &Config) -> Result<String> {
    match &config.answer.vlm {
        None => Ok("none is configured (answer.vlm): answers are quoted from the pages".into()),
        Some(vlm) => AnswerModel::new(vlm)?.probe().await,
    }
}

/// Whether the PostgreSQL that is configured lets us in, and its tables are ours.
async fn check_ledger(config: &Config) -> Result<String> {
    let Some(settings) = backends::postgres(config)? else { return Ok("a file of the data folder".into()) };
    PostgresLedger::open(&settings).await?;
    Ok(format!("{}, its tables are ours", settings.place()))
}

/// Whether the bucket that is configured takes and gives.
async fn check_blobs(config: &Config) -> Result<String> {
    match &config.blobs {
        Blobs::DataFolder => Ok("in the data folder".into()),
        Blobs::Folder(folder) => Ok(format!("in {}", folder.display())),
        Blobs::Bucket(bucket) => BucketBlobs::open(bucket)?.probe().await,
    }
}

/// Free space where the data folder is, or will be.
fn free_disk(data_dir: &Path) -> Result<String> {
    let existing = data_dir.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("."));
    let free = fs4::available_space(existing)
        .map_err(|error| Error::transient("the free disk space can't be read").with_source(error))?;
    if free < LOW_DISK_BYTES {
        return Err(Error::configuration(format!(
            "only {} free at {}: a thousand pages take about 0.4 GiB",
            mib(free),
            existing.display()
        )));
    }
    Ok(format!("{} free", mib(free)))
}

/// Cores, and the instructions that the model and the store are fast with.
fn cpu() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{cores} cores, {}", instructions().join(" "))
}

#[cfg(target_arch = "x86_64")]
fn instructions() -> Vec<&'static str> {
    let known = [
        ("sse4.2", std::arch::is_x86_feature_detected!("sse4.2")),
        ("avx2", std::arch::is_x86_feature_detected!("avx2")),
        ("fma", std::arch::is_x86_feature_detected!("fma")),
        ("avx512f", std::arch::is_x86_feature_detected!("avx512f")),
        ("avx512vnni", std::arch::is_x86_feature_detected!("avx512vnni")),
    ];
    known.into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn instructions() -> Vec<&'static str> {
    vec![std::env::consts::ARCH]
}

/// Mebibytes for people.
fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}
