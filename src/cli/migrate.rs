//! `quire migrate`: collections from one vector store to another, and the ledger from one database to another.

use super::exit::ExitCode;
use std::io::{self, Write};

use clap::{ArgGroup, Args};
use serde::Serialize;

use super::output::{Output, count};
use crate::app::{self, LedgerMigrated, MigrateRequest, Migrated, Scope};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::telemetry::visible_line;

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).args(["to", "ledger_to"])))]
pub struct MigrateArgs {
    /// Store to copy vectors to: the address of a Qdrant server's gRPC port, or 'in-process' for the data folder
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// Database to move documents, jobs and keys to: postgres://USER@HOST/DATABASE, or 'data-folder' for its SQLite file. It must be
    /// empty. Leave the password to PGPASSWORD or ~/.pgpass: others see the arguments of a program
    #[arg(long, value_name = "URL")]
    ledger_to: Option<String>,
    /// Copy only this collection; may be given more than once
    #[arg(long = "collection", value_name = "NAME", requires = "to")]
    collections: Vec<String>,
    /// Name of the variable that holds the key of that server
    #[arg(long, value_name = "VARIABLE", requires = "to")]
    api_key_env: Option<String>,
    /// What names on that server begin with
    #[arg(long, value_name = "PREFIX", requires = "to")]
    prefix: Option<String>,
    /// Afterwards drop the vectors from the store that they were in
    #[arg(long, requires = "to")]
    drop_source: bool,
}

impl MigrateArgs {
    /// Whether it is about the ledger: no store is needed, and nobody else may have the ledger open.
    pub fn is_of_ledger(&self) -> bool {
        self.ledger_to.is_some()
    }
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
            "a service works on this data folder, and would go on with the store and the ledger that it was started with: stop it, then \
             migrate",
        ));
    }
    let to = args.to.ok_or_else(|| Error::bug("a ledger is moved without opening the installation"))?;
    let api_key = args.api_key_env.as_deref().map(|variable| {
        let key = app.installation().environment().text(variable).map(str::to_owned);
        key.ok_or_else(|| Error::configuration(format!("the variable {variable} is not set")))
    });
    let request = MigrateRequest {
        to,
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

/// Moves the ledger.
pub async fn migrate_ledger(args: &MigrateArgs, config: &Config, output: Output) -> Result<ExitCode> {
    let to = args.ledger_to.as_deref().unwrap_or_default();
    let report = app::migrate_ledger(config, to).await?;
    output.result(&report, |out| write_ledger(out, &report))?;
    Ok(ExitCode::SUCCESS)
}

fn write_ledger(out: &mut dyn Write, report: &LedgerMigrated) -> io::Result<()> {
    let LedgerMigrated { from, to, tables, seconds, .. } = report;
    let rows: Vec<String> = tables.iter().map(|table| format!("{} {}", table.rows, table.table)).collect();
    writeln!(out, "{}: {}; copied in {seconds:.1} s, read back and found equal", visible_line(to), rows.join(", "))?;
    let how =
        if report.is_on_server { "set ledger.url to that address" } else { "take ledger.url out of the configuration" };
    writeln!(out, "From now on: {how}. {} is as it was, and nobody may work with it any more.", visible_line(from))
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
