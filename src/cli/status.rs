//! `quire status`: what is indexed, and how much room it takes.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;

use super::output::{Output, bytes};
use crate::app::App;
use crate::error::Result;
use crate::ledger::State;
use crate::store::Filter;

#[derive(Debug, Serialize)]
struct Status {
    data_dir: String,
    collections: Vec<CollectionStatus>,
    /// Bytes on disk by part.
    disk_bytes: BTreeMap<&'static str, u64>,
}

#[derive(Debug, Serialize)]
struct CollectionStatus {
    name: String,
    model: String,
    vectors: Vec<String>,
    plans: Vec<String>,
    default_plan: String,
    documents: BTreeMap<State, u64>,
    pages: usize,
}

pub async fn status(app: &App, output: Output) -> Result<ExitCode> {
    let mut collections = Vec::new();
    for record in app.ledger().collections().await? {
        let definition = app.definition(&record.name).await?;
        collections.push(CollectionStatus {
            documents: app.ledger().counts(Some(&record.name)).await?,
            pages: app.store().count(&record.name, &Filter::default()).await?,
            model: definition.model_name,
            vectors: definition.schema.vectors.iter().map(|spec| spec.name.to_string()).collect(),
            plans: definition.plans.into_iter().map(|plan| plan.name).collect(),
            default_plan: definition.default_plan,
            name: record.name,
        });
    }
    let data = app.data();
    let disk_bytes = BTreeMap::from([
        ("blobs", folder_bytes(&data.blobs())),
        ("ledger", folder_bytes(&data.ledger())),
        ("vectors", folder_bytes(&data.vectors())),
    ]);
    let status = Status { data_dir: data.root().display().to_string(), collections, disk_bytes };
    output.result(&status, |out| write_text(out, &status))?;
    Ok(ExitCode::SUCCESS)
}

/// Bytes that a file or folder really takes: sparse files count by their blocks.
fn folder_bytes(path: &Path) -> u64 {
    walkdir::WalkDir::new(path)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.metadata().ok())
        .filter(std::fs::Metadata::is_file)
        .map(|metadata| allocated_bytes(&metadata))
        .sum()
}

#[cfg(unix)]
fn allocated_bytes(metadata: &std::fs::Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt;
    metadata.blocks() * 512
}

#[cfg(not(unix))]
fn allocated_bytes(metadata: &std::fs::Metadata) -> u64 {
    metadata.len()
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
    }
    writeln!(out)?;
    for (part, size) in &status.disk_bytes {
        writeln!(out, "  {part:<8} {:>10}", bytes(*size))?;
    }
    Ok(())
}
