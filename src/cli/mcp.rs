//! `quire mcp`: the Model Context Protocol on standard input and output, for clients that start a program.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::signals::stop_on_signal;
use crate::app::App;
use crate::error::Result;
use crate::server::{Caller, Server, mcp};

#[derive(Debug, Args)]
pub struct McpArgs {
    /// Talk to the service that runs at this address instead of opening the data folder
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Key for that service
    #[arg(long, value_name = "KEY", env = "QUIRE_API_KEY", hide_env_values = true, requires = "url")]
    key: Option<String>,
}

impl McpArgs {
    /// Whether another process answers.
    pub fn is_forwarded(&self) -> bool {
        self.url.is_some()
    }
}

/// Opens nothing: passes messages on to a running service.
pub async fn forward(args: McpArgs) -> Result<ExitCode> {
    let url = args.url.unwrap_or_default();
    mcp::forward(&url, args.key.as_deref(), tokio::io::stdin(), tokio::io::stdout(), stop_on_signal()?).await?;
    Ok(ExitCode::SUCCESS)
}

/// Answers from the data folder.
pub async fn mcp(app: Arc<App>) -> Result<ExitCode> {
    mcp::stdio(Server::new(app), Caller::at_the_terminal(), stop_on_signal()?).await?;
    Ok(ExitCode::SUCCESS)
}
