//! `quire search`: pages, best first.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;

use super::evidence::write_evidence;
use super::exit::ExitCode;
use super::output::Output;
use super::{parse_tag, tags};
use crate::app::{Question, Scope, SearchResponse};
use crate::error::Result;
use crate::retrieve::{Explanation, Hit, PageFilter, PageRange, from_date, parse_pages, to_date};
use crate::telemetry::visible_line;

/// What `search` and `ask` have in common.
#[derive(Debug, Args)]
pub struct QuestionArgs {
    /// Collection to ask [default: documents]
    #[arg(long, value_name = "NAME")]
    collection: Option<String>,
    /// How to search: a plan of the collection (`quire status` lists them)
    #[arg(long, value_name = "NAME")]
    plan: Option<String>,
    /// Only pages of documents with this tag; may be given more than once
    #[arg(long = "tag", value_name = "K=V", value_parser = parse_tag)]
    tags: Vec<(String, String)>,
    /// Only pages of this document: an id, a path, or the end of one
    #[arg(long, value_name = "DOCUMENT")]
    document: Option<String>,
    /// Only pages of the document with exactly this source (path or URL)
    #[arg(long, value_name = "SOURCE")]
    source: Option<String>,
    /// Only pages of documents with exactly this title
    #[arg(long, value_name = "TITLE")]
    title: Option<String>,
    /// Only these page numbers: 3, 3-10, 3- or -10
    #[arg(long, value_name = "FROM-TO", value_parser = parse_pages, allow_hyphen_values = true)]
    pages: Option<PageRange>,
    /// Only documents created on this day or later: 2024-05-01, or a moment as RFC 3339 writes it
    #[arg(long, value_name = "DATE", value_parser = from_date)]
    created_from: Option<String>,
    /// Only documents created on this day or earlier
    #[arg(long, value_name = "DATE", value_parser = to_date)]
    created_to: Option<String>,
    /// Only pages indexed on this day or later
    #[arg(long, value_name = "DATE", value_parser = from_date)]
    ingested_from: Option<String>,
    /// Only pages indexed on this day or earlier
    #[arg(long, value_name = "DATE", value_parser = to_date)]
    ingested_to: Option<String>,
    /// Write page images with the matching places marked into this folder
    #[arg(long, value_name = "DIR")]
    pub evidence: Option<PathBuf>,
    /// Show the stages of the search, their times, and which of them found each page
    #[arg(long)]
    explain: bool,
}

impl QuestionArgs {
    pub async fn question(self, scope: &Scope<'_>, text: String, limit: usize) -> Result<Question> {
        let documents = match &self.document {
            Some(name) => vec![scope.find_document(name).await?.document_id],
            None => Vec::new(),
        };
        let collection = self.collection.unwrap_or_else(|| scope.app().config().collection.clone());
        Ok(Question {
            plan: self.plan,
            filter: PageFilter {
                tags: tags(&self.tags),
                documents,
                source: self.source,
                title: self.title,
                pages: self.pages.unwrap_or_default(),
                created: (self.created_from, self.created_to),
                ingested: (self.ingested_from, self.ingested_to),
                ..PageFilter::default()
            },
            explain: self.explain,
            ..Question::new(text, collection, limit)
        })
    }
}

#[derive(Debug, Args)]
pub struct SearchArgs {
    /// What to look for, in words that stand on the page
    #[arg(allow_negative_numbers = true)]
    query: String,
    /// Pages to show
    #[arg(long, default_value_t = 10, value_name = "N")]
    limit: usize,
    /// Print the query too, as the request that Qdrant's console takes
    #[arg(long)]
    show_query: bool,
    #[command(flatten)]
    question: QuestionArgs,
}

pub async fn search(scope: &Scope<'_>, args: SearchArgs, output: Output) -> Result<ExitCode> {
    let folder = args.question.evidence.clone();
    let question = args.question.question(scope, args.query, args.limit).await?;
    let question = Question { show_query: args.show_query, ..question };
    let mut response = scope.search(&question).await?;
    if let Some(folder) = folder {
        let hits = response.hits.iter_mut();
        write_evidence(scope, &question.collection, hits, &response.question, &folder, &output.console).await?;
    }
    output.result(&response, |out| write_text(out, &response))?;
    Ok(ExitCode::SUCCESS)
}

fn write_text(out: &mut dyn Write, response: &SearchResponse) -> io::Result<()> {
    if response.hits.is_empty() {
        writeln!(out, "No page was found.")?;
    }
    for (index, hit) in response.hits.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        write_hit(out, &format!("{}.", index + 1), hit)?;
    }
    if let Some(explanation) = &response.explain {
        write_explanation(out, &response.plan, explanation)?;
    }
    if let Some(request) = &response.request {
        writeln!(out, "\n{request}")?;
    }
    Ok(())
}

/// The stages as a table, then the way of each hit through them.
pub fn write_explanation(out: &mut dyn Write, plan: &str, explanation: &Explanation) -> io::Result<()> {
    writeln!(out, "\nplan {plan}: each stage run once more on its own")?;
    writeln!(
        out,
        "  {:<8} {:<10} {:>7} {:>10} {:>10} {:>10}",
        "stage", "compares", "limit", "candidates", "ms", "own ms"
    )?;
    for stage in &explanation.stages {
        writeln!(
            out,
            "  {:<8} {:<10} {:>7} {:>10} {:>10.2} {:>10.2}",
            stage.stage, stage.using, stage.limit, stage.candidates, stage.ms, stage.own_ms
        )?;
    }
    for (index, hit) in explanation.hits.iter().enumerate() {
        let way: Vec<String> = hit
            .found_by
            .iter()
            .map(|found| format!("{} {} rank {} ({:.3})", found.stage, found.using, found.rank, found.score))
            .collect();
        writeln!(out, "  {}. {}", index + 1, way.join(" -> "))?;
    }
    Ok(())
}

/// A hit in a few lines, behind its number or marker.
pub fn write_hit(out: &mut dyn Write, marker: &str, hit: &Hit) -> io::Result<()> {
    let label = hit.page_label.as_ref().map(|label| format!(" (printed {label})")).unwrap_or_default();
    let (title, label) = (visible_line(&hit.title), visible_line(&label));
    writeln!(out, "{marker} {title}, page {} of {}{label}   score {:.3}", hit.page, hit.page_count, hit.score)?;
    if !hit.breadcrumbs.is_empty() {
        writeln!(out, "   {}", visible_line(&hit.breadcrumbs.join(" > ")))?;
    }
    if !hit.snippet.is_empty() {
        writeln!(out, "   “{}”", visible_line(&hit.snippet))?;
    }
    let gone = if hit.source_gone { "   (the file is gone)" } else { "" };
    writeln!(out, "   {}{}{gone}", visible_line(&hit.source), hit.anchor)?;
    writeln!(out, "   {}", visible_line(&hit.image))
}
