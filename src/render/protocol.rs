//! What passes between the pool and a worker over its pipes: frames of a small JSON header and raw bytes.
//!
//! Frame: `u32` header length, `u64` body length (both little-endian), header, body. The pool sends one [`Setup`], then
//! one [`Order`] at a time; each gets one [`Reply`]. The body of a drawn page is its pixels; every other body is
//! empty.

use std::borrow::Cow;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::sniff::Format;
use crate::types::{DocumentInfo, RenderSettings, TextLayer};

/// A header larger than this is nonsense: a page's text layer is bounded far below.
const MAX_HEADER_BYTES: u32 = 256 << 20;

/// What the pool asks for, and where a page goes.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order<'a> {
    pub request: Cow<'a, Request>,
    /// Number of a place in the memory that pool and worker share.
    pub place: Option<u32>,
}

/// The first frame to a worker.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Setup {
    pub settings: RenderSettings,
    /// Full path of PDFium's shared library.
    pub pdfium: PathBuf,
    /// Memory to draw in, where the pool shares some.
    pub board: Option<PathBuf>,
    pub faults: Vec<Fault>,
}

/// A failure that a test asks a worker for, to try the recovery from it.
#[doc(hidden)]
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Fault {
    /// 1-based; 0 is the opening of a document.
    pub page: u32,
    pub kind: FaultKind,
}

#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FaultKind {
    /// Dies of a signal.
    Crash,
    /// Dies of a signal, unless this is the first thing the worker does.
    CrashUnlessFresh,
    /// Never answers.
    Hang,
    /// Asks for more memory than it may have.
    Allocate,
    /// Prints to standard output, where the frames would be if the worker did not move them away.
    Print,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Request {
    /// `id` is the pool's number for this opening of the file: a path may be used again for other bytes, a number never
    /// is.
    Open {
        id: u64,
        path: PathBuf,
        format: Format,
    },
    Page {
        id: u64,
        path: PathBuf,
        format: Format,
        number: u32,
    },
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Reply {
    Opened(DocumentInfo),
    Page(PageHeader),
    /// The document or the page cannot be used; the sentence follows the document's name or the page's number.
    Refused(String),
    /// This installation cannot draw PDFs: the library is missing or does not fit.
    Unusable(String),
}

/// A rendered page without its pixels, which are the frame's body.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PageHeader {
    pub width: u32,
    pub height: u32,
    pub width_pt: f32,
    pub height_pt: f32,
    pub scaled_down: bool,
    /// The pixels are in the memory that the pool shares with the worker, and the body is empty.
    pub shared: bool,
    pub text: TextLayer,
}

/// A page as the worker drew it.
pub(super) struct Drawn {
    pub header: PageHeader,
    /// RGB8, `[height, width, 3]`; empty where it is in shared memory.
    pub rgb: Vec<u8>,
}

fn lengths(header: &[u8], body: &[u8]) -> io::Result<[u8; 12]> {
    let header_length = u32::try_from(header.len())
        .ok()
        .filter(|length| *length <= MAX_HEADER_BYTES)
        .ok_or_else(|| invalid(format!("a frame header of {} bytes is too long", header.len())))?;
    let mut bytes = [0; 12];
    bytes[..4].copy_from_slice(&header_length.to_le_bytes());
    bytes[4..].copy_from_slice(&(body.len() as u64).to_le_bytes());
    Ok(bytes)
}

/// Lengths of header and body, checked before anything is allocated for them.
fn parse_lengths(bytes: [u8; 12], max_body: u64) -> io::Result<(usize, usize)> {
    let [a, b, c, d, rest @ ..] = bytes;
    let (header, body) = (u32::from_le_bytes([a, b, c, d]), u64::from_le_bytes(rest));
    if header > MAX_HEADER_BYTES || body > max_body {
        return Err(invalid(format!("a frame announces {header} + {body} bytes")));
    }
    Ok((header as usize, body as usize))
}

fn invalid(message: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

/// Writes one frame; the worker's side.
pub(super) fn write_frame(out: &mut impl Write, header: &impl Serialize, body: &[u8]) -> io::Result<()> {
    let header = serde_json::to_vec(header).map_err(invalid)?;
    out.write_all(&lengths(&header, body)?)?;
    out.write_all(&header)?;
    out.write_all(body)?;
    out.flush()
}

/// Reads one frame without a body; the worker's side. `None`: the pool closed the pipe.
pub(super) fn read_frame<T: DeserializeOwned>(input: &mut impl Read) -> io::Result<Option<T>> {
    let mut bytes = [0; 12];
    match input.read_exact(&mut bytes) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        result => result?,
    }
    let (length, _) = parse_lengths(bytes, 0)?;
    let mut header = vec![0; length];
    input.read_exact(&mut header)?;
    serde_json::from_slice(&header).map(Some).map_err(invalid)
}

/// Writes one frame without a body; the pool's side.
pub(super) async fn send<W: AsyncWrite + Unpin>(out: &mut W, header: &impl Serialize) -> io::Result<()> {
    let header = serde_json::to_vec(header).map_err(invalid)?;
    let mut frame = lengths(&header, &[])?.to_vec();
    frame.extend_from_slice(&header);
    out.write_all(&frame).await?;
    out.flush().await
}

/// Reads one frame; the pool's side. A body longer than `max_body` bytes is an error, not an allocation.
pub(super) async fn receive<T: DeserializeOwned, R: AsyncRead + Unpin>(
    input: &mut R,
    max_body: u64,
) -> io::Result<(T, Vec<u8>)> {
    let mut bytes = [0; 12];
    input.read_exact(&mut bytes).await?;
    let (header_length, body_length) = parse_lengths(bytes, max_body)?;
    let mut header = vec![0; header_length];
    input.read_exact(&mut header).await?;
    // not zeroed first: a page is megabytes, and every one of them is about to be overwritten
    let mut body = Vec::with_capacity(body_length);
    if input.take(body_length as u64).read_to_end(&mut body).await? < body_length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok((serde_json::from_slice(&header).map_err(invalid)?, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_frame_arrives_as_it_was_sent() {
        let mut bytes = Vec::new();
        write_frame(&mut bytes, &Reply::Refused("no".into()), &[1, 2, 3]).unwrap();
        let (reply, body): (Reply, _) = receive(&mut bytes.as_slice(), 3).await.unwrap();
        assert!(matches!(reply, Reply::Refused(reason) if reason == "no"));
        assert_eq!(body, [1, 2, 3]);

        let mut bytes = Vec::new();
        let request = Request::Page { id: 1, path: "/a b".into(), format: Format::Tiff, number: 7 };
        send(&mut bytes, &request).await.unwrap();
        let request: Option<Request> = read_frame(&mut bytes.as_slice()).unwrap();
        assert!(matches!(request, Some(Request::Page { number: 7, format: Format::Tiff, .. })));
        assert!(read_frame::<Request>(&mut [].as_slice()).unwrap().is_none());
    }

    #[tokio::test]
    async fn lengths_are_checked_before_memory_is_taken() {
        let mut bytes = Vec::new();
        write_frame(&mut bytes, &Reply::Refused("no".into()), &[0; 8]).unwrap();
        assert!(receive::<Reply, _>(&mut bytes.as_slice(), 7).await.is_err());
        let nonsense = [0xff; 64];
        assert!(receive::<Reply, _>(&mut nonsense.as_slice(), u64::MAX).await.is_err());
    }
}
