//! `quire ask`: an answer with its evidence.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;

use super::output::Output;
use super::search::{QuestionArgs, write_explanation, write_hit};
use crate::answer::Mode;
use crate::app::{App, AskResponse};
use crate::error::Result;

#[derive(Debug, Args)]
pub struct AskArgs {
    /// The question, in quotes
    question: String,
    #[command(flatten)]
    common: QuestionArgs,
}

pub async fn ask(app: &App, args: AskArgs, output: Output) -> Result<ExitCode> {
    let question = args.common.question(app, args.question, 5).await?;
    let response = app.ask(&question).await?;
    output.result(&response, |out| write_text(out, &response))?;
    Ok(ExitCode::SUCCESS)
}

fn write_text(out: &mut dyn Write, response: &AskResponse) -> io::Result<()> {
    writeln!(out, "{}", response.answer.answer)?;
    match response.answer.mode {
        Mode::Extractive => writeln!(out, "\n(extractive: quoted from the pages, no answer model is configured)")?,
    }
    for citation in &response.answer.citations {
        writeln!(out)?;
        write_hit(out, &citation.marker, &citation.hit)?;
    }
    match &response.explain {
        Some(explanation) => write_explanation(out, &response.plan, explanation),
        None => Ok(()),
    }
}
