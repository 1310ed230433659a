//! `quire migrate`: collections from one vector store to another.

use super::exit::ExitCode;
use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use super::output::{Output, count};
use crate::app::{MigrateRequest, Migrated, Scope};
use crate::error::{Error, Result};
use crate::telemetry::visible_line;

#[derive(Debug, Args)]
pub struct MigrateArgs {
    /// Store to copy to: the address of a Qdrant server's gRPC port, or 'in-process' for the data folder
    #[arg(long, value_name = "URL")]
    to: String,
    /// Copy only this collection; may be given more than once
    #[arg(long = "collection", value_name = "NAME")]
    collections: Vec<String>,
    /// Name of the variable that holds the key of that server
    #[arg(long, value_name = "VARIABLE")]
    api_key_env: Option<String>,
    /// What names on that server begin with
    #[arg(long, value_name = "PREFIX")]
    prefix: Option<String>,
    /// Afterwards drop the vectors from the store that they were in
    #[arg(long)]
    drop_source: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    to: String,
    collections: Vec<Migrated>,
}

pub async fn migrate(scope: &Scope<'_>, args: MigrateArgs, output: Output) -> Result<ExitCode> {
    let app = scope.app();
    if output.console.is_far() {
        return Err(Error::configuration(
            "a service works on this data folder, and would go on with the store that it was started with: stop it, then migrate",
        ));
    }
    let api_key = args.api_key_env.as_deref().map(|variable| {
        let key = app.installation().environment().text(variable).map(str::to_owned);
        key.ok_or_else(|| Error::configuration(format!("the variable {variable} is not set")))
    });
    let request = MigrateRequest {
        to: args.to,
        api_key: api_key.transpose()?,
        prefix: args.prefix,
        collections: args.collections,
        drop_source: args.drop_source,
    };
    let stop = output.console.stop()?;
    let collections = app.migrate(&request, &stop).await?;
    let report = Report { to: request.to, collections };
    output.result(&report, |out| write_report(out, &report))?;
    let complete = report.collections.iter().all(|migrated| migrated.complete);
    Ok(if complete { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn write_report(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    if report.collections.is_empty() {
        return writeln!(out, "No collections.");
    }
    for migrated in &report.collections {
        let Migrated { collection, points, copied, compared_points, compared_rankings, seconds, .. } = migrated;
        write!(out, "{}: {}, {copied} copied in {seconds:.1} s", visible_line(collection), count(*points, "point"))?;
        if !migrated.complete {
            writeln!(out, "; stopped: the same command goes on")?;
            continue;
        }
        writeln!(
            out,
            "; {} and {} found equal",
            count(*compared_points as u64, "point"),
            count(*compared_rankings as u64, "ranking")
        )?;
    }
    let how = match report.to.as_str() {
        "in-process" => "take store.url out of the configuration".to_owned(),
        url => format!("set store.url to {}", visible_line(url)),
    };
    writeln!(out, "From now on: {how}.")
}
