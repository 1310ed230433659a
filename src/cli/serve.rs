//! `quire serve`: the service, until it is told to stop.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::doctor;
use super::exit::ExitCode;
use super::output::Output;
use super::runtime;
use super::served::InService;
use super::signals::stop_on_signal;
use crate::app::{App, Depth, DoctorReport, Installation, Scope, examine};
use crate::config::{Config, Flags, Pipeline};
use crate::error::{Error, Result};
use crate::ledger::{DocumentFilter, State};
use crate::server::check_listen;
use crate::service::{self, Client, Role, Service};
use crate::telemetry::visible_line;
use crate::types::Tenant;

/// After the drain, threads that still wait for something are left behind after so long.
const LEFT_BEHIND: Duration = Duration::from_secs(2);
/// Characters of a title that a first question is made of.
const TITLE: usize = 60;

#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Address and port to listen at; port 0 takes a free one [default: `server.listen`, 127.0.0.1:6380]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
    /// What this process does; may be given more than once [default: all]
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<RoleArg>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RoleArg {
    /// Answers requests
    Api,
    /// Indexes what was submitted
    Worker,
    /// Keeps watched folders in step
    Watcher,
}

impl From<RoleArg> for Role {
    fn from(role: RoleArg) -> Self {
        match role {
            RoleArg::Api => Self::Api,
            RoleArg::Worker => Self::Worker,
            RoleArg::Watcher => Self::Watcher,
        }
    }
}

/// What is shown once the service is there.
#[derive(Debug, Serialize)]
struct Started {
    #[serde(flatten)]
    report: DoctorReport,
    /// None: this process answers no requests.
    address: Option<String>,
    /// Folders that are kept in step.
    watched: Vec<String>,
    /// A question to begin with, if anything is indexed.
    question: Option<String>,
}

pub fn serve(
    args: ServeArgs,
    config: Config,
    flags: Flags,
    installation: Installation,
    output: &Output,
) -> Result<ExitCode> {
    let runtime = runtime()?;
    let outcome = runtime.block_on(serve_until_stopped(args, config, flags, installation, output));
    runtime.shutdown_timeout(LEFT_BEHIND);
    outcome.map(|()| ExitCode::SUCCESS)
}

async fn serve_until_stopped(
    args: ServeArgs,
    config: Config,
    flags: Flags,
    installation: Installation,
    output: &Output,
) -> Result<()> {
    refuse_second(&config).await?;
    // From the first moment: a start may take long where a model is large.
    let stop = stop_on_signal()?;
    let settings = Config::settings(&flags, installation.environment())?;
    let roles: Vec<Role> = match args.roles.as_slice() {
        [] => Role::ALL.to_vec(),
        some => some.iter().copied().map(Role::from).collect(),
    };
    let pipelines = configured(&config, &installation)?;
    let at = args.listen.unwrap_or(config.server.listen);
    let listener = if roles.contains(&Role::Api) { Some(listen(at).await?) } else { None };
    let app = match App::open_for_service(config, installation, stop.clone()).await {
        Err(error) if stop.is_cancelled() && error.is_transient() => return Ok(()),
        opened => Arc::new(opened?),
    };
    if listener.is_some() {
        check_listen(&app, at).await?;
    }
    let looked = async { tokio::join!(examine(&app, Depth::Quick), app.contact()) };
    let Some((report, contact)) = stop.run_until_cancelled(looked).await else {
        app.close().await;
        return Ok(());
    };
    match contact {
        // It is waited for as long as it takes: whoever asks whether the service is ready hears that it is not.
        Err(error) if error.is_transient() => tracing::warn!(%error, "questions fail and work waits until it is back"),
        outcome => outcome?,
    }
    if roles.contains(&Role::Worker) {
        // What it lacks is said before anybody is told where to go.
        app.resident_engine()?;
    }
    let address = listener.as_ref().and_then(|listener| listener.local_addr().ok());
    let started = Started {
        report,
        address: address.map(|address| format!("http://{address}")),
        watched: pipelines.iter().flat_map(Pipeline::watched).map(|path| path.display().to_string()).collect(),
        question: first_question(&app.scope(Tenant(super::TENANT.into()))).await,
    };
    output.result(&started, |out| write_text(out, &started))?;
    let (pipelines, current) = watch::channel(Arc::new(pipelines));
    let reloading = reload_on_hangup(pipelines, flags, app.installation().clone())?;
    let service = Service { app: app.clone(), roles, listener, commands: InService::new(settings), pipelines: current };
    let outcome = service::run(service, stop).await;
    reloading.abort();
    app.close().await;
    outcome
}

