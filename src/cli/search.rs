//! `quire search`: pages, best first.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::output::Output;
use super::{parse_tag, tags};
use crate::app::{App, Question, SearchResponse};
use crate::error::Result;
use crate::retrieve::{Hit, PageFilter};

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
    /// Write page images with the matching places marked into this folder
    #[arg(long, value_name = "DIR")]
    evidence: Option<PathBuf>,
}

impl QuestionArgs {
    pub async fn question(self, app: &App, text: String, limit: usize) -> Result<Question> {
        let documents = match &self.document {
            Some(name) => vec![app.find_document(name).await?.document_id],
            None => Vec::new(),
        };
        Ok(Question {
            text,
            collection: self.collection.unwrap_or_else(|| app.config().collection.clone()),
            limit,
            plan: self.plan,
            filter: PageFilter { tags: tags(&self.tags), documents, ..PageFilter::default() },
            evidence: self.evidence,
            extractive: false,
        })
    }
}

#[derive(Debug, Args)]
pub struct SearchArgs {
    /// What to look for, in words that stand on the page
    query: String,
    /// Pages to show
    #[arg(long, default_value_t = 10, value_name = "N")]
    limit: usize,
    #[command(flatten)]
    question: QuestionArgs,
}

pub async fn search(app: &App, args: SearchArgs, output: Output) -> Result<ExitCode> {
    let question = args.question.question(app, args.query, args.limit).await?;
    let response = app.search(&question).await?;
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
    Ok(())
}

/// A hit in a few lines, behind its number or marker.
pub fn write_hit(out: &mut dyn Write, marker: &str, hit: &Hit) -> io::Result<()> {
    let label = hit.page_label.as_ref().map(|label| format!(" (printed {label})")).unwrap_or_default();
    writeln!(out, "{marker} {}, page {} of {}{label}   score {:.3}", hit.title, hit.page, hit.page_count, hit.score)?;
    if !hit.breadcrumbs.is_empty() {
        writeln!(out, "   {}", hit.breadcrumbs.join(" > "))?;
    }
    if !hit.snippet.is_empty() {
        writeln!(out, "   “{}”", hit.snippet)?;
    }
    writeln!(out, "   {}{}", hit.source, hit.anchor)?;
    writeln!(out, "   {}", hit.image)
}
