//! `quire model`: which page models there are, and whether they are whole.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Subcommand;
use serde::Serialize;

use super::output::Output;
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
            output.result(&info, |out| write_info(out, &info))?;
        }
        ModelCommand::Check { model } => {
            let folder = installation.model(model.as_deref().unwrap_or(&config.model))?;
            embed::runtime::init(&installation.onnxruntime(config)?)?;
            let report = embed::check(&folder)?;
            output.result(&report, |out| {
                writeln!(out, "{} is whole: files, graphs and a run of each side are as its manifest says", folder.display())
            })?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn write_info(out: &mut dyn Write, info: &ModelInfo) -> io::Result<()> {
    writeln!(out, "{}", info.name())?;
    writeln!(out, "  family       {}", info.family)?;
    writeln!(out, "  dimensions   {}", info.dim)?;
    writeln!(out, "  licence      {}", info.license)?;
    writeln!(out, "  default plan {}", info.default_plan)
}
