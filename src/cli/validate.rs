//! `quire validate`: every mistake of every file, at once.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::exit::ExitCode;
use super::output::Output;
use crate::app::Installation;
use crate::config::Config;
use crate::error::Result;

#[derive(Debug, Args)]
pub struct ValidateArgs {
    /// Pipeline files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Validation {
    files: Vec<FileReport>,
}

#[derive(Debug, Serialize)]
struct FileReport {
    file: String,
    valid: bool,
    /// What is wrong, a line each.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

pub fn validate(args: &ValidateArgs, config: &Config, installation: &Installation, output: Output) -> Result<ExitCode> {
    let files: Vec<FileReport> = args
        .files
        .iter()
        .map(|file| {
            let message = installation.pipeline(file, config).err().map(|error| error.to_string());
            FileReport { file: file.display().to_string(), valid: message.is_none(), message }
        })
        .collect();
    let all_valid = files.iter().all(|file| file.valid);
    let validation = Validation { files };
    output.result(&validation, |out| {
        validation.files.iter().try_for_each(|report| match &report.message {
            None => writeln!(out, "{}: valid", report.file),
            Some(message) => writeln!(out, "{message}"),
        })
    })?;
    Ok(ExitCode::from(if all_valid { 0 } else { 2 }))
}
