//! The command line: arguments here, one file a command beside it. Commands parse, call [`crate::app::App`], and print; they
//! decide nothing.

mod ask;
mod bars;
mod collections;
mod console;
mod derive;
mod docs;
mod doctor;
mod embed;
mod eval;
mod evidence;
mod exit;
mod ingest;
mod keys;
mod mcp;
mod migrate;
mod model;
mod npz;
mod output;
mod questions;
mod run;
mod search;
mod serve;
mod served;
mod signals;
mod status;
mod store;
mod top;
mod validate;
mod vectors;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process;

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::app::{App, Installation};
use crate::config::{Config, Flags};
use crate::error::{Error, Kind, Result};
use crate::types::Tenant;
use crate::{render, telemetry};
use exit::ExitCode;
use output::Output;

/// Ask folders of PDFs, slides and scans a question; get pages, marked where the answer stands.
#[derive(Debug, Parser)]
#[command(name = "quire", version, arg_required_else_help = true, propagate_version = true)]
#[command(
    after_help = "Begin with:\n  quire ingest ~/Documents\n  quire ask \"when does the warranty of the pump end\"\n\n\
    Exit codes: 0 done, 1 some documents or pages failed or the run was stopped, 2 usage or configuration, 3 unexpected. \
    With --json a failure is JSON too."
)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
struct Global {
    /// Folder that holds all state [default: QUIRE_DATA_DIR, else ./quire-data]
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Service configuration (YAML) [default: QUIRE_CONFIG, else your own quire/quire.yaml in ~/.config, over it ./quire.yaml]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print results as JSON, failures too
    #[arg(long, global = true)]
    json: bool,
    /// Say more on standard error; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// No progress bars, only problems
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Index files and folders; unchanged documents are skipped, changed ones replaced
    Ingest(ingest::IngestArgs),
    /// Find the pages that look most like an answer
    Search(search::SearchArgs),
    /// Answer a question from the indexed pages, with citations
    Ask(ask::AskArgs),
    /// Run a pipeline file once
    Run(run::RunArgs),
    /// Check pipeline files without running them
    Validate(validate::ValidateArgs),
    /// List, show and delete documents
    #[command(subcommand)]
    Docs(docs::DocsCommand),
    /// Manage collections
    #[command(subcommand)]
    Collections(collections::CollectionsCommand),
    /// Show where vectors are kept, and compare them with the ledger
    #[command(subcommand)]
    Store(store::StoreCommand),
    /// Give a filled collection derived vectors, or take them away
    #[command(subcommand)]
    Derive(derive::DeriveCommand),
    /// Copy collections to another vector store, or the ledger to another database, without embedding anything again
    Migrate(migrate::MigrateArgs),
    /// Write the stored vectors of a page as numpy arrays
    Vectors(vectors::VectorsArgs),
    /// Measure retrieval on a set of questions whose pages are known
    Eval(eval::EvalArgs),
    /// Run the service: index what comes, answer over HTTP
    Serve(serve::ServeArgs),
    /// Speak the Model Context Protocol on standard input and output, for assistants that start a program
    Mcp(mcp::McpArgs),
    /// Show what the running service does, live
    Top,
    /// Make, list and revoke keys of the service
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Show what is indexed and how much room it takes
    Status,
    /// Embed one image or question, and write what goes into the model and what comes out as numpy arrays
    Embed(embed::EmbedArgs),
    /// List, show and check page models
    #[command(subcommand)]
    Model(model::ModelCommand),
    /// Check this installation: libraries, model, data folder, store
    Doctor,
    /// Print a completion script for a shell
    Completions { shell: clap_complete::Shell },
    /// Draws pages for another quire; speaks a binary protocol on standard input and output
    #[command(hide = true)]
    RenderWorker,
    /// Converts an office file for another quire; speaks a binary protocol on standard input and output
    #[command(hide = true)]
    OfficeWorker,
}

/// Parses arguments, runs the command, and turns its outcome into an exit code.
pub fn main() -> process::ExitCode {
    // SAFETY: the first thing that the program does, before any thread.
    unsafe { crate::embed::runtime::forbid_telemetry() };
    let arguments = questions::put_behind_options(std::env::args_os());
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let wrong = Output::asked_for(std::env::args_os().skip(1)).usage(&error);
            return process::ExitCode::from(if wrong { 2 } else { 0 });
        }
    };
    let output = Output::of_process(cli.global.json);
    let code = end(dispatch(cli, &arguments[1..], &output), &output);
    process::ExitCode::from(code.number())
}

/// The exit code of a command, whose failure people are told.
fn end(outcome: Result<ExitCode>, output: &Output) -> ExitCode {
    outcome.unwrap_or_else(|error| {
        output.failure(&error);
        exit_code(&error)
    })
}

/// One place decides: what the user can mend is 2, what he can't is 3.
fn exit_code(error: &Error) -> ExitCode {
    ExitCode::from(match error.kind() {
        Kind::Configuration | Kind::Permanent => 2,
        Kind::Transient { .. } | Kind::Bug => 3,
    })
}

