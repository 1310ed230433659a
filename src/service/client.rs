//! The other end of the control socket: a command that finds a service on its data folder has it done there, and writes out
//! what comes back.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::frames::{self, Command, Frame, Greeting, Request, VERSION, What, Word};
use super::socket;
use crate::app::DataDir;
use crate::error::{Error, Result};

/// A service that starts listens sooner, unless its model is very large.
const START: Duration = Duration::from_secs(10);
/// It is looked for again after so long.
const LOOK: Duration = Duration::from_millis(50);
/// A service that is alive answers a greeting sooner.
const GREETING: Duration = Duration::from_secs(10);

/// A service on a data folder.
pub struct Client {
    stream: UnixStream,
}

/// What a command is run with.
#[derive(Debug)]
pub struct Asked<'a> {
    /// Without the program's name.
    pub arguments: &'a [OsString],
    pub folder: &'a Path,
    pub stderr_is_terminal: bool,
    pub width: u16,
    pub settings: Option<BTreeMap<String, String>>,
    /// The user's word to stop: passed on.
    pub stop: CancellationToken,
}

/// What a command wrote.
#[derive(Debug, Clone, Copy)]
pub enum Piece<'a> {
    Stdout(&'a [u8]),
    Stderr(&'a [u8]),
}

impl Client {
    /// The service on a data folder; None where nobody serves it. One that holds the folder and does not listen yet is waited for,
    /// for a while; so is one that is about to end, until it has.
    pub async fn find(data_dir: &Path) -> Option<Self> {
        Self::find_within(data_dir, START).await
    }

    async fn find_within(data_dir: &Path, patience: Duration) -> Option<Self> {
        let until = Instant::now() + patience;
        loop {
            if let Some(stream) = socket::connect(data_dir).await {
                return Some(Self { stream });
            }
            if Instant::now() >= until || !DataDir::is_served(data_dir) {
                return None;
            }
            sleep(LOOK).await;
        }
    }

    /// Who it is; None where it does not say.
    pub async fn greeting(mut self) -> Option<Greeting> {
        let asked = async {
            frames::send_request(&mut self.stream, &request(What::Greeting)).await?;
            frames::receive_frame(&mut self.stream).await
        };
        match timeout(GREETING, asked).await {
            Ok(Ok(Frame::Answer(json))) => serde_json::from_slice(&json).ok(),
            _ => None,
        }
    }

    /// Has a command run, hands what it writes to `write`, and returns its exit code. Once `write` fails for standard output,
    /// the command is told that nobody reads it any more.
    ///
    /// # Errors
    /// Configuration, where the service refuses: it is another version, or has other settings. Transient, where it went away.
    pub async fn run(mut self, asked: Asked<'_>, mut write: impl FnMut(Piece<'_>) -> io::Result<()>) -> Result<u8> {
        let mut command = Command::new(asked.arguments, asked.folder);
        command.stderr_is_terminal = asked.stderr_is_terminal;
        command.width = asked.width;
        command.settings = asked.settings;
        frames::send_request(&mut self.stream, &request(What::Command(command))).await.map_err(gone)?;
        let (mut from, mut to) = self.stream.into_split();
        // Two words can be said, once each.
        let (words, mut said) = mpsc::channel::<Word>(2);
        let saying = AbortOnDropHandle::new(tokio::spawn(async move {
            while let Some(word) = said.recv().await {
                // Fails where the command has just ended.
                let _ = to.write_all(&[word.byte()]).await;
            }
        }));
        let stopping = AbortOnDropHandle::new(tokio::spawn({
            let words = words.clone();
            async move {
                asked.stop.cancelled().await;
                let _ = words.send(Word::Stop).await;
            }
        }));
        let mut is_read = true;
        let ended = loop {
            match frames::receive_frame(&mut from).await.map_err(gone)? {
                Frame::Stdout(bytes) if is_read => {
                    is_read = write(Piece::Stdout(&bytes)).is_ok();
                    if !is_read {
                        let _ = words.try_send(Word::Closed);
                    }
                }
                Frame::Stdout(_) => {}
                // Where nobody can be told, nobody is.
                Frame::Stderr(bytes) => drop(write(Piece::Stderr(&bytes))),
                Frame::Exit(code) => break Ok(code),
                Frame::Refused(reason) => break Err(Error::configuration(reason)),
                Frame::Answer(_) => break Err(Error::bug("the service answered what nobody asked")),
            }
        };
        drop((saying, stopping));
        ended
    }

    /// What the service tells of itself, again and again, until `told` has enough or it goes away.
    pub async fn watch(mut self, mut told: impl FnMut(&[u8]) -> Result<bool>) -> Result<()> {
        frames::send_request(&mut self.stream, &request(What::Watch)).await.map_err(gone)?;
        loop {
            match frames::receive_frame(&mut self.stream).await.map_err(gone)? {
                Frame::Answer(json) if told(&json)? => {}
                Frame::Answer(_) => return Ok(()),
                Frame::Refused(reason) => return Err(Error::configuration(reason)),
                _ => return Err(Error::bug("the service answered what nobody asked")),
            }
        }
    }
}

fn request(what: What) -> Request {
    Request { version: VERSION.to_owned(), what }
}

fn gone(error: io::Error) -> Error {
    Error::transient("the running service went away before the command ended: what was accepted is kept")
        .with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_service_that_starts_is_waited_for_and_a_command_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let command = DataDir::open(folder.path()).unwrap();
        assert!(Client::find(folder.path()).await.is_none());
        drop(command);
        let service = DataDir::open_for_service(folder.path()).unwrap();
        // The client looks first, and again.
        let (found, listener) =
            tokio::join!(Client::find(folder.path()), async { socket::listen(folder.path()).unwrap() });
        assert!(found.is_some());
        drop((listener, service));
    }

    #[tokio::test]
    async fn a_service_that_never_listens_is_not_waited_for_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let _service = DataDir::open_for_service(folder.path()).unwrap();
        assert!(Client::find_within(folder.path(), 2 * LOOK).await.is_none());
    }
}
