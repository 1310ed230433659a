//! Commands while a service holds the data folder: this end finds the service and writes out what it says, the other end,
//! inside the service, runs the very same code over the installation that it holds open.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;

use clap::Parser;
use ratatui::crossterm::terminal;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::console::Console;
use super::exit::ExitCode;
use super::output::Output;
use super::signals::stop_on_signal;
use super::{Cli, Command, end, with_app};
use crate::app::{App, Installation};
use crate::config::{Config, Flags, Settings, differing};
use crate::error::{Error, Result};
use crate::service::{Asked, Call, Client, Commands, Piece};

/// Columns of a terminal that does not say how many it has.
const WIDTH: u16 = 80;

/// Has the command run by the service that holds the data folder; None where none does.
pub async fn ask(
    command: &Command,
    config: &Config,
    flags: &Flags,
    installation: &Installation,
    arguments: &[OsString],
    output: &Output,
) -> Result<Option<ExitCode>> {
    let Some(client) = Client::find(&config.data_dir).await else { return Ok(None) };
    let environment = installation.environment();
    let settings = Config::is_named(flags, environment).then(|| Config::settings(flags, environment)).transpose()?;
    let folder = std::env::current_dir()
        .map_err(|error| Error::configuration("the current folder is gone").with_source(error))?;
    let asked = Asked {
        arguments,
        folder: &folder,
        stderr_is_terminal: io::stderr().is_terminal(),
        width: terminal::size().map_or(WIDTH, |(columns, _)| columns),
        settings,
        stop: if command.hears_signals() { stop_on_signal()? } else { CancellationToken::new() },
    };
    let code = client.run(asked, |piece| write(&output.console, piece)).await?;
    Ok(Some(ExitCode::from(code)))
}

/// What comes has been made safe for a terminal at the other end.
fn write(console: &Console, piece: Piece<'_>) -> io::Result<()> {
    match piece {
        Piece::Stdout(bytes) => console.print_bytes(bytes),
        Piece::Stderr(bytes) => io::stderr().lock().write_all(bytes),
    }
}

/// The command line inside the service.
pub struct InService {
    settings: Settings,
    process: u32,
}

impl InService {
    /// Of a service with these settings.
    pub fn new(settings: Settings) -> Arc<Self> {
        Arc::new(Self { settings, process: std::process::id() })
    }

    /// Why a client with other settings is not served.
    fn differs(&self, asked: &Settings) -> Option<String> {
        let sections = differing(&self.settings, asked);
        (!sections.is_empty()).then(|| {
            format!(
                "the service that is running on this data folder (process {}) has another configuration than this command was \
                 given: {} differ. Leave --config, QUIRE_CONFIG and QUIRE__ variables away to use the service's, or restart it \
                 with this one",
                self.process,
                sections.join(", ")
            )
        })
    }
}

impl Commands for InService {
    fn run(&self, app: &App, call: Call) -> Result<u8, String> {
        if let Some(reason) = call.settings.as_ref().and_then(|asked| self.differs(asked)) {
            return Err(reason);
        }
        let program = std::iter::once("quire".into());
        let cli = Cli::try_parse_from(program.chain(call.arguments.iter().cloned()))
            .map_err(|error| format!("the service does not understand the command: {error}"))?;
        let output = Output { json: cli.global.json, console: Arc::new(Console::of_call(&call)) };
        let running = with_app(app, cli.command, output.clone(), cli.global.quiet);
        // Nobody is there any more to be told how it ended.
        let outcome = Handle::current().block_on(call.gone.run_until_cancelled(running));
        Ok(end(outcome.unwrap_or(Ok(ExitCode::SUCCESS)), &output).number())
    }
}
