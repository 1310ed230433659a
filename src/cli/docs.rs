//! `quire docs`: what the ledger knows of documents.

use std::io::{self, Write};

use clap::Subcommand;
use serde::Serialize;

use super::exit::ExitCode;
use super::output::{Output, count};
use crate::app::{DocumentList, DocumentStory, DocumentView, Scope};
use crate::error::{Error, Result, ResultExt};
use crate::ledger::{self, DocumentFilter, PageFailure, State};
use crate::telemetry::visible_line;
use crate::types::{Note, Priority};

#[derive(Debug, Subcommand)]
pub enum DocsCommand {
    /// List documents with their state
    List {
        /// Only this collection
        #[arg(long, value_name = "NAME")]
        collection: Option<String>,
        /// Only documents in this state: queued, processing, indexed, rejected, dead, deleting
        #[arg(long, value_name = "STATE", value_parser = parse_state)]
        state: Option<State>,
        /// Only documents whose source begins with this
        #[arg(long, value_name = "PREFIX")]
        source_prefix: Option<String>,
        /// At most so many, and where to go on
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
        /// Go on where an earlier list ended
        #[arg(long, value_name = "CURSOR")]
        cursor: Option<String>,
    },
    /// Show all that is known of one document
    Show {
        /// Id, path, or the end of a path that names one document
        document: String,
    },
    /// Tell what happened to a document, from its submission on, and why it is where it is
    Why {
        /// Id, path, or the end of a path that names one document
        document: String,
    },
    /// Try documents again at once: rejected, dead, cancelled and waiting ones, and those that lack pages
    Retry {
        /// Ids, paths, or ends of paths
        #[arg(required = true)]
        documents: Vec<String>,
    },
    /// Call the work on documents off; what is indexed of them stays
    Cancel {
        /// Ids, paths, or ends of paths
        #[arg(required = true)]
        documents: Vec<String>,
    },
    /// Delete documents from the index (never the files)
    Delete {
        /// Ids, paths, or ends of paths
        #[arg(required = true)]
        documents: Vec<String>,
    },
}

#[derive(Debug, Serialize)]
struct Deleted {
    deleted: Vec<DocumentView>,
}

#[derive(Debug, Serialize)]
struct Changed {
    documents: Vec<DocumentView>,
}

/// It was deleted while it was looked at.
fn gone(name: &str) -> Error {
    Error::permanent(format!("no document is called '{name}' any more"))
}

fn parse_state(text: &str) -> std::result::Result<State, String> {
    State::parse(text).map_err(|error| error.to_string())
}

