//! `quire status`: what is indexed, and how much room it takes.

use std::io::{self, Write};

use super::exit::ExitCode;
use super::output::{Output, bytes};
use crate::app::{Scope, Status};
use crate::error::Result;

pub async fn status(scope: &Scope<'_>, output: Output) -> Result<ExitCode> {
    let status = scope.status().await?;
    output.result(&status, |out| write_text(out, &status))?;
    Ok(ExitCode::SUCCESS)
}

fn write_text(out: &mut dyn Write, status: &Status) -> io::Result<()> {
    writeln!(out, "data folder {}", status.data_dir)?;
    if status.collections.is_empty() {
        writeln!(out, "nothing is indexed yet: begin with `quire ingest FOLDER`")?;
    }
    for collection in &status.collections {
        writeln!(out, "\ncollection {}: {} pages, model {}", collection.name, collection.pages, collection.model)?;
        for (state, number) in &collection.documents {
            writeln!(out, "  {number:>7} documents {}", state.as_str())?;
        }
        writeln!(out, "  vectors {}", collection.vectors.join(", "))?;
        writeln!(out, "  plans   {} (default {})", collection.plans.join(", "), collection.default_plan)?;
        if let Some(model) = &collection.rebuilding {
            writeln!(
                out,
                "  built anew under another recipe, with {model}; questions are asked of what is shown here"
            )?;
        }
    }
    writeln!(out)?;
    for (part, size) in &status.disk_bytes {
        writeln!(out, "  {part:<8} {:>10}", bytes(*size))?;
    }
    Ok(())
}
