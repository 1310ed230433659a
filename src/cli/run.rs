//! `quire run`: a pipeline file, once.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::exit::ExitCode;
use super::ingest::perform;
use super::output::{Output, bytes, count};
use crate::app::{IngestRequest, Installation, Scope, collection_requests, find};
use crate::config::{Config, Pipeline, Source};
use crate::error::{Error, Result};
use crate::source::{Buckets, Discover, Web};
use crate::telemetry::visible_line;

#[derive(Debug, Args)]
pub struct RunArgs {
    /// Pipeline file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Show what would be read and made, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// With --dry-run: print the collection that would be made, as the requests that Qdrant's console takes
    #[arg(long, requires = "dry_run")]
    show_collection: bool,
    /// Let `prune: true` delete documents even if it looks like an accident
    #[arg(long)]
    prune_anyway: bool,
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

pub async fn run(scope: &Scope<'_>, args: &RunArgs, output: Output, quiet: bool) -> Result<ExitCode> {
    let app = scope.app();
    let pipeline = app.installation().pipeline(&output.console.path(&args.file), app.config())?;
    let source = source_of(&pipeline, args)?;
    let request = IngestRequest { prune_anyway: args.prune_anyway, ..IngestRequest::of_pipeline(&pipeline, source) };
    perform(scope, request, output, quiet).await
}

/// What [`run`] would read; opens no data folder.
pub async fn dry_run(args: &RunArgs, config: &Config, installation: &Installation, output: Output) -> Result<ExitCode> {
    let pipeline = installation.pipeline(&args.file, config)?;
    if args.show_collection {
        let requests = collection_requests(&pipeline, config, installation).await?;
        output.result(&requests, |out| requests.iter().try_for_each(|request| writeln!(out, "{request}\n")))?;
        return Ok(ExitCode::SUCCESS);
    }
    let source = source_of(&pipeline, args)?;
    let buckets = Buckets::new(installation.environment().clone());
    let web = Web::new(config.urls.clone(), None, None);
    let discovery = find(&source.paths, &Discover::from(source), &buckets, &web).await?;
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
        plan.documents.iter().try_for_each(|source| writeln!(out, "  {}", visible_line(source)))?;
        plan.problems.iter().try_for_each(|problem| writeln!(out, "  problem: {}", visible_line(problem)))?;
        writeln!(out, "dry run: nothing was read or written")
    })?;
    Ok(ExitCode::SUCCESS)
}

fn source_of<'a>(pipeline: &'a Pipeline, args: &RunArgs) -> Result<&'a Source> {
    pipeline.source.as_ref().ok_or_else(|| {
        Error::configuration(format!(
            "{0} names no source: say what to read, or use `quire ingest PATH --pipeline {0}`",
            args.file.display()
        ))
    })
}
