//! What goes over the control socket: a request as JSON behind its length, then frames from the service and single bytes from
//! the client. Both ends are the same version of the same program, or say so and part.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// A request with the longest arguments that Linux lets a program have.
const MAX_REQUEST_BYTES: u32 = 4 << 20;
/// A piece of output.
const MAX_FRAME_BYTES: u32 = 64 << 10;

/// This program's version: the two ends of a connection must agree.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What a client asks for.
#[derive(Debug, Serialize, Deserialize)]
pub struct Request {
    pub version: String,
    pub what: What,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Who is there?
    Greeting,
    /// What is going on? Answered again and again, until the client goes.
    Watch,
    Command(Command),
}

/// A command to be run in the client's name.
#[derive(Debug, Serialize, Deserialize)]
pub struct Command {
    /// Without the program's name. File names need not be text.
    arguments: Vec<Vec<u8>>,
    folder: Vec<u8>,
    pub stderr_is_terminal: bool,
    /// Columns of the client's terminal.
    pub width: u16,
    /// Fingerprints of the settings that the client was told to use, by section; None where it was told nothing and follows
    /// the service.
    pub settings: Option<BTreeMap<String, String>>,
}

impl Command {
    pub fn new(arguments: &[OsString], folder: &Path) -> Self {
        Self {
            arguments: arguments.iter().map(|argument| argument.as_bytes().to_vec()).collect(),
            folder: folder.as_os_str().as_bytes().to_vec(),
            stderr_is_terminal: false,
            width: 0,
            settings: None,
        }
    }

    pub fn arguments(&self) -> Vec<OsString> {
        self.arguments.iter().cloned().map(OsString::from_vec).collect()
    }

    pub fn folder(&self) -> PathBuf {
        OsString::from_vec(self.folder.clone()).into()
    }
}

/// Who serves a data folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Greeting {
    pub version: String,
    pub process: u32,
    /// None: it answers no HTTP.
    pub address: Option<String>,
}

/// A piece of what the service says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    Stdout(Vec<u8>),
    Stderr(Vec<u8>),
    /// The command ended with this exit code. The last frame.
    Exit(u8),
    /// The command is not run, and why. The last frame.
    Refused(String),
    /// An answer as JSON.
    Answer(Vec<u8>),
}

/// What a client says after its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// The user wants the command to stop.
    Stop,
    /// Nobody reads its standard output any more.
    Closed,
}

impl Word {
    pub const fn byte(self) -> u8 {
        match self {
            Self::Stop => b's',
            Self::Closed => b'c',
        }
    }

    pub fn of(byte: u8) -> Option<Self> {
        [Self::Stop, Self::Closed].into_iter().find(|word| word.byte() == byte)
    }
}

pub async fn send_request(to: &mut (impl AsyncWrite + Unpin), request: &Request) -> io::Result<()> {
    let json = serde_json::to_vec(request)?;
    let length = u32::try_from(json.len()).ok().filter(|length| *length <= MAX_REQUEST_BYTES);
    to.write_u32(length.ok_or_else(|| io::Error::other("the arguments are too long"))?).await?;
    to.write_all(&json).await?;
    to.flush().await
}

pub async fn receive_request(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Request> {
    let bytes = receive(from, MAX_REQUEST_BYTES).await?;
    Ok(serde_json::from_slice(&bytes)?)
}

pub async fn send_frame(to: &mut (impl AsyncWrite + Unpin), frame: &Frame) -> io::Result<()> {
    let (kind, bytes) = match frame {
        Frame::Stdout(bytes) => (b'o', bytes.as_slice()),
        Frame::Stderr(bytes) => (b'e', bytes.as_slice()),
        Frame::Exit(code) => (b'x', std::slice::from_ref(code)),
        Frame::Refused(reason) => (b'r', reason.as_bytes()),
        Frame::Answer(json) => (b'a', json.as_slice()),
    };
    let mut rest = bytes;
    loop {
        let (piece, after) = rest.split_at(rest.len().min(MAX_FRAME_BYTES as usize));
        to.write_u8(kind).await?;
        to.write_u32(u32::try_from(piece.len()).map_err(io::Error::other)?).await?;
        to.write_all(piece).await?;
        rest = after;
        if rest.is_empty() {
            return to.flush().await;
        }
    }
}

/// The next frame.
///
/// # Errors
/// The service went away, or said something that is no frame.
pub async fn receive_frame(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Frame> {
    let kind = from.read_u8().await?;
    let bytes = receive(from, MAX_FRAME_BYTES).await?;
    match (kind, bytes.as_slice()) {
        (b'o', _) => Ok(Frame::Stdout(bytes)),
        (b'e', _) => Ok(Frame::Stderr(bytes)),
        (b'x', [code]) => Ok(Frame::Exit(*code)),
        (b'r', _) => Ok(Frame::Refused(String::from_utf8_lossy(&bytes).into_owned())),
        (b'a', _) => Ok(Frame::Answer(bytes)),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, format!("no frame begins with {kind}"))),
    }
}

async fn receive(from: &mut (impl AsyncRead + Unpin), most: u32) -> io::Result<Vec<u8>> {
    let length = from.read_u32().await?;
    if length > most {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{length} bytes, at most {most} are expected")));
    }
    let mut bytes = vec![0; length as usize];
    from.read_exact(&mut bytes).await?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_arrive_as_they_were_sent_and_long_ones_in_pieces() {
        let (mut one, mut other) = tokio::io::duplex(1 << 20);
        let long = vec![7; MAX_FRAME_BYTES as usize + 3];
        let sent = [
            Frame::Stdout(b"text".to_vec()),
            Frame::Stderr(Vec::new()),
            Frame::Refused("why".into()),
            Frame::Answer(b"{}".to_vec()),
            Frame::Exit(3),
        ];
        send_frame(&mut one, &Frame::Stdout(long.clone())).await.unwrap();
        let (first, second) = (receive_frame(&mut other).await.unwrap(), receive_frame(&mut other).await.unwrap());
        assert_eq!((first, second), (Frame::Stdout(long[3..].to_vec()), Frame::Stdout(long[..3].to_vec())));
        for frame in sent {
            send_frame(&mut one, &frame).await.unwrap();
            assert_eq!(receive_frame(&mut other).await.unwrap(), frame);
        }
    }

    #[tokio::test]
    async fn a_request_keeps_names_that_are_no_text() {
        let (mut one, mut other) = tokio::io::duplex(1 << 16);
        let arguments = [OsString::from("ingest"), OsString::from_vec(b"caf\xe9.pdf".to_vec())];
        let command = Command::new(&arguments, Path::new("/home/me"));
        let request = Request { version: VERSION.into(), what: What::Command(command) };
        send_request(&mut one, &request).await.unwrap();
        let What::Command(received) = receive_request(&mut other).await.unwrap().what else { panic!("no command") };
        assert_eq!((received.arguments(), received.folder()), (arguments.to_vec(), PathBuf::from("/home/me")));
    }

    #[tokio::test]
    async fn nobody_makes_the_service_allocate_what_they_say() {
        let (mut one, mut other) = tokio::io::duplex(64);
        one.write_u32(u32::MAX).await.unwrap();
        assert_eq!(receive_request(&mut other).await.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
