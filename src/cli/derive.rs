//! `quire derive`: vectors that a filled collection is given from its stored patches, or loses; also for collections of a server that
//! something else wrote.

use super::exit::ExitCode;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::output::{Output, count};
use crate::app::{
    Agreement, DeriveHow, DeriveReport, ForeignReport, ForeignRequest, Installation, Scope, derive_add_foreign,
    derive_drop_foreign,
};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::telemetry::visible_line;
use crate::types::{Grid, VectorName};

#[derive(Debug, Subcommand)]
pub enum DeriveCommand {
    /// Give every page of a collection a vector, from its stored patches: rows, cols, pooled, fde or anchors
    Add(AddArgs),
    /// Take a vector from a collection
    Drop(DropArgs),
}

#[derive(Debug, Args)]
pub struct AddArgs {
    /// rows, cols, pooled, fde or anchors
    vector: VectorName,
    /// The collection [default: documents]
    #[arg(long, value_name = "NAME")]
    collection: Option<String>,
    /// Pipeline file whose parameters the vector is made with
    #[arg(long, value_name = "FILE")]
    pipeline: Option<PathBuf>,
    /// The collection is one of the server that Quire did not make: the multivector to derive from
    #[arg(long, value_name = "FIELD", requires = "collection")]
    from: Option<String>,
    /// With --from: what the vector is to be called [default: fde, pooled, rows or cols]
    #[arg(long = "as", value_name = "NAME", requires = "from")]
    name: Option<String>,
    /// With --from, for rows and cols: the grid that the first vectors of a point are the cells of, line by line
    #[arg(long, value_name = "ROWSxCOLS", requires = "from", value_parser = parse_grid)]
    grid: Option<Grid>,
}

#[derive(Debug, Args)]
pub struct DropArgs {
    /// The vector
    vector: String,
    /// The collection [default: documents]
    #[arg(long, value_name = "NAME")]
    collection: Option<String>,
    /// The collection is one of the server that Quire did not make; only what `derive add` gave it is taken away
    #[arg(long, requires = "collection")]
    foreign: bool,
}

impl DeriveCommand {
    /// Whether it is about a collection that Quire did not make: no data folder is needed.
    pub fn is_foreign(&self) -> bool {
        match self {
            Self::Add(args) => args.from.is_some(),
            Self::Drop(args) => args.foreign,
        }
    }
}

#[derive(Debug, Serialize)]
struct Dropped {
    collection: String,
    vector: String,
    dropped: bool,
}

