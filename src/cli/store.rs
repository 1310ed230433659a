//! `quire store`: what the store is, what lies in it, and whether that is what the ledger says.

use std::io::{self, Write};

use clap::Subcommand;
use serde::Serialize;

use super::exit::ExitCode;
use super::output::{Output, bytes, count};
use crate::app::{BuildReport, Scope, StoreCheck, StoreReport};
use crate::error::Result;
use crate::store::Optimizer;
use crate::telemetry::visible_line;

#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Show where vectors are kept, and points, sizes and state of every collection
    Info,
    /// Compare the store with the ledger: missing pages, pages that nobody knows, points that are not Quire's
    Check {
        /// Only this collection
        #[arg(long, value_name = "NAME")]
        collection: Option<String>,
        /// Queue documents that lack pages again, and remove pages that nobody knows
        #[arg(long)]
        repair: bool,
    },
}

#[derive(Debug, Serialize)]
struct Checks {
    sound: bool,
    collections: Vec<StoreCheck>,
}

pub async fn store(scope: &Scope<'_>, command: StoreCommand, output: Output) -> Result<ExitCode> {
    match command {
        StoreCommand::Info => {
            let report = scope.app().store_report().await?;
            output.result(&report, |out| write_report(out, &report))?;
            Ok(ExitCode::SUCCESS)
        }
        StoreCommand::Check { collection, repair } => {
            let collections = scope.check_stores(collection.as_deref(), repair).await?;
            let checks = Checks { sound: collections.iter().all(StoreCheck::is_sound), collections };
            output.result(&checks, |out| checks.collections.iter().try_for_each(|check| write_check(out, check)))?;
            Ok(if checks.sound { ExitCode::SUCCESS } else { ExitCode::from(1) })
        }
    }
}

fn write_report(out: &mut dyn Write, report: &StoreReport) -> io::Result<()> {
    writeln!(out, "{}", visible_line(&report.store.name))?;
    if let Some(note) = &report.store.note {
        writeln!(out, "  note: {note}")?;
    }
    report.builds.iter().try_for_each(|build| write_build(out, build))?;
    for name in &report.unknown {
        writeln!(out, "{}: not known to the ledger", visible_line(name))?;
    }
    Ok(())
}

fn write_build(out: &mut dyn Write, build: &BuildReport) -> io::Result<()> {
    let role = if build.active { "" } else { ", being built" };
    writeln!(out, "{} (in {}{role})", build.collection, build.physical)?;
    let Some(info) = &build.info else { return writeln!(out, "  not in the store") };
    let state = match &info.optimizer {
        Optimizer::Idle => "nothing to optimise".to_owned(),
        Optimizer::Working => "optimising".to_owned(),
        Optimizer::Failed(error) => format!("its optimiser failed: {}", visible_line(error)),
    };
    let (points, segments) = (count(info.points as u64, "point"), count(info.segments as u64, "segment"));
    writeln!(out, "  {points}, {} indexed, {segments}, {state}", count(info.indexed_vectors as u64, "vector"))?;
    for (name, mean) in &info.bytes_a_page {
        writeln!(out, "  {name:<8} {} a page", bytes(*mean as u64))?;
    }
    Ok(())
}

fn write_check(out: &mut dyn Write, check: &StoreCheck) -> io::Result<()> {
    let verdict = if check.is_sound() { "as the ledger says" } else { "not as the ledger says" };
    writeln!(
        out,
        "{}: {verdict}: {}, {} whole",
        check.collection,
        count(check.points as u64, "point"),
        count(check.whole as u64, "document")
    )?;
    for incomplete in &check.incomplete {
        let pages: Vec<String> = incomplete.missing_pages.iter().map(u32::to_string).collect();
        let more = if incomplete.missing > pages.len() { ", ..." } else { "" };
        writeln!(
            out,
            "  {} lacks {} of {}: {}{more}",
            visible_line(&incomplete.source),
            incomplete.missing,
            count(incomplete.expected_pages.into(), "page"),
            pages.join(", ")
        )?;
    }
    for orphan in &check.orphans {
        writeln!(
            out,
            "  {} of document {} (tenant {}) that nobody knows",
            count(orphan.points as u64, "page"),
            orphan.document_id,
            visible_line(&orphan.tenant.0)
        )?;
    }
    if check.waiting_for_removal > 0 {
        writeln!(out, "  {} wait for their removal", count(check.waiting_for_removal as u64, "page"))?;
    }
    if check.in_work > 0 {
        writeln!(out, "  {} of documents that are being worked on", count(check.in_work as u64, "page"))?;
    }
    if check.foreign_points > 0 {
        let named: Vec<String> = check.foreign.iter().map(|id| visible_line(id).into_owned()).collect();
        writeln!(
            out,
            "  {} not Quire's, left alone: {}",
            count(check.foreign_points as u64, "point"),
            named.join(", ")
        )?;
    }
    match &check.repaired {
        Some(repaired) => writeln!(
            out,
            "  repaired: {} queued again (`quire ingest` works on them), {} removed",
            count(repaired.documents_queued as u64, "document"),
            count(repaired.generations_removed as u64, "generation")
        ),
        None if !check.is_sound() => writeln!(out, "  `quire store check --repair` sets it right"),
        None => Ok(()),
    }
}
