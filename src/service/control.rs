//! The control socket of a running service: the commands of whoever runs it are run here, over the installation that it holds
//! open, and write to streams at the client's end. Nobody but the same user is let in.
//!
//! A command runs on a thread of its own: a client that does not take what it was sent holds up nobody else.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::executor::block_on;
use tokio::io::AsyncReadExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::frames::{self, Command, Frame, Greeting, Request, VERSION, What, Word};
use super::live::Live;
use crate::app::App;

/// A client that connects says at once what it wants.
const REQUEST: Duration = Duration::from_secs(10);
/// Commands at the same time; more wait to be let in.
const AT_ONCE: usize = 64;
/// Pieces of output on their way to a client: the command waits for a client that is further behind.
const PIECES: usize = 16;
/// Commands that were told to stop get so long to end: less than the service has to drain.
const STOPPING: Duration = Duration::from_secs(15);

/// A command, where it writes to, and what it must know of its client.
pub struct Call {
    /// Without the program's name.
    pub arguments: Vec<OsString>,
    /// What the client's relative paths start at.
    pub folder: PathBuf,
    pub stderr_is_terminal: bool,
    /// Columns of its terminal.
    pub width: u16,
    /// Fingerprints of the settings it was told to use, by section; None where it follows the service.
    pub settings: Option<BTreeMap<String, String>>,
    pub stdout: Stream,
    pub stderr: Stream,
    /// The user's first signal, or the service's.
    pub stop: CancellationToken,
    /// Nobody waits for the command any more: it ends at once.
    pub gone: CancellationToken,
}

/// Runs the commands of clients; the command line does, which lies above.
pub trait Commands: Send + Sync {
    /// Runs a command to its end, blocking the thread, inside a runtime. Returns its exit code, or why it is not run.
    fn run(&self, app: &App, call: Call) -> Result<u8, String>;
}

/// Standard output or standard error of a client. Clones lead to the same.
#[derive(Debug, Clone)]
pub struct Stream {
    frames: mpsc::Sender<Frame>,
    frame: fn(Vec<u8>) -> Frame,
    closed: Arc<AtomicBool>,
}

impl Stream {
    /// Sends what may as well be lost, without waiting.
    pub fn offer(&self, bytes: Vec<u8>) {
        // Full: the client is behind.
        let _ = self.frames.try_send((self.frame)(bytes));
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let sent = block_on(self.frames.send((self.frame)(bytes.to_vec())));
        sent.map(|()| bytes.len()).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What every connection works with.
pub struct Control {
    pub app: Arc<App>,
    pub commands: Arc<dyn Commands>,
    pub greeting: Greeting,
    pub live: Live,
}

/// Lets clients in until `halt`; their commands are then told to stop, and waited for.
pub async fn run(listener: UnixListener, control: Arc<Control>, halt: CancellationToken) {
    let mut clients = JoinSet::new();
    let gone = CancellationToken::new();
    loop {
        let room = clients.len() < AT_ONCE;
        tokio::select! {
            () = halt.cancelled() => break,
            Some(_) = clients.join_next() => {}
            accepted = listener.accept(), if room => match accepted {
                Ok((stream, _)) => {
                    clients.spawn(serve(stream, control.clone(), halt.child_token(), gone.child_token()));
                }
                Err(error) => {
                    // Out of descriptors: there is hope when a client goes.
                    tracing::warn!(%error, "a client of the control socket could not be let in");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
    drop(listener);
    let all = async { while clients.join_next().await.is_some() {} };
    if timeout(STOPPING, all).await.is_err() {
        gone.cancel();
        clients.shutdown().await;
    }
}

async fn serve(mut stream: UnixStream, control: Arc<Control>, stop: CancellationToken, gone: CancellationToken) {
    if let Err(error) = serve_client(&mut stream, &control, stop, gone).await {
        tracing::debug!(%error, "a client of the control socket went away");
    }
}

async fn serve_client(
    stream: &mut UnixStream,
    control: &Arc<Control>,
    stop: CancellationToken,
    gone: CancellationToken,
) -> io::Result<()> {
    let (peer, own) = (stream.peer_cred()?.uid(), rustix::process::geteuid().as_raw());
    if peer != own && peer != 0 {
        let reason = format!("this service belongs to user {own}: run the command as that user");
        return frames::send_frame(stream, &Frame::Refused(reason)).await;
    }
    let Request { version, what } = timeout(REQUEST, frames::receive_request(stream)).await??;
    match what {
        What::Greeting => frames::send_frame(stream, &Frame::Answer(serde_json::to_vec(&control.greeting)?)).await,
        _ if version != VERSION => {
            let reason = format!(
                "the service that is running (process {}) is quire {VERSION}, this is quire {version}: restart it, or use its \
                 program",
                control.greeting.process
            );
            frames::send_frame(stream, &Frame::Refused(reason)).await
        }
        What::Watch => control.live.tell(stream, &control.app, &control.greeting, &stop).await,
        What::Command(command) => run_command(stream, control, command, stop, gone).await,
    }
}

async fn run_command(
    stream: &mut UnixStream,
    control: &Arc<Control>,
    command: Command,
    stop: CancellationToken,
    gone: CancellationToken,
) -> io::Result<()> {
    let (sender, mut pieces) = mpsc::channel(PIECES);
    let closed = Arc::new(AtomicBool::new(false));
    let call = Call {
        arguments: command.arguments(),
        folder: command.folder(),
        stderr_is_terminal: command.stderr_is_terminal,
        width: command.width,
        settings: command.settings,
        stdout: Stream { frames: sender.clone(), frame: Frame::Stdout, closed: closed.clone() },
        stderr: Stream { frames: sender, frame: Frame::Stderr, closed: Arc::default() },
        stop: stop.clone(),
        gone: gone.clone(),
    };
    let control = control.clone();
    let mut running = tokio::task::spawn_blocking(move || control.commands.run(&control.app, call));
    let (from, mut to) = stream.split();
    let listening = listen(from, &stop, &gone, &closed);
    let mut listening = std::pin::pin!(listening);
    let outcome = loop {
        tokio::select! {
            // What the command wrote goes before what it ended with.
            biased;
            Some(piece) = pieces.recv() => frames::send_frame(&mut to, &piece).await.inspect_err(|_| gone.cancel())?,
            outcome = &mut running => break outcome,
            () = &mut listening, if !gone.is_cancelled() => {}
        }
    };
    pieces.close();
    while let Some(piece) = pieces.recv().await {
        frames::send_frame(&mut to, &piece).await?;
    }
    let last = match outcome {
        Ok(Ok(code)) => Frame::Exit(code),
        Ok(Err(reason)) => Frame::Refused(reason),
        Err(error) => Frame::Refused(format!("the command failed inside the service: {error}")),
    };
    frames::send_frame(&mut to, &last).await
}

/// Hears what the client says until it goes.
async fn listen(
    mut from: tokio::net::unix::ReadHalf<'_>,
    stop: &CancellationToken,
    gone: &CancellationToken,
    closed: &AtomicBool,
) {
    loop {
        match from.read_u8().await.map(Word::of) {
            Ok(Some(Word::Stop)) => stop.cancel(),
            Ok(Some(Word::Closed)) => closed.store(true, Ordering::Relaxed),
            Ok(None) => {}
            Err(_) => return gone.cancel(),
        }
    }
}
