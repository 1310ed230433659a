//! `quire doctor`: what is found, what is missing, and what to do about it.

use std::io::{self, Write};

use super::exit::ExitCode;
use super::output::Output;
use crate::app::{self, App, Depth, DoctorReport, Installation};
use crate::config::Config;
use crate::error::Result;

/// Exit code 0 if everything is in place, else 2.
pub async fn doctor(config: Result<Config>, installation: &Installation, output: Output) -> Result<ExitCode> {
    tell(&app::doctor(config, installation).await, &output)
}

/// The same of an installation that a service holds open.
pub async fn examine(app: &App, output: Output) -> Result<ExitCode> {
    tell(&app::examine(app, Depth::Thorough).await, &output)
}

fn tell(report: &DoctorReport, output: &Output) -> Result<ExitCode> {
    output.result(report, |out| write_text(out, report))?;
    Ok(ExitCode::from(if report.is_healthy() { 0 } else { 2 }))
}

pub fn write_text(out: &mut dyn Write, report: &DoctorReport) -> io::Result<()> {
    writeln!(out, "quire {}", report.version)?;
    for check in &report.checks {
        writeln!(out, "  {} {:<13} {}", if check.ok { "ok     " } else { "MISSING" }, check.name, check.message)?;
    }
    Ok(())
}
