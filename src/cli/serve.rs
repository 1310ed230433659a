//! `quire serve`: the service, until it is told to stop.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use tokio::net::TcpListener;

use super::signals::stop_on_signal;
use crate::app::App;
use crate::error::{Error, Result};
use crate::service::{self, Role};

#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Address and port to listen at
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:6380")]
    listen: SocketAddr,
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

pub async fn serve(app: Arc<App>, args: ServeArgs) -> Result<ExitCode> {
    let stop = stop_on_signal()?;
    let roles: Vec<Role> = match args.roles.as_slice() {
        [] => vec![Role::Api, Role::Worker, Role::Watcher],
        some => some.iter().copied().map(Role::from).collect(),
    };
    let listener = TcpListener::bind(args.listen)
        .await
        .map_err(|error| Error::configuration(format!("cannot listen at {}", args.listen)).with_source(error))?;
    service::run(app, &roles, Some(listener), stop).await?;
    Ok(ExitCode::SUCCESS)
}
