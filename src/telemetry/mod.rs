//! What Quire says about itself: log lines on standard error, and metrics under names that stand in one enum. Results
//! never come through here.

mod metric;
mod recorder;
mod visible;

use std::io::{IsTerminal, stderr};

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

pub use metric::{
    Metric, Outcome, Stage, StoreTimer, Timer, batch, document, model_busy, pages, queue, request, resident_bytes,
    retry, worker_death,
};
pub use recorder::{record_metrics, rendered_metrics};
pub use visible::{is_unsafe, visible, visible_line};

use crate::config::{Log, LogFormat};
use crate::error::{Error, Result};

/// Sends log lines to standard error for the rest of the process. `verbosity` is what the command line adds: -1 for
/// `--quiet`, 0, 1 for `--verbose`, 2 for twice; anything but 0 takes the place of the configured filter.
///
/// # Errors
/// Configuration, where the filter can't be read; a bug, where this is called twice.
pub fn init(log: &Log, verbosity: i8) -> Result<()> {
    let filter = match verbosity {
        i8::MIN..=-1 => "error",
        0 => log.filter.as_str(),
        1 => "warn,quire=info",
        2 => "info,quire=debug",
        _ => "debug,quire=trace",
    };
    let targets = filter
        .parse::<Targets>()
        .map_err(|error| Error::configuration(format!("log.filter '{filter}' can't be read")).with_source(error))?;
    let terminal = stderr().is_terminal();
    let text = match log.format {
        LogFormat::Auto => terminal,
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    let lines = if text {
        let writer = move || visible::LogWriter::new(stderr(), terminal);
        fmt::layer().with_writer(writer).with_ansi(terminal).with_target(verbosity > 1).compact().boxed()
    } else {
        fmt::layer().with_writer(stderr).json().flatten_event(true).boxed()
    };
    tracing_subscriber::registry()
        .with(lines.with_filter(targets))
        .try_init()
        .map_err(|error| Error::bug("log lines are already sent somewhere").with_source(error))
}
