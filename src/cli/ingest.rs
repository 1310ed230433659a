//! `quire ingest`: files and folders into a collection.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::bars::Bars;
use super::exit::ExitCode;
use super::output::{Output, count};
use super::{parse_tag, tags};
use crate::app::{DocumentCounts, DocumentNote, IngestRequest, IngestSummary, Scope};
use crate::error::{Error, Result};
use crate::source::{Discover, LINKS};
use crate::telemetry::visible_line;
use crate::types::{Note, Priority};

/// Files that are gone and are named; more are counted.
const NAMED: usize = 20;

#[derive(Debug, Args)]
pub struct IngestArgs {
    /// Files and folders, buckets (s3://BUCKET/PREFIX), and addresses of documents (https://...) where `urls.enabled` allows
    /// them; folders are walked for PDF, PNG, JPEG, WebP and TIFF files
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Pipeline file that says how pages are rendered, embedded and stored
    #[arg(long, value_name = "FILE")]
    pipeline: Option<PathBuf>,
    /// Collection to write to [default: documents, or the pipeline's]
    #[arg(long, value_name = "NAME")]
    collection: Option<String>,
    /// Tag every document; may be given more than once
    #[arg(long = "tag", value_name = "K=V", value_parser = parse_tag)]
    tags: Vec<(String, String)>,
    /// What goes first where documents wait: high, normal or low, beside your other documents [default: normal, or the pipeline's]
    #[arg(long, value_name = "PRIORITY", value_parser = parse_priority)]
    priority: Option<Priority>,
    /// Also delete documents of these folders whose files are gone
    #[arg(long)]
    prune: bool,
    /// Delete them even if it looks like an accident: a folder that is empty, or a large part of the documents
    #[arg(long, requires = "prune")]
    prune_anyway: bool,
    /// Index again what has not changed
    #[arg(long)]
    force: bool,
    /// In folders, take only files that match, as in '**/*.pdf'; may be given more than once
    #[arg(long, value_name = "GLOB")]
    include: Vec<String>,
    /// In folders, leave out files and folders that match; may be given more than once
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,
    /// In folders, follow symbolic links
    #[arg(long)]
    follow_symlinks: bool,
}

fn parse_priority(text: &str) -> std::result::Result<Priority, String> {
    text.parse().map_err(|error: Error| error.message().to_owned())
}

pub async fn ingest(scope: &Scope<'_>, args: IngestArgs, output: Output, quiet: bool) -> Result<ExitCode> {
    let app = scope.app();
    let read = |file: &Path| app.installation().pipeline(&output.console.path(file), app.config());
    let pipeline = args.pipeline.as_deref().map(read).transpose()?;
    let mut all_tags = pipeline.as_ref().map(|pipeline| pipeline.tags.clone()).unwrap_or_default();
    all_tags.extend(tags(&args.tags));
    let collection = args
        .collection
        .or_else(|| pipeline.as_ref().map(|pipeline| pipeline.collection.clone()))
        .unwrap_or_else(|| app.config().collection.clone());
    let mut discover =
        pipeline.as_ref().and_then(|pipeline| pipeline.source.as_ref()).map_or_else(Discover::default, Discover::from);
    if !args.include.is_empty() {
        discover.include = args.include;
    }
    discover.exclude.extend(args.exclude);
    discover.follow_symlinks |= args.follow_symlinks;
    let of_pipeline = pipeline.as_ref().map(|pipeline| pipeline.priority);
    let request = IngestRequest {
        priority: args.priority.or(of_pipeline).unwrap_or_default(),
        paths: output.console.paths(&args.paths),
        discover,
        pipeline,
        collection,
        tags: all_tags,
        prune: args.prune,
        prune_anyway: args.prune_anyway,
        force: args.force,
    };
    perform(scope, request, output, quiet).await
}

/// Runs an ingest under a progress bar and prints its summary.
pub async fn perform(scope: &Scope<'_>, request: IngestRequest, output: Output, quiet: bool) -> Result<ExitCode> {
    let stop = output.console.stop()?;
    let bars = Bars::new(scope, &request.collection, &output, quiet);
    let outcome = scope.ingest(request, &stop).await;
    bars.finish();
    let summary = outcome?;
    output.result(&summary, |out| write_text(out, &summary))?;
    Ok(ExitCode::from(u8::from(!summary.is_complete())))
}

fn write_text(out: &mut dyn Write, summary: &IngestSummary) -> io::Result<()> {
    let documents = &summary.documents;
    if documents.found == 0 && summary.failures.is_empty() {
        writeln!(out, "No documents were found: folders are walked for PDF, PNG, JPEG, WebP and TIFF files.")?;
    }
    writeln!(
        out,
        "{} indexed, {} unchanged, {} failed{}; {} in {:.1} s ({:.1} pages/s), collection {}",
        count(documents.indexed, "document"),
        documents.unchanged,
        documents.failed,
        more(documents),
        count(summary.pages, "page"),
        summary.seconds,
        summary.pages_per_second,
        summary.collection,
    )?;
    for failure in &summary.failures {
        writeln!(out, "  failed: {}: {}", visible_line(&failure.source), visible_line(&failure.reason))?;
    }
    for page in &summary.failed_pages {
        let (source, reason) = (visible_line(&page.source), visible_line(&page.reason));
        writeln!(out, "  page {} of {source} is missing: {reason}", page.page)?;
    }
    for DocumentNote { source, note } in &summary.document_notes {
        writeln!(out, "  {} of {}: {}", about(note), visible_line(source), visible_line(&note.reason))?;
    }
    if !summary.passed_over.is_empty() {
        writeln!(out, "  passed over: {}", passed_over(&summary.passed_over))?;
    }
    for source in summary.gone.iter().take(NAMED) {
        writeln!(out, "  gone: {}", visible_line(source))?;
    }
    if !summary.gone.is_empty() {
        let more = summary.gone.len().saturating_sub(NAMED);
        let more = if more > 0 { format!("{more} more, and ") } else { String::new() };
        writeln!(out, "  {more}still in the index: --prune takes documents out whose files are gone")?;
    }
    for note in &summary.notes {
        writeln!(out, "  note: {}", visible_line(note))?;
    }
    if summary.stopped {
        writeln!(out, "  stopped before everything was done: the next run goes on")?;
    }
    Ok(())
}

/// What a walk passed over, and how to have the links taken.
fn passed_over(kinds: &BTreeMap<String, u64>) -> String {
    let kinds = kinds.iter().map(|(kind, number)| match kind.as_str() {
        LINKS => format!("{number} {kind} (--follow-symlinks takes them)"),
        kind => format!("{number} {}", visible_line(kind)),
    });
    kinds.collect::<Vec<_>>().join(", ")
}

/// What a note is about, before the document's name.
fn about(note: &Note) -> String {
    match (note.page, note.lost) {
        (Some(page), true) => format!("lost: page {page}"),
        (Some(page), false) => format!("note: page {page}"),
        (None, true) => "lost: content".to_owned(),
        (None, false) => "note: content".to_owned(),
    }
}

/// What happens seldom.
fn more(documents: &DocumentCounts) -> String {
    let mut more = String::new();
    if documents.retagged > 0 {
        more += &format!(", {} with other tags", documents.retagged);
    }
    if documents.pruned > 0 {
        more += &format!(", {} removed", documents.pruned);
    }
    more
}
