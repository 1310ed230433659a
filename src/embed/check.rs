//! `quire model check`: does a model folder work on this machine?

use std::path::Path;
use std::time::Instant;

use futures::executor::block_on;

use super::families::family_of;
use super::family::{Files, Opening};
use super::manifest::{Manifest, ModelInfo};
use super::options::EmbedOptions;
use crate::error::{Error, Result};
use crate::types::{Device, Multivector, PageImage};

/// What was checked, in order; the first failure ends it.
#[derive(Debug)]
pub struct Report {
    /// None if the manifest could not be read.
    pub model: Option<ModelInfo>,
    pub checks: Vec<Check>,
}

/// One check and how it went.
#[derive(Debug)]
pub struct Check {
    pub name: &'static str,
    /// What was found, in a few words.
    pub outcome: Result<String>,
}

impl Report {
    pub fn is_ok(&self) -> bool {
        self.checks.iter().all(|check| check.outcome.is_ok())
    }
}

/// Reads the manifest, compares every file with it, opens the graphs and embeds a page and a question. Blocking,
/// seconds. [`super::runtime::init`] comes first.
pub fn check(model_dir: &Path, device: Device) -> Report {
    let mut report = Report { model: None, checks: Vec::new() };
    run(model_dir, device, &mut report);
    report
}

/// None if a check failed.
fn run(model_dir: &Path, device: Device, report: &mut Report) -> Option<()> {
    let read = Manifest::read(model_dir).and_then(|manifest| family_of(&manifest).map(|family| (manifest, family)));
    let (manifest, family) = report.note("manifest", read, |(manifest, _)| {
        format!("{}@{}, family {}", manifest.info.id, manifest.info.revision, manifest.info.family)
    })?;
    report.model = Some(manifest.info.clone());
    let files = manifest.file_names().count();
    // Hashed anew, whatever a cache remembers: that is what a check is for.
    report.note("files", manifest.check_files(None), |()| format!("{files} files, {} bytes", manifest.info.bytes))?;
    let codebook = report.note("codebook", manifest.codebook(), |codebook| match codebook {
        Some(codebook) => format!("{} entries", codebook.entries.len()),
        None => "none".into(),
    })?;
    let options = EmbedOptions { threads: 1, batch_pages: Some(1), device, hash_cache: None };
    let model = family.model(manifest, codebook, options);
    report.note("graphs", model.open(Files::Checked), |()| "open".into())?;
    let tried = try_once(model.as_ref(), report);
    block_on(model.shutdown());
    tried
}

/// Embeds a page and a question.
fn try_once(model: &dyn Opening, report: &mut Report) -> Option<()> {
    let started = Instant::now();
    let page = model.prepare(&stripes()).and_then(|input| {
        // Twice: the same page must give the same vectors.
        let (first, second) = (block_on(model.embed_page(input.clone()))?, block_on(model.embed_page(input))?);
        unit_norms(&first.patches)?;
        // A device may add up in another order each time.
        if first.layout == second.layout && alike(&first.patches, &second.patches) {
            Ok(first)
        } else {
            Err(Error::bug("two runs of one page gave different vectors"))
        }
    });
    report.note("page", page, |made| {
        format!("{} patches, {:.0} ms a page on one thread", made.patches.len(), millis(started) / 2.0)
    })?;
    let started = Instant::now();
    let asked = block_on(model.embed_question("does it work"));
    let asked = asked.and_then(|asked| unit_norms(&asked.tokens).map(|()| asked));
    report.note("question", asked, |asked| format!("{} tokens, {:.1} ms", asked.tokens.len(), millis(started)))?;
    Some(())
}

impl Report {
    fn note<T>(&mut self, name: &'static str, result: Result<T>, say: impl FnOnce(&T) -> String) -> Option<T> {
        match result {
            Ok(value) => {
                self.checks.push(Check { name, outcome: Ok(say(&value)) });
                Some(value)
            }
            Err(error) => {
                self.checks.push(Check { name, outcome: Err(error) });
                None
            }
        }
    }
}

fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

/// A page of dark strokes on white, about as dense as text.
fn stripes() -> PageImage {
    let (width, height) = (620u32, 877u32);
    let ink = |x: u32, y: u32| y % 24 < 12 && (60..560).contains(&x) && (x * 7 + y * 3) % 29 < 8;
    let rgb = (0..height).flat_map(|y| (0..width).flat_map(move |x| [if ink(x, y) { 20 } else { 255 }; 3])).collect();
    PageImage { width, height, rgb, dpi: None }
}

/// Whether two runs gave the same rows, but for rounding.
fn alike(a: &Multivector, b: &Multivector) -> bool {
    let near = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-2);
    a.len() == b.len() && near(a.as_slice(), b.as_slice())
}

fn unit_norms(vectors: &Multivector) -> Result<()> {
    for (at, row) in vectors.rows().enumerate() {
        let norm = row.iter().map(|value| value * value).sum::<f32>().sqrt();
        if norm.is_nan() || (norm - 1.0).abs() > 1e-3 {
            return Err(Error::configuration(format!("vector {at} has norm {norm}, expected 1: the graph is damaged")));
        }
    }
    Ok(())
}
