//! `quire eval`: recall of a collection's plans on a set of questions whose pages are known.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;

use super::bars::Bars;
use super::exit::ExitCode;
use super::output::Output;
use crate::app::{EvalReport, EvalRequest, IngestRequest, Scope};
use crate::error::{Error, Result};
use crate::source::Discover;

#[derive(Debug, Args)]
pub struct EvalArgs {
    /// Folder with documents/ and questions.jsonl (a line a question: question, kind, document, page)
    set: PathBuf,
    /// Collection to index the documents into
    #[arg(long, value_name = "NAME", default_value = "eval")]
    collection: String,
    /// Plans to measure, best given in the order of interest
    #[arg(long = "plan", value_name = "NAME", default_values_t = ["hybrid", "anchors", "exact", "text"].map(str::to_owned))]
    plans: Vec<String>,
    /// Sub-folder of the set that holds the documents
    #[arg(long, value_name = "FOLDER", default_value = "documents")]
    documents: String,
}

pub async fn eval(scope: &Scope<'_>, args: EvalArgs, output: Output, quiet: bool) -> Result<ExitCode> {
    let stop = output.console.stop()?;
    let set = output.console.path(&args.set);
    let bars = Bars::new(scope, &args.collection, &output, quiet);
    let request = IngestRequest {
        paths: vec![set.join(&args.documents)],
        discover: Discover::default(),
        pipeline: None,
        collection: args.collection.clone(),
        priority: Default::default(),
        tags: BTreeMap::new(),
        prune: true,
        // The set is what its folder holds.
        prune_anyway: true,
        force: false,
    };
    let outcome = scope.ingest(request, &stop).await;
    bars.finish();
    let summary = outcome?;
    if summary.stopped {
        return Err(Error::transient("stopped before the documents of the set were indexed: the next run goes on"));
    }
    if summary.documents.found == 0 {
        return Err(Error::configuration(format!("{} holds no documents", args.set.join(&args.documents).display())));
    }
    let request = EvalRequest { set, collection: args.collection, plans: args.plans };
    let report = scope.evaluate(&request).await?;
    output.result(&report, |out| write_text(out, &report, &request.plans))?;
    Ok(ExitCode::SUCCESS)
}

fn write_text(out: &mut dyn Write, report: &EvalReport, plans: &[String]) -> io::Result<()> {
    let columns: Vec<&str> = plans.iter().map(String::as_str).chain(["random"]).collect();
    writeln!(out, "{} pages; recall@1 and recall@5 by plan (text: BM25 on the text layer)\n", report.pages)?;
    if report.left_out > 0 {
        writeln!(out, "{} questions left out: their pages are not indexed\n", report.left_out)?;
    }
    write!(out, "| kind | questions |")?;
    columns.iter().try_for_each(|plan| write!(out, " {plan} @1 | {plan} @5 |"))?;
    write!(out, "\n|---|---|{}", "---|---|".repeat(columns.len()))?;
    for kind in &report.kinds {
        write!(out, "\n| {} | {} |", kind.kind, kind.questions)?;
        for plan in &columns {
            let recall = kind.plans.get(*plan).copied().unwrap_or_default();
            write!(out, " {:.3} | {:.3} |", recall.at_1, recall.at_5)?;
        }
    }
    writeln!(out)
}
