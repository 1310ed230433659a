//! `quire model check`: does a model folder work on this machine?

use std::path::Path;
use std::time::Instant;

use super::manifest::{FamilyManifest, Manifest, ModelInfo};
use super::worker::Model;
use super::{glyph, open_glyph};
use crate::error::{Error, Result};
use crate::types::{Multivector, PageImage};

/// What was checked, in order; the first failure ends it.
#[derive(Debug)]
pub struct Report {
    /// None where the manifest could not be read.
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
pub fn check(model_dir: &Path) -> Report {
    let mut report = Report { model: None, checks: Vec::new() };
    run(model_dir, &mut report);
    report
}

/// None where a check failed.
fn run(model_dir: &Path, report: &mut Report) -> Option<()> {
    let manifest = report.note("manifest", Manifest::read(model_dir), |manifest| {
        format!("{}@{}, family {}", manifest.info.id, manifest.info.revision, manifest.info.family)
    })?;
    report.model = Some(manifest.info.clone());
    let files = manifest.file_names().count();
    report.note("files", manifest.check_files(), |()| format!("{files} files, {} bytes", manifest.info.bytes))?;
    report.note("codebook", manifest.codebook(), |codebook| match codebook {
        Some(codebook) => format!("{} entries", codebook.entries.len()),
        None => "none".into(),
    })?;
    let FamilyManifest::Glyph(spec) = &manifest.family;
    let (rules, mut pages, mut questions) = report.note("graphs", open_glyph(&manifest, spec, 1), |_| "open".into())?;
    let started = Instant::now();
    let page = glyph::Canvas::new(&stripes(), &spec.page).and_then(|canvas| {
        // Twice: the same page must give the same vectors.
        let made = [pages.run(std::slice::from_ref(&canvas))?, pages.run(std::slice::from_ref(&canvas))?].concat();
        unit_norms(&made[0].patches)?;
        if made[0] == made[1] { Ok(made) } else { Err(Error::bug("two runs of one page gave different vectors")) }
    });
    report.note("page", page, |made| {
        format!("{} patches, {:.0} ms a page on one thread", made[0].patches.len(), millis(started) / 2.0)
    })?;
    let started = Instant::now();
    let asked = questions.run(&[glyph::Words(rules.question_words("does it work"))]);
    let asked = asked.and_then(|asked| unit_norms(&asked[0].tokens).map(|()| asked));
    report.note("question", asked, |asked| format!("{} tokens, {:.1} ms", asked[0].tokens.len(), millis(started)))?;
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
    PageImage { width, height, rgb }
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
