//! `quire collections`: what there is, and which build of a collection questions are asked of.

use std::io::{self, Write};

use clap::Subcommand;
use serde::Serialize;

use super::console::Console;
use super::exit::ExitCode;
use super::output::{Output, count};
use crate::app::{CollectionStatus, Scope};
use crate::error::{Error, Result};
use crate::ledger::Switch;

#[derive(Debug, Subcommand)]
pub enum CollectionsCommand {
    /// List collections
    List,
    /// Ask questions of the new build of a collection from now on, although documents that are found now are missing in it
    Switch {
        /// The collection
        collection: String,
    },
    /// Remove a collection with all its documents, pages and images
    Drop {
        /// The collection
        collection: String,
        /// Without asking
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Serialize)]
struct Listing {
    collections: Vec<CollectionStatus>,
}

#[derive(Debug, Serialize)]
struct Switched {
    collection: String,
    switched: bool,
}

#[derive(Debug, Serialize)]
struct Dropped {
    collection: String,
    documents: u64,
}

pub async fn collections(scope: &Scope<'_>, command: CollectionsCommand, output: Output) -> Result<ExitCode> {
    match command {
        CollectionsCommand::List => {
            let listing = Listing { collections: scope.status().await?.collections };
            output.result(&listing, |out| write_list(out, &listing))?;
        }
        CollectionsCommand::Switch { collection } => {
            if let Switch::Nothing = scope.app().switch_collection(&collection).await? {
                return Err(Error::configuration(format!(
                    "collection '{collection}' is not being built anew: there is nothing to switch to"
                )));
            }
            let switched = Switched { collection, switched: true };
            output
                .result(&switched, |out| writeln!(out, "questions to {} go to its new build", switched.collection))?;
        }
        CollectionsCommand::Drop { collection, yes } => {
            let app = scope.app();
            if !app.is_empty_collection(&collection).await? && !yes {
                confirm(&collection, &output.console)?;
            }
            let documents = app.drop_collection(&collection).await?.unwrap_or_default();
            let dropped = Dropped { collection, documents };
            output.result(&dropped, |out| {
                writeln!(out, "{} is gone, with {}", dropped.collection, count(dropped.documents, "document"))
            })?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The collection's name, typed once more by somebody who sits at a terminal.
///
/// # Errors
/// Configuration: nobody does, or another name was typed.
fn confirm(collection: &str, console: &Console) -> Result<()> {
    let question = format!("'{collection}' goes with all its documents. Type its name to remove it: ");
    match console.ask(&question)? {
        Some(typed) if typed.trim() == collection => Ok(()),
        Some(_) => Err(Error::configuration(format!("'{collection}' was not removed: another name was typed"))),
        None => Err(Error::configuration(format!(
            "collection '{collection}' is not empty: say --yes to remove it with all its documents"
        ))),
    }
}

fn write_list(out: &mut dyn Write, listing: &Listing) -> io::Result<()> {
    if listing.collections.is_empty() {
        return writeln!(out, "No collections.");
    }
    for collection in &listing.collections {
        let documents: u64 = collection.documents.values().sum();
        let anew = if collection.rebuilding.is_some() { ", being built anew" } else { "" };
        writeln!(
            out,
            "{}: {documents} documents, {} pages, {}{anew}",
            collection.name, collection.pages, collection.model
        )?;
    }
    Ok(())
}
