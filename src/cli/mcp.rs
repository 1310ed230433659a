//! `quire mcp`: the Model Context Protocol on standard input and output, for clients that start a program.

use std::sync::Arc;

use clap::Args;

use super::exit::ExitCode;
use super::signals::stop_on_signal;
use crate::app::{App, Installation};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::server::{Caller, Server, mcp};
use crate::service::Client;

#[derive(Debug, Args)]
pub struct McpArgs {
    /// Talk to the service at this address [default: the one on the data folder, or open the folder where there is none]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Key for that service
    #[arg(long, value_name = "KEY", env = "QUIRE_API_KEY", hide_env_values = true)]
    key: Option<String>,
}

pub async fn mcp(args: McpArgs, config: Result<Config>, installation: Installation) -> Result<ExitCode> {
    let url = match args.url {
        Some(url) => Some(url),
        None => service_on(&config.as_ref().map_err(Error::duplicate)?.data_dir).await?,
    };
    if let Some(url) = url {
        mcp::forward(&url, args.key.as_deref(), tokio::io::stdin(), tokio::io::stdout(), stop_on_signal()?).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let app = Arc::new(App::open(config?, installation).await?);
    let outcome = mcp::stdio(Server::new(app.clone()), Caller::at_the_terminal(), stop_on_signal()?).await;
    app.close().await;
    outcome.map(|()| ExitCode::SUCCESS)
}

/// Where the service answers that holds a data folder; None where nobody does.
///
/// # Errors
/// Configuration: a service holds the folder and answers no requests.
async fn service_on(data_dir: &std::path::Path) -> Result<Option<String>> {
    let Some(client) = Client::find(data_dir).await else { return Ok(None) };
    let Some(greeting) = client.greeting().await else { return Ok(None) };
    greeting.address.map(Some).ok_or_else(|| {
        Error::configuration(format!(
            "process {} works on {} and answers no requests: give --url of one that does",
            greeting.process,
            data_dir.display()
        ))
    })
}
