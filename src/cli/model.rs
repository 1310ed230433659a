//! `quire model`: which page models there are, and whether they are whole.

use std::io::{self, Write};

use clap::Subcommand;
use serde::Serialize;

use super::exit::ExitCode;
use super::output::{Output, bytes};
use crate::app::Installation;
use crate::config::Config;
use crate::embed::{self, ModelInfo};
use crate::error::Result;

#[derive(Debug, Subcommand)]
pub enum ModelCommand {
    /// List the models that are found
    List,
    /// Show what a model is
    Show {
        /// Name or folder of the model [default: the configured one]
        model: Option<String>,
    },
    /// Check hashes, load the graphs and run them once
    Check {
        /// Name or folder of the model [default: the configured one]
        model: Option<String>,
    },
}

#[derive(Debug, Serialize)]
struct Models {
    models: Vec<Listed>,
}

#[derive(Debug, Serialize)]
struct Listed {
    name: String,
    folder: String,
    default: bool,
}

/// A model as `show` prints it.
#[derive(Debug, Serialize)]
struct InfoView {
    id: String,
    revision: String,
    family: String,
    dim: usize,
    license: String,
    default_plan: Option<String>,
    has_codebook: bool,
    manifest_sha256: String,
    bytes: u64,
    folder: String,
}

impl From<&ModelInfo> for InfoView {
    fn from(info: &ModelInfo) -> Self {
        Self {
            id: info.id.clone(),
            revision: info.revision.clone(),
            family: info.family.to_string(),
            dim: info.dim,
            license: info.license.clone(),
            default_plan: info.default_plan.clone(),
            has_codebook: info.has_codebook,
            manifest_sha256: info.manifest_sha256.clone(),
            bytes: info.bytes,
            folder: info.folder.display().to_string(),
        }
    }
}

#[derive(Debug, Serialize)]
struct CheckReport {
    ok: bool,
    model: Option<String>,
    checks: Vec<CheckView>,
}

#[derive(Debug, Serialize)]
struct CheckView {
    name: &'static str,
    ok: bool,
    message: String,
}

impl From<embed::Report> for CheckReport {
    fn from(report: embed::Report) -> Self {
        Self {
            ok: report.is_ok(),
            model: report.model.as_ref().map(ModelInfo::name),
            checks: report
                .checks
                .into_iter()
                .map(|check| CheckView {
                    name: check.name,
                    ok: check.outcome.is_ok(),
                    message: check.outcome.unwrap_or_else(|error| error.to_string()),
                })
                .collect(),
        }
    }
}

pub fn model(command: ModelCommand, config: &Config, installation: &Installation, output: Output) -> Result<ExitCode> {
    match command {
        ModelCommand::List => {
            let models = installation
                .models()
                .into_iter()
                .map(|(name, folder)| Listed {
                    default: name == config.model,
                    name,
                    folder: folder.display().to_string(),
                })
                .collect();
            let models = Models { models };
            output.result(&models, |out| {
                models.models.iter().try_for_each(|model| {
                    writeln!(out, "{}{}  {}", model.name, if model.default { " (default)" } else { "" }, model.folder)
                })
            })?;
        }
        ModelCommand::Show { model } => {
            let folder = installation.model(model.as_deref().unwrap_or(&config.model))?;
            let info = embed::read_info(&folder)?;
            let view = InfoView::from(&info);
            output.result(&view, |out| write_info(out, &info))?;
        }
        ModelCommand::Check { model } => {
            let folder = installation.model(model.as_deref().unwrap_or(&config.model))?;
            embed::runtime::init(&installation.onnxruntime(config)?)?;
            let report = CheckReport::from(embed::check(&folder, config.embed.device));
            output.result(&report, |out| {
                report.checks.iter().try_for_each(|check| {
                    writeln!(out, "{} {:<10} {}", if check.ok { "ok    " } else { "FAILED" }, check.name, check.message)
                })
            })?;
            return Ok(ExitCode::from(if report.ok { 0 } else { 2 }));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn write_info(out: &mut dyn Write, info: &ModelInfo) -> io::Result<()> {
    writeln!(out, "{}", info.name())?;
    writeln!(out, "  family       {}", info.family)?;
    writeln!(out, "  dimensions   {}", info.dim)?;
    writeln!(out, "  licence      {}", info.license)?;
    writeln!(out, "  folder       {}", info.folder.display())?;
    writeln!(out, "  size         {}", bytes(info.bytes))?;
    writeln!(out, "  default plan {}", info.default_plan.as_deref().unwrap_or("exact"))
}
