//! A worker process as the converter sees it: started, given its order, waited for, and killed with all that it started.

use std::io;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::process::Child;
use tokio::time::timeout;

use super::order::{Order, Reply};
use crate::render::process::{WorkerCommand, spawn};
use crate::render::protocol::{receive_header, send};

/// How a conversion ended, as far as the process tells.
pub(super) enum End {
    Replied(Reply),
    TimedOut,
    /// Without an answer; why.
    Lost(String),
}

/// Its whole group is killed when this is dropped: as long as it is not reaped, its number cannot be another's.
struct Group(Child);

impl Group {
    fn kill(&self) {
        if let Some(group) = self.0.id().and_then(|id| libc::pid_t::try_from(id).ok()) {
            // SAFETY: an integer. Fails only if the whole group has ended.
            unsafe { libc::kill(-group, libc::SIGKILL) };
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs one conversion in a process of its own; nothing of it runs any more when this returns.
///
/// # Errors
/// The process can't be started.
pub(super) async fn run(command: &WorkerCommand, order: &Order, limit: Duration) -> io::Result<End> {
    let (socket, child) = spawn(command)?;
    let mut group = Group(child);
    let end = match timeout(limit, exchange(&socket, &mut group.0, order)).await {
        Ok(Ok(reply)) => End::Replied(reply),
        Ok(Err(error)) => End::Lost(error.to_string()),
        Err(_) => End::TimedOut,
    };
    group.kill();
    let _ = group.0.wait().await;
    Ok(end)
}

async fn exchange(socket: &UnixStream, child: &mut Child, order: &Order) -> io::Result<Reply> {
    let output = child.stdout.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
    send(socket, order, None).await?;
    let (reply, _) = receive_header(output, 0).await?;
    Ok(reply)
}
