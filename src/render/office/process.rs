//! A worker process as the converter sees it: started, given its order, waited for, and killed with all that it started.

use std::io;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::process::Child;
use tokio::time::timeout;

use super::order::{Order, Reply};
use crate::render::group::{WorkerCommand, spawn};
use crate::render::protocol::{receive_header, send};

/// How a conversion ended, as far as the process tells.
pub(super) enum End {
    Replied(Reply),
    TimedOut,
    /// Without an answer; why.
    Lost(String),
}

/// Runs one conversion in a process of its own; nothing of it runs any more when this returns.
///
/// # Errors
/// The process can't be started.
pub(super) async fn run(command: &WorkerCommand, order: &Order, limit: Duration) -> io::Result<End> {
    let (socket, mut group) = spawn(command)?;
    let end = match timeout(limit, exchange(&socket, &mut group.child, order)).await {
        Ok(Ok(reply)) => End::Replied(reply),
        Ok(Err(error)) => End::Lost(error.to_string()),
        Err(_) => End::TimedOut,
    };
    group.kill().await;
    Ok(end)
}

async fn exchange(socket: &UnixStream, child: &mut Child, order: &Order) -> io::Result<Reply> {
    let output = child.stdout.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
    send(socket, order, None).await?;
    let (reply, _) = receive_header(output, 0).await?;
    Ok(reply)
}