/// # Errors
/// Configuration: the folder is served already, and where.
async fn refuse_second(config: &Config) -> Result<()> {
    let Some(client) = Client::find(&config.data_dir).await else { return Ok(()) };
    let Some(first) = client.greeting().await else { return Ok(()) };
    let at = first.address.map_or_else(String::new, |address| format!(" at {address}"));
    Err(Error::configuration(format!(
        "{} is served already, by process {}{at}: stop that one first, or give this one its own --data-dir",
        config.data_dir.display(),
        first.process
    )))
}

async fn listen(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let why = match error.kind() {
            io::ErrorKind::AddrInUse => ": something else listens there; choose another with --listen",
            io::ErrorKind::PermissionDenied => ": that takes rights that this user lacks; ports above 1023 need none",
            _ => "",
        };
        Error::configuration(format!("cannot listen at {address}{why}")).with_source(error)
    })
}

/// The pipelines that the configuration names.
fn configured(config: &Config, installation: &Installation) -> Result<Vec<Pipeline>> {
    let pipelines: Vec<Pipeline> =
        config.pipelines.iter().map(|file| installation.pipeline(file, config)).collect::<Result<_>>()?;
    for (index, pipeline) in pipelines.iter().enumerate() {
        if pipelines[..index].iter().any(|other| other.name == pipeline.name) {
            return Err(Error::configuration(format!(
                "two of the configured pipelines are called '{}': give one of them another name",
                pipeline.name
            )));
        }
    }
    Ok(pipelines)
}

/// On SIGHUP pipelines are read anew. What is wrong with them is logged, and those of before stay.
fn reload_on_hangup(
    pipelines: watch::Sender<Arc<Vec<Pipeline>>>,
    flags: Flags,
    installation: Installation,
) -> Result<tokio::task::JoinHandle<()>> {
    let mut hangups =
        signal(SignalKind::hangup()).map_err(|error| Error::bug("signals can't be listened to").with_source(error))?;
    Ok(tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            let read = Config::load(&flags, installation.environment()).and_then(|new| configured(&new, &installation));
            match read {
                Ok(new) => {
                    tracing::warn!(pipelines = new.len(), "pipelines were read anew");
                    pipelines.send_replace(Arc::new(new));
                }
                Err(error) => tracing::error!(%error, "pipelines stay as they were"),
            }
        }
    }))
}

/// A question made of the title of a document.
async fn first_question(scope: &Scope<'_>) -> Option<String> {
    let filter = DocumentFilter { state: Some(State::Indexed), limit: Some(1), ..DocumentFilter::default() };
    let listing = scope.documents(&filter).await.ok()?;
    let title = listing.documents.into_iter().next()?.title;
    // It is to be pasted into a shell.
    let plain: String = title
        .chars()
        .map(|char| if char.is_alphanumeric() || matches!(char, '-' | ',' | '.') { char } else { ' ' })
        .take(TITLE)
        .collect();
    let words = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    (!words.is_empty()).then(|| format!("What does {words} say?"))
}

fn write_text(out: &mut dyn Write, started: &Started) -> io::Result<()> {
    doctor::write_text(out, &started.report)?;
    writeln!(out)?;
    match &started.address {
        Some(address) => writeln!(out, "Quire is at {address}")?,
        None => writeln!(out, "Quire works; this process answers no requests")?,
    }
    for folder in &started.watched {
        writeln!(out, "  watching {}", visible_line(folder))?;
    }
    match &started.question {
        Some(question) => writeln!(out, "Try: quire ask \"{question}\""),
        None if started.watched.is_empty() => {
            writeln!(out, "Nothing is indexed yet. In another terminal: quire ingest FOLDER")
        }
        None => writeln!(out, "Nothing is indexed yet: put a PDF into a watched folder"),
    }
}