pub async fn derive(scope: &Scope<'_>, command: DeriveCommand, output: Output) -> Result<ExitCode> {
    let app = scope.app();
    let stop = output.console.stop()?;
    let report = match command {
        DeriveCommand::Add(args) => {
            let file = args.pipeline.as_deref().map(|file| output.console.path(file));
            let pipeline = file.map(|file| app.installation().pipeline(&file, app.config())).transpose()?;
            let named = pipeline.as_ref().map(|pipeline| pipeline.collection.clone());
            let collection = args.collection.or(named).unwrap_or_else(|| app.config().collection.clone());
            app.deriver().add(&collection, args.vector, pipeline.as_ref(), &stop).await?
        }
        DeriveCommand::Drop(args) => {
            let collection = args.collection.unwrap_or_else(|| app.config().collection.clone());
            app.deriver().drop(&collection, args.vector.parse()?, &stop).await?
        }
    };
    output.result(&report, |out| write_report(out, &report))?;
    Ok(if report.stopped { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// The same for a collection that Quire did not make.
pub async fn derive_foreign(
    command: DeriveCommand,
    config: &Config,
    installation: &Installation,
    output: Output,
) -> Result<ExitCode> {
    match command {
        DeriveCommand::Add(args) => {
            let stop = output.console.stop()?;
            let collection = args.collection.ok_or_else(|| Error::configuration("--collection is missing"))?;
            let pipeline = args.pipeline.as_deref().map(|file| installation.pipeline(file, config)).transpose()?;
            let (kind, from, name, grid) = (args.vector, args.from, args.name, args.grid);
            let request = ForeignRequest { collection, kind, from, name, grid, pipeline };
            let report = derive_add_foreign(config, &request, &stop).await?;
            output.result(&report, |out| write_foreign(out, &report))?;
            Ok(if report.stopped { ExitCode::from(1) } else { ExitCode::SUCCESS })
        }
        DeriveCommand::Drop(args) => {
            let collection = args.collection.ok_or_else(|| Error::configuration("--collection is missing"))?;
            derive_drop_foreign(config, &collection, &args.vector).await?;
            let dropped = Dropped { collection, vector: args.vector, dropped: true };
            output.result(&dropped, |out| {
                writeln!(out, "'{}' is gone from {}", visible_line(&dropped.vector), visible_line(&dropped.collection))
            })?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn write_report(out: &mut dyn Write, report: &DeriveReport) -> io::Result<()> {
    let DeriveReport { collection, vector, pages, documents_left, seconds, .. } = report;
    match report.how {
        DeriveHow::InPlace if !report.is_addition => {
            writeln!(out, "{collection}: '{vector}' is gone, in {seconds:.1} s")?
        }
        DeriveHow::Nothing => return writeln!(out, "{collection} is as it was asked for: nothing was done"),
        DeriveHow::InPlace => {
            writeln!(out, "{collection}: '{vector}' in place, {} in {seconds:.1} s", count(*pages, "page"))?;
        }
        DeriveHow::Beside => {
            writeln!(out, "{collection}: '{vector}' in a new build, {} in {seconds:.1} s", count(*pages, "page"))?;
        }
    }
    if *documents_left > 0 {
        writeln!(
            out,
            "  {} could not be taken from what is stored: `quire ingest` puts them in and then asks questions of the new build",
            count(*documents_left, "document")
        )?;
    }
    if report.stopped {
        writeln!(out, "  stopped: the same command goes on")?;
    }
    writeln!(out, "  plans: {}", report.plans.join(", "))
}

fn write_foreign(out: &mut dyn Write, report: &ForeignReport) -> io::Result<()> {
    let ForeignReport { collection, vector, points, filled, seconds, .. } = report;
    let (collection, vector) = (visible_line(collection), visible_line(vector));
    writeln!(out, "{collection}: '{vector}' for {filled} of {}, in {seconds:.1} s", count(*points, "point"))?;
    if report.passed_over > 0 {
        writeln!(out, "  {} with fewer rows than the grid has cells got none", count(report.passed_over, "point"))?;
    }
    if report.stopped {
        return writeln!(out, "  stopped: the same command goes on");
    }
    if let Some(agreement) = &report.agreement {
        writeln!(
            out,
            "  asked with {}, each 16 patches of a page; MaxSim over every point takes {:.1} ms",
            count(agreement.questions as u64, "question"),
            agreement.full_max_sim_ms
        )?;
        for tried in &agreement.tried {
            writeln!(
                out,
                "  {} candidates: {:.1} % of its ten best pages, {:.1} ms",
                tried.prefetch_limit,
                tried.recall_at_10 * 100.0,
                tried.ms
            )?;
        }
        write_verdict(out, agreement)?;
    }
    writeln!(out, "\nThe query; the vector of '{vector}' is {}:\n\n{}", report.question_vector, report.query)?;
    if let Some(example) = &report.example {
        writeln!(out, "\nTo try at once, for pages like one that is there:\n\n{example}")?;
    }
    writeln!(out, "\n`quire derive drop {vector} --collection {collection} --foreign` takes it back.")
}

/// Whether the query that is proposed is worth its while.
fn write_verdict(out: &mut dyn Write, agreement: &Agreement) -> io::Result<()> {
    let candidates = agreement.prefetch_limit;
    if !agreement.is_enough {
        writeln!(
            out,
            "  no number of candidates that was tried finds 95 %: the query below takes {candidates}. A finer encoding finds more with as \
             many, and takes as much more room: `--pipeline` with `vectors: {{fde: {{k_sim: 6, r_reps: 40}}}}`, under another name (--as)"
        )?;
    }
    if !agreement.is_faster {
        writeln!(
            out,
            "  {candidates} candidates take no less time than MaxSim over every point: as long as the collection is as small as this, ask \
             without a prefetch"
        )?;
    }
    Ok(())
}

/// `32x32`.
fn parse_grid(text: &str) -> std::result::Result<Grid, String> {
    let wrong = || format!("'{text}' is no grid: rows x columns of patches are expected, such as 32x32");
    let (rows, cols) = text.split_once('x').ok_or_else(wrong)?;
    match (rows.parse(), cols.parse()) {
        (Ok(rows @ 1..=1024), Ok(cols @ 1..=1024)) => Ok(Grid { rows, cols }),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_that_falls_short_is_not_praised() {
        let said = |is_enough, is_faster| {
            let agreement = Agreement {
                questions: 32,
                full_max_sim_ms: 9.0,
                prefetch_limit: 3200,
                is_enough,
                is_faster,
                tried: Vec::new(),
            };
            let mut out = Vec::new();
            write_verdict(&mut out, &agreement).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(said(true, true), "");
        assert!(said(false, true).contains("finds 95 %") && !said(false, true).contains("no less time"));
        assert!(said(true, false).contains("3200 candidates take no less time"));
    }

    #[test]
    fn a_grid_is_rows_by_columns() {
        assert_eq!(parse_grid("26x37"), Ok(Grid { rows: 26, cols: 37 }));
        for wrong in ["", "32", "0x3", "3x", "x3", "3x9999"] {
            assert!(parse_grid(wrong).is_err(), "{wrong}");
        }
    }
}