pub async fn docs(scope: &Scope<'_>, command: DocsCommand, output: Output) -> Result<ExitCode> {
    match command {
        DocsCommand::List { collection, state, source_prefix, limit, cursor } => {
            let filter =
                DocumentFilter { collection, state, source_prefix, limit, after: cursor, ..DocumentFilter::default() };
            let found = match limit {
                Some(_) => scope.documents(&filter).await?,
                None => ledger::Listing { documents: scope.all_documents(&filter).await?, next_cursor: None },
            };
            let documents = found.documents.into_iter().map(DocumentView::from).collect();
            let listing = DocumentList { documents, next_cursor: found.next_cursor };
            output.result(&listing, |out| write_list(out, &listing))?;
        }
        DocsCommand::Show { document } => {
            let view = DocumentView::from(scope.find_document(&document).await?);
            output.result(&view, |out| write_one(out, &view))?;
        }
        DocsCommand::Why { document } => {
            let id = scope.find_document(&document).await?.document_id;
            let story = scope.story(id).await?.ok_or_else(|| gone(&document))?;
            output.result(&story, |out| write_story(out, &story))?;
        }
        DocsCommand::Retry { documents } => {
            let mut views = Vec::new();
            for name in &documents {
                let id = scope.find_document(name).await?.document_id;
                let record = scope.retry_document(id).await.context(name)?.ok_or_else(|| gone(name))?;
                views.push(DocumentView::from(record));
            }
            let changed = Changed { documents: views };
            output.result(&changed, |out| write_changed(out, &changed))?;
        }
        DocsCommand::Cancel { documents } => {
            let mut views = Vec::new();
            for name in &documents {
                let id = scope.find_document(name).await?.document_id;
                let record = scope.cancel_document(id).await.context(name)?.ok_or_else(|| gone(name))?;
                views.push(DocumentView::from(record));
            }
            let changed = Changed { documents: views };
            output.result(&changed, |out| write_changed(out, &changed))?;
        }
        DocsCommand::Delete { documents } => {
            let mut records = Vec::new();
            // All names are checked before the first document goes.
            for name in &documents {
                records.push(scope.find_document(name).await?);
            }
            for record in &records {
                scope.delete_document(record.document_id).await?;
            }
            let deleted = Deleted { deleted: records.into_iter().map(DocumentView::from).collect() };
            output.result(&deleted, |out| {
                deleted.deleted.iter().try_for_each(|view| writeln!(out, "deleted {}", visible_line(&view.source)))
            })?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn write_list(out: &mut dyn Write, listing: &DocumentList) -> io::Result<()> {
    if listing.documents.is_empty() {
        return writeln!(out, "No documents.");
    }
    for view in &listing.documents {
        let reason = view.reason.as_ref().map(|reason| format!("   {}", visible_line(reason))).unwrap_or_default();
        let missing = missing_pages(&view.failed_pages) + &lost_pages(&view.notes);
        writeln!(
            out,
            "{}  {:<10}  {:>10}  {}{missing}{reason}",
            view.document_id,
            view.state.as_str(),
            count(u64::from(view.page_count), "page"),
            visible_line(&view.source),
        )?;
    }
    if let Some(cursor) = &listing.next_cursor {
        writeln!(out, "more: --cursor {cursor}")?;
    }
    writeln!(out, "{}", count(listing.documents.len() as u64, "document"))
}

fn write_changed(out: &mut dyn Write, changed: &Changed) -> io::Result<()> {
    changed
        .documents
        .iter()
        .try_for_each(|view| writeln!(out, "{:<10}  {}", view.state.as_str(), visible_line(&view.source)))
}

/// Where a document stands, and how it came there.
fn write_story(out: &mut dyn Write, story: &DocumentStory) -> io::Result<()> {
    let view = &story.document;
    let reason = view.reason.as_ref().map(|reason| format!(": {}", visible_line(reason))).unwrap_or_default();
    writeln!(out, "{}\n{}{reason}", visible_line(&view.source), view.state.as_str())?;
    if view.priority != Priority::Normal {
        writeln!(out, "{} priority", view.priority)?;
    }
    if let Some(progress) = view.progress {
        writeln!(out, "page {} of {}", progress.pages_done, progress.pages)?;
    }
    for event in &story.events {
        let detail = event.detail.as_ref().map(|detail| visible_line(detail).into_owned()).unwrap_or_default();
        writeln!(out, "  {}  {:<12} {detail}", event.at, event.what.as_str())?;
    }
    Ok(())
}

/// Which pages of an indexed document can't be found.
fn missing_pages(failed: &[PageFailure]) -> String {
    if failed.is_empty() {
        return String::new();
    }
    let pages: Vec<String> = failed.iter().map(|failed| failed.page.to_string()).collect();
    format!("   without page {}", pages.join(", "))
}

/// Which pages of an indexed document are known to lack what stands on them.
fn lost_pages(notes: &[Note]) -> String {
    let mut pages: Vec<String> =
        notes.iter().filter(|note| note.lost).filter_map(|note| note.page).map(|page| page.to_string()).collect();
    pages.dedup();
    match (pages.is_empty(), notes.is_empty()) {
        (true, true) => String::new(),
        (true, false) => "   with notes".to_owned(),
        (false, _) => format!("   lost: page {}", pages.join(", ")),
    }
}

fn write_one(out: &mut dyn Write, view: &DocumentView) -> io::Result<()> {
    writeln!(out, "{}", visible_line(&view.title))?;
    let tags: Vec<_> = view.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let rows = [
        ("id", view.document_id.to_string()),
        ("source", view.source.clone()),
        ("collection", view.collection.clone()),
        ("state", view.state.as_str().to_owned()),
        ("reason", view.reason.clone().unwrap_or_default()),
        ("priority", view.priority.to_string()),
        ("pages", view.page_count.to_string()),
        ("content hash", view.content_hash.to_string()),
        ("tags", tags.join(", ")),
        ("updated", view.updated_at.clone()),
    ];
    for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        writeln!(out, "  {name:<13} {}", visible_line(value))?;
    }
    for failure in &view.failed_pages {
        writeln!(out, "  page {} is missing: {}", failure.page, visible_line(&failure.reason))?;
    }
    for note in &view.notes {
        let about = note.page.map_or_else(String::new, |page| format!("page {page}: "));
        let kind = if note.lost { "lost" } else { "note" };
        writeln!(out, "  {kind}: {about}{}", visible_line(&note.reason))?;
    }
    Ok(())
}
