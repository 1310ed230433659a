//! `quire ask`: an answer with its evidence.

use std::io::{self, Write};
use std::path::Path;
use std::pin::pin;

use clap::Args;
use futures::StreamExt;

use super::console::Console;
use super::evidence::write_evidence;
use super::exit::ExitCode;
use super::output::Output;
use super::search::{QuestionArgs, write_explanation, write_hit};
use crate::answer::Mode;
use crate::app::{AnswerEvent, AskResponse, Question, Scope};
use crate::error::Result;
use crate::telemetry::visible_line;

#[derive(Debug, Args)]
pub struct AskArgs {
    /// The question, in quotes
    #[arg(allow_negative_numbers = true)]
    question: String,
    /// Quote the pages, even where an answer model is configured
    #[arg(long)]
    extractive: bool,
    #[command(flatten)]
    common: QuestionArgs,
}

pub async fn ask(scope: &Scope<'_>, args: AskArgs, output: Output) -> Result<ExitCode> {
    let app = scope.app();
    let folder = args.common.evidence.clone();
    let limit = app.config().answer.pages;
    let mut question = args.common.question(scope, args.question, limit).await?;
    question.extractive = args.extractive;
    if output.json {
        let mut response = scope.ask(&question).await?;
        add_evidence(scope, &question, &mut response, folder.as_deref(), &output.console).await?;
        output.result(&response, |_| Ok(()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut pieces = output.pieces();
    let mut events = pin!(scope.ask_stream(&question));
    while let Some(event) = events.next().await {
        match event? {
            // nobody reads any more: the stream is dropped, and with it the request
            AnswerEvent::Delta(piece) if !pieces.write(&piece)? => break,
            AnswerEvent::Delta(_) | AnswerEvent::Found(_) | AnswerEvent::Cited(_) => {}
            AnswerEvent::Done(mut response) => {
                add_evidence(scope, &question, &mut response, folder.as_deref(), &output.console).await?;
                let has_model = app.config().answer.vlm.is_some();
                output.result(&response, |out| write_rest(out, &response, has_model))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Marked page images of what is cited, if a folder for them is given.
async fn add_evidence(
    scope: &Scope<'_>,
    question: &Question,
    response: &mut AskResponse,
    folder: Option<&Path>,
    console: &Console,
) -> Result<()> {
    let Some(folder) = folder else { return Ok(()) };
    let cited = response.answer.citations.iter_mut().map(|citation| &mut citation.hit);
    write_evidence(scope, &question.collection, cited, &response.question, folder, console).await
}

/// What follows the answer itself: how it came to be, what to know about it, its citations.
fn write_rest(out: &mut dyn Write, response: &AskResponse, has_model: bool) -> io::Result<()> {
    let answer = &response.answer;
    writeln!(out)?;
    match (answer.mode, &answer.model) {
        (Mode::Extractive, _) if has_model => writeln!(out, "\n(extractive: quoted from the pages)")?,
        (Mode::Extractive, _) => {
            writeln!(out, "\n(extractive: quoted from the pages, no answer model is configured)")?;
        }
        (Mode::Vlm, model) => {
            let by = model.as_deref().map(|model| format!(" by {model}")).unwrap_or_default();
            let supported = if answer.supported { "" } else { "; UNSUPPORTED: it cites no page" };
            writeln!(out, "\n(composed{by} from page images{supported})")?;
        }
    }
    for note in &answer.notes {
        writeln!(out, "note: {}", visible_line(note))?;
    }
    for citation in &answer.citations {
        writeln!(out)?;
        write_hit(out, &citation.marker, &citation.hit)?;
    }
    if !answer.nearest.is_empty() {
        writeln!(out, "\nNearest pages, which do not answer it:")?;
    }
    for hit in &answer.nearest {
        writeln!(out)?;
        write_hit(out, "-", hit)?;
    }
    match &response.explain {
        Some(explanation) => write_explanation(out, &response.plan, explanation),
        None => Ok(()),
    }
}