/// `arguments`: those that `cli` was made of, without the program's name.
fn dispatch(cli: Cli, arguments: &[OsString], output: &Output) -> Result<ExitCode> {
    let Cli { global, command } = cli;
    match command {
        // The worker takes no configuration: its parent tells it everything.
        Command::RenderWorker => return render::worker::run().map(|()| ExitCode::SUCCESS),
        Command::OfficeWorker => return render::office::worker::run().map(|()| ExitCode::SUCCESS),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "quire", &mut std::io::stdout());
            return Ok(ExitCode::SUCCESS);
        }
        _ => {}
    }
    let installation = Installation::of_process();
    let flags = Flags { config: global.config, data_dir: global.data_dir, ..Flags::default() };
    let quiet = global.quiet;
    let output = output.clone();
    let config = Config::load(&flags, installation.environment());
    if let Ok(config) = &config {
        telemetry::init(&config.log, if quiet { -1 } else { i8::try_from(global.verbose).unwrap_or(i8::MAX) })?;
    }
    if let Ok(config) = &config
        && command.needs_data()
    {
        let asking = served::ask(&command, config, &flags, &installation, arguments, &output);
        if let Some(code) = runtime()?.block_on(asking)? {
            return Ok(code);
        }
    }
    if let Command::Doctor = command {
        return runtime()?.block_on(doctor::doctor(config, &installation, output));
    }
    if let Command::Mcp(args) = command {
        return runtime()?.block_on(mcp::mcp(args, config, installation));
    }
    let config = config?;
    match command {
        Command::Validate(args) => validate::validate(&args, &config, &installation, output),
        Command::Model(command) => model::model(command, &config, &installation, output),
        Command::Embed(args) => runtime()?.block_on(embed::embed(args, &config, &installation, output)),
        Command::Derive(command) if command.is_foreign() => {
            runtime()?.block_on(derive::derive_foreign(command, &config, &installation, output))
        }
        Command::Migrate(args) if args.is_of_ledger() => {
            runtime()?.block_on(migrate::migrate_ledger(&args, &config, output))
        }
        Command::Run(args) if args.dry_run => runtime()?.block_on(run::dry_run(&args, &config, &installation, output)),
        Command::Serve(args) => serve::serve(args, config, flags, installation, &output),
        Command::Top => runtime()?.block_on(top::top(&config, &output)),
        command => runtime()?.block_on(async move {
            let app = match command.has_patience() {
                true => match open_patiently(config, installation, &output).await? {
                    Some(app) => app,
                    None => return Ok(ExitCode::from(1)),
                },
                false => App::open(config, installation).await?,
            };
            let code = with_app(&app, command, output, quiet).await;
            app.close().await;
            code
        }),
    }
}

impl Command {
    /// Whether it works on what a data folder holds: where a service holds it, the service runs it.
    fn needs_data(&self) -> bool {
        match self {
            Self::Validate(_)
            | Self::Model(_)
            | Self::Embed(_)
            | Self::Serve(_)
            | Self::Mcp(_)
            | Self::Top
            | Self::Completions { .. }
            | Self::RenderWorker
            | Self::OfficeWorker => false,
            Self::Run(args) => !args.dry_run,
            Self::Derive(command) => !command.is_foreign(),
            _ => true,
        }
    }

    /// Whether what is away is waited for; who asks a question wants to know at once.
    fn has_patience(&self) -> bool {
        matches!(self, Self::Ingest(_) | Self::Run(_) | Self::Eval(_))
    }

    /// Whether a first signal lets it finish what ends soon; others end at once.
    fn hears_signals(&self) -> bool {
        matches!(self, Self::Ingest(_) | Self::Run(_) | Self::Eval(_) | Self::Derive(_))
    }
}

/// The installation, once its ledger is there; None, said aloud, where the word to stop came first.
async fn open_patiently(config: Config, installation: Installation, output: &Output) -> Result<Option<App>> {
    let stop = output.console.stop()?;
    match App::open_patiently(config, installation, stop.clone()).await {
        Err(error) if stop.is_cancelled() && error.is_transient() => {
            output.failure(&error);
            Ok(None)
        }
        opened => opened.map(Some),
    }
}

/// Whose documents the commands work on.
const TENANT: &str = "default";

async fn with_app(app: &App, command: Command, output: Output, quiet: bool) -> Result<ExitCode> {
    let scope = app.scope(Tenant(TENANT.into()));
    match command {
        Command::Ingest(args) => ingest::ingest(&scope, args, output, quiet).await,
        Command::Run(args) => run::run(&scope, &args, output, quiet).await,
        Command::Search(args) => search::search(&scope, args, output).await,
        Command::Ask(args) => ask::ask(&scope, args, output).await,
        Command::Docs(command) => docs::docs(&scope, command, output).await,
        Command::Collections(command) => collections::collections(&scope, command, output).await,
        Command::Store(command) => store::store(&scope, command, output).await,
        Command::Derive(command) => derive::derive(&scope, command, output).await,
        Command::Migrate(args) => migrate::migrate(&scope, args, output).await,
        Command::Vectors(args) => vectors::vectors(&scope, args, output).await,
        Command::Eval(args) => eval::eval(&scope, args, output, quiet).await,
        Command::Keys(command) => keys::keys(app, command, output).await,
        Command::Status => status::status(&scope, output).await,
        Command::Doctor => doctor::examine(app, output).await,
        other => Err(Error::bug(format!("{other:?} needs no data folder"))),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::bug("the async runtime can't start").with_source(error))
}

/// `k=v` of `--tag`.
fn parse_tag(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.trim().to_owned())),
        _ => Err(format!("'{text}' is not of the form key=value")),
    }
}

fn tags(pairs: &[(String, String)]) -> BTreeMap<String, String> {
    pairs.iter().cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn tags_need_a_key() {
        assert_eq!(parse_tag("team=finance"), Ok(("team".into(), "finance".into())));
        assert!(parse_tag("finance").is_err());
        assert!(parse_tag("=x").is_err());
    }
}
