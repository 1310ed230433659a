//! `quire run`: a pipeline file, once.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::ingest::perform;
use super::output::{Output, bytes, count};
use crate::app::{App, IngestRequest};
use crate::config::{Pipeline, PipelineContext};
use crate::error::{Error, Result};
use crate::source::discover;

#[derive(Debug, Args)]
pub struct RunArgs {
    /// Pipeline file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Show what would be read and made, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Serialize)]
struct DryRun {
    pipeline: String,
    collection: String,
    model: String,
    vectors: Vec<String>,
    default_plan: Option<String>,
    documents: Vec<String>,
    bytes: u64,
    problems: Vec<String>,
}

pub async fn run(app: &App, context: &PipelineContext, args: &RunArgs, output: Output, quiet: bool) -> Result<ExitCode> {
    let pipeline = Pipeline::load(&args.file, context)?;
    check_sources(&pipeline, args)?;
    let request = IngestRequest {
        paths: pipeline.source.paths.clone(),
        discover: pipeline.source.discover.clone(),
        collection: pipeline.collection.clone(),
        tags: pipeline.tags.clone(),
        prune: pipeline.source.prune,
        force: false,
        pipeline: Some(pipeline),
    };
    perform(app, request, output, quiet).await
}

/// What [`run`] would read; opens no data folder.
pub fn dry_run(args: &RunArgs, context: &PipelineContext, output: Output) -> Result<ExitCode> {
    let pipeline = Pipeline::load(&args.file, context)?;
    check_sources(&pipeline, args)?;
    let discovery = discover(&pipeline.source.paths, &pipeline.source.discover)?;
    let plan = DryRun {
        bytes: discovery.files.iter().map(|file| file.size_bytes).sum(),
        documents: discovery.files.into_iter().map(|file| file.source.uri).collect(),
        problems: discovery.problems.into_iter().map(|(path, error)| format!("{}: {error}", path.display())).collect(),
        vectors: pipeline.derive.vectors.iter().map(ToString::to_string).collect(),
        pipeline: pipeline.name,
        collection: pipeline.collection,
        model: pipeline.model,
        default_plan: pipeline.default_plan,
    };
    output.result(&plan, |out| {
        writeln!(
            out,
            "pipeline {}: {} ({}) into collection {}",
            plan.pipeline,
            count(plan.documents.len() as u64, "document"),
            bytes(plan.bytes),
            plan.collection
        )?;
        writeln!(out, "  model {}, vectors {}", plan.model, plan.vectors.join(", "))?;
        plan.documents.iter().try_for_each(|source| writeln!(out, "  {source}"))?;
        plan.problems.iter().try_for_each(|problem| writeln!(out, "  problem: {problem}"))?;
        writeln!(out, "dry run: nothing was read or written")
    })?;
    Ok(ExitCode::SUCCESS)
}

fn check_sources(pipeline: &Pipeline, args: &RunArgs) -> Result<()> {
    if pipeline.source.paths.is_empty() {
        return Err(Error::configuration(format!(
            "{} names no source.paths: say what to read, or use `quire ingest PATH --pipeline {0}`",
            args.file.display()
        )));
    }
    Ok(())
}
